"""`campus-gateway vision`: the eyes, a process of its own beside the daemon.

One parent with model and zones, one decoder child per camera. What it sees goes to the daemon as readings over
its control socket. It runs at nice 10 and imports what the daemon never does (numpy, cv2, onnxruntime): full load
or a crash in here must not delay a button.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from drivers.camera import Camera as Driver
from drivers.camera_memory import Frame
from gateway.config.load import load_site
from gateway.config.settings import EVIDENCE_NAME, ConfigRefused, tiles_dir
from gateway.config.site import Site
from gateway.core.errors import ModelRefused
from gateway.core.said import about
from gateway.runtime import logs, vision_views
from gateway.runtime.vision_camera import Watched
from gateway.runtime.vision_door import VisionDoor
from gateway.runtime.vision_evidence import Evidence, Judged, View
from gateway.runtime.vision_eye import Eye, blind_readings
from gateway.runtime.vision_tiles import Tiles
from gateway.runtime.vision_views import FOLDER_NAME as VIEWS_NAME
from models.manifest import FOLDER_NAME
from models.runner import Detector, load

NICE = 10
MODEL_AGAIN_S = 60.0
TICK_S = 0.25
NEW_S = 1.0  # a picture that is kept as evidence shows the present
_PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


class Vision:
    """All cameras of a site, one model, one worker thread. evidence: folder of the pictures that the daemon asks for."""

    def __init__(
        self, site: Site, door: VisionDoor, loader: Callable[[], Detector], evidence: Path, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._site, self._door, self._loader, self._now = site, door, loader, now
        views = evidence.parent / VIEWS_NAME
        self._sights = [Watched(camera, Driver(camera, now=now), views, now(), now()) for camera in site.cameras]
        self._fresh, self._model_lost = asyncio.Event(), asyncio.Event()
        self._refused = ""
        door.figures = self.figures
        self._evidence = Evidence(evidence, self.newest, door.tell, now, {sight.settings.id: _view(sight) for sight in self._sights})
        door.wanted = self._evidence.wanted
        self._tiles = Tiles(tiles_dir(evidence.parent), site.cameras, site.site.timezone, now)
        door.looked_at = self._tiles.looked_at

    def figures(self) -> list[dict[str, Any]]:
        """Of each camera: age of its newest picture in seconds (-1 before the first), pictures judged, inferences, seconds spent, rate."""
        now_s = self._now()
        return [
            {
                "camera": sight.settings.id,
                "frame_age_s": round(now_s - sight.seen_s, 3) if sight.seen_s else -1,
                "judged": sight.judged,
                "inferences": sight.eye.looked if sight.eye else 0,
                "looking_s": round(sight.looking_s, 3),
                "analysed_fps": round(sight.analysed_fps(now_s), 2),
            }
            for sight in self._sights
        ]

    def newest(self, camera: str) -> Frame | None:
        """The newest picture of a camera; None while it is blind or its last one is no longer new. The model need not be there."""
        now_s = self._now()
        for sight in self._sights:
            if sight.settings.id == camera and sight.newest is not None and not sight.driver.blind(now_s):
                old_s = max(NEW_S, 2 / sight.settings.analysed_fps)
                return sight.newest if now_s - sight.newest.captured_s <= old_s else None
        return None

    async def run(self) -> None:
        """Sees until it is cancelled."""
        try:
            await self._run()
        finally:
            self._tiles.clear()

    async def _run(self) -> None:
        with ThreadPoolExecutor(1, thread_name_prefix="infer") as worker:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._door.run(), name="door")
                group.create_task(self._keep_watch(), name="watch")
                group.create_task(self._evidence.run(), name="evidence")
                for sight in self._sights:
                    group.create_task(sight.driver.run(self._taker(sight)), name=f"driver:{sight.settings.id}")
                group.create_task(self._keep_model(worker), name="model")
                group.create_task(self._see(worker), name="see")

    def _taker(self, sight: Watched) -> Callable[[Frame], None]:
        def take(picture: Frame) -> None:
            sight.newest = picture
            sight.picture = picture  # newest wins: one that was not judged in time is left out
            sight.seen_s = picture.captured_s
            self._fresh.set()

        return take

    async def _keep_model(self, worker: ThreadPoolExecutor) -> None:
        """Loads the model; one that is refused, then or later, is tried again each minute. Blindness is judged without it."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                detector = await loop.run_in_executor(worker, self._loader)
            except ModelRefused as error:
                self._lose_model(error)
            else:
                info = detector.info
                log.info("model %s on %s%s", info.id, info.provider, "" if info.tested else ", which the makers of this software never ran")
                self._door.model = {"id": info.id, "provider": info.provider, "tested": info.tested, "passed_over": list(info.passed_over)}
                for sight in self._sights:
                    sight.eye = Eye(sight.settings, self._site, detector.detect, info.start, info.keep, info.kinds)
                    sight.judged_s = sight.began_s = self._now()
                self._refused = ""
                self._model_lost.clear()
                await self._model_lost.wait()
            await asyncio.sleep(MODEL_AGAIN_S)

    def _lose_model(self, error: ModelRefused) -> None:
        log.error("%s", error)
        self._refused = str(error)
        self._door.model = {"refused": str(error)}
        for sight in self._sights:
            sight.eye = None
        self._model_lost.set()
        self._tell_troubles()

    async def _see(self, worker: ThreadPoolExecutor) -> None:
        """Judges pictures in turn, one of each camera: none goes short because another sends more, and the newest one wins."""
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            for sight in self._sights:
                picture, sight.picture = sight.picture, None
                if picture is not None:
                    try:
                        await self._look(sight, picture, worker)
                    except ModelRefused as error:
                        self._lose_model(error)

    async def _look(self, sight: Watched, picture: Frame, worker: ThreadPoolExecutor) -> None:
        began_s = self._now()
        readings = await asyncio.get_running_loop().run_in_executor(worker, sight.look, picture)
        if readings is not None or sight.sight.trouble:  # without a model nothing was judged
            sight.note(began_s, self._now())
        self._say(sight, *sight.judge(self._refused, self._now()))
        if readings is not None and not sight.blind:
            self._door.put([*readings, sight.status(picture.captured_s)])
        if self._tiles.due(sight.settings.id):  # behind the readings: nothing waits for it
            people = (
                [] if readings is None or sight.eye is None else [one.box for one in sight.eye.anybody if one.believed and not one.lost]
            )
            await asyncio.get_running_loop().run_in_executor(worker, self._tiles.make, sight.settings.id, picture, people)

    async def _keep_watch(self) -> None:
        while True:
            self._tell_troubles()
            self._tiles.tidy()
            await asyncio.sleep(TICK_S)

    def _tell_troubles(self) -> None:
        """What is wrong now; that nothing is wrong any more is told with a judged picture only."""
        now_s = self._now()
        for sight in self._sights:
            trouble, detail = sight.judge(self._refused, now_s)
            if trouble:
                self._say(sight, trouble, detail)

    def _say(self, sight: Watched, trouble: str, detail: str) -> None:
        if sight.say(trouble, detail):
            log.warning("camera %s: %s", sight.settings.id, sight.why, extra=about(camera=sight.settings.id)) if trouble else log.info(
                "camera %s sees", sight.settings.id, extra=about(camera=sight.settings.id)
            )
        now_s = self._now()
        if sight.blind:
            self._door.put([*blind_readings(sight.settings, self._site, sight.why, now_s), sight.status(now_s)])
        elif trouble:
            self._door.put([sight.status(now_s)])


