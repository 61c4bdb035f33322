"""Grid, overlap and suppression."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.boxes import Fusion, cells, corners, fuse, iou, suppress


def test_cells_lie_in_the_middle_of_their_squares_row_by_row() -> None:
    grid = cells(64, 32, (8, 16, 32))
    assert grid.shape == (8 * 4 + 4 * 2 + 2 * 1, 3)
    assert grid[0].tolist() == [4.0, 4.0, 8.0]
    assert grid[1].tolist() == [12.0, 4.0, 8.0]
    assert grid[8].tolist() == [4.0, 12.0, 8.0]
    assert grid[-1].tolist() == [48.0, 16.0, 32.0]


def test_corners_lie_half_a_size_around_the_centre() -> None:
    assert corners(np.array([[10, 20]], np.float32), np.array([[4, 8]], np.float32)).tolist() == [[8, 16, 12, 24]]


def test_best_first_and_overlaps_suppressed() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [0, 0, 10, 5]], np.float32)
    assert suppress(boxes, 0.5).tolist() == [0, 2, 3]
    assert suppress(boxes, 0.49).tolist() == [0, 2]


def test_a_person_on_a_motorcycle_is_no_double_of_it() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 1, 10, 11]], np.float32)
    assert suppress(boxes, 0.5, np.array([0, 1, 0])).tolist() == [0, 1]


def test_of_nothing_nothing_is_left() -> None:
    assert suppress(np.zeros((0, 4), np.float32), 0.5).tolist() == []


@given(st.lists(st.tuples(*[st.integers(0, 100)] * 2, *[st.integers(1, 50)] * 2), max_size=30), st.floats(0.1, 0.9))
def test_what_is_left_never_overlaps_and_what_went_did(places: list[tuple[int, int, int, int]], limit: float) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in places], np.float32).reshape(-1, 4)
    kept = suppress(boxes, limit).tolist()
    for place, index in enumerate(kept):
        assert np.all(iou(boxes[index], boxes[kept[:place]]) <= limit)
    for index in set(range(len(boxes))) - set(kept):
        better = [other for other in kept if other < index]
        assert np.any(iou(boxes[index], boxes[better]) > limit)


HOW = Fusion(limit=0.5, fades_from=0.25, fades=0.5, vote=0.6, support=0.1, usual=0.5, most=1.0)
ONE_KIND = np.zeros(9, np.intp)


def fused(boxes: list[list[float]], scores: list[float]) -> tuple[list[list[float]], list[float]]:
    count = len(scores)
    places, final, _ = fuse(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), ONE_KIND[:count], HOW)
    return np.round(places.astype(float), 2).tolist(), np.round(final.astype(float), 3).tolist()


def test_cells_that_agree_place_the_box_between_them_and_raise_its_score() -> None:
    places, scores = fused([[0, 0, 10, 10], [2, 0, 12, 10]], [0.8, 0.7])
    overlap = 8 / 12
    right = (0.8 * 10 + 0.7 * overlap * 12) / (0.8 + 0.7 * overlap)
    assert places[0] == [round(right - 10, 2), 0.0, round(right, 2), 10.0]
    assert scores == [round(0.8 + 0.1 * (0.7 - 0.5), 3)]


def test_a_cell_that_stands_alone_scores_lower_and_many_score_no_higher_than_enough() -> None:
    assert fused([[0, 0, 10, 10]], [0.8])[1] == [round(0.8 - 0.05, 3)]
    enough = fused([[0, 0, 10, 10]] * 3, [0.8, 0.6, 0.4])[1]
    assert enough == fused([[0, 0, 10, 10]] * 9, [0.8] + [0.6] * 8)[1] == [round(0.8 + 0.05, 3)]


def test_two_who_stand_close_stay_two_and_the_weaker_scores_lower() -> None:
    places, scores = fused([[0, 0, 10, 10], [6, 0, 16, 10]], [0.8, 0.7])  # overlap 0.25
    assert places == [[0, 0, 10, 10], [6, 0, 16, 10]]
    assert scores == [0.75, 0.65]
    _, scores = fused([[0, 0, 10, 10], [5, 0, 15, 10]], [0.8, 0.7])  # a third: a third of the way to the limit
    assert scores == [0.75, round(0.65 * (1 - 0.5 * (1 / 3 - 0.25) / 0.25), 3)]


def test_kinds_do_not_meet_and_of_nothing_comes_nothing() -> None:
    boxes, scores = np.array([[0, 0, 10, 10]] * 2, np.float32), np.array([0.8, 0.7], np.float32)
    places, final, kinds = fuse(boxes, scores, np.array([0, 1]), HOW)
    assert (places.tolist(), np.round(final.astype(float), 3).tolist(), kinds.tolist()) == (boxes.tolist(), [0.75, 0.65], [0, 1])
    assert [len(part) for part in fuse(boxes[:0], scores[:0], np.zeros(0, np.intp), HOW)] == [0, 0, 0]


@given(st.lists(st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(1, 50)] * 2, st.integers(1, 100), st.integers(0, 1)), max_size=30))
def test_what_is_fused_is_in_order_within_its_boxes_and_never_more(found: list[tuple[int, int, int, int, int, int]]) -> None:
    found.sort(key=lambda each: -each[4])
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _, _ in found], np.float32).reshape(-1, 4)
    scores, kinds = np.array([each[4] / 100 for each in found], np.float32), np.array([each[5] for each in found], np.intp)
    places, final, of = fuse(boxes, scores, kinds, HOW)
    assert len(places) == len(final) == len(of) <= len(boxes)
    assert (np.diff(final) <= 0).all()
    assert ((final >= 0) & (final <= 1)).all()
    assert set(of.tolist()) == set(kinds.tolist())
    if len(boxes):
        assert (places >= boxes.min(axis=0) - 0.01).all()
        assert (places <= boxes.max(axis=0) + 0.01).all()
