"""The account of followed people, by hand and on the labelled clips."""

from __future__ import annotations

import pytest

from gateway.vision.tracks import Box
from models.runner import load
from tests.bench.vision_tracks import WIDTH_PX, account, judge, labels
from tests.vision_data import need_data

LEFT, RIGHT = (0.0, 0.0, 10.0, 30.0), (50.0, 0.0, 60.0, 30.0)
LABELS: dict[int, dict[int, Box]] = {number: {1: LEFT, 2: RIGHT} for number in range(0, 20, 2)}


def told(by_picture: dict[int, dict[int, Box]]) -> list[tuple[int, dict[int, Box], bool]]:
    return [(number, tracks, number % 4 == 0) for number, tracks in by_picture.items()]


def test_who_says_what_the_labels_say_is_perfect() -> None:
    found = account(told({number: {7: LEFT, 9: RIGHT} for number in LABELS}), LABELS, 10.0)
    assert (found.mota, found.recall, found.precision, found.idf1, found.switches) == (1.0, 1.0, 1.0, 1.0, 0)
    assert (found.people, found.people_found, found.tracks, found.tracks_per_person) == (2, 2, 2, 1.0)
    assert (found.delay_median_s, found.delay_most_s, found.looked_share) == (0.0, 0.0, 0.5)


def test_misses_false_boxes_and_switches_are_wrong_once_each() -> None:
    """Of 20 boxes 2 are missed, 1 is false, and both people change their track halfway."""
    by_picture = {number: {7: LEFT, 9: RIGHT} if number < 10 else {9: LEFT, 7: RIGHT} for number in LABELS}
    by_picture[0] = {9: RIGHT}
    by_picture[2] = {9: RIGHT, 8: (200.0, 0.0, 210.0, 30.0)}
    found = account(told(by_picture), LABELS, 10.0)
    assert found.mota == pytest.approx(1 - (2 + 1 + 2) / 20)
    assert (found.recall, found.precision) == (pytest.approx(18 / 20), pytest.approx(18 / 19))
    assert (found.switches, found.tracks, found.delay_most_s) == (2, 3, pytest.approx(0.4))
    assert found.idf1 == pytest.approx(2 * (5 + 5) / (20 + 19))


def test_a_box_beside_its_person_is_no_match() -> None:
    found = account(told({number: {7: (6.0, 0.0, 16.0, 30.0)} for number in LABELS}), LABELS, 10.0)
    assert (found.recall, found.precision, found.people_found, found.mota) == (0.0, 0.0, 0, pytest.approx(1 - 30 / 20))


@pytest.mark.slow
def test_the_campus_clip_is_followed() -> None:
    """The goals of a sequence with up to eight people, at five pictures a second and 416 x 320."""
    folder = need_data("dev", "pets-s2l1").parents[1]
    found = judge(load("nanodet-g-person-int8", input_width_px=WIDTH_PX), "pets-s2l1", folder, None)
    assert found.mota >= 0.77
    assert found.tracks_per_person <= 1.5
    assert found.people_found == found.people
    assert found.delay_most_s <= 1.0


@pytest.mark.slow
def test_every_visit_is_counted_once() -> None:
    clip = need_data("dev", "one-by-one", "clip.mp4")
    found = judge(load("nanodet-g-person-int8", input_width_px=WIDTH_PX), "one-by-one", clip.parents[2], None)
    assert {person for boxes in labels(clip.with_name("gt.txt")).values() for person in boxes} == {1, 2, 3, 4}
    assert (found.tracks, found.people_found, found.switches) == (4, 4, 0)
    assert found.delay_most_s <= 1.0
    assert found.looked_share < 0.8, "the gate saves something where people stand"
