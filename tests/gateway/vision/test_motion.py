"""When pictures are worth looking at."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gateway.vision.motion import Gate, changed_ratio, shrink, step

RNG = np.random.default_rng(7)
YARD = RNG.integers(80, 120, (360, 640)).astype(np.uint8)


def noisy() -> np.ndarray:
    return np.clip(YARD + RNG.normal(0, 4, YARD.shape), 0, 255).astype(np.uint8)


def with_block(left: int) -> np.ndarray:
    picture = noisy()
    picture[100:260, left : left + 60] = 230
    return picture


def run(pictures: list[np.ndarray], fps: float = 5.0) -> list[bool]:
    gate, out = Gate(), []
    for i, picture in enumerate(pictures):
        gate, look = step(gate, picture, i / fps)
        out.append(look)
    return out


def test_shrink_gives_320_columns_and_keeps_the_shape() -> None:
    assert shrink(YARD).shape == (180, 320)
    assert shrink(np.zeros((1080, 1920), np.uint8)).shape == (180, 320)


def test_noise_is_not_motion_but_a_walker_is() -> None:
    assert changed_ratio(shrink(noisy()), shrink(noisy())) < 0.002
    assert changed_ratio(shrink(with_block(100)), shrink(with_block(130))) > 0.002


def test_a_still_scene_is_looked_at_each_five_seconds_only() -> None:
    looked = run([noisy() for _ in range(5 * 60)])
    assert sum(looked) <= 6 + 12, "the first second, then a heartbeat each 5 s"
    late = [i for i, look in enumerate(looked) if look and i > 10]
    assert all(0 < b - a <= 26 for a, b in pairwise(late)), "never longer than 5 s without a look"
    assert sum(looked[10:]) / len(looked[10:]) <= 0.05, "96 % skipped"


def test_looking_goes_on_for_a_second_after_motion() -> None:
    still, moving = [with_block(100) for _ in range(20)], [with_block(x) for x in range(110, 210, 10)]
    looked = run([*still, *moving, *[with_block(200) for _ in range(12)]])
    assert all(looked[20:30])
    assert all(looked[30:35])
    assert not any(looked[37:42])


def test_another_picture_size_is_motion() -> None:
    gate, _ = step(Gate(), YARD, 0.0)
    gate, _ = step(gate, YARD, 3.0)
    _, look = step(gate, np.zeros((480, 640), np.uint8), 3.2)
    assert look
