"""What happens before a camera: who is where, and what it looks like."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.runner import Detector, load
from simulators.camera import CameraServer
from simulators.camera_life import Life
from simulators.camera_people import FAR_HEIGHT, People, draw_people, figure
from simulators.camera_scene import PEOPLE, Bytes, Scene
from simulators.camera_weather import HAND_S, weathered

SIZE = (640, 360)


def picture(life: Life, now_s: float) -> Bytes:
    scene = Scene(SIZE)
    seen = scene.picture(None, 0.0, partial(draw_people, walkers=life.people(now_s), now_s=now_s))
    return weathered(seen, life.weather(now_s), life.rng)


def told(*scenes: dict[str, Any]) -> Life:
    life = Life(seed=3)
    for scene in scenes:
        life.order(scene, 0.0)
    return life


@given(st.integers(0, 99), st.floats(0, 30))
def test_people_are_as_tall_as_where_they_stand_and_leave_in_the_end(seed: int, now_s: float) -> None:
    people = People(seed)
    people.walk(0.0, None, None, None, 5, None, child=False)
    seen = people.seen(now_s)
    feet = [walker.at(now_s)[1] for walker in seen]
    assert feet == sorted(feet)
    for walker in seen:
        assert walker.height(now_s) >= 0.9 * FAR_HEIGHT
    assert not people.seen(60.0)
    again = People(seed)
    again.walk(0.0, None, None, None, 5, None, child=False)
    assert again.seen(now_s) == seen


def test_who_stands_stays_until_told_and_a_climber_comes_down() -> None:
    life = told({"stand": {"name": "guard", "at": [0.5, 0.9]}}, {"climb": True})
    ways = [walker.at(3.0) for walker in life.people(3.0) if walker.name == "climber"]
    assert ways[0][1] < 0.4  # feet on the wall
    assert life.people(1000.0)[0].at(1000.0) == (0.5, 0.9)
    life.order({"leave": "guard"}, 1000.0)
    assert life.state(1001.0)["people"] == 1
    assert life.state(1003.0)["people"] == 0


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load("nanodet-g-person-int8")


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("foot", [0.8, 0.95])
@pytest.mark.parametrize("light", ["day", "night"])
def test_a_detector_sees_the_people_on_their_way(detector: Detector, who: str, foot: float, light: str) -> None:
    life = told({"walk": {"from": [-0.1, foot], "to": [1.1, foot], "seconds": 10, "who": who}}, {"light": light})
    boxes, scores, _ = detector.detect(np.ascontiguousarray(picture(life, 5.0)[:, :, ::-1]))
    assert len(scores), "nobody is seen"
    assert scores[0] > 0.35
    left, _, right, bottom = boxes[0]
    assert left < 0.55 * SIZE[0]
    assert right > 0.45 * SIZE[0]
    assert abs(bottom - foot * SIZE[1]) < 0.3 * SIZE[1]


def test_night_is_grey_rain_falls_a_car_passes_and_a_hand_hides_all() -> None:
    day = picture(told(), 0.0).astype(int)
    night = picture(told({"light": "night"}), 0.0).astype(int)
    assert np.abs(night[..., 0] - night[..., 2]).max() == 0
    assert night.mean() < day.mean() - 30
    rain = picture(told({"rain": True}), 0.0).astype(int)
    assert 0.002 < (np.abs(rain - day).max(axis=2) > 40).mean() < 0.1
    car = told({"headlights": True, "light": "night"})
    lit = [np.argmax(picture(car, at_s).astype(int).sum(axis=(0, 2))) for at_s in (1.5, 2.5, 3.5)]
    assert lit == sorted(set(lit))
    assert car.weather(10.0).car_s is None
    hand = picture(told({"hand": True}), HAND_S).astype(int)
    assert hand.std(axis=(0, 1)).max() < 12


def test_what_cannot_be_shown_is_refused_and_nothing_happens() -> None:
    life = Life()
    for scene, words in (
        ({"wlk": True}, "did you mean 'walk'"),
        ({"rain": True, "light": "moon"}, "day or dusk or night"),
        ({"walk": {"from": [2, 0]}}, "of the feet"),
        ({"walk": 3}, "an object with from"),
        ({"walk": {"count": 41}}, "count is a number from 1 to 40"),
    ):
        with pytest.raises(ValueError, match=words):
            life.order(scene, 0.0)
    assert life.state(0.0) == {"people": 0, "light": "day", "rain": False, "headlights": False, "hand": False}
    life.order({"walk": True, "rain": True}, 0.0)
    life.order({"clear": True}, 0.1)
    assert life.state(0.1) == {"people": 0, "light": "day", "rain": False, "headlights": False, "hand": False}


def test_steps_differ_and_a_mirrored_figure_is_the_other_way_round() -> None:
    plain, mirrored = figure("astronaut", 200, 0), figure("astronaut", 200, 0, mirrored=True)
    assert np.array_equal(np.asarray(plain)[:, ::-1], np.asarray(mirrored))
    assert plain != figure("astronaut", 200, 1)


def test_a_camera_takes_its_scene_at_run_time() -> None:
    camera = CameraServer("127.0.0.1", 0, "/gate")
    camera.set(scene={"walk": {"count": 3, "seconds": 60}, "light": "night"})
    camera.set(scene={"rain": True})
    shown = camera.state()["scene"]
    assert (shown["light"], shown["rain"]) == ("night", True)
    with pytest.raises(ValueError, match="no 'fog' here"):
        camera.set(scene={"fog": True})
