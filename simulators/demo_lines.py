"""What the demo prints: one readable line for each event, and the table at the end."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from simulators.demo_site import Names
from simulators.demo_story import Cause, Told

PLACE_COLUMNS = 22
TEXT_COLUMNS = 86
CAUSE_COLUMNS = 40


def columns(text: str) -> int:
    """Columns on a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def padded(text: str, width_columns: int) -> str:
    """Filled with blanks up to the column."""
    return text + " " * max(0, width_columns - columns(text))


def event_line(line: Mapping[str, Any], told: Told, names: Names) -> str:
    """Local time of arrival, place, what happened in Chinese and English, delay from cause to centre, resend mark."""
    data = line["data"] if isinstance(line["data"], dict) else {}
    text = data.get("text")
    words = f"{text.get('zh', '')} {text.get('en', '')}" if isinstance(text, dict) else str(line["type"])
    word = str(line["type"]).rpartition(".")[2]
    if word != "activated":
        words = f"{words} ({word})"
    if data.get("unit") and isinstance(data.get("value"), int | float):
        words = f"{words} {data['value']:g} {data['unit']}"
    place = names.places.get(str(data.get("place")), str(data.get("place") or line["subject"]))
    delay = f"{told.delay_ms:8.0f} ms" if told.delay_ms is not None else " " * 11
    marks = ("  resent" if line["resend"] else "") + (f"  PROBLEM: {line['problem']}" if line["problem"] else "")
    clock = datetime.fromisoformat(line["arrived_at"]).astimezone()
    return f"{clock:%H:%M:%S}  {padded(place, PLACE_COLUMNS)}{padded(words, TEXT_COLUMNS)}{delay}{marks}"


def table_lines(rows: Sequence[tuple[Cause, int, float | None]]) -> list[str]:
    """Cause, expected event, how often it was received, delay."""
    head = f"{padded('cause', CAUSE_COLUMNS)}{padded('expected event', 58)}{'received':>8}{'delay':>12}"
    lines = [head, "-" * len(head)]
    for cause, ids, delay_ms in rows:
        expected = f"{cause.expected.type.removeprefix('campus.')} {cause.expected.subject}/{cause.expected.alarm}"
        received = "lost" if delay_ms is None else "once" if ids == 1 else f"{ids} times"
        delay = "" if delay_ms is None else f"{delay_ms:.0f} ms"
        lines.append(f"{padded(cause.what, CAUSE_COLUMNS)}{padded(expected, 58)}{received:>8}{delay:>12}")
    return lines


def summary_lines(summary: Mapping[str, Any]) -> list[str]:
    """The figures in words."""
    delay = summary["delay_ms"]
    figures = "  ".join(f"{name} {delay[name]:.0f} ms" for name in ("p50", "p99", "max") if delay[name] is not None)
    counts = ", ".join(f"{name} {summary[name]}" for name in ("caused", "received", "lost", "duplicated", "resent"))
    return [counts, f"delay from cause to centre: {figures or 'none'}"]
