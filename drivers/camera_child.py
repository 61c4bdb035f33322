"""One camera's decoder, a process of its own: `python -m drivers.camera_child MEMORY_FD RING_FD`.

The parent writes one JSON line to its standard input: {"url", "credentials_file", "analysed_fps"}. Pictures go
to the shared memory; for each there is a line "frame" on standard output, for all else one JSON line:
{"state": "opening" | "open" | "lost", "reason": ...}. The child opens the stream again after each loss and ends only
when its parent kills it or dies. It is the only place where address and password meet.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import av
import av.error
import av.logging
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from drivers.camera_address import redact, with_credentials
from drivers.camera_clock import Pace, StreamClock
from drivers.camera_memory import MAX_PIXELS, FrameMemory
from drivers.camera_ring import PacketRing, kept
from drivers.camera_still import Stillness

Bytes = NDArray[np.uint8]
Burst: TypeAlias = "list[tuple[Packet[VideoStream], float]]"

OPEN_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 3.0  # libav ends a stalled read after twice this time
AGAIN_S = 1.0
DAMAGED_IN_A_ROW = 50  # two seconds of pictures that cannot be decoded are a loss
REST_SHARE, REST_MOST_S = 0.6, 0.15  # of the time between two analysed pictures: packets gather in the socket meanwhile
LIVE_S = 0.004  # a packet that was waited for so long: nothing lies in buffers
_PR_SET_PDEATHSIG = 1
_RTSP_OPTIONS = {"rtsp_transport": "tcp", "allowed_media_types": "video", "analyzeduration": "500000"}


class StreamEnded(Exception):
    """The stream came to its end; for a camera that is a loss."""


def main(argv: list[str]) -> int:
    """Runs until it is killed. argv: the descriptors of the shared memory and of the ring of packets."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    sys.excepthook = _redacted_hook
    av.logging.set_level(av.logging.PANIC)  # libav's own messages hold whole addresses
    memory, ring = FrameMemory(int(argv[0])), PacketRing(int(argv[1]))
    settings = json.loads(sys.stdin.readline())
    os.set_blocking(sys.stdout.fileno(), False)  # a parent that is slow loses notices, never holds up the stream
    while True:
        credentials = ""
        try:
            if settings["credentials_file"]:
                credentials = _secret(Path(settings["credentials_file"]))
            url = with_credentials(settings["url"], credentials) if credentials else settings["url"]
            _tell({"state": "opening"})
            _watch(url, float(settings["analysed_fps"]), memory, ring)
        except (OSError, ValueError, av.error.FFmpegError, StreamEnded) as error:
            _tell({"state": "lost", "reason": redact(_words(error), credentials)})
        time.sleep(AGAIN_S)


