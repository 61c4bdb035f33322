"""decide(): any sequence of readings, commands, ticks and restarts tells every press exactly once and nothing else."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gateway.alarm.machine import STANDING, State
from gateway.contract.canonical import canonical
from gateway.contract.envelope import rfc3339
from gateway.core.commands import Command, LatchReleased, Tick
from gateway.core.ids import EventIds
from gateway.core.points import Above, AlarmSpec, Contact, Draft, EventClass, Latch, NotGood, Point, Press, Priority, Text
from gateway.core.reading import Now, Quality, Reading, Value
from gateway.rules.calendar import SchoolCalendar
from gateway.runtime.decide import Decision, House, decide
from gateway.runtime.decide_points import HELD_DOWN_S

SCHOOL_DAYS = SchoolCalendar(ZoneInfo("Asia/Shanghai"), (((450, 1050),),) * 5 + ((), ()))
FRIDAY_16H_MS = round(datetime.fromisoformat("2026-11-20T16:00:00+08:00").timestamp() * 1000)
BEGINS = ("activated", "repeated")


def alarm(point: str, name: str = "alarm", **changes: Any) -> AlarmSpec:
    spec = AlarmSpec(point, name, Contact(), "door", EventClass.ALARM, latching=True, text=Text("报警", "Alarm"))
    return replace(spec, **changes)


def points() -> dict[str, Point]:
    name = Text("点", "point")
    fault = {"condition": NotGood(), "event_class": EventClass.FAULT, "alarm_class": "fault", "latching": False, "severity": "Moderate"}
    made = [
        Point("panic", "panic_button", "gate", name, alarms=(alarm("panic", severity="Extreme"), alarm("panic", "signal", **fault))),
        Point("held", "door_held", "gate", name, alarms=(alarm("held", latching=False, on_delay_s=5.0, off_delay_s=2.0),)),
        Point("counted", "panic_button", "gate", name, kind="counter", alarms=(alarm("counted", condition=Press()),)),
        Point("latched", "panic_button", "gate", name, kind="latched", alarms=(alarm("latched", condition=Press()),)),
        Point(
            "gas", "gas_concentration", "kitchen", name, kind="measurement", unit="%LEL", responsible="王师傅", external={"gb28181": "1"},
            alarms=(
                alarm("gas", "level1", condition=Above(25, 2), latching=False, severity="Moderate"),
                alarm("gas", "level2", condition=Above(50, 2)),
            ),
        ),
        Point("door", "door_contact", "gate", name, observe=True, observe_class=EventClass.ACCESS),
        Point("person", "person_after_hours", "gate", name, kind="vision", alarms=(alarm("person", latching=False, outside_hours=True),)),
    ]  # fmt: skip
    return {point.id: point for point in made}


class Box:
    """A gateway without its wires: a house, what its journal holds, and a clock that is moved by hand."""

    def __init__(self, seed: int = 0) -> None:
        self.ids = EventIds(lambda size: seed.to_bytes(size, "big"))
        self.stored: dict[str, Latch] = {}
        self.told: list[Draft] = []
        self.now_s = 1000.0
        self.at_ms = FRIDAY_16H_MS
        self.house = House(points(), SCHOOL_DAYS)

    def restart(self) -> None:
        self.house = House(points(), SCHOOL_DAYS)
        self.house.restore(self.stored.values())

    def now(self) -> Now:
        return Now(self.now_s, self.at_ms)

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        self.at_ms += round(seconds * 1000)

    def take(self, stimulus: Reading | Command | Tick | LatchReleased, *, commit: bool = True) -> Decision:
        before = copy.deepcopy((self.house.readings, self.house.alarms, self.house.marks))
        decision = decide(self.house, stimulus, self.now(), self.ids)
        assert (self.house.readings, self.house.alarms, self.house.marks) == before, "decide changes nothing"
        self.house.apply(decision)
        assert bool(decision.latches()) <= decision.lasting
        assert all(due_s > self.now_s for due_s, _ in decision.wake), "a look that is due now would spin"
        if commit:
            for latch in decision.latches():
                self.stored[latch.key] = Latch(latch.key, json.loads(json.dumps(latch.state)))
            self.told += decision.drafts
        return decision

    def read(self, point: str, value: Value, quality: Quality = Quality.GOOD, reason: str = "") -> list[str]:
        return kinds(self.take(Reading(point, value, quality, reason, self.now_s)))

    def order(self, kind: str, target: str, by: str = "李") -> Decision:
        return self.take(Command(kind, target, by, "guard", "door"))

    def state(self, key: str) -> State:
        return self.house.alarms[key].state


def kinds(decision: Decision) -> list[str]:
    """Last words of the event types, audits left out."""
    return [draft.type.rsplit(".", 1)[1] for draft in decision.drafts if draft.event_class is not EventClass.AUDIT]


goods = st.sampled_from([True, False])
unbelieved = st.tuples(
    st.sampled_from([True, False, None]), st.sampled_from([Quality.BAD, Quality.UNCERTAIN]), st.sampled_from(["no answer", "warm-up"])
)
people = st.sampled_from(["acknowledge", "reset"])
restart = st.just("restart")


@given(st.lists(goods | unbelieved | people | restart, max_size=60))
def test_every_rising_edge_is_told_exactly_once(story: list[Any]) -> None:
    box, believed = Box(), False
    for event in story:
        if event == "restart":
            box.restart()
        elif isinstance(event, str):
            box.order(event, "panic/alarm")
        elif isinstance(event, tuple):
            drafts = box.take(Reading("panic", event[0], event[1], event[2], box.now_s)).drafts
            assert not [draft for draft in drafts if draft.event_class is EventClass.ALARM], "it neither raises nor clears"
        else:
            drafts = box.take(Reading("panic", event, now_s=box.now_s)).drafts
            told = [draft.type.rsplit(".", 1)[1] for draft in drafts if draft.event_class is EventClass.ALARM]
            if event and not believed:
                assert len(told) == 1
                assert told[0] in BEGINS
            elif believed and not event:
                assert told == ["cleared"]
            else:
                assert told == []
            believed = event
        active = box.state("panic/alarm") in (State.UNACK, State.ACKED)
        assert active is believed


@given(st.lists(st.tuples(st.sampled_from(["panic", "counted", "latched", "gas"]), st.booleans()), max_size=30), st.booleans())
def test_a_latching_alarm_stands_until_a_person_resets_it(story: list[tuple[str, bool]], use_restarts: bool) -> None:
    box = Box()
    box.read("counted", 0)
    count, fired = 0, set()
    for point, on in story:
        if point == "counted":
            count += on
            box.read(point, count)
        else:
            box.read(point, (60.0 if on else 0.0) if point == "gas" else on)
        if on:
            fired.add({"gas": "gas/level2"}.get(point, f"{point}/alarm"))
        if use_restarts:
            box.restart()
        for key in fired:
            assert box.state(key) in STANDING


def test_found_pressed_at_boot_is_an_alarm() -> None:
    box = Box()
    assert box.read("panic", True) == ["activated"]
    assert box.read("latched", True) == ["activated"]
    assert box.read("gas", 51.0) == ["activated", "activated"]


def test_a_press_that_stood_through_a_restart_is_the_same_press() -> None:
    box = Box()
    box.read("panic", True)
    box.restart()
    assert box.state("panic/alarm") is State.UNACK
    assert box.read("panic", True) == []
    assert box.read("panic", False) == ["cleared"]


@given(st.lists(st.integers(0, 7) | st.sampled_from(["restart", "bad", "reset device", "acknowledge", "reset"]), max_size=50))
def test_each_count_is_told_once_across_restarts(story: list[Any]) -> None:
    box, count, seen = Box(), 40, False
    for event in story:
        if event == "restart":
            box.restart()
        elif event == "bad":
            assert box.read("counted", None, Quality.BAD, "sensor fault") == []
        elif event == "reset device":
            count = 0
            assert box.read("counted", count) == []
            seen = True
        elif isinstance(event, str):
            box.order(event, "counted")
        else:
            count += event
            told = box.read("counted", count)
            pressed = event if seen else 0
            assert [kind for kind in told if kind in BEGINS] == told[::2]
            assert told[1::2] == ["cleared"] * pressed
            assert len(told) == 2 * pressed
            seen = True
    numbers = [draft.data["count"] for draft in box.told if draft.type.endswith(BEGINS)]
    assert all(isinstance(number, int) and number > 0 for number in numbers)
    assert box.told == sorted(box.told, key=lambda draft: draft.id), "ids are in the order of telling"


def test_presses_are_numbered_and_very_many_are_told_together() -> None:
    box = Box()
    box.read("counted", 10)
    decision = box.take(Reading("counted", 13))
    assert [draft.data["count"] for draft in decision.drafts if draft.type.endswith(BEGINS)] == [11, 12, 13]
    decision = box.take(Reading("counted", 1013))
    assert kinds(decision) == ["repeated", "cleared"]
    assert (decision.drafts[0].data["count"], decision.drafts[0].data["presses"]) == (1013, 1000)
    assert box.read("counted", 1014) == ["repeated", "cleared"]


def test_a_counter_wraps_at_its_own_width() -> None:
    box = Box()
    box.house.points["counted"] = replace(box.house.points["counted"], modulus=1 << 16)
    box.read("counted", 65_535)
    assert box.read("counted", 1) == ["activated", "cleared", "repeated", "cleared"]


def test_counts_from_before_the_first_look_are_no_presses() -> None:
    box = Box()
    assert box.read("counted", 5) == []
    assert box.stored["counted"].state == {"counter": 5}
    box.restart()
    assert box.read("counted", 6) == ["activated", "cleared"], "pressed while the gateway was away"


class LatchStory(RuleBasedStateMachine):
    """A device that holds a short press until its latch is cleared, and a gateway that may die at every step.

    As in runtime/field.py: journalled press -> cleared in the device -> released, which is journalled too. A hand that presses only
    what has returned to normal (the alarm is over, not just the latch clear) is told exactly once; one that presses between the
    device's clearing and the gateway's note of it looks like a hand that never left, and may go untold.
    """

    @initialize()
    def begin(self) -> None:
        self.box = Box()
        self.set = False
        self.stage = ""
        self.press_number = 0  # that is being cleared
        self.unnoted = False  # the device was cleared, the gateway died before it could note that, and has not read the input since
        self.pressed = self.told = self.doubtful = 0

    def poll_once(self, *, commit: bool = True) -> None:
        decision = self.box.take(Reading("latched", self.set, now_s=self.box.now_s), commit=commit)
        if not commit:
            return
        begun = sum(kind in BEGINS for kind in kinds(decision))
        assert begun <= 1
        self.told += begun
        self.unnoted = False
        if decision.release:
            assert self.set
            if not self.stage:
                self.stage, (_, self.press_number) = "release", decision.release[0]

    @rule()
    def press(self) -> None:
        if not self.set:
            self.box.pass_time(HELD_DOWN_S)  # sooner it would be the same hand, still on the button
        self.pressed += not self.set
        self.doubtful += (self.unnoted or self.stage == "cleared") and not self.set
        self.set = True

    @rule()
    def poll(self) -> None:
        self.poll_once()

    @rule()
    def bad_poll(self) -> None:
        assert self.box.read("latched", None, Quality.BAD, "no answer") == []

    @precondition(lambda self: self.stage)
    @rule()
    def go_on(self) -> None:
        if self.stage == "release":
            self.set = False
            self.stage = "cleared"
        else:
            self.box.take(LatchReleased("latched", self.press_number))
            self.stage = ""

    @rule()
    def die(self) -> None:
        if self.stage == "cleared":
            self.unnoted = True
            self.doubtful += self.set  # pressed anew before the clearing was noted
        self.stage = ""
        self.box.restart()

    @rule()
    def die_before_the_commit(self) -> None:
        self.poll_once(commit=False)
        self.die()

    @rule(kind=people)
    def order(self, kind: str) -> None:
        self.box.order(kind, "latched")

    def teardown(self) -> None:
        for _ in range(20):
            self.poll_once()
            if self.stage:
                self.go_on()
        assert not self.set, "in the end the device's latch is clear"
        assert self.pressed - self.doubtful <= self.told <= self.pressed
        assert self.box.state("latched/alarm") not in (State.UNACK, State.ACKED)


TestLatchStory = LatchStory.TestCase
TestLatchStory.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


def test_the_devices_latch_step_by_step() -> None:
    box = Box()
    decision = box.take(Reading("latched", True))
    assert (kinds(decision), decision.release) == (["activated"], [("latched", 1)])
    assert box.stored["latched"].state == {"input": "set", "press": 1}
    box.restart()
    decision = box.take(Reading("latched", True))
    assert (kinds(decision), decision.release) == ([], [("latched", 1)]), "journalled already; still to be cleared"
    assert box.read("latched", True) == [], "not cleared yet"
    decision = box.take(LatchReleased("latched", 1))
    assert decision.latches() == [Latch("latched", {"input": "released", "press": 1})]
    box.restart()
    assert box.read("latched", True) == ["repeated"], "it was cleared: a set latch is a new press"
    assert box.take(LatchReleased("latched", 1)).latches() == [], "a clearing of the press before says nothing about this one"
    box.take(LatchReleased("latched", 2))
    held = box.take(Reading("latched", True, now_s=box.now_s))
    assert (kinds(held), held.release, held.latches()) == ([], [("latched", 3)], []), "the hand stays on the button"
    assert box.take(LatchReleased("latched", 3)).latches() == []
    box.pass_time(HELD_DOWN_S)
    assert box.read("latched", True) == ["repeated"], "pressed again"
    assert box.read("latched", False) == ["cleared"], "found clear before the device's answer was noted"
    assert box.take(LatchReleased("latched", 3)).latches() == []
    assert box.read("latched", False) == []


@given(st.lists(goods | unbelieved | restart, max_size=40))
def test_an_observed_point_tells_each_change(story: list[Any]) -> None:
    box = Box()
    seen: bool | None = None
    for event in story:
        if event == "restart":
            box.restart()
        elif isinstance(event, tuple):
            assert box.read("door", *event) == []
        else:
            told = box.read("door", event)
            assert told == (["changed"] if seen is not None and event != seen else [])
            if told:
                draft = box.told[-1]
                assert (draft.type, draft.priority) == ("campus.access.changed", Priority.ROUTINE)
                assert (draft.data["previous_value"], draft.data["value"]) == (seen, event)
            seen = event


def test_delays_by_ticks() -> None:
    box = Box()
    decision = box.take(Reading("held", True))
    assert (kinds(decision), decision.wake) == ([], [(box.now_s + 5, "held")])
    box.pass_time(4.9)
    assert kinds(box.take(Tick("held"))) == []
    box.pass_time(0.1)
    assert kinds(box.take(Tick("held"))) == ["activated"]
    assert kinds(box.take(Tick("held"))) == []
    box.read("held", False)
    box.pass_time(1.0)
    box.read("held", True)
    box.pass_time(10.0)
    assert kinds(box.take(Tick("held"))) == [], "it did not stay shut long enough to clear"


def test_a_tick_for_a_point_that_was_never_read() -> None:
    assert Box().take(Tick("held")) == Decision()


def test_a_dead_line_holds_the_alarm_and_its_delay_runs_on() -> None:
    box = Box()
    box.read("held", True)
    box.pass_time(3)
    assert box.read("held", None, Quality.BAD, "no answer") == []
    box.pass_time(3)
    assert kinds(box.take(Tick("held"))) == ["activated"], "last seen open, and nothing has said otherwise"
    box.read("panic", True)
    assert box.read("panic", None, Quality.BAD, "no answer") == []
    assert box.state("panic/alarm") is State.UNACK


def test_a_sensor_fault_is_a_fault_of_its_own() -> None:
    box = Box()
    decision = box.take(Reading("panic", None, Quality.BAD, "loop open"))
    (draft,) = decision.drafts
    assert (draft.type, draft.priority, draft.data["status"]) == ("campus.fault.activated", Priority.FAULT, "System")
    assert draft.data["reason"] == "loop open"
    assert box.read("panic", False) == ["cleared"]


def test_a_person_counts_only_outside_hours() -> None:
    box = Box()
    decision = box.take(Reading("person", True))
    assert kinds(decision) == []
    assert decision.wake, "looked at again: the school may close while the person stands there"
    box.pass_time(0.2)
    assert box.take(Reading("person", True)).wake == decision.wake, "five pictures a second ask for one look, not for many"
    box.pass_time(-0.2)
    box.pass_time(90 * 60 - 1)
    assert kinds(box.take(Tick("person"))) == []
    box.pass_time(1)
    assert kinds(box.take(Tick("person"))) == ["activated"], "17:30"
    box.pass_time(3 * 24 * 3600 - 9 * 3600)
    assert SCHOOL_DAYS.is_open(box.at_ms)
    assert kinds(box.take(Tick("person"))) == [], "it began outside hours and ends when the person leaves"
    assert box.read("person", False) == ["cleared"]
    assert box.read("person", True) == []


def test_nobody_is_asked_to_look_again_once_the_answer_is_known() -> None:
    box = Box()
    box.pass_time(3 * 3600)
    decision = box.take(Reading("person", True))
    assert (kinds(decision), decision.wake) == (["activated"], [])


def test_gas_through_both_levels_and_back() -> None:
    box = Box()
    assert box.read("gas", 24.9) == []
    assert box.read("gas", 25.0) == ["activated"]
    assert box.read("gas", 50.0) == ["activated"]
    assert box.told[-1].data["alarm"] == "level2"
    assert box.read("gas", 48.5) == [], "within the deadband"
    assert box.read("gas", 47.9) == ["cleared"]
    assert box.read("gas", 22.9) == ["cleared"]
    assert (box.state("gas/level1"), box.state("gas/level2")) == (State.RTN_UNACK, State.LATCHED_UNACK)
    assert box.order("acknowledge", "gas").ok
    assert (box.state("gas/level1"), box.state("gas/level2")) == (State.NORMAL, State.LATCHED_ACKED)
    assert box.order("reset", "gas/level2").ok
    assert box.state("gas/level2") is State.NORMAL


def test_what_an_alarm_event_says() -> None:
    box = Box()
    decision = box.take(Reading("gas", 60.0, detail={"raw": 6000}))
    first, second = decision.drafts
    assert first.data == {
        "point": "gas",
        "role": "gas_concentration",
        "place": "kitchen",
        "value": 60.0,
        "unit": "%LEL",
        "quality": "good",
        "responsible": "王师傅",
        "external": {"gb28181": "1"},
        "alarm": "level1",
        "alarm_class": "door",
        "state": "unacknowledged",
        "previous_state": "normal",
        "priority": 3,
        "text": {"zh": "报警", "en": "Alarm"},
        "cause": [],
        "incident": None,
        "status": "Actual",
        "msgType": "Alert",
        "urgency": "Immediate",
        "severity": "Moderate",
        "certainty": "Observed",
        "detail": {"raw": 6000},
    }
    assert (first.subject, first.at_ms, first.now_s, first.clock) == ("gas", box.at_ms, box.now_s, "synchronised")
    assert first.id < second.id
    cleared = box.take(Reading("gas", 0.0)).drafts[0]
    assert (cleared.data["cause"], cleared.data["msgType"], cleared.priority) == ([first.id], "Update", Priority.ALARM_UPDATE)


def test_the_pictures_that_led_to_an_alarm_are_in_its_event() -> None:
    box = Box()
    shares = [0.1, 0.2, 0.3, 0.4]
    detail = {"confidence": 0.7, "frames": [{"at_s": box.now_s - 1.0, "score": 0.71, "box": shares}]}
    data = box.take(Reading("gas", 60.0, detail=detail)).drafts[0].data
    assert data["detail"] == {"confidence": 0.7}
    assert data["evidence_frames"] == [{"at": rfc3339(box.at_ms - 1000), "score": 0.71, "box": shares}]


@pytest.mark.parametrize(
    ("kind", "target", "reason"),
    [
        ("acknowledge", "panic", "nothing to acknowledge"),
        ("reset", "panic/alarm", "nothing to reset"),
        ("acknowledge", "panic/level9", 'no alarm "level9"'),
        ("acknowledge", "door", "has no alarms"),
        ("acknowledge", "nowhere", "is not a point"),
        ("acknowledge", "", "is not a point"),
        ("sing", "panic", "is not a command; known: acknowledge, reset, shelve"),
        ("shelve", "panic", "a guard may not shelve"),
        ("", "panic", "is not a command"),
    ],
)
def test_a_refused_command_leaves_one_audit_event_and_nothing_else(kind: str, target: str, reason: str) -> None:
    box = Box()
    before = copy.deepcopy(box.house.alarms)
    decision = box.order(kind, target)
    (audit,) = decision.drafts
    assert not decision.ok
    assert reason in decision.reply
    assert (audit.type, audit.data["result"], audit.data["reason"]) == ("campus.audit.command", "refused", decision.reply)
    assert 0 < len(audit.subject) <= 48
    assert box.house.alarms == before


def test_an_accepted_command_names_who_did_it() -> None:
    box = Box()
    box.read("panic", True)
    assert "still there" in box.order("reset", "panic").reply
    decision = box.order("acknowledge", "panic", by="王芳")
    event, audit = decision.drafts
    assert decision.ok
    assert (event.type, event.data["by"], event.data["state"]) == ("campus.alarm.acknowledged", "王芳", "acknowledged")
    assert event.data["cause"] == [box.told[0].id]
    assert (audit.data["result"], audit.data["by"], audit.data["role"], audit.data["origin"]) == ("accepted", "王芳", "guard", "door")
    assert box.house.alarms["panic/alarm"].by == "王芳"
    assert not box.order("acknowledge", "panic").ok
    box.read("panic", False)
    assert box.order("reset", "panic").ok
    box.read("panic", True)
    assert box.house.alarms["panic/alarm"].by == "", "the new alarm has been taken by nobody"


def test_acknowledging_a_point_leaves_its_quiet_alarms_alone() -> None:
    box = Box()
    box.read("gas", 30.0)
    decision = box.order("acknowledge", "gas")
    assert decision.ok
    assert kinds(decision) == ["acknowledged"]


def test_what_belongs_to_points_that_are_gone_is_left_alone() -> None:
    box = Box()
    box.stored["gone/alarm"] = Latch("gone/alarm", {"state": "unacknowledged", "active": True, "event_id": "", "since_ms": 0, "by": ""})
    box.stored["gone"] = Latch("gone", {"counter": 5})
    box.restart()
    assert "gone/alarm" not in box.house.alarms
    assert "gone" not in box.house.marks


@pytest.mark.parametrize(
    "kept", [{}, {"state": "shelved", "active": True, "event_id": "", "since_ms": 0, "by": ""}, {"state": "normal", "active": 1}]
)
def test_a_record_that_cannot_be_read_begins_the_alarm_anew(kept: dict[str, Value]) -> None:
    box = Box()
    box.read("held", True)
    box.stored["panic/alarm"] = Latch("panic/alarm", kept)
    box.restart()
    assert box.state("panic/alarm") is State.NORMAL
    assert box.read("panic", True) == ["activated"]


readings = st.one_of(
    st.tuples(st.sampled_from(["panic", "held", "latched", "door", "person"]), goods),
    st.tuples(st.just("gas"), st.sampled_from([0.0, 24.0, 25.0, 30.0, 49.0, 55.0])),
    st.tuples(st.just("counted"), st.integers(0, 12)),
    st.tuples(st.sampled_from(sorted(points())), unbelieved),
)
names = st.sampled_from([*sorted(points()), "gas/level2", "panic/signal", "nowhere"])
stories = st.lists(
    readings
    | st.tuples(people, names)
    | st.tuples(st.just("tick"), st.sampled_from(sorted(points())))
    | st.tuples(st.just("wait"), st.sampled_from([0.1, 1.0, 5.0, 3600.0]))
    | st.tuples(st.just("released"), st.just("latched"))
    | st.tuples(restart, st.just("")),
    max_size=40,
)


def play(story: list[tuple[str, Any]]) -> Box:
    box = Box()
    for word, about in story:
        if word == "restart":
            box.restart()
        elif word == "wait":
            box.pass_time(about)
        elif word == "tick":
            box.take(Tick(about))
        elif word == "released":
            box.take(LatchReleased(about, 1))
        elif word in ("acknowledge", "reset"):
            audit = box.order(word, about).drafts[-1]
            assert audit.event_class is EventClass.AUDIT
        elif isinstance(about, tuple):
            box.read(word, *about)
        else:
            box.read(word, about)
    return box


@settings(max_examples=200)
@given(stories)
def test_any_story_plays_the_same_twice_and_can_be_sealed(story: list[tuple[str, Any]]) -> None:
    first, second = play(story), play(story)
    assert first.told == second.told
    assert (first.house.alarms, first.house.marks, first.house.readings) == (second.house.alarms, second.house.marks, second.house.readings)
    assert first.stored == second.stored
    for draft in first.told:
        canonical(dict(draft.data))
    assert len({draft.id for draft in first.told}) == len(first.told)


@settings(max_examples=200)
@given(stories)
def test_the_journal_knows_every_standing_alarm(story: list[tuple[str, Any]]) -> None:
    """After a restart at the end each alarm stands where it stood."""
    box = play(story)
    before = {
        key: (state.state, state.condition.active, state.event_id, state.since_ms, state.by) for key, state in box.house.alarms.items()
    }
    box.restart()
    after = {
        key: (state.state, state.condition.active, state.event_id, state.since_ms, state.by) for key, state in box.house.alarms.items()
    }
    assert after == before
