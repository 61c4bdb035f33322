"""Signed receipts: the centre's word that it has these events, or cannot use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import rfc8785
from joserfc import jws

from simulators.centre.keys import CentreKey

MAX_ITEMS = 100
TYPE = "campus-receipt"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be said about one event. result: received or unusable; sha256 is of the bytes that arrived."""

    gateway: str
    id: str
    sha256: str
    result: str = "received"
    reason: str = ""


def receipts(
    answers: Iterable[Answer], key: CentreKey, at: str, newest: Mapping[str, tuple[str, int, str]] | None = None
) -> list[tuple[str, str]]:
    """(gateway, compact JWS) for all answers: one for each gateway, result and reason, at most 100 items each.

    at: RFC 3339 UTC. newest: gateway -> (epoch, sequence, sha-256) of its latest event that this centre has.
    """
    newest = newest or {}
    batches: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for answer in answers:
        item = {"id": answer.id, "sha256": answer.sha256}
        items = batches.setdefault((answer.gateway, answer.result, answer.reason), [])
        if item not in items:
            items.append(item)
    header = {"alg": "EdDSA", "kid": key.kid, "typ": TYPE}
    signed = []
    for (gateway, result, reason), items in batches.items():
        latest = {}
        if gateway in newest:
            epoch, sequence, sha256 = newest[gateway]
            latest["newest"] = {"epoch": epoch, "sequence": f"{sequence:020d}", "sha256": sha256}
        for start in range(0, len(items), MAX_ITEMS):
            content = rfc8785.dumps(
                {
                    "by": key.by,
                    "at": at,
                    "gateway": gateway,
                    "items": items[start : start + MAX_ITEMS],
                    "result": result,
                    "reason": reason,
                    **latest,
                }
            )
            signed.append((gateway, jws.serialize_compact(header, content, key.key, algorithms=["EdDSA"])))
    return signed
