"""A simulated IP camera: an RTSP stream of a school gate in which a person appears on command.

`campus-sim camera --port 18554 --path /gate [--http 18080]`; with --http, GET / tells the state and
POST / sets it: {"person": true}, {"person": {"who": "cameraman", "height_ratio": 0.4}}, {"freeze": true},
{"black": true}, {"silent": true}.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from numpy.typing import NDArray

from simulators.camera_scene import PEOPLE, Person, Scene
from simulators.rtsp_server import CLOCK_HZ, RtspServer, Stream, split_nals

Bytes = NDArray[np.uint8]
MAX_BODY_BYTES = 10_000


class CameraServer:
    """One camera. Cameras with the same host and port share it under different paths. size: width, height in pixels.

    credentials: `user:password` that a reader must give, empty for none. start() raises OSError for a port in use.
    """

    def __init__(
        self, host: str, port: int, path: str, fps: int = 10, size: tuple[int, int] = (640, 360), *, credentials: str = ""
    ) -> None:
        self._host, self.port, self._path = host, port, "/" + path.strip("/")
        self._fps, self._size = fps, size
        self._stream = Stream(credentials=credentials)
        self._server: RtspServer | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._person, self._present = Person(), False
        self._freeze = self._black = self._silent = False

    @property
    def url(self) -> str:
        """Where readers find the stream, without credentials."""
        return f"rtsp://{self._host}:{self.port}{self._path}"

    def start(self) -> None:
        """Opens the port and begins to send."""
        codec = open_encoder(self._size, self._fps)
        self._stream.parameter_sets = tuple(nal for nal in split_nals(bytes(codec.extradata or b"")) if nal[0] & 0x1F in (7, 8))
        self._server = RtspServer.mount(self._host, self.port, self._path, self._stream)
        self.port = self._server.port
        self._stopping.clear()
        self._thread = threading.Thread(target=self._film, args=(codec, self._server), name=f"camera:{self._path}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cuts readers off and closes the port with its last camera; start() may follow."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._server is not None:
            self._server.unmount(self._path)
            self._server = None

    def set(
        self,
        person: bool | dict[str, Any] | None = None,
        freeze: bool | None = None,
        black: bool | None = None,
        silent: bool | None = None,
    ) -> None:
        """Changes what is given. person: true walks in, false leaves, or fields of Person; freeze: the picture stands still;
        black: as under a cover; silent: connected, but nothing is sent. ValueError for what cannot be shown."""
        with self._lock:
            if isinstance(person, dict):
                self._person, self._present = _person(person), True
            elif person is not None:
                self._present = person
            self._freeze = self._freeze if freeze is None else freeze
            self._black = self._black if black is None else black
            self._silent = self._silent if silent is None else silent

    def state(self) -> dict[str, Any]:
        """What was set last."""
        with self._lock:
            return {
                "url": self.url,
                "person": asdict(self._person) if self._present else False,
                "freeze": self._freeze,
                "black": self._black,
                "silent": self._silent,
            }

    def _film(self, codec: VideoCodecContext, server: RtspServer) -> None:
        scene, inside_ratio, picture = Scene(self._size), 0.0, np.zeros((self._size[1], self._size[0], 3), np.uint8)
        began_s = time.monotonic()
        number = 0
        while not self._stopping.wait(max(0.0, began_s + number / self._fps - time.monotonic())):
            number += 1
            with self._lock:
                person, present = self._person, self._present
                freeze, black, silent = self._freeze, self._black, self._silent
            pace = 1.0 / (self._fps * max(person.walk_s, 1e-3))
            inside_ratio = min(1.0, inside_ratio + pace) if present else max(0.0, inside_ratio - pace)
            if not freeze:
                picture = scene.picture(person, inside_ratio)
            if silent:
                continue
            frame = VideoFrame.from_ndarray(np.zeros_like(picture) if black else picture, format="rgb24")
            frame.pts = number
            if self._stream.wants_key.is_set():
                self._stream.wants_key.clear()
                frame.pict_type = PictureType.I
            stamp = int((time.monotonic() - began_s) * CLOCK_HZ) & 0xFFFFFFFF
            for packet in codec.encode(frame.reformat(format="yuv420p")):
                server.send(self._stream, bytes(packet), stamp, packet.is_keyframe)


def open_encoder(size: tuple[int, int], fps: int) -> VideoCodecContext:
    """H.264 without delay, a key picture each two seconds; the parameter sets lie in its extradata."""
    codec = VideoCodecContext.create("libx264", "w")
    codec.width, codec.height = size
    codec.pix_fmt = "yuv420p"
    codec.framerate, codec.time_base = Fraction(fps), Fraction(1, fps)
    codec.gop_size = 2 * fps
    codec.thread_count = 1
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1", "profile": "baseline", "crf": "24"}
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
    parser.add_argument("--http", type=int, metavar="PORT", help="also listen here for commands")
    parser.add_argument("--person", action="store_true", help="begin with a person in the picture")


def run(options: argparse.Namespace) -> int:
    """Films until SIGTERM or Ctrl-C. Prints one JSON line with the address when it is ready."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})  # before any thread, so that sigwait gets them
    camera = CameraServer(options.host, options.port, options.path, options.fps)
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
