"""Patrol: rounds in their slots, missed ones, power cuts."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.commands import Command
from gateway.core.duties import Checkpoint, PatrolSpec, Signers
from gateway.core.points import Text
from gateway.core.school_days import DaySpans
from gateway.rules.calendar import SchoolCalendar
from gateway.rules.patrol import Patrol
from gateway.runtime.duties import duties
from gateway.runtime.status_text import duty_lines
from tests.gateway.rules.duty_day import Day, Desk, utc_ms

HERE = Text("校园", "grounds")
CHECKPOINTS = tuple(Checkpoint(name, Text(name, name)) for name in ("a", "b"))
FIVE: DaySpans = ((0, 288), (288, 576), (576, 864), (864, 1152), (1152, 1440))
SPEC = PatrolSpec("patrol", "duty-room", HERE, Signers(), CHECKPOINTS, FIVE)


def visit(checkpoint: str) -> Command:
    return Command("patrol", "patrol", "周建国", "guard", "door", checkpoint)


def desk(begin: str, **changes: Any) -> Desk:
    spec = PatrolSpec(**{name: changes.get(name, getattr(SPEC, name)) for name in SPEC.__slots__})
    found = Desk(Patrol(spec), begin)
    found.step()
    return found


def at(here: Desk, local: str) -> None:
    here.now_s = 1000.0 + (utc_ms(local) - here.begin_ms) / 1000
    here.step()


def test_a_round_needs_every_checkpoint() -> None:
    here = desk("2026-09-01 00:00")
    assert here.step(visit("a")).reply == "round 1: 1 of 2 checkpoints, a by 周建国"
    assert here.said == []
    out = here.step(visit("b"))
    assert out.said[0].data["checkpoints"] == {
        "a": {"at": "2026-08-31T16:00:00.000Z", "by": "周建国"},
        "b": {"at": "2026-08-31T16:00:00.000Z", "by": "周建国"},
    }
    assert here.step(visit("b")).refused == "b was visited in this round already"
    at(here, "2026-09-01 04:48")
    assert here.said == ["duty.round_done"]


def test_rounds_do_not_lend_each_other_visits() -> None:
    here = desk("2026-09-01 00:00")
    here.step(visit("a"))
    at(here, "2026-09-01 04:48")
    here.step(visit("b"))
    assert here.said == ["duty.round_missed"]
    assert here.state.missed


def test_of_a_round_that_was_seen_less_than_half_nothing_is_asked() -> None:
    late, early = desk("2026-09-01 03:00"), desk("2026-09-01 02:00")
    for here in (late, early):
        at(here, "2026-09-01 04:48")
    assert (late.said, early.said) == ([], ["duty.round_missed"])


def test_a_round_that_ended_while_the_gateway_was_off_is_missed_and_says_so() -> None:
    here = desk("2026-09-01 00:00")
    here.restart()
    here.now_s += 9 * 3600
    out = here.step()
    assert [said.kind for said in out.said] == ["duty.round_missed"]
    assert out.said[0].data["reason"] == "the gateway was off when the round ended"
    assert here.state.slot.number == 2
    assert not here.state.due, "little of round 2 is left"


def test_only_on_school_days() -> None:
    here = desk("2026-09-05 00:00", school_days_only=True)  # a Saturday
    assert here.state.slot is None
    assert here.step(visit("a")).refused == "no round of patrol runs now"
    at(here, "2026-09-07 00:00")
    assert here.state.slot.number == 1


def test_without_a_clock_nothing_is_missed_and_the_running_round_takes_visits() -> None:
    here = desk("2026-09-01 00:00")
    here.restart()
    here.clock = "unknown"
    here.now_s += 9 * 3600
    out = here.step(visit("a"))
    assert out.reply.startswith("round 1")
    assert here.said == []
    assert here.state.visits["a"].at_ms == 0, "nobody knows when"


def test_the_count_of_the_day() -> None:
    here = desk("2026-09-01 00:00")
    for hour in ("00", "05", "10"):
        at(here, f"2026-09-01 {hour}:00")
        here.step(visit("a"))
        here.step(visit("b"))
    report = here.rule.report(here.state, here.view())  # type: ignore[attr-defined]
    assert (report.done, report.of, report.state) == (3, 5, "done")
    for local in ("2026-09-01 15:00", "2026-09-01 20:00", "2026-09-02 00:00"):
        at(here, local)
    report = here.rule.report(here.state, here.view())  # type: ignore[attr-defined]
    assert (report.done, report.state) == (0, "missed")


def test_why() -> None:
    spec_points = (Checkpoint("a", Text("锅炉房", "boiler"), "button"), Checkpoint("b", Text("后墙", "fence")))
    here = desk("2026-09-01 01:00", checkpoints=spec_points)
    (why,) = here.rule.explain(here.state, "button", here.view())
    assert (why.acts, why.text.en) == (True, "grounds: visit of boiler: counts for round 1")
    here.step(visit("a"))
    (why,) = here.rule.explain(here.state, "button", here.view())
    assert not why.acts


def test_buttons_in_the_house_and_two_missed_rounds_in_a_row() -> None:
    here = Day("2026-09-01 13:59", {"guard_posts": []})
    for button in ("boiler-button", "dormitory-button"):
        here.read(button, False)
        here.read(button, True)  # before the round: it does not count
    here.at("15:00")
    assert here.words() == ["round_missed", "activated"]
    here.at("20:00")
    assert here.words() == ["round_missed"], "the alarm stands already; the event is said of each"
    here.at("23:30")
    for button in ("boiler-button", "dormitory-button"):
        here.read(button, False)
        here.read(button, True)
    here.command("patrol", value="back-fence")
    assert here.words() == ["round_done", "cleared"]
    rows = duties(here.gateway.house, here.gateway.now())
    assert duty_lines(rows)[1].startswith("  patrol  done, 周建国, today 1 of 5  校园巡逻：第 5 轮已完成")


def test_a_slot_that_the_summer_clock_skips_does_not_happen() -> None:
    here = desk("2026-03-29 00:00", rounds=((120, 180), (300, 360)))
    here._calendar = SchoolCalendar(ZoneInfo("Europe/Berlin"), ((),) * 7)
    for hours in range(9):
        here.now_s = 1000.0 + hours * 3600
        here.step()
        assert here.state.slot is None or here.state.slot.number == 2


ACTS = st.lists(st.tuples(st.integers(60, 20_000), st.sampled_from(["a", "b", "", "restart"])), min_size=1, max_size=30)


@settings(max_examples=50, deadline=None)
@given(ACTS)
def test_every_round_that_is_due_is_done_or_missed_once_whatever_restarts_there_are(acts: list[tuple[int, str]]) -> None:
    here = desk("2026-09-01 00:00")
    expected: list[str] = []
    visited: set[str] = set()
    minute = 0
    end_s = 0.0
    for wait_s, act in acts:
        end_s += wait_s
        while minute * 60 < end_s:  # each minute, as in the daemon
            minute += 1
            here.now_s = 1000.0 + minute * 60
            if minute % 288 == 0:
                expected += [] if visited == {"a", "b"} else ["duty.round_missed"]
                visited = set()
            if minute % 24 == 0:
                here.step()
        if act == "restart":
            here.restart()
        elif act:
            here.step(visit(act))
            was = visited == {"a", "b"}
            visited.add(act)
            expected += ["duty.round_done"] if visited == {"a", "b"} and not was else []
    assert here.said == expected


@pytest.mark.parametrize("row", [{}, {"slot": [1]}, {"slot": "x"}, {"slot": [], "visits": [1]}, {"slot": [], "visits": {"a": [1]}}])
def test_a_damaged_row_is_told(row: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError, TypeError)):
        Patrol(SPEC).begin(row)
