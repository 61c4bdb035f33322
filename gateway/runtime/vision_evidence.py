"""Pictures that the daemon asks for, taken by the vision process: the newest frame of a camera, as a file beside the journal."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from drivers.camera_memory import Frame
from gateway.vision.picture import to_bgr, to_jpeg

LOOK_S = 0.1
REMEMBERED = 1000  # ids of pictures that were taken; a daemon that has not heard the answer yet asks again

_ID = re.compile(r"[0-9a-f-]{36}")

log = logging.getLogger(__name__)


class Evidence:
    """newest(camera): its newest frame, None while there is none that shows the present. tell(request): to the daemon. now(): monotonic."""

    def __init__(
        self, folder: Path, newest: Callable[[str], Frame | None], tell: Callable[[dict[str, Any]], None], now: Callable[[], float]
    ) -> None:
        self._folder, self._newest, self._tell, self._now = folder, newest, tell, now
        self._pending: dict[str, tuple[str, float]] = {}
        self._taken: dict[str, None] = {}
        self._wake = asyncio.Event()

    def wanted(self, items: list[dict[str, Any]]) -> None:
        """What the daemon awaits now: `picture` (id), `camera`, `until_s` (monotonic). A camera that is blind is asked until then."""
        for item in items:
            picture, camera, until_s = item.get("picture"), item.get("camera"), item.get("until_s")
            if not isinstance(picture, str) or not _ID.fullmatch(picture) or picture in self._taken:
                continue
            if isinstance(camera, str) and isinstance(until_s, int | float):
                self._pending[picture] = (camera, float(until_s))
                self._wake.set()

    async def run(self) -> None:
        """Take them until cancelled."""
        while True:
            if not self._pending:
                self._wake.clear()
                await self._wake.wait()
            for picture, (camera, until_s) in list(self._pending.items()):
                if self._now() > until_s:
                    del self._pending[picture]
                elif (frame := self._newest(camera)) is not None:
                    await self._take(picture, camera, frame)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    self._wake.clear()
                    await self._wake.wait()

    async def _take(self, picture: str, camera: str, frame: Frame) -> None:
        del self._pending[picture]
        self._taken[picture] = None
        while len(self._taken) > REMEMBERED:
            del self._taken[next(iter(self._taken))]
        about: dict[str, Any] = {"op": "picture", "picture": picture}
        try:
            sha256, size_bytes = await asyncio.to_thread(store, self._folder, picture, frame)
        except OSError as error:
            log.error("the picture of camera %s cannot be stored: %s", camera, error)
            self._tell(about | {"failure": f"the picture cannot be stored: {error.strerror}"})
            return
        self._tell(about | {"sha256": sha256, "bytes": size_bytes, "captured_s": round(frame.captured_s, 6)})


def store(folder: Path, picture: str, frame: Frame) -> tuple[str, int]:
    """Write the frame as FOLDER/ID.jpg: whole or not at all, and on the disk. Returns (sha-256, bytes). Raises OSError."""
    body = to_jpeg(to_bgr(frame.i420))
    folder.mkdir(mode=0o700, exist_ok=True)
    part = folder / f"{picture}.part"
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.rename(folder / f"{picture}.jpg")
    except OSError:
        part.unlink(missing_ok=True)
        raise
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return hashlib.sha256(body).hexdigest(), len(body)
