"""Drills (应急演练) that were held against those that are required. Pure.

每学期至少一次消防应急演练；寄宿制学校每年至少两次夜间消防应急演练；每学年至少一次综合应急演练或两次以上专项应急演练；每学期至少一次处置方案推演.
A school year begins on 1 September. Where the site file has no terms, its halves stand for them: to 31 January, and from 1 February.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.history import Past, Told, Wanted
from gateway.core.inspections import TABLE_TOP
from gateway.core.points import Text
from gateway.core.school_days import Term

SOON_DAYS = 30  # what is lacking so long before its end is told
SPECIAL = frozenset({"fire", "violence", "ram", "quake"})  # 专项; `other` is neither special nor comprehensive
COMPREHENSIVE = "comprehensive"
NIGHT_NEEDED, SPECIAL_NEEDED = 2, 2
_DRILL, _INSPECTION = "campus.mode.drill_ended", "campus.inspection.done"
_NO_TERM = Text("", "")
_TEXTS = {
    "fire_each_term": Text("每学期至少一次消防应急演练", "a fire drill each term"),
    "night_fire_each_year": Text("寄宿制学校每年至少两次夜间消防应急演练", "two fire drills at night each year (boarding school)"),
    "each_school_year": Text(
        "每学年至少一次综合应急演练或两次专项应急演练", "one comprehensive drill or two special ones each school year"
    ),
    "tabletop_each_term": Text("每学期至少一次处置方案推演", "a table-top exercise each term"),
}


@dataclass(frozen=True, slots=True)
class SchoolYear:
    """What the required counts depend on. terms: all that are known, in order. boarding: pupils live in."""

    zone: ZoneInfo
    terms: tuple[Term, ...] = ()
    boarding: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """One that was held. kind: fire, violence, ram, quake, comprehensive, other or tabletop. day: on the school's own wall."""

    kind: str
    day: date
    night: bool = False


def build(school: SchoolYear, past: Past, now_ms: int) -> list[dict[str, Any]]:
    """One row for each rule that counts here: rule, zh, en, done, needed, from, until (dates), ok, due_soon. Raises JournalUnreadable."""
    today = _day(school.zone, now_ms)
    year, calendar_year, term = _school_year(today), (date(today.year, 1, 1), date(today.year, 12, 31)), term_of(school.terms, today)
    first = min(year[0], calendar_year[0], *([term.first] if term else []))
    held = list(held_since(past, school.zone, first, now_ms))
    rows = []
    if term is not None:
        fires = _count(held, (term.first, term.last), lambda one: one.kind == "fire")
        rows.append(_row("fire_each_term", fires, 1, (term.first, term.last), today))
    if school.boarding:
        nights = _count(held, calendar_year, lambda one: one.kind == "fire" and one.night)
        rows.append(_row("night_fire_each_year", nights, NIGHT_NEEDED, calendar_year, today))
    rows.append(_of_the_year(held, year, today))
    if term is not None:
        count = _count(held, (term.first, term.last), lambda one: one.kind == TABLE_TOP)
        rows.append(_row("tabletop_each_term", count, 1, (term.first, term.last), today))
    return rows


def held_since(past: Past, zone: ZoneInfo, first: date, now_ms: int) -> Iterable[Held]:
    """What was held from this day on, newest first. A drill in which no listed button was pressed shows nothing and does not count."""
    from_ms = round(datetime(first.year, first.month, first.day, tzinfo=zone).timestamp() * 1000)
    for told in past.events(Wanted(from_ms, now_ms + 1, frozenset({"mode", "duty"}), (_DRILL, _INSPECTION))):
        held = _held(told, zone)
        if held is not None:
            yield held


def term_of(terms: tuple[Term, ...], today: date) -> Term | None:
    """The term of this day; between two terms the one before it. None before the first; without any, half a school year."""
    if not terms:
        begin = _school_year(today)[0]
        middle = date(begin.year + 1, 2, 1)
        if today < middle:
            return Term(begin, middle - timedelta(days=1), _NO_TERM)
        return Term(middle, date(begin.year + 1, 8, 31), _NO_TERM)
    return next((term for term in reversed(terms) if term.first <= today), None)


def _held(told: Told, zone: ZoneInfo) -> Held | None:
    day = _day(zone, told.at_ms)
    if told.type == _INSPECTION:
        return Held(TABLE_TOP, day) if told.data.get("drill") == TABLE_TOP else None
    totals = told.data.get("totals")
    if not isinstance(totals, dict) or not totals.get("pressed"):
        return None
    return Held(str(told.data.get("drill", "")), day, told.data.get("night") is True)


def _of_the_year(held: list[Held], year: tuple[date, date], today: date) -> dict[str, Any]:
    """One comprehensive drill is as good as two special ones."""
    comprehensive = _count(held, year, lambda one: one.kind == COMPREHENSIVE)
    special = _count(held, year, lambda one: one.kind in SPECIAL)
    return _row("each_school_year", SPECIAL_NEEDED if comprehensive else special, SPECIAL_NEEDED, year, today)


def _count(held: list[Held], span: tuple[date, date], counts: Callable[[Held], bool]) -> int:
    return sum(counts(one) for one in held if span[0] <= one.day <= span[1])


def _row(rule: str, done: int, needed: int, span: tuple[date, date], today: date) -> dict[str, Any]:
    text, ok = _TEXTS[rule], done >= needed
    row: dict[str, Any] = {"rule": rule, "zh": text.zh, "en": text.en, "done": done, "needed": needed}
    row |= {"from": span[0].isoformat(), "until": span[1].isoformat(), "ok": ok}
    return row | {"due_soon": not ok and span[1] - today <= timedelta(days=SOON_DAYS)}


def _school_year(today: date) -> tuple[date, date]:
    begin = today.year if today.month >= 9 else today.year - 1
    return date(begin, 9, 1), date(begin + 1, 8, 31)


def _day(zone: ZoneInfo, at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date()
