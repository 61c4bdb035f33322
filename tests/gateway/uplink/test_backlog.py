"""What lies in the journal only is brought in: alarms first, whatever else is owed, and beside a disk that stalls. A real journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from gateway.core.delivery import Owed
from gateway.core.errors import JournalUnreadable
from gateway.core.points import EventClass
from gateway.journal.reader import Reader
from gateway.journal.store import Batch
from gateway.uplink.backlog import Backlog
from gateway.uplink.outbox import Outbox
from tests.gateway.journal.journals import draft, open_at


class Rig:
    """A journal with events that are owed, and an outbox that knows of none of them."""

    def __init__(self, folder: Path, kinds: list[EventClass], max_entries: int, reader: type[Reader] = Reader) -> None:
        self.store, _ = open_at(folder)
        self.store.commit([Batch([draft(kind) for kind in kinds])], [])
        self.reader = reader(folder)
        self.box = Outbox(100, 10.0, max_entries)
        self.box.link_up(self.box.lanes["main"], 0.0)
        self.said: list[tuple[str, bool]] = []
        self.healed = asyncio.Event()  # the journal could be read, after it could not
        self.backlog = Backlog(self.box, self.reader, ["police", "bureau"], lambda: None, self.fault)

    def fault(self, point: str, active: bool, why: str) -> None:
        self.said.append((point, active))
        if not active and (point, True) in self.said:
            self.healed.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.get_running_loop().create_task(self.backlog.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.reader.close()
            self.store.close()

    async def settled(self) -> None:
        """Until there is nothing to do."""
        self.backlog.poke()
        while True:
            known = dict(self.box.shelves.behind), self.box.shelves.unknown_from, len(self.box)
            for _ in range(3):
                await self.reader.counts()  # behind whatever the reader has before it
                await asyncio.sleep(0)
            if known == (dict(self.box.shelves.behind), self.box.shelves.unknown_from, len(self.box)):
                return

    def classes(self) -> dict[str, int]:
        """Class -> how many the police is owed in memory."""
        return {name: self.box.shelves["police", name] for name in ("alarm", "fault", "observation")}


async def test_an_alarm_behind_thousands_of_others_comes_in_though_the_centre_is_silent(tmp_path: Path) -> None:
    rig = Rig(tmp_path, [EventClass.FAULT] * 3000 + [EventClass.ALARM], max_entries=1200)
    rig.box.shelves.ask_from(1)
    assert rig.backlog.lowest() == {"police": (1, 1), "bureau": (1, 1)}, "not asked yet: a bound that is true whatever the journal says"
    async with rig.running():
        await rig.settled()
        assert rig.classes()["alarm"] == 1
        assert 300 <= rig.classes()["fault"] < 1200
        assert rig.backlog.lowest()["police"] == (1, 2), "the first fault; the journal's own opening goes to the bureau"


async def test_rows_that_turn_up_while_a_page_is_read_are_brought_in(tmp_path: Path) -> None:
    class Slow(Reader):
        """Hands a page over only when it is let go."""

        gate: asyncio.Event | None = None
        reading: asyncio.Event | None = None

        async def owed(self, after_row: int, limit: int, of: tuple[str, str] | None = None) -> list[Owed]:
            page = await super().owed(after_row, limit, of)
            if self.gate is not None and self.reading is not None:
                self.reading.set()
                await self.gate.wait()
            return page

    rig = Rig(tmp_path, [EventClass.ALARM] * 10, max_entries=1200, reader=Slow)
    reader = rig.reader
    assert isinstance(reader, Slow)
    reader.gate, reader.reading = asyncio.Event(), asyncio.Event()
    rig.box.shelves.ask_from(1)
    async with rig.running():
        rig.backlog.poke()
        await reader.reading.wait()
        ((late,),) = rig.store.commit([Batch([draft(EventClass.ALARM)])], [])
        rig.box.shelves.ask_from(1)
        reader.gate.set()
        await rig.settled()
        assert late.row in rig.box


async def test_a_journal_that_cannot_be_read_is_told_and_asked_again(tmp_path: Path) -> None:
    class Broken(Reader):
        """Its disk fails once."""

        failures = 1

        async def owed(self, after_row: int, limit: int, of: tuple[str, str] | None = None) -> list[Owed]:
            if self.failures:
                self.failures -= 1
                raise JournalUnreadable("disk I/O error")
            return await super().owed(after_row, limit, of)

    rig = Rig(tmp_path, [EventClass.ALARM] * 3, max_entries=1200, reader=Broken)
    rig.box.shelves.ask_from(1)
    async with rig.running():
        rig.backlog.poke()
        await rig.healed.wait()
        assert rig.said == [("gw-backlog", True), ("gw-backlog", False)]
        assert rig.classes()["alarm"] == 3


async def test_a_replay_begins_where_it_was_asked_to(tmp_path: Path) -> None:
    rig = Rig(tmp_path, [EventClass.ALARM] * 1500, max_entries=2000)
    async with rig.running():
        rig.backlog.replay("police", 1, 1400)
        await rig.settled()
        assert len(rig.box) == 102, "1400 to 1501, and nothing before"
