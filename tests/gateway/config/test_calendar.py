"""The school's calendar: library, [calendar] and calendar file, put together and checked."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.apart import Loading
from gateway.config.hours import parse_night, week_spans
from gateway.config.load import load_calendar, load_site
from gateway.config.settings import ConfigRefused, Settings
from gateway.config.site import Hours
from gateway.core.points import Text
from gateway.core.school_days import CALENDAR_POINT, DayKind, SchoolDays

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "small-school.toml"
HOURS = '\n[hours]\nmon = ["08:00-17:00"]\ntue = ["08:00-17:00"]\nwed = ["08:00-17:00"]\nthu = ["08:00-17:00"]\nfri = ["08:00-16:00"]\n'

# The State Council's notices for 2024 (2023-10-25), 2025 (2024-11-12) and 2026 (2025-11-04).
FREE = [
    ("元旦", "2024-01-01", "2024-01-01"),
    ("春节", "2024-02-10", "2024-02-17"),
    ("清明", "2024-04-04", "2024-04-06"),
    ("劳动节", "2024-05-01", "2024-05-05"),
    ("端午", "2024-06-10", "2024-06-10"),
    ("中秋", "2024-09-15", "2024-09-17"),
    ("国庆节", "2024-10-01", "2024-10-07"),
    ("元旦", "2025-01-01", "2025-01-01"),
    ("春节", "2025-01-28", "2025-02-04"),
    ("清明", "2025-04-04", "2025-04-06"),
    ("劳动节", "2025-05-01", "2025-05-05"),
    ("端午", "2025-05-31", "2025-06-02"),
    ("国庆节", "2025-10-01", "2025-10-05"),
    ("中秋", "2025-10-06", "2025-10-06"),
    ("国庆节", "2025-10-07", "2025-10-08"),
    ("元旦", "2026-01-01", "2026-01-03"),
    ("春节", "2026-02-15", "2026-02-23"),
    ("清明", "2026-04-04", "2026-04-06"),
    ("劳动节", "2026-05-01", "2026-05-05"),
    ("端午", "2026-06-19", "2026-06-21"),
    ("中秋", "2026-09-25", "2026-09-27"),
    ("国庆节", "2026-10-01", "2026-10-07"),
]
MADE_UP = [
    *("2024-02-04", "2024-02-18", "2024-04-07", "2024-04-28", "2024-05-11", "2024-09-14", "2024-09-29", "2024-10-12"),
    *("2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11"),
    *("2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"),
]
THREE_YEARS = [date(2023, 11, 22) + timedelta(days=number) for number in range(3 * 366)]


def site(folder: Path, tail: str = "", calendar_file: str = "") -> Settings:
    """The small school with this at the end of its file, and a calendar file beside it."""
    file = folder / "site.toml"
    file.write_text(EXAMPLE.read_text(encoding="utf-8") + HOURS + tail, encoding="utf-8")
    if calendar_file:
        (folder / "district.toml").write_text(calendar_file, encoding="utf-8")
    return load_site(file)


def days(folder: Path, tail: str, calendar_file: str = "") -> SchoolDays:
    return site(folder, tail, calendar_file).school_days


def test_every_official_holiday_and_make_up_day_of_three_years(tmp_path: Path) -> None:
    known = days(tmp_path, "[calendar]\n")
    assert [day for day in THREE_YEARS if day in known.make_up] == [date.fromisoformat(day) for day in MADE_UP]
    free = {}
    for name, first, last in FREE:
        day = date.fromisoformat(first)
        while day <= date.fromisoformat(last):
            free[day] = name
            day += timedelta(days=1)
    weekdays = {day for day in THREE_YEARS if day.weekday() < 5}
    assert {day: known.holidays[day].zh for day in weekdays & known.holidays.keys()} == {d: n for d, n in free.items() if d.weekday() < 5}
    assert all(known.holidays[day].zh == name for day, name in free.items() if day in known.holidays)
    assert known.holidays[date(2026, 2, 17)] == Text("春节", "Spring Festival")


def test_hours_alone_know_no_holidays_and_check_says_so(tmp_path: Path) -> None:
    settings = site(tmp_path)
    assert settings.school_days == SchoolDays()
    assert CALENDAR_POINT not in settings.points
    assert [warning.key for warning in settings.warnings] == ["hours"]
    assert "add [calendar]" in settings.warnings[0].text


def test_a_school_elsewhere_is_not_told_of_chinas_holidays(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    text = EXAMPLE.read_text(encoding="utf-8").replace('name = "新华路小学"', 'name = "Schule"\ntimezone = "Europe/Berlin"')
    file.write_text(text + HOURS, encoding="utf-8")
    assert load_site(file).warnings == []


def test_the_calendar_ends_with_the_list_of_the_library(tmp_path: Path) -> None:
    settings = site(tmp_path, "[calendar]\n")
    ends = settings.school_days.ends
    assert ends is not None
    assert (ends.month, ends.day) == (12, 31)
    assert ends >= date(2026, 12, 31)
    assert not any(day > ends for day in settings.school_days.holidays)
    (alarm,) = settings.points[CALENDAR_POINT].alarms
    assert alarm.text.zh == f"校历只到 {ends}，之后没有法定节假日安排"
    assert alarm.text.en == f"The calendar ends on {ends}, no public holidays are known beyond it"


TERMS = """
[[calendar.terms]]
name = "春季学期"
first = 2027-02-22
last = 2027-07-09
[[calendar.terms]]
name = "秋季学期"
name_en = "autumn term"
first = 2026-09-01
last = 2027-01-22
"""


def test_the_calendar_ends_with_the_last_term_where_that_comes_first(tmp_path: Path) -> None:
    assert days(tmp_path, '[calendar]\nholidays = "none"\n').ends is None
    known = days(tmp_path, f'[calendar]\nholidays = "none"\n{TERMS}')
    assert (known.ends, known.beyond.zh) == (date(2027, 7, 9), "没有学期")
    assert [term.name.en for term in known.terms] == ["autumn term", "春季学期"]


FURTHER = """
[[years]]
year = 2026
holidays = [{ name = "国庆节", first = 2026-10-01, last = 2026-10-04 }]
make_up_days = [{ name = "国庆节", day = 2026-10-17, like = "fri" }]
[[years]]
year = 2027
holidays = [{ name = "元旦", name_en = "New Year's Day", first = 2026-12-31, last = 2027-01-02 }]
make_up_days = [{ name = "元旦", day = 2026-12-27 }]
[[exceptions]]
kind = "closed"
name = "大雪停课"
name_en = "snow"
first = 2026-12-03
last = 2026-12-04
"""


def test_a_calendar_file_replaces_whole_years_and_adds_the_rest(tmp_path: Path) -> None:
    known = days(tmp_path, '[calendar]\nfile = "district.toml"\nmake_up_like = "tue"\n', FURTHER)
    assert [day for day in known.holidays if day.year == 2026] == [*(date(2026, 10, day) for day in range(1, 5)), date(2026, 12, 31)]
    assert {day: like for day, (_, like) in known.make_up.items() if day.year == 2026} == {date(2026, 10, 17): 4, date(2026, 12, 27): 1}
    assert known.make_up[date(2025, 10, 11)] == (Text("国庆节", "National Day"), 1), "other years stay the library's"
    assert known.ends == date(2027, 12, 31)
    assert set(known.exceptions) == {date(2026, 12, 3), date(2026, 12, 4)}


def test_a_year_that_is_missing_between_two_ends_the_calendar_before_it(tmp_path: Path) -> None:
    years = "[[calendar.years]]\nyear = 2031\n[[calendar.years]]\nyear = 2032\n"
    assert days(tmp_path, f"[calendar]\n{years}").ends == days(tmp_path, "[calendar]\n").ends
    assert days(tmp_path, f'[calendar]\nholidays = "none"\n{years}').ends == date(2032, 12, 31)


def test_what_is_wrong_with_a_calendar_file_is_told_in_that_file(tmp_path: Path) -> None:
    tail = f'[calendar]\nfile = "district.toml"\n{TERMS}'
    with pytest.raises(ConfigRefused) as refused:
        site(tmp_path, tail, FURTHER.replace("2026-12-04", "2026-12-01") + "[[terms]]\nname = 'x'\nfirst = 2027-01-01\nlast = 2027-02-01\n")
    told = [(Path(problem.file).name, problem.line, problem.key) for problem in refused.value.problems]
    assert told == [("district.toml", 15, "exceptions[0].last"), ("district.toml", 16, "terms[0]")]
    with pytest.raises(ConfigRefused) as refused:
        site(tmp_path, tail, "[[holidays]]\n")
    assert [(Path(p.file).name, p.line, p.key) for p in refused.value.problems] == [("district.toml", 1, "holidays")]


def test_a_calendar_file_can_be_checked_by_itself(tmp_path: Path) -> None:
    (tmp_path / "district.toml").write_text(FURTHER, encoding="utf-8")
    assert [year.year for year in load_calendar(tmp_path / "district.toml").years] == [2026, 2027]


def test_windows_belong_to_days_with_hours(tmp_path: Path) -> None:
    known = days(
        tmp_path, '[calendar]\narrival = { daily = ["07:20-08:00"], tue = [], sat = ["09:00-10:00"] }\ndismissal.fri = ["16:00-16:30"]\n'
    )
    assert known.arrival == (((440, 480),), (), ((440, 480),), ((440, 480),), ((440, 480),), (), ())
    assert known.dismissal == ((), (), (), (), ((960, 990),), (), ())


def test_boarders(tmp_path: Path) -> None:
    boarding = days(tmp_path, '[calendar.boarding]\ndays = ["sun", "mon"]\nnight = "21:30-06:15"\n').boarding
    assert boarding is not None
    assert (boarding.weekdays, boarding.night, boarding.holidays) == (frozenset({6, 0}), ((0, 375), (1290, 1440)), False)
    everyday = days(tmp_path, "[calendar.boarding]\n").boarding
    assert everyday is not None
    assert everyday.weekdays == frozenset(range(7))


def test_make_up_days_like_a_day_without_hours_are_warned_of(tmp_path: Path) -> None:
    assert [warning.key for warning in site(tmp_path, '[calendar]\nmake_up_like = "sun"\n').warnings] == ["calendar.make_up_like"]
    assert site(tmp_path, '[calendar]\narrival.daily = ["07:20-08:00"]\n').warnings == []


def test_windows_without_hours_are_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(EXAMPLE.read_text(encoding="utf-8") + '[calendar]\narrival.daily = ["07:20-08:00"]\n', encoding="utf-8")
    assert [warning.key for warning in load_site(file).warnings] == ["calendar"]


def test_the_daemon_gets_days_and_not_the_library(tmp_path: Path) -> None:
    here = site(tmp_path, f"[calendar]\n{TERMS}")
    assert pickle.loads(pickle.dumps(here.school_days)) == here.school_days
    assert Loading(here.file).result().school_days == here.school_days
    code = "import sys, gateway.config.apart, gateway.runtime.daemon; sys.exit('chinese_calendar' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_kinds_are_words_of_the_messages() -> None:
    assert [str(kind) for kind in DayKind] == ["school_day", "weekend", "holiday", "make_up_day", "vacation", "exception"]


@given(st.integers(0, 1440), st.integers(0, 1440))
def test_any_night(start: int, end: int) -> None:
    words = f"{start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d}"
    if start == end:
        with pytest.raises(ValueError, match="is empty"):
            parse_night(words)
        return
    asleep = {minute for a, b in parse_night(words) for minute in range(a, b)}
    assert asleep == (set(range(start, end)) if start < end else set(range(end)) | set(range(start, 1440)))


def test_a_week_with_a_day_written_wrong_keeps_the_others() -> None:
    week = week_spans(Hours(mon=["08:00-09:00"], tue=["9-10"], sun=["00:00-24:00"]))
    assert week == (((480, 540),), (), (), (), (), (), ((0, 1440),))


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    page = (EXAMPLE.parents[2] / "docs" / "calendar.md").read_text(encoding="utf-8")
    of_site, of_district = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    file = tmp_path / "site.toml"
    file.write_text(EXAMPLE.read_text(encoding="utf-8") + of_site, encoding="utf-8")
    (tmp_path / "district-calendar.toml").write_text(of_district, encoding="utf-8")
    settings = load_site(file)
    assert [warning.key for warning in settings.warnings] == ["calendar.boarding"], "the small school has no dormitory"
    assert settings.school_days.ends == date(2027, 1, 22)
    assert settings.school_days.make_up[date(2026, 12, 27)] == (Text("元旦", "New Year's Day"), 4)
