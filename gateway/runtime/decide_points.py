"""The part of decide() that is about points: what a reading, or time alone, means for the alarms of its point."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import Any

from gateway.alarm.baseline import Natural
from gateway.alarm.condition import Delayed, follow, judge, presses
from gateway.alarm.machine import ACTIVE, Stimulus
from gateway.alarm.trend import Trace, is_stuck, rises
from gateway.core.points import (
    Above,
    AlarmSpec,
    Boot,
    Chattering,
    Confirmed,
    Draft,
    EventClass,
    NaturalAbove,
    NaturalGrown,
    Point,
    Press,
    Priority,
    Rise,
    Stuck,
)
from gateway.core.reading import Quality, Reading
from gateway.runtime import decide_modes
from gateway.runtime.decide_alarm import advance, point_data, suppress
from gateway.runtime.decide_house import AlarmState, Turn

_HOURS_LOOK_S = 20.0  # how often a person who stands at the gate is judged again against the timetable
_NO_PAST = Trace()
NO_NUMBER = "not a number"
HELD_DOWN_S = 1.0  # a latch that is set again so soon after it was last seen set, and cleared: the same hand is still on the button
_MANY_PRESSES = 100  # more than this between two looks is told as one event with its count


def believed(point: Point, reading: Reading) -> Reading:
    """The reading, or in place of one that its point cannot show a bad one: no number, or a count that is none."""
    value = reading.value
    is_none = isinstance(value, float) and not isfinite(value)
    if not is_none and not (point.kind == "counter" and isinstance(value, str)):
        return reading
    return replace(reading, value=None, quality=Quality.BAD, reason=reading.reason or NO_NUMBER)


def look(turn: Turn, point: Point, reading: Reading, *, fresh: bool) -> None:
    """What a reading means for its point. fresh: it was just read; else time has passed."""
    last = turn.house.readings.get(point.id)
    if fresh and (last is None or last.quality != reading.quality or last.reason != reading.reason):
        turn.decision.changed.add(point.id)
    elif fresh and last is not None and last.value != reading.value and point.kind != "measurement":
        turn.decision.changed.add(point.id)  # also where no alarm follows: one may be held by its off delay
    if fresh and point.id in turn.house.traced:
        trace = turn.house.traces.get(point.id, _NO_PAST)
        turn.decision.traces[point.id] = trace.seen(reading, turn.now.now_s, turn.house.traced[point.id])
    if point.baseline is not None and point.baseline.fixed is None:
        _learn(turn, point, reading)
    for spec in point.alarms:
        if isinstance(spec.condition, Confirmed):
            continue  # looked at when one of its alarms changes
        if isinstance(spec.condition, Press):
            if fresh:
                _press(turn, point, spec, reading)
        else:
            _condition(turn, point, spec, reading)
    if point.observe and fresh and reading.quality is Quality.GOOD:
        _observe(turn, point, reading)
    if fresh:
        suppress(turn, reading)


def _condition(turn: Turn, point: Point, spec: AlarmSpec, reading: Reading) -> None:
    alarm = turn.alarm(spec)
    raw = _judge(turn, point, spec, reading, alarm)
    if spec.boot is Boot.STATE_IN_HOURS and raw is not None:
        alarm = _found(turn, spec, alarm, raw)
    if raw and not alarm.condition.active and not _counts_now(turn, spec, alarm):
        raw = False
        look_s = (turn.now.now_s // _HOURS_LOOK_S + 1) * _HOURS_LOOK_S  # the same for all looks of these 20 s
        turn.decision.wake.append((look_s, point.id))
    _follow(turn, point, spec, alarm, raw, reading)


def _counts_now(turn: Turn, spec: AlarmSpec, alarm: AlarmState) -> bool:
    """Whether an alarm may begin at this time of the day. A clock that was never set keeps none of its windows shut."""
    if (spec.outside_hours or alarm.excused) and _is_open(turn):
        return False
    return not spec.windows or turn.now.clock == "unknown" or turn.house.timetable.window(turn.now.at_ms) in spec.windows


def _is_open(turn: Turn) -> bool:
    """Whether the school is known to be open; a clock that was never set says nothing."""
    return turn.now.clock != "unknown" and turn.house.timetable.is_open(turn.now.at_ms)


def _found(turn: Turn, spec: AlarmSpec, alarm: AlarmState, raw: bool) -> AlarmState:
    """The boot rule: what is found so at the start is excused until it is over, or the school closes."""
    may_be = raw and not alarm.condition.active and (alarm.excused or not alarm.begun)
    excused = may_be and _is_open(turn)
    if not alarm.begun or excused is not alarm.excused:
        alarm = replace(alarm, begun=True, excused=excused)
        turn.decision.alarms[spec.key] = alarm
    return alarm


def _follow(turn: Turn, point: Point, spec: AlarmSpec, alarm: AlarmState, raw: bool | None, reading: Reading | None) -> None:
    """Take a look at a condition through its delays; move the alarm where the answer has changed."""
    condition, due_s = follow(spec, alarm.condition, raw, turn.now.now_s)
    if due_s is not None:
        turn.decision.wake.append((due_s, point.id))
    if condition == alarm.condition:
        return
    if condition.active == alarm.condition.active:
        turn.decision.alarms[spec.key] = replace(alarm, condition=condition)
        return
    advance(turn, point, spec, Stimulus.ACTIVATE if condition.active else Stimulus.CLEAR, condition, reading)
    _confirm(turn, spec)


def _judge(turn: Turn, point: Point, spec: AlarmSpec, reading: Reading, alarm: AlarmState) -> bool | None:
    """Is the condition true now, by this reading or by the past of the point?"""
    raw: bool | None
    match spec.condition:
        case Chattering():
            raw, look_s = _chatters(turn, point)
        case Rise() as rise:
            raw, look_s = rises(rise, _trace(turn, point), turn.now.now_s, alarm.condition.active)
        case Stuck() as stuck:
            raw, look_s = is_stuck(stuck, _trace(turn, point), turn.now.now_s)
        case Above() if point.baseline is not None:
            return judge(spec.condition, _above_baseline(turn, point, reading), alarm.condition.active)
        case NaturalAbove(limit):
            return (turn.natural(point).level_ma or 0.0) > limit
        case NaturalGrown(least):
            return turn.natural(point).grown_ma >= least
        case condition:
            return judge(condition, reading, alarm.condition.active)
    if look_s is not None and look_s > turn.now.now_s:
        turn.decision.wake.append((look_s, point.id))
    return raw


def _above_baseline(turn: Turn, point: Point, reading: Reading) -> Reading:
    """The reading less the natural leakage of the point."""
    baseline = turn.baseline(point)
    return reading if not baseline or not isinstance(reading.value, int | float) else replace(reading, value=reading.value - baseline)


def _learn(turn: Turn, point: Point, reading: Reading) -> None:
    """What this look teaches about the natural leakage of the point; an alarm, or one on its way, teaches nothing."""
    alarming = any(
        spec.event_class is EventClass.ALARM and ((now := turn.alarm(spec).condition).active or now.raw) for spec in point.alarms
    )
    natural = turn.natural(point).seen(reading, alarming, turn.now.now_s)
    if natural.due(turn.now.now_s):
        if natural.is_new:
            turn.decision.marks[point.id] = {**turn.house.marks.get(point.id, {}), **natural.row()}
            turn.decision.lasting = True
        natural = natural.stored(turn.now.now_s)
    turn.decision.naturals[point.id] = natural
    turn.decision.wake.append((natural.store_s, point.id))


def learn_anew(turn: Turn, point: Point) -> str:
    """Forget the natural leakage of a point, as after work on its circuit. Returns why there is nothing to forget, or ''."""
    if point.baseline is None or point.baseline.fixed is not None:
        return f'"{point.id}" learns nothing: it has no baseline = "learned" in the site file'
    anew = Natural()
    turn.decision.naturals[point.id] = anew
    turn.decision.marks[point.id] = {**turn.house.marks.get(point.id, {}), **anew.row()}
    turn.decision.lasting = True
    reading = turn.reading(point.id)
    if reading is not None:
        look(turn, point, reading, fresh=False)
    return ""


def _trace(turn: Turn, point: Point) -> Trace:
    return turn.decision.traces.get(point.id) or turn.house.traces.get(point.id, _NO_PAST)


def _chatters(turn: Turn, point: Point) -> tuple[bool, float | None]:
    """Whether an alarm of this point comes and goes too often, and when it will not if nothing more happens."""
    over_s = [chatter.over_s() for spec in point.alarms if (chatter := turn.chatter(spec)).chatters(turn.now.now_s)]
    return bool(over_s), max(over_s, default=None)


def _confirm(turn: Turn, spec: AlarmSpec) -> None:
    """An alarm has come or gone: does it make up two of a group?"""
    for point, asking in turn.house.confirms.get(spec.key, ()):
        assert isinstance(asking.condition, Confirmed)
        alarm = turn.alarm(asking)
        active = [key for key in asking.condition.alarms if (turn.decision.alarms.get(key) or turn.house.alarms[key]).condition.active]
        _follow(turn, point, asking, alarm, len(active) >= asking.condition.least, turn.reading(point.id))


def _press(turn: Turn, point: Point, spec: AlarmSpec, reading: Reading) -> None:
    """Counters: each count is a press. Latched inputs: each time the latch is found set anew is a press."""
    if reading.quality is not Quality.GOOD or reading.value is None:
        return
    mark, decision = turn.house.marks.get(point.id, {}), turn.decision
    if point.kind == "counter":
        count = int(reading.value)
        last = mark.get("counter")
        new = presses(None if last is None else int(last), count, point.modulus)
        if count != last:
            decision.marks[point.id] = {"counter": count}
            decision.lasting = True
        if new > _MANY_PRESSES:
            _pulse(turn, point, spec, reading, {"count": count, "presses": new})
        else:
            for number in range(count - new + 1, count + 1):
                _pulse(turn, point, spec, reading, {"count": number})
        _let_go(turn, point, spec, reading)
        return
    held = mark.get("input") == "set"
    number = int(mark.get("press") or 0)
    if reading.value and not held:
        number += 1
        decision.release.append((point.id, number))
        seen = turn.house.readings.get(point.id)
        if mark.get("input") == "released" and seen is not None and seen.value and turn.now.now_s - seen.now_s < HELD_DOWN_S:
            decision.marks[point.id] = {"input": "set", "press": number, "held": True}
            return  # that press is on the disk already
        decision.marks[point.id] = {"input": "set", "press": number}
        decision.lasting = True
        advance(turn, point, spec, Stimulus.ACTIVATE, Delayed(True, True, turn.now.now_s), reading)
    elif reading.value:
        decision.release.append((point.id, number))  # journalled before a restart, but the device still holds it
    else:
        if mark.get("input") in ("set", "released"):
            decision.marks[point.id] = {"input": "", "press": number}
            decision.lasting = True
        _let_go(turn, point, spec, reading)


def _let_go(turn: Turn, point: Point, spec: AlarmSpec, reading: Reading) -> None:
    """Nobody presses now; also of an alarm that an earlier site file left active, which could never be reset."""
    if turn.alarm(spec).live in ACTIVE:
        advance(turn, point, spec, Stimulus.CLEAR, Delayed(False, False, turn.now.now_s), reading)


def _pulse(turn: Turn, point: Point, spec: AlarmSpec, reading: Reading, extra: dict[str, Any]) -> None:
    advance(turn, point, spec, Stimulus.ACTIVATE, Delayed(True, True, turn.now.now_s), reading, extra)
    advance(turn, point, spec, Stimulus.CLEAR, Delayed(False, False, turn.now.now_s), reading, extra)


def _observe(turn: Turn, point: Point, reading: Reading) -> None:
    mark, decision = turn.house.marks.get(point.id, {}), turn.decision
    if "observed" in mark and mark["observed"] == reading.value:
        return
    decision.marks[point.id] = {**mark, **decision.marks.get(point.id, {}), "observed": reading.value}
    decision.lasting = True
    decision.changed.add(point.id)
    if "observed" not in mark:
        return  # the first value of a new point is its state, not a change
    data = point_data(point, reading)
    data["previous_value"] = mark["observed"]
    data["status"] = decide_modes.observed_status(turn, point.id)
    data |= decide_modes.marks(turn, point.id)
    data["text"] = {"zh": point.name.zh, "en": point.name.en}
    decision.drafts.append(
        Draft(
            id=turn.ids(turn.now.at_ms),
            event_class=point.observe_class,
            type=f"campus.{point.observe_class}.changed",
            subject=point.id,
            priority=Priority.OBSERVATION if point.observe_class is EventClass.OBSERVATION else Priority.ROUTINE,
            at_ms=turn.now.at_ms,
            now_s=turn.now.now_s,
            clock=turn.now.clock,
            data=data,
        )
    )
