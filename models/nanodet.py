"""NanoDet's distances to boxes. Plain numpy, no state.

Source of the arithmetic: NanoDet (generalised focal loss): each side of a box is a distribution over
`bins` distances in units of the stride, measured from the *centre* of its grid cell.
"""

from __future__ import annotations

import numpy as np

from models.boxes import Floats


def decode(reg: Floats, grid: Floats) -> Floats:
    """Boxes (K, 4) xyxy in input pixels.

    reg (K, 4 * bins) before the softmax, sides left, top, right, bottom; grid (K, 3) of the same cells, from boxes.cells().
    """
    logits = reg.reshape(len(reg), 4, reg.shape[1] // 4)
    weight = np.exp(logits - logits.max(axis=2, keepdims=True))
    bins = np.arange(logits.shape[2], dtype=np.float32)
    side = (weight @ bins) / weight.sum(axis=2) * grid[:, 2:]
    centre = grid[:, :2]
    return np.concatenate([centre - side[:, :2], centre + side[:, 2:]], axis=1).astype(np.float32)
