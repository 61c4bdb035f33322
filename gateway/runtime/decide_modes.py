"""The part of decide() that is about the mode of a point: whether an alarm that begins is an exercise, a test, or real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.alarm.machine import State
from gateway.core.linkage import ACTUAL, EXERCISE, SYSTEM, TEST
from gateway.core.points import AlarmSpec, EventClass, Point
from gateway.rules import modes
from gateway.rules.modes import DRILL, MAINTENANCE, Run, Tried
from gateway.runtime.decide_house import AlarmState, Turn


def begins(turn: Turn, point: Point, spec: AlarmSpec, before: AlarmState, word: str) -> tuple[str, str]:
    """(mode that the alarm begins in, word by which it is told). What is real while an exercise still stands is a new alarm."""
    run = turn.run_at(point.id)
    tag = "" if run is None else _tag(turn, run, spec, before, word)
    return tag, "activated" if before.mode and before.mode != tag else word


def _tag(turn: Turn, run: Run, spec: AlarmSpec, before: AlarmState, word: str) -> str:
    if run.mode == MAINTENANCE:
        was_so = before.mode == run.tag
        return "" if spec.managed or not (word == "activated" or was_so) else run.tag
    if not spec.practised:
        return ""
    is_first = spec.key not in run.tried and before.live is State.NORMAL and word == "activated"
    if spec.key in run.tried:
        change(turn, replace(run, real=run.real + 1))
    else:
        pressed_s = run.elapsed_s(turn.now.now_s)
        tried = Tried(exercise=is_first, at_ms=turn.now.at_ms, pressed_s=pressed_s)
        change(turn, replace(run, tried={**run.tried, spec.key: tried}, real=run.real + (not is_first)))
    return run.tag if is_first else ""


def held_back(turn: Turn, spec: AlarmSpec, after: AlarmState) -> AlarmState:
    """An alarm that begins and chatters: what is told of it later counts as real, but for work on its point."""
    if not modes.is_exercise(after.mode):
        return after
    run = turn.run_at(spec.point)
    if run is not None and spec.key in run.tried:
        change(turn, replace(note(turn, run, spec.key, lambda tried: replace(tried, exercise=False)), real=run.real + 1))
    return replace(after, mode="")


def worked_on(turn: Turn, spec: AlarmSpec) -> str:
    """The run of the maintenance to which alarms of this kind belong now, or ''."""
    run = turn.run_at(spec.point)
    return run.tag if run is not None and run.mode == MAINTENANCE and not spec.managed else ""


def status(spec: AlarmSpec, tag: str) -> str:
    """CAP status of an event of an alarm that began in this mode."""
    mode = modes.tag_mode(tag)
    if mode == "normal":
        return SYSTEM if spec.event_class is EventClass.FAULT else ACTUAL
    return EXERCISE if mode == DRILL else TEST


def marks(turn: Turn, point: str, tag: str = "") -> dict[str, Any]:
    """What an event of this point says of its mode. `mode`: it belongs to it; `during`: it is real, and happened in a drill or test."""
    if tag:
        mode, _, run_id = tag.partition(":")
        return {"mode": {"kind": mode, "id": run_id}}
    run = turn.run_at(point)
    if run is None:
        return {}
    return {"mode" if run.mode == MAINTENANCE else "during": {"kind": run.mode, "id": run.id}}


def observed_status(turn: Turn, point: str) -> str:
    """CAP status of a change that is no alarm: only what a technician does is a test."""
    run = turn.run_at(point)
    return TEST if run is not None and run.mode == MAINTENANCE else ACTUAL


def change(turn: Turn, run: Run) -> None:
    """A run is as given from now on, which must outlive the process."""
    runs = turn.runs
    known = any(each.id == run.id for each in runs)
    turn.decision.modes.runs = tuple(run if each.id == run.id else each for each in runs) if known else (*runs, run)
    turn.decision.modes.keep = True


def note(turn: Turn, run: Run, key: str, to: Callable[[Tried], Tried]) -> Run:
    """What one alarm of a run has come to; kept with the next thing that is."""
    noted = replace(run, tried={**run.tried, key: to(run.tried[key])})
    turn.decision.modes.runs = tuple(noted if each.id == run.id else each for each in turn.runs)
    return noted
