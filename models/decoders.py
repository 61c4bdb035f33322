"""From a network's outputs to boxes: one class for each kind of head that a manifest can name.

Every class has `outputs` (names to ask the network for), `nms_iou` (None: doubles are gone already) and is called with
the outputs, the input's width and height in pixels and the lowest score that counts; it gives boxes (K, 4) xyxy in input
pixels, scores (K,) and kinds (K,), best first, doubles still in. Outputs that do not suit raise ValueError. They are to be
looked at with expect_numbers() first: a score that is no number reaches no floor, and would count as nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models import nanodet, ssd
from models.boxes import Floats, Places, cells, corners
from models.manifest import BoxesLabelsScores, DetrLogits, Manifest, NanodetDfl, Ssd, Yolox

Raw = tuple[Floats, Floats, Places]
Classes = tuple[tuple[int, ...], ...]  # for each kind the places among the network's classes
Arrays = Sequence[NDArray[Any]]


class Decoder(Protocol):
    """What the runner needs of a head."""

    @property
    def outputs(self) -> tuple[str, ...]: ...
    @property
    def nms_iou(self) -> float | None: ...

    def __call__(self, values: Arrays, width_px: int, height_px: int, floor: float) -> Raw: ...


def decoder_of(manifest: Manifest) -> Decoder:
    """The decoder that the manifest names."""
    spec, classes = manifest.decoder, manifest.classes.by_kind
    match spec:
        case NanodetDfl():
            return Nanodet(spec, classes)
        case Ssd():
            return SsdHead(spec, classes)
        case Yolox():
            return YoloxHead(spec, classes)
        case DetrLogits():
            return Detr(spec, classes)
        case BoxesLabelsScores():
            return Finished(spec, classes)


def expect_numbers(names: Sequence[str], values: Sequence[Any]) -> None:
    """Raises ValueError unless every output is an array of finite numbers, also where no box comes of it."""
    for name, value in zip(names, values, strict=True):
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or not np.isfinite(value).all():
            raise ValueError(f"output {name} holds values that are no numbers")


class _Grid:
    """Cells of the size that was asked for last; a camera's size changes rarely."""

    def __init__(self, strides: tuple[int, ...]) -> None:
        self._strides = strides
        self._made: dict[tuple[int, int], Floats] = {}

    def __call__(self, width_px: int, height_px: int) -> Floats:
        key = (width_px, height_px)
        if key not in self._made:
            if len(self._made) >= 16:  # cameras that change their resolution must not fill the memory
                self._made.clear()
            self._made[key] = cells(width_px, height_px, self._strides)
        return self._made[key]


class Nanodet:
    """Score (1, A, classes) after the sigmoid and four distributions (1, A, 4 * bins) for each cell."""

    def __init__(self, spec: NanodetDfl, classes: Classes) -> None:
        self.outputs, self.nms_iou = (spec.score, spec.reg), spec.nms_iou
        self._bins, self._classes, self._grid = spec.bins, classes, _Grid(spec.strides)

    def __call__(self, values: Arrays, width_px: int, height_px: int, floor: float) -> Raw:
        score, reg = values
        grid = self._grid(width_px, height_px)
        _expect(self.outputs[0], score, (1, len(grid), None))
        _expect(self.outputs[1], reg, (1, len(grid), 4 * self._bins))
        place, kinds, scores = _above(score[0], self._classes, floor)
        return nanodet.decode(reg[0][place], grid[place]), scores, kinds


class SsdHead:
    """Codes (1, A, 4) relative to anchors, and logits (1, A, classes) with the background as class 0."""

    def __init__(self, spec: Ssd, classes: Classes) -> None:
        self.outputs, self.nms_iou = (spec.boxes, spec.scores), spec.nms_iou
        self._scales, self._sigmoid, self._classes = spec.code_scales, spec.logits, classes
        self._anchors = ssd.anchors(spec.grids, spec.smallest, spec.largest)

    def __call__(self, values: Arrays, width_px: int, height_px: int, floor: float) -> Raw:
        codes, score = values
        _expect(self.outputs[0], codes, (1, len(self._anchors), 4))
        _expect(self.outputs[1], score, (1, len(self._anchors), None))
        place, kinds, scores = _above(score[0], self._classes, floor, sigmoid=self._sigmoid)
        boxes = ssd.decode(codes[0][place], self._anchors[place], self._scales)
        return boxes * _size(width_px, height_px), scores, kinds


