"""Conversions of whole pictures. Pure."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def to_bgr(i420: Bytes) -> Bytes:
    """I420 planes (H * 3 / 2, W) uint8 as decoders give them -> (H, W, 3) uint8 BGR."""
    return cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420).astype(np.uint8, copy=False)
