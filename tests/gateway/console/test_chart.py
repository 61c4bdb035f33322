"""Charts: few columns whatever the span, gaps where nothing was read, round numbers at the axes."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console import chart
from gateway.core.history import Minute

SHANGHAI = ZoneInfo("Asia/Shanghai")
FROM_MS = round(datetime(2026, 11, 22, 0, 0, tzinfo=SHANGHAI).timestamp() * 1000)
HOUR_MS = 3_600_000


def minutes(*means: float | None, from_ms: int = FROM_MS) -> list[Minute]:
    """One a minute; None where nothing was read."""
    return [Minute(from_ms + n * chart.MINUTE_MS, "p", mean - 1, mean, mean + 1) for n, mean in enumerate(means) if mean is not None]


def drawn(
    found: list[Minute], hours: int = 1, limits: tuple[tuple[float, str], ...] = (), alarms: tuple[tuple[int, str], ...] = ()
) -> chart.Chart:
    to_ms = FROM_MS + hours * HOUR_MS
    return chart.drawn(chart.columns(found, FROM_MS, to_ms), FROM_MS, to_ms, SHANGHAI, limits, alarms)


def test_a_month_of_minutes_is_at_most_six_hundred_columns_that_hide_no_peak() -> None:
    values = [20.0] * 43_200
    values[12_345] = 90.0
    found = chart.columns(minutes(*values), FROM_MS, FROM_MS + 720 * HOUR_MS)
    assert len(found) == chart.COLUMNS_MOST
    assert max(column.high for column in found) == 91.0
    assert sum(column.count for column in found) == 43_200


def test_where_nothing_was_read_nothing_is_drawn() -> None:
    picture = drawn(minutes(1, 2, 3, None, None, 4, 5, None, 6))
    assert (len(picture.bands), len(picture.lines), len(picture.dots)) == (2, 2, 1)
    empty = drawn([])
    assert (empty.bands, empty.lines, empty.dots) == ([], [], [])
    assert empty.times


def test_the_first_limit_is_always_in_sight_and_a_far_one_is_not() -> None:
    picture = drawn(minutes(3, 4, 3), limits=((25.0, "level 1"), (50.0, "level 2")))
    assert [mark.text for mark in picture.limits] == ["level 1"]
    assert picture.top <= picture.limits[0].at <= picture.bottom


def test_alarms_stand_where_they_happened() -> None:
    picture = drawn(minutes(1, 2), alarms=((FROM_MS + HOUR_MS // 2, "in"), (FROM_MS - 1, "before"), (FROM_MS + HOUR_MS, "behind")))
    assert picture.alarms == [chart.Mark((picture.left + picture.right) / 2, "in")]


@pytest.mark.parametrize(
    ("hours", "texts"),
    [
        (1, ["00:00", "00:10", "00:20", "00:30", "00:40", "00:50"]),
        (24, ["11-22", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"]),
        (168, ["11-22", "11-23", "11-24", "11-25", "11-26", "11-27", "11-28"]),
    ],
)
def test_times_are_round_at_the_school(hours: int, texts: list[str]) -> None:
    assert [mark.text for mark in drawn([], hours).times] == texts


@given(
    st.lists(st.none() | st.floats(-1e6, 1e6, allow_nan=False), max_size=60),
    st.sampled_from([1, 24, 168, 720]),
    st.lists(st.floats(-1e6, 1e6), max_size=2),
)
def test_everything_lies_within_the_drawing(means: list[float | None], hours: int, limits: list[float]) -> None:
    picture = drawn(minutes(*means), hours, tuple((value, "limit") for value in limits))
    heights = [mark.at for mark in (*picture.values, *picture.limits)] + [y for _, y in picture.dots]
    for path in (*picture.bands, *picture.lines):
        corners = [tuple(map(float, corner.split(","))) for corner in path.strip("MZ").split(" L")]
        heights += [y for _, y in corners]
        assert all(picture.left <= x <= picture.right for x, _ in corners)
    assert all(picture.top - 0.1 <= y <= picture.bottom + 0.1 for y in heights)
    assert 1 <= len(picture.values) <= 12


def test_in_numbers() -> None:
    found = chart.summary(minutes(1, 2, None, 6), FROM_MS, FROM_MS + HOUR_MS)
    assert found == chart.Summary(0, 3, 7, 6, 3, 60)
    assert chart.summary([], FROM_MS, FROM_MS + HOUR_MS) is None
