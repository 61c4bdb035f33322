"""Light and weather drawn on pictures: light switches, rain, headlights, night. Pure but for its own random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

NOISE = 3.0  # standard deviation by day, of 255; by night three times as much
DARK, NIGHT = 0.45, 0.18  # of the brightness: the lamp is off; night
STREAKS = 160
HEADLIGHT_PX = 40
SHIFTS = 64


@dataclass(frozen=True, slots=True)
class Weather:
    """What a camera that nobody walks before goes through, by seconds of the scene."""

    seed: int = 0

    def drawn(self, picture: Bytes, at_s: float, rng: np.random.Generator) -> Bytes:
        """The picture (H, W, 3) BGR with what happens at `at_s`: five parts of 36 s each, then again."""
        part, within_s = int(at_s // 36) % 5, at_s % 36
        strength = 1.0
        grey = False
        out = picture.astype(np.float32)
        if part == 1:  # the lamp is switched each 9 s
            strength = DARK if int(within_s // 9) % 2 else 1.0
        elif part == 3:
            strength = NIGHT
        elif part == 4:  # the camera switches over to infrared and back
            grey = 6 < within_s < 30
            strength = 0.5 if grey else 1.0
        out *= strength
        if grey:
            out[:] = out.mean(axis=2, keepdims=True)
        if part in (3, 0) and within_s > 10:
            _headlights(out, (within_s - 10) / 6 % 1.0, 1.0 if part == 3 else 0.5)
        if part in (2, 3):
            _rain(out, rng)
        out += NOISE * (3.0 if part == 3 else 1.0) * _grain(out.shape[0], out.shape[1], rng)
        return np.clip(out, 0, 255).astype(np.uint8)


@lru_cache(maxsize=4)
def _field(height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(0.0, 1.0, (height + SHIFTS, width + SHIFTS, 1)).astype(np.float32)


def _grain(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise of strength 1: a large field of it, each time from elsewhere, as drawing it anew takes as long as looking at it."""
    down, right = rng.integers(0, SHIFTS, 2)
    return _field(height, width)[down : down + height, right : right + width]


def _headlights(picture: NDArray[np.float32], along: float, strength: float) -> None:
    """Two lamps and their glow on the ground, `along` 0..1 of the way from left to right."""
    height, width = picture.shape[:2]
    glow = np.zeros((height, width), np.float32)
    x, y = int((1.4 * along - 0.2) * width), int((0.55 + 0.2 * along) * height)
    for lamp in (x, x + HEADLIGHT_PX):
        cv2.circle(glow, (lamp, y), 9, 220.0, -1)
    cv2.ellipse(glow, (x + 3 * HEADLIGHT_PX, y + 30), (4 * HEADLIGHT_PX, 28), 0, 0, 360, 110.0, -1)
    picture += strength * cv2.GaussianBlur(glow, (31, 31), 0)[:, :, None]


def _rain(picture: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Bright streaks, elsewhere in each picture."""
    height, width = picture.shape[:2]
    drops = np.zeros((height, width), np.float32)
    for x, y, long in zip(rng.integers(0, width, STREAKS), rng.integers(0, height, STREAKS), rng.integers(8, 30, STREAKS), strict=True):
        cv2.line(drops, (int(x), int(y)), (int(x - long // 4), int(y + long)), 70.0, 1)
    picture += drops[:, :, None]
