"""Outputs within decide(): commands, their one event, safe values, the output's own point, and the power supply."""

from __future__ import annotations

import json

from gateway.alarm.machine import State
from gateway.core.commands import Command, Tick
from gateway.core.points import EventClass, Priority
from gateway.core.reading import Now, Quality, Reading
from gateway.runtime.decide import House, decide
from tests.gateway.runtime.fitted import FRIDAY_16H_MS, POINTS, TIMETABLE, Fitted


def test_a_command_ends_in_one_event_that_names_who_asked() -> None:
    house = Fitted()
    decision = house.order("siren", "on")
    assert (decision.ok, decision.reply) == (True, "siren on: sent; an event tells how it ends")
    assert house.kinds() == []
    house.answer()
    assert house.kinds() == [], "the input must show it first"
    house.read("sound", True)
    (done,) = house.told
    assert (done.type, done.event_class, done.subject, done.priority) == (
        "campus.output.done", EventClass.AUDIT, "siren", Priority.ROUTINE
    )  # fmt: skip
    assert done.data == {
        "output": "siren", "kind": "siren", "place": "gate", "command": "on", "by": "李", "role": "guard", "origin": "door",
        "result": "done", "reason": "", "text": {"zh": "警号：开，已执行", "en": "siren: on, done"}, "status": "System",
    }  # fmt: skip
    json.dumps(done.data)


def test_refused_commands() -> None:
    house = Fitted()
    for output, value, words in (
        ("klaxon", "on", '"klaxon" is not an output of this site'),
        ("siren", "loud", 'an output is switched "on" or "off", not "loud"'),
        ("", "on", '"" is not an output of this site'),
    ):
        decision = house.order(output, value)
        assert (decision.ok, decision.reply) == (False, words)
        (draft,) = decision.drafts
        assert (draft.type, draft.data["reason"]) == ("campus.output.refused", words)
        assert decision.outputs == []


def test_not_confirmed_is_told_and_is_a_fault_until_it_obeys() -> None:
    house = Fitted()
    house.order("siren", "on")
    house.answer()
    house.pass_time(2.1)
    assert house.told[0].priority is Priority.FAULT
    assert house.kinds() == ["output.unconfirmed", "fault.activated"]
    assert house.house.readings["siren"].reason == "not confirmed within 2 s: sound was not read yet"
    house.order("siren", "on")
    house.answer()
    assert house.kinds() == [], "the fault stands until the input shows it"
    house.read("sound", True)
    assert house.kinds() == ["output.done", "fault.cleared"]
    assert house.house.readings["siren"] == Reading("siren", True, now_s=house.now_s)


def test_a_device_that_fails_the_write() -> None:
    house = Fitted()
    house.order("siren", "on")
    house.answer("exception 4")
    assert house.kinds() == ["output.unconfirmed"]
    assert house.house.readings["siren"].quality is Quality.BAD


def test_the_safe_value_when_the_device_is_there_and_when_it_is_back() -> None:
    house = Fitted()
    for _ in range(2):
        house.read("board", False)
        assert [(order.output, order.on) for order in house.orders] == [("siren", False), ("lock", False)]
        house.answer()
        house.read("sound", False)
        house.answer()
        assert [kind for kind in house.kinds() if kind.startswith("output")] == ["output.done", "output.done"]
        house.read("board", False)
        assert house.orders == []
        house.read("board", True, reason="no answer")
        assert house.kinds() == ["fault.activated"], "told once, as the device's fault"
        assert house.house.readings["siren"].reason == "no answer"


def test_the_safe_value_at_start_without_a_word_of_the_device() -> None:
    """A device without inputs is never polled: the daemon asks for its safe values by a tick of each output."""
    house = Fitted()
    house.take(Tick("siren"))
    assert [(order.output, order.on) for order in house.orders] == [("siren", False)]
    house.take(Tick("siren"))
    assert len(house.orders) == 1
    house.answer()
    assert house.told == [], "written, and not seen yet"
    house.read("sound", False)
    (done,) = [draft for draft in house.told if draft.type == "campus.output.done"]
    assert (done.data["by"], done.data["role"], done.data["command"]) == ("safe value", "gateway", "off")


def test_a_safe_value_that_fails_is_tried_again() -> None:
    house = Fitted()
    house.take(Tick("lock"))
    house.answer("no answer")
    house.pass_time(10.0)
    house.answer("no answer")
    house.pass_time(10.0)
    house.answer()
    assert house.kinds() == ["output.unconfirmed", "output.done"]


def test_decide_changes_nothing_and_a_house_without_fittings_refuses() -> None:
    bare = House(POINTS, TIMETABLE)
    fitted = Fitted()
    now_states = dict(fitted.house.fittings.output_states)
    fitted.order("siren", "on")
    assert now_states != fitted.house.fittings.output_states, "apply does"
    decision = decide(bare, Command("output", "siren", "李", "guard", "door", "on"), Now(1.0, FRIDAY_16H_MS), fitted.ids)
    assert not decision.ok
    assert bare.fittings.output_states == {}


def test_battery_low_for_long_enough_stops_the_gateway_once() -> None:
    house = Fitted()
    house.read("mains", True)
    house.read("battery", True)
    house.pass_time(59.0)
    assert house.shutdown == []
    house.pass_time(1.0)
    assert house.shutdown == ["battery low"]
    assert house.told[-1].type == "campus.gateway.stopping"
    assert house.told[-1].data["poweroff"] is True
    house.pass_time(300.0)
    house.read("battery", True)
    assert len(house.shutdown) == 1


def test_mains_power_that_is_back_keeps_the_gateway_running() -> None:
    house = Fitted()
    house.read("mains", True)
    house.read("battery", True)
    house.pass_time(50.0)
    house.read("mains", False)
    house.pass_time(300.0)
    assert house.shutdown == []
    house.read("mains", None, Quality.BAD, "no answer")
    house.pass_time(59.0)
    assert house.shutdown == [], "it counts from then"
    house.pass_time(1.0)
    assert house.shutdown == ["battery low"]
    assert house.house.alarms["battery/fault"].state is State.UNACK
