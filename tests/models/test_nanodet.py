"""Head arithmetic on tensors made by hand, and suppression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.nanodet import cells, decode, iou, suppress


def test_cells_lie_in_the_middle_of_their_squares_row_by_row() -> None:
    grid = cells(64, 32, (8, 16, 32))
    assert grid.shape == (8 * 4 + 4 * 2 + 2 * 1, 3)
    assert grid[0].tolist() == [4.0, 4.0, 8.0]
    assert grid[1].tolist() == [12.0, 4.0, 8.0]
    assert grid[8].tolist() == [4.0, 12.0, 8.0]
    assert grid[-1].tolist() == [48.0, 16.0, 32.0]


def test_a_box_is_decoded_from_its_bins() -> None:
    grid = cells(64, 32, (8, 16, 32))
    score = np.zeros((len(grid), 1), np.float32)
    reg = np.full((len(grid), 44), -50.0, np.float32)
    score[9] = 0.7  # column 1, row 1 of stride 8: centre 12, 12
    for side, distance in enumerate((1, 2, 3, 4)):  # left, top, right, bottom, in strides
        reg[9, side * 11 + distance] = 50.0
    boxes, scores = decode(score, reg, grid, 0.35)
    assert boxes.tolist() == [pytest.approx([12 - 8, 12 - 16, 12 + 24, 12 + 32])]
    assert scores.tolist() == pytest.approx([0.7])


def test_half_of_two_bins_is_the_distance_between() -> None:
    grid = cells(32, 32, (32,))
    reg = np.full((1, 44), -50.0, np.float32)
    for side in range(4):
        reg[0, side * 11] = reg[0, side * 11 + 1] = 10.0
    boxes, _ = decode(np.ones((1, 1), np.float32), reg, grid, 0.5)
    assert boxes.tolist() == [pytest.approx([0, 0, 32, 32])]


def test_nobody_is_no_boxes() -> None:
    grid = cells(64, 32, (8, 16, 32))
    boxes, scores = decode(np.zeros((len(grid), 1), np.float32), np.zeros((len(grid), 44), np.float32), grid, 0.35)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)
    assert suppress(boxes, 0.5).tolist() == []


def test_best_first_and_overlaps_suppressed() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [0, 0, 10, 5]], np.float32)
    assert suppress(boxes, 0.5).tolist() == [0, 2, 3]
    assert suppress(boxes, 0.49).tolist() == [0, 2]


@given(st.lists(st.tuples(*[st.integers(0, 100)] * 2, *[st.integers(1, 50)] * 2), max_size=30), st.floats(0.1, 0.9))
def test_what_is_left_never_overlaps_and_what_went_did(corners: list[tuple[int, int, int, int]], limit: float) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in corners], np.float32).reshape(-1, 4)
    kept = suppress(boxes, limit).tolist()
    for place, index in enumerate(kept):
        assert np.all(iou(boxes[index], boxes[kept[:place]]) <= limit)
    for index in set(range(len(boxes))) - set(kept):
        better = [other for other in kept if other < index]
        assert np.any(iou(boxes[index], boxes[better]) > limit)
