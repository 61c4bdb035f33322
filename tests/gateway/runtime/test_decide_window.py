"""decide(): an alarm that is suppressed by design in a window of the school day."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.alarm.machine import State
from gateway.core.commands import Tick
from gateway.core.points import Point
from gateway.rules.calendar import SchoolCalendar
from gateway.runtime.decide import House
from gateway.runtime.decide_school import SCHOOL_TICK
from tests.gateway.config.test_load import site
from tests.gateway.runtime.test_decide_aside import Box

UNTIL_17 = SchoolCalendar(ZoneInfo("Asia/Shanghai"), (((480, 1020),),) * 7)  # the box begins at 16:00
DOOR = '[[points]]\nid = "held"\nrole = "door_held"\nplace = "gate"\ndevice = "module"\nsignal = "di1"\n'


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Point]:
    return site(tmp_path_factory.mktemp("site"), DOOR + 'suppress_while = { window = "lesson" }\n').points


def started(points: dict[str, Point], **changes: Any) -> Box:
    box = Box()
    for name, value in changes.items():
        setattr(box, name, value)
    box.house = House(points, UNTIL_17)
    box.house.restore(box.stored.values())
    box.take(Tick(SCHOOL_TICK))  # as from Conveyor.start()
    box.told = []
    return box


def test_recorded_in_lessons_and_announced_when_they_end(points: dict[str, Point]) -> None:
    box = started(points)
    assert box.state("held") is State.SUPPRESSED
    box.read("held", False)
    box.read("held", True)
    assert [draft.type for draft in box.told] == ["campus.observation.recorded"]
    assert box.told[0].data["set_aside"]["why"] == "gw-window shows lesson"
    box.pass_time(3540)
    assert box.state("held") is State.SUPPRESSED
    box.pass_time(120)
    assert box.state("held") is State.UNACK, "the lessons are over and the door is still open"


def test_what_time_it_is_must_be_known(points: dict[str, Point]) -> None:
    box = started(points, clock="unknown")
    assert box.state("held") is State.NORMAL
    box.read("held", False)
    box.read("held", True)
    assert box.state("held") is State.UNACK, "what is not known does not suppress"
    box.clock = "synchronised"
    box.pass_time(60)
    assert box.state("held") is State.SUPPRESSED


def test_a_restart_in_lessons(points: dict[str, Point]) -> None:
    box = started(points)
    again = started(points, stored=box.stored)
    assert again.state("held") is State.SUPPRESSED
    late = started(points, stored=box.stored, at_ms=box.at_ms + 2 * 3600 * 1000)
    assert late.state("held") is State.NORMAL
