"""The one pure composition: what a stimulus means for this site, alarm room first, then rules.

`decide(house, stimulus, now, ids)` changes nothing: it returns a `Decision`, which `House.apply` takes
over once. The same function runs in the daemon, in scenarios in virtual time and in benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.alarm.condition import Delayed, follow, judge, presses
from gateway.alarm.machine import ACTIVE, STANDING, State, Stimulus, step
from gateway.core.commands import Command, LatchReleased, Learned, Tick
from gateway.core.outputs import OutputDone, OutputOrder
from gateway.core.points import AlarmSpec, Draft, EventClass, Latch, Point, Press, Priority
from gateway.core.reading import Now, Quality, Reading, Value
from gateway.rules.timetable import Timetable
from gateway.runtime import decide_fittings
from gateway.runtime.fittings import Change, Fittings

Ids = Callable[[int], str]

_SEVERITY_PRIORITY = {"Extreme": 1, "Severe": 2, "Moderate": 3, "Minor": 4}
_HOURS_LOOK_S = 20.0  # how often a person who stands at the gate is judged again against the timetable
_MANY_PRESSES = 100  # more than this between two looks is told as one event with its count

_IDLE = Delayed()


@dataclass(frozen=True, slots=True)
class AlarmState:
    """Where one alarm stands. event_id: its last activation; since_ms: when that was."""

    state: State = State.NORMAL
    condition: Delayed = _IDLE
    event_id: str = ""
    since_ms: int = 0
    by: str = ""


@dataclass(slots=True)
class House:
    """Everything that is known now. marks: what a point must remember (counter, observed value, input latch)."""

    points: dict[str, Point]
    timetable: Timetable
    readings: dict[str, Reading] = field(default_factory=dict)
    alarms: dict[str, AlarmState] = field(default_factory=dict)
    marks: dict[str, dict[str, Value]] = field(default_factory=dict)
    fittings: Fittings = field(default_factory=Fittings)

    def __post_init__(self) -> None:
        for point in self.points.values():
            for spec in point.alarms:
                self.alarms.setdefault(spec.key, AlarmState())

    def restore(self, latches: Iterable[Latch]) -> None:
        """Take over what the journal kept; what belongs to points no longer in the site file is left alone."""
        for latch in latches:
            if latch.key in self.alarms:
                try:
                    self.alarms[latch.key] = _restored(latch.state)
                except (KeyError, ValueError, TypeError):
                    continue  # damaged, or of a newer version: begun anew, and a cause that still stands is told again
            elif latch.key in self.fittings.doors:
                self.fittings.restore(latch.key, latch.state)
            elif latch.key in self.points:
                self.marks[latch.key] = dict(latch.state)

    def apply(self, decision: Decision) -> None:
        """Take over a decision."""
        for reading in (decision.reading, *decision.derived):
            if reading is not None:
                self.readings[reading.point] = reading
        self.fittings.apply(decision.fittings)
        self.alarms.update(decision.alarms)
        self.marks.update(decision.marks)


def _restored(kept: dict[str, Value]) -> AlarmState:
    active = bool(kept["active"])
    return AlarmState(
        State(str(kept["state"])), Delayed(active, active), str(kept["event_id"]), int(kept["since_ms"] or 0), str(kept["by"])
    )


@dataclass(slots=True)
class Decision:
    """What follows from one stimulus.

    drafts: what is to be said, in order. alarms, marks: new states. release: (point, number of the press) whose device
    latch may be cleared once this is committed. wake: (monotonic seconds, point) to look again. reply: answer to a
    command. changed: points whose published state is no longer what it was. derived: readings that doors and outputs made of it, in
    order. outputs: what the field must write. shutdown: why the gateway must stop once this is committed, or ''.
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
    shutdown: str = ""
    lasting: bool = False
    reply: str = ""
    ok: bool = True

    def latches(self) -> list[Latch]:
        """What must be stored in the same transaction as the drafts."""
        if not self.lasting:
            return []
        rows = [
            Latch(
                key,
                {
                    "state": str(alarm.state),
                    "active": alarm.condition.active,
                    "event_id": alarm.event_id,
                    "since_ms": alarm.since_ms,
                    "by": alarm.by,
                },
            )
            for key, alarm in self.alarms.items()
        ]
        rows += [Latch(key, mark) for key, mark in self.marks.items()]
        return rows


