"""Loads a neural network, proves that it works, and runs it on pictures.

A model that is missing, has another digest, or does not find the people in its own fixtures is refused:
a detector that finds nobody must never look like an empty school yard.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from gateway.core.errors import ModelRefused
from models.boxes import Floats, Fusion, Places, fuse, iou, suppress
from models.decoders import decoder_of, expect_numbers
from models.manifest import Manifest, folder_of, read_fixtures, read_manifest
from models.onnx_file import has_external_data
from models.picture import Fit, Letterbox, Region, cut, read_picture
from models.providers import AUTO, CPU, NAMES, RUN_AND_TESTED, best, candidates

Bytes = NDArray[np.uint8]

SECOND_SCALE = 1.25  # 416 -> 512: on the campus clip ap50 0.900 -> 0.919, on photographs 0.629 -> 0.641
SELF_TEST_IOU = 0.6  # of a found box with the expected one
SELF_TEST_SCORE = 0.12  # other processors round int8 differently: 0.05 is usual (source: vision study), the rest is margin

log = logging.getLogger(__name__)

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
    """What runs: for logs, metrics and the page. Thresholds are scores 0..1 of this model only. kinds: person, vehicle.

    passed_over: other providers and why they do not run it.
    """

    id: str
    sha256: str
    licence: str
    provider: str
    threads: int
    input_width_px: int
    start: float
    keep: float
    kinds: tuple[str, ...] = ("person",)
    passed_over: tuple[str, ...] = ()

    @property
    def tested(self) -> bool:
        """True for a provider that the makers of this software have run."""
        return self.provider in RUN_AND_TESTED


class Detector:
    """One session, one thread at a time. Made by load()."""

    def __init__(self, manifest: Manifest, session: onnxruntime.InferenceSession, info: ModelInfo) -> None:
        self.info = info
        self._manifest = manifest
        self._session = session
        self._decoder = decoder_of(manifest)
        self._fusion = None if manifest.fuse is None else Fusion(**manifest.fuse.model_dump())
        self._letterboxes: dict[Fit, Letterbox] = {}

    def detect(
        self,
        bgr: Bytes,
        *,
        input_width_px: int | None = None,
        input_height_px: int | None = None,
        region: Region | None = None,
        two_scales: bool = False,
        floor: float | None = None,
    ) -> Found:
        """People (and vehicles, where the model knows them) in a picture (H, W, 3) uint8 BGR.

        input_width_px, input_height_px: of the network's input; without a height it follows the picture's shape. A model of one size
        takes neither. region: look only there, with all the input's pixels. two_scales: look again with an input a quarter larger,
        for 2.5 times the work. floor: lowest score to give; default: `info.keep`.
        Raises ModelRefused when the runtime fails, never gives "nobody" for a failure.
        """
        part, corner = (bgr, (0, 0)) if region is None else cut(bgr, region)
        width_px = input_width_px or self.info.input_width_px
        lowest = self.info.keep if floor is None else floor
        deepest = lowest if self._fusion is None else min(lowest, self._fusion.least)
        looks = [self._look(part, width_px, input_height_px, deepest)]
        if two_scales and self._manifest.input.height_px is None:
            looks.append(self._look(part, self._larger(width_px), input_height_px and self._larger(input_height_px), deepest))
        boxes, scores, kinds = looks[0] if len(looks) == 1 else _merged(looks)
        if self._fusion is not None:
            boxes, scores, kinds = fuse(boxes, scores, kinds, self._fusion)
            boxes, scores, kinds = boxes[scores >= lowest], scores[scores >= lowest], kinds[scores >= lowest]
        elif self._decoder.nms_iou is not None:
            chosen = suppress(boxes, self._decoder.nms_iou, kinds)
            boxes, scores, kinds = boxes[chosen], scores[chosen], kinds[chosen]
        return Found(boxes + np.array(corner * 2, np.float32), scores, kinds)

    def _look(self, part: Bytes, width_px: int, height_px: int | None, floor: float) -> Found:
        """One inference; boxes in pixels of `part`, best first, doubles still in."""
        letterbox = self._letterbox(part, width_px, height_px)
        fit = letterbox.fit
        feed: dict[str, NDArray[Any]] = {self._manifest.input.name: letterbox(part)}
        if self._manifest.input.size_name:
            feed[self._manifest.input.size_name] = np.array([[fit.input_width, fit.input_height]], np.int64)
        try:
            values = self._session.run(list(self._decoder.outputs), feed)
            expect_numbers(self._decoder.outputs, values)
            boxes, scores, kinds = self._decoder(values, fit.input_width, fit.input_height, floor)
        except (*_ORT_ERRORS, ValueError) as error:
            raise ModelRefused(f"model {self.info.id}: {error}") from error
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ModelRefused(f"model {self.info.id}: it gives boxes or scores that are no numbers")
        return Found(fit.to_source(boxes), scores, kinds)

    def _larger(self, length_px: int) -> int:
        multiple = self._manifest.input.multiple_of_px
        return int(length_px * SECOND_SCALE) // multiple * multiple

    def _letterbox(self, part: Bytes, width_px: int, height_px: int | None) -> Letterbox:
        height, width = part.shape[:2]
        spec, mode = self._manifest.input, self._manifest.resize.mode
        if spec.height_px is not None:
            fit = Fit(width, height, spec.width_px, spec.height_px, mode)
        elif height_px is not None:
            fit = Fit(width, height, width_px, height_px, mode)
        else:
            fit = Fit.of(width, height, width_px, spec.multiple_of_px, mode)
        if fit not in self._letterboxes:
            if len(self._letterboxes) >= 16:  # cameras that change their resolution must not fill the memory
                self._letterboxes.clear()
            self._letterboxes[fit] = Letterbox(fit, self._manifest.colour, self._manifest.resize.pad)
        return self._letterboxes[fit]


def _merged(looks: Sequence[Found]) -> Found:
    boxes, scores, kinds = (np.concatenate(parts) for parts in zip(*looks, strict=True))
    order = np.argsort(-scores, kind="stable")
    return Found(boxes[order], scores[order], kinds[order])


def offered() -> list[str]:
    """The providers of the onnxruntime that is installed here."""
    return list(onnxruntime.get_available_providers())


def providers(manifest: Manifest, asked: str = AUTO) -> list[str]:
    """What may run a model here: of what it wants, or what the site asks for, that which onnxruntime offers. May be empty."""
    return candidates(manifest.providers, offered(), asked)


Start = Callable[[bytes, onnxruntime.SessionOptions, list[str]], onnxruntime.InferenceSession]


def start(network: bytes, options: onnxruntime.SessionOptions, names: list[str]) -> onnxruntime.InferenceSession:
    """A session of onnxruntime with these providers, the first for all that it can do."""
    if names[0] == NAMES["xnnpack"]:  # it has threads of its own, beside which those of onnxruntime would only be in the way
        own = {"intra_op_num_threads": str(options.intra_op_num_threads)}
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(network, options, providers=[(names[0], own), *names[1:]])
    return onnxruntime.InferenceSession(network, options, providers=names)


def load(
    name_or_path: str | Path,
    *,
    threads: int = 1,
    input_width_px: int | None = None,
    installed: Path | None = None,
    provider: str = AUTO,
    start: Start = start,
) -> Detector:
    """A detector that has passed its self-test (which also warms it up).

    name_or_path: id of a shipped model or of one in the folder `installed`, or a model's folder (a path with a slash).
    threads: of one inference. provider: "auto" or a key of models.providers.NAMES. Each provider that may run the model is started and
    has to pass the self-test by itself; the fastest that does is taken, and `info` says which and what became of the others.
    Raises ModelRefused: file missing, other digest, not a network, weights in another file, no provider, people of the fixtures not found.
    """
    folder = folder_of(name_or_path, installed)
    manifest = read_manifest(folder)
    names = providers(manifest, provider)
    if not names:
        raise ModelRefused(f"model {manifest.id} wants {', '.join(manifest.providers)}; onnxruntime here offers {', '.join(offered())}")
    network = _weights(folder, manifest)

    def proven(name: str) -> Detector:
        detector = _on(name, network, manifest, folder, threads, input_width_px, start)
        self_test(detector, folder)
        return detector

    picture = np.zeros((360, 640, 3), np.uint8)
    detector, passed_over = best(names, proven, lambda made: made.detect(picture))
    if provider != AUTO and NAMES[provider] not in names:
        passed_over = (f"{NAMES[provider]}: the site file asks for it; onnxruntime here offers {', '.join(offered())}", *passed_over)
        log.error("%s runs the model: %s", detector.info.provider, passed_over[0])
    detector.info = replace(detector.info, passed_over=passed_over)
    return detector


def _on(name: str, network: bytes, manifest: Manifest, folder: Path, threads: int, input_width_px: int | None, start: Start) -> Detector:
    """A detector on one provider; what that cannot do the CPU does, as onnxruntime always has it. Raises ModelRefused."""
    try:
        session = start(network, _options(threads), list(dict.fromkeys((name, CPU))))
    except (*_ORT_ERRORS, ValueError) as error:
        raise ModelRefused(f"{folder / manifest.file}: onnxruntime refuses it: {error}") from error
    if session.get_providers()[0] != name:  # it has only said so in its own log
        raise ModelRefused(f"{name} is offered and does not start: its libraries or its device are missing")
    info = ModelInfo(
        id=manifest.id,
        sha256=manifest.sha256,
        licence=manifest.licence,
        provider=name,
        threads=threads,
        input_width_px=manifest.input.width_px if manifest.input.height_px else input_width_px or manifest.input.width_px,
        start=manifest.thresholds.start,
        keep=manifest.thresholds.keep,
        kinds=manifest.classes.kinds,
    )
    return Detector(manifest, session, info)


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_cpu_mem_arena = False  # 10 MB less for 1 % more time
    options.log_severity_level = 3
    options.add_session_config_entry("session.load_model_format", "ONNX")  # the other format was not looked through for foreign weights
    for pool in ("intra", "inter"):  # or idle cores burn power between pictures
        options.add_session_config_entry(f"session.{pool}_op.allow_spinning", "0")
    return options


def self_test(detector: Detector, folder: Path) -> None:
    """Runs the model's fixtures; ModelRefused when a person is not found where expected, or one is seen where nobody is."""
    fixtures = read_fixtures(folder)
    for item in fixtures.items:
        path = folder / "fixtures" / item.file
        picture = read_picture(path)
        if picture is None:
            raise ModelRefused(f"{path}: the picture of the self-test cannot be read, or is too large")
        found = detector.detect(picture, input_width_px=fixtures.input_width_px)
        for kind, expected in (("person", item.boxes), ("vehicle", item.vehicles)):
            if kind in detector.info.kinds:
                _compare(detector.info, kind, item.file, expected, found)
            elif expected:
                raise ModelRefused(f"{folder}: {item.file} should show a {kind}, but the manifest names no classes of a {kind}")


def _compare(info: ModelInfo, kind: str, file: str, expected: Sequence[Sequence[float]], found: Found) -> None:
    here = found.kinds == info.kinds.index(kind)
    if not expected and np.any(found.scores[here] >= info.start):
        raise ModelRefused(f"model {info.id} fails its self-test: it sees a {kind} in {file}, where none is")
    for *box, score in expected:
        overlap = iou(np.array(box, np.float32), found.boxes)
        best = float(found.scores[here & (overlap >= SELF_TEST_IOU)].max(initial=0.0))
        if abs(best - score) > SELF_TEST_SCORE:
            raise ModelRefused(f"model {info.id} fails its self-test: the {kind} in {file} should score {score:.2f}, scored {best:.2f}")


def _weights(folder: Path, manifest: Manifest) -> bytes:
    path = folder / manifest.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelRefused(f"{path}: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != manifest.sha256:
        raise ModelRefused(f"{path}: sha256 is {digest}, the manifest says {manifest.sha256}")
    try:
        external = has_external_data(content)
    except ValueError as error:
        raise ModelRefused(f"{path}: not an ONNX file: {error}") from error
    if external:
        raise ModelRefused(f"{path}: its weights lie in another file, which no digest covers: save it as one file")
    return content
