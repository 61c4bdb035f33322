"""Is the school open? Weekly hours in the school's own time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Timetable:
    """Weekly opening hours. spans: per weekday (0 = Monday) the (start, end) minutes of the local day."""

    zone: ZoneInfo
    spans: tuple[tuple[tuple[int, int], ...], ...]

    def is_open(self, at_ms: int) -> bool:
        """True while the school is open at this UTC time in milliseconds."""
        local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in self.spans[local.weekday()])
