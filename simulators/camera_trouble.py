"""What befalls a simulated camera: pictures (H, W, 3) uint8 RGB as they would be then."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Bytes = NDArray[np.uint8]

NOISE_LEVELS = 2.0


def black(picture: Bytes) -> Bytes:
    """The sensor gives nothing."""
    return np.zeros_like(picture)


def washed(picture: Bytes) -> Bytes:
    """Burnt out, as by the sun in the lens."""
    out: Bytes = np.clip(picture.astype(np.int16) // 10 + 240, 0, 255).astype(np.uint8)
    return out


def blurred(picture: Bytes) -> Bytes:
    """Out of focus."""
    radius = picture.shape[1] / 90
    return _noisy(np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)), np.int16))


def covered(picture: Bytes) -> Bytes:
    """A bag over the camera: cloth, close, with light behind it."""
    return _noisy(_blots(picture, 3, (60, 120), (9, 6)))


def sprayed(picture: Bytes) -> Bytes:
    """Paint on most of the lens; through gaps the rest is seen."""
    paint = np.clip((_blots(picture, 4, (0, 255), (8, 5))[..., :1] / 255 - 0.18) * 6, 0, 0.97)
    return _noisy((picture * (1 - paint) + np.array([60, 62, 70]) * paint).astype(np.int16))


def moved(picture: Bytes) -> Bytes:
    """Turned aside by a quarter of the picture; what comes in from the side is a wall."""
    aside = picture.shape[1] // 4
    out = np.full_like(picture, 110)
    out[: picture.shape[0] * 2 // 5, :aside] = 150
    out[:, aside:] = picture[:, :-aside]
    return out


def night(picture: Bytes) -> Bytes:
    """The infrared light is on: grey, with less light in the distance and more noise. No trouble at all."""
    grey = picture.astype(np.float32) @ np.array([0.3, 0.6, 0.1], np.float32)
    dark = np.linspace(0.4, 0.9, len(picture), dtype=np.float32)[:, None]
    return np.repeat(_noisy((grey * dark)[..., None].astype(np.int16)), 3, axis=2)


TROUBLES: dict[str, Callable[[Bytes], Bytes]] = {
    "black": black,
    "washed": washed,
    "blurred": blurred,
    "covered": covered,
    "sprayed": sprayed,
    "moved": moved,
    "night": night,
}
NAMES = ("none", "frozen", *TROUBLES)

_random = np.random.default_rng(5)


def _noisy(levels: NDArray[np.int16]) -> Bytes:
    noise = _random.normal(0, NOISE_LEVELS, levels.shape[:2]).astype(np.int16)[..., None]
    out: Bytes = np.clip(levels + noise, 0, 255).astype(np.uint8)
    return out


def _blots(picture: Bytes, seed: int, levels: tuple[int, int], size: tuple[int, int]) -> NDArray[np.int16]:
    """Soft blots between two levels, (H, W, 3). size: how many across and down."""
    few = np.random.default_rng(seed).integers(*levels, (size[1], size[0], 1), dtype=np.uint8).repeat(3, 2)
    whole = Image.fromarray(few).resize((picture.shape[1], picture.shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(whole, np.int16)
