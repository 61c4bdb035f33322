"""Hours of the day as written in a site file: "07:30-12:00"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.config.site import Hours
    from gateway.core.doors import Spans

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"^([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$")
_DAY_MIN = 24 * 60


def parse_spans(words: list[str]) -> list[tuple[int, int]]:
    """["07:30-12:00"] -> [(450, 720)], minutes of the local day; the end is not included. Raises ValueError."""
    spans = []
    for text in words:
        start, end = _minutes(text)
        if not start < end <= _DAY_MIN:
            raise ValueError(f'"{text}" ends before it begins, or after 24:00')
        spans.append((start, end))
    return spans


def parse_night(text: str) -> tuple[tuple[int, int], ...]:
    """A span that may cross midnight, as minutes of each local day: "22:00-06:00" -> ((0, 360), (1320, 1440)). Raises ValueError."""
    start, end = _minutes(text)
    if max(start, end) > _DAY_MIN or start == end:
        raise ValueError(f'"{text}" is empty, or goes beyond 24:00')
    if start < end:
        return ((start, end),)
    return tuple(span for span in ((0, end), (start, _DAY_MIN)) if span[0] < span[1])


def week_spans(hours: Hours) -> Spans:
    """Hours as minutes of each weekday; a day that is written wrong counts as closed, `check` has told it."""
    out: list[tuple[tuple[int, int], ...]] = []
    for day in WEEKDAYS:
        try:
            out.append(tuple(parse_spans(getattr(hours, day))))
        except ValueError:
            out.append(())
    return tuple(out)


def _minutes(text: str) -> tuple[int, int]:
    found = _SPAN.match(text)
    if not found:
        raise ValueError(f'"{text}" is not a span of the day; expected HH:MM-HH:MM')
    return int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
