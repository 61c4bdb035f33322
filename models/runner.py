"""Loads a neural network, proves that it works, and runs it on pictures.

A model that is missing, has another digest, or does not find the people in its own fixtures is refused:
a detector that finds nobody must never look like an empty school yard.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from gateway.core.errors import ModelRefused
from models import nanodet
from models.manifest import Manifest, folder_of, read_fixtures, read_manifest
from models.picture import Fit, Letterbox

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Places = NDArray[np.intp]

SELF_TEST_IOU = 0.6  # of a found box with the expected one
SELF_TEST_SCORE = 0.12  # other processors round int8 differently: 0.05 is usual (source: vision study), the rest is margin

_ORT_ERRORS = tuple(
    getattr(ort_errors, name)
    for name in ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented", "RuntimeException", "EPFail")
)


class Found(NamedTuple):
    """What was found in one picture, best first.

    boxes: (N, 4) xyxy in pixels of the picture; scores: (N,); kinds: (N,) places in `ModelInfo.kinds`.
    """

    boxes: Floats
    scores: Floats
    kinds: Places


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What runs: for logs, metrics and the page. Thresholds are scores 0..1 of this model only. kinds: person, vehicle."""

    id: str
    sha256: str
    licence: str
    provider: str
    threads: int
    input_width_px: int
    start: float
    keep: float
    kinds: tuple[str, ...] = ("person",)


class Detector:
    """One session, one thread at a time. Made by load()."""

    def __init__(self, manifest: Manifest, session: onnxruntime.InferenceSession, info: ModelInfo) -> None:
        self.info = info
        self._manifest = manifest
        self._session = session
        self._letterboxes: dict[tuple[int, int, int], tuple[Letterbox, Floats]] = {}

    def detect(self, bgr: Bytes, *, input_width_px: int | None = None) -> Found:
        """People (and vehicles, where the model knows them) in a picture (H, W, 3) uint8 BGR, scores from `info.keep` up.

        Raises ModelRefused when the runtime fails, never gives "nobody" for a failure.
        """
        letterbox, grid = self._fitted(bgr, input_width_px or self.info.input_width_px)
        decoder = self._manifest.decoder
        try:
            score, reg = self._session.run([decoder.score, decoder.reg], {self._manifest.input.name: letterbox(bgr)})
        except (*_ORT_ERRORS, ValueError) as error:
            raise ModelRefused(f"model {self.info.id}: {error}") from error
        if score.shape != (1, len(grid), 1) or reg.shape != (1, len(grid), 4 * decoder.bins):
            raise ModelRefused(f"model {self.info.id}: outputs {score.shape} and {reg.shape} do not suit {len(grid)} cells")
        boxes, scores = nanodet.decode(score[0], reg[0], grid, self.info.keep)
        chosen = nanodet.suppress(boxes, decoder.nms_iou)
        return Found(letterbox.fit.to_source(boxes[chosen]), scores[chosen], np.zeros(len(chosen), np.intp))

    def _fitted(self, bgr: Bytes, width_px: int) -> tuple[Letterbox, Floats]:
        height, width = bgr.shape[:2]
        key = (width, height, width_px)
        if key not in self._letterboxes:
            if len(self._letterboxes) >= 16:  # cameras that change their resolution must not fill the memory
                self._letterboxes.clear()
            fit = Fit.of(width, height, width_px, self._manifest.input.multiple_of_px)
            grid = nanodet.cells(fit.input_width, fit.input_height, self._manifest.decoder.strides)
            self._letterboxes[key] = (Letterbox(fit, self._manifest.colour, self._manifest.resize.pad), grid)
        return self._letterboxes[key]


def load(name_or_path: str | Path, *, threads: int = 1, input_width_px: int | None = None) -> Detector:
    """A detector that has passed its self-test (which also warms it up).

    name_or_path: id of a shipped model, or a model's folder (a path with a slash). threads: of one inference.
    Raises ModelRefused: file missing, other digest, not a network, no provider, or people of the fixtures not found.
    """
    folder = folder_of(name_or_path)
    manifest = read_manifest(folder)
    available = onnxruntime.get_available_providers()
    providers = [name for name in manifest.providers if name in available]
    if not providers:
        raise ModelRefused(f"model {manifest.id} wants {', '.join(manifest.providers)}; onnxruntime here offers {', '.join(available)}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # or idle cores burn power between pictures
    try:
        session = onnxruntime.InferenceSession(_weights(folder, manifest), options, providers=providers)
    except (*_ORT_ERRORS, ValueError) as error:
        raise ModelRefused(f"{folder / manifest.file}: onnxruntime refuses it: {error}") from error
    info = ModelInfo(
        id=manifest.id,
        sha256=manifest.sha256,
        licence=manifest.licence,
        provider=session.get_providers()[0],
        threads=threads,
        input_width_px=input_width_px or manifest.input.width_px,
        start=manifest.thresholds.start,
        keep=manifest.thresholds.keep,
    )
    detector = Detector(manifest, session, info)
    self_test(detector, folder)
    return detector


def self_test(detector: Detector, folder: Path) -> None:
    """Runs the model's fixtures; ModelRefused when a person is not found where expected, or one is seen where nobody is."""
    fixtures = read_fixtures(folder)
    for item in fixtures.items:
        path = folder / "fixtures" / item.file
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise ModelRefused(f"{path}: the picture of the self-test cannot be read")
        boxes, scores, _ = detector.detect(picture.astype(np.uint8, copy=False), input_width_px=fixtures.input_width_px)
        if not item.boxes and np.any(scores >= detector.info.start):
            raise ModelRefused(f"model {detector.info.id} fails its self-test: it sees a person in {item.file}, where nobody is")
        for *box, score in item.boxes:
            overlap = nanodet.iou(np.array(box, np.float32), boxes)
            found = overlap >= SELF_TEST_IOU
            best = float(scores[found].max(initial=0.0))
            if abs(best - score) > SELF_TEST_SCORE:
                raise ModelRefused(
                    f"model {detector.info.id} fails its self-test: the person in {item.file} should score {score:.2f}, scored {best:.2f}"
                )


def _weights(folder: Path, manifest: Manifest) -> bytes:
    path = folder / manifest.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelRefused(f"{path}: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != manifest.sha256:
        raise ModelRefused(f"{path}: sha256 is {digest}, the manifest says {manifest.sha256}")
    return content
