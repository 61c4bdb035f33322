"""Doors within decide(): access events, alarms of derived points through the alarm machine, the lock."""

from __future__ import annotations

import json

from gateway.alarm.machine import State
from gateway.core.commands import Command
from gateway.core.points import EventClass
from gateway.core.reading import Quality
from tests.gateway.runtime.fitted import STRANGER, TEACHER, Fitted


def closed() -> Fitted:
    house = Fitted()
    house.read("contact", False)
    house.told = []
    return house


def test_a_card_lets_in() -> None:
    house = closed()
    house.read("card", TEACHER)
    granted = house.told[0]
    assert (granted.type, granted.event_class, granted.subject) == ("campus.access.granted", EventClass.ACCESS, "east")
    assert granted.data == {
        "door": "east", "role": "door", "place": "gate", "means": "card", "status": "Actual",
        "text": {"zh": "东门：允许通行（刷卡）", "en": "East door: granted (card)"}, "card": "11aa22bb",
    }  # fmt: skip
    (unlock,) = house.orders
    assert (unlock.output, unlock.on) == ("lock", True)
    house.answer()
    house.read("contact", True)
    house.pass_time(5.1)
    assert (house.orders[0].output, house.orders[0].on) == ("lock", False), "unlock_s is over"
    house.answer()
    house.read("contact", False)
    assert house.kinds() == ["access.granted", "output.done", "access.changed", "access.changed"]


def test_the_whole_hash_of_a_card_goes_nowhere() -> None:
    house = closed()
    for card in (TEACHER, STRANGER):
        decision = house.read("card", card)
        assert card not in json.dumps([draft.data for draft in decision.drafts] + [latch.state for latch in decision.latches()])
        assert house.house.readings["card"].value == card[:8]


def test_the_same_card_twice_is_two_events() -> None:
    house = closed()
    house.read("card", STRANGER)
    house.read("card", STRANGER)
    assert house.kinds() == ["access.denied", "access.denied"]


def test_a_forced_door_latches_until_a_person_resets_it() -> None:
    house = closed()
    house.read("contact", True)
    assert house.kinds() == ["access.changed"]
    house.pass_time(1.0)
    assert house.kinds() == ["alarm.activated"]
    house.read("contact", False)
    assert house.house.alarms["east-forced/alarm"].state is State.LATCHED_UNACK
    for kind in ("acknowledge", "reset"):
        assert house.take(Command(kind, "east-forced", "李", "guard", "door")).ok
    assert house.house.alarms["east-forced/alarm"].state is State.NORMAL


def test_opened_and_shut_within_one_moment_is_activated_and_cleared_in_one_decision() -> None:
    house = closed()
    house.read("contact", True)
    house.kinds()
    house.read("contact", False)
    assert house.kinds() == ["access.changed", "alarm.activated", "alarm.cleared"]
    assert house.house.alarms["east-forced/alarm"].state is State.LATCHED_UNACK
    house.read("contact", True)
    house.pass_time(1.0)
    assert house.kinds()[-1] == "alarm.repeated"


def test_request_to_exit_unlocks_and_an_open_door_is_held() -> None:
    house = closed()
    house.read("exit", True)
    house.read("exit", False)
    house.read("contact", True)
    house.pass_time(20.0)
    assert house.house.alarms["east-held/alarm"].state is State.UNACK
    assert house.house.alarms["east-forced/alarm"].state is State.NORMAL
    house.read("contact", False)
    assert house.house.alarms["east-held/alarm"].state is State.RTN_UNACK


def test_a_cut_cable_at_an_open_forced_door_clears_nothing() -> None:
    house = closed()
    house.read("contact", True)
    house.pass_time(1.0)
    house.read("contact", None, Quality.BAD, "cut cable")
    assert house.house.alarms["east-forced/alarm"].state is State.UNACK
    assert house.house.readings["east-forced"].reason == "cut cable"


def test_a_restart_with_an_open_forced_door() -> None:
    house = closed()
    house.read("contact", True)
    house.pass_time(1.0)
    house.restart()
    house.kinds()
    house.read("contact", True)
    assert house.kinds() == [], "the alarm still stands, nothing is new"
    assert house.house.alarms["east-forced/alarm"].state is State.UNACK
    house.read("contact", False)
    assert house.kinds() == ["access.changed", "alarm.cleared"]


def test_a_door_that_opened_while_the_gateway_was_away() -> None:
    house = closed()
    house.restart()
    house.kinds()
    house.read("contact", True)
    house.pass_time(1.0)
    assert house.kinds() == ["access.changed", "alarm.activated"]
