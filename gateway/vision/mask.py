"""Masks: parts of a view that nobody may see (a neighbour's window, a changing room's door). Black, before anything is kept. Pure.

Corners are x, y between 0 and 1 from the top left. Where an edge cuts a pixel the pixel is black, and half-resolution colour with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Polygon = Sequence[Sequence[float]]


def blackened(i420: Bytes, masks: Sequence[Polygon]) -> Bytes:
    """I420 planes (H * 3 / 2, W) uint8 -> the same with each mask black; without masks the very same array."""
    if not masks:
        return i420
    height, width = i420.shape[0] * 2 // 3, i420.shape[1]
    half, luma = _planes(tuple(tuple((corner[0], corner[1]) for corner in polygon) for polygon in masks), width, height)
    out = i420.copy()
    out[:height][luma] = 0
    chroma = out[height:].reshape(2, height // 2, width // 2)
    chroma[:, half] = 128
    return out


@lru_cache(maxsize=64)
def _planes(masks: tuple[tuple[tuple[float, float], ...], ...], width: int, height: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the masks lie in the colour planes, and in the luma plane; the same for every picture of a camera."""
    half = covered(masks, width // 2, height // 2)
    return half, np.repeat(np.repeat(half, 2, axis=0), 2, axis=1)


def covered(masks: Sequence[Polygon], width: int, height: int) -> NDArray[np.bool_]:
    """(height, width): True where a mask lies, edges included and one pixel more."""
    area = np.zeros((height, width), np.uint8)
    for polygon in masks:
        corners = np.floor(np.array(polygon, np.float64) * (width, height)).astype(np.int32)
        cv2.fillPoly(area, [corners], 1)
    return cv2.dilate(area, np.ones((3, 3), np.uint8)).astype(bool)