Stimuli = Reading | Command | Tick | LatchReleased | Learned | OutputDone


def decide(house: House, stimulus: Stimuli, now: Now, ids: Ids) -> Decision:
    """What follows from one stimulus. Pure: reads `house`, changes nothing."""
    decision = _decide(house, stimulus, now, ids)
    if isinstance(stimulus, OutputDone | Tick) or (isinstance(stimulus, Reading) and stimulus.point in house.fittings.concerned):
        decide_fittings.follow(house, stimulus, now, ids, decision, _teller(house, now, ids, decision))
    return decision


def _teller(house: House, now: Now, ids: Ids, decision: Decision) -> Callable[[Reading], None]:
    """What takes a reading that doors or outputs made into the same decision."""

    def tell(reading: Reading) -> None:
        decision.derived.append(reading)
        _look(house, house.points[reading.point], reading, now, ids, decision, fresh=True)

    return tell


def _decide(house: House, stimulus: Stimuli, now: Now, ids: Ids) -> Decision:
    if isinstance(stimulus, Reading):
        point = house.points[stimulus.point]
        decision = Decision(reading=decide_fittings.to_keep(point, stimulus))
        _look(house, point, stimulus, now, ids, decision, fresh=True)
        return decision
    if isinstance(stimulus, Tick):
        decision = Decision()
        reading = house.readings.get(stimulus.point)
        if reading is not None:
            _look(house, house.points[stimulus.point], reading, now, ids, decision, fresh=False)
        return decision
    if isinstance(stimulus, OutputDone):
        return Decision()
    if isinstance(stimulus, Learned):
        return Decision(marks={stimulus.device: dict(stimulus.facts)}, lasting=True)
    if isinstance(stimulus, LatchReleased):
        mark = house.marks.get(stimulus.point, {})
        if mark.get("input") != "set" or mark.get("press", 0) != stimulus.press:
            return Decision()  # found clear already, or set anew
        return Decision(marks={stimulus.point: {**mark, "input": "released"}}, lasting=True)
    return _command(house, stimulus, now, ids)


def _look(house: House, point: Point, reading: Reading, now: Now, ids: Ids, decision: Decision, *, fresh: bool) -> None:
    last = house.readings.get(point.id)
    if fresh and (last is None or last.quality != reading.quality or last.reason != reading.reason):
        decision.changed.add(point.id)
    for spec in point.alarms:
        if isinstance(spec.condition, Press):
            if fresh:
                _press(house, point, spec, reading, now, ids, decision)
        else:
            _condition(house, point, spec, reading, now, ids, decision, fresh=fresh)
    if point.observe and fresh and reading.quality is Quality.GOOD:
        _observe(house, point, reading, now, ids, decision)


