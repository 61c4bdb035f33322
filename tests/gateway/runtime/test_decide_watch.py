"""decide(): what watches a point itself, two detectors, rises, boot rules, chattering, floods. From real site files where one says so."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from gateway.alarm.chatter import HAND_BEGINNINGS, WITHIN_S
from gateway.alarm.machine import State
from gateway.core.points import (
    Above,
    AlarmSpec,
    Boot,
    Chattering,
    Confirmed,
    Contact,
    EventClass,
    LoopCut,
    NotGood,
    Point,
    Press,
    Rise,
    Stuck,
    Text,
)
from gateway.core.reading import Quality, Reading
from gateway.rules.calendar import SchoolCalendar
from gateway.runtime.decide import House
from tests.gateway.runtime.test_decide_aside import NAME, NEVER_OPEN, Box, alarm

ALL_DAY = SchoolCalendar(ZoneInfo("Asia/Shanghai"), (((0, 1020),),) * 7)  # until 17:00; the box begins at 16:00
FAULT = EventClass.FAULT


def fault(point: str, name: str, condition: NotGood | Chattering | Stuck) -> AlarmSpec:
    return AlarmSpec(point, name, condition, "fault", FAULT, True, Text("故障", "Fault"))


def box_of(*points: Point, timetable: SchoolCalendar = NEVER_OPEN) -> Box:
    box = Box()
    box.house = House({point.id: point for point in points}, timetable)
    return box


def chatterer(alarm_class: str = "door", *, latching: bool = False) -> Box:
    spec = alarm("p", alarm_class, latching=latching)
    return box_of(Point("p", "door_held", "gate", NAME, alarms=(spec, fault("p", "chattering", Chattering()))))


def test_an_open_loop_is_tamper_and_never_normal() -> None:
    cut = AlarmSpec("p", "tamper", LoopCut(), "tamper", EventClass.ALARM, True, Text("回路", "Loop"))
    box = box_of(Point("p", "panic_button", "gate", NAME, alarms=(alarm("p", "panic"), fault("p", "signal", NotGood(loops=False)), cut)))
    box.read("p", True)
    assert box.read("p", None, Quality.BAD, "loop open") == ["alarm.activated"]
    assert (box.told[-1].data["alarm"], box.told[-1].data["reason"]) == ("tamper", "loop open")
    assert box.house.alarms["p/alarm"].state is State.UNACK, "the press still stands"
    assert box.read("p", None, Quality.BAD, "loop short") == []
    assert box.read("p", None, Quality.BAD, "no answer") == [], "says nothing about the loop"
    assert sorted(box.read("p", False)) == ["alarm.cleared", "alarm.cleared"]
    assert box.house.alarms["p/tamper"].state is State.LATCHED_UNACK
    assert box.read("p", None, Quality.BAD, "sensor fault") == ["fault.activated"]


def gas(point: str, *more: AlarmSpec) -> Point:
    specs = (alarm(point, "gas_high", name="level2", condition=Above(50, 2)), *more)
    return Point(point, "gas_concentration", "kitchen", NAME, kind="measurement", unit="%LEL", alarms=specs)


def test_two_detectors_of_a_group() -> None:
    condition = Confirmed(("one/level2", "two/level2", "three/level2"))
    confirmed = AlarmSpec("one", "confirmed", condition, "gas_high", EventClass.ALARM, True, Text("确认", "Confirmed"), severity="Extreme")
    box = box_of(gas("one", confirmed), gas("two"), gas("three"))
    assert box.read("two", 60.0) == ["alarm.activated"], "one alone goes out as ever"
    assert box.read("three", 60.0) == ["alarm.activated", "alarm.activated"]
    assert (box.told[-1].subject, box.told[-1].data["alarm"], box.told[-1].data["priority"]) == ("one", "confirmed", 1)
    assert box.read("one", 60.0) == ["alarm.activated"]
    assert box.read("two", None, Quality.BAD, "no answer") == [], "not known is not over"
    assert box.read("two", 1.0) == ["alarm.cleared"]
    assert box.house.alarms["one/confirmed"].state is State.UNACK, "one and three"
    assert box.read("three", 1.0) == ["alarm.cleared", "alarm.cleared"]
    assert box.house.alarms["one/confirmed"].state is State.LATCHED_UNACK


def test_a_rise_and_its_end_without_another_reading() -> None:
    rise = AlarmSpec("p", "rise", Rise(10.0, 60.0), "gas_low", EventClass.ALARM, False, Text("上升", "Rises"))
    box = box_of(Point("p", "gas_concentration", "kitchen", NAME, kind="measurement", alarms=(rise,)))
    box.read("p", 1.0)
    box.pass_time(30.0)
    assert box.read("p", 12.0) == ["alarm.activated"]
    box.words()
    box.pass_time(59.0)
    assert box.words() == []
    box.pass_time(1.0)
    assert box.words() == ["alarm.cleared"], "lines tell only what changes: time alone ends a rise"


def test_a_value_that_does_not_move() -> None:
    box = box_of(Point("p", "cable_temperature", "gate", NAME, kind="measurement", alarms=(fault("p", "stuck", Stuck(3600.0)),)))
    box.read("p", 21.5)
    box.pass_time(3599.0)
    assert box.words() == []
    box.read("p", 21.6)
    box.pass_time(3599.0)
    assert box.words() == []
    box.pass_time(1.0)
    assert box.words() == ["fault.activated"]
    assert box.read("p", 21.7) == ["fault.cleared"]


def test_what_is_found_at_the_start() -> None:
    held = alarm("held", latching=False, boot=Boot.STATE_IN_HOURS)
    box = box_of(
        Point("held", "door_held", "gate", NAME, alarms=(held,)),
        Point("panic", "panic_button", "gate", NAME, alarms=(alarm("panic", "panic"),)),
        timetable=ALL_DAY,
    )
    assert box.read("panic", True) == ["alarm.activated"], "a button found pressed is an alarm"
    assert box.read("held", True) == [], "a door found open while the school is open is not"
    assert box.read("held", False) == []
    assert box.read("held", True) == ["alarm.activated"], "from then on it is as ever"


def test_a_door_found_open_is_an_alarm_when_the_school_closes_over_it() -> None:
    held = alarm("held", latching=False, boot=Boot.STATE_IN_HOURS)
    box = box_of(Point("held", "door_held", "gate", NAME, alarms=(held,)), timetable=ALL_DAY)
    box.read("held", None, Quality.BAD, "no answer")
    assert box.read("held", True) == [], "the first reading that can be believed"
    box.pass_time(3599.0)
    assert box.words() == []
    box.pass_time(25.0)
    assert box.words() == ["alarm.activated"]
    closed = box_of(Point("held", "door_held", "gate", NAME, alarms=(held,)))
    assert closed.read("held", True) == ["alarm.activated"], "found open after hours"


def flap(box: Box, times: int, every_s: float = 1.0) -> list[str]:
    told = []
    for _ in range(times):
        told += box.read("p", True)
        told += box.read("p", False)
        box.pass_time(every_s)
    return told


def test_a_chattering_point_is_a_fault_and_told_once_a_minute() -> None:
    box = chatterer()
    told = flap(box, 3)
    assert told == ["alarm.activated", "alarm.cleared"] * 2 + ["alarm.activated", "fault.activated", "alarm.cleared"]
    assert flap(box, 20) == [], "held back"
    box.words()
    box.pass_time(WITHIN_S)
    assert box.words() == ["alarm.repeated", "alarm.cleared", "fault.cleared"], "what was held back, and that it is over"
    assert box.house.alarms["p/chattering"].state is State.LATCHED_UNACK


def test_what_was_held_back_is_counted() -> None:
    box = chatterer()
    flap(box, 13)
    box.pass_time(WITHIN_S)
    counts = [draft.data["held_back"] for draft in box.told if "held_back" in draft.data]
    assert counts == [10]


def test_the_next_one_after_the_minute_carries_the_count() -> None:
    box = chatterer()
    flap(box, 5)
    box.now_s += WITHIN_S  # the look at that time is late
    told = box.take(Reading("p", True)).drafts
    assert (told[0].type, told[0].data["held_back"]) == ("campus.alarm.activated", 2)


@pytest.mark.parametrize("alarm_class", ["panic", "gas_high"])
def test_a_new_highly_managed_alarm_always_goes_out(alarm_class: str) -> None:
    box = chatterer(alarm_class, latching=True)
    told = flap(box, HAND_BEGINNINGS, every_s=0.5)
    assert told.count("alarm.cleared") == HAND_BEGINNINGS, "each press of a hand is told"
    assert told.count("fault.activated") == 1
    assert flap(box, 10, every_s=0.5) == [], "what no hand does is counted"
    assert box.order("acknowledge", "p").ok
    assert box.order("reset", "p/alarm").ok
    assert box.read("p", True) == ["alarm.activated"], "chattering or not: nobody has seen this one"


def test_a_shelved_alarm_that_chatters_does_not_fill_the_journal() -> None:
    box = chatterer()
    box.order("shelve", "p/alarm")
    assert flap(box, 10).count("observation.recorded") == 6
    aside = box.house.alarms["p/alarm"].aside
    assert aside is not None
    assert aside.recorded == 10, "all of them are counted"
    box.words()
    box.pass_time(WITHIN_S)
    assert box.words() == ["fault.cleared"], "nothing of it is announced"


def test_presses_of_a_counter_are_never_held_back() -> None:
    spec = replace(alarm("p", "panic"), condition=Press())
    box = box_of(Point("p", "panic_button", "gate", NAME, kind="counter", alarms=(spec, fault("p", "chattering", Chattering()))))
    box.read("p", 0)
    assert [box.read("p", count)[1:] for count in range(1, 10)] == [["alarm.cleared"]] * 9


def test_a_flood_is_told_once_at_each_end() -> None:
    many = [Point(f"p{i}", "door_forced", "gate", NAME, alarms=(alarm(f"p{i}"),)) for i in range(20)]
    own = AlarmSpec("gw-flood", "fault", Contact(), "fault", FAULT, False, Text("报警过多", "Flood"))
    box = box_of(*many, Point("gw-flood", "alarm_flood", "gate", NAME, alarms=(own,), system=True))
    for i in range(10):
        box.read(f"p{i}", True)
        box.pass_time(1.0)
    assert "fault.activated" not in box.words()
    assert box.read("p10", True) == ["alarm.activated", "fault.activated"]
    assert box.read("p11", True) == ["alarm.activated"]
    box.words()
    box.pass_time(590.0)
    assert box.words() == []
    box.pass_time(20.0)
    assert box.words() == ["fault.cleared"]
    assert box.house.measures.rate(box.now_s) < 5
