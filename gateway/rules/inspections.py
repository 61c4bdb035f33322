"""Inspections (日排查、周巡查、月报告): somebody looks at what is on a list, by a time, and says by name what was found.

Each is due once in its day, week, month or term. One that was not done by its time is an alarm, which is over when it is done, or when
somebody takes it. A problem opens a hazard (隐患). What this gateway could not have known of (it was just installed) is not asked for.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import isfinite
from typing import Any

from gateway.contract.envelope import rfc3339
from gateway.core.commands import Command
from gateway.core.hazards import Found
from gateway.core.inspections import InspectionSpec
from gateway.core.linkage import Moved, Said
from gateway.core.points import Text
from gateway.core.reading import Now
from gateway.rules.calendar import SchoolCalendar
from gateway.rules.duty import NO_CLOCK, OFF_S, Report, local_time, tell, utc_ms, wake
from gateway.rules.rule import OfSpec, Step, View, What, Why

INSPECT = "inspect"
OK, PROBLEM = RESULTS = ("ok", "problem")
DONE, DUE, OVERDUE, NOT_DUE = "done", "due", "overdue", "not_due"
EVERY_NAMES = {
    "day": Text("每日", "daily"),
    "week": Text("每周", "weekly"),
    "month": Text("每月", "monthly"),
    "term": Text("每学期", "each term"),
}
HAZARD_MOST_S = 366 * 86_400.0
_WITHOUT_HOURS_MIN = 1440  # a day without lessons ends at midnight
_STATE_WORDS = {
    DONE: Text("已完成", "done"),
    DUE: Text("待完成", "to be done"),
    OVERDUE: Text("逾期未完成", "overdue"),
    NOT_DUE: Text("现在不要求", "not due now"),
}


@dataclass(frozen=True, slots=True)
class Period:
    """The day, week, month or term of one inspection. UTC milliseconds; due_ms: it is to be done by then."""

    begin_ms: int
    end_ms: int
    due_ms: int


@dataclass(frozen=True, slots=True)
class Finding:
    """How the last one ended. at_ms: UTC. wrong: ids of the items that were not right."""

    at_ms: int
    by: str
    result: str
    wrong: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class InspectionState:
    """period: the one that runs, None while there is none. asked: it is to be done in it; done: it was. missed: the alarm stands.

    overdue_told: that of this period was said. looked: a period was ever looked for with a known clock. last: of any period.
    """

    period: Period | None = None
    asked: bool = False
    done: bool = False
    missed: bool = False
    overdue_told: bool = False
    looked: bool = False
    last: Finding | None = None
    told: str = ""


@dataclass(frozen=True, slots=True)
class Inspection(OfSpec):
    """One inspection of a site. Satisfies rules.rule.Rule and rules.duty.Duty."""

    spec: InspectionSpec

    @property
    def name(self) -> str:
        """Of the kind of rule."""
        return "inspection"

    @property
    def alarms(self) -> frozenset[str]:
        """Its own: whoever takes it has been told."""
        return frozenset({f"{self.id}/alarm"})

    @property
    def commands(self) -> frozenset[str]:
        """`inspect`: value `ok` or `problem`, points: ids of the items that are not right."""
        return frozenset({INSPECT})

    def begin(self, row: dict[str, Any] | None) -> InspectionState:
        """The period that ran, and how the last one ended."""
        if row is None:
            return InspectionState()
        period, last = None, None
        if row["period"]:
            begin_ms, end_ms, due_ms = map(int, row["period"])
            period = Period(begin_ms, end_ms, due_ms)
        if row["last"]:
            found = dict(row["last"])
            by, result, note = (str(found[name]) for name in ("by", "result", "note"))
            last = Finding(int(found["at_ms"]), by, result, tuple(map(str, found["wrong"])), note)
        asked, done, missed, told, looked = (bool(row[name]) for name in ("asked", "done", "missed", "overdue_told", "looked"))
        return InspectionState(period, asked, done, missed, told, looked, last)

    def row(self, state: InspectionState, now: Now) -> dict[str, Any]:
        """For the journal."""
        period, last = state.period, state.last
        return {
            "period": [period.begin_ms, period.end_ms, period.due_ms] if period else [],
            "asked": state.asked,
            "done": state.done,
            "missed": state.missed,
            "overdue_told": state.overdue_told,
            "looked": state.looked,
            "last": {"at_ms": last.at_ms, "by": last.by, "result": last.result, "wrong": list(last.wrong), "note": last.note}
            if last
            else {},
        }

    def step(self, state: InspectionState, what: What, view: View) -> Step:
        """What follows from a finding, from the alarm being taken, or from time."""
        out = Step(state)
        if view.knows_the_time:
            self._follow_the_clock(out, view)
        if isinstance(what, Moved) and what.word == "acknowledged" and out.state.missed:
            out.state, out.keep = replace(out.state, missed=False), True
        elif isinstance(what, Command):
            self._inspect(out, what, view)
        missed = out.state.missed
        value = missed if view.knows_the_time or missed else None
        reason = "" if view.knows_the_time else NO_CLOCK
        out.state = replace(out.state, told=tell(out, self.id, out.state.told, value, view, reason))
        return out

    def explain(self, state: InspectionState, point: str, view: View) -> Iterator[Why]:
        """Where it stands."""
        if point == self.id:
            yield Why(self.word(state, view) in (DUE, OVERDUE), self.report(state, view).text)

    def word(self, state: InspectionState, view: View) -> str:
        """done, due, overdue or not_due; not_due while the clock is unknown and no alarm stands."""
        if state.missed:
            return OVERDUE
        if not view.knows_the_time or state.period is None:
            return NOT_DUE
        if state.done:
            return DONE
        if not state.asked:
            return NOT_DUE
        return OVERDUE if view.now.at_ms >= state.period.due_ms else DUE

    def due_ms(self, state: InspectionState, view: View) -> int:
        """By when that of this period is to be done, UTC; 0 where none is asked for."""
        return state.period.due_ms if state.period is not None and state.asked and view.knows_the_time else 0

    def report(self, state: InspectionState, view: View) -> Report:
        """Where it stands."""
        name, word, due_ms = self.spec.name, self.word(state, view), self.due_ms(state, view)
        said, every = _STATE_WORDS[word], EVERY_NAMES[self.spec.every]
        zh, en = f"{name.zh}（{every.zh}）：{said.zh}", f"{name.en} ({every.en}): {said.en}"
        if word in (DUE, OVERDUE) and due_ms:
            zh, en = f"{zh}，时限 {local_time(view, due_ms)}", f"{en}, by {local_time(view, due_ms)}"
        elif not view.knows_the_time:
            zh, en = f"{zh}（时钟未同步）", f"{en} ({NO_CLOCK})"
        who = state.last.by if state.last is not None else ""
        return Report(self.id, self.name, self.spec.place, name, word, Text(zh, en), who, due_ms if word != DONE else 0)

    # --- periods -------------------------------------------------------------------------------

    def _follow_the_clock(self, out: Step, view: View) -> None:
        at_ms, period = view.now.at_ms, period_at(self.spec, view.calendar, view.now.at_ms)
        if period != out.state.period:
            if out.state.period is not None and at_ms >= out.state.period.end_ms:
                self._overdue(out, view)
            self._enter(out, period, at_ms)
        if period is not None:
            if at_ms >= period.due_ms:
                self._overdue(out, view)
            wake(out, view, view.seconds_until(period.due_ms), view.seconds_until(period.end_ms))

    def _enter(self, out: Step, period: Period | None, at_ms: int) -> None:
        """Another period than before. The very first is asked for only where half of its time is left."""
        state, out.keep = out.state, True
        if period is not None and state.period is not None and period.begin_ms == state.period.begin_ms:
            out.state = replace(state, period=period)  # the site file says now that it is due at another time
            return
        asked = False
        if period is not None:
            half_ms = 0 if state.looked else (period.due_ms - period.begin_ms) // 2
            asked = at_ms < period.due_ms - half_ms
        out.state = replace(state, period=period, asked=asked, done=False, overdue_told=False, looked=True)

    def _overdue(self, out: Step, view: View) -> None:
        """Its time is over and it was not done: said once."""
        state, name = out.state, self.spec.name
        if state.period is None or not state.asked or state.done or state.overdue_told:
            return
        due_ms, data = state.period.due_ms, dict[str, object]()
        if self.spec.responsible:
            data["responsible"] = self.spec.responsible
        if view.now.at_ms - due_ms > OFF_S * 1000:
            data["reason"] = "the gateway was off when it was due"
        due = local_time(view, due_ms)
        text = Text(f"安全检查逾期：{name.zh}，应于 {due} 前完成", f"Inspection overdue: {name.en}, was to be done by {due}")
        out.said.append(self._said("overdue", text, {"due": rfc3339(due_ms), **data}))
        out.state, out.keep = replace(state, missed=True, overdue_told=True), True

    # --- findings ------------------------------------------------------------------------------

    def _inspect(self, out: Step, asked: Command, view: View) -> None:
        refused = NO_CLOCK if not view.knows_the_time else self._refused(asked)
        if refused:
            out.refused = refused
            return
        state, by = out.state, asked.by.strip()
        wrong = tuple(item.id for item in self.spec.items if item.id in asked.points)
        found = Finding(view.now.at_ms, by, asked.value, wrong, asked.why.strip())
        late = state.missed or (state.asked and state.period is not None and not state.done and found.at_ms >= state.period.due_ms)
        self._say_done(out, found, late, asked, view)
        out.state = replace(state, done=True, missed=False, last=found)
        out.keep = True
        out.reply = f"{self.id}: {found.result}, by {by}"
        if found.result == PROBLEM:
            out.reply += f", to be put right by {self._responsible(asked)}"

    def _refused(self, asked: Command) -> str:
        known = [item.id for item in self.spec.items]
        strange = [item for item in asked.points if item not in known]
        if asked.value not in RESULTS:
            return f'"{asked.value[:20]}" is no result: expected {" or ".join(RESULTS)}'
        if strange:
            return f'"{strange[0][:48]}" is not an item of {self.id}; known: {", ".join(known) or "none"}'
        if asked.value == OK:
            return "an item is not right: the result is a problem" if asked.points else ""
        if not asked.why.strip():
            return "a problem needs a note: what is wrong, and where"
        if not self._responsible(asked):
            return "a problem needs a person who is responsible for putting it right (整改责任人)"
        if not (isfinite(asked.for_s) and 0 < asked.for_s <= HAZARD_MOST_S):
            return f"a problem needs a date within {HAZARD_MOST_S / 86_400:.0f} days by which it is put right (整改期限)"
        return ""

    def _responsible(self, asked: Command) -> str:
        return asked.second.strip() or self.spec.responsible

    def _say_done(self, out: Step, found: Finding, late: bool, asked: Command, view: View) -> None:
        name, names = self.spec.name, [item.name for item in self.spec.items if item.id in found.wrong]
        data: dict[str, object] = {
            "by": found.by,
            "result": found.result,
            "wrong": list(found.wrong),
            "every": self.spec.every,
            "late": late,
        }
        if found.note:
            data["note"] = found.note
        if self.spec.drill:
            data["drill"] = self.spec.drill
        if found.result == OK:
            text = Text(f"安全检查完成：{name.zh}，未发现问题（{found.by}）", f"Inspection done: {name.en}, nothing found ({found.by})")
        else:
            what_zh = "；".join(part for part in ("、".join(item.zh for item in names), found.note) if part)
            what_en = "; ".join(part for part in (", ".join(item.en for item in names), found.note) if part)
            text = Text(
                f"安全检查发现问题：{name.zh}：{what_zh}（{found.by}）", f"Inspection found a problem: {name.en}: {what_en} ({found.by})"
            )
            due = view.calendar.local_date(view.now.at_ms + round(asked.for_s * 1000)).isoformat()
            data |= {"responsible": self._responsible(asked), "set_right_by": due}
            hazard = Text(f"{name.zh}：{what_zh}", f"{name.en}: {what_en}")
            key = f"{self.id}:{','.join(found.wrong) or found.note}"
            out.hazards.append(Found(self.spec.place, hazard, self._responsible(asked), due, "inspection", found.by, found.note, key))
        out.said.append(self._said("done", text, data))

    def _said(self, word: str, text: Text, data: dict[str, object]) -> Said:
        about = {"point": self.id, "place": self.spec.place, "text": {"zh": text.zh, "en": text.en}}
        return Said("duty", f"inspection.{word}", self.id, {**about, **data})


def period_at(spec: InspectionSpec, calendar: SchoolCalendar, at_ms: int) -> Period | None:
    """The period of a UTC time in milliseconds, on the school's own wall; None where nothing is due then (holidays, no term)."""
    span = _days(spec, calendar, calendar.local_date(at_ms))
    if span is None:
        return None
    first, last, due = span
    day = _fitting(spec, calendar, first, last, due)
    if day is None:
        return None
    begin_ms, end_ms = utc_ms(calendar.zone, first, 0), utc_ms(calendar.zone, last + timedelta(days=1), 0)
    return Period(begin_ms, end_ms, min(utc_ms(calendar.zone, day, _by_min(spec, calendar, day)), end_ms))


