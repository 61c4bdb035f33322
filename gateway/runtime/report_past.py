"""The past as reports read it: gently, and with the times that a wrong clock wrote set right."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from gateway.core.history import Minute, Past, Told, Wanted
from gateway.runtime.report_clock import JUMP_MS, Era

BREATH_EVERY, BREATH_S = 100, 0.002  # while a report is built, the event loop gets its turn


class Redated:
    """Satisfies core.history.Past. eras(): of the rows that a wrong clock dated. Minutes stay as they are."""

    def __init__(self, past: Past, eras: Callable[[], Sequence[Era]]) -> None:
        self._past, self._eras = past, eras

    def events(self, wanted: Wanted) -> Iterator[Told]:
        """Newest first by the order of sealing. Raises JournalUnreadable."""
        eras = self._eras()
        rest = (told for told in self._past.events(wanted) if not any(_is_of(era, told) for era in eras))
        return heapq.merge(rest, *(self._again(era, wanted) for era in eras), key=lambda told: -told.row)

    def _again(self, era: Era, wanted: Wanted) -> Iterator[Told]:
        """What of this era is wanted by its right time."""
        below = min(wanted.before_row or era.up_to_row + 1, era.up_to_row + 1)
        for told in self._past.events(replace(wanted, from_ms=era.begin_ms - JUMP_MS, to_ms=1 << 62, before_row=below)):
            if told.row <= era.after_row:
                return
            at_ms = told.at_ms + era.shift_ms
            if _is_of(era, told) and wanted.from_ms <= at_ms < wanted.to_ms:
                received = {name: ms + era.shift_ms if told.at_ms <= ms <= era.until_ms else ms for name, ms in told.received.items()}
                yield replace(told, at_ms=at_ms, received=received)

    def minutes(self, points: Collection[str], from_ms: int, to_ms: int) -> Iterator[Minute]:
        """Oldest first. Raises JournalUnreadable."""
        return self._past.minutes(points, from_ms, to_ms)


def _is_of(era: Era, told: Told) -> bool:
    """Not what was sealed between the setting of the clock and the look that saw it."""
    return era.after_row < told.row <= era.up_to_row and era.begin_ms - JUMP_MS <= told.at_ms <= era.until_ms + JUMP_MS


class Gently:
    """Satisfies core.history.Past. Reading a month back must not hold the interpreter: it pauses so often that alarms go in between."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._never = threading.Event()  # waiting for it is a pause

    def events(self, wanted: Wanted) -> Iterator[Told]:
        """Newest first. Raises JournalUnreadable."""
        for number, told in enumerate(self._past.events(wanted)):
            if number % BREATH_EVERY == 0:
                self._never.wait(BREATH_S)
            yield told

    def minutes(self, points: Collection[str], from_ms: int, to_ms: int) -> Iterator[Minute]:
        """Oldest first. Raises JournalUnreadable."""
        for number, minute in enumerate(self._past.minutes(points, from_ms, to_ms)):
            if number % (10 * BREATH_EVERY) == 0:
                self._never.wait(BREATH_S)
            yield minute
