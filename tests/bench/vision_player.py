"""Cameras of the benchmark, in one process: films that were coded before, sent over RTSP at their own speed.

Run as `python -m tests.bench.vision_player`. Orders are lines of JSON on standard input, answers lines on standard output:
  {"op": "mount", "path", "file", "fps"}   a camera that shows the film again and again      {"url"}
  {"op": "unmount", "path"}                the camera is gone                                {}
  {"op": "once", "path", "file"}           this film once, at the end of the one now shown   {}
  {"op": "shown", "path"}                  when each film began to be shown                  {"shown": [[file, monotonic s], ..]}
Ends at the end of its input.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from simulators.rtsp_server import CLOCK_HZ, RtspServer, Stream, split_nals
from tests.bench.vision_reel import packets

Film = list[tuple[bytes, bool]]
HOST = "127.0.0.1"
PARAMETER_SETS = (7, 8)  # SPS, PPS (H.264 table 7-1)


class Camera:
    """One path of the server, with a thread that sends its films. port: 0 opens any free one."""

    def __init__(self, path: str, film: Path, fps: int, port: int) -> None:
        self._path, self._name, self._film, self._fps = path, str(film), packets(film), fps
        self._next: tuple[str, Film] | None = None
        self.shown: list[tuple[str, float]] = []
        nals = split_nals(self._film[0][0])
        self._stream = Stream(parameter_sets=tuple(nal for nal in nals if nal[0] & 0x1F in PARAMETER_SETS))
        self._server = RtspServer.mount(HOST, port, path, self._stream)
        self.port = self._server.port
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._show, name=path, daemon=True)
        self._thread.start()

    def once(self, film: Path) -> None:
        """Shows this film once when the one that is shown now has ended."""
        self._next = (str(film), packets(film))

    def end(self) -> None:
        """Hangs up on the readers and closes the port with its last camera."""
        self._ending.set()
        self._thread.join()
        self._server.unmount(self._path)

    def _show(self) -> None:
        due_s = time.monotonic()
        while not self._ending.is_set():
            name, film = self._next or (self._name, self._film)
            self._next = None
            self.shown.append((name, due_s))
            for body, key in film:
                if self._ending.wait(max(0.0, due_s - time.monotonic())):
                    return
                self._server.send(self._stream, body, int(due_s * CLOCK_HZ) & 0xFFFFFFFF, key)
                due_s += 1 / self._fps


class Player:
    """Carries out the orders."""

    def __init__(self) -> None:
        self._cameras: dict[str, Camera] = {}
        self._port = 0

    def obey(self, op: str, path: str, file: str = "", fps: int = 25) -> dict[str, Any]:
        """One order; its answer."""
        if op == "mount":
            self._cameras[path] = camera = Camera(path, Path(file), fps, self._port)
            self._port = camera.port
            return {"url": f"rtsp://{HOST}:{camera.port}{path}"}
        if op == "unmount":
            self._cameras.pop(path).end()
        elif op == "once":
            self._cameras[path].once(Path(file))
        elif op == "shown":
            return {"shown": self._cameras[path].shown}
        else:
            raise ValueError(f"no such order: {op}")
        return {}


def main() -> None:
    """Orders until the input ends."""
    player = Player()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(player.obey(**json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
