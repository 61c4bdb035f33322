"""Receipts for what is not in memory: the journal says whether it is owed; and those that come late."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.contract.envelope import Sealed
from gateway.core.delivery import RECEIVED, UNUSABLE, Settlement
from gateway.journal.reader import Reader
from gateway.journal.store import JOURNAL_NAME, Batch
from gateway.uplink.lane import Entry
from gateway.uplink.outbox import Outbox
from gateway.uplink.receipts import Receipts
from tests.gateway.contract.keys import token
from tests.gateway.contract.test_receipt import GOOD, HEADER, KEYS, POLICE, SOURCE
from tests.gateway.journal.journals import draft, open_at
from tests.gateway.uplink.test_outbox import entry


class Desk:
    """Receipts with a journal of three alarms, none of them in memory."""

    def __init__(self, folder: Path) -> None:
        self.store, _ = open_at(folder)
        (self.events,) = self.store.commit([Batch([draft(), draft(), draft()])], [])
        self.reader = Reader(folder)
        self.box = Outbox(10, 10.0)
        self.faults: list[tuple[str, bool, str]] = []
        self.settled: list[Settlement] = []
        self.receipts = Receipts(SOURCE, KEYS, self.box, self.reader, self._settle, self._fault, lambda who, seconds: None)

    def _settle(self, settled: list[Settlement]) -> None:
        self.settled += settled
        self.store.commit([], settled)

    def _fault(self, point: str, active: bool, reason: str) -> None:
        self.faults.append((point, active, reason))

    async def take(self, *events: Sealed | Entry, unusable: bool = False) -> list[tuple[int, int]]:
        """(row, state) of what is settled by one receipt."""
        self.settled.clear()
        items = [{"id": event.id, "sha256": event.sha256} for event in events]
        said = {"result": "unusable", "reason": "no such school"} if unusable else {}
        await self.receipts.take(token(POLICE, HEADER, GOOD | {"items": items} | said))
        self.receipts.flush()
        return [(one.row, one.state) for one in self.settled]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.reader.close()
    made.store.close()


async def test_unusable_is_told_whether_the_event_is_in_memory_or_not(desk: Desk) -> None:
    first, second, _ = desk.events
    assert await desk.take(first, second, unusable=True) == [(first.row, UNUSABLE), (second.row, UNUSABLE)]
    assert desk.faults == [("gw-centre-police", True, f"cannot use event {first.id}: no such school")]


async def test_unusable_for_what_was_settled_before_is_no_news(desk: Desk) -> None:
    """A genuine receipt that somebody sends again raises no fault."""
    first, second, _ = desk.events
    assert await desk.take(first) == [(first.row, RECEIVED)]
    await desk.take(first, unusable=True)
    assert desk.faults == []
    await desk.take(first, second, unusable=True)
    assert [reason for _, _, reason in desk.faults] == [f"cannot use event {second.id}: no such school"]


async def test_the_receipt_of_an_early_copy_may_come_after_the_sealed_event(desk: Desk) -> None:
    early = entry(-1)
    desk.box.offer(early)
    desk.box.drop_early(early.id)
    sealed = entry(9)
    sealed.id = early.id
    desk.box.offer(sealed)
    assert await desk.take(early) == []
    assert (desk.faults, desk.receipts.bad) == ([], 0)
    assert sealed.owed, "it speaks of other bytes"
    stranger = entry(-2)
    stranger.id = early.id
    await desk.take(stranger)
    assert desk.receipts.bad == 1


async def test_a_journal_that_cannot_be_read_ends_no_session(desk: Desk, tmp_path: Path) -> None:
    """What is in memory is settled all the same; of the rest the centre signs again when it is repeated."""
    first, second, _ = desk.events
    here = entry(first.row)
    here.id, here.sha256 = first.id, first.sha256
    desk.box.offer(here)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / JOURNAL_NAME).write_bytes(b"no journal" * 1000)
    reader = Reader(broken)
    desk.receipts = Receipts(SOURCE, KEYS, desk.box, reader, desk._settle, desk._fault, lambda who, seconds: None)
    assert await desk.take(first, second) == [(first.row, RECEIVED)]
    assert desk.faults == [], "it is not a receipt to be doubted"
    reader.close()
