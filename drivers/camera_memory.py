"""Pictures from a decoder child to its parent: anonymous shared memory, newest picture wins.

Layout (little endian): 64 bytes header = newest sequence (u64); then SLOTS slots, each 64 bytes header =
sequence (u64, 0 while it is written), width px (u32), height px (u32), captured (f64, monotonic s), stamp (f64,
the stream's own s), repeats (f64, s: how long the key pictures have been the same); then the picture as I420:
luma H x W, then both chroma planes H/2 x W/2, uint8.
The writer fills the slot after the newest; a reader checks that the slot kept its sequence while it copied.
The memory has no name, so nothing is left behind when a process is killed.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

MAX_PIXELS = 1280 * 960  # larger pictures are made smaller by the child: the network sees 416 px anyway
SLOTS = 3
_HEAD = 64
_SLOT = _HEAD + MAX_PIXELS * 3 // 2
_SEQUENCE = struct.Struct("<Q")
_PICTURE = struct.Struct("<QIIddd")


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture. i420 (H * 3 / 2, W) uint8; captured_s: monotonic seconds; stamp_s: the stream's own time.

    repeats_s: for how long the stream's key pictures have shown the same, 0 while they do not (see camera_still).
    """

    sequence: int
    width_px: int
    height_px: int
    captured_s: float
    stamp_s: float
    i420: Bytes
    repeats_s: float = 0.0

    @property
    def luma(self) -> Bytes:
        """Brightness (H, W) uint8, without any conversion."""
        return self.i420[: self.height_px]


class FrameMemory:
    """Both ends of the shared memory. One writer, one reader; the file descriptor is inherited by the child."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, _HEAD + SLOTS * _SLOT)

    @classmethod
    def create(cls) -> FrameMemory:
        """New memory; pages are taken only as pictures need them."""
        fd = os.memfd_create("camera-frames", os.MFD_CLOEXEC)
        os.ftruncate(fd, _HEAD + SLOTS * _SLOT)
        return cls(fd)

    def close(self) -> None:
        """Lets go of the memory and the descriptor."""
        self._map.close()
        os.close(self.fd)

    @property
    def newest(self) -> int:
        """Sequence of the newest whole picture; 0 before the first."""
        return int(_SEQUENCE.unpack_from(self._map, 0)[0])

    def write(self, i420: Bytes, width_px: int, height_px: int, captured_s: float, stamp_s: float, repeats_s: float = 0.0) -> int:
        """Store a picture as the newest; gives its sequence. The picture must not exceed MAX_PIXELS."""
        sequence = self.newest + 1
        start = _HEAD + sequence % SLOTS * _SLOT
        body = np.ascontiguousarray(i420).data.cast("B")
        if len(body) > _SLOT - _HEAD:
            raise ValueError(f"a picture of {width_px} x {height_px} px does not fit; at most {MAX_PIXELS} px do")
        _SEQUENCE.pack_into(self._map, start, 0)
        self._map[start + _HEAD : start + _HEAD + len(body)] = body
        _PICTURE.pack_into(self._map, start, sequence, width_px, height_px, captured_s, stamp_s, repeats_s)
        _SEQUENCE.pack_into(self._map, 0, sequence)
        return sequence

    def read(self) -> Frame | None:
        """A copy of the newest picture; None before the first, or when the writer overtook the copy twice."""
        for _ in range(2):
            start = _HEAD + self.newest % SLOTS * _SLOT
            head = _PICTURE.unpack_from(self._map, start)
            sequence, width, height, captured_s, stamp_s, repeats_s = head
            length = width * height * 3 // 2
            if not sequence or not 0 < length <= _SLOT - _HEAD:
                continue
            body = self._map[start + _HEAD : start + _HEAD + length]
            if _PICTURE.unpack_from(self._map, start) == head:
                picture = np.frombuffer(body, np.uint8).reshape(height * 3 // 2, width)
                return Frame(sequence, width, height, captured_s, stamp_s, picture, repeats_s)
        return None
