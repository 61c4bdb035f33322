"""Conversions of whole pictures. Pure."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

JPEG_QUALITY = 85


def to_bgr(i420: Bytes) -> Bytes:
    """I420 planes (H * 3 / 2, W) uint8 as decoders give them -> (H, W, 3) uint8 BGR."""
    return cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420).astype(np.uint8, copy=False)


def to_jpeg(bgr: Bytes) -> bytes:
    """(H, W, 3) uint8 BGR -> one JPEG file."""
    done, body = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done, "a whole BGR picture can be coded"
    return body.tobytes()
