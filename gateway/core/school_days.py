"""A school's days as plain data: terms, windows, public holidays, exceptions. `rules.calendar` gives the answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from gateway.core.doors import Spans
from gateway.core.points import Text

DaySpans = tuple[tuple[int, int], ...]  # (start, end) minutes of the local day; the end is not included
NOTHING = Text("", "")
NO_WEEK: Spans = ((),) * 7
WINDOW_POINT = "gw-window"  # shows the window of the day; only where an alarm is suppressed by it
CALENDAR_POINT = "gw-calendar"  # tells that the calendar runs out; only where it has an end


class DayKind(StrEnum):
    """What sort of day it is."""

    SCHOOL_DAY = "school_day"
    WEEKEND = "weekend"  # any day of the week without hours
    HOLIDAY = "holiday"  # by the State Council's list
    MAKE_UP_DAY = "make_up_day"  # a weekend day on which lessons are held for one lost to a holiday (调休)
    VACATION = "vacation"  # outside all terms
    EXCEPTION = "exception"  # the school's own: snow day, early dismissal, extra day, exam


class Window(StrEnum):
    """What pupils do at a moment."""

    ARRIVAL = "arrival"  # 上学
    DISMISSAL = "dismissal"  # 放学
    LESSON = "lesson"  # in hours, neither coming nor going
    NIGHT = "night"  # boarders sleep
    BOARDING = "boarding"  # no lessons, boarders are in
    NONE = "none"  # nobody is expected


@dataclass(frozen=True, slots=True)
class Term:
    """One term, first and last day included."""

    first: date
    last: date
    name: Text


@dataclass(frozen=True, slots=True)
class Exceptional:
    """What the school itself changed about one day. Spans that are None stay as they would have been.

    kind: closed, early, extra, exam. like: the weekday (0 = Monday) whose hours count where the day itself has none.
    boarding: whether boarders are in; None as it would have been.
    """

    kind: str
    name: Text
    like: int = 0
    lessons: DaySpans | None = None
    arrival: DaySpans | None = None
    dismissal: DaySpans | None = None
    boarding: bool | None = None


@dataclass(frozen=True, slots=True)
class Boarding:
    """Boarders. weekdays: the days (0 = Monday) on which they are in, from midnight to midnight. holidays: on public holidays too."""

    weekdays: frozenset[int]
    night: DaySpans
    holidays: bool = False


@dataclass(frozen=True, slots=True)
class SchoolDays:
    """Everything about a school's days but its weekly hours. No terms: it is always term.

    make_up: a day -> the name of its holiday and the weekday (0 = Monday) whose lessons are held.
    ends: the last day that is known, None for never; beyond: what is not known after it.
    """

    arrival: Spans = NO_WEEK
    dismissal: Spans = NO_WEEK
    terms: tuple[Term, ...] = ()
    holidays: dict[date, Text] = field(default_factory=dict)
    make_up: dict[date, tuple[Text, int]] = field(default_factory=dict)
    exceptions: dict[date, Exceptional] = field(default_factory=dict)
    boarding: Boarding | None = None
    ends: date | None = None
    beyond: Text = NOTHING
