"""Posts that rise and sink, and vehicles that ram them. Pure.

A barrier is a post too: closed is up. A post is at one end, at the other, or at neither; its contacts leave the one before they reach the
other, since its height is one number and the contacts close at its ends alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from simulators.physics.lag import travel

RISE_S, SINK_S, EMERGENCY_S = 4.0, 3.0, 1.5
CONTACT_RATIO = 0.01  # of its height: so near to an end its contact is closed
RATED_KMH = 48.0  # what a post stops without giving way (7.5 t: IWA 14)
HARMLESS_KMH = 20.0  # slower than this it is a bump: the sensor strikes, the post stays sound
IMPACT_MS = 300


class At(StrEnum):
    """What its contacts say."""

    UP = "up"
    DOWN = "down"
    BETWEEN = "between"


@dataclass(slots=True)
class Post:
    """height_ratio: 0 sunk, 1 up. goal_ratio: where it goes; None: it stands. moves False: it is fixed, and up.

    obstacle: something stands on it, it does not rise. lost: struck so hard that it neither moves nor knows where it is.
    """

    height_ratio: float = 1.0
    moves: bool = True
    goal_ratio: float | None = None
    seconds: float = RISE_S
    obstacle: bool = False
    lost: bool = False
    hits: int = 0

    @property
    def at(self) -> At:
        if self.lost:
            return At.BETWEEN
        if self.height_ratio >= 1 - CONTACT_RATIO:
            return At.UP
        return At.DOWN if self.height_ratio <= CONTACT_RATIO else At.BETWEEN

    @property
    def rising(self) -> bool | None:
        """True up, False down, None while it stands."""
        return None if self.goal_ratio is None else self.goal_ratio > self.height_ratio

    def move(self, up: bool, seconds: float = 0.0) -> None:
        """Begins to rise or sink; nothing happens to one that is lost or fixed. seconds: from end to end; 0: as it does."""
        if self.moves and not self.lost:
            self.goal_ratio, self.seconds = (1.0 if up else 0.0), seconds or (RISE_S if up else SINK_S)

    def stop(self) -> None:
        self.goal_ratio = None

    def repair(self) -> None:
        """Set upright again."""
        self.lost, self.obstacle, self.height_ratio, self.goal_ratio = False, False, 1.0, None

    def step(self, dt_s: float) -> None:
        if self.goal_ratio is None:
            return
        if self.obstacle and self.goal_ratio > self.height_ratio:
            self.goal_ratio = None  # it feels the car above it, and stays
            return
        self.height_ratio = travel(self.height_ratio, self.goal_ratio, dt_s / self.seconds)
        if self.height_ratio == self.goal_ratio:
            self.goal_ratio = None

    def struck(self, speed_kmh: float) -> float:
        """A vehicle comes. Returns how fast it is behind the post, km/h; 0: the post has stopped it."""
        if self.lost or self.height_ratio < 0.5:
            return speed_kmh  # it drives over
        self.hits += 1
        if speed_kmh > (HARMLESS_KMH if self.moves else RATED_KMH):  # a fixed one has no drive to be bent
            self.lost, self.goal_ratio = True, None
        return math.sqrt(max(0.0, speed_kmh**2 - RATED_KMH**2))  # each post takes the same energy

    def state(self) -> dict[str, object]:
        moving = {True: "rising", False: "sinking", None: ""}[self.rising]
        return {
            "at": "lost" if self.lost else self.at.value,
            "height_ratio": round(self.height_ratio, 2),
            "moving": moving,
            "obstacle": self.obstacle,
            "hits": self.hits,
        }


@dataclass(slots=True)
class Drive:
    """How a vehicle's way through layers of posts ended. hit: names of the posts that it struck; kmh: how fast it was behind the last."""

    hit: list[str] = field(default_factory=list)
    kmh: float = 0.0


def ram(layers: Sequence[tuple[str, Post]], speed_kmh: float) -> Drive:
    """A vehicle drives at these posts, one behind the other, until one of them stops it."""
    drive = Drive(kmh=speed_kmh)
    for name, post in layers:
        if drive.kmh <= 0:
            break
        before = post.hits
        drive.kmh = post.struck(drive.kmh)
        if post.hits > before:
            drive.hit.append(name)
    return drive
