"""What decide() knows and what it answers: the house's state, one decision, and one decision in the making."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from gateway.alarm.aside import Aside
from gateway.alarm.chatter import HAND_BEGINNINGS, Chatter
from gateway.alarm.condition import Delayed
from gateway.alarm.machine import LIVE, State
from gateway.alarm.measures import Measures
from gateway.alarm.trend import Trace
from gateway.core.outputs import OutputOrder
from gateway.core.points import AlarmSpec, Chattering, Confirmed, Draft, Latch, Point, Press, Rise, Stuck
from gateway.core.reading import Now, Reading, Value
from gateway.rules.timetable import Timetable
from gateway.runtime.fittings import Change, Fittings

Ids = Callable[[int], str]

_IDLE = Delayed()
_CALM, _HAND = Chatter(), Chatter(least=HAND_BEGINNINGS)


@dataclass(frozen=True, slots=True)
class AlarmState:
    """Where one alarm stands. live: A to F; aside: what lies over it. event_id: its last activation; since_ms: when that was.

    begun: it was judged in this run. excused: it was found so at the start, which is no alarm for now (only with such a boot rule).
    """

    live: State = State.NORMAL
    condition: Delayed = _IDLE
    event_id: str = ""
    since_ms: int = 0
    by: str = ""
    aside: Aside | None = None
    begun: bool = False
    excused: bool = False

    @property
    def state(self) -> State:
        """The state that people are told."""
        return self.live if self.aside is None else self.aside.state

    def row(self) -> dict[str, Value]:
        """For the journal. What was there before alarms could be set aside keeps its names."""
        row: dict[str, Value] = {
            "state": str(self.live),
            "active": self.condition.active,
            "event_id": self.event_id,
            "since_ms": self.since_ms,
            "by": self.by,
        }
        return row | self.aside.row() if self.aside else row

    @classmethod
    def read(cls, row: dict[str, Value]) -> AlarmState:
        """From the journal. Raises KeyError, ValueError or TypeError for a damaged row."""
        active, live = bool(row["active"]), State(str(row["state"]))
        if live not in LIVE:
            raise ValueError(f"{live} lies over another state")
        return cls(live, Delayed(active, active), str(row["event_id"]), int(row["since_ms"] or 0), str(row["by"]), Aside.read(row))


@dataclass(slots=True)
class House:
    """Everything that is known now. marks: what a point must remember (counter, observed value, input latch).

    suppressed_by: point -> the alarms that are suppressed while it shows something. confirms: alarm -> those that ask for several
    of its kind. capped: alarms that are told once a minute while they chatter. traced: point -> seconds of its past that are needed.
    """

    points: dict[str, Point]
    timetable: Timetable
    readings: dict[str, Reading] = field(default_factory=dict)
    alarms: dict[str, AlarmState] = field(default_factory=dict)
    marks: dict[str, dict[str, Value]] = field(default_factory=dict)
    fittings: Fittings = field(default_factory=Fittings)
    traces: dict[str, Trace] = field(default_factory=dict)
    chatters: dict[str, Chatter] = field(default_factory=dict)
    measures: Measures = field(default_factory=Measures)
    suppressed_by: dict[str, list[tuple[Point, AlarmSpec]]] = field(init=False, default_factory=dict)
    confirms: dict[str, list[tuple[Point, AlarmSpec]]] = field(init=False, default_factory=dict)
    capped: set[str] = field(init=False, default_factory=set)
    traced: dict[str, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for point in self.points.values():
            for spec in point.alarms:
                self.alarms.setdefault(spec.key, AlarmState())
                self._index(point, spec)

    def _index(self, point: Point, spec: AlarmSpec) -> None:
        if spec.suppress_while is not None:
            self.suppressed_by.setdefault(spec.suppress_while.point, []).append((point, spec))
        match spec.condition:
            case Confirmed(alarms):
                for key in alarms:
                    self.confirms.setdefault(key, []).append((point, spec))
            case Chattering():
                self.capped |= {other.key for other in point.alarms if not isinstance(other.condition, Chattering | Press)}
            case Rise() | Stuck() as trend:
                window_s = trend.window_s if isinstance(trend, Rise) else 0.0
                self.traced[point.id] = max(window_s, self.traced.get(point.id, 0.0))

    def restore(self, latches: Iterable[Latch]) -> None:
        """Take over what the journal kept; what belongs to points no longer in the site file is left alone."""
        for latch in latches:
            if latch.key in self.alarms:
                try:
                    self.alarms[latch.key] = AlarmState.read(latch.state)
                except (KeyError, ValueError, TypeError):
                    continue  # damaged, or of a newer version: begun anew, and a cause that still stands is told again
            elif latch.key in self.fittings.doors:
                self.fittings.restore(latch.key, latch.state)
            elif latch.key in self.points:
                self.marks[latch.key] = dict(latch.state)

    def set_aside(self) -> list[str]:
        """Points with an alarm that is set aside; after `restore` each of them wants a Tick, or its end would not come."""
        return [point.id for point in self.points.values() if any(self.alarms[spec.key].aside for spec in point.alarms)]

    def apply(self, decision: Decision) -> None:
        """Take over a decision."""
        for reading in (decision.reading, *decision.derived):
            if reading is not None:
                self.readings[reading.point] = reading
        self.fittings.apply(decision.fittings)
        self.alarms.update(decision.alarms)
        self.marks.update(decision.marks)
        self.traces.update(decision.traces)
        self.chatters.update(decision.chatters)
        for point, now_s in decision.announced:
            self.measures.add(point, now_s)


@dataclass(slots=True)
class Decision:
    """What follows from one stimulus.

    drafts: what is to be said, in order. alarms, marks: new states. release: (point, number of the press) whose device
    latch may be cleared once this is committed. wake: (monotonic seconds, point) to look again. reply: answer to a
    command. changed: points whose published state is no longer what it was. derived: readings that doors and outputs made of it, in
    order. outputs: what the field must write. shutdown: why the gateway must stop once this is committed, or ''. traces, chatters: new
    pasts of points and alarms. announced: (point, monotonic seconds) of each alarm that people are asked to look at.
    """

    drafts: list[Draft] = field(default_factory=list)
    reading: Reading | None = None
    alarms: dict[str, AlarmState] = field(default_factory=dict)
    marks: dict[str, dict[str, Value]] = field(default_factory=dict)
    release: list[tuple[str, int]] = field(default_factory=list)
    wake: list[tuple[float, str]] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    derived: list[Reading] = field(default_factory=list)
    outputs: list[OutputOrder] = field(default_factory=list)
    fittings: Change = field(default_factory=Change)
    traces: dict[str, Trace] = field(default_factory=dict)
    chatters: dict[str, Chatter] = field(default_factory=dict)
    announced: list[tuple[str, float]] = field(default_factory=list)
    shutdown: str = ""
    lasting: bool = False
    reply: str = ""
    ok: bool = True

    def latches(self) -> list[Latch]:
        """What must be stored in the same transaction as the drafts."""
        if not self.lasting:
            return []
        rows = [Latch(key, alarm.row()) for key, alarm in self.alarms.items()]
        rows += [Latch(key, mark) for key, mark in self.marks.items()]
        return rows


@dataclass(frozen=True, slots=True)
class Turn:
    """One decision in the making: what is known, what time it is, and what was found so far."""

    house: House
    now: Now
    ids: Ids
    decision: Decision

    def alarm(self, spec: AlarmSpec) -> AlarmState:
        """Where an alarm stands, this decision included."""
        return self.decision.alarms.get(spec.key) or self.house.alarms[spec.key]

    def chatter(self, spec: AlarmSpec) -> Chatter:
        """How an alarm has come and gone, this decision included."""
        calm = _HAND if spec.managed else _CALM
        return self.decision.chatters.get(spec.key) or self.house.chatters.get(spec.key) or calm

    def keep(self, spec: AlarmSpec, alarm: AlarmState) -> None:
        """A new state that must outlive the process."""
        self.decision.alarms[spec.key] = replace(alarm, aside=alarm.aside and alarm.aside.kept(self.now))
        self.decision.lasting = True

    def reading(self, point: str) -> Reading | None:
        """The newest reading, those of this decision included."""
        for reading in (*reversed(self.decision.derived), self.decision.reading):
            if reading is not None and reading.point == point:
                return reading
        return self.house.readings.get(point)
