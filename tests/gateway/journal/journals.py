"""A journal in a folder of its own, and a check of its chain that shares nothing with the code under test."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.contract.envelope import Origin, Sealed
from gateway.contract.jws import Signer
from gateway.core.ids import EventIds
from gateway.core.points import Draft, EventClass, Priority
from gateway.journal.store import JOURNAL_NAME, Store, open_store, row_of

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
ORIGIN = Origin("/sites/school/gateways/gate", "boot", 0.0)
RECIPIENTS = {"police": frozenset({"alarm", "fault"}), "bureau": frozenset({"alarm", "audit"})}
AT_MS = 1_795_248_000_000
_ids = EventIds()


def signer() -> Signer:
    return Signer(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def draft(event_class: EventClass = EventClass.ALARM, **data: object) -> Draft:
    return Draft(_ids(AT_MS), event_class, f"campus.{event_class}.x", "panic", Priority.URGENT, AT_MS, 1.0, "synchronised", data)


def opened(reason: str, data: dict[str, object]) -> Draft:
    return Draft(_ids(AT_MS), EventClass.AUDIT, "campus.journal.opened", "gw-journal", Priority.ROUTINE, AT_MS, 0.0, "synchronised", data)


def open_at(folder: Path) -> tuple[Store, Sealed | None]:
    return open_store(folder, ORIGIN, signer(), RECIPIENTS, opened, AT_MS)


def rows(folder: Path, query: str, values: Iterable[object] = ()) -> list[Any]:
    """What a second program sees in the file."""
    with closing(sqlite3.connect(folder / JOURNAL_NAME)) as db:
        return db.execute(query, tuple(values)).fetchall()


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(body) for (body,) in rows(folder, "SELECT body FROM event ORDER BY row")]


def check_chain(folder: Path) -> int:
    """Verify every stored event: bytes, digest, signature, contiguous numbers, chain. Returns how many."""
    sequence, epoch, previous = 0, 0, ""
    per_class: dict[str, int] = {}
    count = 0
    found = rows(folder, "SELECT row, epoch, sequence, class, classsequence, sha256, body FROM event ORDER BY row")
    for row, of_epoch, number, event_class, class_number, sha256, body in found:
        event = json.loads(body)
        if of_epoch != epoch:
            assert of_epoch > epoch
            epoch, sequence, previous, per_class = of_epoch, 0, "0" * 64, {}
        sequence += 1
        per_class[event_class] = per_class.get(event_class, 0) + 1
        count += 1
        assert row == row_of(epoch, sequence)
        assert (number, int(event["sequence"]), int(event["epoch"])) == (sequence, sequence, epoch)
        assert (class_number, int(event["classsequence"])) == (per_class[event_class],) * 2
        assert event["previoushash"] == previous
        assert rfc8785.dumps(event) == body
        previous = hashlib.sha256(body).hexdigest()
        assert sha256 == previous
        header, _, signature = event.pop("signature").split(".")
        signed = f"{header}.{urlsafe_b64encode(rfc8785.dumps(event)).rstrip(b'=').decode()}".encode()
        KEY.public_key().verify(urlsafe_b64decode(signature + "=="), signed)
    return count
