"""A house with a few outputs and linkages, and a board that obeys, goes away, comes back and loses its power."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.commands import Command, Delivered, Tick
from gateway.core.ids import EventIds
from gateway.core.linkage import LinkageSpec, OnAlarm, Switch
from gateway.core.outputs import OutputDone, OutputOrder, OutputSpec
from gateway.core.points import AlarmSpec, Contact, Draft, EventClass, Latch, NotGood, Point, Text
from gateway.core.reading import Now, Quality, Reading, Value
from gateway.core.school_days import SchoolDays
from gateway.rules.calendar import SchoolCalendar
from gateway.runtime.decide import Decision, House, Stimuli, decide
from gateway.runtime.decide_school import SCHOOL_TICK
from gateway.runtime.fittings import Fittings
from gateway.runtime.school import School

NAME = Text("东门", "East gate")
TUESDAY_7H = datetime.fromisoformat("2026-09-01T07:00:00+08:00").timestamp()
SPANS = (((420, 480),),) * 5 + ((),) * 2  # 07:00-08:00, Monday to Friday
LESSONS = (((480, 720),),) * 5 + ((),) * 2
CALENDAR = SchoolCalendar(ZoneInfo("Asia/Shanghai"), LESSONS, SchoolDays(arrival=SPANS))


def alarm(point: str, name: str = "alarm", **changes: Any) -> AlarmSpec:
    """An alarm of a contact."""
    given: dict[str, Any] = {"condition": Contact(), "alarm_class": "door", "event_class": EventClass.ALARM, "latching": True} | changes
    return AlarmSpec(point, name, text=Text("报警", "Alarm"), **given)


def output(name: str, kind: str = "siren", **changes: Any) -> OutputSpec:
    """An output of the board."""
    return OutputSpec(name, kind, "gate", Text(name, name), "board", name, **changes)


def _output_point(name: str) -> Point:
    fault = alarm(name, "fault", condition=NotGood(), alarm_class="fault", event_class=EventClass.FAULT, latching=False, on_delay_s=5.0)
    return Point(name, "output", "gate", NAME, kind="output", alarms=(fault,))


def linkage(name: str, alarms: str | tuple[str, ...], *outputs: str, **changes: Any) -> LinkageSpec:
    """When one of these points gives alarm, the outputs go on."""
    keys = frozenset(f"{point}/alarm" for point in ([alarms] if isinstance(alarms, str) else alarms))
    given: dict[str, Any] = {"effects": tuple(Switch(each) for each in outputs), "cause": OnAlarm(keys)} | changes
    return LinkageSpec(name, Text(name, name), **given)


@dataclass
class Linked:
    """The house, its board and its clock. on: what the board's outputs really do."""

    rules: Iterable[Any]
    outputs: tuple[OutputSpec, ...] = (output("siren"), output("strobe", "strobe"), output("lamp", "lamp"))
    now_s: float = 1000.0
    clock: str = "synchronised"
    away: bool = False
    failing: frozenset[str] = frozenset()
    told: list[Draft] = field(default_factory=list)
    stored: dict[str, Latch] = field(default_factory=dict)
    on: dict[str, bool] = field(default_factory=dict)
    changes: list[tuple[float, str, bool]] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    writes: int = 0

    def __post_init__(self) -> None:
        self.rules, self._ids = list(self.rules), EventIds(bytes)
        self._start_s = self.now_s
        buttons = [Point(name, "panic_button", "gate", NAME, alarms=(alarm(name, alarm_class="panic"),)) for name in ("a", "b")]
        door = Point("door", "contact", "gate", NAME, alarms=(alarm("door", latching=False),))
        key = Point("key", "contact", "gate", NAME, watched=True)
        link = Point("board", "device_link", "gate", NAME, system=True)
        points = [*buttons, door, key, link, *(_output_point(spec.id) for spec in self.outputs)]
        self.points = {point.id: point for point in points}
        self.on = {spec.id: False for spec in self.outputs}
        self.start()

    def start(self, off_s: float = 0.0, clock: str = "synchronised") -> None:
        """A new process: only what was stored is left. off_s: how long the gateway was without power."""
        self.now_s += off_s
        self.clock = clock
        fittings = Fittings({spec.id: spec for spec in self.outputs})
        self.house = House(self.points, CALENDAR, fittings=fittings, school=School.of(self.rules), cameras=frozenset({"eye"}))
        self.house.restore(self.stored.values())
        self.wakes: dict[str, float] = {SCHOOL_TICK: self.now_s}
        self.orders: list[OutputOrder] = []
        self.read("board", self.away)
        self.read("key", False)
        self.pass_time(5.0)

    def take(self, stimulus: Stimuli) -> Decision:
        """Decide and take over, as the conveyor does; the board then does what it was told."""
        now = Now(self.now_s, round((TUESDAY_7H + self.now_s - self._start_s) * 1000), self.clock)
        decision = decide(self.house, stimulus, now, self._ids)
        self.house.apply(decision)
        self.told += decision.drafts
        self.stored |= {latch.key: Latch(latch.key, json.loads(json.dumps(latch.state))) for latch in decision.latches()}
        self.pictures += [picture.camera for picture in decision.snapshots]
        for due_s, point in decision.wake:
            assert due_s > self.now_s, point
            self.wakes[point] = min(due_s, self.wakes.get(point, due_s))
        for order in decision.outputs:
            self._write(order)
        return decision

    def _write(self, order: OutputOrder) -> None:
        self.writes += 1
        failure = "no answer" if self.away or order.output in self.failing else ""
        if not failure and self.on[order.output] is not order.on:
            self.on[order.output] = order.on
            self.changes.append((self.now_s, order.output, order.on))
        self.take(OutputDone(order.output, order.number, failure))

    def read(self, point: str, value: Value, quality: Quality = Quality.GOOD) -> Decision:
        return self.take(Reading(point, value, quality, "" if quality is Quality.GOOD else "no answer", self.now_s))

    def press(self, point: str) -> None:
        """A button is pressed and let go; a second press needs no release in between."""
        self.read(point, True)
        self.read(point, False)

    def command(self, kind: str, target: str = "", value: str = "") -> Decision:
        return self.take(Command(kind, target, "李", "duty_leader", "page", value, why="test", for_s=600.0, second="王"))

    def news(self, point: str, step: str) -> None:
        """The alarm of a point has got further."""
        self.take(Delivered(self.house.alarms[f"{point}/alarm"].event_id, step, "police"))

    def leave(self) -> None:
        """The board no longer answers."""
        self.away = True
        self.read("board", True)

    def come_back(self, *, reset: bool) -> None:
        """The board answers again. reset: it was without power, and its outputs are off."""
        self.away = False
        if reset:
            self.on = dict.fromkeys(self.on, False)
        self.read("board", False)

    def pass_time(self, seconds: float) -> None:
        """In steps from one look to the next; only the earliest look of a name counts, as in the conveyor."""
        end_s = self.now_s + seconds
        while self.wakes and min(self.wakes.values()) <= end_s:
            due_s, point = min((due_s, point) for point, due_s in self.wakes.items())
            del self.wakes[point]
            self.now_s = max(due_s, self.now_s)
            self.take(Tick(point))
        self.now_s = end_s

    def sounding(self) -> set[str]:
        """Outputs that are really on."""
        return {name for name, on in self.on.items() if on}
