"""Is the school open, in the school's own time zone?"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.timetable import Timetable

SHANGHAI = ZoneInfo("Asia/Shanghai")
WORKDAYS = tuple(((450, 720), (810, 1050)) if day < 5 else () for day in range(7))


def at_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("local", "is_open"),
    [
        ("2026-11-20T07:29:59.999+08:00", False),
        ("2026-11-20T07:30:00+08:00", True),
        ("2026-11-20T11:59:59.999+08:00", True),
        ("2026-11-20T12:00:00+08:00", False),
        ("2026-11-20T13:30:00+08:00", True),
        ("2026-11-20T17:30:00+08:00", False),
        ("2026-11-21T09:00:00+08:00", False),
        ("2026-11-22T23:59:00+08:00", False),
        ("2026-11-20T00:10:00+00:00", True),
    ],
)
def test_hours_of_a_school_in_shanghai(local: str, is_open: bool) -> None:
    assert Timetable(SHANGHAI, WORKDAYS).is_open(at_ms(local)) is is_open


def test_until_midnight_and_all_day() -> None:
    table = Timetable(SHANGHAI, (((0, 1440),), ((1200, 1440),), (), (), (), (), ()))
    assert table.is_open(at_ms("2026-11-16T23:59:59+08:00")), "Monday, all day"
    assert not table.is_open(at_ms("2026-11-17T00:00:00+08:00"))
    assert table.is_open(at_ms("2026-11-17T23:59:59+08:00"))
    assert not table.is_open(at_ms("2026-11-18T00:00:00+08:00"))


def test_a_zone_with_summer_time_keeps_local_hours() -> None:
    table = Timetable(ZoneInfo("Europe/Berlin"), (((480, 600),),) * 7)
    for day in ("2026-03-28", "2026-03-30", "2026-07-01", "2026-12-01"):
        local = datetime.fromisoformat(f"{day}T08:00:00").replace(tzinfo=ZoneInfo("Europe/Berlin"))
        assert table.is_open(round(local.timestamp() * 1000))
        assert not table.is_open(round(local.timestamp() * 1000) - 1)


@given(st.integers(0, 4_102_444_800_000))
def test_a_holiday_table_is_never_open(moment_ms: int) -> None:
    assert not Timetable(SHANGHAI, ((),) * 7).is_open(moment_ms)
    local = datetime.fromtimestamp(moment_ms / 1000, UTC).astimezone(SHANGHAI)
    expected = local.weekday() < 5 and any(s <= local.hour * 60 + local.minute < e for s, e in WORKDAYS[0])
    assert Timetable(SHANGHAI, WORKDAYS).is_open(moment_ms) is expected
