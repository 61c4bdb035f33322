"""How `check` shows what the lines promise: for people, and as JSON."""

from __future__ import annotations

import math
from typing import Any

from gateway.core.wire import WireClass
from gateway.runtime.promises import Judgement, PointPromise


def promise_lines(judged: Judgement) -> list[str]:
    """One line for each bus, below it one for each point, most urgent first."""
    out: list[str] = []
    for bus, line in judged.lines.items():
        out.append(f"bus {bus}: used {line.used_ratio:.2f} of its time, {len(line.blocks)} requests; worst delay from change to reading:")
        points = [point for point in judged.points if point.bus == bus]
        width = max((len(point.point) for point in points), default=0)
        out += [f"  {point.point:{width}}  {_ms(point.delay_s):>8}  {_class(point):13} every {_ms(point.period_s)}" for point in points]
    out += [f"bus {bus}: its devices report by themselves, nothing is asked in turn" for bus in judged.unasked]
    return out


def promises_as_json(judged: Judgement) -> dict[str, Any]:
    """lines: bus -> used_ratio. promises: point, bus, device, class, period_ms, promised_ms (null: never)."""
    return {
        "lines": {bus: {"used_ratio": round(line.used_ratio, 4)} for bus, line in judged.lines.items()},
        "promises": [
            {
                "point": point.point,
                "bus": point.bus,
                "device": point.device,
                "class": point.wire_class.name.lower(),
                "period_ms": round(point.period_s * 1000, 1),
                "promised_ms": None if math.isinf(point.delay_s) else round(point.delay_s * 1000, 1),
            }
            for point in judged.points
        ],
    }


def _class(point: PointPromise) -> str:
    return WireClass(point.wire_class).name.lower().replace("_", " ")


def _ms(seconds: float) -> str:
    return "never" if math.isinf(seconds) else f"{seconds * 1000:.0f} ms"
