"""A walk over the file on the disk finds damage wherever it lies, and reads only a slice at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.delivery import RECEIVED, Settlement
from gateway.core.points import EventClass
from gateway.journal import walk as walk_module
from gateway.journal.store import JOURNAL_NAME, Batch, Store
from gateway.journal.walk import Walk, newest
from tests.gateway.journal.journals import RECIPIENTS, draft, open_at

LARGE = walk_module.SMALL_BYTES + 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened, _ = open_at(tmp_path)
    for n in range(10):
        opened.commit([Batch([draft(EventClass.ALARM, n=n, text="x" * 500) for _ in range(70)], minutes=[(n, "gas", b"x" * 120)])], [])
    opened.commit([], [Settlement(row, name, RECEIVED, 1) for row in range(1, 300) for name in RECIPIENTS])
    opened.db.execute("INSERT INTO stub SELECT row, epoch, sequence, class, classsequence, id, sha256 FROM event LIMIT 120")
    opened.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    yield opened
    opened.close()


def round_of(folder: Path, walk: Walk) -> int:
    """Slices in one walk over all of it, each through a connection of its own, whose memory is empty."""
    target = walk.rounds + 1
    for n in range(1, 500):
        with closing(sqlite3.connect(f"file:{folder / JOURNAL_NAME}?mode=ro", uri=True)) as db:
            walk.step(db, LARGE)
        if walk.rounds == target:
            return n
    raise AssertionError("it never comes round")


def test_a_whole_file_is_walked_over_and_over(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk_module, "SLICE_BYTES", 60_000)
    monkeypatch.setattr(walk_module, "SLICE_S", 60.0)
    walk = Walk()
    first = round_of(tmp_path, walk)
    assert first > 8, "a slice is a part"
    store.commit([Batch([draft()])], [])
    assert round_of(tmp_path, walk) in (first, first + 1)
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME)) as db:
        newest(db, store)


def test_each_page_that_holds_something_is_found(store: Store, tmp_path: Path) -> None:
    """Page after page is overwritten; whatever a page holds, it is told, but for those that are free or hold next to nothing."""
    path = tmp_path / JOURNAL_NAME
    content = path.read_bytes()
    quiet = []
    for at in range(4096, len(content), 7 * 4096):
        path.write_bytes(content[:at] + b"\xa5" * 4096 + content[at + 4096 :])
        try:
            round_of(tmp_path, Walk())
        except sqlite3.DatabaseError:
            continue
        quiet.append(at // 4096 + 1)
    path.write_bytes(content)
    roots = {page for (page,) in store.db.execute("SELECT rootpage FROM sqlite_schema")}
    assert set(quiet) <= roots, "tables of a row or none"


@pytest.mark.parametrize(
    "query",
    [
        "UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'panic', 'manic') AS BLOB) WHERE row = 200",
        "UPDATE event SET sha256 = 'x' WHERE row = 200",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'event_class'",
    ],
)
def test_content_that_was_changed(store: Store, tmp_path: Path, query: str) -> None:
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME)) as db:
        db.executescript(query)
    with pytest.raises(sqlite3.DatabaseError):
        round_of(tmp_path, Walk())
