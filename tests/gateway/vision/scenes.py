"""Pictures of a drawn school gate with the noise of a sensor, and what befalls cameras; as I420 planes (H * 3 / 2, W) uint8."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.camera_scene import draw_gate

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Made = Callable[[Floats, float], Floats]

SIZE = (640, 360)
FPS = 5.0
RANDOM = np.random.default_rng(7)


@lru_cache(maxsize=1)
def gate() -> Floats:
    """The gate (360, 640, 3) RGB, with windows, posts, leaves and paving of many sizes, as places have them."""
    random = np.random.default_rng(1)
    out = np.asarray(draw_gate(SIZE), np.float32)
    for _ in range(140):
        x, y = random.integers((0, 0), SIZE)
        width, height = random.integers(6, 60, 2)
        out[y : y + height, x : x + width] += random.normal(0, 22, 3).astype(np.float32)
    for blur, levels in ((1.2, 30), (4.0, 60)):
        out += cv2.GaussianBlur(random.normal(0, levels, (360, 640)).astype(np.float32), (0, 0), blur)[..., None]
    return np.asarray(np.clip(out, 0, 255), np.float32)


@lru_cache(maxsize=256)
def still_shot(made: Made, noise: float, number: int) -> Bytes:
    """What a camera sends of a scene in which nothing moves; a few of them are enough, as nobody compares them."""
    return shot(made(gate(), 0.0), noise)


def shot(rgb: Floats, noise: float = 3.0) -> Bytes:
    """What a camera sends of it. noise: standard deviation, levels."""
    noisy = rgb + noise * grain()[: rgb.shape[0], (left := int(RANDOM.integers(64))) : left + rgb.shape[1], None]
    return np.asarray(cv2.cvtColor(np.clip(noisy, 0, 255).astype(np.uint8), cv2.COLOR_RGB2YUV_I420), np.uint8)


@lru_cache(maxsize=1)
def grain() -> Floats:
    """The noise of a sensor, a little wider than the picture."""
    return np.asarray(RANDOM.normal(0, 1, (SIZE[1], SIZE[0] + 64)), np.float32)


def plain(rgb: Floats, at_s: float) -> Floats:
    """As it is."""
    return rgb


def black(rgb: Floats, at_s: float) -> Floats:
    """Nothing but darkness."""
    return rgb * 0.0 + 2.0


def washed(rgb: Floats, at_s: float) -> Floats:
    """Burnt out by the sun in the lens."""
    return np.asarray(np.clip(rgb * 0.15 + 235, 0, 255), np.float32)


def blurred(rgb: Floats, at_s: float) -> Floats:
    """Out of focus."""
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), 6.0), np.float32)


def covered(rgb: Floats, at_s: float) -> Floats:
    """A bag over the camera: cloth, close, lit from behind."""
    cloth = cv2.resize(np.random.default_rng(3).normal(90, 12, (6, 9, 3)).astype(np.float32), SIZE, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cloth, np.float32)


def sprayed(rgb: Floats, at_s: float) -> Floats:
    """Paint over most of the lens: soft blots, the rest seen through."""
    blots = cv2.resize(np.random.default_rng(4).random((5, 8)).astype(np.float32), SIZE, interpolation=cv2.INTER_CUBIC)
    paint = np.clip((blots - 0.18) * 6, 0, 0.97)[..., None]
    return np.asarray(rgb * (1 - paint) + np.array([60, 62, 70]) * paint, np.float32)


def moved(rgb: Floats, at_s: float) -> Floats:
    """Turned aside by an eighth of the picture."""
    return np.asarray(np.roll(rgb, (12, 80), axis=(0, 1)), np.float32)


def turned(rgb: Floats, at_s: float) -> Floats:
    """Turned to a wall that it has never seen."""
    wall = np.full_like(rgb, 120.0)
    for x in range(0, 640, 53):
        wall[:, x : x + 9] = 70
    for y in range(0, 360, 41):
        wall[y : y + 5] = 160
    return wall


def night(rgb: Floats, at_s: float) -> Floats:
    """Infrared: grey, brighter near by, darker far away."""
    grey = rgb @ np.array([0.2, 0.7, 0.1], np.float32)
    y = np.linspace(0.35, 1.0, rgb.shape[0], dtype=np.float32)[:, None]
    return np.repeat((grey * y * 0.8 + 5)[..., None], 3, axis=2)


def dim(rgb: Floats, at_s: float) -> Floats:
    """Late evening."""
    return rgb * 0.22


def fog(rgb: Floats, at_s: float) -> Floats:
    """A quarter of the contrast is left."""
    return rgb * 0.25 + 140


def rain(rgb: Floats, at_s: float) -> Floats:
    """Bright streaks, others in each picture."""
    out = rgb * 0.8
    for x, y in RANDOM.integers((0, 0), SIZE, (300, 2)):
        out[y : y + 18, x : x + 1] += 60
    return out


def snow(rgb: Floats, at_s: float) -> Floats:
    """The ground is white, flakes fall."""
    out = rgb.copy()
    out[200:] = out[200:] * 0.25 + 180
    for x, y in RANDOM.integers((0, 0), SIZE, (500, 2)):
        out[y : y + 3, x : x + 3] = 240
    return out


def headlights(rgb: Floats, at_s: float) -> Floats:
    """A car stands before the gate at night and shines into the lens."""
    out = dim(rgb, at_s) * 0.7
    y, x = np.mgrid[0:360, 0:640].astype(np.float32)
    for cx in (240, 380):
        out = out + (400 * np.exp(-((x - cx) ** 2 + (y - 200) ** 2) / 3000))[..., None]
    return np.asarray(out, np.float32)


def bus(rgb: Floats, at_s: float) -> Floats:
    """A bus passes close by: 90 % of the picture at 8 s from its nose to its tail."""
    out = rgb.copy()
    nose = int(640 * (at_s / 1.5))
    tail = int(640 * ((at_s - 6.5) / 1.5))
    left, right = max(0, tail), min(640, nose)
    if right > left:
        x = np.arange(left, right) + int(at_s * 400)
        side = np.where((x // 90) % 2 == 0, 60.0, 200.0)
        out[18:344, left:right] = side[None, :, None]
        out[200:344, left:right] = np.array([190.0, 160.0, 30.0])
    return out


def crowd(rgb: Floats, at_s: float) -> Floats:
    """The lower half is full of children who walk to and fro."""
    out = rgb.copy()
    walkers = np.random.default_rng(9)
    for _ in range(70):
        x, y, colour = walkers.integers(0, 640), walkers.integers(170, 330), walkers.integers(20, 230, 3)
        left = int(x + walkers.normal(0, 60) * at_s) % 620
        out[y - 45 : y + 25, left : left + 16] = colour
        out[y - 60 : y - 45, left + 3 : left + 13] = (190, 150, 120)
    return out


def pole_in_the_wind(rgb: Floats, at_s: float) -> Floats:
    """The camera sways by two pixels to each side."""
    return np.asarray(np.roll(rgb, round(2 * np.sin(at_s * 5)), axis=1), np.float32)


def black_bag(rgb: Floats, at_s: float) -> Floats:
    """A bag over the camera by night: its own lamp shines on the cloth."""
    return np.repeat((covered(rgb, at_s) @ np.array([0.3, 0.6, 0.1], np.float32))[..., None], 3, axis=2)
