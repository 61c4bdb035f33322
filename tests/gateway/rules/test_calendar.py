"""What day is it for this school, and what do its pupils do at this moment?"""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.points import Text
from gateway.core.school_days import NO_WEEK, Boarding, DayKind, Exceptional, SchoolDays, Term, Window
from gateway.rules.calendar import HORIZON_DAYS, OPEN, SchoolCalendar
from gateway.rules.timetable import Timetable

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
WEEK = (((480, 710), (830, 1020)),) * 4 + (((480, 710), (830, 960)),) + ((), ())
ARRIVAL = (((440, 480), (800, 830)),) * 5 + ((), ())
DISMISSAL = (((710, 740), (1020, 1060)),) * 4 + (((710, 740), (960, 1000)),) + ((), ())
NATIONAL_DAY = Text("国庆节", "National Day")
AUTUMN = Term(date(2026, 9, 1), date(2027, 1, 22), Text("秋季学期", "autumn term"))


def named(zh: str) -> Text:
    return Text(zh, zh)


DAYS = SchoolDays(
    arrival=ARRIVAL,
    dismissal=DISMISSAL,
    terms=(AUTUMN,),
    holidays={date(2026, 10, day): NATIONAL_DAY for day in range(1, 8)} | {date(2027, 2, 6): Text("春节", "Spring Festival")},
    make_up={date(2026, 9, 20): (NATIONAL_DAY, 0), date(2026, 10, 10): (NATIONAL_DAY, 4), date(2026, 8, 30): (NATIONAL_DAY, 0)},
    exceptions={
        date(2026, 12, 1): Exceptional("closed", named("大雪停课")),
        date(2026, 12, 2): Exceptional("early", named("提前放学"), dismissal=((870, 910),)),
        date(2026, 12, 5): Exceptional("extra", named("加课"), like=4),
        date(2026, 12, 9): Exceptional("exam", named("期中考试"), lessons=((500, 700),)),
        date(2026, 12, 12): Exceptional("exam", named("补考"), like=0, lessons=((500, 700),)),
        date(2026, 12, 13): Exceptional("closed", named("全体离校"), boarding=False),
    },
    boarding=Boarding(frozenset({6, 0, 1, 2, 3, 4}), ((0, 360), (1320, 1440))),
    ends=date(2026, 12, 31),
)
SCHOOL = SchoolCalendar(SHANGHAI, WEEK, DAYS)


@pytest.mark.parametrize(
    ("day", "like"),
    [
        ("2026-09-21", 0),  # a school day
        ("2026-09-19", 5),  # a Saturday keeps the hours of a Saturday
        ("2026-10-02", None),  # National Day
        ("2026-09-20", 0),  # a Sunday on which Monday's lessons are held
        ("2026-10-10", 4),
        ("2026-08-30", None),  # vacation, whatever the list of make-up days says
        ("2027-02-15", None),
        ("2026-12-01", None),  # snow
        ("2026-12-02", 2),  # an early dismissal sends pupils home, not the cleaner
        ("2026-12-05", 4),  # extra lessons on a Saturday, like a Friday
        ("2026-12-09", 2),
        ("2026-12-12", 0),
        ("2026-12-13", None),
    ],
)
def test_whose_hours_count(day: str, like: int | None) -> None:
    assert SCHOOL.counts_as(date.fromisoformat(day)) == like


def test_hours_alone_close_on_no_day() -> None:
    assert [SchoolCalendar(SHANGHAI, WEEK).counts_as(date(2026, 10, day)) for day in range(1, 8)] == [3, 4, 5, 6, 0, 1, 2]


def at_ms(local: str, zone: ZoneInfo = SHANGHAI, fold: int = 0) -> int:
    return round(datetime.fromisoformat(local).replace(tzinfo=zone, fold=fold).timestamp() * 1000)


@pytest.mark.parametrize(
    ("day", "kind", "name"),
    [
        (date(2026, 11, 20), DayKind.SCHOOL_DAY, "教学日"),
        (date(2026, 11, 21), DayKind.WEEKEND, "周末"),
        (date(2026, 10, 1), DayKind.HOLIDAY, "国庆节"),
        (date(2026, 10, 3), DayKind.HOLIDAY, "国庆节"),
        (date(2026, 9, 20), DayKind.MAKE_UP_DAY, "国庆节"),
        (date(2026, 8, 31), DayKind.VACATION, "假期"),
        (date(2026, 8, 30), DayKind.VACATION, "假期"),
        (date(2027, 1, 22), DayKind.SCHOOL_DAY, "教学日"),
        (date(2027, 1, 23), DayKind.VACATION, "假期"),
        (date(2027, 2, 6), DayKind.HOLIDAY, "春节"),
        (date(2026, 12, 1), DayKind.EXCEPTION, "大雪停课"),
        (date(2026, 12, 5), DayKind.EXCEPTION, "加课"),
    ],
)
def test_kind_and_name_of_a_day(day: date, kind: DayKind, name: str) -> None:
    found = SCHOOL.day(day)
    assert (found.kind, found.name.zh) == (kind, name)


