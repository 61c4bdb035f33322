"""Change of shift: who takes over from whom, and when it is late."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.commands import Command
from gateway.core.duties import ShiftsSpec
from gateway.core.points import Text
from gateway.rules.shifts import Shifts
from tests.gateway.rules.duty_day import NO_PATROL, Day, Desk, utc_ms

SPEC = ShiftsSpec("shifts", "duty-room", Text("值班室", "duty room"), (480, 1200))


def opening(by: str, second: str = "") -> Command:
    return Command("open_shift", "", by, "guard", "door", second=second)


def desk(begin: str = "2026-09-01 10:00") -> Desk:
    found = Desk(Shifts(SPEC), begin)
    found.step()
    return found


def at(here: Desk, local: str) -> None:
    here.now_s = 1000.0 + (utc_ms(local) - here.begin_ms) / 1000
    here.step()


@pytest.mark.parametrize(
    ("by", "second", "refused"),
    [
        ("李明", "", "周建国 is on duty and hands over: name the person (--taken-from)"),
        ("李明", " 李 明", "who takes over and who hands over are two different persons"),
        ("李明", "周建国", ""),
        ("李明", "王强", ""),  # said by both; the event holds who was on duty before
        ("周建国", "", ""),  # stays for another shift
    ],
)
def test_who_takes_over(by: str, second: str, refused: str) -> None:
    here = desk()
    here.step(opening("周建国"))
    out = here.step(opening(by, second))
    assert out.refused == refused
    if not refused:
        assert out.said[0].data["on_duty_before"] == "周建国"
        assert here.state.by == by


@pytest.mark.parametrize(
    ("opened", "late"), [("19:29", True), ("19:31", False), ("20:00", False), ("20:14", False)], ids=["too early", "early", "now", "later"]
)
def test_when_a_handover_counts(opened: str, late: bool) -> None:
    here = desk()
    here.step(opening("周建国"))
    at(here, f"2026-09-01 {opened}")
    here.step(opening("李明", "周建国"))
    at(here, "2026-09-01 20:16")
    assert here.state.overdue is late


def test_late_from_a_quarter_of_an_hour_on() -> None:
    here = desk()
    at(here, "2026-09-01 20:00")
    at(here, "2026-09-01 20:14:59")
    assert not here.state.overdue
    at(here, "2026-09-01 20:15")
    assert here.state.overdue
    at(here, "2026-09-01 20:40")
    out = here.step(opening("李明"))
    assert out.said[0].data["late_s"] == 2400
    assert not here.state.overdue


def test_a_gateway_that_was_off_at_the_change_waits_a_quarter_of_an_hour_too() -> None:
    here = desk()
    here.step(opening("周建国"))
    here.restart()
    at(here, "2026-09-02 03:00")
    assert not here.state.overdue
    assert here.state.by == "周建国"
    at(here, "2026-09-02 03:15")
    assert here.state.overdue
    here.restart()
    here.step()
    assert here.state.overdue, "and an alarm that stands outlives a power cut"


def test_without_a_clock_no_shift_changes() -> None:
    here = Desk(Shifts(SPEC), "2026-09-01 10:00")
    here.clock = "unknown"
    assert here.step(opening("周建国")).refused
    assert next(here.rule.explain(here.state, "shifts", here.view())).text.zh.startswith("值班：未登记")


def test_who_is_on_duty_is_told() -> None:
    here = desk()
    here.step(opening("周建国"))
    (why,) = here.rule.explain(here.state, "shifts", here.view())
    assert why.text.zh == "值班室：值班：周建国（10:00 起），20:00 交接班"
    at(here, "2026-09-01 20:20")
    (why,) = here.rule.explain(here.state, "shifts", here.view())
    assert why.text.en == "duty room: handover of 20:00 is overdue; on duty: 周建国"


def test_the_record_holds_what_stands_open() -> None:
    here = Day("2026-09-01 17:01", NO_PATROL, {"rules": {"shifts": {"place": "duty-room", "times": ["08:00", "20:00"]}}})
    here.at("17:10")
    here.command("shelve", "east-post", role="duty_leader", why="裱糊", for_s=3600.0)
    here.drafts()
    here.command("open_shift")
    (draft,) = here.drafts()
    found: Any = draft.data["open"]
    assert found["count"] == {"alarms": 0, "faults": 0, "duties": 0, "set_aside": 1, "modes": 0}
    assert found["set_aside"][0]["alarm"] == "east-post/alarm"
    assert found["set_aside"][0]["set_aside"]["by"] == "周建国"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(60, 40_000), st.sampled_from(["open", "wait", "restart"])), max_size=20))
def test_nobody_is_late_within_a_quarter_of_an_hour_after_the_change_nor_after_a_handover(acts: list[tuple[int, str]]) -> None:
    here, names, count = desk(), ["周建国", "李明"], 0
    for wait_s, act in acts:
        here.now_s += wait_s
        here.step()
        if act == "open":
            here.step(opening(names[(count + 1) % 2], names[count % 2]))
            count += 1
            assert not here.state.overdue
        elif act == "restart":
            late = here.state.overdue
            here.restart()
            here.step()
            assert here.state.overdue is late
        if here.state.overdue:
            change_ms = max(ms for ms in here.rule._changes(here.view()) if ms <= here.view().now.at_ms)  # type: ignore[attr-defined]
            assert here.state.opened_ms < change_ms or count == 0
