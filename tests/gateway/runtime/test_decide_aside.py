"""decide(): shelved, suppressed by design, out of service; what they may not do, and what a restart leaves of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.alarm.aside import KEEP_AGAIN_S
from gateway.alarm.machine import ACTIVE, LIVE, State
from gateway.contract.canonical import canonical
from gateway.core.commands import Command, Tick
from gateway.core.ids import EventIds
from gateway.core.points import AlarmSpec, Contact, Draft, EventClass, Latch, NotGood, Point, Priority, Text, While
from gateway.core.reading import Now, Quality, Reading, Value
from gateway.rules.calendar import SchoolCalendar
from gateway.runtime.decide import Decision, House, Stimuli, decide

FRIDAY_16H_MS = round(datetime.fromisoformat("2026-11-20T16:00:00+08:00").timestamp() * 1000)
NEVER_OPEN = SchoolCalendar(ZoneInfo("Asia/Shanghai"), ((),) * 7)
NAME = Text("点", "point")


def alarm(point: str, alarm_class: str = "door", **changes: Any) -> AlarmSpec:
    spec = AlarmSpec(point, "alarm", Contact(), alarm_class, EventClass.ALARM, latching=True, text=Text("报警", "Alarm"))
    return replace(spec, **changes)


def points() -> dict[str, Point]:
    works = While("works", True)
    made = [
        Point("panic", "panic_button", "gate", NAME, alarms=(alarm("panic", "panic"),)),
        Point("forced", "door_forced", "gate", NAME, alarms=(alarm("forced", suppress_while=works),)),
        Point("held", "door_held", "gate", NAME, alarms=(alarm("held", latching=False, suppress_while=works),)),
        Point("lid", "tamper", "gate", NAME, alarms=(alarm("lid", "tamper"),)),
        Point("works", "contact", "gate", NAME, watched=True),
    ]
    return {point.id: point for point in made}


@dataclass
class Box:
    """A gateway without its wires: what its journal holds, the looks it asked for, and a clock that is moved by hand."""

    now_s: float = 1000.0
    at_ms: int = FRIDAY_16H_MS
    clock: str = "synchronised"
    ids: EventIds = field(default_factory=lambda: EventIds(bytes))
    stored: dict[str, Latch] = field(default_factory=dict)
    told: list[Draft] = field(default_factory=list)
    wakes: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, off_s: float = 0.0, *, clock: str = "synchronised") -> None:
        """A new process, with a monotonic clock of its own; only what was stored is left. Ticks are as from Conveyor.start()."""
        self.now_s, self.at_ms, self.clock = 5.0, self.at_ms + round(off_s * 1000), clock
        self.house = House(points(), NEVER_OPEN)
        self.house.restore(self.stored.values())
        self.wakes = {}
        for point in self.house.set_aside():
            self.take(Tick(point))

    def take(self, stimulus: Stimuli) -> Decision:
        decision = decide(self.house, stimulus, Now(self.now_s, self.at_ms, self.clock), self.ids)
        self.house.apply(decision)
        self.told += decision.drafts
        for latch in decision.latches():
            self.stored[latch.key] = Latch(latch.key, json.loads(json.dumps(latch.state)))
        for due_s, point in decision.wake:
            assert due_s > self.now_s, "a look that is due now would spin"
            self.wakes[point] = min(due_s, self.wakes.get(point, due_s))
        for draft in decision.drafts:
            canonical(dict(draft.data))
        return decision

    def pass_time(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.wakes and min(self.wakes.values()) <= end_s:
            due_s, point = min((due_s, point) for point, due_s in self.wakes.items())
            del self.wakes[point]
            self._move(due_s)
            self.take(Tick(point))
        self._move(end_s)

    def _move(self, now_s: float) -> None:
        self.at_ms += round((now_s - self.now_s) * 1000)
        self.now_s = now_s

    def read(self, point: str, value: Value, quality: Quality = Quality.GOOD, reason: str = "") -> list[str]:
        return words(self.take(Reading(point, value, quality, reason, self.now_s)).drafts)

    def order(self, kind: str, target: str, role: str = "technician", **more: Any) -> Decision:
        asked: dict[str, Any] = {"why": "repair", "for_s": 3600.0, "second": "王芳"} | more
        return self.take(Command(kind, target, "李强", role, "door", **asked))

    def state(self, point: str) -> State:
        return self.house.alarms[f"{point}/alarm"].state

    def words(self) -> list[str]:
        """Of all events since the last call."""
        told, self.told = words(self.told), []
        return told


def words(drafts: list[Draft]) -> list[str]:
    return [draft.type.removeprefix("campus.") for draft in drafts if draft.event_class is not EventClass.AUDIT]


def test_a_shelved_alarm_is_recorded_and_not_announced() -> None:
    box = Box()
    assert box.order("shelve", "held").ok
    shelved = box.told[0]
    assert (shelved.type, shelved.priority, shelved.data["state"], shelved.data["by"]) == (
        "campus.alarm.shelved", Priority.ALARM_UPDATE, "shelved", "李强"
    )  # fmt: skip
    assert shelved.data["set_aside"] == {
        "state": "shelved", "live": "normal", "recorded": 0, "by": "李强", "why": "repair", "until": "2026-11-20T09:00:00.000Z"
    }  # fmt: skip
    assert box.read("held", True) == ["observation.recorded"]
    recorded = box.told[-1]
    assert (recorded.event_class, recorded.priority, recorded.data["recorded"]) == (
        EventClass.OBSERVATION,
        Priority.OBSERVATION,
        "activated",
    )
    assert (recorded.data["state"], recorded.data["set_aside"]["live"], recorded.data["set_aside"]["recorded"]) == (
        "shelved",
        "unacknowledged",
        1,
    )
    assert "shelved" in box.order("acknowledge", "held").reply
    assert box.read("held", False) == ["observation.recorded"]
    assert box.read("held", True) == ["observation.recorded"]
    box.words()
    assert box.order("unshelve", "held", "guard").ok
    assert box.words() == ["alarm.unshelved", "alarm.activated"], "a standing condition is announced"
    assert box.state("held") is State.UNACK
    activated = box.house.alarms["held/alarm"]
    assert (activated.by, activated.aside) == ("", None), "taken by nobody yet"


def test_a_shelf_ends_by_itself() -> None:
    box = Box()
    box.order("shelve", "held", for_s=7200.0)
    box.read("held", True)
    box.words()
    box.pass_time(7199.0)
    assert box.words() == []
    box.pass_time(1.0)
    assert (box.words(), box.state("held")) == (["alarm.unshelved", "alarm.activated"], State.UNACK)
    box.order("shelve", "forced")
    box.words()
    box.pass_time(3600.0)
    assert (box.words(), box.state("forced")) == (["alarm.unshelved"], State.NORMAL)
    assert box.take(Tick("forced")).drafts == []


def test_setting_aside_is_no_way_to_reset_a_latched_alarm() -> None:
    box = Box()
    box.read("forced", True)
    box.read("forced", False)
    box.order("shelve", "forced")
    box.pass_time(3600.0)
    assert box.state("forced") is State.LATCHED_UNACK


def test_a_shelf_outlives_the_process() -> None:
    box = Box()
    box.order("shelve", "held", for_s=3600.0)
    box.pass_time(600.0)
    box.restart(off_s=1200.0)
    assert box.state("held") is State.SHELVED
    assert box.house.alarms["held/alarm"].aside is not None
    box.words()
    box.pass_time(1799.0)
    assert box.words() == []
    box.pass_time(1.0)
    assert box.words() == ["alarm.unshelved"]
    assert box.stored["held/alarm"].state == {"state": "normal", "active": False, "event_id": "", "since_ms": 0, "by": ""}


def test_a_shelf_that_ended_while_the_gateway_was_off_ends_at_the_start() -> None:
    box = Box()
    box.order("shelve", "held")
    box.words()
    box.restart(off_s=3601.0)
    assert (box.words(), box.state("held")) == (["alarm.unshelved"], State.NORMAL)


@pytest.mark.parametrize(("clock_then", "clock_now"), [("unknown", "synchronised"), ("synchronised", "unknown"), ("unknown", "unknown")])
def test_with_an_unknown_clock_the_seconds_that_were_left_count(clock_then: str, clock_now: str) -> None:
    box = Box()
    box.clock = clock_then
    box.order("shelve", "held", for_s=3600.0)
    box.pass_time(2 * KEEP_AGAIN_S + 1)
    box.words()
    box.restart(off_s=30 * 24 * 3600.0, clock=clock_now)
    assert box.state("held") is State.SHELVED, "how long it was off is not known"
    box.pass_time(3600.0 - 2 * KEEP_AGAIN_S - 1)
    assert box.words() == []
    box.pass_time(1.0)
    assert box.words() == ["alarm.unshelved"], "what is left is stored again every ten minutes, so restarts do not begin it anew"


def test_a_clock_that_goes_back_does_not_lengthen_a_shelf() -> None:
    box = Box()
    box.order("shelve", "held", for_s=3600.0)
    box.restart(off_s=-365 * 24 * 3600.0)
    box.words()
    box.pass_time(3600.0)
    assert box.words() == ["alarm.unshelved"]


@pytest.mark.parametrize("damage", [{"aside": "normal"}, {"aside": "shelved"}, {"left_s": "soon"}, {"aside": "locked away"}])
def test_a_damaged_record_begins_the_alarm_anew(damage: dict[str, Value]) -> None:
    box = Box()
    box.order("shelve", "held")
    row = {"state": "normal", "active": False, "event_id": "", "since_ms": 0, "by": ""}
    whole = dict(box.stored["held/alarm"].state)
    box.stored["held/alarm"] = Latch("held/alarm", (row if damage == {"aside": "shelved"} else whole) | damage)
    box.restart()
    assert box.state("held") is State.NORMAL
    assert box.read("held", True) == ["alarm.activated"]


def test_marks_of_the_version_before_are_read() -> None:
    box = Box()
    old: dict[str, Value] = {"state": "latched_acknowledged", "active": False, "event_id": "e", "since_ms": 7, "by": "张"}
    box.stored["forced/alarm"] = Latch("forced/alarm", old)
    box.restart()
    alarm = box.house.alarms["forced/alarm"]
    assert (alarm.state, alarm.event_id, alarm.since_ms, alarm.by) == (State.LATCHED_ACKED, "e", 7, "张")
    assert box.order("reset", "forced").ok
    assert box.stored["forced/alarm"].state.keys() == old.keys(), "and the version before can read ours"


def test_suppressed_by_design() -> None:
    box = Box()
    assert box.read("works", True) == ["alarm.suppressed", "alarm.suppressed"]
    assert box.told[-1].data["set_aside"]["why"] == "works shows True"
    assert box.read("works", True) == [], "told once"
    assert box.read("forced", True) == ["observation.recorded"]
    assert "suppressed" in box.order("acknowledge", "forced").reply
    box.words()
    assert box.read("works", False) == ["alarm.unsuppressed", "alarm.activated", "alarm.unsuppressed"]
    assert (box.state("forced"), box.state("held")) == (State.UNACK, State.NORMAL)


def test_what_is_not_known_does_not_suppress() -> None:
    box = Box()
    assert box.read("works", True, Quality.UNCERTAIN, "warm-up") == []
    box.read("works", True)
    assert box.read("works", None, Quality.BAD, "no answer") == ["alarm.unsuppressed", "alarm.unsuppressed"]
    assert box.read("held", True) == ["alarm.activated"]


def test_a_suppression_outlives_the_process_until_its_cause_is_read() -> None:
    box = Box()
    box.read("works", True)
    box.restart()
    assert box.state("held") is State.SUPPRESSED
    assert box.read("works", True) == []
    assert box.read("works", False) == ["alarm.unsuppressed", "alarm.unsuppressed"]


def test_a_shelf_over_a_suppression() -> None:
    box = Box()
    box.read("works", True)
    box.order("shelve", "held")
    assert box.state("held") is State.SHELVED
    box.read("held", True)
    box.words()
    box.pass_time(3600.0)
    assert box.words() == ["alarm.unshelved", "alarm.suppressed"], "not announced in between"
    assert box.read("works", False)[:2] == ["alarm.unsuppressed", "alarm.unsuppressed"]
    assert box.state("held") is State.UNACK


def test_a_panic_button_out_of_service_is_seen_and_heard() -> None:
    box = Box()
    decision = box.order("out_of_service", "panic")
    assert decision.ok
    event, audit = decision.drafts
    assert (event.type, event.data["state"], event.data["out_of_service"]) == ("campus.alarm.out_of_service", "out_of_service", True)
    assert (event.data["set_aside"]["by"], event.data["set_aside"]["second"]) == ("李强", "王芳")
    assert (audit.data["why"], audit.data["second"], audit.data["for_s"]) == ("repair", "王芳", 3600.0)
    assert box.read("panic", True) == ["alarm.activated"], "a press is a press"
    press = box.told[-1]
    assert (press.priority, press.data["out_of_service"], press.data["state"]) == (Priority.URGENT, True, "out_of_service")
    assert box.read("panic", False) == ["alarm.cleared"]
    assert box.read("panic", True) == ["alarm.repeated"]
    assert box.order("acknowledge", "panic").ok
    box.read("panic", False)
    box.words()
    box.pass_time(3600.0)
    assert (box.words(), box.state("panic")) == (["alarm.returned_to_service"], State.LATCHED_ACKED)
    assert box.order("reset", "panic").ok


REFUSED = [
    ("shelve", "panic", {}, "highly managed"),
    ("shelve", "held", {"why": " "}, "needs a reason"),
    ("shelve", "held", {"for_s": 8 * 3600.0 + 1}, "at most 8 h"),
    ("shelve", "held", {"for_s": 0.0}, "at most 8 h"),
    ("shelve", "held", {"for_s": float("nan")}, "at most 8 h"),
    ("shelve", "held", {"role": "guard"}, "a guard may not shelve"),
    ("shelve", "lid", {"role": "duty_leader"}, "needs role technician"),
    ("out_of_service", "held", {"second": ""}, "two different persons"),
    ("out_of_service", "held", {"second": "李 强"}, "two different persons"),
    ("out_of_service", "held", {"for_s": 24 * 3600.0 + 1}, "at most 24 h"),
    ("out_of_service", "panic", {"for_s": 8 * 3600.0 + 1}, "at most 8 h"),
    ("out_of_service", "held", {"role": "viewer"}, "a viewer may not"),
    ("unshelve", "held", {}, "not shelved"),
    ("return_to_service", "panic", {}, "in service"),
]


@pytest.mark.parametrize(("kind", "target", "more", "reason"), REFUSED)
def test_refused(kind: str, target: str, more: dict[str, Any], reason: str) -> None:
    box = Box()
    before = dict(box.house.alarms)
    decision = decide(box.house, command(kind, target, **more), Now(box.now_s, box.at_ms), box.ids)
    assert not decision.ok
    assert reason in decision.reply
    assert [draft.type for draft in decision.drafts] == ["campus.audit.command"]
    assert box.house.alarms == before
    assert not decision.alarms


def command(kind: str, target: str, role: str = "technician", **more: Any) -> Command:
    asked: dict[str, Any] = {"why": "repair", "for_s": 3600.0, "second": "王芳"} | more
    return Command(kind, target, "李强", role, "door", **asked)


def test_tamper_is_left_to_a_technician() -> None:
    box = Box()
    box.read("lid", True)
    box.read("lid", False)
    assert box.order("acknowledge", "lid", "guard").ok
    assert "technician" in box.order("reset", "lid", "guard").reply
    assert "technician" in box.order("reset", "lid", "centre").reply
    assert box.order("reset", "lid", "technician").ok


def test_who_hides_a_part_of_a_point_must_name_it() -> None:
    box = Box()
    level2 = replace(alarm("gas", "gas_high"), name="level2")
    fault = AlarmSpec("gas", "signal", NotGood(), "fault", EventClass.FAULT, True, Text("故障", "Fault"))
    gas = Point("gas", "gas_concentration", "kitchen", NAME, alarms=(alarm("gas", "gas_low"), level2, fault))
    box.house = House({"gas": gas}, NEVER_OPEN)

    def states() -> list[str]:
        return [str(box.house.alarms[spec.key].state) for spec in gas.alarms]

    decision = box.order("shelve", "gas")
    assert (decision.ok, states()) == (False, ["normal"] * 3), "all or nothing"
    assert decision.reply.startswith("gas/level2: ")
    assert box.order("shelve", "gas/alarm").ok
    assert states() == ["shelved", "normal", "normal"]
    assert box.order("out_of_service", "gas").ok
    assert states() == ["out_of_service"] * 3
    assert box.order("return_to_service", "gas").ok
    assert states() == ["normal"] * 3


def test_a_reset_of_a_point_says_what_it_left_out() -> None:
    box = Box()
    fault = AlarmSpec("p", "signal", NotGood(), "fault", EventClass.FAULT, True, Text("故障", "Fault"))
    box.house = House({"p": Point("p", "panic_button", "gate", NAME, alarms=(alarm("p", "panic"), fault))}, NEVER_OPEN)
    box.read("p", True)
    box.read("p", None, Quality.BAD, "sensor fault")
    box.read("p", False)
    assert box.order("acknowledge", "p", "guard").reply == "acknowledge done: p"
    decision = box.order("reset", "p", "guard")
    assert decision.ok
    assert decision.reply.startswith("reset done: p; not signal: a fault alarm is left to a technician")


class AnyStory(RuleBasedStateMachine):
    """Conditions, people, logic, time and restarts in any order: what is there is announced sooner or later, and only then."""

    @initialize()
    def begin(self) -> None:
        self.box = Box()
        self.active = dict.fromkeys(("panic", "forced", "held"), False)
        self.owed: set[str] = set()  # active, and not announced since it became so

    @rule(point=st.sampled_from(["panic", "forced", "held"]), value=st.booleans())
    def read(self, point: str, value: bool) -> None:
        before = self.box.state(point)
        told = self.box.read(point, value)
        rising = value and not self.active[point]
        self.active[point] = value
        if rising and (point == "panic" or before in LIVE):
            assert told[0] in ("alarm.activated", "alarm.repeated")
        elif rising:
            assert told == ["observation.recorded"]
            self.owed.add(point)
        if not value:
            self.owed.discard(point)
        self.note()

    @rule(shown=st.sampled_from([(True, Quality.GOOD), (False, Quality.GOOD), (None, Quality.BAD)]))
    def logic(self, shown: tuple[Value, Quality]) -> None:
        self.box.read("works", shown[0], shown[1], "" if shown[1] is Quality.GOOD else "no answer")
        self.note()

    @rule(
        kind=st.sampled_from(["acknowledge", "reset", "shelve", "unshelve", "out_of_service", "return_to_service"]),
        point=st.sampled_from(["panic", "forced", "held"]),
        for_s=st.sampled_from([1.0, 700.0, 8 * 3600.0]),
    )
    def order(self, kind: str, point: str, for_s: float) -> None:
        before = self.box.house.alarms[f"{point}/alarm"]
        decision = self.box.order(kind, point, for_s=for_s)
        assert decision.drafts[-1].event_class is EventClass.AUDIT
        if not decision.ok:
            assert self.box.house.alarms[f"{point}/alarm"] == before
        if point == "panic" and kind == "shelve":
            assert not decision.ok
        self.note()

    @rule(seconds=st.sampled_from([0.5, 60.0, 900.0, 9 * 3600.0]))
    def wait(self, seconds: float) -> None:
        self.box.pass_time(seconds)
        self.note()

    @rule(off_s=st.sampled_from([0.0, 10.0, 10_000.0]), clock=st.sampled_from(["synchronised", "unknown"]))
    def restart(self, off_s: float, clock: str) -> None:
        before = {key: alarm.live for key, alarm in self.box.house.alarms.items() if alarm.aside is None}
        self.box.restart(off_s, clock=clock)
        for key, live in before.items():
            assert self.box.house.alarms[key].live is live
        self.note()

    def note(self) -> None:
        for draft in self.box.told:
            if draft.type in ("campus.alarm.activated", "campus.alarm.repeated"):
                self.owed.discard(draft.subject)
        self.box.told = []

    @invariant()
    def the_laws_hold(self) -> None:
        for point, active in self.active.items():
            alarm = self.box.house.alarms[f"{point}/alarm"]
            assert (alarm.live in ACTIVE) is active, "it is tracked, set aside or not"
            if alarm.aside is None:
                assert point not in self.owed, "what is there was announced on the way back"
            elif alarm.aside.deadline is not None:
                assert self.box.now_s < alarm.aside.deadline.until_s <= self.box.now_s + 8 * 3600
                assert self.box.wakes[point] <= alarm.aside.deadline.until_s, "nothing is set aside without an end"
        assert self.box.state("panic") not in (State.SHELVED, State.SUPPRESSED)


TestAnyStory = AnyStory.TestCase
TestAnyStory.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
