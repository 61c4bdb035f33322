"""Cuts one clip out of a camera's ring, in a process of its own at the lowest priority: `python -m gateway.runtime.vision_clip`.

One JSON line comes in: {"ring", "from_s", "to_s", "masks", "file", "about", "key", "at_ms"}: the ring's descriptor, the span in
monotonic seconds, masked polygons, the file to write, its head, the key as hex, and the Unix time of monotonic 0. One JSON line goes out:
{"sha256", "bytes", "file_sha256", "file_bytes", "from_s", "to_s"} or {"failure"}. Pictures are in memory only until they are sealed.

Where the camera has no masks and MP4 takes its codec, the packets are copied as they came; else they are decoded once, blackened and
coded again as H.264.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import av.logging
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame

from drivers.camera_ring import Coded, PacketRing, Parameters
from gateway.contract.envelope import rfc3339
from gateway.runtime.evidence_file import store
from gateway.runtime.keys import no_core_dump
from gateway.vision.clip import chosen, ticks
from gateway.vision.mask import Polygon, blackened

NICE = 19
HERTZ = 90_000
COPIED = ("h264", "hevc")  # where parameter sets and packets come as a camera sends them (Annex B)
ENCODER = "libx264"
ENCODER_OPTIONS = {"preset": "veryfast", "crf": "26"}
MOST_PX = 1920 * 1088
MOST_FRAMES = 9000
MEDIA_TYPE = "video/mp4"
_PR_SET_PDEATHSIG = 1

Dated = Sequence[tuple[float, Coded]]


class NoClip(Exception):
    """There is nothing to cut, or it cannot be made into a clip."""


def main() -> int:
    """Answers one order."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(NICE)
    no_core_dump()
    av.logging.set_level(av.logging.PANIC)
    order = json.loads(sys.stdin.readline())
    try:
        answer = cut(order)
    except NoClip as error:
        answer = {"failure": str(error)}
    except OSError as error:  # av's errors are OSErrors or ValueErrors
        answer = {"failure": f"the clip cannot be stored: {error.strerror or error}"}
    except (ValueError, av.error.FFmpegError) as error:
        answer = {"failure": f"the clip cannot be made: {error}"}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def cut(order: dict[str, Any]) -> dict[str, Any]:
    """Write the clip; what became of it. Raises NoClip, OSError, ValueError."""
    packets = PacketRing(order["ring"]).read()
    span = chosen(packets, order["from_s"], order["to_s"])
    if not span:
        raise NoClip("no pictures of this time are in memory")
    try:
        plain = clip(span, order["masks"])
    except av.error.FFmpegError as error:
        raise NoClip(f"the clip cannot be made: {error.strerror}") from None
    times = [at_s for at_s, _ in span]
    begins_s, ends_s = min(times), max(times)
    about = order["about"] | {name: rfc3339(order["at_ms"] + round(at_s * 1000)) for name, at_s in (("from", begins_s), ("to", ends_s))}
    stored = store(Path(order["file"]), plain, {**about, "media_type": MEDIA_TYPE}, bytes.fromhex(order["key"]))
    return {
        "sha256": stored.sha256,
        "bytes": stored.size_bytes,
        "file_sha256": stored.file_sha256,
        "file_bytes": stored.file_bytes,
        "from_s": round(begins_s, 6),
        "to_s": round(ends_s, 6),
    }


def clip(span: Dated, masks: Sequence[Polygon]) -> bytes:
    """One MP4. Raises NoClip, or what av raises."""
    kinds = {packet.parameters for _, packet in span}
    if not masks and len(kinds) == 1 and _copyable(next(iter(kinds))):
        return _copied(span)
    return _coded_again(span, masks)


def _copyable(parameters: Parameters) -> bool:
    return parameters.codec in COPIED and parameters.extradata[:3] in (b"\0\0\0", b"\0\0\1")


def _copied(span: Dated) -> bytes:
    """The packets as they came. A raw stream of the first of them tells the muxer what they are."""
    parameters = span[0][1].parameters
    raw = io.BytesIO(parameters.extradata + span[0][1].body)
    out = io.BytesIO()
    with av.open(raw, format=parameters.codec) as source, av.open(out, "w", format="mp4") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.time_base = Fraction(1, HERTZ)
        for (pts, dts), (_, coded) in zip(ticks((at_s for at_s, _ in span), HERTZ), span, strict=True):
            packet = Packet(coded.body)
            packet.pts, packet.dts, packet.time_base, packet.stream = pts, dts, Fraction(1, HERTZ), stream
            packet.is_keyframe = coded.key
            target.mux(packet)
    return out.getvalue()


def _coded_again(span: Dated, masks: Sequence[Polygon]) -> bytes:
    if ENCODER not in av.codecs_available:
        raise NoClip(f"this PyAV has no {ENCODER}: clips of cameras with masks, or of {span[0][1].parameters.codec}, cannot be made")
    out = io.BytesIO()
    stream: Any = None
    last = -1
    with av.open(out, "w", format="mp4") as target:
        for at_s, frame in _pictures(span):
            if stream is None:
                width, height = frame.width & ~1, frame.height & ~1
                if width * height > MOST_PX:
                    raise NoClip(f"pictures of {width} x {height} px are not coded again; use the camera's sub-stream")
                stream = target.add_stream(ENCODER, rate=Fraction(25), options=ENCODER_OPTIONS)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.time_base = stream.codec_context.time_base = Fraction(1, HERTZ)
                stream.codec_context.thread_count = 1
                stream.codec_context.gop_size = 50
            planes = frame.reformat(width=stream.width, height=stream.height, format="yuv420p").to_ndarray().astype(np.uint8, copy=False)
            shown = VideoFrame.from_ndarray(blackened(planes, masks), format="yuv420p")
            last = max(last + 1, round((at_s - span[0][0]) * HERTZ))
            shown.pts, shown.time_base = last, Fraction(1, HERTZ)
            target.mux(stream.encode(shown))
        if stream is None:
            raise NoClip("not one picture of this time can be decoded")
        target.mux(stream.encode(None))
    return out.getvalue()


def _pictures(span: Dated) -> Iterator[tuple[float, VideoFrame]]:
    """Decoded pictures with the time of each; damaged ones are left out. The decoder begins anew with each stream and each change of it."""
    decoder: Any = None
    state: tuple[int, Parameters] | None = None
    begin_s = span[0][0]
    if len(span) > MOST_FRAMES:
        raise NoClip(f"{len(span)} pictures are too many to be coded again")
    for at_s, coded in span:
        if state != (coded.session, coded.parameters):
            if decoder is not None:
                yield from _timed(decoder, None, begin_s)
            state, decoder = (coded.session, coded.parameters), _decoder(coded.parameters)
        packet = Packet(coded.body)
        packet.pts = packet.dts = round((at_s - begin_s) * HERTZ)
        packet.time_base = Fraction(1, HERTZ)
        yield from _timed(decoder, packet, begin_s)
    if decoder is not None:
        yield from _timed(decoder, None, begin_s)


def _timed(decoder: Any, packet: Packet[Any] | None, begin_s: float) -> Iterable[tuple[float, VideoFrame]]:
    try:
        frames = decoder.decode(packet)
    except av.error.InvalidDataError:
        return []
    return [(begin_s + frame.pts / HERTZ, frame) for frame in frames if frame.pts is not None]


def _decoder(parameters: Parameters) -> Any:
    decoder = av.codec.CodecContext.create(parameters.codec, "r")
    if parameters.extradata:
        decoder.extradata = parameters.extradata
    decoder.thread_count = 1
    return decoder


if __name__ == "__main__":
    sys.exit(main())
