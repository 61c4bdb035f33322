"""Pictures made by hand to readings, with a detector that says where people are: every number is checked by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from gateway.config.site import Site
from gateway.core.errors import ModelRefused
from gateway.core.reading import Quality, Reading
from gateway.runtime.vision_eye import CROSSED_S, Eye, blind_readings
from models.runner import Found

SITE = Site.model_validate(
    {
        "schema": 1,
        "site": {"id": "demo", "name": "Demo"},
        "uplink": {"paths": [{"url": "mqtt://127.0.0.1:1883"}]},
        "places": {"gate": {"name": "Gate"}},
        "cameras": [
            {
                "id": "cam",
                "url": "rtsp://127.0.0.1/gate",
                "place": "gate",
                "zones": [
                    {"id": "apron", "polygon": [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]], "dwell_s": 1.0},
                    {"id": "left", "polygon": [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]], "dwell_s": 0.0},
                ],
                "lines": [{"id": "wall", "start": [0.5, 0.0], "end": [0.5, 1.0]}],
            }
        ],
        "points": [
            {"id": "person-gate", "role": "person_in_zone", "place": "gate", "camera": "cam", "zone": "apron"},
            {"id": "person-left", "role": "person_in_zone", "place": "gate", "camera": "cam", "zone": "left"},
            {"id": "crowd-left", "role": "crowd_count", "place": "gate", "camera": "cam", "zone": "left"},
            {"id": "loiterer", "role": "loitering", "place": "gate", "camera": "cam", "zone": "left", "dwell_s": 3.0},
            {"id": "guard", "role": "guard_at_post", "place": "gate", "camera": "cam", "zone": "apron"},
            {"id": "water", "role": "person_near_water", "place": "gate", "camera": "cam", "zone": "apron"},
            {"id": "fence", "role": "person_at_perimeter", "place": "gate", "camera": "cam", "zone": "left"},
            {"id": "lane", "role": "pupil_lane", "place": "gate", "camera": "cam", "zone": "left"},
            {"id": "lane-car", "role": "vehicle_in_lane", "place": "gate", "camera": "cam", "zone": "left"},
            {"id": "exit", "role": "exit_blocked", "place": "gate", "camera": "cam", "zone": "apron", "dwell_s": 20.0},
            {"id": "over", "role": "line_crossed", "place": "gate", "camera": "cam", "line": "wall", "direction": "in"},
            {"id": "went", "role": "people_passed", "place": "gate", "camera": "cam", "line": "wall"},
            {"id": "went-out", "role": "people_passed", "place": "gate", "camera": "cam", "line": "wall", "direction": "out"},
        ],
    }
)
RNG = np.random.default_rng(3)


@dataclass
class Picture:
    """A decoded picture; `moving` ones differ from each other along their upper edge. shown: boxes xyxy of those who are in it."""

    captured_s: float
    moving: bool = True
    shown: Sequence[list[float]] = ()
    width_px: int = 640
    height_px: int = 360

    def __post_init__(self) -> None:
        self.i420 = np.full((540, 640), 100, np.uint8)
        if self.moving:
            self.i420[:60, :320] = RNG.integers(0, 255)
        for left, top, right, bottom in (map(int, box) for box in self.shown):
            self.i420[top:bottom, left:right] = 230
            self.i420[(top + bottom) // 2 : bottom, left:right] = 20

    @property
    def luma(self) -> np.ndarray:
        return self.i420[:360]


class Scene:
    """Runs one eye; `people` and `vehicles` are the boxes that the detector will find, with their score."""

    def __init__(self, kinds: tuple[str, ...] = ("person", "vehicle")) -> None:
        self.people: list[tuple[list[float], float]] = []
        self.vehicles: list[tuple[list[float], float]] = []
        self.eye = Eye(SITE.cameras[0], SITE, self._detect, 0.50, 0.35, kinds)

    def _detect(self, bgr: np.ndarray) -> Found:
        assert bgr.shape in ((360, 640, 3), (720, 1280, 3))
        found = [*self.people, *self.vehicles]
        return Found(
            np.array([box for box, _ in found], np.float32).reshape(-1, 4),
            np.array([score for _, score in found], np.float32),
            np.array([0] * len(self.people) + [1] * len(self.vehicles), np.intp),
        )

    def look(self, at_s: float, moving: bool = True) -> dict[str, Reading]:
        shown = [box for box, _ in [*self.people, *self.vehicles]]
        return {reading.point: reading for reading in self.eye.look(Picture(at_s, moving, shown))}


RIGHT = [400.0, 100.0, 460.0, 300.0]
LEFT = [100.0, 100.0, 160.0, 300.0]


def test_the_picture_that_was_looked_at_is_kept_with_its_people_and_a_look_can_be_asked_for() -> None:
    scene = Scene()
    assert scene.eye.looked_at is None
    scene.people = [(RIGHT, 0.71)]
    at_s = 100.0
    for _ in range(20):
        scene.look(at_s, moving=at_s < 101.0)
        at_s += 0.2
    assert scene.eye.skipped
    picture, people = scene.eye.looked_at or pytest.fail("nothing was looked at")
    assert picture.captured_s < at_s - 0.5, "nothing moved since"
    assert [round(value) for value in people[0].box] == RIGHT
    scene.look(at_s, moving=False)
    assert scene.eye.looked_at[0] is picture
    scene.eye.hurry = True
    scene.look(at_s + 0.2, moving=False)
    assert scene.eye.looked_at[0].captured_s == at_s + 0.2
    scene.look(at_s + 0.4, moving=False)
    assert scene.eye.looked_at[0].captured_s == at_s + 0.2, "once"
    scene.eye.forget()
    assert scene.eye.looked_at is None


def test_a_person_counts_after_the_dwell_in_the_zone_where_the_feet_are() -> None:
    scene = Scene()
    scene.people = [(RIGHT, 0.71)]
    first = next(i / 5 for i in range(20) if scene.look(i / 5)["person-gate"].value)
    assert first == pytest.approx(1.0)
    readings = scene.look(4.0)
    assert readings["person-gate"] == Reading("person-gate", True, now_s=4.0)
    detail = readings["person-gate"].detail
    assert detail is not None
    assert (detail["confidence"], detail["count"]) == (0.71, 1)
    assert detail["frames"][-1] == {"at_s": 4.0, "score": 0.71, "box": [0.625, 0.278, 0.719, 0.833]}
    assert len(detail["frames"]) == 5
    assert readings["person-left"].value is False


def test_who_leaves_is_gone_within_two_seconds() -> None:
    scene = Scene()
    scene.people = [(LEFT, 0.6)]
    for i in range(10):
        scene.look(i / 5)
    assert scene.look(2.0)["person-left"].value is True
    scene.people = []
    last = max(i / 5 for i in range(11, 40) if scene.look(i / 5)["person-left"].value)
    assert 2.5 < last < 4.0


def test_a_still_person_stays_through_quiet_pictures_and_few_are_looked_at() -> None:
    scene = Scene()
    scene.people = [(RIGHT, 0.6)]
    for i in range(10):
        scene.look(i / 5)
    looked = scene.eye.looked
    for i in range(10, 310):
        assert scene.look(i / 5, moving=False)["person-gate"].value or i < 12
    assert scene.eye.looked - looked <= 26, "until the picture has settled, then each 5 s"


def test_after_blindness_nobody_is_remembered() -> None:
    scene = Scene()
    scene.people = [(RIGHT, 0.6)]
    for i in range(10):
        scene.look(i / 5)
    scene.eye.forget()
    scene.people = []
    said = [scene.look(30.0 + i / 5)["person-gate"] for i in range(20)]
    assert {reading.value for reading in said} == {None, False}
    assert said[-1] == Reading("person-gate", False, now_s=33.8, detail=said[-1].detail)


def test_another_resolution_puts_nobody_into_another_zone() -> None:
    """The boxes of before are in the pixels of before: at twice the size a person on the right would stand on the left."""
    scene = Scene()
    scene.people = [(RIGHT, 0.7)]
    for i in range(20):
        scene.look(i / 5)
    scene.people = []
    large = Picture(4.0, moving=False)
    large.i420, large.width_px, large.height_px = np.full((1080, 1280), 100, np.uint8), 1280, 720
    said = {reading.point: reading for reading in scene.eye.look(large)}
    assert (said["person-left"].value, said["person-gate"].value) == (None, None)


def test_until_enough_was_seen_nobody_is_not_said_and_somebody_is() -> None:
    """A person who stands there when sight returns: unknown, then there; never "nobody there" between the two."""
    scene = Scene()
    scene.people = [(RIGHT, 0.6)]
    said = [scene.look(i / 5)["person-gate"] for i in range(25)]
    values = [reading.value for reading in said]
    assert values == [None] * values.index(True) + [True] * (25 - values.index(True))
    assert {reading.quality for reading in said if reading.value is None} == {Quality.BAD}


def test_a_failing_model_is_an_error_never_nobody() -> None:
    def fail(_: np.ndarray) -> Found:
        raise ModelRefused("out of memory")

    with pytest.raises(ModelRefused):
        Eye(SITE.cameras[0], SITE, fail, 0.5, 0.35).look(Picture(0.0))


def test_blindness_names_every_point_of_the_camera() -> None:
    readings = blind_readings(SITE.cameras[0], SITE, "no picture for 5 s", 7.0)
    assert [reading.point for reading in readings] == [point.id for point in SITE.points]
    assert all(
        (reading.value, reading.quality, reading.reason, reading.now_s) == (None, Quality.BAD, "no picture for 5 s", 7.0)
        for reading in readings
    )


def test_a_crowd_is_counted() -> None:
    scene = Scene()
    before = [scene.look(-3.0 + i / 5)["crowd-left"].value for i in range(15)]
    assert (before[0], before[-1]) == (None, 0)
    scene.people = [(LEFT, 0.8), ([200.0, 100.0, 260.0, 300.0], 0.6), (RIGHT, 0.7)]
    for i in range(1, 12):
        readings = scene.look(i / 5)
    assert readings["crowd-left"] == Reading("crowd-left", 2, now_s=2.2)
    scene.people = scene.people[:1]
    for i in range(12, 50):
        readings = scene.look(i / 5)
    assert readings["crowd-left"].value == 1


def test_loitering_has_a_time_of_its_own_in_the_same_zone() -> None:
    scene = Scene()
    scene.people = [(LEFT, 0.8)]
    seen = [(i / 5, scene.look(i / 5)) for i in range(25)]
    assert next(at_s for at_s, readings in seen if readings["person-left"].value) < 1.0
    assert next(at_s for at_s, readings in seen if readings["loiterer"].value) == pytest.approx(3.0)


def walk(scene: Scene, begin_s: float, lefts: list[float]) -> dict[str, list[object]]:
    """One person at these places, five a second; gives what each point said."""
    said: dict[str, list[object]] = {}
    for i, left in enumerate(lefts):
        scene.people = [([left, 100.0, left + 60, 300.0], 0.7)]
        for name, reading in scene.look(begin_s + i / 5).items():
            said.setdefault(name, []).append(reading.value)
    return said


def test_a_guard_is_there_until_gone() -> None:
    scene = Scene()
    assert [scene.look(-3.0 + i / 5)["guard"].value for i in range(15)][-1] is False
    scene.people = [(RIGHT, 0.7)]
    for i in range(1, 20):
        readings = scene.look(i / 5)
    assert [readings[name].value for name in ("guard", "water", "person-gate")] == [True, True, True]
    assert [readings[name].value for name in ("fence", "lane", "person-left")] == [False, False, False]
    scene.people = []
    for i in range(20, 40):
        readings = scene.look(i / 5)
    assert readings["guard"].value is False


def test_a_line_is_crossed_in_one_direction_and_both_are_counted() -> None:
    scene = Scene()
    said = walk(scene, 0.0, [400.0 - 20 * i for i in range(15)])
    crossed = said["over"].index(True)
    assert 2 <= crossed <= 10
    assert (said["went"][-1], said["went-out"][-1]) == (1, 0)
    detail = scene.look(3.0)["over"].detail
    assert detail is not None
    assert (detail["direction"], detail["count"], len(detail["frames"])) == ("in", 1, 5)
    late_s = 3.2 + CROSSED_S
    said = walk(scene, late_s, [120.0 + 20 * i for i in range(20)])
    assert not any(said["over"]), "the other way is not what this point is about"
    assert (said["went"][-1], said["went-out"][-1]) == (2, 1)
    scene.eye.forget()
    assert scene.look(60.0)["went"].value == 2, "what was counted stays"


def test_vehicles_are_in_the_lane_where_the_model_knows_them() -> None:
    scene = Scene()
    for i in range(10):
        scene.vehicles = [([60.0 + 10 * i, 150.0, 200.0 + 10 * i, 300.0], 0.8)]
        readings = scene.look(i / 5)
    assert [readings[name].value for name in ("lane", "lane-car", "person-left", "crowd-left")] == [True, True, False, 0]
    scene.vehicles, scene.people = [], [(LEFT, 0.8)]
    for i in range(10, 40):
        readings = scene.look(i / 5)
    assert [readings[name].value for name in ("lane", "lane-car", "person-left")] == [True, False, True]


def test_a_model_without_vehicles_is_never_no_vehicle(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(("person",))
    assert scene.look(0.0)["lane-car"] == Reading("lane-car", None, Quality.BAD, "the model knows no vehicles", 0.0)
    qualities = [scene.look(0.2 + i / 5)["lane"].quality for i in range(15)]
    assert qualities[-1] is Quality.GOOD, "people are still seen there"
    assert [record.args[1] for record in caplog.records if record.args] == [("lane",), ("lane-car",)]


def test_an_exit_is_blocked_by_what_no_network_knows() -> None:
    scene, said = Scene(), []
    ground = np.clip(120 + 30 * np.sin(np.arange(640) / 30.0)[None, :] + np.zeros((360, 1)), 0, 255)
    for i in range(5 * 50):
        picture = Picture(i / 5, moving=False)
        picture.i420[:360] = ground
        if i >= 50:
            picture.i420[200:330, 420:560] = 40
            picture.i420[200:330, 420:480] = 220
        said.append(next(reading for reading in scene.eye.look(picture) if reading.point == "exit"))
    first = next(reading for reading in said if reading.value)
    assert first.now_s == pytest.approx(10 + 20, abs=3), "it came at 10 s and is given 20 s"
    assert first.detail is not None
    assert first.detail["count"] == 1
    left, top, right, bottom = first.detail["frames"][0]["box"]
    assert (left, top, right, bottom) == pytest.approx((420 / 640, 200 / 360, 560 / 640, 330 / 360), abs=0.04)
