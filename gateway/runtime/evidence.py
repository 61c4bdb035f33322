"""The daemon's end of evidence: which pictures and clips vision shall take, what became of them, who reads them, and which old ones go.

They lie sealed beside the journal (evidence_file.py). Each goes when its time is over or when there is no room for its kind, the
oldest first; each deletion and each reading is on record before it happens. Nothing leaves this gateway but the copies of stills that
the site file allows.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gateway.config.settings import EVIDENCE_NAME, Settings
from gateway.core.commands import EvidenceOver, EvidenceRead, Photographed
from gateway.core.errors import DoorRefused, Permanent
from gateway.core.linkage import CLIP, STILL
from gateway.core.reading import Now
from gateway.runtime.conveyor import Conveyor
from gateway.runtime.decide import House
from gateway.runtime.evidence_file import SUFFIX, UNDATED, file_key, load_key, opened, read_head

LOOK_S = 600.0
PART_MOST_S = 3600.0  # what is left of a picture whose writing was cut short
AHEAD_MOST_S = 3600.0  # a file dated further ahead was written by a clock that was wrong
OUTGOING = "outgoing"  # the copy of a still that may leave
SENT_MOST = 20  # pictures that wait to be opened for sending; the oldest are given up
COUNTED_MOST = 200  # events whose pictures are numbered
# .jpg: in the clear, of earlier versions
KINDS = {f".{STILL}{SUFFIX}": STILL, f".{OUTGOING}{SUFFIX}": STILL, f".{CLIP}{SUFFIX}": CLIP, ".jpg": STILL}

_ID = re.compile(r"[0-9a-f-]{36}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """One file on the disk. written_s: Unix time."""

    name: str
    written_s: float
    size_bytes: int

    @property
    def id(self) -> str:
        """Of the picture or clip."""
        return self.name.partition(".")[0]

    @property
    def kind(self) -> str:
        """STILL or CLIP; '' for what is no evidence."""
        return next((kind for suffix, kind in KINDS.items() if self.name.endswith(suffix)), "")


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
    """now(): the gateway's clock; while that is unknown nothing goes for its age. send(event id, number, JPEG): to the centre."""

    def __init__(self, settings: Settings, house: House, conveyor: Conveyor, now: Callable[[], Now]) -> None:
        vision = settings.site.vision
        self.folder = settings.state_dir / EVIDENCE_NAME
        self._hours = vision.evidence_hours
        self._most_bytes = {STILL: vision.evidence_mb * 1e6, CLIP: vision.clips_mb * 1e6}
        self._outgoing = ("blurred" if vision.heads_blurred else "as it is") if vision.send_stills else ""
        self._house, self._conveyor, self._now = house, conveyor, now
        self._numbers: Counter[str] = Counter()  # pictures sent for an event
        self._to_send: deque[tuple[str, str, int]] = deque(maxlen=SENT_MOST)
        self._stirred = asyncio.Event()  # something is new in the folder
        self.send: Callable[[str, int, bytes], None] = lambda event, number, body: None

    def wanted(self) -> list[dict[str, Any]]:
        """What is awaited, for the vision process."""
        items = []
        for each in self._house.pictures.values():
            if not each.until_s:
                continue
            item: dict[str, Any] = {"picture": each.id, "camera": each.camera, "until_s": each.until_s}
            item["about"] = {"cause": each.causes, "by": each.by}
            if self._now().clock == "unknown":
                item["undated"] = True
            if each.kind == CLIP:
                item |= {"kind": CLIP, "from_s": each.from_s, "to_s": each.to_s, "at_s": min(each.asked_s, each.to_s)}
            elif self._outgoing:
                item["outgoing"] = self._outgoing
            items.append(item)
        return items

    def photographed(self, found: Photographed) -> None:
        """The vision process says what became of one."""
        picture = self._house.pictures.get(found.picture)
        self._conveyor.stimulate(found)
        if picture is not None and not found.failure:
            self._stirred.set()
            if found.outgoing_sha256 and self._outgoing:
                self._conveyor.after_commit(partial(self._send_later, found.picture, picture.cause or found.picture))

    async def run(self) -> None:
        """Look after the folder until cancelled."""
        await asyncio.to_thread(self.folder.mkdir, mode=0o700, exist_ok=True)
        await asyncio.to_thread(self._make_key)
        while True:
            self._stirred.clear()
            while self._to_send:
                await self._send(*self._to_send.popleft())
            await self.sweep()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._stirred.wait()

    def _make_key(self) -> None:
        """Made here at the first start. Without it vision tells of each picture why it cannot be kept."""
        try:
            load_key(self.folder.parent)
        except Permanent as error:
            log.error("the key of evidence: %s", error)

    async def sweep(self) -> None:
        """What is over goes, once that is on record."""
        knows = self._now().clock != "unknown"
        files = await asyncio.to_thread(_look, self.folder, time.time() if knows else None)
        before_s = time.time() - self._hours * 3600 if knows else -math.inf
        for kind, most_bytes in self._most_bytes.items():
            for why, going in over([kept for kept in files if kept.kind == kind], before_s, most_bytes).items():
                ids = tuple(dict.fromkeys(kept.id for kept in going))
                self._conveyor.stimulate(EvidenceOver(ids, sum(kept.size_bytes for kept in going), why, kind))
                self._conveyor.after_commit(partial(self._remove, going))

    def _remove(self, going: list[Kept]) -> None:
        for kept in going:
            try:
                (self.folder / kept.name).unlink(missing_ok=True)
            except OSError as error:
                log.error("a picture that is over cannot be deleted: %s", error)

    async def give_key(self, request: dict[str, Any], user: str) -> dict[str, Any]:
        """The key of one file, for a person who gives name and reason; on record before it is given. Raises DoorRefused."""
        picture, by, why = (request.get(name) for name in ("picture", "by", "why"))
        if not isinstance(picture, str) or not isinstance(by, str) or not isinstance(why, str) or not by.strip() or not why.strip():
            raise DoorRefused("reading evidence needs `picture`, `by` (your name) and `why` (the reason); both go on record")
        try:
            path = await asyncio.to_thread(find, self.folder, picture)
            head = await asyncio.to_thread(read_head, path)
            key = await asyncio.to_thread(lambda: file_key(path, load_key(self.folder.parent)))
        except (OSError, Permanent) as error:
            raise DoorRefused(getattr(error, "strerror", None) or str(error)) from None
        kind, camera = CLIP if head.get("kind") == CLIP else STILL, str(head.get("camera", ""))
        committed = asyncio.Event()
        self._conveyor.stimulate(EvidenceRead(picture, camera, kind, by[:80], why[:200], user[:80]))
        self._conveyor.after_commit(committed.set)
        await committed.wait()
        return {"ok": True, "file": path.name, "key": key.hex()}

    def _send_later(self, picture: str, event: str) -> None:
        if len(self._numbers) > COUNTED_MOST:
            self._numbers.clear()
        self._numbers[event] += 1
        self._to_send.append((picture, event, self._numbers[event]))
        self._stirred.set()

    async def _send(self, picture: str, event: str, number: int) -> None:
        path = self.folder / f"{picture}.{OUTGOING}{SUFFIX}"
        try:
            body = await asyncio.to_thread(lambda: opened(path.read_bytes(), file_key(path, load_key(self.folder.parent)), path.name))
        except (OSError, Permanent) as error:
            log.error("a picture cannot be sent: %s", error)
            return
        self.send(event, number, body)


