"""What a simulated camera sees: a drawn school gate with sensor noise, and photographs of real people in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Bytes = NDArray[np.uint8]

SCENES_DIR = Path(__file__).parent / "scenes"
PEOPLE = ("astronaut", "cameraman")  # see scenes/NOTICE
NOISE_LEVELS = 4.0  # standard deviation, of 255
NOISE_FIELDS = 7


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who walks in from the left and stands. height_ratio: of the picture; x_ratio, foot_ratio: where the feet stop, 0..1."""

    who: str = "astronaut"
    height_ratio: float = 0.55
    x_ratio: float = 0.5
    foot_ratio: float = 1.0
    walk_s: float = 1.5


class Scene:
    """Pictures of one camera. size: width, height in pixels (even)."""

    def __init__(self, size: tuple[int, int], seed: int = 1) -> None:
        self._size = size
        self._ground = draw_gate(size)
        self._random = np.random.default_rng(seed)
        noise = self._random.normal(0.0, NOISE_LEVELS, (NOISE_FIELDS, size[1], size[0], 1))
        self._noise = noise.astype(np.int16)
        self._count = 0

    def picture(self, person: Person | None, inside_ratio: float, draw_more: Callable[[Image.Image], Image.Image] | None = None) -> Bytes:
        """One picture (H, W, 3) uint8 RGB. inside_ratio: 0 the person is outside on the left, 1 where it stands.

        draw_more: draws what else is there, behind that person.
        """
        width, height = self._size
        image = self._ground if draw_more is None else draw_more(self._ground)
        if person is not None and inside_ratio > 0:
            figure = cut_out(person.who, round(person.height_ratio * height))
            start, stop = -figure.width, round(person.x_ratio * width - figure.width / 2)
            left = round(start + (stop - start) * min(1.0, inside_ratio))
            image = image.copy()
            image.paste(figure, (left, round(person.foot_ratio * height) - figure.height), figure)
        self._count += 1
        field = np.roll(
            self._noise[self._count % NOISE_FIELDS], int(self._random.integers(self._size[1])), axis=0
        )  # no sensor repeats itself
        noisy = np.asarray(image, dtype=np.int16) + field
        clipped: Bytes = np.clip(noisy, 0, 255).astype(np.uint8)
        return clipped


@lru_cache(maxsize=8)
def cut_out(who: str, height_px: int) -> Image.Image:
    """The photograph of a person, RGBA, at this height."""
    if who not in PEOPLE:
        raise ValueError(f"nobody here is called {who}; expected {' or '.join(PEOPLE)}")
    with Image.open(SCENES_DIR / f"{who}.png") as image:
        return image.convert("RGBA").resize((max(2, round(image.width * height_px / image.height)), height_px), Image.Resampling.LANCZOS)


def draw_gate(size: tuple[int, int]) -> Image.Image:
    """A school gate without people: sky, wall, two pillars, a sliding gate, the apron before it."""
    width, height = size

    def at(x: float, y: float) -> tuple[int, int]:
        return round(x * width), round(y * height)

    image = Image.new("RGB", size, (176, 190, 200))
    draw = ImageDraw.Draw(image)
    for line in range(height):
        shade = line / height
        draw.line([(0, line), (width, line)], fill=(int(186 - 40 * shade), int(198 - 40 * shade), int(208 - 45 * shade)))
    draw.rectangle([at(0, 0.22), at(1, 0.55)], fill=(148, 132, 118))
    for row in range(8):
        y = 0.22 + row * 0.041
        draw.line([at(0, y), at(1, y)], fill=(136, 120, 107))
    draw.rectangle([at(0, 0.55), at(1, 1)], fill=(122, 122, 118))
    draw.polygon([at(0.3, 0.55), at(0.7, 0.55), at(0.95, 1), at(0.05, 1)], fill=(134, 134, 130))
    draw.rectangle([at(0.3, 0.22), at(0.7, 0.55)], fill=(160, 172, 178))
    for bar in range(21):
        x = 0.3 + bar * 0.02
        draw.line([at(x, 0.26), at(x, 0.55)], fill=(84, 88, 92), width=max(1, width // 320))
    for y in (0.28, 0.40, 0.53):
        draw.line([at(0.3, y), at(0.7, y)], fill=(84, 88, 92), width=max(1, width // 240))
    for x in (0.27, 0.70):
        draw.rectangle([at(x, 0.16), at(x + 0.03, 0.56)], fill=(120, 98, 84))
    for x in (0.2, 0.8):
        draw.line([at(0.5, 0.56), at(x, 1)], fill=(196, 190, 150), width=max(1, width // 200))
    return image
