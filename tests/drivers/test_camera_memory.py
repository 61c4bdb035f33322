"""The shared memory between two real processes: whole pictures, the newest one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

from drivers.camera_memory import MAX_PIXELS, FrameMemory


@pytest.fixture
def memory() -> Iterator[FrameMemory]:
    memory = FrameMemory.create()
    yield memory
    memory.close()


def test_nothing_before_the_first(memory: FrameMemory) -> None:
    assert memory.newest == 0
    assert memory.read() is None


def test_the_newest_wins(memory: FrameMemory) -> None:
    for value in range(1, 8):
        memory.write(np.full((96, 64), value, np.uint8), 64, 64, 10.0 + value, value / 10)
    frame = memory.read()
    assert frame is not None
    assert (frame.sequence, frame.width_px, frame.height_px, frame.captured_s, frame.stamp_s) == (7, 64, 64, 17.0, 0.7)
    assert (frame.i420 == 7).all()
    assert frame.i420.shape == (96, 64)
    assert frame.luma.shape == (64, 64)


def test_a_copy_is_not_changed_by_what_comes_later(memory: FrameMemory) -> None:
    memory.write(np.full((96, 64), 1, np.uint8), 64, 64, 1.0, 1.0)
    frame = memory.read()
    for value in range(2, 9):
        memory.write(np.full((96, 64), value, np.uint8), 64, 64, 1.0, 1.0)
    assert frame is not None
    assert (frame.i420 == 1).all()


def test_a_picture_that_does_not_fit_is_an_error(memory: FrameMemory) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        memory.write(np.zeros((3000, 2000), np.uint8), 2000, 2000, 0.0, 0.0)
    memory.write(np.zeros((960 * 3 // 2, 1280), np.uint8), 1280, 960, 0.0, 0.0)
    assert memory.read() is not None
    assert MAX_PIXELS == 1280 * 960


def test_a_reader_beside_a_racing_writer_sees_whole_pictures_only(memory: FrameMemory) -> None:
    """The writer fills each picture with the low byte of its sequence, as fast as it can."""
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, numpy as np\n"
            "from drivers.camera_memory import FrameMemory\n"
            "memory = FrameMemory(int(sys.argv[1]))\n"
            "while True:\n"
            "    number = memory.newest + 1\n"
            "    memory.write(np.full((540, 640), number % 251, np.uint8), 640, 360, 0.0, float(number))\n",
            str(memory.fd),
        ],
        pass_fds=(memory.fd,),
    )
    try:
        deadline_s, seen = time.monotonic() + 20.0, set[int]()
        while len(seen) < 300:
            assert time.monotonic() < deadline_s
            assert writer.poll() is None
            frame = memory.read()
            if frame is None:
                continue
            assert frame.i420.min() == frame.i420.max() == frame.sequence % 251
            assert frame.stamp_s == frame.sequence
            seen.add(frame.sequence)
    finally:
        writer.kill()
        writer.wait()
