"""A device that speaks unasked, at its end of a serial port: a pty, with frames written as the device's manual has them."""

from __future__ import annotations

import os
import pty
import select
import threading
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Self


class SpeakingPort:
    """Plugged in at `link` until `close`. frame(): what is said each `every_s` seconds, b"" for nothing. heard: what it was sent."""

    def __init__(self, link: Path, frame: Callable[[], bytes] = bytes, every_s: float = 0.2) -> None:
        self.frame = frame
        self.heard = b""
        self._link = link
        self._every_s = every_s
        self._plug()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def say(self, data: bytes) -> None:
        """These very bytes, at once."""
        os.write(self._device, data)

    def unplug(self) -> None:
        """Pull the adapter out: the link is gone, whoever has the port open finds its end."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        self._link.unlink()
        os.close(self._device)

    def plug(self) -> None:
        """Back at the same link, with another terminal behind it."""
        assert self._ended.is_set()
        self._plug()

    def _plug(self) -> None:
        self._device, gateway = pty.openpty()
        tty.setraw(gateway)
        os.set_blocking(self._device, False)
        self._link.symlink_to(os.ttyname(gateway))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(gateway,), daemon=True)
        self._thread.start()

    def _run(self, gateway: int) -> None:
        """Speaks until it is pulled; our own descriptor of the gateway's end keeps the terminal alive until then."""
        while not self._ended.wait(self._every_s):
            if said := self.frame():
                self.say(said)
            if select.select([self._device], [], [], 0)[0]:
                self.heard += os.read(self._device, 4096)
        os.close(gateway)
