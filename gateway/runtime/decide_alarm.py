"""The part of decide() that moves one alarm through its table and drafts what is to be said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.alarm.aside import KEEP_AGAIN_S, Aside
from gateway.alarm.condition import Delayed
from gateway.alarm.machine import ACTIVE, ASIDE, RECORDED, Kind, State, Stimulus, step
from gateway.contract.envelope import rfc3339
from gateway.core.linkage import Moved
from gateway.core.points import AlarmSpec, Draft, EventClass, Point, Priority, While
from gateway.core.reading import Quality, Reading
from gateway.rules.modes import tag_mode
from gateway.runtime import decide_incidents, decide_modes
from gateway.runtime.decide_frames import detail_data
from gateway.runtime.decide_house import AlarmState, Turn

_SEVERITY_PRIORITY = {"Extreme": 1, "Severe": 2, "Moderate": 3, "Minor": 4}
_TIME_OVER = {State.SHELVED: Stimulus.UNSHELVE, State.OUT_OF_SERVICE: Stimulus.RETURN_TO_SERVICE}
BEGINS = frozenset({"activated", "repeated"})
_COMES_AND_GOES = BEGINS | {"cleared"}
FLOOD_POINT = "gw-flood"


def kind_of(spec: AlarmSpec) -> Kind:
    """How the table treats this alarm."""
    if spec.managed:
        return Kind.MANAGED
    return Kind.LATCHING if spec.latching else Kind.PLAIN


def advance(
    turn: Turn,
    point: Point,
    spec: AlarmSpec,
    stimulus: Stimulus,
    condition: Delayed,
    reading: Reading | None,
    extra: dict[str, Any] | None = None,
    by: str = "",
    aside: Aside | None = None,
) -> str:
    """Move one alarm through the table, draft what is to be said. Returns why it was refused, or ''.

    aside: what is to lie over the alarm, for the stimuli that set it aside.
    """
    before = turn.alarm(spec)
    result = step(before.state, before.live, stimulus, kind_of(spec))
    if result.refused:
        return result.refused
    taken_by = by if by and stimulus in (Stimulus.ACKNOWLEDGE, Stimulus.RESET) else before.by
    after = replace(before, live=result.live, condition=condition, by=taken_by)
    if result.state not in ASIDE:
        after = replace(after, aside=None)
    elif result.state is not before.state:
        after = replace(after, aside=aside)
    back = before.state in ASIDE and result.state not in ASIDE
    cause = _suppresses(turn, spec) if back else None
    if result.event == RECORDED:
        after = _recorded(turn, point, spec, stimulus, before, after, reading, extra)
    for word in (result.event, "" if cause else result.then):
        if word and word != RECORDED:
            after = _say(turn, point, spec, word, before, after, reading, extra or {}, by)
    if after.live is State.NORMAL and after.mode:
        after = replace(after, mode="")
    if result.event:
        turn.keep(spec, after)
    else:
        turn.decision.alarms[spec.key] = after
    if cause is not None:
        _suppress(turn, point, spec, cause)  # begun while it was shelved or out of service
    return ""


def _say(
    turn: Turn,
    point: Point,
    spec: AlarmSpec,
    word: str,
    before: AlarmState,
    after: AlarmState,
    reading: Reading | None,
    extra: dict[str, Any],
    by: str,
) -> AlarmState:
    """Tell it, unless the alarm chatters; what is held back, and what is real while an exercise stands, is real."""
    is_new = False
    if word in BEGINS:
        mode, word = decide_modes.begins(turn, point, spec, before, word)
        is_new = bool(before.mode) and mode != before.mode
        after = replace(after, mode=mode)
    if not is_new and _held_back(turn, point, spec, word):
        return decide_modes.held_back(turn, spec, after) if word in BEGINS else after
    return _told(turn, point, spec, word, before, after, reading, extra | _count(turn, spec, word), by)


def _told(
    turn: Turn,
    point: Point,
    spec: AlarmSpec,
    word: str,
    before: AlarmState,
    after: AlarmState,
    reading: Reading | None,
    extra: dict[str, Any],
    by: str,
) -> AlarmState:
    draft_id = turn.ids(turn.now.at_ms)
    cause = [after.event_id] if after.event_id else []
    if word == "activated":
        after, cause = replace(after, event_id=draft_id, since_ms=turn.now.at_ms, by=""), []
    if word in BEGINS:
        after = replace(
            after, incident=decide_incidents.join(turn, point, spec, decide_modes.status(spec, after.mode), draft_id, after.mode)
        )
    data = _alarm_data(turn, point, spec, before, after, reading, cause, extra, word in BEGINS)
    if by:
        data["by"] = by
    priority = _priority(spec.event_class, word)
    turn.decision.drafts.append(_draft(turn, draft_id, spec.event_class, word, point, priority, data))
    turn.decision.changed.add(point.id)
    turn.decision.moves.append(Moved(spec.key, word, str(after.state), after.event_id, tag_mode(after.mode), by))
    if word in BEGINS and point.id != FLOOD_POINT and not after.mode:
        turn.decision.announced.append((point.id, turn.now.now_s))
    return after


def _priority(event_class: EventClass, word: str) -> Priority:
    if event_class is EventClass.ALARM:
        return Priority.URGENT if word in BEGINS else Priority.ALARM_UPDATE
    return Priority.FAULT if event_class is EventClass.FAULT else Priority.ROUTINE


def _recorded(
    turn: Turn,
    point: Point,
    spec: AlarmSpec,
    stimulus: Stimulus,
    before: AlarmState,
    after: AlarmState,
    reading: Reading | None,
    extra: dict[str, Any] | None,
) -> AlarmState:
    """What happened to an alarm that is set aside: on record for everybody, an alarm for nobody."""
    assert after.aside is not None
    word = "activated" if stimulus is Stimulus.ACTIVATE else "cleared"
    if word == "activated":
        after = replace(after, since_ms=turn.now.at_ms, aside=replace(after.aside, recorded=after.aside.recorded + 1))
    if _held_back(turn, point, spec, word):
        return after
    draft_id = turn.ids(turn.now.at_ms)
    if word == "activated":
        after = replace(after, event_id=draft_id)
    cause = [before.event_id] if before.event_id else []
    data = _alarm_data(turn, point, spec, before, after, reading, cause, extra, begins=False)
    data["recorded"] = word
    turn.decision.drafts.append(_draft(turn, draft_id, EventClass.OBSERVATION, RECORDED, point, Priority.OBSERVATION, data))
    return after


def _alarm_data(
    turn: Turn,
    point: Point,
    spec: AlarmSpec,
    before: AlarmState,
    after: AlarmState,
    reading: Reading | None,
    cause: list[str],
    extra: dict[str, Any] | None,
    begins: bool,
) -> dict[str, Any]:
    data = point_data(point, reading)
    data |= {
        "alarm": spec.name,
        "alarm_class": spec.alarm_class,
        "state": str(after.state),
        "previous_state": str(before.state),
        "priority": _SEVERITY_PRIORITY[spec.severity],
        "text": {"zh": spec.text.zh, "en": spec.text.en},
        "cause": cause,
        "incident": after.incident or None,
        "status": decide_modes.status(spec, after.mode),
        "msgType": "Alert" if begins else "Update",
        "urgency": spec.urgency,
        "severity": spec.severity,
        "certainty": spec.certainty,
    }
    if (baseline := turn.baseline(point)) is not None:
        data["baseline"] = round(baseline, 1)
    aside = after.aside or before.aside
    if aside is not None:
        data["set_aside"] = aside_data(aside, after.live)
    if after.state is State.OUT_OF_SERVICE:
        data["out_of_service"] = True
    data |= detail_data(reading, turn.now)
    return data | decide_modes.marks(turn, point.id, after.mode) | (extra or {})


def aside_data(aside: Aside, live: State) -> dict[str, Any]:
    """What an event and `status` say of an alarm that is set aside; `until` only where the clock was known."""
    data: dict[str, Any] = {"state": str(aside.state), "live": str(live), "recorded": aside.recorded}
    data |= {name: value for name, value in (("by", aside.by), ("second", aside.second), ("why", aside.why)) if value}
    if aside.deadline is not None and aside.deadline.end_ms:
        data["until"] = rfc3339(aside.deadline.end_ms)
    return data


def point_data(point: Point, reading: Reading | None) -> dict[str, Any]:
    """What every event says of its point."""
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


def _draft(turn: Turn, draft_id: str, event_class: EventClass, word: str, point: Point, priority: Priority, data: dict[str, Any]) -> Draft:
    now = turn.now
    return Draft(draft_id, event_class, f"campus.{event_class}.{word}", point.id, priority, now.at_ms, now.now_s, now.clock, data)


# --- chattering ---------------------------------------------------------------------------------


def _held_back(turn: Turn, point: Point, spec: AlarmSpec, word: str) -> bool:
    """True where this is not said now because the alarm chatters. A new alarm that is highly managed always goes out."""
    if spec.key not in turn.house.capped or word not in _COMES_AND_GOES:
        return False
    chatter = turn.chatter(spec)
    if word == "cleared":
        held_back = chatter.held > 0
    else:
        after = chatter.begun(turn.now.now_s)
        held_back = after.held > chatter.held
        if held_back and spec.managed and word == "activated":
            after, held_back = chatter.told(turn.now.now_s), False
        turn.decision.chatters[spec.key] = after
        if held_back:
            turn.decision.wake.append((after.again_s, point.id))
    if held_back:
        turn.decision.changed.add(point.id)
    return held_back


def _count(turn: Turn, spec: AlarmSpec, word: str) -> dict[str, Any]:
    """What a beginning that is told says of those before it that were not."""
    chatter = turn.chatter(spec)
    if word not in BEGINS or not chatter.held:
        return {}
    turn.decision.chatters[spec.key] = chatter.told(turn.now.now_s)
    return {"held_back": chatter.held}


def _tell_held_back(turn: Turn, point: Point, spec: AlarmSpec) -> None:
    """The minute is over: how often it came, and whether it is gone."""
    chatter, alarm = turn.chatter(spec), turn.alarm(spec)
    turn.decision.chatters[spec.key] = chatter.told(turn.now.now_s)
    if alarm.aside is not None and not spec.managed:
        return  # nothing of it is announced
    reading = turn.reading(point.id)
    alarm = replace(alarm, mode=alarm.mode or decide_modes.worked_on(turn, spec))
    after = _told(turn, point, spec, "repeated", alarm, alarm, reading, {"held_back": chatter.held}, "")
    if alarm.live not in ACTIVE:
        _told(turn, point, spec, "cleared", after, after, reading, {}, "")


# --- set aside ----------------------------------------------------------------------------------


def time_passed(turn: Turn, point: Point) -> None:
    """Shelves and times out of service of this point end, what is left of others is stored again; what was held back is told."""
    for spec in point.alarms:
        alarm, chatter = turn.alarm(spec), turn.chatter(spec)
        if chatter.held and turn.now.now_s >= chatter.again_s:
            _tell_held_back(turn, point, spec)
        elif chatter.held:
            turn.decision.wake.append((chatter.again_s, point.id))
        if alarm.aside is None or alarm.aside.deadline is None:
            continue
        aside = alarm.aside.resumed(turn.now)
        if aside.over(turn.now.now_s):
            extra = {"ended": "its time is over"}
            advance(turn, point, spec, _TIME_OVER[aside.state], alarm.condition, turn.reading(point.id), extra)
            continue
        if turn.now.now_s >= aside.kept_s + KEEP_AGAIN_S or aside != alarm.aside:
            turn.keep(spec, replace(alarm, aside=aside))
            aside = aside.kept(turn.now)
        turn.decision.wake.append((aside.wake_s(), point.id))


def suppress(turn: Turn, cause: Reading) -> None:
    """Suppressed by design: what this reading starts or ends to suppress. What is not known does not suppress."""
    for point, spec in turn.house.suppressed_by.get(cause.point, ()):
        if _holds(spec.suppress_while, cause):
            _suppress(turn, point, spec, cause)
        else:
            advance(turn, point, spec, Stimulus.UNSUPPRESS, turn.alarm(spec).condition, turn.reading(point.id))


def _suppress(turn: Turn, point: Point, spec: AlarmSpec, cause: Reading) -> None:
    aside = Aside(State.SUPPRESSED, why=f"{cause.point} shows {cause.value}", since_ms=turn.now.at_ms)
    advance(turn, point, spec, Stimulus.SUPPRESS, turn.alarm(spec).condition, turn.reading(point.id), aside=aside)


def _suppresses(turn: Turn, spec: AlarmSpec) -> Reading | None:
    """The reading that suppresses this alarm now, or None."""
    cause = turn.reading(spec.suppress_while.point) if spec.suppress_while else None
    return cause if cause is not None and _holds(spec.suppress_while, cause) else None


def _holds(condition: While | None, reading: Reading) -> bool:
    return condition is not None and reading.quality is Quality.GOOD and reading.value == condition.value