def _days(spec: InspectionSpec, calendar: SchoolCalendar, today: date) -> tuple[date, date, date] | None:
    """(first day, last day, the day on which it would be due) of the period of today."""
    if spec.every == "day":
        return today, today, today
    if spec.every == "week":
        monday = today - timedelta(days=today.weekday())
        return monday, monday + timedelta(days=6), monday + timedelta(days=spec.weekday)
    if spec.every == "month":
        length = monthrange(today.year, today.month)[1]
        return today.replace(day=1), today.replace(day=length), today.replace(day=min(spec.day_of_month, length))
    term = calendar.term(today)
    if term is None:
        return None
    return term.first, term.last, min(term.first + timedelta(days=spec.term_days), term.last)


def _fitting(spec: InspectionSpec, calendar: SchoolCalendar, first: date, last: date, due: date) -> date | None:
    """The day itself, or the next school day before it, else after it; None where the period has none."""
    if not spec.school_days_only:
        return due
    before = (due - timedelta(days=number) for number in range((due - first).days + 1))
    after = (due + timedelta(days=number) for number in range(1, (last - due).days + 1))
    return next((day for days in (before, after) for day in days if _is_school_day(calendar, day)), None)


def _is_school_day(calendar: SchoolCalendar, day: date) -> bool:
    found = calendar.day(day)
    return bool(found.lessons) or found.boarding


def _by_min(spec: InspectionSpec, calendar: SchoolCalendar, day: date) -> int:
    """Minute of that day. Where the site file gives none: the end of lessons, of dismissal where that is later."""
    if spec.by_min is not None:
        return spec.by_min
    found = calendar.day(day)
    return max((end for _, end in (*found.lessons, *found.dismissal)), default=_WITHOUT_HOURS_MIN)