def _secret(file: Path) -> str:
    """The login in a file that only its owner can read; systemd's credentials show an ACL as group bits. OSError, ValueError."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if file.stat().st_mode & (0o007 if folder and file.is_relative_to(folder) else 0o077):
        raise ValueError(f"{file} can be read by others; expected mode 0600: chmod 600 {file}")
    return file.read_text(encoding="utf-8")


def _watch(url: str, analysed_fps: float, memory: FrameMemory, ring: PacketRing) -> None:
    """Decodes until the stream fails. Every picture is decoded, but only `analysed_fps` of them a second are handed on.

    Packets are read and decoded a few at a time, up to the next picture that is due: a decoder that is called again before others have
    taken the caches needs a third less time.
    """
    scheme = url.split("://", 1)[0]
    rtsp = scheme in ("rtsp", "rtsps")
    clock, pace, still = StreamClock(), Pace(analysed_fps), Stillness()
    with av.open(url, options=_RTSP_OPTIONS if rtsp else {}, timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S)) as container:
        if not container.streams.video:
            raise StreamEnded("the stream holds no video")
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        _tell({"state": "open"})
        began_s = time.monotonic()
        packets = kept(container.demux(stream), stream.codec_context, ring, stamped=rtsp or scheme == "file")
        bursts = _bursts(packets, analysed_fps) if rtsp else ([(packet, time.monotonic())] for packet in packets)
        for frame, arrival_s in _pictures(bursts):
            if scheme == "file":  # it plays at its own speed, not at the decoder's
                if frame.pts is not None:
                    time.sleep(max(0.0, began_s + frame.time - time.monotonic()))
                arrival_s = time.monotonic()
            if rtsp and frame.pts is None:
                continue  # libav knows no time for pictures from before PLAY was answered
            stamp_s = frame.time if rtsp else arrival_s  # MJPEG over HTTP has no true stamps
            captured_s = clock.captured_s(stamp_s, arrival_s)
            if frame.key_frame:
                still.key(_luma(frame), stamp_s)
            if (clock.settled or not rtsp) and pace.due(stamp_s):
                _hand_on(frame, captured_s, stamp_s, still.picture(_luma(frame), stamp_s), memory)
    raise StreamEnded("the stream ended")


def _bursts(packets: Iterable[Packet[VideoStream]], analysed_fps: float) -> Iterator[Burst]:
    """Packets with their arrival (monotonic s), those up to the next picture that is due together."""
    pace, rest_s = Pace(analysed_fps), min(REST_SHARE / analysed_fps, REST_MOST_S)
    waiting: Burst = []
    asked_s = time.monotonic()
    for packet in packets:
        arrival_s = time.monotonic()
        waiting.append((packet, arrival_s))
        if packet.pts is None or pace.due(float(packet.pts * packet.time_base)) or arrival_s - waiting[0][1] > 1.0 / analysed_fps:
            yield waiting
            waiting = []
            if arrival_s - asked_s > LIVE_S:
                time.sleep(max(0.0, arrival_s + rest_s - time.monotonic()))
        asked_s = time.monotonic()


def _pictures(bursts: Iterable[Burst]) -> Iterator[tuple[VideoFrame, float]]:
    """Decoded pictures and when they arrived; damaged ones are left out until there are too many in a row."""
    damaged = 0
    for packet, arrival_s in chain.from_iterable(bursts):
        try:
            pictures = packet.decode()
        except av.error.InvalidDataError:
            damaged += 1
            if damaged >= DAMAGED_IN_A_ROW:
                raise
            continue
        whole = [picture for picture in pictures if not picture.is_corrupt]  # concealment shows what nobody saw
        damaged = damaged + 1 if pictures and not whole else 0
        if damaged >= DAMAGED_IN_A_ROW:
            raise StreamEnded("the stream is damaged")
        for picture in whole:
            yield picture, arrival_s


def _luma(frame: VideoFrame) -> Bytes:
    """Brightness (H, W) without a copy; valid while the frame lives. All formats of cameras hold it as their first plane."""
    plane = frame.planes[0]
    if plane.line_size < frame.width:  # none that a camera sends
        return np.zeros((0, 0), np.uint8)
    rows: Bytes = np.frombuffer(memoryview(plane), np.uint8)[: plane.line_size * frame.height].reshape(frame.height, plane.line_size)
    return rows[:, : frame.width]


def _hand_on(frame: VideoFrame, captured_s: float, stamp_s: float, repeats_s: float, memory: FrameMemory) -> None:
    width, height = frame.width, frame.height
    shrink = min(1.0, math.sqrt(MAX_PIXELS / (width * height)))
    width, height = int(width * shrink) & ~1, int(height * shrink) & ~1
    if frame.format.name != "yuv420p" or (width, height) != (frame.width, frame.height):
        frame = frame.reformat(width=width, height=height, format="yuv420p")
    memory.write(frame.to_ndarray().astype(np.uint8, copy=False), width, height, captured_s, stamp_s, repeats_s)
    _say(b"frame\n")


def _tell(words: dict[str, str]) -> None:
    _say(json.dumps(words).encode() + b"\n")


def _say(line: bytes) -> None:
    try:
        os.write(sys.stdout.fileno(), line)
    except BlockingIOError:
        pass


def _words(error: BaseException) -> str:
    if isinstance(error, av.error.ExitError):
        return "the camera stopped sending"
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(getattr(error, "strerror", None) or error)


def _redacted_hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
