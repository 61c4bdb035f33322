"""Rising posts (硬质防冲撞设施): lowered by somebody else, and raised when a window begins. Pure.

That a layer is down when it should be up is `gate_state.GateState`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gateway.core.gates import ForcedSpec, RaiseSpec
from gateway.core.outputs import Asked
from gateway.core.points import Text
from gateway.core.reading import Now, Quality, Reading
from gateway.core.school_days import Window
from gateway.rules.gate_state import is_within, say, unknown_reading, why_not_now
from gateway.rules.rule import OfSpec, Step, View, What, Why

BEING_WRITTEN = "being written"  # rules.outputs
RAISES = 3  # at the window's begin and at the next two looks: a car over the loop drives on


@dataclass(frozen=True, slots=True)
class ForcedState:
    """up: posts that were known to be up when last seen. forced: posts that somebody else lowered, until they are up again.

    expected_s: lowering is expected until then (monotonic seconds).
    """

    up: frozenset[str] = frozenset()
    forced: frozenset[str] = frozenset()
    expected_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Forced(OfSpec):
    """Posts of one gate that only we lower. Satisfies rules.rule.Rule."""

    spec: ForcedSpec

    @property
    def name(self) -> str:
        """anti-ram."""
        return "anti-ram"

    @property
    def points(self) -> frozenset[str]:
        """The posts' positions, and what lowers them."""
        return frozenset(post.point for post in self.spec.posts) | self.spec.lowered_by | self.spec.lowered_with

    def begin(self, row: dict[str, Any] | None) -> ForcedState:
        """Where a post stood before a restart is not asked: what happened meanwhile nobody saw."""
        return ForcedState() if row is None else ForcedState(forced=frozenset(map(str, row["forced"])))

    def row(self, state: ForcedState, now: Now) -> dict[str, Any]:
        """For the journal."""
        return {"forced": sorted(state.forced)}

    def step(self, state: ForcedState, what: What, view: View) -> Step:
        """What a change of a point, or time, brings."""
        out = Step(state)
        if self._is_lowered_by_us(what, view):
            self._expect(out, view)
        up, forced = set(state.up), set(out.state.forced)
        for post in self.spec.posts:
            is_up = post.holds(view.reading(post.point))
            if is_up is None:
                continue
            if is_up:
                up.add(post.point)
                forced.discard(post.point)
            elif post.point in up:
                up.discard(post.point)
                if view.now.now_s >= out.state.expected_s and not is_within(self.spec.delivery, view):
                    forced.add(post.point)
        out.state = replace(out.state, up=frozenset(up), forced=frozenset(forced))
        out.keep = out.state.forced != state.forced
        self._tell(out, view)
        return out

    def explain(self, state: ForcedState, point: str, view: View) -> Iterator[Why]:
        """Whether lowering a post now would be an alarm."""
        if point != self.id and point not in self.points:
            return
        zh, en = "升降柱未经本系统降下", "a post that somebody else lowers"
        if state.forced:
            named = ", ".join(sorted(state.forced))
            yield Why(True, Text(f"{zh}：{named} 正在报警", f"{en}: the alarm stands for {named}"))
        elif is_within(self.spec.delivery, view):
            yield Why(False, Text(f"{zh}：现为允许车辆进出的时间", f"{en}: no alarm now, vehicles may pass at this time"))
        elif view.now.now_s < state.expected_s:
            yield Why(False, Text(f"{zh}：刚有降柱操作", f"{en}: no alarm now, it was told to go down a moment ago"))
        else:
            yield Why(True, Text(f"{zh} → 报警", f"{en} -> alarm"))

    def _is_lowered_by_us(self, what: What, view: View) -> bool:
        """An input is on; an output of ours was written or is being written (one that ends by itself never shows on)."""
        if any(view.shows(point) for point in self.spec.lowered_by | self.spec.lowered_with):
            return True
        if any((found := view.reading(point)) and found.reason == BEING_WRITTEN for point in self.spec.lowered_with):
            return True
        return isinstance(what, Reading) and what.point in self.spec.lowered_with and what.quality is Quality.GOOD

    def _expect(self, out: Step, view: View) -> None:
        """It was told to go down. An input that says so may be read after the position: what is not an alarm yet never becomes one."""
        out.state = replace(out.state, expected_s=view.now.now_s + self.spec.lowered_s)
        if view.state(f"{self.id}/alarm") in ("normal", "returned_unacknowledged", "latched_unacknowledged", "latched_acknowledged"):
            out.state = replace(out.state, forced=frozenset())

    def _tell(self, out: Step, view: View) -> None:
        for post in self.spec.posts:
            reading = view.reading(post.point)
            if post.holds(reading) is None and not out.state.forced:
                say(out, view, unknown_reading(self.id, post.point, reading, view.now, own_fault=False))
                return
        say(out, view, Reading(self.id, bool(out.state.forced), now_s=view.now.now_s))


@dataclass(frozen=True, slots=True)
class RaiseState:
    """window: as of the last look at the clock, None before the first. tries: how often it is still asked for."""

    window: Window | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Raise(OfSpec):
    """Posts go up when a protected window begins. A restart within the window moves nothing. Satisfies rules.rule.Rule."""

    spec: RaiseSpec

    @property
    def name(self) -> str:
        """anti-ram."""
        return "anti-ram"

    def begin(self, row: dict[str, Any] | None) -> RaiseState:
        """Nothing is owed."""
        return RaiseState()

    def row(self, state: RaiseState, now: Now) -> dict[str, Any]:
        """Nothing outlives the process."""
        return {}

    def step(self, state: RaiseState, what: What, view: View) -> Step:
        """Asks for the outputs when a window begins, and again while what they raise is not up."""
        window = view.window if view.knows_the_time else None
        begins = state.window is not None and window in self.spec.windows and state.window not in self.spec.windows
        tries = RAISES if begins else state.tries if window in self.spec.windows else 0
        out = Step(RaiseState(window, tries))
        if tries and not self._is_up(view):
            out.state = RaiseState(window, tries - 1)
            out.asks = [Asked(output, True, f"anti-ram {self.id}", "rule", "rule") for output in self.spec.outputs]
        elif tries:
            out.state = RaiseState(window, 0)
        return out

    def explain(self, state: RaiseState, point: str, view: View) -> Iterator[Why]:
        """Whether it would be raised at the next window."""
        if point not in {shows.point for shows in self.spec.up} and point not in self.spec.outputs:
            return
        named = ", ".join(self.spec.outputs)
        if self._is_up(view):
            yield Why(False, Text(f"{named}：已全部升起", f"{named}: everything is up"))
        elif view.knows_the_time and view.window in self.spec.windows:
            yield Why(bool(state.tries), Text(f"{named}：时段开始时已升起过", f"{named}: asked for when this window began"))
        else:
            why = why_not_now(self.spec.windows, (), view)
            yield Why(False, Text(f"{named}：时段开始时升起；{why.zh}", f"{named}: raised when the window begins; {why.en}"))

    def _is_up(self, view: View) -> bool:
        return all(shows.holds(view.reading(shows.point)) for shows in self.spec.up)