def _view(sight: Watched) -> View:
    """What evidence must know of a camera. Where people are is known while pictures are judged."""

    def judged() -> Judged | None:
        looked_at = None if sight.eye is None or sight.blind else sight.eye.looked_at
        if looked_at is None:
            return None
        picture, people = looked_at
        return Judged(picture.i420, picture.captured_s, np.array([track.box for track in people], np.float64).reshape(-1, 4))

    def hurry() -> None:
        if sight.eye is not None:
            sight.eye.hurry = True

    return View(sight.settings.masks, lambda: sight.driver.ring, judged, hurry)


async def run_vision(site: Site, door_path: str) -> None:
    """Sees for the daemon whose control socket is at `door_path`, until cancelled. Paths of credentials files are absolute here."""
    door = VisionDoor(door_path)
    settings = site.vision
    beside = Path(door_path).parent

    def loader() -> Detector:
        models = beside / FOLDER_NAME
        width_px = settings.input_width_px
        return load(settings.model, threads=settings.threads, input_width_px=width_px, installed=models, provider=settings.provider)

    await Vision(site, door, loader, beside / EVIDENCE_NAME).run()


def main(site_path: str, door_path: str | None = None, parent: int | None = None) -> int:
    """The command. Ends with 0 on SIGTERM or Ctrl-C, 2 for a site file that is refused, 3 for one without cameras; ends with its parent."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent is not None and os.getppid() != parent:
        return 0  # the daemon that started us is gone already
    logs.set_up()
    try:
        settings = load_site(site_path)
    except ConfigRefused as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if not settings.site.cameras:
        sys.stderr.write(f"{site_path}: has no [[cameras]]; there is nothing to see\n")
        return 3
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    cameras = [
        camera.model_copy(update={"credentials_file": str(settings.beside(camera.credentials_file))}) if camera.credentials_file else camera
        for camera in settings.site.cameras
    ]
    site = settings.site.model_copy(update={"cameras": cameras})
    asyncio.run(_until_signalled(site, door_path or str(settings.door_path)))
    return 0


def accept_view(site_path: str, door_path: str | None, camera: str) -> int:
    """The command `vision --accept-view`: what the camera shows at its next picture is its view. 0, or 2 when it cannot be asked for."""
    try:
        settings = load_site(site_path)
    except ConfigRefused as error:
        sys.stderr.write(f"{error}\n")
        return 2
    cameras = [each.id for each in settings.site.cameras]
    folder = Path(door_path or settings.door_path).parent / VIEWS_NAME
    if camera not in cameras:
        sys.stderr.write(f"no camera {camera} in {site_path}; there are: {', '.join(cameras) or 'none'}\n")
        return 2
    try:
        vision_views.accept(folder, camera)
    except OSError as error:
        sys.stderr.write(f"{folder}: {error.strerror}; run this as the user of the vision process\n")
        return 2
    sys.stdout.write(f"camera {camera}: what it shows from now on is its view\n")
    return 0


async def _until_signalled(site: Site, door_path: str) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await run_vision(site, door_path)
    except asyncio.CancelledError:
        log.info("vision ends")