class YoloxHead:
    """Output (1, A, 5 + classes): place, size, objectness, classes."""

    def __init__(self, spec: Yolox, classes: Classes) -> None:
        self.outputs, self.nms_iou = (spec.output,), spec.nms_iou
        self._decoded, self._classes, self._grid = spec.decoded, classes, _Grid(spec.strides)

    def __call__(self, values: Arrays, width_px: int, height_px: int, floor: float) -> Raw:
        (output,) = values
        grid = self._grid(width_px, height_px)
        _expect(self.outputs[0], output, (1, len(grid), None))
        place, kinds, scores = _above(output[0, :, 4:5] * output[0, :, 5:], self._classes, floor)
        chosen, near = output[0][place], grid[place]
        if self._decoded:
            return corners(chosen[:, :2], chosen[:, 2:4]), scores, kinds
        stride = near[:, 2:]
        return corners(chosen[:, :2] * stride + near[:, :2] - stride / 2, np.exp(chosen[:, 2:4]) * stride), scores, kinds


class Detr:
    """Queries: boxes (1, Q, 4) as centre and size in shares of the input, logits (1, Q, classes)."""

    def __init__(self, spec: DetrLogits, classes: Classes) -> None:
        self.outputs, self.nms_iou = (spec.boxes, spec.logits), spec.nms_iou
        self._classes = classes

    def __call__(self, values: Arrays, width_px: int, height_px: int, floor: float) -> Raw:
        boxes, logits = values
        _expect(self.outputs[0], boxes, (1, None, 4))
        _expect(self.outputs[1], logits, (1, boxes.shape[1], None))
        place, kinds, scores = _above(logits[0], self._classes, floor, sigmoid=True)
        chosen = boxes[0][place]
        return corners(chosen[:, :2], chosen[:, 2:]) * _size(width_px, height_px), scores, kinds


class Finished:
    """Boxes (1, Q, 4) xyxy, labels (1, Q), scores (1, Q): the network has done the rest itself."""

    def __init__(self, spec: BoxesLabelsScores, classes: Classes) -> None:
        self.outputs, self.nms_iou = (spec.boxes, spec.labels, spec.scores), spec.nms_iou
        self._shares, self._classes = spec.normalised, classes

    def __call__(self, values: Arrays, width_px: int, height_px: int, floor: float) -> Raw:
        boxes, labels, score = values
        _expect(self.outputs[0], boxes, (1, None, 4))
        for name, value in zip(self.outputs[1:], (labels, score), strict=True):
            _expect(name, value, (1, boxes.shape[1]))
        kind = np.full(boxes.shape[1], -1, np.intp)
        for number, members in enumerate(self._classes):
            kind[np.isin(labels[0], members)] = number
        place = np.flatnonzero((score[0] >= floor) & (kind >= 0))
        place = place[np.argsort(-score[0][place], kind="stable")]
        chosen = boxes[0][place].astype(np.float32)
        return chosen * _size(width_px, height_px) if self._shares else chosen, score[0][place].astype(np.float32), kind[place]


def _above(score: NDArray[Any], classes: Classes, floor: float, *, sigmoid: bool = False) -> tuple[Places, Places, Floats]:
    """Of scores (A, classes): places, kinds and scores of all that reach `floor`, best first. A kind scores as its best class.

    sigmoid: `score` holds logits; only what is kept is turned into a score.
    """
    last = max(max(members) for members in classes)
    if score.shape[1] <= last:
        raise ValueError(f"the network has {score.shape[1]} classes, the manifest names class {last}")
    best = np.stack([score[:, list(members)].max(axis=1) for members in classes], axis=1)
    # a logit below which the sigmoid does not reach the floor; a floor of 0 or 1 keeps all or none
    limit = floor if not sigmoid else -np.log(1 / floor - 1) if 0 < floor < 1 else np.inf * (floor - 0.5)
    place, kind = np.nonzero(best >= limit)
    kept = best[place, kind]
    order = np.argsort(-kept, kind="stable")
    scores = 1 / (1 + np.exp(-kept[order])) if sigmoid else kept[order]
    return place[order], kind[order], scores.astype(np.float32)


def _size(width_px: int, height_px: int) -> Floats:
    return np.array([width_px, height_px, width_px, height_px], np.float32)


def _expect(name: str, value: NDArray[Any], shape: tuple[int | None, ...]) -> None:
    if len(value.shape) != len(shape) or any(wanted not in (None, given) for wanted, given in zip(shape, value.shape, strict=True)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"output {name} is {value.shape}, expected ({wanted})")
