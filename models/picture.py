"""From a camera's picture to a network's input, and back from the network's boxes to the picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from models.manifest import Colour

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


Mode = Literal["letterbox-centre", "letterbox-topleft", "squash"]
Region = tuple[float, float, float, float]  # x1, y1, x2, y2 in shares of the picture


@dataclass(frozen=True, slots=True)
class Fit:
    """How a picture of one size lies in an input of another: scaled and padded, or stretched. All in pixels."""

    source_width: int
    source_height: int
    input_width: int
    input_height: int
    mode: Mode = "letterbox-centre"

    @classmethod
    def of(cls, source_width: int, source_height: int, input_width: int, multiple: int, mode: Mode = "letterbox-centre") -> Fit:
        """An input of the wanted width whose height suits the picture's shape: 16:9 at 416 gives 416 x 256."""
        lines = source_height * input_width / source_width
        height = max(multiple, min(int(np.ceil(lines / multiple)) * multiple, input_width * 2 // multiple * multiple))
        return cls(source_width, source_height, input_width, height, mode)

    @property
    def inner(self) -> tuple[int, int, int, int]:
        """Where the picture lies in the input: left, top, width, height."""
        if self.mode == "squash":
            return 0, 0, self.input_width, self.input_height
        ratio = min(self.input_width / self.source_width, self.input_height / self.source_height)
        width, height = max(1, round(self.source_width * ratio)), max(1, round(self.source_height * ratio))
        if self.mode == "letterbox-topleft":
            return 0, 0, width, height
        return (self.input_width - width) // 2, (self.input_height - height) // 2, width, height

    def to_source(self, boxes: Floats) -> Floats:
        """Boxes (N, 4) xyxy in input pixels -> in pixels of the picture, cut at its edges."""
        left, top, width, height = self.inner
        moved = boxes - np.array([left, top, left, top], np.float32)
        scaled = moved * np.tile(np.array([self.source_width / width, self.source_height / height], np.float32), 2)
        limit = np.tile(np.array([self.source_width, self.source_height], np.float32), 2)
        result: Floats = np.clip(scaled, 0, limit).astype(np.float32)
        return result


class Letterbox:
    """Fills one input tensor again and again for pictures of one size; its arrays are reused, so it serves one thread.

    Normalising by table (256 entries a channel) costs a third of the float arithmetic on whole pictures.
    """

    def __init__(self, fit: Fit, colour: Colour, pad: int) -> None:
        self.fit = fit
        left, top, width, height = fit.inner
        self._canvas: Bytes = np.full((fit.input_height, fit.input_width, 3), pad, np.uint8)
        self._window = self._canvas[top : top + height, left : left + width]
        self._size = (width, height)
        self._planes = (2, 1, 0) if colour.order == "RGB" else (0, 1, 2)
        values = np.arange(256, dtype=np.float32)
        if colour.scale == "1/255":
            values /= 255
        self._tables = [((values - mean) / std).astype(np.float32) for mean, std in zip(colour.mean, colour.std, strict=True)]
        self._tensor: Floats = np.zeros((1, 3, fit.input_height, fit.input_width), np.float32)

    def __call__(self, bgr: Bytes) -> Floats:
        """Picture (H, W, 3) uint8 BGR of the fitted size -> (1, 3, h, w) float32, valid until the next call."""
        self._window[:] = cv2.resize(bgr, self._size, interpolation=cv2.INTER_LINEAR)
        planes = cv2.split(self._canvas)
        for target, plane, table in zip(self._tensor[0], (planes[i] for i in self._planes), self._tables, strict=True):
            cv2.LUT(plane, table, dst=target)
        return self._tensor


def read_picture(path: Path) -> Bytes | None:
    """A picture file as (H, W, 3) uint8 BGR; None where it is none that can be read, or a larger one than OpenCV takes."""
    try:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if picture is None else picture.astype(np.uint8, copy=False)


def cut(bgr: Bytes, region: Region) -> tuple[Bytes, tuple[int, int]]:
    """The part of a picture (H, W, 3) within `region` (a view, nothing is copied), and its left and top in pixels."""
    height, width = bgr.shape[:2]
    left, top = min(int(region[0] * width), width - 1), min(int(region[1] * height), height - 1)
    right, bottom = max(left + 1, round(region[2] * width)), max(top + 1, round(region[3] * height))
    return bgr[top:bottom, left:right], (left, top)


def region_around(
    polygons: Iterable[Sequence[Sequence[float]]], *, above_ratio: float = 0.35, margin_ratio: float = 0.05, worth_ratio: float = 0.7
) -> Region | None:
    """The part of the picture in which people stand whose feet are in one of the polygons (points x, y in shares of the picture).

    above_ratio: height of a person over the topmost foot, as a share of the picture; margin_ratio: added on all sides.
    None where it would be more than `worth_ratio` of the picture wide or high: then a cut gains nothing, and where there is no polygon.
    """
    points = [point for polygon in polygons for point in polygon]
    if not points:
        return None
    across, down = [point[0] for point in points], [point[1] for point in points]
    left, right = max(0.0, min(across) - margin_ratio), min(1.0, max(across) + margin_ratio)
    top, bottom = max(0.0, min(down) - above_ratio - margin_ratio), min(1.0, max(down) + margin_ratio)
    if max(right - left, bottom - top) > worth_ratio:
        return None
    return left, top, right, bottom
