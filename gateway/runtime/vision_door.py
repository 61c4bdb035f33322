"""The vision process's end of the daemon's control socket: readings out, newline JSON, each line answered by one."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from gateway.core.errors import DoorRefused
from gateway.core.reading import Reading
from gateway.runtime import logs

AGAIN_S = 0.5
ALIVE_S = 0.5  # at least each second is promised
ANSWER_S = 5.0
MOST_WAITING = 2000
MOST_IN_A_LINE = 200

log = logging.getLogger(__name__)


class VisionDoor:
    """Keeps the newest reading of each point, sends what changes, tells all again to a daemon that has come back."""

    def __init__(self, path: str, figures: Callable[[], list[dict[str, Any]]] = list) -> None:
        """figures: what to tell of each camera with each sign of life, for the daemon's metrics.

        wanted(pictures): called with each answer that names pictures of cameras that the daemon awaits.
        looked_at(cameras): called with each answer that names cameras at which somebody looks on the page.
        """
        self._path = path
        self.figures = figures
        self._newest: dict[str, Reading] = {}
        self._waiting: deque[Reading] = deque(maxlen=MOST_WAITING)
        self._wake = asyncio.Event()
        self._there: bool | None = None
        self._told: deque[dict[str, Any]] = deque(maxlen=MOST_WAITING)
        self.wanted: Callable[[list[dict[str, Any]]], None] = lambda pictures: None
        self.looked_at: Callable[[list[str]], None] = lambda cameras: None
        self._loud: dict[str, str] = {}
        self.model: dict[str, Any] = {}  # which one runs on what, told with each sign of life

    def tell(self, request: dict[str, Any]) -> None:
        """Queues a request of another kind: what became of a picture."""
        self._told.append(request)
        self._wake.set()

    def put(self, readings: Iterable[Reading]) -> None:
        """Queues those readings whose value, quality, reason or count differs from what was said last."""
        for reading in readings:
            before = self._newest.get(reading.point)
            if before is not None and _said(before) == _said(reading):
                continue
            self._newest[reading.point] = reading
            self._waiting.append(reading)
            self._wake.set()

    async def run(self) -> None:
        """Connects, speaks, and connects again for ever."""
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path)
            except OSError as error:
                self._mark(False, str(error))
            else:
                try:
                    await self._speak(reader, writer)
                except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError, DoorRefused) as error:
                    self._mark(False, str(error) or type(error).__name__)
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
            await asyncio.sleep(AGAIN_S)

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._hear(await _ask(reader, writer, {"op": "hello", "who": "vision"}))
        self._mark(True, "")
        self._waiting.clear()
        self._waiting.extend(self._newest.values())
        told_s = -ALIVE_S
        while True:
            if not self._waiting and not self._told:
                self._wake.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(ALIVE_S):
                        await self._wake.wait()
            now_s = time.monotonic()
            if now_s - told_s >= ALIVE_S:  # also while there is much to say: the figures of a busy camera are the ones that matter
                self._hear(await _ask(reader, writer, {"op": "alive", "cameras": self.figures(), "model": self.model}))
                told_s = now_s
            if self._told:
                await self._send_told(reader, writer)
            elif self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_IN_A_LINE))]
                try:
                    self._hear(await _ask(reader, writer, {"op": "readings", "readings": [to_line(reading) for reading in batch]}))
                except DoorRefused as error:  # the others' readings must still go out
                    log.error("%s (%s)", error, ", ".join(reading.point for reading in batch))

    async def _send_told(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One of them; it is kept until the daemon has answered, so that a restart of the daemon does not lose it."""
        try:
            await _ask(reader, writer, self._told[0])
        except DoorRefused as error:
            log.error("%s", error)
        self._told.popleft()

    def _hear(self, answer: dict[str, Any]) -> None:
        if answer.get("again"):  # the daemon had given us up, and marked everything as unknown
            self._waiting.clear()
            self._waiting.extend(self._newest.values())
        self._loud = logs.follow(answer.get("log"), self._loud)
        wanted = answer.get("pictures")
        if isinstance(wanted, list):
            self.wanted([item for item in wanted if isinstance(item, dict)])
        if isinstance(tiles := answer.get("tiles"), list):
            self.looked_at([camera for camera in tiles if isinstance(camera, str)])

    def _mark(self, there: bool, reason: str) -> None:
        if there != self._there:
            log.info("the daemon is there") if there else log.warning("no daemon at %s: %s", self._path, reason)
        self._there = there


def to_line(reading: Reading) -> dict[str, Any]:
    """A reading as the door takes it. now_s: CLOCK_MONOTONIC seconds, which all processes of a machine share."""
    return {
        "point": reading.point,
        "value": reading.value,
        "quality": reading.quality.value,
        "reason": reading.reason,
        "now_s": round(reading.now_s, 6),
        "detail": reading.detail or {},
    }


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: dict[str, Any]) -> dict[str, Any]:
    writer.write(json.dumps(request, ensure_ascii=False).encode() + b"\n")
    async with asyncio.timeout(ANSWER_S):
        await writer.drain()
        line = await reader.readuntil(b"\n")
    answer = json.loads(line)
    if not isinstance(answer, dict) or answer.get("ok") is not True:
        raise DoorRefused(f"the daemon refuses {request['op']}: {answer.get('error') if isinstance(answer, dict) else answer}")
    return answer


def _said(reading: Reading) -> tuple[object, ...]:
    return reading.value, reading.quality, reading.reason, (reading.detail or {}).get("count")
