"""decide(): residual current above a learned or measured baseline; what is told, stored, and never hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.alarm.baseline import DAY_S, LEARN_S
from gateway.alarm.machine import State
from gateway.core.points import Point
from gateway.core.reading import Quality
from gateway.runtime.decide import House
from tests.gateway.config.test_load import site
from tests.gateway.runtime.test_decide_aside import NEVER_OPEN, Box

METER = """
[[buses]]
id = "line"
transport = "rtu"
device = "line.pty"
[[devices]]
id = "meter"
bus = "line"
profile = "acrel-aim-r100"
[[points]]
id = "leak"
role = "residual_current"
place = "gate"
device = "meter"
signal = "residual1"
"""


def points(folder: Path, more: str = 'baseline = "learned"\n') -> dict[str, Point]:
    return site(folder, METER + more).points


@pytest.fixture(scope="module")
def learning(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Point]:
    return points(tmp_path_factory.mktemp("site"))


def box_of(found: dict[str, Point]) -> Box:
    box = Box()
    box.house = House(found, NEVER_OPEN)
    return box


def restarted(box: Box) -> None:
    found = box.house.points
    box.restart()
    box.house = House(found, NEVER_OPEN)
    box.house.restore(box.stored.values())


def after_a_week(found: dict[str, Point], leak_ma: float = 120.0) -> Box:
    box = box_of(found)
    box.read("leak", leak_ma)
    box.pass_time(LEARN_S + 7200)
    assert told(box) == []
    return box


def told(box: Box) -> list[str]:
    """What was said of alarms since the last call: name and last word of the type."""
    found = [f"{draft.data['alarm']} {draft.type.rsplit('.', 1)[1]}" for draft in box.told if "alarm" in draft.data]
    box.told = []
    return found


def last(box: Box) -> dict[str, Any]:
    """Data of the newest event of an alarm."""
    return next(draft.data for draft in reversed(box.told) if "alarm" in draft.data)


def state(box: Box, name: str) -> State:
    return box.house.alarms[f"leak/{name}"].state


def test_limits_are_absolute_until_it_is_learned(learning: dict[str, Point]) -> None:
    box = box_of(learning)
    box.read("leak", 310.0)
    box.pass_time(1.0)
    assert told(box) == ["level1 activated"]


def test_then_they_count_from_the_baseline(learning: dict[str, Point]) -> None:
    box = after_a_week(learning)
    assert box.read("leak", 410.0) == []
    box.pass_time(5.0)
    assert state(box, "level1") is State.NORMAL, "410 - 125 mA"
    box.read("leak", 430.0)
    box.pass_time(1.0)
    assert (last(box)["alarm"], last(box)["value"], last(box)["baseline"]) == ("level1", 430.0, 124.8)
    box.read("leak", 630.0)
    assert told(box) == ["level1 activated", "level2 activated"]


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 299), st.floats(0, 60))
def test_beyond_the_ceiling_it_is_an_alarm_whatever_was_learned(learning: dict[str, Point], leak_ma: float, days: float) -> None:
    box = box_of(learning)
    box.read("leak", leak_ma)
    box.pass_time(days * DAY_S)
    box.read("leak", 500.0)
    box.pass_time(1.0)
    assert state(box, "level1") is State.UNACK
    box.read("leak", 700.0)
    assert state(box, "level2") is State.UNACK


def test_a_restart_keeps_it(learning: dict[str, Point]) -> None:
    box = after_a_week(learning)
    restarted(box)
    box.read("leak", 410.0)
    box.pass_time(5.0)
    assert state(box, "level1") is State.NORMAL
    half = box_of(learning)
    half.read("leak", 120.0)
    half.pass_time(LEARN_S / 2)
    restarted(half)
    half.read("leak", 120.0)
    half.pass_time(LEARN_S / 2 + 7200)
    assert half.house.naturals["leak"].first_ma == 125.0, "an hour at most is lost"


def test_the_journal_is_written_at_most_once_an_hour(learning: dict[str, Point]) -> None:
    box, writes = box_of(learning), 0
    for second in range(0, 4 * 3600, 10):
        box.read("leak", 100.0 + second % 7)
        writes += bool(box.stored)
        box.stored = {}
        box.pass_time(10.0)
    assert 3 <= writes + bool(box.stored) <= 4


def test_a_natural_leakage_that_is_none(learning: dict[str, Point]) -> None:
    box = box_of(learning)
    box.read("leak", 260.0)
    box.pass_time(LEARN_S + 7200)
    assert told(box) == ["baseline activated"]
    assert state(box, "baseline") is State.UNACK
    box.read("leak", 480.0)
    box.pass_time(5.0)
    assert state(box, "level1") is State.NORMAL, "200 mA are taken off, and no more"
    box.read("leak", 500.0)
    box.pass_time(1.0)
    assert state(box, "level1") is State.UNACK


def test_growth_of_weeks_is_a_fault_and_learning_anew_ends_it(learning: dict[str, Point]) -> None:
    box = after_a_week(learning, 65.0)
    box.read("leak", 140.0)
    box.pass_time(24 * DAY_S)
    assert told(box) == []
    box.pass_time(2 * DAY_S)
    assert told(box) == ["trend activated"]
    assert state(box, "trend") is State.UNACK
    assert box.order("learn", "leak", role="guard").reply == "a guard may not learn"
    done = box.order("learn", "leak")
    assert (done.ok, done.reply, done.lasting) == (True, "learn done: leak", True)
    assert told(box) == ["trend cleared"]
    box.order("acknowledge", "leak/trend")
    assert box.order("reset", "leak/trend").ok
    restarted(box)
    assert box.house.naturals == {}
    box.read("leak", 310.0)
    box.pass_time(1.0)
    assert state(box, "level1") is State.UNACK, "absolute again, also after a restart"


def test_an_alarm_is_not_learned_away(learning: dict[str, Point]) -> None:
    box = after_a_week(learning)
    box.read("leak", 440.0)
    box.pass_time(90 * DAY_S)
    assert box.house.naturals["leak"].level_ma == pytest.approx(125.0, abs=0.3)
    assert state(box, "level1") is State.UNACK


def test_a_dead_line_teaches_nothing(learning: dict[str, Point]) -> None:
    box = box_of(learning)
    box.read("leak", 100.0)
    box.read("leak", None, Quality.BAD, "no answer")
    box.pass_time(30 * DAY_S)
    assert box.house.naturals["leak"].level_ma is None


def test_a_measured_baseline(tmp_path: Path) -> None:
    box = box_of(points(tmp_path, "baseline = 80\n"))
    assert [spec.name for spec in box.house.points["leak"].alarms] == ["level1", "level2", "signal", "chattering"]
    box.read("leak", 370.0)
    box.pass_time(1.0)
    assert state(box, "level1") is State.NORMAL
    box.read("leak", 380.0)
    box.pass_time(1.0)
    assert (last(box)["alarm"], last(box)["baseline"]) == ("level1", 80.0)
    refused = box.order("learn", "leak")
    assert (refused.ok, "learns nothing" in refused.reply) == (False, True)


def test_without_a_baseline_nothing_is_taken_off(tmp_path: Path) -> None:
    box = box_of(points(tmp_path, ""))
    box.read("leak", 300.0)
    box.pass_time(1.0)
    assert last(box)["alarm"] == "level1"
    assert "baseline" not in last(box)
    assert (box.house.naturals, box.stored.get("leak")) == ({}, None)
    assert "learns nothing" in box.order("learn", "gw-journal").reply
