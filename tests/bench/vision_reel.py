"""Films for the benchmark's cameras: H.264 files that are coded once, so that serving them costs next to nothing.

Coded as a camera codes its sub-stream: a fixed bit rate, a key picture each two seconds, no pictures out of order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from simulators.camera_scene import cut_out, draw_gate

Bytes = NDArray[np.uint8]

SIZE = (640, 360)
FPS = 25
BIT_RATE = 512_000  # of a usual sub-stream
WALKERS = (("astronaut", 0.45, 1.0, 1, 0.0), ("cameraman", 0.36, 0.92, -1, 0.3), ("astronaut", 0.30, 0.80, 2, 0.6))
WALK_NOISE = 2.0  # standard deviation, of 255: a camera by day
STILL_NOISE = 4.0  # in the evening
FIELDS = 7  # pictures of noise in turn


def film(path: Path, pictures: Iterable[Bytes], size: tuple[int, int] = SIZE, fps: int = FPS, bit_rate: int = BIT_RATE) -> int:
    """Codes pictures (H, W, 3) uint8 RGB into a file (Annex B); how many there were. size: width, height in pixels."""
    codec = VideoCodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = *size, "yuv420p"
    codec.framerate, codec.time_base = Fraction(fps), Fraction(1, fps)
    codec.gop_size, codec.bit_rate, codec.thread_count = 2 * fps, bit_rate, 1
    codec.options = {"preset": "veryfast", "tune": "zerolatency", "profile": "main", "forced-idr": "1", "x264-params": "scenecut=0"}
    count = 0
    with path.open("wb") as file:
        for count, picture in enumerate(pictures, 1):
            frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts = count
            for packet in codec.encode(frame):
                file.write(bytes(packet))
        for packet in codec.encode(None):
            file.write(bytes(packet))
    return count


def packets(path: Path) -> list[tuple[bytes, bool]]:
    """The coded pictures of a film (Annex B), and whether each is a key picture."""
    with av.open(str(path), format="h264") as container:
        return [(bytes(packet), packet.is_keyframe) for packet in container.demux(video=0) if packet.size]


def people(seconds: float) -> Iterator[Bytes]:
    """A gate before which three people walk to and fro without rest; the last picture goes over into the first."""
    ground, noise = draw_gate(SIZE), _noise(WALK_NOISE)
    count = round(seconds * FPS)
    for number in range(count):
        image = ground.copy()
        for who, height, foot, rounds, phase in WALKERS:
            figure = cut_out(who, round(height * SIZE[1]))
            turn = (number / count * rounds + phase) % 1.0
            along = 1 - abs(2 * turn - 1)  # there and back
            left = round(along * (SIZE[0] - figure.width))
            image.paste(figure, (left, round(foot * SIZE[1]) - figure.height), figure)
        yield _noisy(np.asarray(image), noise, number)


def still(seconds: float, ground: Bytes | None = None, size: tuple[int, int] = SIZE, fps: int = FPS) -> Iterator[Bytes]:
    """A scene in which nothing moves but the sensor's noise. ground: the scene, (H, W, 3) uint8 RGB; the gate if left out."""
    scene, noise = np.asarray(draw_gate(size)) if ground is None else ground, _noise(STILL_NOISE, size)
    for number in range(round(seconds * fps)):
        yield _noisy(scene, noise, number)


def _noise(levels: float, size: tuple[int, int] = SIZE) -> NDArray[np.int16]:
    return np.random.default_rng(1).normal(0.0, levels, (FIELDS, size[1], size[0], 1)).astype(np.int16)


def _noisy(picture: Bytes, noise: NDArray[np.int16], number: int) -> Bytes:
    noisy: Bytes = np.clip(picture.astype(np.int16) + noise[number % FIELDS], 0, 255).astype(np.uint8)
    return noisy
