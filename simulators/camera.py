"""A simulated IP camera: a stream of a school gate in which a person appears on command, and all that befalls cameras.

`campus-sim camera --port 18554 --path /gate [--codec h264|h265|mjpeg] [--http 18080]`; H.264 and H.265 go over RTSP, MJPEG over HTTP.
With --http, GET / tells the state and POST / sets it: {"person": true}, {"person": {"who": "cameraman", "height_ratio": 0.4}},
{"trouble": "none" | "frozen" | "black" | "washed" | "blurred" | "covered" | "sprayed" | "moved" | "night"},
{"silent": true} (it hangs: connected, but nothing is sent), {"gone": true} (its port is closed), {"garbage": true},
{"size": [1280, 720]} (in mid-stream), {"scene": {...}} (people who walk, light and weather, see `camera_life`),
and, as before, {"freeze": true} and {"black": true}.
"""

from __future__ import annotations

import argparse
import io
import json
import secrets
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zlib import crc32

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from numpy.typing import NDArray
from PIL import Image

from simulators.camera_life import Life
from simulators.camera_people import draw_people
from simulators.camera_scene import PEOPLE, Person, Scene
from simulators.camera_trouble import NAMES, TROUBLES
from simulators.camera_weather import weathered
from simulators.mjpeg_server import MjpegServer
from simulators.rtsp_server import CLOCK_HZ, RtspServer, Stream, parameter_sets

Bytes = NDArray[np.uint8]
CODECS = ("h264", "h265", "mjpeg")
JPEG_QUALITY = 80
MAX_BODY_BYTES = 10_000


