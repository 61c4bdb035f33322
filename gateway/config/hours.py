"""Opening hours as written in a site file: "07:30-12:00"."""

from __future__ import annotations

import re

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"^([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$")
_DAY_MIN = 24 * 60


def parse_spans(words: list[str]) -> list[tuple[int, int]]:
    """["07:30-12:00"] -> [(450, 720)], minutes of the local day; the end is not included. Raises ValueError."""
    spans = []
    for text in words:
        found = _SPAN.match(text)
        if not found:
            raise ValueError(f'"{text}" is not a span of the day; expected HH:MM-HH:MM')
        start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
        if not start < end <= _DAY_MIN:
            raise ValueError(f'"{text}" ends before it begins, or after 24:00')
        spans.append((start, end))
    return spans
