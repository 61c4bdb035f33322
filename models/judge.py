"""Runs a model over labelled pictures, and measures how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.boxes import Floats
from models.evaluate import Figures, Judged, figures
from models.labelled import Labelled, Set
from models.picture import Region
from models.runner import Detector

Bytes = NDArray[np.uint8]

LOWEST_SCORE = 0.01  # the curve's right end; what is lower adds nothing to the area
SPARE_RATIO = 0.8  # of the time, for everything else
WARM_UP = 5  # runs that are not measured


@dataclass(frozen=True, slots=True)
class Result:
    """What `models eval` tells. latency_ms: median of letterbox, inference, decoding and suppression of one picture."""

    model: str
    provider: str
    threads: int
    threshold: float
    figures: Figures
    latency_ms: float

    def as_json(self) -> dict[str, Any]:
        """One flat object; figures with four places, None where the set has nothing to measure them by."""
        told = {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self.figures).items()}
        about = {"model": self.model, "provider": self.provider, "threads": self.threads, "threshold": self.threshold}
        return {**told, "latency_ms": round(self.latency_ms, 2), **about}


def evaluate(
    detector: Detector,
    labelled: Set,
    *,
    width_px: int | None = None,
    height_px: int | None = None,
    region: Region | None = None,
    two_scales: bool = False,
    told: Callable[[int], None] = lambda done: None,
) -> Result:
    """Figures of a model on a set. region: only people whose feet are in it count, and only it is looked at.

    told: is called with the number of pictures done, after each.
    """
    judged, took_s = [], []
    detect = partial(detector.detect, input_width_px=width_px, input_height_px=height_px, region=region, two_scales=two_scales)
    for done, each in enumerate(labelled.pictures(), 1):
        found = detect(each.bgr, floor=LOWEST_SCORE)
        begin_s = time.perf_counter()
        detect(each.bgr)  # again as in service: the many low scores of the curve cost time that nobody spends there
        took_s.append(time.perf_counter() - begin_s)
        people = found.kinds == 0
        judged.append(_judged(each, found.boxes[people], found.scores[people], region))
        told(done)
    info = detector.info
    latency_ms = 1000 * float(np.median(took_s)) if took_s else 0.0
    return Result(info.id, info.provider, info.threads, info.start, figures(judged, info.start), latency_ms)


def _judged(each: Labelled, boxes: Floats, scores: Floats, region: Region | None) -> Judged:
    height, width = each.bgr.shape[:2]
    if region is None:
        return Judged(boxes, scores, each.boxes, each.left_out, height)
    inside, kept = _feet_in(each.boxes, region, width, height), _feet_in(boxes, region, width, height)
    return Judged(boxes[kept], scores[kept], each.boxes, each.left_out | ~inside, height)


def _feet_in(boxes: Floats, region: Region, width: int, height: int) -> NDArray[np.bool_]:
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2 / width, boxes[:, 3] / height
    inside: NDArray[np.bool_] = (x >= region[0]) & (x <= region[2]) & (y >= region[1]) & (y <= region[3])
    return inside


@dataclass(frozen=True, slots=True)
class Speed:
    """Milliseconds of one picture, whole: letterbox, inference, decoding, suppression. rss_mb: the process's memory after it."""

    threads: int
    p50_ms: float
    p95_ms: float
    rss_mb: float

    @property
    def pictures_per_s(self) -> float:
        """How many pictures fit into a second, reckoned with the slow ones."""
        return 1000 / self.p95_ms

    def cameras(self, fps: float) -> int:
        """How many cameras of `fps` analysed pictures a second that is, with a fifth of the time to spare."""
        return int(SPARE_RATIO * self.pictures_per_s / fps)

    def as_json(self, fps: float) -> dict[str, Any]:
        """Its fields, rounded."""
        told = {key: round(value, 2) for key, value in asdict(self).items()}
        return {**told, "pictures_per_s": round(self.pictures_per_s, 1), "cameras": self.cameras(fps)}


def speed(detector: Detector, picture: Bytes, runs: int, *, width_px: int | None = None, height_px: int | None = None) -> Speed:
    """Times `runs` pictures after a warm-up."""
    took_s = []
    for number in range(WARM_UP + runs):
        begin_s = time.perf_counter()
        detector.detect(picture, input_width_px=width_px, input_height_px=height_px)
        if number >= WARM_UP:
            took_s.append(time.perf_counter() - begin_s)
    p50, p95 = np.percentile(1000 * np.array(took_s), (50, 95))
    return Speed(detector.info.threads, float(p50), float(p95), rss_mb())


def rss_mb() -> float:
    """Memory of this process in MB that is really there; 0 where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    line = next((line for line in status.splitlines() if line.startswith("VmRSS")), "VmRSS: 0 kB")
    return int(line.split()[1]) / 1024
