"""Schema of a school's calendar: the table [calendar] of a site file, and the calendar file that may lie beside it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.config.profile import Strict

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIRST_YEAR, _LAST_YEAR = 2000, 2100


def _within(day: date) -> date:
    if _FIRST_YEAR <= day.year <= _LAST_YEAR:
        return day
    raise ValueError(f"{day} is not a day of this century; expected {_FIRST_YEAR} to {_LAST_YEAR}")


Day = Annotated[date, AfterValidator(_within)]


class Windows(Strict):
    """When pupils come or go (上学, 放学). A weekday with a list of its own does not take `daily`; a day without hours has none."""

    daily: list[str] = Field(default_factory=list, description="of every day with hours")
    mon: list[str] | None = None
    tue: list[str] | None = None
    wed: list[str] | None = None
    thu: list[str] | None = None
    fri: list[str] | None = None
    sat: list[str] | None = None
    sun: list[str] | None = None


class BoardingDays(Strict):
    """Pupils who live in (寄宿制): on these days of a term the school is never empty, from midnight to midnight."""

    days: list[Weekday] = Field(default_factory=lambda: list(WEEK), min_length=1, description="all seven if left out")
    night: str = Field("22:00-06:00", description="when they sleep; may cross midnight")
    holidays: bool = Field(False, description="true: they stay on public holidays of a term too")


class TermDays(Strict):
    """A term (学期). Outside all terms is vacation; with no term at all it is always term."""

    name: str = Field(min_length=1)
    name_en: str = ""
    first: Day
    last: Day


class HolidayDays(Strict):
    """One public holiday with the days that are free for it (放假)."""

    name: str = Field(min_length=1)
    name_en: str = ""
    first: Day
    last: Day | None = Field(None, description="`first` if left out")


class MakeUpDay(Strict):
    """A day on which lessons are held for one lost to a holiday (调休上课)."""

    day: Day
    name: str = Field(min_length=1, description="the holiday it makes up for")
    name_en: str = ""
    like: Weekday | None = Field(None, description="the weekday whose lessons are held; `make_up_like` if left out")


class HolidayYear(Strict):
    """The whole list of one year (国务院办公厅通知). It replaces what the holiday library says of that year."""

    year: int = Field(ge=_FIRST_YEAR, le=_LAST_YEAR)
    holidays: list[HolidayDays] = Field(default_factory=list, description="days of the year, or of the December before")
    make_up_days: list[MakeUpDay] = Field(default_factory=list)


class ExceptionDays(Strict):
    """What the school itself changes about one or more days. Hours and windows that are left out stay as they are."""

    kind: Literal["closed", "early", "extra", "exam"] = Field(
        description="closed: no lessons (停课); early: dismissed at `dismissal` (提前放学); "
        "extra: lessons on a day without (加课); exam: shown by name (考试)"
    )
    name: str = Field(min_length=1, description="why, in the school's words: 大雪停课")
    name_en: str = ""
    first: Day
    last: Day | None = Field(None, description="`first` if left out")
    like: Weekday | None = Field(
        None, description="extra, exam: the weekday whose hours count if the day has none; `make_up_like` if left out"
    )
    hours: list[str] | None = None
    arrival: list[str] | None = None
    dismissal: list[str] | None = None
    boarding: bool | None = Field(None, description="whether boarders are in; as usual if left out")


class CalendarTables(Strict):
    """A calendar file: what may stand in [calendar] itself, or in a file that a district gives to all its schools."""

    terms: list[TermDays] = Field(default_factory=list)
    years: list[HolidayYear] = Field(default_factory=list)
    exceptions: list[ExceptionDays] = Field(default_factory=list)


class Calendar(CalendarTables):
    """The school's days. Without this table the weekly [hours] count in every week of the year."""

    holidays: Literal["china", "none"] = Field(
        "china", description="china: public holidays and make-up workdays of a maintained library; none: only those of `years`"
    )
    make_up_like: Weekday = Field("mon", description="the weekday whose hours count on a make-up workday")
    arrival: Windows = Field(default_factory=lambda: Windows())
    dismissal: Windows = Field(default_factory=lambda: Windows())
    boarding: BoardingDays | None = None
    file: str = Field("", description="a calendar file with further terms, years and exceptions; relative to the site file")
