"""Light and weather before a camera: infrared by night, rain, headlights, a hand over the lens. Pictures (H, W, 3) uint8 RGB. Pure but for
its own random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

LIGHTS = ("day", "dusk", "night")
DUSK = 0.45  # of the brightness
INFRARED = np.array([0.1, 0.3, 0.6], np.float32)  # people stand out from the ground in it as from a lamp beside the lens
REACH = (0.25, 1.05)  # of the lamp: far away, close by
NIGHT_NOISE = 6.0  # standard deviation, of 255: the sensor is at its limit
STREAKS = 160
CAR_S = 5.0  # how long headlights take across the picture
HAND_S = 0.6  # and a hand to cover the lens
SKIN = (92, 52, 40)
HAND_NOISE = 2.0


@dataclass(frozen=True, slots=True)
class Weather:
    """light: one of LIGHTS. car_s: seconds since headlights came in; None: no car. hand_s: since a hand was laid on the lens."""

    light: str = "day"
    rain: bool = False
    car_s: float | None = None
    hand_s: float | None = None

    @property
    def is_plain(self) -> bool:
        """A fine day: nothing to draw."""
        return self == Weather()


def weathered(picture: Bytes, weather: Weather, rng: np.random.Generator) -> Bytes:
    """The picture in this weather."""
    if weather.is_plain:
        return picture
    out = picture.astype(np.float32)
    if weather.light == "night":
        grey = (out @ INFRARED) * np.linspace(*REACH, len(out), dtype=np.float32)[:, None]
        grey += NIGHT_NOISE * _grain(grey.shape, rng)
        out = np.repeat(grey[..., None], 3, axis=2)
    elif weather.light == "dusk":
        out *= DUSK
    if weather.car_s is not None and weather.car_s < CAR_S:
        out += _headlights(out.shape[1], out.shape[0], weather.car_s / CAR_S)[..., None] * (0.45 if weather.light == "day" else 1.0)
    if weather.rain:
        out += _rain(out.shape[1], out.shape[0], rng)[..., None]
    if weather.hand_s is not None:
        out = _hand(out, min(1.0, weather.hand_s / HAND_S)) + HAND_NOISE * _grain(out.shape[:2], rng)[..., None]
    clipped: Bytes = np.clip(out, 0, 255).astype(np.uint8)
    return clipped


@lru_cache(maxsize=8)
def _field(height: int, width: int) -> Floats:
    return np.random.default_rng(1).normal(0.0, 1.0, (height + 64, width + 64)).astype(np.float32)


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Noise of strength 1: from a larger field of it, each time from elsewhere, for drawing it anew takes longer than the rest."""
    down, right = rng.integers(0, 64, 2)
    return _field(shape[0], shape[1])[down : down + shape[0], right : right + shape[1]]


def _headlights(width: int, height: int, along: float) -> Floats:
    """Two lamps with their glow, and the light that they throw on the ground, `along` 0..1 of the way from left to right."""
    small = Image.new("L", (width // 2, height // 2), 0)
    draw = ImageDraw.Draw(small)
    x, y, size = (1.5 * along - 0.25) * width / 2, (0.58 + 0.12 * along) * height / 2, height / 2 * (0.02 + 0.02 * along)
    draw.ellipse([x + 2 * size, y + size, x + 22 * size, y + 6 * size], fill=90)
    for lamp in (x, x + 7 * size):
        draw.ellipse([lamp - 4 * size, y - 4 * size, lamp + 4 * size, y + 4 * size], fill=110)
        draw.ellipse([lamp - size, y - size, lamp + size, y + size], fill=255)
    glow = small.filter(ImageFilter.GaussianBlur(max(1.0, size))).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(glow, np.float32) * np.float32(1.6)


def _rain(width: int, height: int, rng: np.random.Generator) -> Floats:
    """Bright streaks, elsewhere in each picture."""
    image = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(image)
    for x, y, long in zip(rng.integers(0, width, STREAKS), rng.integers(0, height, STREAKS), rng.integers(8, 30, STREAKS), strict=True):
        draw.line([(int(x), int(y)), (int(x - long // 4), int(y + long))], fill=70)
    return np.asarray(image, np.float32)


def _hand(picture: Floats, over: float) -> Floats:
    """A hand comes from below: dark, out of focus, with light between the fingers until it lies close."""
    height, width = picture.shape[:2]
    small = Image.new("L", (width // 4, height // 4), 0)
    draw = ImageDraw.Draw(small)
    wide, tall = small.size
    top = tall * (1.05 - 1.35 * over)
    for finger in range(5):
        x = wide * (0.02 + 0.2 * finger)
        draw.rounded_rectangle([x, top + tall * 0.10 * abs(finger - 2), x + wide * 0.185, tall * 1.2], radius=wide * 0.09, fill=255)
    draw.rectangle([0, top + tall * 0.38, wide, tall], fill=255)
    mask = (
        np.asarray(small.filter(ImageFilter.GaussianBlur(wide / 40)).resize((width, height), Image.Resampling.BILINEAR), np.float32) / 255
    )
    if over >= 1.0:
        mask = np.maximum(mask, 0.97)
    skin = np.array(SKIN, np.float32) * (1.0 - 0.35 * over)
    covered = picture * (1 - mask[..., None]) + skin * mask[..., None]
    return covered.astype(np.float32)
