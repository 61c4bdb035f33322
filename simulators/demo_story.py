"""The demo's story: causes, when each happens, which event it must raise, and how the count comes out. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

BROKER_OUTAGE_S = 3.0
BROKER_DOWN_BEFORE_S = 0.5  # the press falls this long after the kill

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Expected:
    """The event that a cause must raise."""

    subject: str
    type: str
    alarm: str


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that happens at the school. path, body: the POST to the simulated school's API that makes it happen."""

    id: str
    what: str
    path: str
    body: Mapping[str, Any]
    expected: Expected
    broker_down: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, at_s after the story's beginning. cause is None for the broker's steps."""

    at_s: float
    action: Literal["cause", "kill broker", "restart broker"]
    cause: Cause | None = None


def _alarm(cause: str, what: str, point: str, body: Mapping[str, Any], alarm: str = "alarm", *, broker_down: bool = False) -> Cause:
    return Cause(cause, what, f"/points/{point}", body, Expected(point, "campus.alarm.activated", alarm), broker_down)


CAUSES: tuple[Cause, ...] = (
    _alarm("panic", "one-key alarm in the gatehouse", "panic-gatehouse", {"press_ms": 300}),
    _alarm("bollard", "car hits the bollard", "bollard-1-impact", {"press_ms": 300}),
    _alarm("gas-1", "gas in the kitchen rises to 30 %LEL", "gas-kitchen-lel", {"value": 30.0}, "level1"),
    _alarm("gas-2", "gas in the kitchen rises to 60 %LEL", "gas-kitchen-lel", {"value": 60.0}, "level2"),
    _alarm("residual-1", "residual current 350 mA", "residual-main", {"value": 350.0}, "level1"),
    _alarm("residual-2", "residual current 600 mA", "residual-main", {"value": 600.0}, "level2"),
    Cause(
        "person",
        "person at the gate after hours",
        "/cameras/gate-camera",
        {"person": True},
        Expected("person-gate", "campus.alarm.activated", "alarm"),
    ),
    _alarm("panic-outage", "one-key alarm while the broker is dead", "panic-duty", {"press_ms": 300}, broker_down=True),
    _alarm("door", "back door forced", "door-back-forced", {"value": True}),
    Cause(
        "silent",
        "gas detector goes silent",
        "/devices/gas-kitchen/fault",
        {"kind": "silent"},
        Expected("gas-kitchen", "campus.fault.activated", "fault"),
    ),
)


def plan(causes: Sequence[Cause], story_s: float) -> list[Step]:
    """All steps in order, causes evenly spaced over `story_s`."""
    spacing_s = story_s / len(causes)
    steps = []
    for index, cause in enumerate(causes):
        at_s = (index + 0.5) * spacing_s
        steps.append(Step(at_s, "cause", cause))
        if cause.broker_down:
            down_s = max(0.0, at_s - BROKER_DOWN_BEFORE_S)
            steps += [Step(down_s, "kill broker"), Step(down_s + BROKER_OUTAGE_S, "restart broker")]
    return sorted(steps, key=lambda step: step.at_s)


@dataclass(frozen=True, slots=True)
class Told:
    """What one event line of the centre means. delay_ms: from cause to centre; None where no cause belongs to it."""

    cause: Cause | None
    delay_ms: float | None


@dataclass(slots=True)
class _Case:
    """One cause: when it happened, and when each event id that answers it came first (both CLOCK_MONOTONIC ns)."""

    cause: Cause
    at_ns: int | None = None
    arrivals: dict[str, int] = field(default_factory=dict)

    def delay_ms(self) -> float | None:
        """Of the first event that came after the cause."""
        if self.at_ns is None:
            return None
        after = [ns for ns in self.arrivals.values() if ns >= self.at_ns]
        return (min(after) - self.at_ns) / 1e6 if after else None


class Tally:
    """Causes on one side, the centre's lines on the other."""

    def __init__(self, causes: Sequence[Cause]) -> None:
        self._cases = {cause.expected: _Case(cause) for cause in causes}
        self.resent = 0
        self.others = 0

    def caused(self, cause: Cause, at_ns: int) -> None:
        """It happened, at this CLOCK_MONOTONIC time."""
        self._cases[cause.expected].at_ns = at_ns

    def event(self, line: Line) -> Told:
        """Enter one event line of the centre."""
        resend = bool(line["resend"])
        self.resent += resend
        case = self._cases.get(Expected(line["subject"], line["type"], line["alarm"]))
        if case is None:
            self.others += not resend
            return Told(None, None)
        arrived_ns = int(line["arrived_monotonic_ns"])
        case.arrivals.setdefault(str(line["id"]), arrived_ns)
        delay_ms = (arrived_ns - case.at_ns) / 1e6 if case.at_ns is not None and arrived_ns >= case.at_ns else None
        return Told(case.cause, delay_ms)

    def waiting(self) -> list[Cause]:
        """Causes whose event has not come."""
        return [case.cause for case in self._cases.values() if case.delay_ms() is None]

    def table(self) -> list[tuple[Cause, int, float | None]]:
        """(cause, number of event ids that answer it, delay in ms) in the story's order."""
        return [(case.cause, len(case.arrivals), case.delay_ms()) for case in self._cases.values()]

    def summary(self) -> dict[str, Any]:
        """The figures of the last line."""
        cases = [case for case in self._cases.values() if case.at_ns is not None]
        delays_ms = sorted(delay_ms for case in cases if (delay_ms := case.delay_ms()) is not None)
        return {
            "caused": len(cases),
            "received": len(delays_ms),
            "lost": len(cases) - len(delays_ms),
            "duplicated": sum(max(0, len(case.arrivals) - 1) for case in cases),
            "resent": self.resent,
            "delay_ms": {"p50": percentile(delays_ms, 50), "p99": percentile(delays_ms, 99), "max": percentile(delays_ms, 100)},
        }


def percentile(ascending: Sequence[float], percent: float) -> float | None:
    """Nearest-rank percentile, rounded to 0.1; None of nothing."""
    if not ascending:
        return None
    rank = max(1, math.ceil(len(ascending) * percent / 100))
    return round(ascending[rank - 1], 1)


def objections(summary: Line, report: Line, source: str) -> list[str]:
    """Why the story has not come out as it must; empty when every cause led to its event, once, in a whole chain."""
    found = []
    if summary["lost"]:
        found.append(f"{summary['lost']} causes did not lead to their event")
    if summary["duplicated"]:
        found.append(f"{summary['duplicated']} events too many for one cause")
    gateway = report.get("gateways", {}).get(source)
    if gateway is None:
        return [*found, f"the centre's report does not know {source}"]
    if gateway["chain"] != "whole":
        found.append(f"chain {gateway['chain']}")
    found += [f"{name}: {gateway[name]}" for name in ("missing", "class_missing", "gaps") if gateway[name]]
    found += [f"{gateway[name]} {name}" for name in ("early", "conflicts", "unusable", "unverified") if gateway[name]]
    return found
