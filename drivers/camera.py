"""A camera: keeps one decoder child alive, hands its newest pictures on, and knows when the camera is blind.

The child may hang, crash or be killed at any moment; the parent only ever waits for lines from it.
A picture counts as sight when it was *taken* lately, by the stream's own time stamps; that the decoder
delivers pictures proves nothing, as after a stall it delivers old ones.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from drivers.camera_address import redact
from drivers.camera_memory import Frame, FrameMemory
from drivers.camera_ring import PacketRing
from gateway.config.site import Camera as CameraSettings
from gateway.core.said import about

BLIND_S = 4.5  # without a fresh picture for so long the camera is blind: told within 5 s
LATE_S = 2.0  # a picture taken longer ago is not sight
HUNG_S = 8.0  # a child without any sign of life: longer than the 3 s to open and the 6 s of a stalled read
RESPAWN_S = 1.0  # a decoder that crashes at once is not started in a tight loop
WELL_S = 10.0  # one that has lasted so long is started again at once

log = logging.getLogger(__name__)


class Camera:
    """One camera of the site. run() for ever in a task; `blind()` at any time."""

    def __init__(self, settings: CameraSettings, *, now: Callable[[], float] = time.monotonic) -> None:
        self.id = settings.id
        self._settings = settings
        self._now = now
        self._seen_s = now()  # a camera that has just been switched on gets BLIND_S too
        self._reason = "no picture yet"
        self._child: asyncio.subprocess.Process | None = None
        self.ring: PacketRing | None = None  # the last packets as they came, while it runs; outlives the child

    @property
    def child_pid(self) -> int | None:
        """Process id of the decoder child while it lives."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    def blind(self, now_s: float) -> str:
        """Why there is no sight; empty while there is. now_s: monotonic seconds."""
        if now_s - self._seen_s < BLIND_S:
            return ""
        return f"no picture for {BLIND_S:g} s: {self._reason or 'the camera sends nothing'}"

    async def run(self, send: Callable[[Frame], None]) -> None:
        """Calls `send` with each new picture that is fresh. Ends only by being cancelled; the child is killed then."""
        memory, self.ring = FrameMemory.create(), PacketRing.create()
        try:
            while True:
                began_s = self._now()
                try:
                    self._child = await self._spawn(memory, self.ring)
                except OSError as error:
                    self._lost(f"the decoder cannot be started: {error}")
                else:
                    try:
                        await self._follow(self._child, memory, send)
                    finally:
                        with suppress(ProcessLookupError):
                            self._child.kill()
                        await asyncio.shield(self._child.wait())
                await asyncio.sleep(0.0 if self._now() - began_s > WELL_S else RESPAWN_S)
        finally:
            ring, self.ring = self.ring, None
            memory.close()
            ring.close()

    async def _spawn(self, memory: FrameMemory, ring: PacketRing) -> asyncio.subprocess.Process:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "drivers.camera_child",
            str(memory.fd),
            str(ring.fd),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(memory.fd, ring.fd),
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        assert child.stdin is not None
        settings = {
            "url": self._settings.url,
            "credentials_file": self._settings.credentials_file,
            "analysed_fps": self._settings.analysed_fps,
        }
        child.stdin.write(json.dumps(settings).encode() + b"\n")  # not in argv: every user may read that
        child.stdin.close()
        return child

    async def _follow(self, child: asyncio.subprocess.Process, memory: FrameMemory, send: Callable[[Frame], None]) -> None:
        """Reads the child's lines until it ends, or has given no sign of life for HUNG_S."""
        assert child.stdout is not None
        last = memory.newest
        while True:
            try:
                async with asyncio.timeout(HUNG_S):
                    line = await child.stdout.readline()
            except TimeoutError:
                self._lost("the decoder hangs and is started again")
                return
            if not line:
                self._lost("the decoder ended and is started again")
                return
            if line != b"frame\n":
                self._hear(line)
            elif memory.newest != last and (frame := memory.read()) is not None:
                last = frame.sequence
                self._take(frame, send)

    def _hear(self, line: bytes) -> None:
        try:
            words = json.loads(line)
            state, reason = str(words["state"]), redact(str(words.get("reason", "")))
        except (ValueError, KeyError, TypeError, UnicodeDecodeError):
            return
        if state == "lost":
            self._lost(reason)

    def _take(self, frame: Frame, send: Callable[[Frame], None]) -> None:
        now_s = self._now()
        if now_s - frame.captured_s > LATE_S:
            self._reason = f"pictures arrive more than {LATE_S:.0f} s late"
            return
        if self._reason:
            log.info("camera %s sees", self.id, extra=about(camera=self.id))
        self._reason, self._seen_s = "", frame.captured_s
        send(frame)

    def _lost(self, reason: str) -> None:
        if reason != self._reason:
            log.warning("camera %s: %s", self.id, reason, extra=about(camera=self.id))
        self._reason = reason