class CameraServer:
    """One camera. Cameras with the same host and port share it under different paths (not MJPEG). size: width, height in pixels.

    credentials: `user:password` that a reader must give, empty for none. codec: h264, h265 or mjpeg.
    start() raises OSError for a port in use.
    """

    def __init__(
        self,
        host: str,
        port: int,
        path: str,
        fps: int = 10,
        size: tuple[int, int] = (640, 360),
        *,
        credentials: str = "",
        codec: str = "h264",
    ) -> None:
        if codec not in CODECS:
            raise ValueError(f"no codec {codec}; expected {', '.join(CODECS)}")
        self._host, self.port, self._path = host, port, "/" + path.strip("/")
        self._fps, self._codec = fps, codec
        self._credentials = credentials
        self._stream = Stream(credentials=credentials, h265=codec == "h265")
        self._server: RtspServer | MjpegServer | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._person, self._present = Person(), False
        self._life = Life(crc32(path.encode()))
        self._shown = Shown(size)

    @property
    def url(self) -> str:
        """Where readers find the stream, without credentials."""
        return f"{'http' if self._codec == 'mjpeg' else 'rtsp'}://{self._host}:{self.port}{self._path}"

    def start(self) -> None:
        """Opens the port and begins to send."""
        coder = Coder(self._codec, self._fps, self._shown.size)
        self._stream.parameter_sets = coder.parameter_sets
        self._open()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._film, args=(coder,), name=f"camera:{self._path}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cuts readers off and closes the port with its last camera; start() may follow."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._close()

    def _open(self) -> None:
        if self._codec == "mjpeg":
            self._server = MjpegServer(self._host, self.port, self._path, self._credentials)
        else:
            self._server = RtspServer.mount(self._host, self.port, self._path, self._stream)
        self.port = self._server.port

    def _close(self) -> None:
        server, self._server = self._server, None
        if isinstance(server, MjpegServer):
            server.stop()
        elif server is not None:
            server.unmount(self._path)

    def set(
        self,
        person: bool | dict[str, Any] | None = None,
        freeze: bool | None = None,
        black: bool | None = None,
        silent: bool | None = None,
        trouble: str | None = None,
        gone: bool | None = None,
        garbage: bool | None = None,
        size: Sequence[int] | None = None,
        scene: dict[str, Any] | None = None,
    ) -> None:
        """Changes what is given. person: true walks in, false leaves, or fields of Person; freeze: the picture stands still;
        black: the sensor gives nothing; silent: connected, but nothing is sent; trouble: one of `camera_trouble.NAMES`; gone: the port
        is closed; garbage: what is sent cannot be decoded; size: width, height from now on; scene: people and weather, see `camera_life`.
        ValueError for what cannot be shown."""
        changes: dict[str, Any] = {"silent": silent, "gone": gone, "garbage": garbage}
        if trouble is not None and trouble not in NAMES:
            raise ValueError(f"no trouble {trouble}; expected {', '.join(NAMES)}")
        if freeze is not None or black is not None:
            trouble = "frozen" if freeze else "black" if black else trouble or "none"
        if size is not None and (len(size) != 2 or not all(isinstance(each, int) and 64 <= each <= 4096 and not each % 2 for each in size)):
            raise ValueError("a size is [width, height] in pixels, even numbers from 64 to 4096")
        changes |= {"trouble": trouble, "size": None if size is None else (size[0], size[1])}
        with self._lock:
            if scene is not None:
                self._life.order(scene, time.monotonic())
            if isinstance(person, dict):
                self._person, self._present = _person(person), True
            elif person is not None:
                self._present = person
            before, self._shown = self._shown, replace(self._shown, **{name: it for name, it in changes.items() if it is not None})
            if self._thread is not None and before.gone is not self._shown.gone:
                self._close() if self._shown.gone else self._open()

    def state(self) -> dict[str, Any]:
        """What was set last."""
        with self._lock:
            shown = asdict(self._shown)
            flags = {"freeze": shown["trouble"] == "frozen", "black": shown["trouble"] == "black"}
            scene = self._life.state(time.monotonic())
            return {"url": self.url, "person": asdict(self._person) if self._present else False, "scene": scene, **flags, **shown}

    def _film(self, coder: Coder) -> None:
        scene, inside_ratio = Scene(coder.size), 0.0
        picture = scene.picture(None, 0.0)
        began_s = time.monotonic()
        number = 0
        while not self._stopping.wait(max(0.0, began_s + number / self._fps - time.monotonic())):
            number += 1
            now_s = time.monotonic()
            with self._lock:
                person, present, shown, server = self._person, self._present, self._shown, self._server
                walkers, weather = self._life.people(now_s), self._life.weather(now_s)
            if shown.size != coder.size:
                scene, coder = Scene(shown.size), Coder(self._codec, self._fps, shown.size)
                self._stream.parameter_sets = coder.parameter_sets
                picture = scene.picture(None, 0.0)
            pace = 1.0 / (self._fps * max(person.walk_s, 1e-3))
            inside_ratio = min(1.0, inside_ratio + pace) if present else max(0.0, inside_ratio - pace)
            if shown.trouble != "frozen":
                more = partial(draw_people, walkers=walkers, now_s=now_s)
                picture = weathered(scene.picture(person, inside_ratio, more), weather, self._life.rng)
            if shown.silent or server is None:
                continue
            key = self._stream.wants_key.is_set()
            if key:
                self._stream.wants_key.clear()
            stamp = int((time.monotonic() - began_s) * CLOCK_HZ) & 0xFFFFFFFF
            seen = TROUBLES[shown.trouble](picture) if shown.trouble in TROUBLES else picture
            for body, is_key in coder.encode(seen, number, key=key):
                if shown.garbage:
                    body = spoilt(body, self._codec)
                if isinstance(server, MjpegServer):
                    server.send(body)
                else:
                    server.send(self._stream, body, stamp, is_key)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a camera does at the moment. size: width, height in pixels."""

    size: tuple[int, int]
    trouble: str = "none"
    silent: bool = False
    gone: bool = False
    garbage: bool = False


class Coder:
    """Pictures (H, W, 3) uint8 RGB to H.264 or H.265 (Annex B, parameter sets before each key picture) or JPEG."""

    def __init__(self, codec: str, fps: int, size: tuple[int, int]) -> None:
        self.size = size
        self._encoder = None if codec == "mjpeg" else open_encoder(size, fps, h265=codec == "h265")
        self._sets = bytes(self._encoder.extradata or b"") if self._encoder is not None else b""
        self.parameter_sets = parameter_sets(self._sets, h265=codec == "h265")

    def encode(self, picture: Bytes, number: int, *, key: bool) -> list[tuple[bytes, bool]]:
        """What comes out, with whether it is a key picture. key: this one shall be."""
        if self._encoder is None:
            body = io.BytesIO()
            Image.fromarray(picture).save(body, "JPEG", quality=JPEG_QUALITY)
            return [(body.getvalue(), True)]
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = number
        if key:
            frame.pict_type = PictureType.I
        packets = self._encoder.encode(frame.reformat(format="yuv420p"))
        return [((self._sets if packet.is_keyframe else b"") + bytes(packet), packet.is_keyframe) for packet in packets]


def spoilt(body: bytes, codec: str) -> bytes:
    """A coded picture of the same length that no decoder can make anything of."""
    noise = secrets.token_bytes(len(body)).replace(b"\x00", b"\x01")
    return noise if codec == "mjpeg" else b"\x00\x00\x00\x01" + (b"\x02\x01" if codec == "h265" else b"\x41") + noise


def open_encoder(size: tuple[int, int], fps: int, *, h265: bool = False) -> VideoCodecContext:
    """H.264 or H.265 without delay, a key picture each two seconds; the parameter sets lie in its extradata."""
    codec = VideoCodecContext.create("libx265" if h265 else "libx264", "w")
    codec.width, codec.height = size
    codec.pix_fmt = "yuv420p"
    codec.framerate, codec.time_base = Fraction(fps), Fraction(1, fps)
    codec.gop_size = 2 * fps
    codec.thread_count = 1
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1", "crf": "24"}
    if h265:
        codec.options |= {"x265-params": f"log-level=none:pools=none:frame-threads=1:keyint={2 * fps}:min-keyint=1"}
    else:
        codec.options |= {"profile": "baseline"}
    codec.flags |= av.codec.context.Flags.global_header
    codec.open()
    return codec


def _person(fields: dict[str, Any]) -> Person:
    person = Person(**fields) if set(fields) <= set(asdict(Person())) else None
    if person is None:
        raise ValueError(f"a person has {', '.join(asdict(Person()))}; not {', '.join(sorted(set(fields) - set(asdict(Person()))))}")
    if person.who not in PEOPLE or not 0.05 <= person.height_ratio <= 1.5 or not person.walk_s >= 0:
        raise ValueError(f"cannot show {person}: who is one of {', '.join(PEOPLE)}, height_ratio 0.05 to 1.5, walk_s at least 0")
    return person


class _Remote(BaseHTTPRequestHandler):
    """GET tells the camera's state, POST changes it."""

    camera: CameraServer

    def do_GET(self) -> None:
        self._answer(200, self.camera.state())

    def do_POST(self) -> None:
        try:
            length = min(int(self.headers.get("Content-Length", "0")), MAX_BODY_BYTES)
            self.camera.set(**json.loads(self.rfile.read(length)))
        except (ValueError, TypeError) as error:
            self._answer(400, {"error": str(error)})
        else:
            self._answer(200, self.camera.state())

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the terminal belongs to the person who plays."""

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `campus-sim camera`."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=18554, help="RTSP port; 0 takes any free one")
    parser.add_argument("--path", default="/gate")
    parser.add_argument("--fps", type=int, default=10, help="pictures a second")
    parser.add_argument("--codec", choices=CODECS, default="h264", help="mjpeg goes over HTTP, the others over RTSP")
    parser.add_argument("--http", type=int, metavar="PORT", help="also listen here for commands")
    parser.add_argument("--person", action="store_true", help="begin with a person in the picture")


def run(options: argparse.Namespace) -> int:
    """Films until SIGTERM or Ctrl-C. Prints one JSON line with the address when it is ready."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})  # before any thread, so that sigwait gets them
    camera = CameraServer(options.host, options.port, options.path, options.fps, codec=options.codec)
    camera.set(person=options.person)
    camera.start()
    remote: ThreadingHTTPServer | None = None
    if options.http is not None:
        remote = ThreadingHTTPServer((options.host, options.http), type("Remote", (_Remote,), {"camera": camera}))
        threading.Thread(target=remote.serve_forever, name="camera:http", daemon=True).start()
    print(json.dumps({"url": camera.url, "http": remote.server_address[1] if remote else None}), flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    if remote is not None:
        remote.shutdown()
        remote.server_close()
    camera.stop()
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of the camera alone."""
    parser = argparse.ArgumentParser(prog="campus-sim camera", description="A simulated IP camera at a school gate.")
    add_arguments(parser)
    options = parser.parse_args(argv)
    return run(options)


if __name__ == "__main__":
    raise SystemExit(main())
