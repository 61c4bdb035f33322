"""What the vision process cannot do without: decode each picture with one thread, run the network on some of them. Nothing else.

Run as `python -m tests.bench.vision_raw FILM PICTURES INFERENCES WIDTH HEIGHT [--fps N]`; one line of JSON with CPU seconds. With
--fps the pictures come at their own speed, as a camera sends them: caches are cold and the processor sleeps in between, which costs more
than one picture after the other.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import onnxruntime

from models.manifest import folder_of, read_manifest

MODEL = "nanodet-g-person-int8"
WARM = 10
NICE = 10  # as the vision process


def session() -> tuple[onnxruntime.InferenceSession, str]:
    """The network with one thread and no idle spinning; the name of its input."""
    folder = folder_of(MODEL)
    manifest = read_manifest(folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(folder / manifest.file), options, providers=["CPUExecutionProvider"]), manifest.input.name


def _decoded(film: Path) -> Iterator[object]:
    """Pictures of the film, again and again."""
    while True:
        with av.open(str(film), format="h264") as container:
            container.streams.video[0].codec_context.thread_count = 1
            yield from container.decode(video=0)


def measure(film: Path, pictures: int, inferences: int, width_px: int, height_px: int, fps: float) -> dict[str, float]:
    """CPU seconds of both. fps: 0 for one after the other."""
    network, name = session()
    tensor = np.random.default_rng(1).normal(0.0, 1.0, (1, 3, height_px, width_px)).astype(np.float32)
    decoded = _decoded(film)
    for _ in range(WARM):
        network.run(None, {name: tensor})
        next(decoded)
    every = pictures / inferences
    decode_s = infer_s = 0.0
    due_s, done = time.monotonic(), 0
    for number in itertools.islice(itertools.count(1), pictures):
        if fps:
            due_s += 1 / fps
            time.sleep(max(0.0, due_s - time.monotonic()))
        at_s = time.process_time()
        next(decoded)
        between_s = time.process_time()
        decode_s += between_s - at_s
        if number >= (done + 1) * every - 1e-9:
            done += 1
            network.run(None, {name: tensor})
            infer_s += time.process_time() - between_s
    return {"decode_s": decode_s, "infer_s": infer_s, "pictures": pictures, "inferences": done}


def main(argv: list[str]) -> int:
    """Measures once."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.vision_raw")
    parser.add_argument("film", type=Path)
    for name in ("pictures", "inferences", "width", "height"):
        parser.add_argument(name, type=int)
    parser.add_argument("--fps", type=float, default=0.0)
    options = parser.parse_args(argv)
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    print(json.dumps(measure(options.film, options.pictures, options.inferences, options.width, options.height, options.fps)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
