"""Pictures made by hand to readings, with a detector that says where people are: every number is checked by time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from gateway.config.site import Site
from gateway.core.errors import ModelRefused
from gateway.core.reading import Quality, Reading
from gateway.runtime.vision_eye import Eye, blind_readings
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
            }
        ],
        "points": [
            {"id": "person-gate", "role": "person_in_zone", "place": "gate", "camera": "cam", "zone": "apron"},
            {"id": "person-left", "role": "person_in_zone", "place": "gate", "camera": "cam", "zone": "left"},
            {"id": "crowd-left", "role": "crowd_count", "place": "gate", "camera": "cam", "zone": "left"},
            {"id": "loiterer", "role": "loitering", "place": "gate", "camera": "cam", "zone": "left", "dwell_s": 3.0},
        ],
    }
)
RNG = np.random.default_rng(3)


@dataclass
class Picture:
    """A decoded picture; `moving` ones differ from each other."""

    captured_s: float
    moving: bool = True
    width_px: int = 640
    height_px: int = 360

    def __post_init__(self) -> None:
        self.i420 = np.full((540, 640), 100, np.uint8)
        if self.moving:
            self.i420[:, :320] = RNG.integers(0, 255)

    @property
    def luma(self) -> np.ndarray:
        return self.i420[:360]


class Scene:
    """Runs one eye; `people` are the boxes that the detector will find, with their score."""

    def __init__(self) -> None:
        self.people: list[tuple[list[float], float]] = []
        self.eye = Eye(SITE.cameras[0], SITE, self._detect, 0.50, 0.35)

    def _detect(self, bgr: np.ndarray) -> Found:
        assert bgr.shape == (360, 640, 3)
        return Found(
            np.array([box for box, _ in self.people], np.float32).reshape(-1, 4),
            np.array([score for _, score in self.people], np.float32),
            np.zeros(len(self.people), np.intp),
        )

    def look(self, at_s: float, moving: bool = True) -> dict[str, Reading]:
        return {reading.point: reading for reading in self.eye.look(Picture(at_s, moving))}


RIGHT = [400.0, 100.0, 460.0, 300.0]
LEFT = [100.0, 100.0, 160.0, 300.0]


def test_a_person_counts_after_the_dwell_in_the_zone_where_the_feet_are() -> None:
    scene = Scene()
    scene.people = [(RIGHT, 0.71)]
    first = next(i / 5 for i in range(20) if scene.look(i / 5)["person-gate"].value)
    assert first == pytest.approx(1.0)
    readings = scene.look(4.0)
    assert readings["person-gate"] == Reading("person-gate", True, now_s=4.0)
    assert readings["person-gate"].detail == {"confidence": 0.71, "count": 1}
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
    assert scene.eye.looked - looked <= 19, "a second after the motion, then each 5 s"


def test_after_blindness_nobody_is_remembered() -> None:
    scene = Scene()
    scene.people = [(RIGHT, 0.6)]
    for i in range(10):
        scene.look(i / 5)
    scene.eye.forget()
    scene.people = []
    assert scene.look(30.0)["person-gate"].value is False


def test_a_failing_model_is_an_error_never_nobody() -> None:
    def fail(_: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise ModelRefused("out of memory")

    with pytest.raises(ModelRefused):
        Eye(SITE.cameras[0], SITE, fail, 0.5, 0.35).look(Picture(0.0))


def test_blindness_names_every_point_of_the_camera() -> None:
    readings = blind_readings(SITE.cameras[0], SITE, "no picture for 5 s", 7.0)
    assert {reading.point for reading in readings} == {"person-gate", "person-left", "crowd-left", "loiterer"}
    assert all(
        (reading.value, reading.quality, reading.reason, reading.now_s) == (None, Quality.BAD, "no picture for 5 s", 7.0)
        for reading in readings
    )


def test_a_crowd_is_counted() -> None:
    scene = Scene()
    assert scene.look(0.0)["crowd-left"].value == 0
    scene.people = [(LEFT, 0.8), ([200.0, 100.0, 260.0, 300.0], 0.6), (RIGHT, 0.7)]
    for i in range(1, 6):
        readings = scene.look(i / 5)
    assert readings["crowd-left"] == Reading("crowd-left", 2, now_s=1.0)
    scene.people = scene.people[:1]
    for i in range(6, 40):
        readings = scene.look(i / 5)
    assert readings["crowd-left"].value == 1


def test_loitering_has_a_time_of_its_own_in_the_same_zone() -> None:
    scene = Scene()
    scene.people = [(LEFT, 0.8)]
    seen = [(i / 5, scene.look(i / 5)) for i in range(25)]
    assert next(at_s for at_s, readings in seen if readings["person-left"].value) < 1.0
    assert next(at_s for at_s, readings in seen if readings["loiterer"].value) == pytest.approx(3.0)
