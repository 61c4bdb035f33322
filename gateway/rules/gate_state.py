"""A state at a gate, door or exit that must not last: a layer of posts down, a gate open, an exit locked. Pure.

The rules anti-ram (防冲撞), lane-interlock (人车分流), exit-clear (生命通道) and closed-campus (封闭化管理) are all this: what several
points show together, in which windows of the school day it counts, and how long it may last in each. While a sensor is not known the
answer is not known either, unless the others settle it; an alarm that stands goes on standing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from gateway.core.gates import GateSpec, Shows
from gateway.core.points import Text
from gateway.core.reading import Now, Quality, Reading
from gateway.core.school_days import DaySpans, Window
from gateway.rules.linkage import WINDOWS
from gateway.rules.rule import OfSpec, Step, View, What, Why
from gateway.rules.timetable import Timetable


@dataclass(frozen=True, slots=True)
class Lasting:
    """since_s: monotonic seconds since when the state counts, 0 while it does not. over: it has lasted too long, as told.

    allowed_s: until when somebody who was let in may keep it so.
    """

    since_s: float = 0.0
    over: bool = False
    allowed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class GateState(OfSpec):
    """One such state of a site. Satisfies rules.rule.Rule."""

    spec: GateSpec

    @property
    def name(self) -> str:
        """anti-ram, lane-interlock, exit-clear or closed-campus."""
        return self.spec.rule

    @property
    def points(self) -> frozenset[str]:
        """What it looks at."""
        return frozenset(shows.point for shows in (*self._all(), *self.spec.allowed_by))

    def begin(self, row: dict[str, Any] | None) -> Lasting:
        """What was told goes on; a time that was running begins anew."""
        return Lasting() if row is None else Lasting(over=bool(row["over"]))

    def row(self, state: Lasting, now: Now) -> dict[str, Any]:
        """For the journal."""
        return {"over": state.over}

    def step(self, state: Lasting, what: What, view: View) -> Step:
        """What a change of a point, or time, brings."""
        out = Step(state)
        self._allow(out, what, view)
        there = self.is_there(view)
        if there is None:
            self._not_known(out, view)
            return out
        most_s = self._most_s(view)
        if there and most_s is not None and not self._is_allowed(out, view):
            since_s = out.state.since_s or view.now.now_s
            over = out.state.over or view.now.now_s >= since_s + most_s
            if not over:
                out.wake_s.append(since_s + most_s)
            out.state = replace(out.state, since_s=since_s, over=over)
        else:
            out.state = replace(out.state, since_s=0.0, over=False)
        out.keep = out.state.over is not state.over
        say(out, view, Reading(self.id, out.state.over, now_s=view.now.now_s))
        return out

    def is_there(self, view: View) -> bool | None:
        """Whether the state is there now; None where what is known does not settle it."""
        groups = [_any(shows.holds(view.reading(shows.point)) for shows in group) for group in self.spec.groups]
        return False if False in groups else None if None in groups else True

    def explain(self, state: Lasting, point: str, view: View) -> Iterator[Why]:
        """What it would make of this point's state now."""
        if point != self.id and point not in self.points:
            return
        what, hindrance = self.spec.what, self._hindrance(state, view)
        if hindrance is not None:
            yield Why(False, Text(f"{what.zh}：现在不报警，{hindrance.zh}", f"{what.en}: no alarm now, {hindrance.en}"))
            return
        most_s = self._most_s(view)
        if state.over:
            yield Why(True, Text(f"{what.zh}：正在报警", f"{what.en}: the alarm stands"))
        elif state.since_s and most_s is not None:
            left_s = max(state.since_s + most_s - view.now.now_s, 0.0)
            yield Why(True, Text(f"{what.zh}：再过 {left_s:.0f} 秒报警", f"{what.en}: alarm in {left_s:.0f} s"))
        else:
            yield Why(True, Text(f"{what.zh}持续 {most_s:g} 秒 → 报警", f"{what.en} for {most_s:g} s -> alarm"))

    # --- what counts ---------------------------------------------------------------------------

    def _all(self) -> Iterator[Shows]:
        for group in self.spec.groups:
            yield from group

    def _allow(self, out: Step, what: What, view: View) -> None:
        """Somebody was let in; a point that shows it again and again lets in again and again."""
        if self.spec.allowed_by and (self._lets_in(view) or (isinstance(what, Reading) and self._let_in_now(what))):
            out.state = replace(out.state, allowed_s=view.now.now_s + self.spec.allowed_s)

    def _lets_in(self, view: View) -> bool:
        return any(shows.holds(view.reading(shows.point)) for shows in self.spec.allowed_by)

    def _let_in_now(self, reading: Reading) -> bool:
        return any(shows.point == reading.point and shows.holds(reading) for shows in self.spec.allowed_by)

    def _is_allowed(self, out: Step, view: View) -> bool:
        """Whether the time does not run yet; asks for a look when it begins."""
        if view.now.now_s >= out.state.allowed_s:
            return False
        out.wake_s.append(out.state.allowed_s)
        return not out.state.over

    def _most_s(self, view: View) -> float | None:
        """How long the state may last now; None while it does not count."""
        if not view.knows_the_time:
            always = len(self.spec.lasts_s) == len(Window) and not self.spec.delivery
            return max(self.spec.lasts_s.values()) if always else None
        if is_within(self.spec.delivery, view):
            return None
        return self.spec.lasts_s.get(view.window)

    def _hindrance(self, state: Lasting, view: View) -> Text | None:
        unknown = [shows.point for shows in self._all() if shows.holds(view.reading(shows.point)) is None]
        if self.is_there(view) is None:
            return Text(f"{'、'.join(unknown)} 状态未知", f"{', '.join(unknown)} is not known")
        if self._most_s(view) is None:
            return why_not_now(frozenset(self.spec.lasts_s), self.spec.delivery, view)
        if view.now.now_s < state.allowed_s and not state.over:
            return Text("刚有人获准通行", "somebody was let in a moment ago")
        return None

    def _not_known(self, out: Step, view: View) -> None:
        """The first sensor that is not known speaks for all of them."""
        for shows in self._all():
            reading = view.reading(shows.point)
            if shows.holds(reading) is None:
                say(out, view, unknown_reading(self.id, shows.point, reading, view.now, self.spec.own_fault))
                return