def find(folder: Path, picture: str) -> Path:
    """The sealed file of a picture or clip. Raises DoorRefused."""
    if _ID.fullmatch(picture):
        for kind in (STILL, CLIP):
            path = folder / f"{picture}.{kind}{SUFFIX}"
            if path.exists():
                return path
    raise DoorRefused(f"there is no evidence {picture[:48]!r} here; `evidence list` tells what there is, an event when it was deleted")


def look(folder: Path) -> list[Kept]:
    """Every file of evidence, oldest first."""
    found = [Kept(entry.name, entry.stat().st_mtime, entry.stat().st_size) for entry in os.scandir(folder)]
    return sorted((kept for kept in found if kept.kind), key=lambda kept: (kept.written_s, kept.name))


def _look(folder: Path, now_s: float | None) -> list[Kept]:
    """What is there; what was cut short long ago is removed. now_s: Unix time, None while nobody knows it.

    What was written by a clock that knew nothing, or is dated ahead, counts from now: else it would stay too long, or go at once.
    """
    names = [entry.name for entry in os.scandir(folder)]
    undated = set() if now_s is None else {name.removesuffix(UNDATED) for name in names if name.endswith(UNDATED)}
    found = []
    for name in names:
        with suppress(FileNotFoundError):  # one that vision was writing has its own name now
            kept = _dated(folder, name, undated, now_s)
            if kept.kind:
                found.append(kept)
            elif name.endswith(".part") and time.time() - kept.written_s > PART_MOST_S:
                (folder / name).unlink()
    for picture in undated:  # last: whoever is killed before this begins again
        (folder / f"{picture}{UNDATED}").unlink(missing_ok=True)
    return found


def _dated(folder: Path, name: str, undated: set[str], now_s: float | None) -> Kept:
    """A file with its time, set right on the disk where it was wrong."""
    path = folder / name
    stat = path.stat()
    written_s = stat.st_mtime
    if now_s is not None and (name.partition(".")[0] in undated or written_s > now_s + AHEAD_MOST_S):
        written_s = now_s
        os.utime(path, (now_s, now_s))
    return Kept(name, written_s, stat.st_size)
