"""Tracks begin high, go on low, freeze in quiet pictures, and end by time."""

from __future__ import annotations

from functools import partial

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.vision.tracks import LOST_S, Tracks, freeze, iou
from gateway.vision.tracks import step as _step

step = partial(_step, start=0.50, keep=0.35)
HERE = [100.0, 100.0, 160.0, 260.0]
FAR = [400.0, 100.0, 460.0, 260.0]


def see(tracks: Tracks, people: list[tuple[list[float], float]], at_s: float) -> Tracks:
    boxes = np.array([box for box, _ in people], np.float32).reshape(-1, 4)
    return step(tracks, boxes, np.array([score for _, score in people], np.float32), at_s)


def test_a_low_score_begins_nothing_but_continues() -> None:
    tracks = see(Tracks(), [(HERE, 0.49)], 0.0)
    assert tracks.items == ()
    tracks = see(tracks, [(HERE, 0.50)], 0.2)
    assert [track.id for track in tracks.items] == [1]
    tracks = see(tracks, [(HERE, 0.36)], 0.4)
    assert tracks.items[0].missed_s == 0.0
    assert (tracks.items[0].found, tracks.items[0].seen_s, tracks.items[0].began_s) == (2, 0.4, 0.2)
    tracks = see(tracks, [(HERE, 0.34)], 0.6)
    assert tracks.items[0].missed_s > 0
    assert tracks.items[0].seen_s == 0.4


def test_a_walker_keeps_its_number() -> None:
    tracks = Tracks()
    for i in range(20):
        left = 100.0 + 12 * i
        tracks = see(tracks, [([left, 100.0, left + 60, 260.0], 0.7)], i / 5)
    assert [track.id for track in tracks.items] == [1]
    assert tracks.items[0].found == 20


def test_two_people_are_two_tracks_whatever_their_order() -> None:
    tracks = see(Tracks(), [(HERE, 0.6), (FAR, 0.8)], 0.0)
    before = {track.id: track.box for track in tracks.items}
    tracks = see(tracks, [(FAR, 0.55), (HERE, 0.8)], 0.2)
    assert {track.id: track.box for track in tracks.items} == before


def test_who_is_not_found_ends_after_a_second_of_looking() -> None:
    tracks = see(Tracks(), [(HERE, 0.7)], 0.0)
    for i in range(1, 6):
        tracks = see(tracks, [], i / 5)
    assert len(tracks.items) == 1
    tracks = see(tracks, [], 1.4)
    assert tracks.items == ()


def test_quiet_pictures_freeze_and_never_end_a_track() -> None:
    tracks = see(Tracks(), [(HERE, 0.7)], 0.0)
    for i in range(1, 500):
        tracks = freeze(tracks, i / 5)
    assert tracks.items[0].seen_s == 499 / 5, "who stands still is still there"
    tracks = see(tracks, [(HERE, 0.4)], 100.0)
    assert tracks.items[0].id == 1


def test_a_quiet_picture_does_not_vouch_for_one_who_was_missed() -> None:
    tracks = see(see(Tracks(), [(HERE, 0.7)], 0.0), [], 0.2)
    tracks = freeze(tracks, 5.0)
    assert tracks.items[0].seen_s == 0.0
    assert tracks.items[0].missed_s == 0.2, "its clock stands still"


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 500), st.integers(0, 200), st.floats(0, 1)), max_size=6),
        max_size=12,
    )
)
def test_numbers_are_never_used_twice_and_every_box_has_one_track(scenes: list[list[tuple[int, int, float]]]) -> None:
    tracks, seen = Tracks(), set[int]()
    for i, scene in enumerate(scenes):
        people = [([float(x), float(y), x + 60.0, y + 150.0], score) for x, y, score in scene]
        after = see(tracks, people, i / 5)
        ids = [track.id for track in after.items]
        assert len(ids) == len(set(ids))
        new = set(ids) - {track.id for track in tracks.items}
        assert not new & seen
        seen |= new
        assert sum(track.missed_s == 0.0 and track.seen_s == i / 5 for track in after.items) <= sum(s >= 0.35 for _, s in people)
        assert all(track.missed_s <= LOST_S for track in after.items)
        tracks = after


def test_iou() -> None:
    assert iou((0, 0, 10, 10), (0, 0, 10, 10)) == 1.0
    assert iou((0, 0, 10, 10), (5, 0, 15, 10)) == 50 / 150
    assert iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0.0
