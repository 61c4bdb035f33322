"""First-order lag, the way in which most things follow others. Pure."""

from __future__ import annotations

import math


def towards(value: float, target: float, dt_s: float, tau_s: float) -> float:
    """The value after dt_s on its way to the target, exact for any step. tau_s 0: at once."""
    return target if tau_s <= 0 else target + (value - target) * math.exp(-dt_s / tau_s)


def travel(value: float, target: float, most: float) -> float:
    """The value on its way to the target, moved by `most` at most."""
    return min(target, value + most) if target > value else max(target, value - most)
