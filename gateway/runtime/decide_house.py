"""What decide() knows and what it answers: the house's state, one decision, and one decision in the making."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.alarm.aside import Aside
from gateway.alarm.baseline import Natural
from gateway.alarm.chatter import HAND_BEGINNINGS, Chatter
from gateway.alarm.condition import Delayed
from gateway.alarm.machine import LIVE, State
from gateway.alarm.measures import Measures
from gateway.alarm.trend import Trace
from gateway.core.deadline import utc_ms
from gateway.core.errors import DAMAGED
from gateway.core.linkage import CLIP, Moved, Picture
from gateway.core.outputs import Asked, OutputOrder
from gateway.core.points import AlarmSpec, Chattering, Confirmed, Draft, Latch, Point, Press, Rise, Stuck
from gateway.core.reading import Now, Reading, Value
from gateway.core.school_days import Window
from gateway.rules.calendar import SchoolCalendar
from gateway.rules.incidents import Incident, IncidentRules
from gateway.rules.modes import MAINTENANCE, Run, at_point, tag_mode
from gateway.runtime.fittings import Change, Fittings
from gateway.runtime.mode_book import MODE_KEYS, ModeBook, ModeChange, resumed
from gateway.runtime.school import KEPT, School

Ids = Callable[[int], str]

_IDLE = Delayed()
_UNKNOWN = Natural()
_CALM, _HAND = Chatter(), Chatter(least=HAND_BEGINNINGS)
COMMANDS_MARK = ":commands"  # the journal's key of the ids of signed commands
PICTURES = ":pictures"  # the journal's key of the pictures that are awaited, and the name of their tick
CLIP_AGAIN_S = 300.0  # of the same camera for the same alarm: a stuck button does not push the first press's clip out of the storage
INCIDENTS = ":incidents"  # the journal's key of them all, and the name of their tick; no point has such a name


@dataclass(frozen=True, slots=True)
class AlarmState:
    """Where one alarm stands. live: A to F; aside: what lies over it. event_id: its last activation; since_ms: when that was.

    begun: it was judged in this run. excused: it was found so at the start, which is no alarm for now (only with such a boot rule).
    incident: the one that it belongs to, or ''. mode: the run of a drill, test or maintenance in which it began, '' where it is real.
    """

    live: State = State.NORMAL
    condition: Delayed = _IDLE
    event_id: str = ""
    since_ms: int = 0
    by: str = ""
    aside: Aside | None = None
    begun: bool = False
    excused: bool = False
    incident: str = ""
    mode: str = ""

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
        row |= {name: word for name, word in (("incident", self.incident), ("mode", self.mode)) if word}
        return row | self.aside.row() if self.aside else row

    @classmethod
    def read(cls, row: dict[str, Value]) -> AlarmState:
        """From the journal. Raises one of errors.DAMAGED for a damaged row."""
        active, live = bool(row["active"]), State(str(row["state"]))
        if live not in LIVE:
            raise ValueError(f"{live} lies over another state")
        alarm = cls(live, Delayed(active, active), str(row["event_id"]), utc_ms(row["since_ms"]), str(row["by"]), Aside.read(row))
        return replace(alarm, incident=str(row.get("incident") or ""), mode=str(row.get("mode") or ""))


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a site keeps as evidence. before_s, after_s: of clips, around their alarm; both 0: none. hours: until it is deleted.

    recorders: camera -> (device id, channel id) of what records its main stream. eyes: point -> the camera that sees it, the camera's own
    point included: its alarms are kept without being asked for.
    """

    before_s: float = 0.0
    after_s: float = 0.0
    hours: float = 72.0
    recorders: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    eyes: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class House:
    """Everything that is known now. marks: what a point must remember (counter, observed value, input latch).

    suppressed_by: point -> the alarms that are suppressed while it shows something. confirms: alarm -> those that ask for several
    of its kind. capped: alarms that are told once a minute while they chatter. traced: point -> seconds of its past that are needed.
    pictures: those that are awaited. pictured: camera -> (cause, monotonic seconds) of the last still that was asked for; clipped:
    (camera, cause) -> monotonic seconds of the last clip. keeping: what the site says about evidence.
    """

    points: dict[str, Point]
    timetable: SchoolCalendar
    readings: dict[str, Reading] = field(default_factory=dict)
    alarms: dict[str, AlarmState] = field(default_factory=dict)
    marks: dict[str, dict[str, Value]] = field(default_factory=dict)
    fittings: Fittings = field(default_factory=Fittings)
    school: School = field(default_factory=School)
    cameras: frozenset[str] = frozenset()
    incident_rules: IncidentRules | None = None
    incidents: dict[str, Incident] = field(default_factory=dict)
    modes: ModeBook = field(default_factory=ModeBook)
    traces: dict[str, Trace] = field(default_factory=dict)
    chatters: dict[str, Chatter] = field(default_factory=dict)
    measures: Measures = field(default_factory=Measures)
    naturals: dict[str, Natural] = field(default_factory=dict)
    pictures: dict[str, Picture] = field(default_factory=dict)
    pictured: dict[str, tuple[str, float]] = field(default_factory=dict)
    clipped: dict[tuple[str, str], float] = field(default_factory=dict)
    keeping: Keeping = field(default_factory=Keeping)
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
            with suppress(*DAMAGED):  # of another version: begun anew, and a cause that still stands is told again
                self._restore(latch.key, latch.state)

    def _restore(self, key: str, row: dict[str, Any]) -> None:
        if key in self.alarms:
            self.alarms[key] = AlarmState.read(row)
        elif key.startswith(KEPT):
            self.school.restore(key.removeprefix(KEPT), row)
        elif key == INCIDENTS:
            self._restore_incidents(row)
        elif key in MODE_KEYS:
            self.modes.restore(key, row)
        elif key == PICTURES:
            self._restore_pictures(row)
        elif key in self.fittings.doors:
            self.fittings.restore(key, row)
        elif key == COMMANDS_MARK:
            self.marks[key] = {name: until_ms for name, until_ms in row.items() if isinstance(until_ms, int)}
        elif key in self.points:
            numbers = {name: int(row[name] or 0) for name in ("counter", "press") if name in row}
            self.marks[key] = dict(row) | numbers

    def _restore_incidents(self, rows: dict[str, Any]) -> None:
        for incident_id, row in rows.items():
            with suppress(*DAMAGED):
                self.incidents[incident_id] = Incident.read(incident_id, row)

    def _restore_pictures(self, rows: dict[str, Any]) -> None:
        for picture_id, row in rows.items():
            with suppress(*DAMAGED):
                self.pictures[picture_id] = Picture.read(picture_id, row)

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
        self.naturals.update(decision.naturals)
        self.chatters.update(decision.chatters)
        self.school.states.update(decision.rules)
        self.modes.apply(decision.modes)
        if decision.window is not None:
            self.school.window = decision.window
        if decision.incidents:
            self._take_incidents(decision.incidents)
        if decision.pictures is not None:
            self.pictures = decision.pictures
        for picture in decision.snapshots:
            if picture.kind == CLIP:
                self.clipped = {key: s for key, s in self.clipped.items() if picture.asked_s - s < CLIP_AGAIN_S}
                self.clipped[picture.camera, picture.cause] = picture.asked_s
            else:
                self.pictured[picture.camera] = (picture.cause, picture.asked_s)
        for point, now_s in decision.announced:
            self.measures.add(point, now_s)

    def _take_incidents(self, changed: dict[str, Incident | None]) -> None:
        for incident_id, incident in changed.items():
            if incident is None:
                self.incidents.pop(incident_id, None)
            else:
                self.incidents[incident_id] = incident


