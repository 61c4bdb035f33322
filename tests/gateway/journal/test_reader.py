"""Reading the journal beside its writer."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gateway.core.delivery import RECEIVED, History, Settlement
from gateway.core.errors import JournalUnreadable
from gateway.core.points import EventClass
from gateway.journal.reader import Reader
from gateway.journal.store import Batch
from tests.gateway.journal.journals import AT_MS, draft, open_at


async def test_pages_of_what_is_owed(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    store.commit([Batch([draft(EventClass.ALARM if n % 2 else EventClass.FAULT) for n in range(25)])], [])
    reader: Reader = Reader(tmp_path)
    history: History = reader
    seen, after = [], 0
    while page := await history.owed(after, 10):
        assert len(page) <= 10
        after = page[-1].row
        seen += page
    assert [owed.row for owed in seen] == list(range(1, 27))
    alarm, fault, opening = seen[2], seen[1], seen[0]
    assert (alarm.event_class, alarm.recipients, alarm.epoch, alarm.sequence, alarm.priority) == (
        "alarm",
        frozenset({"police", "bureau"}),
        1,
        3,
        0,
    )
    assert (fault.event_class, fault.recipients) == ("fault", frozenset({"police"}))
    assert opening.recipients == frozenset({"bureau"})
    assert alarm.at_ms == AT_MS
    store.commit([], [Settlement(3, "police", RECEIVED, 1), Settlement(2, "police", RECEIVED, 1)])
    page = await reader.owed(1, 2)
    assert [(owed.row, owed.recipients) for owed in page] == [(3, frozenset({"bureau"})), (4, frozenset({"police"}))]
    assert await reader.counts() == (26, 36)
    reader.close()
    store.close()


async def test_bodies_and_known_ids(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    ((first, second),) = store.commit([Batch([draft(), draft(EventClass.AUDIT)])], [])
    reader = Reader(tmp_path)
    bodies = await reader.bodies([first.row, second.row, 99])
    assert bodies == {first.row: ("alarm", first.body), second.row: ("audit", second.body)}
    assert hashlib.sha256(bodies[first.row][1]).hexdigest() == first.sha256
    assert await reader.known([second.id, "nothing", "' OR 1=1 --"]) == {second.id: (second.row, second.sha256)}
    assert await reader.bodies([]) == {}
    assert await reader.known([]) == {}
    reader.close()
    store.close()


async def test_a_reader_writes_nothing(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    reader = Reader(tmp_path)
    await reader.counts()
    with pytest.raises(JournalUnreadable, match="readonly"):
        await reader._call(lambda: reader._connection().execute("DELETE FROM event"))
    reader.close()
    store.close()


async def test_reading_goes_on_while_a_commit_is_open(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    reader = Reader(tmp_path)
    store._db.execute("BEGIN IMMEDIATE")
    store._db.execute("DELETE FROM outbox")
    assert len(await reader.owed(0, 10)) == 1, "what is not committed is not seen"
    store._db.execute("ROLLBACK")
    reader.close()
    store.close()


async def test_events_from_a_place_on(tmp_path: Path) -> None:
    """Settled or not; only those that this recipient is to have."""
    store, _ = open_at(tmp_path)
    store.commit([Batch([draft(EventClass.ALARM if n % 2 else EventClass.FAULT) for n in range(9)])], [])
    store.commit([], [Settlement(row, "police", RECEIVED, 1) for row in range(1, 8)])
    reader = Reader(tmp_path)
    page = await reader.since("police", (1, 4), 0, 3)
    assert [(owed.row, owed.sequence, owed.recipients) for owed in page] == [(row, row, frozenset({"police"})) for row in (4, 5, 6)]
    assert [owed.row for owed in await reader.since("police", (1, 4), 6, 10)] == [7, 8, 9, 10]
    assert [owed.row for owed in await reader.since("bureau", (0, 99), 0, 10)] == [1, 3, 5, 7, 9]
    assert await reader.since("police", (2, 1), 0, 10) == []
    assert await reader.since("nobody", (1, 1), 0, 10) == []
    reader.close()
    store.close()
