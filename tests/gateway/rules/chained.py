"""A house with rules of chains in it, a clock that is moved by hand, and power cuts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.commands import Command, Tick
from gateway.core.ids import EventIds
from gateway.core.linkage import Picture
from gateway.core.points import AlarmSpec, Contact, Draft, EventClass, Latch, Point, Text
from gateway.core.reading import Now, Reading, Value
from gateway.rules.calendar import SchoolCalendar
from gateway.rules.incidents import IncidentRules
from gateway.runtime.decide import Decision, House, Stimuli, decide
from gateway.runtime.decide_house import PICTURES
from gateway.runtime.decide_school import SCHOOL_TICK
from gateway.runtime.school import School

BEGIN_MS = round(datetime.fromisoformat("2026-11-20T16:00:00+08:00").timestamp() * 1000)
NAME = Text("校门", "gate")
TIMETABLE = SchoolCalendar(ZoneInfo("Asia/Shanghai"), ((),) * 7)


def point(point_id: str, event_class: EventClass = EventClass.ALARM, **changes: Any) -> Point:
    """A contact with one alarm."""
    settings = {"condition": Contact(), "alarm_class": "panic", "event_class": event_class, "latching": True} | changes
    return Point(point_id, "contact", "gate", NAME, alarms=(AlarmSpec(point_id, "alarm", text=NAME, **settings),))


@dataclass
class Chained:
    """points, specs: what the site has. told: all events so far. now_s: monotonic seconds of a clock that a restart does not set back."""

    points: Sequence[Point]
    specs: Sequence[Any]
    cameras: frozenset[str] = frozenset()
    clock: str = "synchronised"
    now_s: float = 1000.0
    ids: EventIds = field(default_factory=lambda: EventIds(bytes))
    told: list[Draft] = field(default_factory=list)
    stored: dict[str, Latch] = field(default_factory=dict)
    wanted: list[Picture] = field(default_factory=list)
    stores: int = 0

    def __post_init__(self) -> None:
        self._ran_s = 0.0  # what the process's own clock is ahead of or behind `now_s`
        self._start()

    def _start(self) -> None:
        self.house = House(
            {p.id: p for p in self.points},
            TIMETABLE,
            school=School.of(self.specs),
            cameras=self.cameras,
            incident_rules=IncidentRules(),
        )
        self.house.restore(self.stored.values())
        self._wakes: dict[str, float] = {}
        for name in (PICTURES, SCHOOL_TICK):
            self.take(Tick(name))

    def restart(self, off_s: float = 0.0) -> None:
        """The power is cut and comes back; the new process counts its seconds from another beginning."""
        self.now_s += off_s
        self._ran_s += 7777.0
        self._start()

    def now(self) -> Now:
        return Now(self.now_s + self._ran_s, BEGIN_MS + round((self.now_s - 1000) * 1000), self.clock)

    def take(self, stimulus: Stimuli) -> Decision:
        decision = decide(self.house, stimulus, self.now(), self.ids)
        self.house.apply(decision)
        self.told += decision.drafts
        self.wanted += decision.snapshots
        latches = decision.latches()
        self.stores += bool(latches or decision.drafts)
        self.stored |= {latch.key: replace(latch, state=json.loads(json.dumps(latch.state))) for latch in latches}
        for due_s, name in decision.wake:
            assert due_s > self.now().now_s, "a look that is due now would spin"
            self._wakes[name] = min(due_s - self._ran_s, self._wakes.get(name, float("inf")))
        return decision

    def show(self, point: str, value: Value) -> Decision:
        return self.take(Reading(point, value, now_s=self.now().now_s))

    def press(self, point: str) -> None:
        self.show(point, True)
        self.show(point, False)

    def do(self, kind: str, target: str = "", by: str = "李", role: str = "duty_leader", **words: Any) -> Decision:
        return self.take(Command(kind, target, by, role, words.pop("origin", "door"), **words))

    def wait(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self._wakes and min(self._wakes.values()) <= end_s:
            name = min(self._wakes, key=lambda each: self._wakes[each])
            self.now_s = max(self.now_s, self._wakes.pop(name))
            self.take(Tick(name))
        self.now_s = end_s

    def said(self, kind: str) -> list[Draft]:
        """All events of this type (without `campus.`) so far."""
        return [draft for draft in self.told if draft.type == f"campus.{kind}"]
