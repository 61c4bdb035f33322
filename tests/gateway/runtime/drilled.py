"""A school with a few points whose drills, tests and maintenance are played by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.contract.canonical import canonical
from gateway.core.commands import Command, Delivered, Tick
from gateway.core.ids import EventIds
from gateway.core.points import TESTS_POINT, AlarmSpec, Contact, Draft, EventClass, Latch, LoopCut, NotGood, Point, Press, Text
from gateway.core.reading import Now, Quality, Reading, Value
from gateway.rules.calendar import SchoolCalendar
from gateway.rules.incidents import IncidentRules
from gateway.runtime.decide import Decision, House, Stimuli, decide
from gateway.runtime.houses import first_looks
from gateway.runtime.mode_book import ModeBook

FRIDAY_16H_MS = round(datetime.fromisoformat("2026-11-20T16:00:00+08:00").timestamp() * 1000)
TIMETABLE = SchoolCalendar(ZoneInfo("Asia/Shanghai"), ((),) * 7)
NAME = Text("点", "point")
SIGNERS = {"mode": frozenset({"police"}), "alarm": frozenset({"police"})}
HOUR_S = 3600.0


def alarm(point: str, alarm_class: str = "door", **changes: Any) -> AlarmSpec:
    spec = AlarmSpec(point, "alarm", Contact(), alarm_class, EventClass.ALARM, latching=True, text=Text("报警", "Alarm"))
    return replace(spec, **changes)


def points() -> dict[str, Point]:
    fault = {"event_class": EventClass.FAULT, "alarm_class": "fault", "latching": True, "condition": NotGood()}
    cut = alarm("panic", "tamper", name="tamper", condition=LoopCut())
    button = alarm("hall", "panic", condition=Press())
    made = [
        Point("panic", "panic_button", "gate", NAME, alarms=(alarm("panic", "panic"), cut), test_every_days=92),
        Point("hall", "panic_button", "hall", NAME, kind="counter", alarms=(button,), test_every_days=92),
        Point("fire", "fire_alarm", "hall", NAME, alarms=(alarm("fire", "fire"),)),
        Point("held", "door_held", "gate", NAME, alarms=(alarm("held", latching=False), alarm("held", name="fault", **fault))),
        Point("heat", "measurement", "hall", NAME),
        Point(
            TESTS_POINT, "tests_due", "gate", NAME, kind="rule", system=True,
            alarms=(AlarmSpec(TESTS_POINT, "due", Contact(), "duty", EventClass.DUTY, False, Text("逾期", "Overdue")),),
        ),
    ]  # fmt: skip
    return {point.id: point for point in made}


@dataclass
class School:
    """What its journal holds, the looks it asked for, and a clock that is moved by hand. The centre signs at once while `signs`."""

    signers: dict[str, frozenset[str]] = field(default_factory=lambda: SIGNERS)
    signs: bool = True
    now_s: float = 5.0
    at_ms: int = FRIDAY_16H_MS
    clock: str = "synchronised"
    ids: EventIds = field(default_factory=lambda: EventIds(bytes))
    stored: dict[str, Latch] = field(default_factory=dict)
    told: list[Draft] = field(default_factory=list)
    everything: list[Draft] = field(default_factory=list)
    wakes: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.restart()
        self.read("hall", 0)

    def restart(self, off_s: float = 0.0, *, clock: str = "synchronised") -> None:
        """A new process with a monotonic clock of its own; only what was stored is left. Without a clock its wall time stands still."""
        self.now_s, self.clock = 5.0, clock
        self.at_ms += round(off_s * 1000) if clock != "unknown" else 0
        self.house = House(points(), TIMETABLE, modes=ModeBook(self.signers), incident_rules=IncidentRules())
        self.house.restore(self.stored.values())
        self.wakes = {}
        for name in first_looks(self.house):
            self.take(Tick(name))

    def now(self) -> Now:
        return Now(self.now_s, self.at_ms, self.clock)

    def take(self, stimulus: Stimuli) -> Decision:
        decision = decide(self.house, stimulus, self.now(), self.ids)
        self.house.apply(decision)
        self.told += decision.drafts
        self.everything += decision.drafts
        for latch in decision.latches():
            self.stored[latch.key] = Latch(latch.key, json.loads(json.dumps(latch.state)))
        for due_s, point in decision.wake:
            assert due_s > self.now_s, f"{point}: a look that is due now would spin"
            self.wakes[point] = min(due_s, self.wakes.get(point, due_s))
        for draft in decision.drafts:
            canonical(dict(draft.data))
            if self.signs and draft.event_class in (EventClass.ALARM, EventClass.MODE):
                self.sign(draft.id)
        return decision

    def sign(self, event_id: str, by: str = "police", step: str = "received") -> None:
        self.take(Delivered(event_id, "broker_acked"))
        if self.signers:
            self.take(Delivered(event_id, step, by))

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

    def read(self, point: str, value: Value, quality: Quality = Quality.GOOD, reason: str = "") -> list[Draft]:
        return self.take(Reading(point, value, quality, reason, self.now_s)).drafts

    def press(self, point: str = "panic") -> list[Draft]:
        """Once, and let go. Returns what was told of its alarm."""
        if self.house.points[point].kind == "counter":
            self.counts[point] = self.counts.get(point, 0) + 1
            drafts = self.read(point, self.counts[point])
        else:
            drafts = self.read(point, True) + self.read(point, False)
        return [draft for draft in drafts if draft.type.startswith(("campus.alarm.activated", "campus.alarm.repeated"))]

    def ask(self, kind: str, target: str = "", role: str = "technician", **more: Any) -> Decision:
        asked: dict[str, Any] = {"why": "repair", "for_s": 600.0 if kind == "start_test" else HOUR_S} | more
        return self.take(Command(kind, target, "李强", role, "door", **asked))

    def drill(self, *listed: str, for_s: float = HOUR_S) -> None:
        """One that has begun."""
        assert self.ask("start_drill", "fire", points=listed or ("panic", "hall"), for_s=for_s, value="0").ok
        self.pass_time(0.1)
        assert any(run.begun for run in self.house.modes.runs)

    def settle(self, point: str) -> None:
        """Acknowledge and reset."""
        for kind in ("acknowledge", "reset"):
            self.ask(kind, point)

    def words(self, *, but: tuple[str, ...] = ("audit", "incident")) -> list[str]:
        """Of all events since the last call."""
        told, self.told = [draft.type.removeprefix("campus.") for draft in self.told], []
        return [word for word in told if word.split(".")[0] not in but]


def last(drafts: list[Draft], word: str) -> dict[str, Any]:
    """Data of the newest event of this type."""
    return next(draft.data for draft in reversed(drafts) if draft.type == f"campus.{word}")
