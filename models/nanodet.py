"""NanoDet heads to boxes, and non-maximum suppression. Plain numpy, no state.

Source of the arithmetic: NanoDet (generalised focal loss): each side of a box is a distribution over
`bins` distances in units of the stride, measured from the *centre* of its grid cell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def cells(width_px: int, height_px: int, strides: tuple[int, ...]) -> Floats:
    """Centre and stride of every grid cell, (A, 3) as x, y, stride in input pixels; strides in order, row by row.

    The centre is (column + 0.5) * stride: without the half cell the average precision falls by 0.10.
    """
    parts = []
    for stride in strides:
        row, column = np.mgrid[0 : height_px // stride, 0 : width_px // stride]
        parts.append(np.stack([(column.ravel() + 0.5) * stride, (row.ravel() + 0.5) * stride, np.full(row.size, stride)], axis=1))
    return np.concatenate(parts).astype(np.float32)


def decode(score: Floats, reg: Floats, grid: Floats, floor: float) -> tuple[Floats, Floats]:
    """Boxes of one picture with a score of at least `floor`, best first, overlaps still in.

    score (A, 1) after the sigmoid; reg (A, 4 * bins) before the softmax, sides left, top, right, bottom;
    grid (A, 3) from cells(). Gives boxes (K, 4) xyxy in input pixels and scores (K,).
    """
    kept = np.flatnonzero(score[:, 0] >= floor)
    kept = kept[np.argsort(-score[kept, 0], kind="stable")]
    logits = reg[kept].reshape(len(kept), 4, reg.shape[1] // 4)
    weight = np.exp(logits - logits.max(axis=2, keepdims=True))
    bins = np.arange(logits.shape[2], dtype=np.float32)
    side = (weight @ bins) / weight.sum(axis=2) * grid[kept, 2:]
    centre = grid[kept, :2]
    boxes = np.concatenate([centre - side[:, :2], centre + side[:, 2:]], axis=1)
    return boxes.astype(np.float32), score[kept, 0].astype(np.float32)


def iou(box: Floats, boxes: Floats) -> Floats:
    """Intersection over union of one box (4,) with boxes (N, 4), all xyxy; gives (N,), 0..1."""
    corner = np.maximum(box[:2], boxes[:, :2])
    opposite = np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.clip(opposite - corner, 0, None), axis=1)
    area = np.prod(box[2:] - box[:2])
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    result: Floats = (shared / np.maximum(area + areas - shared, 1e-9)).astype(np.float32)
    return result


def suppress(boxes: Floats, limit: float) -> NDArray[np.intp]:
    """Greedy suppression: indices of boxes (N, 4), best first, that overlap no better one by more than `limit`."""
    left = np.arange(len(boxes))
    chosen = []
    while left.size:
        best, left = left[0], left[1:]
        chosen.append(best)
        left = left[iou(boxes[best], boxes[left]) <= limit]
    return np.array(chosen, dtype=np.intp)
