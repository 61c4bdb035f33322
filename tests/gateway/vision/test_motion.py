"""When pictures are worth looking at."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest

from gateway.vision.motion import BUSY_EACH_S, DIFFERENCE_LEAST, DIFFERENCE_MOST, RELIT_S, Gate, difference_of, shrink, step, unchanged

RNG = np.random.default_rng(7)
YARD = RNG.integers(80, 120, (360, 640)).astype(np.uint8)
GRAIN = RNG.normal(0, 1, (400, 680)).astype(np.float32)


def noisy(light: float = 1.0, noise: float = 4.0) -> np.ndarray:
    down, right = RNG.integers(0, 40, 2)  # the same grain elsewhere is another noise, and quicker than to draw it anew
    return np.clip(light * YARD + noise * GRAIN[down : down + 360, right : right + 640], 0, 255).astype(np.uint8)


def with_block(left: float, light: float = 1.0) -> np.ndarray:
    picture = noisy(light)
    picture[100:260, int(left) : int(left) + 60] = 230 * light
    return picture


def run(pictures: Iterable[np.ndarray], fps: float = 5.0, *, people: bool = False, gate: Gate | None = None) -> list[bool]:
    gate, out = gate or Gate(), []
    for i, picture in enumerate(pictures):
        gate, look = step(gate, shrink(picture), i / fps, people=people)
        out.append(look)
    return out


def test_shrink_gives_320_columns_and_keeps_the_shape() -> None:
    assert shrink(YARD).shape == (180, 320)
    assert shrink(np.zeros((1080, 1920), np.uint8)).shape == (180, 320)


@pytest.mark.parametrize("noise", [0.0, 2.0, 4.0, 8.0])
def test_a_still_scene_is_hardly_ever_looked_at_whatever_its_noise(noise: float) -> None:
    looked = run(noisy(noise=noise) for _ in range(5 * 120))
    assert sum(looked) / len(looked) <= 0.05, "95 % skipped, the beginning included"
    late = [i for i, look in enumerate(looked) if look and i > 20]
    assert late
    assert all(0 < b - a <= 51 for a, b in pairwise(late)), "never longer than 10 s without a look"


def test_where_somebody_is_there_is_a_look_each_five_seconds() -> None:
    looked = run((noisy() for _ in range(5 * 60)), people=True)
    late = [i for i, look in enumerate(looked) if look and i > 20]
    assert all(0 < b - a <= 26 for a, b in pairwise(late))


def test_a_walker_opens_it_and_looking_goes_on_for_a_while() -> None:
    still, moving = [with_block(100) for _ in range(20)], [with_block(x) for x in range(110, 210, 10)]
    looked = run([*still, *moving, *[with_block(200) for _ in range(40)]])
    assert all(looked[20:35])
    assert not any(looked[50:60])


def test_somebody_who_creeps_is_noticed_though_no_two_pictures_differ_enough() -> None:
    pictures = [with_block(100) for _ in range(30)] + [with_block(100 + 0.4 * i) for i in range(60)]
    assert any(run(pictures)[35:60])


def test_at_night_less_is_a_difference() -> None:
    day, night = Gate(), Gate()
    scene = np.tile(np.linspace(20, 230, 640), (360, 1))
    for i in range(20):
        day, _ = step(day, shrink(scene.astype(np.uint8)), i / 5)
        night, _ = step(night, shrink((0.1 * scene).astype(np.uint8)), i / 5)
    assert difference_of(day) == DIFFERENCE_MOST
    assert difference_of(night) == DIFFERENCE_LEAST
    moving = [(0.1 * scene).astype(np.uint8) for _ in range(40)]
    for i, picture in enumerate(moving[30:]):
        picture[100:260, 20 * i : 20 * i + 60] = 14
    assert any(run(moving)[30:40])


def test_a_light_switch_is_looked_at_throughout_and_settles() -> None:
    looked = run([*(noisy() for _ in range(60)), *(noisy(0.4) for _ in range(60))])
    assert all(looked[60 : 60 + int(5 * RELIT_S)]), "no picture is left out while it begins anew"
    assert not any(looked[85:105])


def test_who_walks_in_with_the_light_switch_is_looked_at_every_time() -> None:
    dark = [with_block(10 * i, 0.4) for i in range(40)]
    assert all(run([*(noisy() for _ in range(60)), *dark])[60:])


def test_rain_is_looked_at_less_often_once_nobody_was_found_in_it_for_long() -> None:
    rain = [with_block(RNG.integers(0, 500)) for _ in range(5 * 30)]
    alone, busy = run(rain), run(rain, people=True)
    assert all(alone[:50])
    assert all(busy), "never while somebody is there"
    late = [i for i, look in enumerate(alone) if look and i > 60]
    assert {b - a for a, b in pairwise(late)} == {int(np.ceil(5 * BUSY_EACH_S))}


def test_doubt_is_cleared_up_at_once() -> None:
    gate = Gate()
    for i in range(30):
        gate, _ = step(gate, shrink(noisy()), i / 5)
    assert not step(gate, shrink(noisy()), 6.0)[1]
    assert step(gate, shrink(noisy()), 6.0, doubt=True)[1]


def test_another_picture_size_is_motion() -> None:
    gate, _ = step(Gate(), shrink(YARD), 0.0)
    gate, _ = step(gate, shrink(YARD), 3.0)
    _, look = step(gate, shrink(np.zeros((480, 640), np.uint8)), 3.2)
    assert look


def test_a_place_is_unchanged_in_other_light_and_changed_when_somebody_left() -> None:
    box = (100 / 640, 100 / 360, 160 / 640, 260 / 360)
    then = shrink(with_block(100))
    assert unchanged(then, shrink(with_block(100)), box)
    assert unchanged(then, shrink(np.clip(with_block(100) + 20.0, 0, 255).astype(np.uint8)), box)
    half = with_block(100)
    half[100:160, 100:160] = 100
    assert not unchanged(then, shrink(half), box)
    assert not unchanged(then, np.zeros((100, 320), np.uint8), box)
