"""Events of a damaged file that nobody has received are brought over, unchanged, and only those that still verify."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.contract.jws import TrustedKey
from gateway.core.delivery import RECEIVED, Settlement
from gateway.core.points import EventClass
from gateway.journal.carry import Carrier
from gateway.journal.reader import Reader
from gateway.journal.store import JOURNAL_NAME, Batch, Store, open_store
from gateway.journal.verify import journal_files, verify
from tests.gateway.journal.journals import AT_MS, ORIGIN, RECIPIENTS, draft, open_at, opened, rows, signer
from tests.gateway.journal.test_verify import FIXTURES, keys


def carrier(folder: Path) -> Carrier:
    public = signer().public()
    return Carrier(folder, TrustedKey(public["kid"], public["x"], "gateway"))


def work(carry: Carrier, store: Store) -> list[int]:
    brought: list[int] = []
    while (page := carry.step(store)) is not None:
        brought += page
    return brought


def replaced(folder: Path, amount: int, settled: int) -> tuple[Store, dict[int, tuple[str, bytes]]]:
    """(the store of the new file, events of the old one by row)."""
    old, _ = open_at(folder)
    old.commit([Batch([draft(EventClass.ALARM, n=n, text="x" * 200) for n in range(amount)])], [])
    old.commit([], [Settlement(row, name, RECEIVED, 1) for row in range(1, settled + 1) for name in RECIPIENTS])
    bodies = {row: (event_id, body) for row, event_id, body in old.db.execute("SELECT row, id, body FROM event")}
    old.close()
    new, _ = open_store(folder, ORIGIN, signer(), RECIPIENTS, opened, AT_MS, old)
    return new, bodies


async def test_what_is_owed_is_brought_over_under_its_epoch(tmp_path: Path) -> None:
    store, bodies = replaced(tmp_path, 120, 30)
    carry = carrier(tmp_path)
    brought = work(carry, store)
    assert brought == list(range(31, 122))
    assert work(carry, store) == []
    assert work(carrier(tmp_path), store) == [], "once, also after a restart"
    (new,) = store.commit([Batch([draft()])], [])
    store.close()
    assert new[0].number is not None
    assert (new[0].number.epoch, new[0].number.sequence) == (2, 2)
    reader = Reader(tmp_path)
    owed = await reader.owed(0, 500)
    assert [(item.row, item.epoch, item.sequence, item.recipients) for item in owed[:91]] == [
        (row, 1, row, frozenset(RECIPIENTS)) for row in range(31, 122)
    ]
    found = await reader.bodies(brought)
    assert {row: body for row, (_, body) in found.items()} == {row: bodies[row][1] for row in brought}
    reader.close()
    verdict = verify(tmp_path, keys())
    assert (verdict.broken, verdict.carried, sorted(verdict.epochs)) == ([], 91, [1, 2])


def test_only_what_still_verifies(tmp_path: Path) -> None:
    store, _ = replaced(tmp_path, 10, 0)
    aside = journal_files(tmp_path)[0]
    with closing(sqlite3.connect(aside, isolation_level=None)) as db:
        db.execute("UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'xxx', 'yyy') AS BLOB) WHERE row = 4")
        db.execute("UPDATE event SET body = x'00' WHERE row = 5")
    carry = carrier(tmp_path)
    left: list[str] = []
    carry.left = left.append
    assert set(work(carry, store)) == {1, 2, 3, *range(6, 12)}
    (text,) = left
    assert text.startswith("2 events of journal.db.set-aside-")
    store.close()


@pytest.mark.parametrize("column", ["epoch", "sequence", "class", "classsequence", "id", "type", "subject", "priority", "at_ms", "sha256"])
@pytest.mark.parametrize("value", ["x'ff00'", "NULL", "'\u0663'", "77.5"])
def test_a_column_that_was_flipped_costs_no_event(tmp_path: Path, column: str, value: str) -> None:
    """What is brought over is what the body says that the gateway signed, whatever the type of the column beside it has become."""
    store, _ = replaced(tmp_path, 6, 0)
    aside = journal_files(tmp_path)[0]
    with closing(sqlite3.connect(aside)) as db:
        columns = "row, epoch, sequence, class, classsequence, id, type, subject, priority, at_ms, sha256, body"
        before = db.execute("SELECT * FROM event ORDER BY row").fetchall()
        db.executescript(
            "ALTER TABLE event RENAME TO was; DROP INDEX event_class;"
            f"CREATE TABLE event ({columns}, PRIMARY KEY (row)) WITHOUT ROWID; INSERT INTO event SELECT * FROM was;"
            f"UPDATE event SET {column} = {value} WHERE row = 4;"
        )
    carry = carrier(tmp_path)
    left: list[str] = []
    carry.left = left.append
    assert work(carry, store) == list(range(1, 8))
    assert left == []
    assert store.db.execute("SELECT * FROM event WHERE epoch = 1 ORDER BY row").fetchall() == before
    store.close()


def test_whom_nobody_can_tell_are_all_told(tmp_path: Path) -> None:
    """The name of a recipient is no name any more: everybody who may have it is told again."""
    store, _ = replaced(tmp_path, 6, 0)
    with closing(sqlite3.connect(journal_files(tmp_path)[0])) as db:
        db.executescript(
            "CREATE TABLE loose AS SELECT * FROM outbox; DROP TABLE outbox; ALTER TABLE loose RENAME TO outbox;"
            "DELETE FROM outbox WHERE row = 4 AND recipient = 'bureau'; UPDATE outbox SET recipient = x'ff' WHERE row = 4"
        )
    assert work(carrier(tmp_path), store) == list(range(1, 8))
    owed = store.db.execute("SELECT recipient FROM outbox WHERE row = 4 ORDER BY recipient").fetchall()
    assert owed == [(name,) for name in sorted(RECIPIENTS)]
    store.close()


def test_an_event_that_the_new_file_refuses_is_left_and_told(tmp_path: Path) -> None:
    """Another event has its id already: the rest goes on."""
    store, bodies = replaced(tmp_path, 6, 0)
    with store.transaction():
        store.db.execute("UPDATE event SET id = ? WHERE epoch = 2", (bodies[3][0],))
    carry = carrier(tmp_path)
    left: list[str] = []
    carry.left = left.append
    assert work(carry, store) == [1, 2, 4, 5, 6, 7]
    assert len(left) == 1
    assert work(carry, store) == []
    store.close()


@pytest.mark.parametrize("page", range(2, 30, 3))
def test_as_much_as_can_be_read(tmp_path: Path, page: int) -> None:
    """One page of the file is nonsense: what lies on others is brought over, and nothing that does not verify."""
    store, bodies = replaced(tmp_path, 60, 0)
    aside = journal_files(tmp_path)[0]
    content = bytearray(aside.read_bytes())
    at = page * 4096 % len(content)
    content[at : at + 4096] = b"\xa5" * 4096
    aside.write_bytes(content)
    work(carrier(tmp_path), store)
    found = dict(store.db.execute("SELECT row, body FROM event WHERE epoch = 1"))
    store.close()
    assert {row: bodies[row][1] for row in found} == found


def test_a_damaged_page_of_events_costs_only_its_own(tmp_path: Path) -> None:
    store, _ = replaced(tmp_path, 60, 0)
    aside = journal_files(tmp_path)[0]
    content = bytearray(aside.read_bytes())
    pages = [at for at in range(4096, len(content), 4096) if b'"type":"campus.alarm.x"' in content[at : at + 4096]]
    assert len(pages) > 15
    content[pages[7] : pages[7] + 4096] = b"\xa5" * 4096
    aside.write_bytes(content)
    carry = carrier(tmp_path)
    assert 54 < len(work(carry, store)) < 61
    store.close()


def test_a_file_of_the_first_schema(tmp_path: Path) -> None:
    """Its rows are numbered otherwise; an epoch number is what counts."""
    shutil.copy(FIXTURES / "schema-1.db", tmp_path / f"{JOURNAL_NAME}.set-aside-5")
    (tmp_path / "epoch").write_text("3\n")
    store, _ = open_at(tmp_path)
    brought = work(carrier(tmp_path), store)
    store.close()
    assert brought == [1, 3, 5, 2 * 2**40 + 1, 2 * 2**40 + 2]
    assert verify(tmp_path, keys()).broken == []
    assert rows(tmp_path, "SELECT row, recipient FROM outbox WHERE row < 9 ORDER BY row, recipient") == [
        (1, "bureau"),
        (3, "police"),
        (5, "bureau"),
        (5, "police"),
    ]


def test_a_file_that_nobody_can_read_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / f"{JOURNAL_NAME}.set-aside-5").write_text("nonsense" * 100)
    store, _ = open_at(tmp_path)
    assert work(carrier(tmp_path), store) == []
    assert work(carrier(tmp_path), store) == []
    store.close()
