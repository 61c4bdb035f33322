"""Gate and tracks together: who stands still is not lost, who leaves is."""

from __future__ import annotations

import numpy as np

from gateway.vision.following import Following, gate, looked, normalised, quiet
from gateway.vision.motion import shrink

SIZE = (640, 360)
BOX = (200.0, 100.0, 260.0, 300.0)
RNG = np.random.default_rng(11)
YARD = RNG.integers(80, 120, (360, 640)).astype(np.uint8)


def yard(person_at: float | None, car_at: int | None = None) -> np.ndarray:
    picture = YARD.copy()
    if person_at is not None:
        picture[100:300, int(person_at) : int(person_at) + 60] = 220
        picture[150:230, int(person_at) + 10 : int(person_at) + 50] = 20
    if car_at is not None:
        picture[310:350, car_at : car_at + 100] = 240
    return shrink(picture)


class Camera:
    """Hands pictures to the pure steps, with a detector that finds what the test says."""

    def __init__(self) -> None:
        self.state = Following()
        self.at_s = 0.0
        self.looks = 0

    def see(self, plane: np.ndarray, left: float | None, score: float = 0.7) -> None:
        self.state, worth = gate(self.state, plane, self.at_s)
        self.looks += worth
        if worth:
            boxes = np.array([] if left is None else [[left, 100.0, left + 60, 300.0]], np.float32).reshape(-1, 4)
            found = {"person": (boxes, np.full(len(boxes), score, np.float32))}
            self.state = looked(self.state, found, plane, self.at_s, SIZE, start=0.5, keep=0.35)
        else:
            self.state = quiet(self.state, self.at_s)
        self.at_s += 0.2

    def person_walks_in(self) -> None:
        for i in range(16):
            left = min(200.0, 20.0 * i)
            self.see(yard(left), left)


def test_who_stands_still_and_is_not_found_while_cars_pass_is_still_there() -> None:
    camera = Camera()
    camera.person_walks_in()
    looks = camera.looks
    for i in range(100):
        camera.see(yard(200.0, car_at=5 * i), None)
    assert camera.looks - looks > 90, "the cars keep the gate open"
    (track,) = camera.state.of("person")
    assert (track.id, track.lost, track.missed_s) == (1, False, 0.0)


def test_who_leaves_unfound_is_lost() -> None:
    camera = Camera()
    camera.person_walks_in()
    for i in range(30):
        camera.see(yard(None, car_at=5 * i), None)
    assert all(track.lost for track in camera.state.of("person"))


def test_quiet_pictures_never_end_a_track_and_a_recheck_does_not_either() -> None:
    camera = Camera()
    camera.person_walks_in()
    for _ in range(400):
        camera.see(yard(200.0), None)
    assert [track.lost for track in camera.state.of("person")] == [False], "80 s with a look each 5 s that found nobody"
    assert camera.looks < 16 + 30


def test_vehicles_are_numbered_apart_from_people() -> None:
    state, plane = Following(), yard(None)
    for i in range(3):
        state, _ = gate(state, plane, i / 5)
        boxes, scores = np.array([[10.0 + 20 * i, 200.0, 150.0 + 20 * i, 300.0]]), np.array([0.8])
        state = looked(state, {"person": (boxes[:0], scores[:0]), "vehicle": (boxes, scores)}, plane, i / 5, SIZE, start=0.5, keep=0.35)
    assert [len(state.of(kind)) for kind in ("person", "vehicle", "object")] == [0, 1, 0]
    assert state.of("vehicle")[0].believed


def test_normalised_stays_within_the_picture() -> None:
    assert normalised((-10.0, 36.0, 320.0, 400.0), SIZE) == (0.0, 0.1, 0.5, 1.0)


def test_what_fills_the_picture_is_nobody_in_a_zone() -> None:
    state, plane = Following(), yard(None)
    boxes, scores = np.array([[20.0, 0.0, 620.0, 355.0], [200.0, 100.0, 260.0, 300.0]]), np.array([0.9, 0.6])
    state, _ = gate(state, plane, 0.0)
    state = looked(state, {"person": (boxes, scores)}, plane, 0.0, SIZE, start=0.5, keep=0.35)
    assert [track.box for track in state.of("person")] == [BOX]