def say(out: Step, view: View, reading: Reading) -> None:
    """Tell a reading of a rule's own point, where it is not what was told last."""
    last = view.reading(reading.point)
    if last is None or (last.value, last.quality, last.reason) != (reading.value, reading.quality, reading.reason):
        out.readings.append(reading)


def unknown_reading(point: str, sensor: str, reading: Reading | None, now: Now, own_fault: bool) -> Reading:
    """What a rule's point shows while a sensor is not known. own_fault: with a reason that is told as a fault of this point too."""
    if reading is None:
        return Reading(point, None, Quality.UNCERTAIN, "not read yet", now.now_s)
    reason = reading.reason or "not known"
    return Reading(point, None, Quality.BAD, f"{sensor}: {reason}" if own_fault else reason, now.now_s)


def is_within(spans: DaySpans, view: View) -> bool:
    """True while the school's own clock is within one of these spans."""
    return bool(spans) and view.knows_the_time and Timetable(view.calendar.zone, (spans,) * 7).is_open(view.now.at_ms)


def why_not_now(windows: frozenset[Window], delivery: DaySpans, view: View) -> Text:
    """Why a state does not count at this time of the day."""
    if not view.knows_the_time:
        return Text("时钟未同步", "the clock is not known")
    if is_within(delivery, view):
        return Text("现为允许车辆进出的时间", "vehicles may pass at this time")
    named = sorted(windows)
    zh = "、".join(WINDOWS[window].zh for window in named)
    en = ", ".join(WINDOWS[window].en for window in named)
    return Text(f"现为{WINDOWS[view.window].zh}，只在{zh}报警", f"it is {WINDOWS[view.window].en}, and it counts in {en}")


def _any(answers: Iterable[bool | None]) -> bool | None:
    """True where one is, False where all are, else not known."""
    seen = list(answers)
    return True if True in seen else None if None in seen else False
