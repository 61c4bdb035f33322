"""Frozen or only quiet: judged by key pictures, and by noise that has gone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.camera_still import CONFIRM_S, Stillness, mean_difference, same_share

Bytes = NDArray[np.uint8]

RANDOM = np.random.default_rng(1)
SCENE = RANDOM.integers(40, 200, (90, 160)).astype(np.uint8)
FPS = 5


def noisy(levels: int = 1) -> Bytes:
    """The scene as a live sensor gives it."""
    return (SCENE + RANDOM.integers(0, levels + 1, SCENE.shape)).astype(np.uint8)


def play(still: Stillness, pictures: list[Bytes], from_s: float, *, keys_each_s: float) -> float:
    """Five pictures a second, with key pictures among them; what the last one says."""
    said = 0.0
    for number, picture in enumerate(pictures):
        stamp_s = from_s + number / FPS
        if number % round(keys_each_s * FPS) == 0:
            still.key(picture, stamp_s)
        said = still.picture(picture, stamp_s)
    return said


def test_a_quiet_stream_whose_key_pictures_differ_is_alive() -> None:
    """Between key pictures nothing changes at all, as encoders send it for a quiet scene."""
    pictures = [picture for _ in range(10) for picture in [noisy()] * 10]
    assert play(Stillness(), pictures, 0.0, keys_each_s=2.0) == 0.0


def test_key_pictures_that_repeat_are_frozen_from_the_first_of_them() -> None:
    assert play(Stillness(), [SCENE] * 21, 50.0, keys_each_s=2.0) == pytest.approx(4.0)


def test_a_running_clock_does_not_hide_it() -> None:
    pictures = []
    for second in range(9):
        picture = SCENE.copy()
        picture[:8, 8 * second : 8 * second + 8] = 255
        pictures += [picture] * FPS
    assert play(Stillness(), pictures, 0.0, keys_each_s=2.0) > 3.0


def test_noise_that_is_gone_at_once_is_frozen_though_the_key_pictures_still_settle() -> None:
    still = Stillness()
    play(still, [noisy(5) for _ in range(100)], 0.0, keys_each_s=2.0)
    settling = [(SCENE + second // 2).astype(np.uint8) for second in range(6) for _ in range(FPS)]
    assert play(still, settling, 20.0, keys_each_s=2.0) > 2.5


def test_noise_that_is_gone_because_the_lamp_goes_on_is_not() -> None:
    still = Stillness()
    play(still, [noisy(5) for _ in range(100)], 0.0, keys_each_s=20.0)
    assert play(still, [(SCENE + 40).astype(np.uint8)] * 40, 20.2, keys_each_s=100.0) == 0.0


def test_rain_that_stops_is_not_taken_for_it_for_long() -> None:
    still = Stillness()
    play(still, [noisy(5) for _ in range(100)], 0.0, keys_each_s=2.0)
    calm = [picture for _ in range(10) for picture in [noisy()] * 10]
    assert play(still, calm[:30], 20.0, keys_each_s=2.0) > 0, "nobody can know yet"
    assert play(still, calm, 26.0, keys_each_s=2.0) == 0.0
    assert CONFIRM_S <= 15.0


def test_a_moving_picture_ends_it() -> None:
    still = Stillness()
    assert play(still, [SCENE] * 21, 0.0, keys_each_s=2.0) > 0
    assert play(still, [noisy() for _ in range(11)], 4.2, keys_each_s=2.0) == 0.0


def test_stamps_that_go_back_begin_anew() -> None:
    still = Stillness()
    play(still, [SCENE] * 21, 100.0, keys_each_s=2.0)
    assert play(still, [SCENE], 0.0, keys_each_s=2.0) == 0.0


def test_blocks_of_one_level_say_nothing() -> None:
    dark = np.full((96, 160), 16, np.uint8)
    assert same_share(dark, dark) == 0.0
    dark[:16, :32] = RANDOM.integers(16, 60, (16, 32))
    assert same_share(dark, dark) == 0.0, "two blocks are too few"
    dark[:16] = RANDOM.integers(16, 60, (16, 160))
    assert same_share(dark, dark) == 1.0


def test_pictures_of_another_size_are_others() -> None:
    assert same_share(SCENE, SCENE[:80]) == 0.0
    assert mean_difference(SCENE[::16], SCENE[::16, :80]) == 255.0
