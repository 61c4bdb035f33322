"""When reports are due, by the school's own wall clock."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.report.schedule import TIMED, Schedule

SHANGHAI = ZoneInfo("Asia/Shanghai")
SCHOOL = Schedule(SHANGHAI, 17 * 60 + 30, 4, 1)  # 17:30, Fridays, the first of the month


def ms(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("kind", "now", "due", "following"),
    [
        ("daily", "2026-11-22T17:30:00", "2026-11-22T17:30", "2026-11-23T17:30"),
        ("daily", "2026-11-22T17:29:59", "2026-11-21T17:30", "2026-11-22T17:30"),
        ("weekly", "2026-11-22T12:00:00", "2026-11-20T17:30", "2026-11-27T17:30"),
        ("weekly", "2026-11-27T17:29:00", "2026-11-20T17:30", "2026-11-27T17:30"),
        ("monthly", "2026-11-01T17:29:00", "2026-10-01T17:30", "2026-11-01T17:30"),
        ("monthly", "2026-12-31T23:59:00", "2026-12-01T17:30", "2027-01-01T17:30"),
    ],
)
def test_the_last_time_and_the_next(kind: str, now: str, due: str, following: str) -> None:
    assert SCHOOL.due(kind, ms(now)) == ms(due)
    assert SCHOOL.next(kind, ms(now)) == ms(following)


def test_a_day_whose_clock_is_put_on_still_has_its_report() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    schedule = Schedule(berlin, 150, 0, 1)  # 02:30, which 29 March 2026 does not have
    before, on_the_day = ms("2026-03-28T12:00", berlin), ms("2026-03-29T12:00", berlin)
    assert schedule.due("daily", before) < schedule.due("daily", on_the_day) <= on_the_day
    assert schedule.due("daily", on_the_day) == schedule.next("daily", before)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(TIMED),
    st.integers(ms("2024-01-01T00:00"), ms("2040-01-01T00:00")),
    st.integers(0, 1439),
    st.integers(0, 6),
    st.integers(1, 28),
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "UTC"]),
)
def test_no_time_is_left_out_and_none_comes_twice(kind: str, now: int, minute: int, weekday: int, monthday: int, zone: str) -> None:
    schedule = Schedule(ZoneInfo(zone), minute, weekday, monthday)
    due, following = schedule.due(kind, now), schedule.next(kind, now)
    assert due <= now < following
    assert schedule.next(kind, due) == following
    assert schedule.due(kind, following - 1) == due
