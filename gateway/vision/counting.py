"""How many, so that one who is hidden for a moment does not make the number jump. Pure; capture times."""

from __future__ import annotations

from dataclasses import dataclass

UP_S = 0.6  # three pictures of five a second agree
DOWN_S = 2.0  # as long as one walker hides another


@dataclass(frozen=True, slots=True)
class Count:
    """A number that follows what is counted, upwards sooner than downwards.

    above_s, below_s: since when more, or fewer, were counted without a break; least, most: the number nearest to `value` since then.
    """

    value: int = 0
    above_s: float | None = None
    least: int = 0
    below_s: float | None = None
    most: int = 0


def step(before: Count, counted: int, at_s: float) -> Count:
    """The number after `counted` in the picture captured at `at_s`: what at least was seen for UP_S, or at most for DOWN_S."""
    if counted > before.value:
        above_s = at_s if before.above_s is None else before.above_s
        least = counted if before.above_s is None else min(before.least, counted)
        return Count(least) if at_s - above_s >= UP_S else Count(before.value, above_s, least)
    if counted < before.value:
        below_s = at_s if before.below_s is None else before.below_s
        most = counted if before.below_s is None else max(before.most, counted)
        return Count(most) if at_s - below_s >= DOWN_S else Count(before.value, below_s=below_s, most=most)
    return Count(before.value)
