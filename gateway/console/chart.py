"""A chart of one measured point as inline SVG: a band from lowest to highest, a line of the mean, limits, alarms, gaps. Pure.

Nothing carries a style of its own: the page's policy forbids that, and colours are in page.css.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.core.history import Minute

COLUMNS_MOST = 600
MINUTE_MS = 60_000
WIDTH, HEIGHT = 760, 240
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 26
LINES_WANTED = 5
_HOUR_MS = 3_600_000
_STEPS_MS = (600_000, 1_800_000, _HOUR_MS, 3 * _HOUR_MS, 6 * _HOUR_MS, 12 * _HOUR_MS, 24 * _HOUR_MS, 48 * _HOUR_MS, 120 * _HOUR_MS)
_MARKS_MOST = 9


@dataclass(slots=True)
class Column:
    """All minutes of one stretch of time. at: which one, from 0."""

    at: int
    low: float
    high: float
    total: float
    count: int

    @property
    def mean(self) -> float:
        return self.total / self.count


@dataclass(frozen=True, slots=True)
class Summary:
    """Of a whole span; minutes: how many were read, of: how many there could be."""

    low: float
    mean: float
    high: float
    newest: float
    minutes: int
    of: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A place at an axis, or an alarm: where in the drawing, and what is written there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws. Lengths are in the drawing's units, WIDTH x HEIGHT. bands, lines: paths. dots: single readings."""

    bands: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    dots: list[tuple[float, float]] = field(default_factory=list)
    times: list[Mark] = field(default_factory=list)
    values: list[Mark] = field(default_factory=list)
    limits: list[Mark] = field(default_factory=list)
    alarms: list[Mark] = field(default_factory=list)
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def columns(minutes: Iterable[Minute], from_ms: int, to_ms: int) -> list[Column]:
    """At most COLUMNS_MOST of equal length, in order; those in which nothing was read are left out."""
    width_ms = column_ms(from_ms, to_ms)
    found: dict[int, Column] = {}
    for minute in minutes:
        at = (minute.at_ms - from_ms) // width_ms
        column = found.get(at)
        if column is None:
            found[at] = Column(at, minute.low, minute.high, minute.mean, 1)
        else:
            column.low, column.high = min(column.low, minute.low), max(column.high, minute.high)
            column.total += minute.mean
            column.count += 1
    return [found[at] for at in sorted(found)]


def column_ms(from_ms: int, to_ms: int) -> int:
    """Whole minutes."""
    minutes = math.ceil((to_ms - from_ms) / MINUTE_MS)
    return math.ceil(minutes / COLUMNS_MOST) * MINUTE_MS


def summary(minutes: Sequence[Minute], from_ms: int, to_ms: int) -> Summary | None:
    """None where nothing was read."""
    if not minutes:
        return None
    newest = max(minutes, key=lambda minute: minute.at_ms)
    mean = math.fsum(minute.mean for minute in minutes) / len(minutes)
    low, high = min(minute.low for minute in minutes), max(minute.high for minute in minutes)
    return Summary(low, mean, high, newest.mean, len(minutes), (to_ms - from_ms) // MINUTE_MS)


def drawn(
    found: Sequence[Column],
    from_ms: int,
    to_ms: int,
    zone: ZoneInfo,
    limits: Sequence[tuple[float, str]] = (),
    alarms: Sequence[tuple[int, str]] = (),
) -> Chart:
    """The drawing. limits: (value, words), the one that matters first; alarms: (UTC milliseconds, words)."""
    low, high = _range(found, limits)
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    step_px = (right - LEFT) * column_ms(from_ms, to_ms) / (to_ms - from_ms)

    def x_of(at_ms: int) -> float:
        return round(LEFT + (right - LEFT) * (at_ms - from_ms) / (to_ms - from_ms), 1)

    def x(column: Column) -> float:
        return round(min(right, LEFT + (column.at + 0.5) * step_px), 1)

    def y(value: float) -> float:
        return round(bottom - (bottom - TOP) * (value - low) / (high - low), 1)

    chart = Chart()
    for run in _runs(found):
        if len(run) == 1:
            chart.dots.append((x(run[0]), y(run[0].mean)))
            continue
        above = [f"{x(column)},{y(column.high)}" for column in run]
        below = [f"{x(column)},{y(column.low)}" for column in reversed(run)]
        chart.bands.append(f"M{' L'.join(above + below)}Z")
        chart.lines.append(f"M{' L'.join(f'{x(column)},{y(column.mean)}' for column in run)}")
    chart.times.extend(Mark(x_of(at_ms), text) for at_ms, text in _times(from_ms, to_ms, zone))
    chart.values.extend(Mark(y(value), f"{value:g}") for value in nice(low, high))
    chart.limits.extend(Mark(y(value), text) for value, text in limits if low <= value <= high)
    chart.alarms.extend(Mark(x_of(at_ms), text) for at_ms, text in alarms if from_ms <= at_ms < to_ms)
    return chart


def nice(low: float, high: float) -> list[float]:
    """Round values from low to high, about LINES_WANTED of them."""
    rough = (high - low) / LINES_WANTED
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 10) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _range(found: Sequence[Column], limits: Sequence[tuple[float, str]]) -> tuple[float, float]:
    """From the lowest to the highest of what was read and of the first limit, with some air."""
    values = [column.low for column in found] + [column.high for column in found] + [value for value, _ in limits[:1]]
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low >= 0 and low < 0.5 * high:
        low = 0.0
    air = 0.06 * (high - low) or max(1.0, abs(high) * 0.1)
    return (low if low == 0.0 else low - air), high + air


def _runs(found: Sequence[Column]) -> list[list[Column]]:
    """Columns that follow each other without a gap."""
    runs: list[list[Column]] = []
    for column in found:
        if runs and column.at == runs[-1][-1].at + 1:
            runs[-1].append(column)
        else:
            runs.append([column])
    return runs


def _times(from_ms: int, to_ms: int, zone: ZoneInfo) -> list[tuple[int, str]]:
    """Round times of the day at the school."""
    step_ms = next((step for step in _STEPS_MS if (to_ms - from_ms) / step <= _MARKS_MOST), _STEPS_MS[-1])
    begin = datetime.fromtimestamp(from_ms / 1000, UTC).astimezone(zone)
    at = begin.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    step, form = timedelta(milliseconds=step_ms), "%m-%d" if step_ms >= 24 * _HOUR_MS else "%H:%M"
    marks = []
    while (at_ms := round(at.replace(tzinfo=zone).timestamp() * 1000)) < to_ms:
        if at_ms >= from_ms:
            marks.append((at_ms, at.strftime("%m-%d" if at.hour == at.minute == 0 and step_ms >= _HOUR_MS else form)))
        at += step
    return marks
