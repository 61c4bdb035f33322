"""The journal's file: epochs, chain, rollback, damage, permissions. Real SQLite files."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.core.delivery import RECEIVED, UNUSABLE, Settlement
from gateway.core.errors import JournalRefused
from gateway.core.points import EventClass, Latch
from gateway.journal import store as store_module
from gateway.journal.migration import newest, steps
from gateway.journal.store import EPOCH_NAME, JOURNAL_NAME, Batch, Store
from tests.gateway.journal.journals import check_chain, draft, events, open_at, rows


def test_a_new_journal_begins_epoch_one(tmp_path: Path) -> None:
    store, first = open_at(tmp_path / "state")
    store.close()
    assert first is not None
    assert first.number is not None
    assert (first.type, first.number.epoch, first.number.sequence, first.number.previous) == ("campus.journal.opened", 1, 1, "0" * 64)
    (event,) = events(tmp_path / "state")
    assert event["data"] == {"reason": "created", "last_epoch": "0000000000"}
    assert (tmp_path / "state" / EPOCH_NAME).read_text() == "1\n"
    assert rows(tmp_path / "state", "SELECT epoch, reason, first_row FROM epoch") == [(1, "created", 1)]


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        store, _ = open_at(tmp_path / "state")
        store.commit([Batch([draft()])], [])
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir() if path.name.startswith(JOURNAL_NAME)}
        store.close()
    finally:
        os.umask(old)
    assert modes == {JOURNAL_NAME: 0o600, f"{JOURNAL_NAME}-wal": 0o600, f"{JOURNAL_NAME}-shm": 0o600}
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_the_same_epoch_goes_on_after_a_restart(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    store.commit([Batch([draft(), draft(EventClass.FAULT)]), Batch([draft()])], [])
    store.close()
    store, first = open_at(tmp_path)
    assert first is None
    assert (store.epoch, store.sequence, store.row) == (1, 4, 4)
    (sealed,) = store.commit([Batch([draft()])], [])
    store.close()
    assert sealed[0].number is not None
    assert (sealed[0].number.sequence, sealed[0].number.class_sequence, sealed[0].row) == (5, 3, 5)
    assert check_chain(tmp_path) == 5


def test_one_commit_takes_several_batches_and_tells_them_apart(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    batches = [Batch([draft(n=1)]), Batch(), Batch([draft(n=2), draft(n=3)])]
    assert [len(sealed) for sealed in store.commit(batches, [])] == [1, 0, 2]
    store.close()
    assert [event["data"].get("n") for event in events(tmp_path)] == [None, 1, 2, 3]


def test_each_recipient_owes_what_it_is_entitled_to(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    store.commit([Batch([draft(), draft(EventClass.FAULT), draft(EventClass.AUDIT), draft(EventClass.OBSERVATION)])], [])
    assert rows(tmp_path, "SELECT row, recipient FROM outbox WHERE state = 0 ORDER BY row, recipient") == [
        (1, "bureau"),
        (2, "bureau"),
        (2, "police"),
        (3, "police"),
        (4, "bureau"),
    ]
    store.commit([], [Settlement(2, "police", RECEIVED, 5), Settlement(3, "police", UNUSABLE, 6), Settlement(99, "police", RECEIVED, 7)])
    assert rows(tmp_path, "SELECT row, recipient FROM outbox WHERE state = 0 ORDER BY row") == [(1, "bureau"), (2, "bureau"), (4, "bureau")]
    store.commit([], [Settlement(2, "police", UNUSABLE, 8), Settlement(3, "police", RECEIVED, 9)])
    settled = rows(tmp_path, "SELECT row, state, settled_ms FROM outbox WHERE recipient = 'police' ORDER BY row")
    assert settled == [(2, RECEIVED, 5), (3, RECEIVED, 9)], "once received, always received; unusable may still become received"
    store.close()


def test_latches_come_back_and_only_the_newest(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    store.commit([Batch(latches=[Latch("a", {"counter": 1}), Latch("门/x", {"state": "normal", "active": False, "by": None})])], [])
    store.commit([Batch(latches=[Latch("a", {"counter": 2})])], [])
    store.close()
    store, _ = open_at(tmp_path)
    latches = {latch.key: latch.state for latch in store.latches()}
    store.close()
    assert latches == {"a": {"counter": 2}, "门/x": {"state": "normal", "active": False, "by": None}}


def fill_up(store: Store) -> None:
    """From now on the file may not grow: SQLITE_FULL, as from a full disk."""
    db = store._db
    db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")


def make_room(store: Store) -> None:
    store._db.execute("PRAGMA max_page_count = 1000000")


def test_a_refused_commit_leaves_everything_as_it_was(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    store.commit([Batch([draft()], [Latch("a", {"counter": 1})])], [])
    before = (store.epoch, store.row, store.sequence, store.last_hash)
    fill_up(store)
    batch = Batch([draft(text="x" * 20_000) for _ in range(5)], [Latch("a", {"counter": 2})])
    for _ in range(3):
        with pytest.raises(sqlite3.OperationalError, match="full"):
            store.commit([batch], [Settlement(2, "police", RECEIVED, 1)])
        assert (store.epoch, store.row, store.sequence, store.last_hash) == before
        assert rows(tmp_path, "SELECT count(*) FROM event") == [(2,)]
        assert store.latches() == [Latch("a", {"counter": 1})]
        assert rows(tmp_path, "SELECT count(*) FROM outbox WHERE state <> 0") == [(0,)]
    make_room(store)
    (sealed,) = store.commit([batch], [])
    store.close()
    assert [event.id for event in sealed] == [item.id for item in batch.drafts], "the same ids"
    assert check_chain(tmp_path) == 7


def test_an_id_is_never_used_twice(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    twice = draft()
    store.commit([Batch([twice])], [])
    with pytest.raises(sqlite3.IntegrityError):
        store.commit([Batch([draft(), twice])], [])
    store.commit([Batch([draft()])], [])
    store.close()
    assert check_chain(tmp_path) == 3


def damage(path: Path, at: int, junk: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(junk)


@pytest.mark.parametrize("how", ["header", "cut", "junk file", "page"])
def test_a_damaged_file_is_set_aside_and_a_new_epoch_begins(tmp_path: Path, how: str) -> None:
    store, _ = open_at(tmp_path)
    store.commit([Batch([draft(text="x" * 3000) for _ in range(20)])], [])
    store.close()
    path = tmp_path / JOURNAL_NAME
    if how == "header":
        damage(path, 0, b"\0" * 100)
    elif how == "cut":
        os.truncate(path, path.stat().st_size // 2)
    elif how == "junk file":
        path.write_bytes(b"no database at all, but long enough to be one" * 100)
    else:
        damage(path, 4096 * 3, b"\xff" * 4096 * 3)
    damaged = path.read_bytes()
    store, first = open_at(tmp_path)
    store.commit([Batch([draft()])], [])
    store.close()
    assert store.set_aside is not None
    assert store.set_aside.read_bytes() == damaged, "never deleted, never touched"
    assert first is not None
    opening = events(tmp_path)[0]
    assert (opening["epoch"], opening["sequence"], opening["previoushash"]) == ("0000000002", f"{1:020d}", "0" * 64)
    states = opening["data"].pop("states")
    assert states == ("none" if how in ("header", "junk file") else states)
    assert states in ("all", "none")
    assert opening["data"] == {"reason": "set aside", "last_epoch": "0000000001"}
    assert check_chain(tmp_path) == 2
    again, first = open_at(tmp_path)
    again.close()
    assert first is None


def test_a_latch_that_is_no_json_is_damage(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    store.commit([Batch([], [Latch("a", {"counter": 1})])], [])
    for junk in ("X'7b22ff'", "'{\"counter\":'"):
        store._db.execute(f"UPDATE latch SET state = CAST({junk} AS TEXT)")
        store.close()
        store, first = open_at(tmp_path)
        assert store.set_aside is not None
        assert first is not None
        store.commit([Batch([], [Latch("a", {"counter": 1})])], [])
    store.close()
    assert len(list(tmp_path.glob("*.set-aside-*[0-9]"))) == 2, "both are kept, although the clock stood still"


def test_a_missing_table_is_damage(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    store._db.execute("DROP TABLE latch")
    store.close()
    store, _ = open_at(tmp_path)
    store.close()
    assert store.set_aside is not None
    assert store.epoch == 2


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(at=3754, junk=b"\x80")  # the schema's text is no UTF-8
@example(at=60, junk=b"\x01")  # schema number 16777217
@example(at=3187, junk=b"\x01")  # the name of a column
@example(at=18, junk=b"\x03")  # SQLite would open it for reading only
@given(at=st.integers(0, 120) | st.integers(0, 40_000), junk=st.binary(min_size=1, max_size=300))
def test_damage_anywhere_never_stops_the_gateway(tmp_path_factory: pytest.TempPathFactory, at: int, junk: bytes) -> None:
    """Opened, or set aside and begun anew: after a start the journal takes events, whatever the file holds."""
    folder = tmp_path_factory.mktemp("journal")
    store, _ = open_at(folder)
    store.commit([Batch([draft(text="x" * 3000) for _ in range(10)], [Latch("a", {"counter": 1})])], [])
    store.close()
    size = (folder / JOURNAL_NAME).stat().st_size
    damage(folder / JOURNAL_NAME, at % size, junk)
    store, _ = open_at(folder)
    store.latches()
    (sealed,) = store.commit([Batch([draft()])], [])
    store.close()
    assert sealed[0].row >= 2


def test_a_lost_journal_never_repeats_an_epoch(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    store.close()
    (tmp_path / JOURNAL_NAME).unlink()
    store, first = open_at(tmp_path)
    store.close()
    assert first is not None
    assert store.epoch == 2
    assert events(tmp_path)[0]["data"] == {"reason": "created", "last_epoch": "0000000001"}


def test_a_restored_journal_begins_an_epoch_behind_the_highest(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    store.commit([Batch([draft()])], [])
    store.close()
    old = (tmp_path / JOURNAL_NAME).read_bytes()
    for _ in range(3):
        (tmp_path / JOURNAL_NAME).unlink()
        store, _ = open_at(tmp_path)
        store.close()
    (tmp_path / JOURNAL_NAME).write_bytes(old)
    store, first = open_at(tmp_path)
    store.close()
    assert first is not None
    assert first.number is not None
    assert (first.number.epoch, first.number.sequence, first.row) == (5, 1, 4 * 2**40 + 1)
    assert events(tmp_path)[-1]["data"] == {"reason": "restored", "last_epoch": "0000000004"}
    assert check_chain(tmp_path) == 3


@pytest.mark.parametrize("mark", [None, "", "\0\0\0\n", "one"])
def test_a_lost_or_unreadable_mark_begins_a_new_epoch_that_names_the_last(tmp_path: Path, mark: str | None) -> None:
    store, _ = open_at(tmp_path)
    store.commit([Batch([draft()])], [])
    last_hash = store.last_hash
    store.close()
    if mark is None:
        (tmp_path / EPOCH_NAME).unlink()
    else:
        (tmp_path / EPOCH_NAME).write_text(mark)
    store, _ = open_at(tmp_path)
    store.close()
    assert store.epoch == 2
    assert events(tmp_path)[-1]["data"] == {
        "reason": "restored",
        "last_epoch": "0000000001",
        "last_sequence": f"{2:020d}",
        "last_hash": last_hash,
    }


def test_without_journal_and_with_an_unreadable_mark_a_person_must_say(tmp_path: Path) -> None:
    (tmp_path / EPOCH_NAME).write_text("?")
    with pytest.raises(JournalRefused, match="write into it the last epoch"):
        open_at(tmp_path)


def test_the_mark_is_written_before_the_epoch(tmp_path: Path) -> None:
    """Killed between the two: an epoch is skipped, never used twice."""
    store_module.write_mark(tmp_path / EPOCH_NAME, 1)
    store, _ = open_at(tmp_path)
    store.close()
    assert store.epoch == 2


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    store._db.execute("INSERT INTO migration VALUES (999, 'of_tomorrow', 'SELECT 1;')")
    store._db.execute("PRAGMA user_version = 999")
    store.close()
    with pytest.raises(JournalRefused, match=rf"schema 999.*campus-gateway journal migrate --to {newest()}$"):
        open_at(tmp_path)
    assert rows(tmp_path, "SELECT count(*) FROM event") == [(1,)]
    assert not list(tmp_path.glob("*.set-aside-*"))


def test_migrations_are_numbered_without_gaps_and_bring_an_empty_file_up(tmp_path: Path) -> None:
    numbers = [step.number for step in steps()]
    assert numbers == list(range(1, len(numbers) + 1))
    (tmp_path / JOURNAL_NAME).touch()
    store, _ = open_at(tmp_path)
    store.close()
    assert rows(tmp_path, "PRAGMA user_version") == [(numbers[-1],)]
    assert rows(tmp_path, "PRAGMA journal_mode") == [("wal",)]
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalRefused, match="cannot be opened"):
        open_at(tmp_path / "file" / "state")
    (tmp_path / "state" / JOURNAL_NAME).mkdir(parents=True)
    with pytest.raises(JournalRefused, match="cannot be opened"):
        open_at(tmp_path / "state")


def test_every_commit_is_synced(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
    store.close()
