"""When a report is due: by the school's own wall clock. Pure; times are UTC milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

DAILY, WEEKLY, MONTHLY, DRILL = "daily", "weekly", "monthly", "drill"
TIMED = (DAILY, WEEKLY, MONTHLY)
KINDS = (*TIMED, DRILL)
_BACK_DAYS = {DAILY: 2, WEEKLY: 9, MONTHLY: 63}  # within so many days one of the kind was due


@dataclass(frozen=True, slots=True)
class Schedule:
    """minute: of the local day (0 to 1439). weekday: 0 = Monday. monthday: 1 to 28, so that every month has it."""

    zone: ZoneInfo
    minute: int
    weekday: int
    monthday: int

    def due(self, kind: str, at_ms: int) -> int:
        """The last time up to at_ms at which a report of this kind was due."""
        today = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone).date()
        return next(due_ms for day in _backwards(today, _BACK_DAYS[kind]) if self._on(kind, day) and (due_ms := self._ms(day)) <= at_ms)

    def next(self, kind: str, at_ms: int) -> int:
        """The first time after at_ms."""
        today = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone).date()
        days = (today + timedelta(days=number) for number in range(_BACK_DAYS[kind]))
        return next(due_ms for day in days if self._on(kind, day) and (due_ms := self._ms(day)) > at_ms)

    def _on(self, kind: str, day: date) -> bool:
        return kind == DAILY or (kind == WEEKLY and day.weekday() == self.weekday) or (kind == MONTHLY and day.day == self.monthday)

    def _ms(self, day: date) -> int:
        local = datetime(day.year, day.month, day.day, self.minute // 60, self.minute % 60, tzinfo=self.zone)
        return round(local.timestamp() * 1000)


def _backwards(day: date, count: int) -> Iterator[date]:
    return (day - timedelta(days=number) for number in range(count))
