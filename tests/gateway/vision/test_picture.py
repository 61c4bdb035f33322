"""Conversion of decoded planes."""

from __future__ import annotations

import cv2
import numpy as np

from gateway.vision.picture import to_bgr


def test_colours_survive_the_way_through_i420() -> None:
    bgr = np.zeros((64, 96, 3), np.uint8)
    bgr[:, :32], bgr[:, 32:64], bgr[:, 64:] = (200, 30, 30), (30, 200, 30), (30, 30, 200)
    back = to_bgr(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).astype(np.uint8))
    assert back.shape == bgr.shape
    for column in (16, 48, 80):
        assert np.abs(back[32, column].astype(int) - bgr[32, column]).max() < 8
