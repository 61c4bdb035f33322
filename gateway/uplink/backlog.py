"""What is owed and lies in the journal only: brought into the outbox a page at a time, alarms first. A task of its own.

Sending never waits for it: on a disk that stalls, what is in memory still goes out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.core.delivery import History, Owed
from gateway.core.errors import JournalUnreadable
from gateway.uplink.lane import ALARM_CLASS, Entry
from gateway.uplink.outbox import Outbox
from gateway.uplink.receipts import Fault
from gateway.uplink.shelves import Mark, Shelf

PAGE = 500
AGAIN_S = 1.0  # after a journal that cannot be read
FAULT = "gw-backlog"


@dataclass(slots=True)
class Replay:
    """What a recipient asked for again. place: (epoch, sequence) to begin with; after_row: how far the journal was read."""

    place: tuple[int, int]
    after_row: int = 0


class Backlog:
    """recipients: those that the site file names. wake(): there is more to send. fault: of a journal that cannot be read."""

    def __init__(self, outbox: Outbox, history: History, recipients: list[str], wake: Callable[[], None], fault: Fault) -> None:
        self._outbox = outbox
        self._shelves = outbox.shelves
        self._history = history
        self._recipients = recipients
        self._wake = wake
        self._fault = fault
        self._replays: dict[str, Replay] = {}
        self._poked = asyncio.Event()

    def replay(self, recipient: str, epoch: int, sequence: int) -> None:
        """Offer this recipient's events from there on again, settled or not; of two wishes the one that begins earlier counts."""
        running = self._replays.get(recipient)
        place = (epoch, sequence) if running is None else min(running.place, (epoch, sequence))
        self._replays[recipient] = Replay(place)
        self.poke()

    def poke(self) -> None:
        """There may be room, or more to bring in."""
        if self._replays or not self._shelves.all_known:
            self._poked.set()

    async def run(self) -> None:
        """Bring in what there is room for, until cancelled. A journal that cannot be read is a fault, and is tried again."""
        while True:
            await self._poked.wait()
            self._poked.clear()
            try:
                while await self._ask() or await self._page() or await self._replay_page():
                    self._wake()
                self._fault(FAULT, False, "")
            except JournalUnreadable as error:  # delivery of what is in memory goes on
                self._fault(FAULT, True, str(error))
                await asyncio.sleep(AGAIN_S)
                self._poked.set()

    async def _ask(self) -> bool:
        """Which shelves owe something that is not known here; False when there was nothing to ask."""
        first, self._shelves.unknown_from = self._shelves.unknown_from, None  # whatever is added while the journal answers counts anew
        if first is None:
            return False
        try:
            debts = await self._history.debts(first)
        except BaseException:
            self._shelves.ask_from(first)
            raise
        for (recipient, event_class), mark in debts.items():
            if recipient in self._recipients:
                self._shelves.put_behind((recipient, event_class), mark)
        return True

    async def _page(self) -> bool:
        """One page for the most urgent shelf that has room; False when there is none."""
        waiting = [shelf for shelf in self._shelves.behind if self._shelves.has_room(shelf)]
        if not waiting:
            return False
        shelf = min(waiting, key=lambda shelf: (shelf[1] != ALARM_CLASS, self._shelves.behind[shelf]))
        mark = self._shelves.behind.pop(shelf)
        try:
            page = await self._history.owed(mark[0] - 1, PAGE, shelf)
        except BaseException:
            self._shelves.put_behind(shelf, mark)
            raise
        if len(page) == PAGE:
            self._shelves.put_behind(shelf, _after(page[-1]))
        self._offer(page)
        return True

    def _offer(self, page: list[Owed]) -> None:
        now_s = time.monotonic()
        for owed in page:
            self._outbox.offer(self._entry(owed, now_s))

    async def _replay_page(self) -> bool:
        brought = False
        for recipient, replay in list(self._replays.items()):
            if not all(self._shelves.has_room(shelf) for shelf in self._shelves_of(recipient)):
                continue
            page = await self._history.since(recipient, replay.place, replay.after_row, PAGE)
            now_s = time.monotonic()
            for owed in page:
                self._outbox.offer_again(self._entry(owed, now_s))
            brought = brought or bool(page)
            if len(page) == PAGE:
                replay.after_row = page[-1].row
            elif self._replays.get(recipient) is replay:  # else it was asked anew meanwhile
                del self._replays[recipient]
        return brought

    def _shelves_of(self, recipient: str) -> list[Shelf]:
        return [shelf for shelf in self._shelves.held() if shelf[0] == recipient]

    def lowest(self) -> dict[str, tuple[int, int]]:
        """recipient -> (epoch, sequence) of the lowest event that it may still owe, in memory or in the journal."""
        if self._shelves.unknown_from is not None:  # the journal has not been asked yet: a bound that is true whatever it says
            return dict.fromkeys(self._recipients, (1, 1))
        return self._outbox.lowest_owed()

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


def _after(owed: Owed) -> Mark:
    return owed.row + 1, (owed.epoch, owed.sequence + 1)
