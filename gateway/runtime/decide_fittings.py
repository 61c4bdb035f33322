"""The part of decide() that is about outputs, doors and the power supply: what they make of a stimulus.

They see a reading after its own alarms have been judged. What they find out comes back as readings of derived points
(door forced, output's state), which go through the same alarm machine within the same decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway.core.commands import Command, Tick
from gateway.core.doors import DoorSpec
from gateway.core.outputs import Asked, OutputDone
from gateway.core.points import Draft, EventClass, Point, Priority
from gateway.core.reading import Now, Quality, Reading
from gateway.rules import doors
from gateway.rules.doors import Access, DoorState, Said
from gateway.rules.outputs import Ended, Outputs, Result
from gateway.rules.power import low_since

if TYPE_CHECKING:
    from gateway.runtime.decide_house import Decision, House, Ids

Tell = Callable[[Reading], None]
SHUTDOWN = "battery low"

_RESULT_ZH = {Result.DONE: "已执行", Result.REFUSED: "被拒绝", Result.UNCONFIRMED: "未确认"}
_ACCESS_ZH = {Access.GRANTED: "允许通行", Access.DENIED: "拒绝通行"}
_MEANS = {doors.CARD: ("刷卡", "card"), doors.EXIT: ("出门按钮", "request to exit"), doors.CONTROLLER: ("门禁控制器", "access controller")}


def to_keep(point: Point, reading: Reading) -> Reading:
    """What is remembered of a reading: of a card only what people may see."""
    if point.kind != "card" or not isinstance(reading.value, str):
        return reading
    return replace(reading, value=reading.value[: doors.SHOWN_CHARACTERS])


def follow(house: House, stimulus: Reading | Tick | OutputDone, now: Now, ids: Ids, decision: Decision, tell: Tell) -> None:
    """What outputs, doors and power make of a stimulus. tell(reading): takes a derived reading into this decision."""
    outputs = _outputs(house, now, decision)
    if isinstance(stimulus, OutputDone):
        outputs.done(stimulus)
    elif isinstance(stimulus, Tick):
        if stimulus.point in house.fittings.doors:
            _door(house, house.fittings.doors[stimulus.point], None, now, ids, decision, tell, outputs)
        if stimulus.point in house.fittings.outputs:
            outputs.settle(stimulus.point)
            outputs.passed(stimulus.point)
    else:
        for door in house.fittings.doors.values():
            if stimulus.point in door.inputs:
                _door(house, door, stimulus, now, ids, decision, tell, outputs)
        outputs.seen(stimulus.point)
        if stimulus.quality is Quality.GOOD and house.points[stimulus.point].role == "device_link":
            outputs.link(stimulus.point, not stimulus.value)
    _finish(house, outputs, now, ids, decision, tell)
    if house.fittings.power is not None:
        _power(house, now, ids, decision)


def order(house: House, asked: Asked, now: Now, ids: Ids, decision: Decision, tell: Tell) -> str:
    """Ask for an output: the one way for persons and linkage. Returns why it was refused, or ''."""
    outputs = _outputs(house, now, decision)
    decision.asked.append(asked)
    refused = outputs.ask(asked)
    _finish(house, outputs, now, ids, decision, tell)
    return refused


def command(house: House, command: Command, now: Now, ids: Ids, decision: Decision, tell: Tell, refused: str = "") -> None:
    """A person's command to an output. refused: why this person may not."""
    asked = Asked(
        command.target[:48],
        command.value == "on",
        command.by,
        command.role,
        command.origin,
        command_id=command.command_id,
        second=command.second[:80],
    )
    if command.value not in ("on", "off"):
        refused = refused or f'an output is switched "on" or "off", not "{command.value[:20]}"'
    if not refused:
        refused = order(house, asked, now, ids, decision, tell)
    else:
        decision.drafts.append(_output_draft(house, Ended(asked, Result.REFUSED, refused), now, ids))
    decision.ok = not refused
    decision.reply = refused or f"{command.target} {command.value}: sent; an event tells how it ends"


# --- outputs ------------------------------------------------------------------------------------


def _outputs(house: House, now: Now, decision: Decision) -> Outputs:
    states = {**house.fittings.output_states, **decision.fittings.output_states}
    return Outputs(house.fittings.outputs, states, lambda point: _reading(house, decision, point), now.now_s)


def _reading(house: House, decision: Decision, point: str) -> Reading | None:
    """The newest reading, those of this decision included."""
    if decision.reading is not None and decision.reading.point == point:
        return decision.reading
    return house.readings.get(point)


def _finish(house: House, outputs: Outputs, now: Now, ids: Ids, decision: Decision, tell: Tell) -> None:
    """Take over what the outputs' look brought."""
    decision.fittings.output_states.update(outputs.changed)
    decision.outputs += outputs.orders
    decision.drafts += [_output_draft(house, ended, now, ids) for ended in outputs.ended if not _goes_without_saying(ended)]
    decision.wake += outputs.wakes()
    for output, state in outputs.changed.items():
        reading, last = state.reading(output, now.now_s), house.readings.get(output)
        if last is None or (last.value, last.quality, last.reason) != (reading.value, reading.quality, reading.reason):
            decision.changed.add(output)
            tell(reading)


