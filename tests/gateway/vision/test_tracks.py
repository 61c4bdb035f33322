"""Tracks begin high, go on low, freeze in quiet pictures, and end by time."""

from __future__ import annotations

from functools import partial

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.vision.tracks import KEPT, LOST_S, REMEMBERED_S, STOOD_REMEMBERED_S, SURE_FOUND, Tracks, expected, freeze, iou
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


def walk(tracks: Tracks, begin: int, end: int, hidden: range = range(0), lane: float = 100.0) -> Tracks:
    """One who walks to the right, 60 px/s at 5 pictures a second; not found in the hidden ones."""
    for i in range(begin, end):
        left = 100.0 + 12 * i
        tracks = see(tracks, [] if i in hidden else [([left, lane, left + 60, lane + 160], 0.7)], i / 5)
    return tracks


def test_who_was_found_once_ends_after_a_second_of_looking() -> None:
    tracks = see(Tracks(), [(HERE, 0.7)], 0.0)
    for i in range(1, 6):
        tracks = see(tracks, [], i / 5)
    assert len(tracks.items) == 1
    tracks = see(tracks, [], 1.4)
    assert tracks.items == ()


def test_who_goes_is_lost_after_a_second_and_forgotten_later() -> None:
    tracks = walk(Tracks(), 0, 10)
    assert not walk(tracks, 10, 10 + int(5 * LOST_S), hidden=range(10, 99)).items[0].lost
    assert walk(tracks, 10, 12 + int(5 * LOST_S), hidden=range(10, 99)).items[0].lost
    assert walk(tracks, 10, 12 + int(5 * REMEMBERED_S), hidden=range(10, 99)).items == ()


def test_a_walker_who_comes_out_behind_a_lamp_post_keeps_its_number() -> None:
    tracks = walk(Tracks(), 0, 25, hidden=range(12, 20))
    assert [(track.id, track.missed_s) for track in tracks.items] == [(1, 0.0)]


def test_somebody_of_another_size_is_somebody_else() -> None:
    tracks = walk(Tracks(), 0, 15, hidden=range(12, 20))
    tracks = see(tracks, [([290.0, 100.0, 320.0, 170.0], 0.7)], 3.2)
    assert {track.id for track in tracks.items} == {1, 2}


def test_two_who_pass_each_other_keep_their_numbers() -> None:
    tracks, ways = Tracks(), {1: [], 2: []}
    for i in range(30):
        right, left = 100.0 + 12 * i, 448.0 - 12 * i
        people = [([right, 100.0, right + 60, 260.0], 0.7), ([left, 110.0, left + 60, 275.0], 0.7)]
        tracks = see(tracks, people[:1] if 13 <= i <= 16 else people, i / 5)  # the nearer hides the other
        for track in tracks.items:
            ways[track.id].append(track.box[0])
    assert ways[1][-1] - ways[1][0] > 300
    assert ways[2][-1] - ways[2][0] < -300


def test_who_stood_is_remembered_as_long_as_a_bus_stops_before_it() -> None:
    tracks = Tracks()
    for i in range(10):
        tracks = see(tracks, [([min(100.0 + 12 * i, 130.0), 100.0, min(160.0 + 12 * i, 190.0), 260.0], 0.7)], i / 5)
    for i in range(10, 10 + int(5 * (STOOD_REMEMBERED_S - 1))):
        tracks = see(tracks, [], i / 5)
    assert tracks.items[0].lost
    tracks = see(tracks, [([130.0, 100.0, 190.0, 260.0], 0.7)], 11.0)
    assert [(track.id, track.lost) for track in tracks.items] == [(1, False)]


def test_a_second_box_on_a_followed_person_is_nobody_else() -> None:
    tracks = see(Tracks(), [(HERE, 0.7)], 0.0)
    tracks = see(tracks, [(HERE, 0.7), ([105.0, 105.0, 165.0, 255.0], 0.55)], 0.2)
    assert len(tracks.items) == 1


def test_a_post_that_scores_high_now_and_then_is_not_believed() -> None:
    tracks = Tracks()
    for i in range(200):
        tracks = see(tracks, [(HERE, 0.55 if i % 10 == 0 else 0.40)], i / 5)
        assert not any(track.believed for track in tracks.items)


def test_who_stands_there_from_the_beginning_is_believed_by_its_scores() -> None:
    tracks = Tracks()
    for i in range(SURE_FOUND):
        assert not any(track.believed for track in tracks.items)
        tracks = see(tracks, [(HERE, 0.6)], i / 5)
    assert tracks.items[0].believed


def test_who_moves_is_believed_with_the_second_certain_find() -> None:
    assert not walk(Tracks(), 0, 1).items[0].believed
    assert walk(Tracks(), 0, 3).items[0].believed
    low = see(see(walk(Tracks(), 0, 1), [([112.0, 100.0, 172.0, 260.0], 0.4)], 0.2), [([130.0, 100.0, 190.0, 260.0], 0.4)], 0.4)
    assert not low.items[0].believed


def test_one_whose_place_looks_the_same_is_there_though_it_was_not_found() -> None:
    tracks = see(Tracks(), [(HERE, 0.7)], 0.0)
    for i in range(1, 50):
        boxes, scores = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        tracks = step(tracks, boxes, scores, i / 5, still={1})
    assert (tracks.items[0].missed_s, tracks.items[0].seen_s, tracks.items[0].found) == (0.0, 49 / 5, 1)


def test_the_newest_finds_are_kept_and_the_expected_place_goes_on() -> None:
    track = walk(Tracks(), 0, 12).items[0]
    assert [item.at_s for item in track.last] == [i / 5 for i in range(12 - KEPT, 12)]
    assert track.speed[0] > 45
    assert expected(track, 2.6)[0] == track.box[0] + track.speed[0] * (2.6 - 2.2)


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
        assert all(track.missed_s <= STOOD_REMEMBERED_S for track in after.items)
        tracks = after


def test_iou() -> None:
    assert iou((0, 0, 10, 10), (0, 0, 10, 10)) == 1.0
    assert iou((0, 0, 10, 10), (5, 0, 15, 10)) == 50 / 150
    assert iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0.0
