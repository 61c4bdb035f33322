"""Boxes as arrays: overlap, suppression of doubles, the grid of a network's cells. Plain numpy, no state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Places = NDArray[np.intp]


def cells(width_px: int, height_px: int, strides: tuple[int, ...]) -> Floats:
    """Centre and stride of every grid cell, (A, 3) as x, y, stride in input pixels; strides in order, row by row.

    The centre is (column + 0.5) * stride: without the half cell NanoDet's average precision falls by 0.10.
    """
    parts = []
    for stride in strides:
        row, column = np.mgrid[0 : height_px // stride, 0 : width_px // stride]
        parts.append(np.stack([(column.ravel() + 0.5) * stride, (row.ravel() + 0.5) * stride, np.full(row.size, stride)], axis=1))
    return np.concatenate(parts).astype(np.float32)


def corners(centres: Floats, sizes: Floats) -> Floats:
    """Centres (N, 2) and widths and heights (N, 2) -> boxes (N, 4) xyxy."""
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1).astype(np.float32)


def iou(box: Floats, boxes: Floats) -> Floats:
    """Intersection over union of one box (4,) with boxes (N, 4), all xyxy; gives (N,), 0..1."""
    corner = np.maximum(box[:2], boxes[:, :2])
    opposite = np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.clip(opposite - corner, 0, None), axis=1)
    area = np.prod(box[2:] - box[:2])
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    result: Floats = (shared / np.maximum(area + areas - shared, 1e-9)).astype(np.float32)
    return result


def suppress(boxes: Floats, limit: float, kinds: Places | None = None) -> Places:
    """Greedy suppression: indices of boxes (N, 4), best first, that overlap no better one of their kind by more than `limit`."""
    left = np.arange(len(boxes))
    chosen = []
    while left.size:
        best, left = left[0], left[1:]
        chosen.append(best)
        apart = iou(boxes[best], boxes[left]) <= limit
        left = left[apart if kinds is None else apart | (kinds[left] != kinds[best])]
    return np.array(chosen, dtype=np.intp)
