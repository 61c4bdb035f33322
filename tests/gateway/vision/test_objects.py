"""What stands where nothing stood: told from people, shadows, light and holes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gateway.vision.objects import Box, Ground, ground, step

RNG = np.random.default_rng(5)
HALL = np.clip(120 + 30 * np.sin(np.arange(160) / 9.0)[None, :] + 20 * np.cos(np.arange(90) / 7.0)[:, None], 0, 255)
ZONE = [(0.2, 0.3), (0.8, 0.3), (0.8, 0.95), (0.2, 0.95)]
CRATE = (60, 40, 90, 70)  # left, top, right, bottom on the small plane
Scene = Callable[[float], tuple[np.ndarray, list[Box]]]


def hall() -> np.ndarray:
    return HALL.copy()


def with_crate(light: float = 1.0) -> np.ndarray:
    picture = hall()
    left, top, right, bottom = CRATE
    picture[top:bottom, left:right] = 60
    picture[top:bottom, left : (left + right) // 2] = 200
    return light * picture


def with_shadow() -> np.ndarray:
    picture = hall()
    picture[35:75, 50:110] *= 0.6
    return picture


def run(scene: Scene, seconds: float, before: Ground | None = None, *, settling: Callable[[float], bool] = lambda at_s: False) -> Ground:
    state = before or ground(ZONE, 160, 90)
    began_s = max(0.0, state.at_s)
    for i in range(1, round(seconds)):
        at_s = began_s + i
        picture, people = scene(at_s)
        noisy = np.clip(picture + RNG.normal(0, 1.0, picture.shape), 0, 255).astype(np.uint8)
        state = step(state, noisy, at_s, people, settling=settling(at_s))
    return state


BARE = run(lambda at_s: (hall(), []), 20)


def test_bare_ground_has_nothing_on_it() -> None:
    assert BARE.things == ()


def test_a_crate_is_seen_with_its_place_and_its_time() -> None:
    state = run(lambda at_s: (with_crate(), []), 60, BARE)
    (thing,) = state.things
    assert 45 <= thing.stood_s <= 60
    assert np.allclose(np.array(thing.box) * [160, 90, 160, 90], CRATE, atol=4)
    assert 0.08 < thing.share < 900 / (96 * 58) + 0.02


def test_outside_the_zone_nothing_matters() -> None:
    def scene(at_s: float) -> tuple[np.ndarray, list[Box]]:
        picture = hall()
        picture[40:70, 0:25] = 20
        picture[40:60, 0:12] = 220
        return picture, []

    assert run(scene, 60, BARE).things == ()


def test_when_it_is_taken_away_the_zone_is_free_again() -> None:
    state = run(lambda at_s: (with_crate(), []), 60, BARE)
    assert run(lambda at_s: (hall(), []), 5, state).things == ()


def test_who_stands_there_is_no_thing() -> None:
    box = (CRATE[0] / 160, CRATE[1] / 90, CRATE[2] / 160, CRATE[3] / 90)
    assert run(lambda at_s: (with_crate(), [box]), 60, BARE).things == ()


def test_who_passes_before_it_does_not_begin_its_time_anew() -> None:
    state = run(lambda at_s: (with_crate(), []), 30, BARE)

    def passing(at_s: float) -> tuple[np.ndarray, list[Box]]:
        picture = with_crate()
        picture[20:80, 55:80] = 30
        return picture, [(55 / 160, 20 / 90, 80 / 160, 80 / 90)]

    state = run(lambda at_s: (with_crate(), []), 30, run(passing, 4, state))
    assert max(thing.stood_s for thing in state.things) > 45


def test_traffic_that_never_stands_is_nothing() -> None:
    def scene(at_s: float) -> tuple[np.ndarray, list[Box]]:
        picture = hall()
        left = int(40 * at_s) % 130
        picture[40:70, left : left + 30] = 30
        picture[40:70, left : left + 12] = 220
        return picture, []

    assert run(scene, 60, BARE).things == ()


def test_a_shadow_is_no_thing() -> None:
    assert run(lambda at_s: (with_shadow(), []), 60, BARE).things == ()


def test_what_was_there_from_the_beginning_and_goes_leaves_no_thing() -> None:
    state = run(lambda at_s: (with_crate(), []), 20)
    assert state.things == (), "it belongs to the ground"
    state = run(lambda at_s: (hall(), []), 60, state)
    assert state.things == ()
    assert run(lambda at_s: (with_crate(), []), 60, state).things, "but it is seen when it comes back"


def test_daylight_that_fades_is_followed() -> None:
    assert run(lambda at_s: (hall() * max(0.5, 1 - at_s / 600), []), 300, BARE).things == ()


def test_it_outlasts_the_light_switch_and_is_gone_when_it_is_taken_away_in_the_dark() -> None:
    state = run(lambda at_s: (with_crate(), []), 60, BARE)
    switched_s = state.at_s
    state = run(lambda at_s: (with_crate(0.4), []), 30, state, settling=lambda at_s: at_s < switched_s + 3)
    (thing,) = state.things
    assert thing.stood_s > 80
    assert run(lambda at_s: (0.4 * hall(), []), 10, state).things == ()


def test_a_light_switch_alone_makes_no_thing() -> None:
    switched_s = BARE.at_s
    state = run(lambda at_s: (0.4 * hall(), []), 60, BARE, settling=lambda at_s: at_s < switched_s + 3)
    assert state.things == ()


def test_a_gap_without_pictures_is_no_standing() -> None:
    state = run(lambda at_s: (with_crate(), []), 10, BARE)
    late = step(state, with_crate().astype(np.uint8), state.at_s + 1000.0, [], settling=False)
    assert late.things[0].stood_s < 20
