"""MJPEG over HTTP as IP cameras send it: one endless answer of type multipart/x-mixed-replace, a JPEG in each part."""

from __future__ import annotations

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BOUNDARY = "picture"
WAIT_S = 0.5


class MjpegServer:
    """One port with one path. Each reader gets the newest picture; one that is slow leaves some out. credentials: `user:password`."""

    def __init__(self, host: str, port: int, path: str, credentials: str = "") -> None:
        self.path = path
        self.credentials = credentials
        self.closing = threading.Event()
        self._fresh = threading.Condition()
        self._picture, self._number = b"", 0
        handler = type("Viewer", (_Viewer,), {"source": self})
        self._server = _Server((host, port), handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name=f"mjpeg:{self.port}", daemon=True)
        self._thread.start()

    @property
    def number(self) -> int:
        """Of the newest picture."""
        return self._number

    def send(self, jpeg: bytes) -> None:
        """One picture to all readers; from any thread."""
        with self._fresh:
            self._picture, self._number = jpeg, self._number + 1
            self._fresh.notify_all()

    def next(self, after: int) -> tuple[int, bytes]:
        """The newest picture and its number, when it is another than `after`; waits a moment for it, then gives none."""
        with self._fresh:
            self._fresh.wait_for(lambda: self._number != after or self.closing.is_set(), WAIT_S)
            return (self._number, self._picture) if self._number != after else (after, b"")

    def stop(self) -> None:
        """Cuts readers off and closes the port."""
        self.closing.set()
        with self._fresh:
            self._fresh.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that leaves is none."""


class _Viewer(BaseHTTPRequestHandler):
    source: MjpegServer

    def do_GET(self) -> None:
        source = self.source
        wanted = "Basic " + base64.b64encode(source.credentials.encode()).decode()
        if self.path.split("?")[0] != source.path:
            self.send_error(404)
            return
        if source.credentials and self.headers.get("Authorization", "") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self.send_header("Connection", "close")
        self.end_headers()
        number = source.number  # what was shown before the reader came is over
        try:
            while not source.closing.is_set():
                number, jpeg = source.next(number)
                if jpeg:
                    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
        except OSError:
            pass  # the reader has left
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the terminal belongs to the person who plays."""
