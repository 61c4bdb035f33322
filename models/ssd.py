"""Anchors of the SSD family (TensorFlow's detection models, SSDLite among them). Plain numpy, no state.

Source of the arithmetic: the anchor rule of these models' published configuration: six grids, sizes that grow evenly,
three anchors a cell on the finest grid and six on the others.
"""

from __future__ import annotations

import numpy as np

from models.boxes import Floats, corners

RATIOS = (1.0, 2.0, 0.5, 3.0, 0.3333)  # width over height


def anchors(grids: tuple[int, ...], smallest: float, largest: float) -> Floats:
    """Anchors (A, 4) as centre y, centre x, height, width in shares of the picture; grid by grid, row by row.

    grids: cells a side, finest first; smallest, largest: size on the first and on the last grid, as a share.
    """
    steps = len(grids) - 1
    sizes = [smallest + (largest - smallest) * k / max(steps, 1) for k in range(len(grids))] + [1.0]
    parts = []
    for k, cells in enumerate(grids):
        if k == 0:
            shapes = [(0.1, 1.0), (sizes[0], 2.0), (sizes[0], 0.5)]
        else:
            shapes = [(sizes[k], ratio) for ratio in RATIOS] + [(float(np.sqrt(sizes[k] * sizes[k + 1])), 1.0)]
        row, column, shape = np.mgrid[0:cells, 0:cells, 0 : len(shapes)]
        size, ratio = np.array(shapes, np.float64).T
        height, width = size / np.sqrt(ratio), size * np.sqrt(ratio)
        place = shape.ravel()
        parts.append(np.stack([(row.ravel() + 0.5) / cells, (column.ravel() + 0.5) / cells, height[place], width[place]], axis=1))
    return np.concatenate(parts).astype(np.float32)


def decode(codes: Floats, near: Floats, scales: tuple[float, float, float, float]) -> Floats:
    """Boxes (K, 4) xyxy in shares of the picture. codes (K, 4) and their anchors (K, 4) as y, x, height, width; scales divide the codes."""
    y, x, height, width = (codes / np.array(scales, np.float32)).T
    centres = np.stack([x * near[:, 3] + near[:, 1], y * near[:, 2] + near[:, 0]], axis=1)
    sizes = np.stack([np.exp(width) * near[:, 3], np.exp(height) * near[:, 2]], axis=1)
    return corners(centres.astype(np.float32), sizes.astype(np.float32))
