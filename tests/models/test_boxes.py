"""Grid, overlap and suppression."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.boxes import cells, corners, iou, suppress


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
