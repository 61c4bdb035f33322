"""The journal proved whole, and every kind of broken link named. Real files, changed with SQLite behind the journal's back."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from base64 import urlsafe_b64encode
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.points import EventClass
from gateway.journal.store import JOURNAL_NAME, Batch, open_store
from gateway.journal.verify import Keys, Unreadable, journal_files, public_key, thumbprint, verify
from tests.gateway.journal.journals import AT_MS, ORIGIN, RECIPIENTS, draft, open_at, opened, signer

FIXTURES = Path(__file__).parent / "fixtures"


def keys() -> Keys:
    public = signer().public()
    assert thumbprint(public["x"]) == public["kid"]
    return {public["kid"]: public_key(public["x"])}


def filled(folder: Path, count: int = 20) -> None:
    store, _ = open_at(folder)
    for n in range(count):
        store.commit([Batch([draft([EventClass.ALARM, EventClass.FAULT, EventClass.OBSERVATION][n % 3], n=n)])], [])
    store.close()


def change(folder: Path, query: str, *values: object, name: str = JOURNAL_NAME) -> None:
    with closing(sqlite3.connect(folder / name, isolation_level=None)) as db:
        assert db.execute(query, values).rowcount


def broken(folder: Path) -> tuple[int, int, str]:
    verdict = verify(folder, keys())
    (found,) = verdict.broken
    return found.epoch, found.sequence, found.text


def test_a_journal_is_whole(tmp_path: Path) -> None:
    filled(tmp_path)
    told: list[int] = []
    verdict = verify(tmp_path, keys(), told.append)
    assert verdict.broken == []
    assert (verdict.events, verdict.stubs, verdict.notes) == (21, 0, [])
    assert {epoch: (span.first, span.last) for epoch, span in verdict.epochs.items()} == {1: (1, 21)}
    filled(tmp_path, 990)
    verify(tmp_path, keys(), told.append)
    assert told == [1000]


def test_it_can_be_verified_while_the_daemon_writes(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    store.commit([Batch([draft()])], [])
    assert verify(tmp_path, keys()).events == 2
    store.commit([Batch([draft()])], [])
    assert verify(tmp_path, keys()).events == 3
    store.close()


def rewritten(folder: Path, sequence: int, **members: Any) -> None:
    """An event with other members, its hash put right; what is left is the signature."""
    with closing(sqlite3.connect(folder / JOURNAL_NAME)) as db:
        event = json.loads(db.execute("SELECT body FROM event WHERE sequence = ?", (sequence,)).fetchone()[0])
    body = rfc8785.dumps(event | members)
    change(folder, "UPDATE event SET body = ?, sha256 = ? WHERE sequence = ?", body, hashlib.sha256(body).hexdigest(), sequence)


def test_a_changed_body(tmp_path: Path) -> None:
    filled(tmp_path)
    change(tmp_path, "UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'Z', 'Y') AS BLOB) WHERE sequence = 7")
    assert broken(tmp_path) == (1, 7, "its body does not have its sha-256")


def test_a_changed_body_with_a_new_hash(tmp_path: Path) -> None:
    filled(tmp_path)
    rewritten(tmp_path, 7, time="2020-01-01T00:00:00.000Z")
    assert broken(tmp_path) == (1, 7, "its signature does not hold")


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        ("x", "it carries no signature"),
        ("a.b.cc", "its signature is not a detached one in its place"),
        ("e30..cc", "the header of its signature cannot be read"),
        ("eyJhbGciOiJub25lIiwia2lkIjoiYSJ9..cc", "it is signed with key 'a', which is not known here; give its public half with --key"),
    ],
)
def test_a_signature_that_is_none(tmp_path: Path, signature: str, text: str) -> None:
    filled(tmp_path)
    rewritten(tmp_path, 3, signature=signature)
    assert broken(tmp_path) == (1, 3, text)


def test_a_body_with_a_space(tmp_path: Path) -> None:
    filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME)) as db:
        body = db.execute("SELECT body FROM event WHERE sequence = 4").fetchone()[0].replace(b":", b": ", 1)
    change(tmp_path, "UPDATE event SET body = ?, sha256 = ? WHERE sequence = 4", body, hashlib.sha256(body).hexdigest())
    assert broken(tmp_path) == (1, 4, "its body is not in canonical form")


def test_a_missing_event(tmp_path: Path) -> None:
    filled(tmp_path)
    change(tmp_path, "DELETE FROM event WHERE sequence = 9")
    assert broken(tmp_path) == (1, 10, "sequence 9 was expected here; what lies between is missing")


def test_the_first_events_are_missing(tmp_path: Path) -> None:
    filled(tmp_path)
    change(tmp_path, "DELETE FROM event WHERE sequence < 4")
    assert broken(tmp_path)[1:] == (4, f"an epoch begins with campus.journal.opened, not with {events_type(tmp_path, 4)}")


def events_type(folder: Path, sequence: int) -> str:
    with closing(sqlite3.connect(folder / JOURNAL_NAME)) as db:
        return str(db.execute("SELECT type FROM event WHERE sequence = ?", (sequence,)).fetchone()[0])


def test_another_number_and_another_class(tmp_path: Path) -> None:
    filled(tmp_path)
    shutil.copytree(tmp_path, tmp_path / "copy")
    change(tmp_path, "UPDATE event SET sequence = 99 WHERE sequence = 21")
    assert broken(tmp_path) == (1, 99, "it stands in the journal under another id or number than its own")
    change(tmp_path / "copy", "UPDATE event SET class = 'access' WHERE sequence = 21")
    assert broken(tmp_path / "copy") == (1, 21, "its column class tells otherwise than its signed body")


def test_an_event_of_another_chain(tmp_path: Path) -> None:
    """Signed by the gateway's own key, with the right numbers, but of another journal."""
    filled(tmp_path / "a")
    filled(tmp_path / "b")
    with closing(sqlite3.connect(tmp_path / "b" / JOURNAL_NAME)) as db:
        values = db.execute("SELECT id, sha256, body FROM event WHERE sequence = 12").fetchone()
    change(tmp_path / "a", "UPDATE event SET id = ?, sha256 = ?, body = ? WHERE sequence = 12", *values)
    assert broken(tmp_path / "a") == (1, 12, "its previous hash is not that of the event before it")


