"""What is owed and lies in the journal only: brought into the outbox a page at a time, whichever path has room."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.core.delivery import History, Owed
from gateway.uplink.lane import Entry
from gateway.uplink.outbox import Outbox

PAGE = 500


@dataclass(slots=True)
class Replay:
    """What a recipient asked for again. place: (epoch, sequence) to begin with; after_row: how far the journal was read."""

    place: tuple[int, int]
    after_row: int = 0


class Backlog:
    """recipients: those that the site file names. wake(): there is more to send."""

    def __init__(self, outbox: Outbox, history: History, recipients: list[str], wake: Callable[[], None]) -> None:
        self._outbox = outbox
        self._history = history
        self._recipients = recipients
        self._wake = wake
        self._replays: dict[str, Replay] = {}
        self._one_at_a_time = asyncio.Lock()

    def replay(self, recipient: str, epoch: int, sequence: int) -> None:
        """Offer this recipient's events from there on again, settled or not; of two wishes the one that begins earlier counts."""
        running = self._replays.get(recipient)
        place = (epoch, sequence) if running is None else min(running.place, (epoch, sequence))
        self._replays[recipient] = Replay(place)
        self._wake()

    async def page_in(self) -> None:
        """Bring in what there is room for."""
        if self._outbox.overflow_row is None and not self._replays:
            return
        async with self._one_at_a_time:
            await self._owed()
            await self._replayed()

    async def _owed(self) -> None:
        outbox = self._outbox
        if outbox.overflow_row is None or not outbox.has_room():
            return
        first = outbox.overflow_row
        page = await self._history.owed(first - 1, PAGE)
        if outbox.overflow_row >= first:  # else more turned out to be owed while this was read
            outbox.overflow_row = None if len(page) < PAGE else page[-1].row + 1
        now_s = time.monotonic()
        for owed in page:
            outbox.offer(self._entry(owed, now_s))
        self._wake()

    async def _replayed(self) -> None:
        for recipient, replay in list(self._replays.items()):
            if not self._outbox.has_room():
                return
            page = await self._history.since(recipient, replay.place, replay.after_row, PAGE)
            now_s = time.monotonic()
            for owed in page:
                self._outbox.offer_again(self._entry(owed, now_s))
            if len(page) == PAGE:
                replay.after_row = page[-1].row
            elif self._replays.get(recipient) is replay:  # else it was asked anew meanwhile
                del self._replays[recipient]
            self._wake()

    async def lowest(self) -> dict[str, tuple[int, int]]:
        """recipient -> (epoch, sequence) of the lowest event it still owes, in memory or in the journal."""
        places = self._outbox.lowest_owed()
        if self._outbox.overflow_row is not None:  # more is owed than memory holds: nobody's lowest is above the journal's
            for owed in await self._history.owed(0, 1):
                for name in owed.recipients:
                    places[name] = min(places.get(name, (owed.epoch, owed.sequence)), (owed.epoch, owed.sequence))
        return places

    def _entry(self, owed: Owed, now_s: float) -> Entry:
        return Entry(
            row=owed.row,
            id=owed.id,
            event_class=owed.event_class,
            priority=owed.priority,
            sha256=owed.sha256,
            epoch=owed.epoch,
            sequence=owed.sequence,
            owed=set(owed.recipients).intersection(self._recipients),
            sealed_s=now_s,
        )
