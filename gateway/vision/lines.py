"""Who crosses a line, and which way. Pure; points in pixels, so that distances mean the same in both directions.

Somebody is on a side only at some distance from the line. Who comes near and turns back, or trembles on it, has not
crossed; who has, must come as far back to cross it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

Point = tuple[float, float]

MARGIN = 0.1  # of a person's height: as far on both sides of the line as nobody is on either
BEYOND = 0.02  # of the line's length, so that nobody slips through where two lines meet


class Way(StrEnum):
    """From the left to the right, looking from the line's start to its end, is in."""

    IN = "in"
    OUT = "out"


class Walker(NamedTuple):
    """A track. foot: where it stands, in pixels; height_px: of its box; believed: it is somebody, not a post."""

    foot: Point
    height_px: float
    believed: bool = True


@dataclass(frozen=True, slots=True)
class Crossings:
    """One line. sure: where each track was when it last stood clearly on one side. passed_in, passed_out: since the beginning."""

    sure: Mapping[int, Point] = field(default_factory=dict)
    passed_in: int = 0
    passed_out: int = 0

    def passed(self, way: Way | None) -> int:
        """How many, of one way or of both."""
        return (0 if way is Way.OUT else self.passed_in) + (0 if way is Way.IN else self.passed_out)


def step(before: Crossings, walkers: Mapping[int, Walker], start: Point, end: Point) -> tuple[Crossings, dict[int, Way]]:
    """The line after a picture with these tracks (by id), and who has crossed it by this picture.

    A track is remembered as long as it is given, so those that are lost should be given where they were last found.
    """
    length = abs(complex(*end) - complex(*start))
    sure: dict[int, Point] = {}
    crossed: dict[int, Way] = {}
    for track, walker in walkers.items():
        was = before.sure.get(track)
        distance = _turn(start, end, walker.foot) / length
        if abs(distance) < MARGIN * walker.height_px or (was is not None and not walker.believed):
            if was is not None:
                sure[track] = was
            continue
        sure[track] = walker.foot
        if was is not None and _turn(start, end, was) * distance < 0 and _between(start, end, was, walker.foot):
            crossed[track] = Way.IN if distance > 0 else Way.OUT
    ways = list(crossed.values())
    return Crossings(sure, before.passed_in + ways.count(Way.IN), before.passed_out + ways.count(Way.OUT)), crossed


def _turn(start: Point, end: Point, point: Point) -> float:
    """Twice the area of the triangle: positive where the point is on the right, looking from start to end (y goes down)."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


def _between(start: Point, end: Point, was: Point, now: Point) -> bool:
    """Whether the way from one point to the other passes the line between its ends."""
    first, second = _turn(was, now, start), _turn(was, now, end)
    along = first / (first - second) if first != second else 0.5
    return -BEYOND <= along <= 1.0 + BEYOND