@pytest.mark.parametrize(
    ("local", "window"),
    [
        ("2026-11-20T06:00", Window.BOARDING),
        ("2026-11-20T05:59:59.999", Window.NIGHT),
        ("2026-11-20T07:20", Window.ARRIVAL),
        ("2026-11-20T08:00", Window.LESSON),
        ("2026-11-20T11:50", Window.DISMISSAL),
        ("2026-11-20T13:20", Window.ARRIVAL),
        ("2026-11-20T15:59:59", Window.LESSON),
        ("2026-11-20T16:39:59", Window.DISMISSAL),
        ("2026-11-20T16:40", Window.BOARDING),
        ("2026-11-19T16:40", Window.LESSON),
        ("2026-11-21T10:00", Window.NONE),
        ("2026-11-22T10:00", Window.BOARDING),
        ("2026-10-02T09:00", Window.NONE),
        ("2026-10-02T23:00", Window.NONE),
        ("2026-10-10T16:10", Window.DISMISSAL),
        ("2026-10-10T23:00", Window.NONE),
        ("2026-12-01T09:00", Window.BOARDING),
        ("2026-12-02T11:50", Window.DISMISSAL),
        ("2026-12-02T14:29", Window.LESSON),
        ("2026-12-02T14:30", Window.DISMISSAL),
        ("2026-12-02T15:10", Window.BOARDING),
        ("2026-12-05T07:20", Window.ARRIVAL),
        ("2026-12-05T16:10", Window.DISMISSAL),
        ("2026-12-09T08:10", Window.BOARDING),
        ("2026-12-09T08:20", Window.LESSON),
        ("2026-12-12T08:20", Window.LESSON),
        ("2026-12-12T12:00", Window.DISMISSAL),
        ("2026-12-13T23:00", Window.NONE),
        ("2027-01-25T09:00", Window.NONE),
    ],
)
def test_what_pupils_do(local: str, window: Window) -> None:
    assert SCHOOL.window(at_ms(local)) is window
    assert SCHOOL.is_open(at_ms(local)) is (window in OPEN)


def test_boarders_stay_on_holidays_where_the_school_says_so() -> None:
    holiday = at_ms("2026-10-02T23:00")
    stays = SchoolDays(terms=(AUTUMN,), holidays=DAYS.holidays, boarding=Boarding(frozenset(range(7)), ((1320, 1440),), holidays=True))
    assert SchoolCalendar(SHANGHAI, WEEK, stays).window(holiday) is Window.NIGHT
    assert SchoolCalendar(SHANGHAI, WEEK, stays).window(at_ms("2027-02-06T23:00")) is Window.NONE, "a holiday outside the terms"


def test_the_next_change_of_a_school_day_and_over_a_vacation() -> None:
    assert SCHOOL.next_change(at_ms("2026-11-20T08:00")) == (at_ms("2026-11-20T11:50"), Window.DISMISSAL)
    assert SCHOOL.next_change(at_ms("2026-11-20T07:59:59.999")) == (at_ms("2026-11-20T08:00"), Window.LESSON)
    assert SCHOOL.next_change(at_ms("2026-08-01T12:00")) == (at_ms("2026-09-01T00:00"), Window.NIGHT)
    assert SCHOOL.next_change(at_ms("2027-01-23T00:00")) is None
    assert SchoolCalendar(SHANGHAI, NO_WEEK).next_change(at_ms("2026-11-20T08:00")) is None


def test_the_calendar_runs_out_sixty_days_before_its_end() -> None:
    assert not SCHOOL.runs_out(date(2026, 10, 31))
    assert SCHOOL.runs_out(date(2026, 11, 1))
    assert SCHOOL.runs_out(date(2027, 3, 1))
    assert not SchoolCalendar(SHANGHAI, WEEK).runs_out(date(2100, 1, 1)), "hours alone never end"


def test_the_term_of_a_day() -> None:
    assert SCHOOL.term(date(2026, 9, 1)) is AUTUMN
    assert SCHOOL.term(date(2026, 8, 31)) is None


def test_hours_that_begin_in_the_hour_that_summer_time_skips() -> None:
    """On 29 March 2026 Berlin goes from 02:00 to 03:00."""
    sundays = (*((),) * 6, ((150, 210), (130, 140)))
    table = SchoolCalendar(BERLIN, sundays)
    change = table.next_change(at_ms("2026-03-29T00:30", BERLIN))
    assert change == (at_ms("2026-03-29T03:00", BERLIN), Window.LESSON), (
        "what lies within the hour does not happen, the rest begins with the jump"
    )
    assert table.next_change(change[0]) == (at_ms("2026-03-29T03:30", BERLIN), Window.NONE)