def _goes_without_saying(ended: Ended) -> bool:
    return ended.asked.quiet and ended.result is Result.DONE


def _output_draft(house: House, ended: Ended, now: Now, ids: Ids) -> Draft:
    asked, spec = ended.asked, house.fittings.outputs.get(ended.asked.output)
    name_zh, name_en = (asked.output, asked.output) if spec is None else (spec.name.zh, spec.name.en)
    data = {
        "output": asked.output,
        "kind": "" if spec is None else spec.kind,
        "place": "" if spec is None else spec.place,
        "command": "on" if asked.on else "off",
        "by": asked.by,
        "role": asked.role,
        "origin": asked.origin,
        "result": str(ended.result),
        "reason": ended.reason,
        "text": {
            "zh": f"{name_zh}：{'开' if asked.on else '关'}，{_RESULT_ZH[ended.result]}",
            "en": f"{name_en}: {'on' if asked.on else 'off'}, {ended.result}",
        },
        "status": "System",
    }
    data |= {name: word for name, word in (("command_id", asked.command_id), ("second", asked.second)) if word}
    priority = Priority.FAULT if ended.result is Result.UNCONFIRMED else Priority.ROUTINE
    return _draft(EventClass.AUDIT, f"campus.output.{ended.result}", asked.output or "gateway", priority, data, now, ids)


# --- doors --------------------------------------------------------------------------------------


def _door(
    house: House, door: DoorSpec, reading: Reading | None, now: Now, ids: Ids, decision: Decision, tell: Tell, outputs: Outputs
) -> None:
    before = house.fittings.door_states.get(door.id, DoorState())
    out = doors.step(door, before, reading, now, house.timetable)
    decision.fittings.door_states[door.id] = out.state
    decision.drafts += [_access_draft(door, said, now, ids) for said in out.said]
    for derived in out.readings:
        tell(derived)
    decision.wake += [(at_s, door.id) for at_s in out.wake_s]
    after = out.state
    if (before.open, before.forced, before.held, before.leave_s) != (after.open, after.forced, after.held, after.leave_s):
        decision.marks[door.id] = after.to_keep(door, now)
        decision.lasting = True
    if out.unlock and door.lock and outputs.on_until_s(door.lock) < now.now_s + door.unlock_s:  # else the end of the pulse would lock it
        outputs.ask(Asked(door.lock, True, f"door {door.id}", "door", "rule", door.unlock_s))


def _access_draft(door: DoorSpec, said: Said, now: Now, ids: Ids) -> Draft:
    means_zh, means_en = _MEANS[said.means]
    data: dict[str, Any] = {
        "door": door.id,
        "role": "door",
        "place": door.place,
        "means": said.means,
        "status": "Actual",
        "text": {"zh": f"{door.name.zh}：{_ACCESS_ZH[said.access]}（{means_zh}）", "en": f"{door.name.en}: {said.access} ({means_en})"},
    }
    data |= {name: value for name, value in (("card", said.card), ("holder", said.holder), ("reason", said.reason)) if value}
    return _draft(EventClass.ACCESS, f"campus.access.{said.access}", door.id, Priority.ROUTINE, data, now, ids)


# --- power --------------------------------------------------------------------------------------


def _power(house: House, now: Now, ids: Ids, decision: Decision) -> None:
    fittings, spec = house.fittings, house.fittings.power
    assert spec is not None
    low, mains = _reading(house, decision, spec.battery_low), _reading(house, decision, spec.mains)
    since_s = low_since(spec, fittings.low_since_s, low, mains, now.now_s)
    if since_s != fittings.low_since_s:
        decision.fittings.low_since_s = since_s
    if not since_s or fittings.stopping:
        return
    if now.now_s < since_s + spec.shutdown_after_s:
        decision.wake.append((since_s + spec.shutdown_after_s, spec.battery_low))
        return
    decision.fittings.stopping = True
    decision.shutdown = SHUTDOWN
    data = {
        "reason": SHUTDOWN,
        "poweroff": spec.poweroff,
        "text": {"zh": "电池电量低，网关正常停机", "en": "Battery low: the gateway stops in good order"},
        "status": "System",
    }
    decision.drafts.append(_draft(EventClass.AUDIT, "campus.gateway.stopping", spec.battery_low, Priority.FAULT, data, now, ids))


def _draft(event_class: EventClass, kind: str, subject: str, priority: Priority, data: dict[str, Any], now: Now, ids: Ids) -> Draft:
    return Draft(
        id=ids(now.at_ms),
        event_class=event_class,
        type=kind,
        subject=subject,
        priority=priority,
        at_ms=now.at_ms,
        now_s=now.now_s,
        clock=now.clock,
        data=data,
    )
