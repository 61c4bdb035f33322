"""Receipts: the centre's signed word that it has an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gateway.contract.canonical import told
from gateway.contract.jws import RECEIPT_TYPE, TrustedKey, verify_compact
from gateway.core.errors import BadMessage, BadSignature

MAX_ITEMS = 1000


class Newest(NamedTuple):
    """The latest event of a gateway by a centre's word. sha256: of its canonical form, hex."""

    epoch: int
    sequence: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt that was verified. recipient: whose key signed it. items: (event id, sha-256).

    newest: the latest event of this gateway that the centre has; None where it does not say.
    """

    recipient: str
    items: tuple[tuple[str, str], ...]
    unusable: bool
    reason: str
    newest: Newest | None = None


def read_receipt(token: bytes, keys: dict[str, TrustedKey], source: str) -> Receipt:
    """Verify and read one receipt for the gateway named `source`.

    Raises BadMessage or BadSignature; whatever is wrong, nothing changes.
    """
    message, key = verify_compact(token, keys, RECEIPT_TYPE)
    if message.get("gateway") != source:
        raise BadSignature(f"is for gateway {told(message, 'gateway')!r}; this is {source!r}")
    if message.get("by") != key.owner:
        raise BadSignature(f"says it is by {told(message, 'by')!r}, but key {key.kid!r} belongs to {key.owner!r}")
    result = message.get("result")
    if result not in ("received", "unusable"):
        raise BadMessage(f"result is {told(message, 'result')!r}; expected received or unusable")
    items = message.get("items")
    if not isinstance(items, list) or not 0 < len(items) <= MAX_ITEMS:
        raise BadMessage(f"items must be a list of 1 to {MAX_ITEMS} events")
    pairs = []
    for item in items:
        if not isinstance(item, dict) or not _is_word(item.get("id")) or not _is_word(item.get("sha256")):
            raise BadMessage("each item needs id and sha256")
        pairs.append((item["id"], item["sha256"]))
    return Receipt(key.owner, tuple(pairs), result == "unusable", told(message, "reason", 500), _newest(message.get("newest")))


def _newest(value: object) -> Newest | None:
    """What is no place says nothing; the receipt counts all the same."""
    if not isinstance(value, dict):
        return None
    numbers = [value.get("epoch"), value.get("sequence")]
    digits = [each for each in numbers if isinstance(each, str) and each.isascii() and each.isdigit() and len(each) <= 20]
    sha256 = value.get("sha256")
    return Newest(int(digits[0]), int(digits[1]), sha256) if len(digits) == 2 and isinstance(sha256, str) else None


def _is_word(value: object) -> bool:
    """Ids are UUIDs and digests hex: short and plain."""
    return isinstance(value, str) and value.isascii() and 0 < len(value) <= 128
