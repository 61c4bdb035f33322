"""Points in polygons, foot points of boxes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.vision.zones import feet, inside

SQUARE = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)]
HORSESHOE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.7, 1.0), (0.7, 0.3), (0.3, 0.3), (0.3, 1.0), (0.0, 1.0)]


def within(x: float, y: float, polygon: list[tuple[float, float]]) -> bool:
    return bool(inside(np.array([[x, y]]), polygon)[0])


def test_a_square() -> None:
    assert within(0.5, 0.5, SQUARE)
    assert not within(0.1, 0.5, SQUARE)
    assert not within(0.9, 0.5, SQUARE)
    assert not within(0.5, 0.1, SQUARE)
    assert not within(0.5, 0.9, SQUARE)


def test_a_polygon_with_a_bay() -> None:
    assert within(0.1, 0.9, HORSESHOE)
    assert within(0.9, 0.9, HORSESHOE)
    assert within(0.5, 0.1, HORSESHOE)
    assert not within(0.5, 0.9, HORSESHOE)


def test_feet_are_the_bottom_centre() -> None:
    boxes = np.array([[100, 50, 200, 180], [0, 0, 640, 360]], np.float32)
    points = feet(boxes, 640, 360)
    assert points[0].tolist() == [150 / 640, 0.5]


def test_who_is_cut_by_the_lower_edge_stands_in_a_zone_that_reaches_it() -> None:
    apron = [(0.05, 0.3), (0.95, 0.3), (0.95, 1.0), (0.05, 1.0)]
    assert inside(feet(np.array([[200, 100, 300, 360]], np.float32), 640, 360), apron).tolist() == [True]


def test_nobody() -> None:
    nobody = feet(np.empty((0, 4), np.float32), 640, 360)
    assert nobody.shape == (0, 2)
    assert inside(nobody, SQUARE).tolist() == []


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 0.49), st.floats(0.51, 0.99), st.integers(0, 3), st.booleans())
def test_a_rectangle_agrees_with_comparing_whatever_corner_comes_first(
    x: float, y: float, low: float, high: float, first: int, reverse: bool
) -> None:
    corners = [(low, low), (high, low), (high, high), (low, high)]
    corners = corners[first:] + corners[:first]
    if reverse:
        corners.reverse()
    if min(abs(x - low), abs(x - high), abs(y - low), abs(y - high)) > 1e-6:
        assert within(x, y, corners) == (low < x < high and low < y < high)
