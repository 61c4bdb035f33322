"""Masks are black, wholly, and nothing else is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.vision.mask import blackened, covered
from gateway.vision.picture import to_bgr

SQUARE = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]


def picture(width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height * 3 // 2, width), 200, np.uint8)


def test_black_within_and_untouched_without() -> None:
    before = picture()
    bgr = to_bgr(blackened(before, [SQUARE]))
    assert not bgr[12:36, 16:48].any()
    assert bgr[:9].all()
    assert bgr[40:].all()
    assert bgr[:, :12].all()
    assert bgr[:, 53:].all()
    assert (before == 200).all(), "the picture that was handed in stays as it was"
    assert blackened(before, []) is before


def test_several_and_those_at_the_edge() -> None:
    left, right = [(0, 0), (0.3, 0), (0.3, 1), (0, 1)], [(0.7, 0), (1, 0), (1, 1), (0.7, 1)]
    bgr = to_bgr(blackened(picture(), [left, right]))
    assert not bgr[:, :19].any()
    assert not bgr[:, 45:].any()
    assert bgr[:, 24:40].all()


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=8), st.integers(8, 90), st.integers(8, 70))
def test_every_pixel_whose_middle_lies_in_a_triangle_is_covered(corners: list[tuple[float, float]], width: int, height: int) -> None:
    a, b, c = (np.array(corner) for corner in corners[:3])
    area = covered([corners[:3]], width, height)
    for row in range(height):
        for column in range(width):
            middle = np.array([(column + 0.5) / width, (row + 0.5) / height])
            sides = [_cross(b - a, middle - a), _cross(c - b, middle - b), _cross(a - c, middle - c)]
            if all(side > 1e-9 for side in sides) or all(side < -1e-9 for side in sides):
                assert area[row, column]


def _cross(a: np.ndarray, b: np.ndarray) -> float:
    return float(a[0] * b[1] - a[1] * b[0])
