"""Heads in a picture that may leave the gateway: blurred beyond recognition. Pure; knows where people are, never who.

The upper part of each person's box is taken for the head, and more on every side, as people move between the picture that was judged
and the one that is kept. A person whom the model did not find is not blurred.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Boxes = NDArray[np.float32] | NDArray[np.float64]

HEAD_RATIO = 0.25  # of a standing person's height, measured from the top of the box
HEAD_OF_WIDTH = 0.6  # of the box's width at least: who sits, or is cut off by the edge, shows little but the head
ABOVE_RATIO = 0.10
WIDER_RATIO = 0.25  # of the box's width, on each side
CELLS = 4  # what is left of a head: so many patches of colour across


def blurred(bgr: Bytes, boxes: Boxes) -> Bytes:
    """(H, W, 3) BGR and people's boxes (N, 4) xyxy in its pixels -> a copy with their heads blurred."""
    out = bgr.copy()
    for left, top, right, bottom in head_areas(boxes, bgr.shape[1], bgr.shape[0]):
        part = out[top:bottom, left:right]
        few = cv2.resize(part, (min(CELLS, right - left), min(CELLS, bottom - top)), interpolation=cv2.INTER_AREA)
        out[top:bottom, left:right] = cv2.resize(few, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    return out


def head_areas(boxes: Boxes, width_px: int, height_px: int) -> list[tuple[int, int, int, int]]:
    """(left, top, right, bottom) of each head in pixels, within the picture; none of a box that lies outside."""
    areas = []
    for x1, y1, x2, y2 in np.asarray(boxes, np.float64).reshape(-1, 4):
        wide, tall = WIDER_RATIO * (x2 - x1), y2 - y1
        left, right = max(0, int(x1 - wide)), min(width_px, int(np.ceil(x2 + wide)))
        head = min(tall, max(HEAD_RATIO * tall, HEAD_OF_WIDTH * (x2 - x1)))
        top, bottom = max(0, int(y1 - ABOVE_RATIO * tall)), min(height_px, int(np.ceil(y1 + head)))
        if right > left and bottom > top:
            areas.append((left, top, right, bottom))
    return areas
