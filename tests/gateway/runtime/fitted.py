"""A house with outputs, a door and a power supply, and a field that does as it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.commands import Command, Tick
from gateway.core.doors import Card, DoorSpec, PowerSpec
from gateway.core.ids import EventIds
from gateway.core.outputs import Confirm, OutputDone, OutputOrder, OutputSpec
from gateway.core.points import AlarmSpec, Contact, Draft, EventClass, Latch, NotGood, Point, Text
from gateway.core.reading import Now, Quality, Reading, Value
from gateway.rules.calendar import SchoolCalendar
from gateway.runtime.decide import Decision, House, Stimuli, decide
from gateway.runtime.fittings import Fittings

FRIDAY_16H_MS = round(datetime.fromisoformat("2026-11-20T16:00:00+08:00").timestamp() * 1000)
TEACHER, STRANGER = "11aa22bb33cc44dd", "0123456789abcdef"
NAME = Text("东门", "East door")
TIMETABLE = SchoolCalendar(ZoneInfo("Asia/Shanghai"), ((),) * 7)


def _alarm(point: str, name: str = "alarm", **changes: Any) -> AlarmSpec:
    settings = {"condition": Contact(), "alarm_class": "door", "event_class": EventClass.ALARM, "latching": True} | changes
    return AlarmSpec(point, name, text=Text("报警", "Alarm"), **settings)


_FAULT: dict[str, Any] = {"event_class": EventClass.FAULT, "alarm_class": "fault", "latching": False}
POINTS = {
    point.id: point
    for point in (
        Point("board", "device_link", "gate", NAME, alarms=(_alarm("board", "fault", **_FAULT),), system=True),
        Point("sound", "contact", "gate", NAME, watched=True),
        Point("contact", "door_contact", "gate", NAME, observe=True, observe_class=EventClass.ACCESS, watched=True),
        Point("exit", "request_to_exit", "gate", NAME, watched=True),
        Point("card", "card_reader", "gate", NAME, kind="card", watched=True),
        Point("battery", "battery_low", "gate", NAME, alarms=(_alarm("battery", "fault", **_FAULT),), watched=True),
        Point("mains", "mains_fail", "gate", NAME, watched=True),
        Point("siren", "output", "gate", NAME, kind="output", alarms=(_alarm("siren", "fault", condition=NotGood(), **_FAULT),)),
        Point("lock", "output", "gate", NAME, kind="output", alarms=(_alarm("lock", "fault", condition=NotGood(), **_FAULT),)),
        Point("east-forced", "door_forced", "gate", NAME, alarms=(_alarm("east-forced"),)),
        Point("east-held", "door_held", "gate", NAME, alarms=(_alarm("east-held", latching=False),)),
        Point("east-denied", "door_denied", "gate", NAME, alarms=(_alarm("east-denied", latching=False),)),
    )
}
OUTPUTS = {
    "siren": OutputSpec("siren", "siren", "gate", Text("警号", "siren"), "board", "do1", confirm=Confirm("sound", True, False, 2.0)),
    "lock": OutputSpec("lock", "lock", "gate", Text("门锁", "lock"), "board", "do2"),
}
DOOR = DoorSpec(
    "east", "gate", NAME, contact="contact", card="card", request_to_exit="exit", lock="lock", held_s=20.0, cards={TEACHER: Card("王芳")}
)
POWER = PowerSpec("battery", "mains", shutdown_after_s=60.0, poweroff=True)


@dataclass
class Fitted:
    """The house with a clock that is moved by hand; looks that were asked for are taken when their time comes."""

    now_s: float = 1000.0
    ids: EventIds = field(default_factory=lambda: EventIds(bytes))
    told: list[Draft] = field(default_factory=list)
    stored: dict[str, Latch] = field(default_factory=dict)
    orders: list[OutputOrder] = field(default_factory=list)
    wakes: dict[str, float] = field(default_factory=dict)
    shutdown: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A new process: only what was stored is left."""
        self.house = House(POINTS, TIMETABLE, fittings=Fittings(OUTPUTS, {"east": DOOR}, POWER))
        self.house.restore(self.stored.values())
        self.wakes = {}
        self.orders = []

    def take(self, stimulus: Stimuli) -> Decision:
        """Decide and take over, as the conveyor does."""
        now = Now(self.now_s, FRIDAY_16H_MS + round((self.now_s - 1000) * 1000))
        decision = decide(self.house, stimulus, now, self.ids)
        self.house.apply(decision)
        self.told += decision.drafts
        self.stored |= {latch.key: latch for latch in decision.latches()}
        self.orders += decision.outputs
        if decision.shutdown:
            self.shutdown.append(decision.shutdown)
        for due_s, point in decision.wake:
            assert due_s > self.now_s
            if self.wakes.get(point, due_s + 1) > due_s:
                self.wakes[point] = due_s
        return decision

    def read(self, point: str, value: Value, quality: Quality = Quality.GOOD, reason: str = "") -> Decision:
        return self.take(Reading(point, value, quality, reason, self.now_s))

    def order(self, output: str, value: str) -> Decision:
        return self.take(Command("output", output, "李", "guard", "door", value))

    def answer(self, failure: str = "") -> Decision:
        """The oldest order is done, or has failed."""
        order = self.orders.pop(0)
        return self.take(OutputDone(order.output, order.number, failure))

    def pass_time(self, seconds: float) -> None:
        """In steps from one look to the next; only the earliest look of a point counts, as in the conveyor."""
        end_s = self.now_s + seconds
        while self.wakes and min(self.wakes.values()) <= end_s:
            due_s, point = min((due_s, point) for point, due_s in self.wakes.items())
            del self.wakes[point]
            self.now_s = due_s
            self.take(Tick(point))
        self.now_s = end_s

    def kinds(self) -> list[str]:
        """Types of all events so far, without `campus.`; forgets them."""
        kinds = [draft.type.removeprefix("campus.") for draft in self.told]
        self.told = []
        return kinds
