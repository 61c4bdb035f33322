"""The gateway in virtual time: `decide` with the house of a site file, its wakes, its journal's latches and its clock.

What the daemon does around `decide` at a start, and now and then, is done here in the same order (gateway/runtime/daemon.py, conveyor.py).
"""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass

from gateway.config.settings import Settings
from gateway.core.commands import Tick
from gateway.core.ids import EventIds
from gateway.core.outputs import OutputOrder
from gateway.core.points import Draft, Latch
from gateway.core.reading import Now, Reading
from gateway.core.school_days import CALENDAR_POINT
from gateway.runtime.decide import Decision, Stimuli, decide
from gateway.runtime.houses import calendar_of, first_looks, house_of

BOOTED_S = 5.0  # monotonic seconds of a gateway that has just got power
SETTLED_S = 2.0  # as in the daemon: then outputs are looked at, also those whose device says nothing
CALENDAR_LOOK_S = 600.0
LOOKS_MOST = 500_000  # in one scenario; more is a circle


@dataclass(frozen=True, slots=True)
class Said:
    """One event. t_s: seconds since the scenario's beginning."""

    t_s: float
    draft: Draft


class Gateway:
    """One gateway and what happens around it, moved through time by `advance`.

    begin_ms: UTC milliseconds of t_s = 0. said: its events. order, release, sent: what the field and the centre hear of it.
    """

    def __init__(self, settings: Settings, begin_ms: int, t_s: float) -> None:
        self.settings = settings
        self.begin_ms = begin_ms
        self.t_s = t_s
        self.said: list[Said] = []
        self.order: Callable[[OutputOrder], None]
        self.release: Callable[[str, int], None]
        self.sent: Callable[[Draft], None]
        self._ids = EventIds(bytes)
        self._stored: dict[str, Latch] = {}
        self._later: list[tuple[float, int, Callable[[], object]]] = []
        self._count = itertools.count()
        self._runs = 0

    # --- life -----------------------------------------------------------------------------------

    def start(self, settings: Settings, clock: str, behind_ms: int) -> None:
        """A new process: only what the journal holds is left. behind_ms: how far its wall clock is behind."""
        self.settings = settings
        self.is_on = True
        self._runs += 1
        self._offset_s = BOOTED_S - self.t_s
        self._wakes: dict[str, float] = {}
        self._clock, self._behind_ms = clock, behind_ms
        self._calendar = calendar_of(settings)
        self.house = house_of(settings, self._calendar)
        self.house.restore(self._stored.values())
        for name in first_looks(self.house):
            self.take(Tick(name))
        for point in ("gw-journal", "gw-task", "gw-buses"):
            self._fault(point, False, "")
        self._tell_clock()
        self._calendar_told: bool | None = None
        self._look_at_calendar()
        self.after(SETTLED_S, self._look_at_outputs)

    def stop(self) -> None:
        """The power is cut: nothing that was to come in this run comes."""
        self.is_on = False
        self._wakes = {}

    def set_clock(self, clock: str) -> None:
        """The clock is set right, or can no longer be believed."""
        was_unknown = self._clock == "unknown"
        self._clock = clock
        if clock != "unknown":
            self._behind_ms = 0
        if was_unknown is not (clock == "unknown"):
            self._tell_clock()

    def _tell_clock(self) -> None:
        unknown = self._clock == "unknown"
        self._fault("gw-clock", unknown, "the clock was never set" if unknown else "")

    def _look_at_calendar(self) -> None:
        if CALENDAR_POINT not in self.settings.points:
            return
        now, days = self.now(), self.settings.school_days
        soon = self._calendar.runs_out(self._calendar.local_date(now.at_ms))
        if now.clock != "unknown" and soon is not self._calendar_told:
            self._calendar_told = soon
            self._fault(CALENDAR_POINT, soon, f"{days.beyond.en} after {days.ends}" if soon else "")
        self.after(CALENDAR_LOOK_S, self._look_at_calendar)

    def _look_at_outputs(self) -> None:
        for output in self.settings.outputs:
            self.take(Tick(output))

    def _fault(self, point: str, active: bool, reason: str) -> None:
        self.take(Reading(point, active, reason=reason, now_s=self.now().now_s))

    # --- time -----------------------------------------------------------------------------------

    def now(self) -> Now:
        """The three times as this gateway has them."""
        return Now(self.t_s + self._offset_s, self.begin_ms + round(self.t_s * 1000) - self._behind_ms, self._clock)

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Something happens later, unless this run has ended by then."""
        runs = self._runs

        def still() -> None:
            if self.is_on and self._runs == runs:
                act()

        heapq.heappush(self._later, (self.t_s + seconds, next(self._count), still))

    def advance(self, to_s: float) -> None:
        """Everything up to this time (seconds since the beginning), in the order of time."""
        for _ in range(LOOKS_MOST):
            wake_s = min(self._wakes.values(), default=float("inf")) - self._offset_s
            later_s = self._later[0][0] if self._later else float("inf")
            if min(wake_s, later_s) > to_s:
                self.t_s = to_s
                return
            if later_s <= wake_s:
                self.t_s = max(self.t_s, later_s)
                heapq.heappop(self._later)[2]()
            else:
                self.t_s = max(self.t_s, wake_s)
                self._tick()
        raise AssertionError(f"the gateway looks again and again at {sorted(self._wakes)[:5]}")

    def _tick(self) -> None:
        due_s = min(self._wakes.values())
        for point in [point for point, at_s in self._wakes.items() if at_s <= due_s]:
            del self._wakes[point]
            self.take(Tick(point), at_s=due_s)

    # --- decide ---------------------------------------------------------------------------------

    def take(self, stimulus: Stimuli, at_s: float | None = None) -> Decision:
        """Decide, take over and store, as the conveyor does. at_s: monotonic seconds, where rounding must not lose any."""
        now = self.now()
        if at_s is not None:
            now = Now(max(at_s, now.now_s), now.at_ms, now.clock)
        decision = decide(self.house, stimulus, now, self._ids)
        self.house.apply(decision)
        for latch in decision.latches():
            self._stored[latch.key] = Latch(latch.key, json.loads(json.dumps(latch.state)))
        for due_s, point in decision.wake:
            assert due_s > now.now_s, f"{point}: a look that is due now would spin"
            self._wakes[point] = min(due_s, self._wakes.get(point, due_s))
        for draft in decision.drafts:
            self.said.append(Said(self.t_s, draft))
        for order in decision.outputs:
            self.order(order)
        for point, press in decision.release:
            self.release(point, press)
        for draft in decision.drafts:
            self.sent(draft)
        return decision
