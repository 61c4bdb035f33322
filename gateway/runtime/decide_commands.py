"""The part of decide() that carries out what a person asks for. Each command, also a refused one, leaves an audit event."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

from gateway.alarm.aside import Aside
from gateway.alarm.machine import ASIDE, STANDING, State, Stimulus
from gateway.core.commands import Command
from gateway.core.deadline import Deadline
from gateway.core.points import AlarmSpec, Draft, EventClass, Point, Priority
from gateway.core.reading import Reading
from gateway.rules.authority import LONGEST_WORDS, MAY, NOTED, TECHNICIANS_CLASSES, authorise, may
from gateway.runtime import decide_fittings, decide_school
from gateway.runtime.decide_alarm import advance
from gateway.runtime.decide_house import Turn
from gateway.runtime.decide_points import learn_anew
from gateway.runtime.decide_remote import stopped

_KINDS = {
    str(stimulus): stimulus
    for stimulus in (
        Stimulus.ACKNOWLEDGE,
        Stimulus.RESET,
        Stimulus.SHELVE,
        Stimulus.UNSHELVE,
        Stimulus.OUT_OF_SERVICE,
        Stimulus.RETURN_TO_SERVICE,
    )
}
_SETS_ASIDE = {Stimulus.SHELVE: State.SHELVED, Stimulus.OUT_OF_SERVICE: State.OUT_OF_SERVICE}
_BRINGS_BACK = frozenset({Stimulus.UNSHELVE, Stimulus.RETURN_TO_SERVICE})


def command(turn: Turn, asked: Command, tell: Callable[[Reading], None]) -> None:
    """Carry out or refuse one command; the reply is in the decision. tell(reading): takes a derived reading into it."""
    if refused := stopped(turn, asked):
        turn.decision.ok, turn.decision.reply = False, refused
        turn.decision.drafts.append(_audit(turn, asked, asked.target.partition("/")[0]))
        return
    if asked.kind == "replay" and asked.command_id:  # delivery, not alarms: whoever hands it in sees to it
        turn.decision.reply = f"replay done: events for {asked.target} from {asked.value} on are sent again"
        turn.decision.drafts.append(_audit(turn, asked, "gateway"))
        return
    if asked.kind == "output":
        _output(turn, asked, tell)
        return
    if asked.kind in NOTED:
        turn.decision.ok, turn.decision.reply = not may(asked), may(asked) or "noted"
        turn.decision.drafts.append(_audit(turn, asked, "gateway"))
        return
    if asked.kind in MAY and asked.kind not in _KINDS and asked.kind != "learn":
        _of_the_school(turn, asked, tell)
        return
    decision = turn.decision
    stimulus = _KINDS.get(asked.kind)
    point_id, _, alarm_name = asked.target.partition("/")
    point = turn.house.points.get(point_id)
    left_out = ""
    if stimulus is None and asked.kind != "learn":
        refused = f'"{asked.kind}" is not a command; known: {", ".join(MAY)}'
    elif point is None:
        refused = f'"{point_id}" is not a point of this site'
    elif stimulus is None:
        refused = authorise(asked, point.alarms[0]) if point.alarms else ""
        refused = refused or learn_anew(turn, point)
    else:
        refused, left_out = _alarms(turn, point, alarm_name, stimulus, asked)
    decision.ok = not refused
    decision.reply = refused or f"{asked.kind} done: {asked.target}{left_out}"
    decision.drafts.append(_audit(turn, asked, point_id))


def _of_the_school(turn: Turn, asked: Command, tell: Callable[[Reading], None]) -> None:
    """A command that is about more than one alarm or output."""
    decision = turn.decision
    refused = may(asked)
    if not refused:
        known = decide_school.act(turn, asked, tell)
        refused = f"this site has nothing that takes {asked.kind.replace('_', ' ')}" if known is None else known
    decision.ok = not refused
    decision.reply = refused or decision.reply or f"{asked.kind} done{': ' if asked.target else ''}{asked.target}"
    decision.drafts.append(_audit(turn, asked, asked.target.partition("/")[0]))


def _output(turn: Turn, asked: Command, tell: Callable[[Reading], None]) -> None:
    spec = turn.house.fittings.outputs.get(asked.target)
    refused = may(asked) if spec is None else authorise(asked, spec)
    decide_fittings.command(turn.house, asked, turn.now, turn.ids, turn.decision, tell, refused)


def _alarms(turn: Turn, point: Point, name: str, stimulus: Stimulus, asked: Command) -> tuple[str, str]:
    """Why nothing was done, or ''; and what of the point was left out, for the reply."""
    specs = [spec for spec in point.alarms if name in ("", spec.name)]
    if not specs:
        return (f'point "{point.id}" has no alarm "{name}"' if name else f'point "{point.id}" has no alarms'), ""
    meant = [spec for spec in specs if _is_meant(turn, spec, stimulus)] or specs
    refusals: list[tuple[str, str]] = []
    if stimulus in _SETS_ASIDE:
        for spec in meant:
            if refused := authorise(asked, spec):
                return f"{spec.key}: {refused}", ""  # all or nothing: who hides a part must name it
    for spec in meant:
        refused = authorise(asked, spec) or _advance(turn, point, spec, stimulus, asked)
        if refused:
            refusals.append((spec.name, refused))
    if len(refusals) == len(meant):
        return refusals[0][1], ""
    return "", "".join(f"; not {name}: {refused}" for name, refused in refusals)


def _is_meant(turn: Turn, spec: AlarmSpec, stimulus: Stimulus) -> bool:
    """Who names a point means those of its alarms for which the command makes sense."""
    alarm = turn.alarm(spec)
    if stimulus is Stimulus.SHELVE:
        return spec.alarm_class not in TECHNICIANS_CLASSES  # a nuisance is shelved, not what watches its point
    if stimulus is Stimulus.OUT_OF_SERVICE:
        return True
    return alarm.state in ASIDE if stimulus in _BRINGS_BACK else alarm.live in STANDING


def _advance(turn: Turn, point: Point, spec: AlarmSpec, stimulus: Stimulus, asked: Command) -> str:
    aside = None
    if stimulus in _SETS_ASIDE:
        second = asked.second.strip() if stimulus is Stimulus.OUT_OF_SERVICE else ""
        deadline = Deadline(turn.now.now_s + asked.for_s)
        aside = Aside(_SETS_ASIDE[stimulus], asked.by, second, asked.why[:LONGEST_WORDS], turn.now.at_ms, deadline=deadline).kept(turn.now)
    condition, reading = turn.alarm(spec).condition, turn.reading(point.id)
    refused = advance(turn, point, spec, stimulus, condition, reading, by=asked.by, aside=aside)
    if aside is not None and aside.deadline is not None and not refused:
        turn.decision.wake.append((aside.wake_s(), point.id))
    return refused


def _audit(turn: Turn, asked: Command, point_id: str) -> Draft:
    ok, now = turn.decision.ok, turn.now
    data: dict[str, Any] = {
        "command": asked.kind,
        "target": asked.target[:120],
        "by": asked.by,
        "role": asked.role,
        "origin": asked.origin,
        "result": "accepted" if ok else "refused",
        "reason": "" if ok else turn.decision.reply,
        "status": "System",
    }
    words = (("command_id", asked.command_id), ("value", asked.value))
    data |= {name: value for name, value in words if value}
    data |= {name: value for name, value in (("why", asked.why[:LONGEST_WORDS]), ("second", asked.second[:80])) if value}
    if asked.for_s and isfinite(asked.for_s):
        data["for_s"] = asked.for_s
    if asked.points:
        data["points"] = list(asked.points)
    return Draft(
        id=turn.ids(now.at_ms),
        event_class=EventClass.AUDIT,
        type="campus.audit.command",
        subject=point_id[:48] or "gateway",
        priority=Priority.ROUTINE,
        at_ms=now.at_ms,
        now_s=now.now_s,
        clock=now.clock,
        data=data,
    )
