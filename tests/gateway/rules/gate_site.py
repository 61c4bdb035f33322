"""A house with the rules of one gate on a Tuesday, and a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.config.resolve_gates import FORCED_DELAY_S
from gateway.config.roles_rules import RULE_ROLES, rule_point
from gateway.core.commands import Tick
from gateway.core.ids import EventIds
from gateway.core.outputs import OutputDone, OutputOrder, OutputSpec
from gateway.core.points import Draft, Latch, Point, Text
from gateway.core.reading import Now, Quality, Reading, Value
from gateway.core.school_days import SchoolDays
from gateway.rules.calendar import SchoolCalendar
from gateway.rules.rule import Why
from gateway.runtime.decide import Stimuli, decide
from gateway.runtime.decide_house import Decision, House, Turn
from gateway.runtime.decide_school import SCHOOL_TICK, view
from gateway.runtime.fittings import Fittings
from gateway.runtime.school import School

NAME = Text("南门", "South gate")
LESSONS = ((480, 710), (830, 1020))
DAYS = SchoolDays(arrival=(((440, 480), (800, 830)),) * 7, dismissal=(((710, 740), (1020, 1060)),) * 7)
CALENDAR = SchoolCalendar(ZoneInfo("Asia/Shanghai"), (LESSONS,) * 7, DAYS)
LOOP = Point("loop", "loop_clear", "gate", NAME, watched=True)


def at_ms(clock: str) -> int:
    """UTC milliseconds of a time of the school's Tuesday."""
    return round(datetime.fromisoformat(f"2026-09-01T{clock}+08:00").timestamp() * 1000)


def bollard(output: str) -> OutputSpec:
    return OutputSpec(output, "bollard", "gate", NAME, "board", output, safe=None, pulse_s=1.0, loop_clear="loop")


@dataclass
class GateSite:
    """specs: the rules; roles: of their points by id. Looks that were asked for are taken when their time comes."""

    specs: tuple[Any, ...]
    roles: dict[str, str]
    begin: str = "10:00:00"
    clock: str = "synchronised"
    outputs: tuple[str, ...] = ()
    now_s: float = 1000.0
    told: list[Draft] = field(default_factory=list)
    stored: dict[str, Latch] = field(default_factory=dict)
    orders: list[OutputOrder] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ids = EventIds(bytes)
        self.begin_ms = at_ms(self.begin)
        self.restart()

    def restart(self) -> None:
        """A new process: only what was stored is left. The school's clock is looked at first, as in the conveyor."""
        rules = School.of(self.specs)
        watched = {point for rule in rules.rules.values() for point in rule.points} - {*self.roles, *self.outputs}
        points = {point: Point(point, "door_contact", "gate", NAME, watched=True) for point in sorted(watched)}
        points |= {point: _rule_point(point, role) for point, role in self.roles.items()}
        points |= {output: Point(output, "output", "gate", NAME, kind="output") for output in self.outputs}
        fittings = Fittings({output: bollard(output) for output in self.outputs}, {}, None)
        self.house = House(points | {"loop": LOOP}, CALENDAR, fittings=fittings, school=rules)
        self.house.restore(self.stored.values())
        self.wakes: dict[str, float] = {}
        self.take(Tick(SCHOOL_TICK))

    @property
    def now(self) -> Now:
        return Now(self.now_s, self.begin_ms + round((self.now_s - 1000) * 1000), self.clock)

    def take(self, stimulus: Stimuli) -> Decision:
        decision = decide(self.house, stimulus, self.now, self.ids)
        self.house.apply(decision)
        self.told += decision.drafts
        self.stored |= {latch.key: latch for latch in decision.latches()}
        self.orders += decision.outputs
        for due_s, point in decision.wake:
            assert due_s > self.now_s, f"{point}: a look that is due now would spin"
            self.wakes[point] = min(due_s, self.wakes.get(point, due_s))
        return decision

    def read(self, point: str, value: Value) -> None:
        self.take(Reading(point, value, now_s=self.now_s))

    def lose(self, point: str, reason: str = "wiring fault") -> None:
        self.take(Reading(point, None, Quality.BAD, reason, self.now_s))

    def obey(self) -> None:
        """Every write that was ordered is done."""
        while self.orders:
            order = self.orders.pop(0)
            self.take(OutputDone(order.output, order.number))

    def pass_time(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.wakes and min(self.wakes.values()) <= end_s:
            due_s, point = min((due_s, point) for point, due_s in self.wakes.items())
            del self.wakes[point]
            self.now_s = due_s
            self.take(Tick(point))
        self.now_s = end_s

    def until(self, clock: str) -> None:
        self.pass_time((at_ms(clock) - self.now.at_ms) / 1000)

    def shows(self, point: str) -> Value:
        reading = self.house.readings[point]
        return str(reading.quality) if reading.value is None else reading.value

    def events(self) -> list[str]:
        """`subject type` of all alarms and faults so far; forgets them."""
        told = [f"{draft.subject} {draft.type.removeprefix('campus.')}" for draft in self.told if draft.event_class in ("alarm", "fault")]
        self.told = []
        return [line for line in told if "incident" not in line]

    def why(self, point: str) -> list[Why]:
        """What all rules say about a point now."""
        seen = view(Turn(self.house, self.now, self.ids, Decision()))
        return list(_whys(self.house, point, seen))


def _rule_point(point_id: str, role: str) -> Point:
    """As resolve_gates makes it."""
    point = rule_point(point_id, RULE_ROLES[role], "gate", NAME)
    if role != "anti_ram_forced":
        return point
    return replace(point, alarms=tuple(replace(alarm, on_delay_s=FORCED_DELAY_S) for alarm in point.alarms))


def _whys(house: House, point: str, seen: Any) -> Iterable[Why]:
    for rule in house.school.rules.values():
        yield from rule.explain(house.school.states[rule.id], point, seen)
