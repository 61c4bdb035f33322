"""What the page shows beside the daemon's picture: journal, trends, reports, ledger, plan, and the cameras' newest pictures.

Reading is done in one thread of its own, one question after the other: the page stays quick, and a long search takes one core at most.
"""

from __future__ import annotations

import asyncio
import io
import os
import stat
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from gateway.config.settings import TILE_SUFFIX
from gateway.console.pages import Busy, Limit, Measured, NotThere, Shape
from gateway.core.errors import JournalUnreadable, Permanent
from gateway.core.history import Minute, Told, Wanted
from gateway.core.points import Above, Point, Text
from gateway.journal.history import JournalHistory
from gateway.report.hazard_ledger import entries
from gateway.runtime import hazard_files, report_files

if TYPE_CHECKING:
    from gateway.config.settings import Settings
    from gateway.config.site import Camera

T = TypeVar("T")

READ_MOST_S = 20.0  # of one question; then the person is asked for a shorter time
WAITING_MOST = 12  # questions that wait for the thread
TILE_MOST_S = 5.0  # an older picture does not show the present
TILE_MOST_BYTES = 1_000_000
WISH_EACH_S = 2.0  # the daemon keeps a wish for 5 s
FIRST_TRIES, FIRST_EACH_S = 10, 0.2  # the daemon tells the vision process, and that judges its next picture
LOOKED_S = 3.0  # a page that shows a camera asks for it each second

NO_PICTURE = "无画面 (no picture)"


class DiskArchive:
    """Satisfies console.pages.Archive. wish(cameras): tells the daemon that somebody looks at them. now: monotonic seconds."""

    def __init__(
        self, settings: Settings, wish: Callable[[list[str]], Awaitable[object]], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._wish, self._now = settings, wish, now
        self._zone = ZoneInfo(settings.site.site.timezone)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="archive")
        self._waiting = 0
        self._looked_s: dict[str, float] = {}
        self._wished: frozenset[str] = frozenset()
        self._wished_s = float("-inf")
        self._points = tuple(_measured(point) for point in settings.points.values() if point.kind == "measurement" and not point.system)
        self._cameras = tuple(camera.id for camera in settings.site.cameras)

    def measured(self) -> tuple[Measured, ...]:
        return self._points

    def cameras(self) -> tuple[str, ...]:
        return self._cameras

    def drawn(self, camera: str) -> tuple[Shape, ...]:
        return next((_drawn(each) for each in self._settings.site.cameras if each.id == camera), ())

    async def events(self, wanted: Wanted, most: int) -> list[Told]:
        return await self._read(lambda past: list(islice(past.events(wanted), most)))

    async def minutes(self, points: frozenset[str], from_ms: int, to_ms: int) -> list[Minute]:
        return await self._read(lambda past: list(past.minutes(points, from_ms, to_ms)))

    async def reports(self, kind: str) -> list[dict[str, Any]]:
        return await self._read(lambda past: report_files.kept(self._settings.state_dir, kind))

    async def report(self, kind: str, number: int) -> dict[str, Any]:
        return await self._read(lambda past: report_files.read(self._settings.state_dir, kind, number))

    async def ledger(self, form: str) -> bytes:
        write = {"xlsx": hazard_files.write_xlsx, "csv": hazard_files.write_csv}.get(form)
        if write is None:
            raise NotThere("the ledger is given as xlsx or csv")
        places = {name: Text(place.name, place.name_en or place.name) for name, place in self._settings.site.places.items()}

        def made(past: JournalHistory) -> bytes:
            out = io.BytesIO()
            write(out, entries(past), places, self._zone, round(time.time() * 1000))
            return out.getvalue()

        return await self._read(made)

    async def file(self, name: str) -> Path:
        plan = self._settings.site.plan
        if name != "plan" or plan is None:
            raise NotThere(f"there is no {name} here")
        return self._settings.beside(plan.file)

    async def tile(self, camera: str) -> bytes:
        for _ in range(FIRST_TRIES if await self._look(camera) else 0):
            with suppress(NotThere):
                return await asyncio.to_thread(self._tile, camera)
            await asyncio.sleep(FIRST_EACH_S)
        return await asyncio.to_thread(self._tile, camera)

    def close(self) -> None:
        """No more questions."""
        self._worker.shutdown(cancel_futures=True)

    # --- the thread ----------------------------------------------------------------------------

    async def _read(self, work: Callable[[JournalHistory], T]) -> T:
        if self._waiting >= WAITING_MOST:
            raise Busy
        self._waiting += 1
        asker_left = Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, self._done, work, asker_left)
        except (JournalUnreadable, Permanent) as error:
            raise NotThere(str(error)) from error
        finally:
            self._waiting -= 1
            asker_left.set()

    def _done(self, work: Callable[[JournalHistory], T], asker_left: Event) -> T:
        until_s = self._now() + READ_MOST_S
        return work(JournalHistory(self._settings.state_dir, lambda: asker_left.is_set() or self._now() > until_s))

    # --- pictures of cameras -------------------------------------------------------------------

    async def _look(self, camera: str) -> bool:
        """Say to the daemon which cameras are looked at, now and then and when it is another one. True: nobody looked at this before."""
        now_s = self._now()
        is_first = now_s - self._looked_s.get(camera, float("-inf")) > LOOKED_S
        self._looked_s[camera] = now_s
        looked_at = frozenset(each for each, at_s in self._looked_s.items() if now_s - at_s <= LOOKED_S)
        if looked_at <= self._wished and now_s - self._wished_s < WISH_EACH_S:
            return is_first
        self._wished, self._wished_s = looked_at, now_s
        try:
            await self._wish(sorted(looked_at))
        except Permanent:  # without a daemon there is no picture, and the page says already that it is away
            return False
        return is_first

    def _tile(self, camera: str) -> bytes:
        folder = self._settings.tiles_dir
        try:
            found = folder.lstat()
            owners = {os.geteuid(), self._settings.state_dir.stat().st_uid}
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners or found.st_mode & 0o077:
                raise NotThere(NO_PICTURE)  # another user of this machine made it
            with open(os.open(folder / f"{camera}{TILE_SUFFIX}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                if time.time() - os.fstat(file.fileno()).st_mtime > TILE_MOST_S:
                    raise NotThere(NO_PICTURE)
                return file.read(TILE_MOST_BYTES)
        except OSError:
            raise NotThere(NO_PICTURE) from None


def _drawn(camera: Camera) -> tuple[Shape, ...]:
    """Zones, lines and masks, as the site file has them."""
    return (
        *(Shape("zone", zone.id, tuple(zone.polygon)) for zone in camera.zones),
        *(Shape("line", line.id, (line.start, line.end)) for line in camera.lines),
        *(Shape("mask", "", tuple(mask)) for mask in camera.masks),
    )


def _measured(point: Point) -> Measured:
    """A measured point with the limits of its alarms, lowest first."""
    limits = [(spec, spec.condition.limit) for spec in point.alarms if isinstance(spec.condition, Above)]
    natural = point.baseline is not None
    return Measured(
        point.id, point.name.zh, point.name.en, point.place, point.unit,
        tuple(Limit(limit, spec.text.zh, spec.text.en, natural) for spec, limit in sorted(limits, key=lambda each: each[1])),
    )  # fmt: skip