def test_hours_in_the_hour_that_comes_twice() -> None:
    """On 25 October 2026 Berlin lives through 02:00 to 03:00 twice."""
    table = SchoolCalendar(BERLIN, (*((),) * 6, ((150, 165),)))
    moment, seen = at_ms("2026-10-25T00:00", BERLIN), []
    for _ in range(4):
        change = table.next_change(moment)
        assert change is not None
        moment = change[0]
        seen.append((datetime.fromtimestamp(moment / 1000, UTC).strftime("%H:%M"), change[1]))
    assert seen == [("00:30", Window.LESSON), ("00:45", Window.NONE), ("01:30", Window.LESSON), ("01:45", Window.NONE)]


ZONES = st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]).map(ZoneInfo)
SPAN = st.builds(lambda start, minutes: (start, min(start + minutes, 1440)), st.integers(0, 1439), st.integers(1, 700))
SPANS = st.lists(SPAN, max_size=2).map(tuple)
WEEKS = st.builds(
    lambda some, other, days: tuple(other if day in days else some for day in range(7)), SPANS, SPANS, st.frozensets(st.integers(0, 6))
)
DATES = st.dates(date(2026, 1, 1), date(2026, 12, 31))
NAMES = st.just(Text("某日", "some day"))
EXCEPTIONS = st.builds(
    Exceptional,
    st.sampled_from(["closed", "early", "extra", "exam"]),
    NAMES,
    st.integers(0, 6),
    st.none() | SPANS,
    st.none() | SPANS,
    st.none() | SPANS,
    st.none() | st.booleans(),
)
SCHOOL_DAYS = st.builds(
    SchoolDays,
    WEEKS,
    WEEKS,
    st.lists(st.builds(Term, DATES, DATES, NAMES), max_size=2).map(tuple),
    st.dictionaries(DATES, NAMES, max_size=5),
    st.dictionaries(DATES, st.tuples(NAMES, st.integers(0, 6)), max_size=5),
    st.dictionaries(DATES, EXCEPTIONS, max_size=5),
    st.none() | st.builds(Boarding, st.frozensets(st.integers(0, 6)), SPANS, st.booleans()),
)
CALENDARS = st.builds(SchoolCalendar, ZONES, WEEKS, SCHOOL_DAYS)
NEAR_JUMPS = st.sampled_from(
    ["2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-05", "2026-10-04"]
)
MOMENTS = st.one_of(
    st.integers(1_767_225_600_000, 1_798_761_600_000),
    st.builds(lambda day, ms: at_ms(day, ZoneInfo("UTC")) + ms, NEAR_JUMPS, st.integers(0, 86_400_000)),
)


@settings(max_examples=60, deadline=None)
@given(CALENDARS, MOMENTS, st.lists(st.floats(0, 1), min_size=20, max_size=20))
def test_the_next_change_changes_something_and_nothing_changes_before_it(
    calendar: SchoolCalendar, moment_ms: int, places: list[float]
) -> None:
    now, change = calendar.window(moment_ms), calendar.next_change(moment_ms)
    end_ms = moment_ms + HORIZON_DAYS * 86_400_000 if change is None else change[0]
    if change is not None:
        assert change[0] > moment_ms
        assert change[1] is not now
        assert calendar.window(change[0]) is change[1]
        assert calendar.window(change[0] - 1) is now
    for place in places:
        assert calendar.window(moment_ms + round(place * (end_ms - 1 - moment_ms))) is now


@settings(max_examples=60)
@given(CALENDARS, MOMENTS)
def test_open_is_lessons_arrival_or_dismissal_of_that_day(calendar: SchoolCalendar, moment_ms: int) -> None:
    assert calendar.is_open(moment_ms) is (calendar.window(moment_ms) in OPEN)
    local = datetime.fromtimestamp(moment_ms / 1000, UTC).astimezone(calendar.zone)
    day, minute = calendar.day(local.date()), local.hour * 60 + local.minute
    assert calendar.is_open(moment_ms) is any(a <= minute < b for a, b in (*day.lessons, *day.arrival, *day.dismissal))


@given(ZONES, WEEKS, MOMENTS)
def test_hours_alone_are_a_plain_timetable(zone: ZoneInfo, week: tuple[tuple[tuple[int, int], ...], ...], moment_ms: int) -> None:
    calendar = SchoolCalendar(zone, week)
    assert calendar.is_open(moment_ms) is Timetable(zone, week).is_open(moment_ms)
    assert calendar.window(moment_ms) in (Window.LESSON, Window.NONE)


@settings(max_examples=60)
@given(CALENDARS, DATES)
def test_a_day_without_boarders_has_no_night(calendar: SchoolCalendar, day: date) -> None:
    found = calendar.day(day)
    assert found.boarding or not found.night
    if found.kind in (DayKind.HOLIDAY, DayKind.WEEKEND, DayKind.VACATION):
        assert (found.lessons, found.arrival, found.dismissal) == ((), (), ())
    if found.kind is DayKind.VACATION:
        assert not found.boarding
    assert (day in calendar.days.exceptions) is (found.kind is DayKind.EXCEPTION)
