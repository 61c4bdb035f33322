"""People who walk through a camera's picture: who is where at what time. Photographs to the hips, drawn legs that step.

Positions are those of the feet, x and y from 0 to 1. How tall somebody is follows from where the feet are: the ground is flat, and the
camera hangs above the gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

from PIL import Image, ImageDraw

from simulators.camera_scene import PEOPLE, cut_out

FAR_FOOT, FAR_HEIGHT = 0.56, 0.22  # at the foot of the wall: 1.7 m before a wall of 2.5 m
NEAR_FOOT, NEAR_HEIGHT = 1.0, 0.70
CHILD_RATIO = 0.75
WALK_S, STEP_S = 7.0, 0.18
MOST = 40  # at the same time; who comes then waits outside
TORSO_RATIO = 0.56  # of a figure's height, down to the hips
STRIDES = (-1.0, 0.0, 1.0, 0.0)
# where the hips are across each photograph, how wide, and what the trousers look like
HIPS = {"astronaut": (0.33, 0.52, (196, 82, 48)), "cameraman": (0.26, 0.40, (30, 30, 34))}
SHOES = (24, 22, 22)

Spot = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Walker:
    """Somebody on a way. path: (seconds since began_s, x, foot); stays: at its end, until told to leave. size_ratio: of a grown-up."""

    who: str
    began_s: float
    path: tuple[tuple[float, float, float], ...]
    stays: bool = False
    size_ratio: float = 1.0
    name: str = ""

    def gone(self, now_s: float) -> bool:
        return not self.stays and now_s - self.began_s > self.path[-1][0]

    def at(self, now_s: float) -> Spot:
        """Where the feet are."""
        since_s = now_s - self.began_s
        before = self.path[0]
        for after in self.path[1:]:
            if since_s < after[0]:
                along = max(0.0, since_s - before[0]) / max(1e-6, after[0] - before[0])
                return before[1] + along * (after[1] - before[1]), before[2] + along * (after[2] - before[2])
            before = after
        return before[1], before[2]

    def steps(self, now_s: float) -> int:
        """Which of the STRIDES; standing still it is the second."""
        since_s = now_s - self.began_s
        return int(since_s / STEP_S) % len(STRIDES) if 0 <= since_s < self.path[-1][0] else 1

    def height(self, now_s: float) -> float:
        """Of the picture. Who is on the wall is as tall as at its foot."""
        return self.size_ratio * height_at(max(FAR_FOOT, self.at(now_s)[1]))


def height_at(foot: float) -> float:
    """Height of a grown-up whose feet are there, of the picture."""
    return FAR_HEIGHT + (foot - FAR_FOOT) * (NEAR_HEIGHT - FAR_HEIGHT) / (NEAR_FOOT - FAR_FOOT)


@dataclass(slots=True)
class People:
    """Everybody before one camera. seed: of their ways."""

    seed: int = 1
    walkers: list[Walker] = field(default_factory=list)
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def walk(
        self, now_s: float, begin: Spot | None, end: Spot | None, seconds: float | None, count: int, who: str | None, child: bool
    ) -> None:
        """People walk from one spot to the other; by chance through the gate where nothing is said."""
        for _ in range(count):
            if len(self.walkers) >= MOST:
                return
            way = self._way()
            (x, y), (to_x, to_y) = begin or way[0], end or way[1]
            apart = self._random.uniform(-0.06, 0.06) if count > 1 else 0.0
            late_s = self._random.uniform(0, 1.5) if count > 1 else 0.0
            time_s = seconds or WALK_S * self._random.uniform(0.8, 1.3)
            path = ((0.0, x + apart, y), (time_s, to_x + apart, to_y))
            size = CHILD_RATIO if child else self._random.uniform(0.92, 1.06)
            self.walkers.append(Walker(who or self._random.choice(PEOPLE), now_s + late_s, path, size_ratio=size))

    def stand(self, now_s: float, name: str, at: Spot, who: str | None) -> None:
        """Somebody comes from the left and stays."""
        self.leave(now_s, name)
        path = ((0.0, -0.1, at[1]), (2.0, *at))
        self.walkers.append(Walker(who or self._random.choice(PEOPLE), now_s, path, stays=True, name=name))

    def leave(self, now_s: float, name: str) -> None:
        """Goes off to the left; empty: everybody does."""
        for i, walker in enumerate(self.walkers):
            if walker.stays and name in ("", walker.name):
                x, y = walker.at(now_s)
                self.walkers[i] = Walker(walker.who, now_s, ((0.0, x, y), (2.0, -0.2, y)), size_ratio=walker.size_ratio)

    def climb(self, now_s: float) -> None:
        """Somebody comes over the wall beside the gate, drops down, and runs across."""
        path = ((0.0, 0.12, 0.48), (2.0, 0.14, 0.36), (3.0, 0.15, 0.36), (3.5, 0.17, 0.58), (4.5, 0.18, 0.60), (8.5, 1.15, 0.85))
        self.walkers.append(Walker("cameraman", now_s, path, name="climber"))

    def seen(self, now_s: float) -> list[Walker]:
        """Who is there, the farthest first. Who has gone is forgotten."""
        self.walkers = [walker for walker in self.walkers if not walker.gone(now_s)]
        return sorted((walker for walker in self.walkers if walker.began_s <= now_s), key=lambda walker: walker.at(now_s)[1])

    def _way(self) -> tuple[Spot, Spot]:
        """From the street in at the gate, or past it."""
        if self._random.random() < 0.6:
            return (self._random.uniform(0.1, 0.9), 1.3), (self._random.uniform(0.36, 0.64), FAR_FOOT)
        foot = self._random.uniform(0.65, 0.95)
        ends = [(-0.15, foot), (1.15, foot)]
        self._random.shuffle(ends)
        return ends[0], ends[1]


def draw_people(image: Image.Image, walkers: Sequence[Walker], now_s: float) -> Image.Image:
    """The picture with these people in it; the wall hides who is behind it."""
    if not walkers:
        return image
    out = image.copy()
    for walker in walkers:
        x, foot = walker.at(now_s)
        height_px = max(8, round(walker.height(now_s) * image.height / 4) * 4)
        first, last = walker.path[0], walker.path[-1]
        body = figure(walker.who, height_px, walker.steps(now_s), mirrored=(last[1] < first[1]) == (walker.who == "cameraman"))
        left, top = round(x * image.width - body.width / 2), round(foot * image.height) - body.height
        visible = round(0.22 * image.height) - top if walker.name == "climber" and walker.began_s + 2.0 > now_s else body.height
        if visible > 0:
            part = body.crop((0, 0, body.width, min(visible, body.height)))
            out.paste(part, (left, top), part)
    return out


@lru_cache(maxsize=256)
def figure(who: str, height_px: int, stride: int, mirrored: bool = False) -> Image.Image:
    """A whole person, RGBA, at this height: the photograph on drawn legs."""
    torso = cut_out(who, round(height_px * TORSO_RATIO))
    middle, wide, colour = HIPS[who]
    whole = Image.new("RGBA", (torso.width, height_px), (0, 0, 0, 0))
    draw = ImageDraw.Draw(whole)
    hips, leg = torso.width * middle, torso.width * wide / 2
    top, bottom = torso.height * 0.95, height_px * 0.97
    for side in (-1, 1):
        ahead = STRIDES[stride] * side * torso.width * 0.10
        at = hips + side * leg * 0.55
        draw.polygon(
            [(at - leg / 2, top), (at + leg / 2, top), (at + ahead + leg * 0.32, bottom), (at + ahead - leg * 0.32, bottom)],
            fill=(*colour, 255),
        )
        draw.ellipse([at + ahead - leg * 0.4, bottom - height_px * 0.02, at + ahead + leg * 0.6, height_px], fill=(*SHOES, 255))
    whole.alpha_composite(torso)
    return whole.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else whole
