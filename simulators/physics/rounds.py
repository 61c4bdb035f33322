"""People who come at their own times: a guard on his round, pupils in waves. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

SLACK_RATIO = 0.2  # how much longer or shorter a way takes than it should


class Round:
    """A guard who walks to each stop once. walk_s: from one stop to the next, on average. skip: stops that he passes by."""

    def __init__(self, stops: list[str], walk_s: float, seed: int, skip: frozenset[str] = frozenset()) -> None:
        self._random = Random(seed)
        self._walk_s = walk_s
        self.left = [stop for stop in stops if stop not in skip]
        self.passed: list[str] = []
        self.way_s = self._way()

    def step(self, dt_s: float) -> str | None:
        """The stop that he reaches in this step."""
        if not self.left:
            return None
        self.way_s -= dt_s
        if self.way_s > 0:
            return None
        stop = self.left.pop(0)
        self.passed.append(stop)
        self.way_s += self._way()
        return stop

    @property
    def done(self) -> bool:
        return not self.left

    def state(self) -> dict[str, object]:
        return {"passed": self.passed, "left": self.left, "next_in_s": round(self.way_s, 1) if self.left else None}

    def _way(self) -> float:
        return self._walk_s * self._random.uniform(1 - SLACK_RATIO, 1 + SLACK_RATIO)


@dataclass(frozen=True, slots=True)
class Wave:
    """Pupils who come or go: a swell that begins and ends with nobody. per_minute: at its height; minutes: how long it lasts."""

    per_minute: float
    minutes: float

    def rate_per_s(self, at_s: float) -> float:
        """How many come, each second."""
        along = at_s / (self.minutes * 60)
        return self.per_minute / 60 * math.sin(math.pi * along) ** 2 if 0 < along < 1 else 0.0

    @property
    def expected(self) -> float:
        """How many come in all, on average."""
        return self.per_minute * self.minutes / 2


class Arrivals:
    """A wave as single persons, who come by chance."""

    def __init__(self, wave: Wave, seed: int) -> None:
        self._random = Random(seed)
        self.wave = wave
        self.at_s = 0.0
        self.came = 0

    @property
    def done(self) -> bool:
        return self.at_s >= self.wave.minutes * 60

    def step(self, dt_s: float) -> int:
        """How many come in this step (Poisson)."""
        mean = self.wave.rate_per_s(self.at_s + dt_s / 2) * dt_s
        self.at_s += dt_s
        count, left = 0, math.exp(-mean)
        product = self._random.random()
        while product > left:
            count += 1
            product *= self._random.random()
        self.came += count
        return count

    def state(self) -> dict[str, object]:
        return {"came": self.came, "expected": round(self.wave.expected), "left_s": round(max(0.0, self.wave.minutes * 60 - self.at_s), 1)}
