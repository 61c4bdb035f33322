"""What a camera's point at a gate or fence means now (crowd, perimeter, loitering, water): for people who ask why. Pure.

The alarms themselves are the point's own (`AlarmSpec.windows`); this rule never acts, it only says what would follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.core.gates import WatchedZone
from gateway.core.points import Text
from gateway.core.reading import Now
from gateway.rules.gate_state import why_not_now
from gateway.rules.rule import OfSpec, Step, View, What, Why


@dataclass(frozen=True, slots=True)
class GateWatch(OfSpec):
    """One watched zone. Satisfies rules.rule.Rule."""

    spec: WatchedZone

    @property
    def name(self) -> str:
        """crowd, perimeter, loitering, water or after-hours."""
        return self.spec.rule

    def begin(self, row: dict[str, Any] | None) -> None:
        """It has no state."""

    def row(self, state: None, now: Now) -> dict[str, Any]:
        """It has no state."""
        return {}

    def step(self, state: None, what: What, view: View) -> Step:
        """Nothing follows from it."""
        return Step(None)

    def explain(self, state: None, point: str, view: View) -> Iterator[Why]:
        """Whether somebody in the zone would be an alarm now."""
        if point != self.spec.point:
            return
        zh, en = self._what()
        if (hindrance := self._hindrance(view)) is not None:
            yield Why(False, Text(f"{zh}：现在不报警，{hindrance.zh}", f"{en}: no alarm now, {hindrance.en}"))
        else:
            yield Why(True, Text(f"{zh} → 报警", f"{en} -> alarm"))

    def _what(self) -> tuple[str, str]:
        if self.spec.limit is not None:
            return f"区域内 {self.spec.limit:g} 人及以上", f"{self.spec.limit:g} persons or more in the zone"
        if self.spec.dwell_s:
            return f"有人停留 {self.spec.dwell_s:g} 秒", f"a person who stays {self.spec.dwell_s:g} s"
        return "区域内有人", "a person in the zone"

    def _hindrance(self, view: View) -> Text | None:
        reading = view.reading(self.spec.point)
        if reading is not None and reading.value is None:
            return Text(f"看不到（{reading.reason}）", f"it cannot be seen ({reading.reason})")
        if self.spec.outside_hours and view.knows_the_time and view.calendar.is_open(view.now.at_ms):
            return Text("现为在校时间", "the school is open")
        if self.spec.windows and view.knows_the_time and view.window not in self.spec.windows:
            return why_not_now(self.spec.windows, (), view)
        return None
