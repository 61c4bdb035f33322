"""float32 to int8: weights per channel, activations uint8, ranges from pictures that go through the network once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.manifest import Colour
from models.picture import Fit, Letterbox

Bytes = NDArray[np.uint8]

SIDE_PX = 416
COLOUR = Colour(order="BGR", mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395))
IN_FLOAT = ["cat", "nac", "split", "score"]  # joining and sigmoid: no arithmetic worth quantising


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Hands pictures to the calibration, letterboxed as the runner does it."""

    def __init__(self, pictures: Iterable[Bytes]) -> None:
        self._pictures = iter(pictures)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        picture = next(self._pictures, None)
        if picture is None:
            return None
        height, width = picture.shape[:2]
        return {"image": Letterbox(Fit(width, height, SIDE_PX, SIDE_PX), COLOUR, 114)(picture).copy()}


def quantise(float32: Path, int8: Path, pictures: Iterable[Bytes]) -> None:
    """Writes `int8`. The same pictures on the same kind of processor give the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(float32), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(int8),
            _Reader(pictures),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=IN_FLOAT,
        )


def training_stills(folder: Path) -> list[Path]:
    """Photographs that the network was trained on: its ranges may be taken from them, its accuracy may not."""
    return sorted(folder.glob("train_*.jpg"))


def read_all(paths: Iterable[Path]) -> Iterator[Bytes]:
    """The pictures of `paths`. Raises ValueError for one that cannot be read."""
    for path in paths:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise ValueError(f"{path}: not a picture")
        yield picture.astype(np.uint8, copy=False)


def varied(pictures: Iterable[Bytes]) -> Iterator[Bytes]:
    """Few pictures made to many: mirrored, darker, brighter, and small in a grey field."""
    for picture in pictures:
        for each in (picture, np.ascontiguousarray(picture[:, ::-1])):
            yield each
            yield cv2.convertScaleAbs(each, alpha=0.5).astype(np.uint8)
            yield cv2.convertScaleAbs(each, alpha=1.4, beta=10).astype(np.uint8)
            field = np.full((360, 640, 3), 128, np.uint8)
            field[150:330, 200:380] = cv2.resize(each, (180, 180), interpolation=cv2.INTER_AREA)
            yield field
