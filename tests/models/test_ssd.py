"""Anchors and codes of SSD heads, against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.ssd import anchors, decode

GRIDS = (19, 10, 5, 3, 2, 1)
SCALES = (10.0, 10.0, 5.0, 5.0)


def test_the_anchors_of_a_300_px_network() -> None:
    """19 * 19 * 3 + (100 + 25 + 9 + 4 + 1) * 6 of them; source of the count: the study of coco-ssd."""
    made = anchors(GRIDS, 0.2, 0.95)
    assert made.shape == (1917, 4)
    assert made[0].tolist() == pytest.approx([0.5 / 19, 0.5 / 19, 0.1, 0.1])
    assert made[1].tolist() == pytest.approx([0.5 / 19, 0.5 / 19, 0.2 / 2**0.5, 0.2 * 2**0.5])
    assert made[2].tolist() == pytest.approx([0.5 / 19, 0.5 / 19, 0.2 * 2**0.5, 0.2 / 2**0.5])
    assert made[3].tolist() == pytest.approx([0.5 / 19, 1.5 / 19, 0.1, 0.1])
    assert made[19 * 19 * 3].tolist() == pytest.approx([0.05, 0.05, 0.35, 0.35])
    assert made[19 * 19 * 3 + 5].tolist() == pytest.approx([0.05, 0.05, (0.35 * 0.5) ** 0.5, (0.35 * 0.5) ** 0.5])
    assert made[-1].tolist() == pytest.approx([0.5, 0.5, 0.95**0.5, 0.95**0.5])


def test_a_code_of_nothing_is_the_anchor_itself() -> None:
    near = np.array([[0.5, 0.25, 0.2, 0.1]], np.float32)  # y, x, height, width
    assert decode(np.zeros((1, 4), np.float32), near, SCALES).tolist() == [pytest.approx([0.2, 0.4, 0.3, 0.6])]


def test_a_code_moves_and_stretches() -> None:
    near = np.array([[0.5, 0.5, 0.2, 0.1]], np.float32)
    codes = np.array([[10.0, -10.0, 5 * np.log(2), 0.0]], np.float32)  # one height down, one width left, twice as high
    assert decode(codes, near, SCALES).tolist() == [pytest.approx([0.35, 0.5, 0.45, 0.9], abs=1e-6)]
