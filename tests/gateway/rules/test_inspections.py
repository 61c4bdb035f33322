"""Inspections: when each is due, what is late, who did it and what was found; power cuts and clocks."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.envelope import rfc3339
from gateway.core.commands import Command
from gateway.core.hazards import Found
from gateway.core.inspections import InspectionSpec, Item
from gateway.core.linkage import Moved
from gateway.core.points import Text
from gateway.core.school_days import SchoolDays, Term
from gateway.rules.calendar import SchoolCalendar
from gateway.rules.inspections import Inspection, period_at
from tests.gateway.rules.duty_day import ZONE, Desk, utc_ms

ITEMS = (Item("exits", Text("安全出口", "exits")), Item("extinguishers", Text("灭火器", "extinguishers")))
SPEC = InspectionSpec("daily", "gate", Text("日排查", "daily look"), "day", ITEMS, "周建国", by_min=16 * 60 + 30)
LESSONS = ((480, 1020),)
WEEK = (LESSONS,) * 5 + ((), ())
TERMS = (Term(date(2026, 9, 1), date(2027, 1, 22), Text("秋", "autumn")), Term(date(2027, 2, 22), date(2027, 7, 2), Text("春", "spring")))
CLOSED_FRIDAY = {date(2026, 9, 25): Text("中秋节", "mid-autumn")}
CALENDAR = SchoolCalendar(ZONE, WEEK, SchoolDays(terms=TERMS, holidays=CLOSED_FRIDAY))


def desk(begin: str, **changes: Any) -> Desk:
    found = Desk(Inspection(replace(SPEC, **changes)), begin)
    found.step()
    return found


def at(here: Desk, local: str) -> None:
    here.now_s = 1000.0 + (utc_ms(local) - here.begin_ms) / 1000
    here.step()


def word(here: Desk) -> str:
    found = here.rule.report(here.state, here.view()).state  # type: ignore[attr-defined]
    assert isinstance(found, str)
    return found


def done(value: str = "ok", **more: Any) -> Command:
    return Command("inspect", "daily", "李明", "guard", "page", value, **more)


def problem(**more: Any) -> Command:
    usual: dict[str, Any] = {"points": ("exits",), "why": "二楼堆物", "second": "王芳", "for_s": 5 * 86_400.0}
    return done("problem", **(usual | more))


def test_done_in_time_and_due_again_the_next_day() -> None:
    here = desk("2026-09-01 07:00")
    assert word(here) == "due"
    out = here.step(done())
    assert out.keep
    (said,) = out.said
    assert (said.event_class, said.kind, said.subject) == ("duty", "inspection.done", "daily")
    assert (said.data["by"], said.data["result"], said.data["wrong"], said.data["late"]) == ("李明", "ok", [], False)
    assert word(here) == "done"
    at(here, "2026-09-01 16:30")
    assert here.said == ["inspection.done"]
    at(here, "2026-09-02 00:00")
    assert word(here) == "due"


def test_late_is_an_alarm_until_it_is_done() -> None:
    here = desk("2026-09-01 07:00")
    at(here, "2026-09-01 16:29")
    assert here.state.told == "False"
    at(here, "2026-09-01 16:30")
    assert (word(here), here.state.told, here.said) == ("overdue", "True", ["inspection.overdue"])
    at(here, "2026-09-01 18:00")
    assert here.said == ["inspection.overdue"], "said once"
    out = here.step(done())
    assert out.said[0].data["late"] is True
    assert (word(here), here.state.told) == ("done", "False")


def test_it_is_overdue_into_the_next_day_and_then_counts_for_that_day() -> None:
    here = desk("2026-09-01 07:00")
    at(here, "2026-09-01 17:00")
    at(here, "2026-09-02 08:00")
    assert word(here) == "overdue"
    here.step(done())
    at(here, "2026-09-02 17:00")
    assert here.said == ["inspection.overdue", "inspection.done"]


def test_who_takes_the_alarm_has_been_told() -> None:
    here = desk("2026-09-01 07:00")
    at(here, "2026-09-01 17:00")
    here.step(Moved("daily/alarm", "acknowledged", "acknowledged", "e1", by="李明"))
    assert here.state.told == "False"
    assert word(here) == "overdue", "it still was not done"
    at(here, "2026-09-02 08:00")
    assert word(here) == "due"


def test_a_problem_opens_a_hazard() -> None:
    here = desk("2026-09-01 07:00")
    out = here.step(problem())
    assert out.hazards == [
        Found(
            "gate",
            Text("日排查：安全出口；二楼堆物", "daily look: exits; 二楼堆物"),
            "王芳",
            "2026-09-06",
            "inspection",
            "李明",
            "二楼堆物",
            "daily:exits",
        )
    ]
    assert (out.said[0].data["wrong"], out.said[0].data["set_right_by"]) == (["exits"], "2026-09-06")
    assert word(here) == "done", "the inspection itself was done"
    assert here.step(problem(second="")).hazards[0].responsible == "周建国"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (done("fine"), "is no result"),
        (done(points=("exits",)), "the result is a problem"),
        (problem(points=("roof",)), '"roof" is not an item of daily; known: exits, extinguishers'),
        (problem(why=" "), "needs a note"),
        (problem(for_s=0.0), "needs a date"),
        (problem(for_s=float("nan")), "needs a date"),
        (problem(for_s=400 * 86_400.0), "needs a date"),
    ],
)
def test_what_is_refused(command: Command, words: str) -> None:
    here = desk("2026-09-01 07:00")
    out = here.step(command)
    assert words in out.refused
    assert (out.said, out.hazards, word(here)) == ([], [], "due")


def test_a_problem_needs_somebody_to_put_it_right() -> None:
    here = desk("2026-09-01 07:00", responsible="")
    assert "responsible" in here.step(problem(second=" ")).refused


def test_without_a_clock_nothing_is_due_and_what_stood_stands() -> None:
    here = desk("2026-09-01 07:00")
    here.clock = "unknown"
    at(here, "2026-09-01 17:00")
    assert (here.said, word(here), here.state.told) == ([], "not_due", "None")
    assert "clock" in here.step(done()).refused
    here.clock = "synchronised"
    here.step()
    assert here.said == ["inspection.overdue"]
    here.restart()
    here.clock = "unknown"
    here.step()
    assert here.state.told == "True", "the alarm stands"


def test_off_while_it_fell_due() -> None:
    here = desk("2026-09-01 07:00")
    here.restart()
    here.now_s += 24 * 3600
    out = here.step()
    assert [said.kind for said in out.said] == ["inspection.overdue"]
    assert out.said[0].data["reason"] == "the gateway was off when it was due"


def test_what_was_done_stays_done_through_a_power_cut() -> None:
    here = desk("2026-09-01 07:00")
    here.step(problem())
    here.restart()
    at(here, "2026-09-01 17:00")
    assert (word(here), here.said) == ("done", ["inspection.done"])
    assert (here.state.last.by, here.state.last.wrong, here.state.last.note) == ("李明", ("exits",), "二楼堆物")


def test_of_the_first_day_only_where_half_of_it_is_left() -> None:
    early, late = desk("2026-09-01 08:00"), desk("2026-09-01 09:00")
    for here in (early, late):
        for local in ("2026-09-01 17:00", "2026-09-02 12:00", "2026-09-02 17:00"):
            at(here, local)
    assert (early.said, late.said) == (["inspection.overdue"] * 2, ["inspection.overdue"])


def test_a_site_file_that_changes_the_time_does_not_ask_twice() -> None:
    here = desk("2026-09-01 07:00")
    here.step(done())
    here.rule = Inspection(replace(SPEC, by_min=17 * 60))
    here.restart()
    at(here, "2026-09-01 17:30")
    assert (word(here), here.said) == ("done", ["inspection.done"])


def test_not_on_a_day_without_lessons() -> None:
    here = desk("2026-09-04 07:00", school_days_only=True)
    here.step(done())
    at(here, "2026-09-05 12:00")  # a Saturday
    assert word(here) == "not_due"
    at(here, "2026-09-06 23:00")
    assert here.said == ["inspection.done"]
    at(here, "2026-09-07 07:00")
    at(here, "2026-09-07 17:00")
    assert here.said == ["inspection.done", "inspection.overdue"]


def test_why() -> None:
    here = desk("2026-09-01 07:00")
    (why,) = here.rule.explain(here.state, "daily", here.view())
    assert (why.acts, why.text.en) == (True, "daily look (daily): to be done, by 16:30")


# --- periods -------------------------------------------------------------------------------------


def due(local: str, **changes: Any) -> str:
    period = period_at(replace(SPEC, **changes), CALENDAR, utc_ms(local))
    return "" if period is None else datetime.fromtimestamp(period.due_ms / 1000, ZONE).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("local", "changes", "expected"),
    [
        ("2026-09-02 10:00", {"by_min": None}, "2026-09-02 17:00"),
        ("2026-09-05 10:00", {"by_min": None}, "2026-09-06 00:00"),
        ("2026-09-02 10:00", {"every": "week"}, "2026-09-04 16:30"),
        ("2026-09-23 10:00", {"every": "week"}, "2026-09-25 16:30"),
        ("2026-09-23 10:00", {"every": "week", "school_days_only": True}, "2026-09-24 16:30"),
        ("2026-09-21 10:00", {"every": "week", "weekday": 6, "school_days_only": True}, "2026-09-24 16:30"),
        ("2027-02-10 10:00", {"every": "week", "school_days_only": True}, ""),
        ("2026-11-02 10:00", {"every": "month"}, "2026-11-30 16:30"),
        ("2027-02-23 10:00", {"every": "month", "day_of_month": 1, "school_days_only": True}, "2027-02-22 16:30"),
        ("2026-10-02 10:00", {"every": "month", "day_of_month": 5}, "2026-10-05 16:30"),
        ("2026-12-02 10:00", {"every": "term"}, "2026-09-15 16:30"),
        ("2027-02-01 10:00", {"every": "term"}, ""),
        ("2026-12-02 10:00", {"every": "term", "term_days": 200}, "2027-01-22 16:30"),
    ],
)
def test_when_it_is_due(local: str, changes: dict[str, Any], expected: str) -> None:
    assert due(local, **changes) == expected


SPECS = st.builds(
    InspectionSpec,
    st.just("daily"),
    st.just("gate"),
    st.just(SPEC.name),
    st.sampled_from(("day", "week", "month", "term")),
    by_min=st.none() | st.integers(0, 1439),
    weekday=st.integers(0, 6),
    day_of_month=st.integers(1, 31),
    term_days=st.integers(0, 200),
    school_days_only=st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(SPECS, st.integers(0, 500 * 1440))
def test_a_period_holds_its_moment_and_its_due_time(spec: InspectionSpec, minute: int) -> None:
    at_ms = utc_ms("2026-08-01 00:00") + minute * 60_000
    period = period_at(spec, CALENDAR, at_ms)
    if period is None:
        assert spec.school_days_only or spec.every == "term"
        return
    assert period.begin_ms <= at_ms < period.end_ms
    assert period.begin_ms <= period.due_ms <= period.end_ms
    assert period_at(spec, CALENDAR, period.begin_ms) == period_at(spec, CALENDAR, period.end_ms - 1) == period
    following = period_at(spec, CALENDAR, period.end_ms)
    assert following is None or following.begin_ms == period.end_ms


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 30.0), st.sampled_from(("ok", "problem", "wait", "cut"))), min_size=1, max_size=25), SPECS)
def test_nobody_is_told_of_what_was_done(steps: list[tuple[float, str]], spec: InspectionSpec) -> None:
    """Of each period at most one is overdue, and none that was done in time. A power cut changes nothing of that."""
    here = Desk(Inspection(spec), "2026-09-01 00:00")
    here.step()
    in_time, late = set[str](), list[Any]()
    for hours, what in steps:
        here.now_s += hours * 3600
        if what == "cut":
            here.restart()
        before = here.state.period
        out = here.step(done(what, why="x", second="王芳", for_s=86_400.0) if what in ("ok", "problem") else None)
        late += [said.data["due"] for said in out.said if said.kind == "inspection.overdue"]
        assert not out.refused
        assert len(out.hazards) == (what == "problem")
        period = here.state.period
        if what in ("ok", "problem") and period is not None and here.view().now.at_ms < period.due_ms and (before == period or not before):
            in_time.add(rfc3339(period.due_ms))
    assert len(late) == len(set(late))
    assert not in_time & set(late)