@dataclass(slots=True)
class Decision:
    """What follows from one stimulus.

    drafts: what is to be said, in order. alarms, marks: new states. release: (point, number of the press) whose device
    latch may be cleared once this is committed. wake: (monotonic seconds, point) to look again. reply: answer to a
    command. changed: points whose published state is no longer what it was. derived: readings that doors and outputs made of it, in
    order. outputs: what the field must write. asked: orders of people and rules. shutdown: why the gateway must stop once this is
    committed, or ''. traces, chatters: new pasts of points and alarms. announced: (point, monotonic seconds) of each alarm that people
    are asked to look at. moves: what alarms did, for the rules. rules, kept_rules: new states of rules, and what the journal keeps of
    them. incidents: new states, None for one that is resolved; opened: which are new. window: of the school day, where it was looked
    at. modes: drills, tests and maintenance.
    snapshots: pictures that the vision process is asked for now; pictures: all that are awaited, where that has changed.
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
    asked: list[Asked] = field(default_factory=list)
    fittings: Change = field(default_factory=Change)
    traces: dict[str, Trace] = field(default_factory=dict)
    chatters: dict[str, Chatter] = field(default_factory=dict)
    naturals: dict[str, Natural] = field(default_factory=dict)
    announced: list[tuple[str, float]] = field(default_factory=list)
    moves: list[Moved] = field(default_factory=list)
    rules: dict[str, Any] = field(default_factory=dict)
    kept_rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    incidents: dict[str, Incident | None] = field(default_factory=dict)
    all_incidents: dict[str, Any] | None = None
    opened: list[str] = field(default_factory=list)
    modes: ModeChange = field(default_factory=ModeChange)
    snapshots: list[Picture] = field(default_factory=list)
    pictures: dict[str, Picture] | None = None
    window: Window | None = None
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
        rows += [Latch(KEPT + rule, row) for rule, row in self.kept_rules.items()]
        rows += [Latch(key, row) for key, row in self.modes.rows.items()]
        if self.all_incidents is not None:
            rows.append(Latch(INCIDENTS, self.all_incidents))
        if self.pictures is not None:
            rows.append(Latch(PICTURES, {picture.id: picture.row() for picture in self.pictures.values()}))
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

    def alarm_state(self, key: str) -> State:
        """The state of an alarm that people are told, by `point/alarm`; normal where there is none."""
        alarm = self.decision.alarms.get(key) or self.house.alarms.get(key)
        return State.NORMAL if alarm is None else alarm.state

    def live_state(self, key: str) -> State:
        """The same below what may lie over it (shelved, out of service)."""
        alarm = self.decision.alarms.get(key) or self.house.alarms.get(key)
        return State.NORMAL if alarm is None else alarm.live

    @property
    def runs(self) -> tuple[Run, ...]:
        """Drills, tests and maintenance, this decision included."""
        runs = self.decision.modes.runs
        return resumed(self.house.modes.runs, self.now) if runs is None else runs

    def run_at(self, point: str) -> Run | None:
        """The drill, test or maintenance in which a point is now."""
        return at_point(self.runs, point, self.now.now_s)

    def mode(self, point: str) -> str:
        """normal, drill, test or maintenance: how that which this point does now is to be taken.

        A point whose exercise is over for this drill, and a highly managed one in maintenance, are real.
        """
        known = self.house.points.get(point)
        specs = known.alarms if known is not None else ()
        standing = {self.alarm_mode(spec.key) for spec in specs} - {"normal"}
        run = self.run_at(point)
        if standing or run is None:
            return min(standing, default="normal")
        if run.mode == MAINTENANCE:
            return "normal" if any(spec.managed for spec in specs) else MAINTENANCE
        return run.mode if any(spec.practised and spec.key not in run.tried for spec in specs) else "normal"

    def incident(self, key: str) -> str:
        """Id of the incident that an alarm belongs to, or ''."""
        alarm = self.decision.alarms.get(key) or self.house.alarms.get(key)
        return "" if alarm is None else alarm.incident

    def since_ms(self, key: str) -> int:
        """When an alarm was activated last, UTC; 0 if never."""
        alarm = self.decision.alarms.get(key) or self.house.alarms.get(key)
        return 0 if alarm is None else alarm.since_ms

    def alarm_mode(self, key: str) -> str:
        """The mode in which an alarm that stands began."""
        alarm = self.decision.alarms.get(key) or self.house.alarms.get(key)
        return "normal" if alarm is None else tag_mode(alarm.mode)

    def chatter(self, spec: AlarmSpec) -> Chatter:
        """How an alarm has come and gone, this decision included."""
        calm = _HAND if spec.managed else _CALM
        return self.decision.chatters.get(spec.key) or self.house.chatters.get(spec.key) or calm

    def natural(self, point: Point) -> Natural:
        """What is known of the natural leakage of a point, this decision included."""
        known = self.decision.naturals.get(point.id) or self.house.naturals.get(point.id)
        if known is not None:
            return known
        mark = self.house.marks.get(point.id)
        return Natural.read(mark) if mark else _UNKNOWN

    def baseline(self, point: Point) -> float | None:
        """What is taken off the point's value before its limits are judged, in its unit; None where nothing ever is."""
        if point.baseline is None:
            return None
        return self.natural(point).subtracted_ma if point.baseline.fixed is None else point.baseline.fixed

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
