"""The daemon's end of evidence: which pictures vision shall take, what became of them, and which old ones go.

A picture never leaves this gateway. It goes when its time is over or when there is no room, the oldest first; each deletion is on
record before it happens.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gateway.config.settings import EVIDENCE_NAME, Settings
from gateway.core.commands import EvidenceOver, Photographed
from gateway.core.reading import Now
from gateway.runtime.conveyor import Conveyor
from gateway.runtime.decide import House

LOOK_S = 600.0
PART_MOST_S = 3600.0  # what is left of a picture whose writing was cut short

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """One picture on the disk. written_s: Unix time."""

    name: str
    written_s: float
    size_bytes: int


def over(pictures: Iterable[Kept], before_s: float, most_bytes: float) -> dict[str, list[Kept]]:
    """The pictures that go, by the reason: older than this Unix time (`age`), or beyond the room for the rest (`space`)."""
    newest_first = sorted(pictures, key=lambda kept: (kept.written_s, kept.name), reverse=True)
    found: dict[str, list[Kept]] = {"age": [], "space": []}
    used = 0
    for kept in newest_first:
        if kept.written_s < before_s:
            found["age"].append(kept)
            continue
        used += kept.size_bytes
        if used > most_bytes:
            found["space"].append(kept)
    return {why: list(reversed(going)) for why, going in found.items() if going}


class Evidence:
    """now(): the gateway's clock; while that is unknown nothing goes for its age."""

    def __init__(self, settings: Settings, house: House, conveyor: Conveyor, now: Callable[[], Now]) -> None:
        self.folder = settings.state_dir / EVIDENCE_NAME
        self._hours, self._most_bytes = settings.site.vision.evidence_hours, settings.site.vision.evidence_mb * 1e6
        self._house, self._conveyor, self._now = house, conveyor, now
        self._undated: set[str] = set()  # written while nobody knew the time

    def wanted(self) -> list[dict[str, Any]]:
        """The pictures that are awaited, for the vision process."""
        pictures = self._house.pictures.values()
        return [{"picture": each.id, "camera": each.camera, "until_s": each.until_s} for each in pictures if each.until_s]

    def photographed(self, found: Photographed) -> None:
        """The vision process says what became of one."""
        if found.picture in self._house.pictures and not found.failure and self._now().clock == "unknown":
            self._undated.add(f"{found.picture}.jpg")
        self._conveyor.stimulate(found)

    async def run(self) -> None:
        """Look after the folder until cancelled."""
        await asyncio.to_thread(self.folder.mkdir, mode=0o700, exist_ok=True)
        while True:
            await self.sweep()
            await asyncio.sleep(LOOK_S)

    async def sweep(self) -> None:
        """What is over goes, once that is on record."""
        knows = self._now().clock != "unknown"
        dated, self._undated = (self._undated, set()) if knows else (set(), self._undated)
        pictures = await asyncio.to_thread(_look, self.folder, dated)
        before_s = time.time() - self._hours * 3600 if knows else -math.inf
        for why, going in over(pictures, before_s, self._most_bytes).items():
            names = tuple(kept.name.removesuffix(".jpg") for kept in going)
            self._conveyor.stimulate(EvidenceOver(names, sum(kept.size_bytes for kept in going), why))
            self._conveyor.after_commit(partial(self._remove, going))

    def _remove(self, going: list[Kept]) -> None:
        for kept in going:
            try:
                (self.folder / kept.name).unlink(missing_ok=True)
            except OSError as error:
                log.error("a picture that is over cannot be deleted: %s", error)


def _look(folder: Path, dated: set[str]) -> list[Kept]:
    """What is there; those in `dated` count from now, what was cut short long ago is removed."""
    found = []
    for entry in os.scandir(folder):
        if entry.name in dated:
            os.utime(entry.path)
        kept = Kept(entry.name, entry.stat().st_mtime, entry.stat().st_size)
        if entry.name.endswith(".jpg"):
            found.append(kept)
        elif entry.name.endswith(".part") and time.time() - kept.written_s > PART_MOST_S:
            os.unlink(entry.path)
    return found
