"""Alarms that count in some windows of the school day only."""

from __future__ import annotations

import pytest

from gateway.core.points import Above, AlarmSpec, EventClass, Point, Text
from gateway.core.reading import Reading, Value
from gateway.core.school_days import Window
from gateway.runtime.decide_house import House
from tests.gateway.rules.gate_site import CALENDAR, GateSite

NAME = Text("校门", "Gate")


class Crowd(GateSite):
    """A count that is an alarm in the arrival window, with hysteresis."""

    def __init__(self, begin: str) -> None:
        super().__init__((), {}, begin)
        arrival = frozenset({Window.ARRIVAL})
        spec = AlarmSpec("crowd", "level1", Above(20.0, 5.0), "person", EventClass.ALARM, False, NAME, on_delay_s=10.0, windows=arrival)
        self.house = House({"crowd": Point("crowd", "crowd_count", "gate", NAME, kind="measurement", alarms=(spec,))}, CALENDAR)
        self.wakes = {}

    def count(self, value: Value) -> None:
        self.take(Reading("crowd", value, now_s=self.now_s))
        self.pass_time(60.0)


def test_a_crowd_counts_at_arrival_with_hysteresis() -> None:
    site = Crowd("07:30:00")
    seen = []
    for value in (19, 20, 16, 21, 15, 14, 16, 19):
        site.count(value)
        seen.append([line.partition(".")[2] for line in site.events()])
    assert seen == [[], ["activated"], [], [], [], ["cleared"], [], []]


@pytest.mark.parametrize("begin", ["10:00:00", "22:00:00"])
def test_not_at_other_times(begin: str) -> None:
    site = Crowd(begin)
    site.count(50)
    assert site.events() == []


def test_a_crowd_that_is_there_when_the_window_begins_is_an_alarm_then() -> None:
    site = Crowd("07:19:00")
    site.count(50)
    assert site.events() == []
    site.pass_time(60.0)
    assert site.events() == ["crowd alarm.activated"]


def test_an_alarm_goes_on_standing_when_its_window_ends() -> None:
    site = Crowd("07:58:00")
    site.count(50)
    assert site.events() == ["crowd alarm.activated"]
    site.until("08:30:00")
    assert site.events() == []
    site.count(3)
    assert site.events() == ["crowd alarm.cleared"]


def test_a_clock_that_was_never_set_keeps_no_alarm_back() -> None:
    site = Crowd("22:00:00")
    site.clock = "unknown"
    site.count(50)
    assert site.events() == ["crowd alarm.activated"]
