"""NanoDet's distances on tensors made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.boxes import cells
from models.nanodet import decode


def test_a_box_is_decoded_from_its_bins() -> None:
    grid = cells(64, 32, (8, 16, 32))[9:10]  # column 1, row 1 of stride 8: centre 12, 12
    reg = np.full((1, 44), -50.0, np.float32)
    for side, distance in enumerate((1, 2, 3, 4)):  # left, top, right, bottom, in strides
        reg[0, side * 11 + distance] = 50.0
    assert decode(reg, grid).tolist() == [pytest.approx([12 - 8, 12 - 16, 12 + 24, 12 + 32])]


def test_half_of_two_bins_is_the_distance_between() -> None:
    reg = np.full((1, 44), -50.0, np.float32)
    for side in range(4):
        reg[0, side * 11] = reg[0, side * 11 + 1] = 10.0
    assert decode(reg, cells(32, 32, (32,))).tolist() == [pytest.approx([0, 0, 32, 32])]


def test_nobody_is_no_boxes() -> None:
    assert decode(np.zeros((0, 44), np.float32), np.zeros((0, 3), np.float32)).shape == (0, 4)
