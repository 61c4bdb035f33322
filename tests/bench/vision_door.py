"""The daemon's end of the vision process's door, which notes what comes and when."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

ACCEPT_S = 0.2


class Door:
    """Listens on a socket file until it is closed.

    readings: (monotonic seconds of the arrival, reading) in the order of arrival; figures: newest of each camera by its id.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.readings: list[tuple[float, dict[str, Any]]] = []
        self.figures: dict[str, dict[str, Any]] = {}
        self._news = threading.Condition()
        self._ending = False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._socket.settimeout(ACCEPT_S)
        self._thread = threading.Thread(target=self._listen, name="door", daemon=True)
        self._thread.start()

    def newest(self, point: str) -> dict[str, Any]:
        """The newest reading of a point; empty before the first."""
        return next((reading for _, reading in reversed(self.readings) if reading["point"] == point), {})

    def wait_for(self, holds: Callable[[], bool], within_s: float) -> bool:
        """Wait until the condition, looked at after each message, holds; False when it did not in time."""
        with self._news:
            return self._news.wait_for(holds, within_s)

    def __enter__(self) -> Door:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ending = True
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._ending:
            try:
                peer, _ = self._socket.accept()
            except TimeoutError:
                continue
            peer.settimeout(ACCEPT_S)
            with peer, suppress(OSError):
                self._serve(peer)

    def _serve(self, peer: socket.socket) -> None:
        received = bytearray()
        while not self._ending:
            try:
                data = peer.recv(1 << 16)
            except TimeoutError:
                continue
            if not data:
                return
            received += data
            *lines, rest = received.split(b"\n")
            received = bytearray(rest)
            for line in lines:
                self._take(json.loads(line), time.monotonic())
                peer.sendall(b'{"ok": true}\n')

    def _take(self, request: dict[str, Any], now_s: float) -> None:
        with self._news:
            self.readings += [(now_s, reading) for reading in request.get("readings", [])]
            for told in request.get("cameras", []):
                self.figures[told["camera"]] = told
            self._news.notify_all()
