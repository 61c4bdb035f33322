"""Which execution provider of onnxruntime runs a network: what a site file may ask for, and which is the best of those that work here."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from gateway.core.errors import ModelRefused

AUTO = "auto"
CPU = "CPUExecutionProvider"
NAMES = {"cpu": CPU, "xnnpack": "XnnpackExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
RUN_AND_TESTED = (
    CPU,
)  # every other provider is taken when the manifest or the site names it and it passes, but its makers were never here
TIMED_RUNS = 5

_Made = TypeVar("_Made")
log = logging.getLogger(__name__)


def candidates(preferred: Iterable[str], offered: Sequence[str], asked: str = AUTO) -> list[str]:
    """Those to try, in order; may be empty.

    preferred: of the manifest; offered: by the onnxruntime that is installed; asked: "auto", or a key of NAMES from the site file,
    after which only the CPU is tried: a site that is slow is better than one that is blind.
    """
    if asked == AUTO:
        return [name for name in preferred if name in offered]
    return [name for name in dict.fromkeys((NAMES[asked], CPU)) if name in offered]


def best(names: Sequence[str], make: Callable[[str], _Made], run: Callable[[_Made], object]) -> tuple[_Made, tuple[str, ...]]:
    """The made thing of the provider that is fastest here, and why others were passed over, a line each.

    make: starts and proves one, ModelRefused when it does not work; run: one run, to be timed. Nothing is timed where one only works.
    Raises ModelRefused of the last one when none works.
    """
    made: dict[str, _Made] = {}
    passed_over: list[str] = []
    refused: ModelRefused | None = None
    for name in names:
        try:
            made[name] = make(name)
        except ModelRefused as error:
            refused = error
            passed_over.append(f"{name}: {error}")
            if name != names[-1]:
                log.error("%s cannot run the model and is passed over: %s", name, error)
    if not made:
        raise refused or ModelRefused("no provider to run it")
    if len(made) == 1:
        return next(iter(made.values())), tuple(passed_over)
    times_s = {name: _median_s(partial(run, thing)) for name, thing in made.items()}
    fastest = min(times_s, key=lambda name: times_s[name])
    slower = [f"{name}: slower, {times_s[name] * 1000:.0f} ms against {times_s[fastest] * 1000:.0f} ms" for name in made if name != fastest]
    return made[fastest], (*passed_over, *slower)


def _median_s(run: Callable[[], object]) -> float:
    """Of a few runs; the one that warms up is the self-test, which is over."""
    took = []
    for _ in range(TIMED_RUNS):
        began = time.perf_counter()
        run()
        took.append(time.perf_counter() - began)
    return statistics.median(took)
