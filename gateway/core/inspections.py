"""Inspections (日排查、周巡查、月报告): what is looked at, how often and by when. What a site has of them, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.points import Text

EVERY = ("day", "week", "month", "term")
TABLE_TOP = "tabletop"  # an inspection that stands for a table-top exercise (处置方案推演): it has no points that could be pressed


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is looked at."""

    id: str
    name: Text


@dataclass(frozen=True, slots=True)
class InspectionSpec:
    """One inspection of a site. every: one of EVERY, how often it is due.

    place: where it is booked; whole_school: it is about all places. by_min: minute of the local day until which it is to be done, None for
    the end of that day's lessons. weekday: 0 = Monday, of a weekly one. day_of_month: of a monthly one; a shorter month's last day.
    term_days: of one each term, so many days after its first day. school_days_only: never due on a day without lessons and without
    boarders. drill: TABLE_TOP where it is noted as a drill, else empty.
    """

    id: str
    place: str
    name: Text
    every: str
    items: tuple[Item, ...] = ()
    responsible: str = ""
    whole_school: bool = False
    by_min: int | None = None
    weekday: int = 4
    day_of_month: int = 31
    term_days: int = 14
    school_days_only: bool = False
    drill: str = ""