def _condition(
    house: House, point: Point, spec: AlarmSpec, reading: Reading, now: Now, ids: Ids, decision: Decision, *, fresh: bool
) -> None:
    alarm = decision.alarms.get(spec.key, house.alarms[spec.key])  # a derived point may be told twice in one decision
    raw = judge(spec.condition, reading, alarm.condition.active)
    if raw and spec.outside_hours and not alarm.condition.active and house.timetable.is_open(now.at_ms):
        raw = False
        decision.wake.append(((now.now_s // _HOURS_LOOK_S + 1) * _HOURS_LOOK_S, point.id))  # the same for all looks of these 20 s
    condition, due_s = follow(spec, alarm.condition, raw, now.now_s)
    if due_s is not None:
        decision.wake.append((due_s, point.id))
    if condition == alarm.condition:
        return
    if condition.active == alarm.condition.active:
        decision.alarms[spec.key] = AlarmState(alarm.state, condition, alarm.event_id, alarm.since_ms, alarm.by)
        return
    stimulus = Stimulus.ACTIVATE if condition.active else Stimulus.CLEAR
    _advance(house, point, spec, stimulus, condition, reading, now, ids, decision)


def _press(house: House, point: Point, spec: AlarmSpec, reading: Reading, now: Now, ids: Ids, decision: Decision) -> None:
    """Counters: each count is a press. Latched inputs: each time the latch is found set anew is a press."""
    if reading.quality is not Quality.GOOD or reading.value is None:
        return
    mark = house.marks.get(point.id, {})
    if point.kind == "counter":
        count = int(reading.value)
        last = mark.get("counter")
        new = presses(None if last is None else int(last), count, point.modulus)
        if count != last:
            decision.marks[point.id] = {"counter": count}
            decision.lasting = True
        if new > _MANY_PRESSES:
            _pulse(house, point, spec, reading, now, ids, decision, {"count": count, "presses": new})
        else:
            for number in range(count - new + 1, count + 1):
                _pulse(house, point, spec, reading, now, ids, decision, {"count": number})
        return
    held = mark.get("input") == "set"
    number = int(mark.get("press") or 0)
    if reading.value and not held:
        number += 1
        decision.marks[point.id] = {"input": "set", "press": number}
        decision.lasting = True
        _advance(house, point, spec, Stimulus.ACTIVATE, Delayed(True, True, now.now_s), reading, now, ids, decision)
        decision.release.append((point.id, number))
    elif reading.value:
        decision.release.append((point.id, number))  # journalled before a restart, but the device still holds it
    elif not reading.value and mark.get("input") in ("set", "released"):
        decision.marks[point.id] = {"input": "", "press": number}
        decision.lasting = True
        if house.alarms[spec.key].state in ACTIVE:
            _advance(house, point, spec, Stimulus.CLEAR, Delayed(False, False, now.now_s), reading, now, ids, decision)


def _pulse(
    house: House, point: Point, spec: AlarmSpec, reading: Reading, now: Now, ids: Ids, decision: Decision, extra: dict[str, Any]
) -> None:
    _advance(house, point, spec, Stimulus.ACTIVATE, Delayed(True, True, now.now_s), reading, now, ids, decision, extra)
    _advance(house, point, spec, Stimulus.CLEAR, Delayed(False, False, now.now_s), reading, now, ids, decision, extra)


def _observe(house: House, point: Point, reading: Reading, now: Now, ids: Ids, decision: Decision) -> None:
    mark = house.marks.get(point.id, {})
    if "observed" in mark and mark["observed"] == reading.value:
        return
    decision.marks[point.id] = {**decision.marks.get(point.id, {}), "observed": reading.value}
    decision.lasting = True
    decision.changed.add(point.id)
    if "observed" not in mark:
        return  # the first value of a new point is its state, not a change
    data = _point_data(point, reading)
    data["previous_value"] = mark["observed"]
    data["status"] = "Actual"
    data["text"] = {"zh": point.name.zh, "en": point.name.en}
    decision.drafts.append(
        Draft(
            id=ids(now.at_ms),
            event_class=point.observe_class,
            type=f"campus.{point.observe_class}.changed",
            subject=point.id,
            priority=Priority.OBSERVATION if point.observe_class is EventClass.OBSERVATION else Priority.ROUTINE,
            at_ms=now.at_ms,
            now_s=now.now_s,
            clock=now.clock,
            data=data,
        )
    )


def _advance(
    house: House,
    point: Point,
    spec: AlarmSpec,
    stimulus: Stimulus,
    condition: Delayed,
    reading: Reading | None,
    now: Now,
    ids: Ids,
    decision: Decision,
    extra: dict[str, Any] | None = None,
    by: str = "",
) -> str:
    """Move one alarm through the table, draft what is to be said. Returns why it was refused, or ''."""
    before = decision.alarms.get(spec.key, house.alarms[spec.key])
    result = step(before.state, stimulus, latching=spec.latching)
    if result.refused:
        return result.refused
    event_id, since_ms, person = before.event_id, before.since_ms, by or before.by
    cause = [before.event_id] if before.event_id else []
    if result.event:
        draft_id = ids(now.at_ms)
        if result.event == "activated":
            event_id, since_ms, person, cause = draft_id, now.at_ms, "", []
        decision.drafts.append(
            _alarm_draft(draft_id, point, spec, result.event, before.state, result.state, reading, now, cause, extra, by)
        )
        decision.changed.add(point.id)
        decision.lasting = True
    decision.alarms[spec.key] = AlarmState(result.state, condition, event_id, since_ms, person)
    return ""


def _alarm_draft(
    draft_id: str,
    point: Point,
    spec: AlarmSpec,
    event: str,
    before: State,
    after: State,
    reading: Reading | None,
    now: Now,
    cause: list[str],
    extra: dict[str, Any] | None,
    by: str,
) -> Draft:
    begins = event in ("activated", "repeated")
    data = _point_data(point, reading)
    data |= {
        "alarm": spec.name,
        "alarm_class": spec.alarm_class,
        "state": str(after),
        "previous_state": str(before),
        "priority": _SEVERITY_PRIORITY[spec.severity],
        "text": {"zh": spec.text.zh, "en": spec.text.en},
        "cause": cause,
        "incident": None,
        "status": "System" if spec.event_class is EventClass.FAULT else "Actual",
        "msgType": "Alert" if begins else "Update",
        "urgency": spec.urgency,
        "severity": spec.severity,
        "certainty": spec.certainty,
    }
    if by:
        data["by"] = by
    if reading is not None and reading.detail:
        data["detail"] = reading.detail
    if extra:
        data |= extra
    urgent = Priority.URGENT if begins else Priority.ALARM_UPDATE
    return Draft(
        id=draft_id,
        event_class=spec.event_class,
        type=f"campus.{spec.event_class}.{event}",
        subject=point.id,
        priority=Priority.FAULT if spec.event_class is EventClass.FAULT else urgent,
        at_ms=now.at_ms,
        now_s=now.now_s,
        clock=now.clock,
        data=data,
    )


def _point_data(point: Point, reading: Reading | None) -> dict[str, Any]:
    data: dict[str, Any] = {
        "point": point.id,
        "role": point.role,
        "place": point.place,
        "value": None if reading is None else reading.value,
        "unit": point.unit,
        "quality": "good" if reading is None else str(reading.quality),
    }
    if reading is not None and reading.reason:
        data["reason"] = reading.reason
    if point.responsible:
        data["responsible"] = point.responsible
    if point.external:
        data["external"] = point.external
    return data


def _command(house: House, command: Command, now: Now, ids: Ids) -> Decision:
    decision = Decision()
    if command.kind == "output":
        decide_fittings.command(house, command, now, ids, decision, _teller(house, now, ids, decision))
        return decision
    kinds = {"acknowledge": Stimulus.ACKNOWLEDGE, "reset": Stimulus.RESET}
    stimulus = kinds.get(command.kind)
    point_id, _, alarm_name = command.target.partition("/")
    point = house.points.get(point_id)
    if stimulus is None:
        refused = f'"{command.kind}" is not a command; known: {", ".join(kinds)}, output'
    elif point is None:
        refused = f'"{point_id}" is not a point of this site'
    else:
        refused = _command_alarms(house, point, alarm_name, stimulus, command, now, ids, decision)
    decision.ok = not refused
    decision.reply = refused or f"{command.kind} done: {command.target}"
    decision.drafts.append(_audit(ids(now.at_ms), command, point_id, decision.ok, decision.reply, now))
    return decision


def _command_alarms(
    house: House, point: Point, name: str, stimulus: Stimulus, command: Command, now: Now, ids: Ids, decision: Decision
) -> str:
    specs = [spec for spec in point.alarms if name in ("", spec.name)]
    if not specs:
        return f'point "{point.id}" has no alarm "{name}"' if name else f'point "{point.id}" has no alarms'
    standing = [spec for spec in specs if house.alarms[spec.key].state in STANDING] or specs
    refusals = []
    for spec in standing:
        condition = house.alarms[spec.key].condition
        reading = house.readings.get(point.id)
        refused = _advance(house, point, spec, stimulus, condition, reading, now, ids, decision, by=command.by)
        if refused:
            refusals.append(refused)
    return refusals[0] if len(refusals) == len(standing) else ""


def _audit(draft_id: str, command: Command, point_id: str, ok: bool, text: str, now: Now) -> Draft:
    return Draft(
        id=draft_id,
        event_class=EventClass.AUDIT,
        type="campus.audit.command",
        subject=point_id[:48] or "gateway",
        priority=Priority.ROUTINE,
        at_ms=now.at_ms,
        now_s=now.now_s,
        clock=now.clock,
        data={
            "command": command.kind,
            "target": command.target[:120],
            "by": command.by,
            "role": command.role,
            "origin": command.origin,
            "result": "accepted" if ok else "refused",
            "reason": "" if ok else text,
            "status": "System",
        },
    )
