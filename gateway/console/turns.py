"""Each session asks the archive one question after the other: who asks much waits for himself, and others come in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.console.pages import Archive, Busy, Measured, Shape
from gateway.core.history import Minute, Told, Wanted

ASKED_MOST = 6  # by one session, the one under way included; a browser opens no more connections at once


class Turns:
    """Of one session."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._asked = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until the session's other questions are answered. Raises Busy where too many wait already."""
        if self._asked >= ASKED_MOST:
            raise Busy
        self._asked += 1
        try:
            async with self._one:
                yield
        finally:
            self._asked -= 1


class InTurn:
    """Satisfies Archive: the same one, as a session asks it. Pictures of cameras and files do not wait."""

    def __init__(self, archive: Archive, turns: Turns) -> None:
        self._archive, self._turns = archive, turns

    async def events(self, wanted: Wanted, most: int) -> list[Told]:
        async with self._turns.turn():
            return await self._archive.events(wanted, most)

    async def minutes(self, points: frozenset[str], from_ms: int, to_ms: int) -> list[Minute]:
        async with self._turns.turn():
            return await self._archive.minutes(points, from_ms, to_ms)

    async def reports(self, kind: str) -> list[dict[str, Any]]:
        async with self._turns.turn():
            return await self._archive.reports(kind)

    async def report(self, kind: str, number: int) -> dict[str, Any]:
        async with self._turns.turn():
            return await self._archive.report(kind, number)

    async def ledger(self, form: str) -> bytes:
        async with self._turns.turn():
            return await self._archive.ledger(form)

    def measured(self) -> tuple[Measured, ...]:
        return self._archive.measured()

    def cameras(self) -> tuple[str, ...]:
        return self._archive.cameras()

    def drawn(self, camera: str) -> tuple[Shape, ...]:
        return self._archive.drawn(camera)

    async def tile(self, camera: str) -> bytes:
        return await self._archive.tile(camera)

    async def file(self, name: str) -> Path:
        return await self._archive.file(name)
