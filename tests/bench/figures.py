"""What a benchmark says: figures with goals, and the arithmetic on its samples. Pure."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

EXACT_TOLERANCE = 0.02  # "= 20" holds for 19.6 to 20.4: a window cuts a cycle somewhere
_GOAL = re.compile(r"^(<=|>=|=) (-?[0-9.]+)$")


@dataclass(frozen=True, slots=True)
class Figure:
    """One result. goal: "<= 1.5", ">= 1500" or "= 20", or "" when it is only shown. note: how it came about, how noisy it was.

    value: None where it could not be measured here; the note says why.
    """

    name: str
    value: float | None
    unit: str
    goal: str
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the value reaches its goal, if it has one; a missing value does not."""
        return not self.goal or (self.value is not None and meets(self.value, self.goal))

    def as_json(self) -> dict[str, object]:
        """As written to build/bench/NAME.json."""
        return asdict(self)


def meets(value: float, goal: str) -> bool:
    """Whether a value reaches a goal such as "<= 1.5". ValueError for anything else than the three forms."""
    found = _GOAL.match(goal)
    if found is None:
        raise ValueError(f'"{goal}" is not a goal; expected "<= 1.5", ">= 1500" or "= 20"')
    limit = float(found[2])
    if found[1] == "<=":
        return value <= limit
    if found[1] == ">=":
        return value >= limit
    return abs(value - limit) <= EXACT_TOLERANCE * abs(limit)


def percentile(samples: Sequence[float], percent: float) -> float:
    """Nearest rank: the smallest sample that `percent` (0..100) of all do not exceed. ValueError without samples."""
    if not samples:
        raise ValueError("no samples")
    return sorted(samples)[max(0, math.ceil(percent / 100 * len(samples)) - 1)]


def median_ratio(ours: Sequence[float], floor: Sequence[float]) -> float:
    """Median of the ratios of runs that were taken side by side. ValueError when there are none, or they do not pair."""
    if not ours:
        raise ValueError("no runs")
    return statistics.median(mine / theirs for mine, theirs in zip(ours, floor, strict=True))


def span(samples: Sequence[float], digits: int = 2) -> str:
    """ "0.31 to 0.52", for notes."""
    return f"{min(samples):.{digits}f} to {max(samples):.{digits}f}"


def table(figures: Sequence[Figure]) -> str:
    """The figures as aligned text, each with its verdict and its note below."""
    rows = [("figure", "value", "unit", "goal", "")]
    rows += [(f.name, "-" if f.value is None else f"{f.value:g}", f.unit, f.goal, _verdict(f)) for f in figures]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = []
    for i, row in enumerate(rows):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if i and figures[i - 1].note:
            lines.append(f"    {figures[i - 1].note}")
    return "\n".join(lines)


def _verdict(figure: Figure) -> str:
    if figure.value is None:
        return "missing"
    return ("met" if figure.met else "MISSED") if figure.goal else ""