def test_epochs_over_several_files(tmp_path: Path) -> None:
    filled(tmp_path)
    first, _ = open_at(tmp_path)
    last = (first.sequence, first.last_hash)
    second, opening = open_store(tmp_path, ORIGIN, signer(), RECIPIENTS, opened, AT_MS, first)
    first.close()
    second.close()
    assert opening is not None
    assert json.loads(opening.body)["data"]["last_hash"] == last[1]
    verdict = verify(tmp_path, keys())
    assert (verdict.broken, sorted(verdict.epochs)) == ([], [1, 2])
    (aside, present) = journal_files(tmp_path)
    for table in ("event WHERE sequence", "outbox WHERE row"):
        change(tmp_path, f"DELETE FROM {table} > 19", name=aside.name)
    verdict = verify(tmp_path, keys())
    assert [str(each) for each in verdict.broken] == [
        f"{present.name}: epoch 2, sequence 1, id {opening.id}: it says that epoch 1 reached sequence {last[0]}; here it ends with 19;"
        " no good one is before it, none can be read behind it"
    ]
    aside.write_bytes(b"no database")
    verdict = verify(tmp_path, keys())
    assert [each.file for each in verdict.broken] == [aside.name]
    assert 2 in verdict.epochs, "the present file is verified all the same"


def test_a_lost_file_is_noted(tmp_path: Path) -> None:
    for _ in range(2):
        filled(tmp_path)
        (tmp_path / "first").exists() or (tmp_path / JOURNAL_NAME).rename(tmp_path / "first")
    shutil.copy(tmp_path / "first", tmp_path / f"{JOURNAL_NAME}.set-aside-1")
    (tmp_path / JOURNAL_NAME).unlink()
    filled(tmp_path)
    verdict = verify(tmp_path, keys())
    assert verdict.broken == []
    assert verdict.notes == ["no events of epoch 2 are here"]


def test_a_key_that_the_old_one_announced(tmp_path: Path) -> None:
    new = Ed25519PrivateKey.from_private_bytes(b"n" * 32)
    x = urlsafe_b64encode(new.public_key().public_bytes_raw()).rstrip(b"=").decode()
    store, _ = open_at(tmp_path)
    said = draft(EventClass.AUDIT, kid=thumbprint(x), x=x)
    store.commit([Batch([type(said)(**{**fields(said), "type": "campus.key.announced"})])], [])
    store.close()
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from gateway.contract.jws import Signer

    pem = new.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    later, _ = open_store(tmp_path, ORIGIN, Signer(pem), RECIPIENTS, opened, AT_MS)
    later.commit([Batch([draft()])], [])
    later.close()
    assert verify(tmp_path, keys()).broken == []
    (found,) = verify(tmp_path, {thumbprint(x): new.public_key()}).broken
    assert found.sequence == 1, "the new key alone does not prove what the old one signed"


def fields(item: Any) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__slots__}


def test_a_file_of_the_first_schema_as_it_was_set_aside(tmp_path: Path) -> None:
    shutil.copy(FIXTURES / "schema-1.db", tmp_path / f"{JOURNAL_NAME}.set-aside-5")
    verdict = verify(tmp_path, keys())
    assert (verdict.broken, verdict.events, sorted(verdict.epochs)) == ([], 8, [1, 3])


def test_the_first_schema_migrates_and_goes_on(tmp_path: Path) -> None:
    shutil.copy(FIXTURES / "schema-1.db", tmp_path / JOURNAL_NAME)
    (tmp_path / "epoch").write_text("3\n")
    store, first = open_at(tmp_path)
    assert first is None
    assert store.set_aside is None
    assert [(latch.key, latch.state) for latch in store.latches()] == [("a", {"counter": 2})]
    (events,) = store.commit([Batch([draft()])], [])
    assert events[0].number is not None
    assert (events[0].number.epoch, events[0].number.sequence, events[0].row) == (3, 4, 2 * 2**40 + 4)
    owed = store.db.execute("SELECT row, recipient FROM outbox WHERE state = 0 ORDER BY row, recipient").fetchall()
    store.close()
    assert [row for row, _ in owed if row < 2**40] == [1, 3, 5, 5]
    assert [row - 2 * 2**40 for row, _ in owed if row > 2**40] == [1, 2, 2, 4, 4]
    verdict = verify(tmp_path, keys())
    assert (verdict.broken, verdict.events) == ([], 9)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="holds no"):
        verify(tmp_path, keys())
    (tmp_path / JOURNAL_NAME).write_text("this is no database, but long enough to be looked at" * 3)
    with pytest.raises(Unreadable, match="not a database"):
        verify(tmp_path, keys())
