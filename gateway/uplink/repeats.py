"""When an event that has no receipt goes out again: by time, and by what its recipients have read meanwhile. Pure.

A centre that is silent is asked, not flooded; one that works through a backlog gets nothing twice before it has read it once.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping

from gateway.uplink.lane import ALARM_CLASS, Entry
from gateway.uplink.shelves import Shelf

ALARM_PROBES, PROBES = 100, 20  # repeats to a recipient in each receipt timeout, of alarms and of all else, unless it passed them over
# A centre that answers has no more than this before it, alarms apart: else a backlog is sent again before it was read once
AWAITED_MOST = 300
REPEAT_CAP_S = 300.0
ALARM_REPEAT_CAP_S = 30.0


class Repeats:
    """receipt_timeout_s: the first wait for a receipt; later ones twice as long. entries: row -> what is still owed."""

    def __init__(self, receipt_timeout_s: float, entries: Mapping[int, Entry]) -> None:
        self._timeout_s = receipt_timeout_s
        self._entries = entries
        self._due: list[tuple[float, int]] = []
        self._postponed: set[int] = set()  # wait for a word of their recipient
        self._probed: dict[Shelf, tuple[float, int]] = {}  # (since when, how many) went out without such a word
        self._awaited: dict[str, set[int]] = {}  # recipient -> rows that went out once and are not due again
        self._heard_s: dict[str, float] = {}
        self._answered_s: dict[str, float] = {}  # recipient -> when the newest of what it has receipted was sent

    def wait(self, entry: Entry, due_s: float) -> None:
        """It goes out again at this moment at the earliest."""
        entry.due_s = due_s
        heapq.heappush(self._due, (due_s, entry.row))

    def acknowledged(self, entry: Entry, now_s: float, *, by_somebody: bool) -> None:
        """A broker has it: the wait for its receipt begins. by_somebody: the broker had anybody to hand it to."""
        if by_somebody and not entry.unanswered:
            for name in entry.owed:
                self._awaited.setdefault(name, set()).add(entry.row)
        entry.unanswered += 1
        wait_s = self._timeout_s * 2 ** min(entry.unanswered - 1, 10)
        cap_s = ALARM_REPEAT_CAP_S if entry.event_class == ALARM_CLASS else REPEAT_CAP_S
        self.wait(entry, now_s + min(wait_s, max(cap_s, self._timeout_s)))

    def due(self, now_s: float) -> Iterator[Entry]:
        """What is to go out again now. Its `due_s` is 0 then."""
        while self._due and self._due[0][0] <= now_s:
            due_s, row = heapq.heappop(self._due)
            entry = self._entries.get(row)
            if entry is None or entry.due_s != due_s:
                continue
            if not self._may(entry, now_s):
                self._postponed.add(row)
                self.wait(entry, now_s + self._timeout_s)
                continue
            entry.due_s = 0.0
            self.forget(row)
            yield entry

    def next_s(self) -> float | None:
        """When the next one falls due."""
        return self._due[0][0] if self._due else None

    def _may(self, entry: Entry, now_s: float) -> bool:
        """Always where a receipt has come for something that was sent later: this one was passed over. Else a few at a time.

        For a recipient that answers has it before it still, and does not read it sooner if it lies there twice; and on a slow line repeats
        to the silent must leave room for the others.
        """
        if any(entry.sent_s < self._answered_s.get(name, -math.inf) for name in entry.owed):
            return True
        kind, most = (ALARM_CLASS, ALARM_PROBES) if entry.event_class == ALARM_CLASS else ("", PROBES)
        for name in entry.owed:
            since_s, count = self._probed.get((name, kind), (-math.inf, 0))
            if now_s - since_s >= self._timeout_s:
                since_s, count = now_s, 0
            if count < most:
                self._probed[name, kind] = (since_s, count + 1)
                return True
        return False

    def busy(self, now_s: float) -> bool:
        """A recipient that answers has as much before it as it should; one that is silent holds nothing up."""
        return any(
            len(rows) >= AWAITED_MOST and now_s - self._heard_s.get(name, -math.inf) < self._timeout_s
            for name, rows in self._awaited.items()
        )

    def heard_from(self, recipient: str, now_s: float) -> None:
        """A receipt of this recipient has come, whatever is in it."""
        was_silent = now_s - self._heard_s.get(recipient, -math.inf) >= self._timeout_s
        self._heard_s[recipient] = now_s
        if was_silent:
            for row in [row for row in self._postponed if recipient in self._entries[row].owed]:
                self._postponed.discard(row)
                self.wait(self._entries[row], now_s)

    def answered(self, entry: Entry, recipient: str) -> None:
        """This recipient has confirmed it."""
        self._answered_s[recipient] = max(self._answered_s.get(recipient, -math.inf), entry.sent_s)

    def settled(self, row: int, recipient: str) -> None:
        """This recipient owes nothing more for it."""
        self._awaited.get(recipient, set()).discard(row)

    def forget(self, row: int) -> None:
        """Nobody is waited for any more."""
        self._postponed.discard(row)
        for rows in self._awaited.values():
            rows.discard(row)
