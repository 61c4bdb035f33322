"""Which people stand in which zone. Pure; coordinates are normalised, 0..1 from the picture's top left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

_INSIDE_EDGE = 1.0 - 1e-6  # a box that is cut by the picture's lower edge stands on its last line, not beyond it


def feet(boxes: Floats, width_px: int, height_px: int) -> Floats:
    """Foot points (N, 2) normalised: the bottom centre of boxes (N, 4) xyxy in pixels of a picture of that size."""
    x = (boxes[:, 0] + boxes[:, 2]) / (2 * width_px)
    y = boxes[:, 3] / height_px
    return np.clip(np.stack([x, y], axis=1), 0.0, _INSIDE_EDGE)


def inside(points: Floats, polygon: Sequence[tuple[float, float]]) -> Bools:
    """(N,) true for points (N, 2) within the polygon (corners in order, either way round); by even-odd crossings of its edges."""
    corners = np.asarray(polygon, dtype=np.float64)
    result: Bools = np.zeros(len(points), dtype=np.bool_)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        crosses = (y1 > points[:, 1]) != (y2 > points[:, 1])
        left_of = points[:, 0] < (x2 - x1) * (points[:, 1] - y1) / (y2 - y1) + x1
        result ^= crosses & left_of
    return result
