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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers.camera import Camera as Driver
from drivers.camera_memory import Frame
from gateway.config.load import load_site
from gateway.config.settings import EVIDENCE_NAME, ConfigRefused
from gateway.config.site import Camera, Site
from gateway.core.errors import ModelRefused
from gateway.core.reading import Reading
from gateway.runtime.vision_door import VisionDoor
from gateway.runtime.vision_evidence import Evidence
from gateway.runtime.vision_eye import Eye, blind_readings
from models.runner import Detector, load

NICE = 10
OVERDUE_S = 5.0  # pictures come, but none was judged for so long
MODEL_AGAIN_S = 60.0
TICK_S = 0.25
NEW_S = 1.0  # a picture that is kept as evidence shows the present
_PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sight:
    """What the process holds of one camera. judged_s: monotonic seconds of the last picture that was judged.

    seen_s: capture time of the newest picture, 0 before the first; judged, looking_s: pictures judged and time spent on them.
    """

    settings: Camera
    driver: Driver
    judged_s: float
    eye: Eye | None = None
    picture: Frame | None = None
    newest: Frame | None = None
    blind: str = field(default="", compare=False)
    seen_s: float = 0.0
    judged: int = 0
    looking_s: float = 0.0


class Vision:
    """All cameras of a site, one model, one worker thread. evidence: folder of the pictures that the daemon asks for."""

    def __init__(
        self, site: Site, door: VisionDoor, loader: Callable[[], Detector], evidence: Path, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._site, self._door, self._loader, self._now = site, door, loader, now
        self._sights = [_Sight(camera, Driver(camera, now=now), now()) for camera in site.cameras]
        self._fresh = asyncio.Event()
        self._refused = ""
        door.figures = self.figures
        self._evidence = Evidence(evidence, self.newest, door.tell, now)
        door.wanted = self._evidence.wanted

    def figures(self) -> list[dict[str, Any]]:
        """Of each camera: age of its newest picture in seconds (-1 before the first), pictures judged, inferences, seconds spent."""
        now_s = self._now()
        return [
            {
                "camera": sight.settings.id,
                "frame_age_s": round(now_s - sight.seen_s, 3) if sight.seen_s else -1,
                "judged": sight.judged,
                "inferences": sight.eye.looked if sight.eye else 0,
                "looking_s": round(sight.looking_s, 3),
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
        with ThreadPoolExecutor(1, thread_name_prefix="infer") as worker:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._door.run(), name="door")
                group.create_task(self._keep_watch(), name="watch")
                group.create_task(self._evidence.run(), name="evidence")
                for sight in self._sights:
                    group.create_task(sight.driver.run(self._taker(sight)), name=f"driver:{sight.settings.id}")
                group.create_task(self._see(worker), name="see")

    def _taker(self, sight: _Sight) -> Callable[[Frame], None]:
        def take(picture: Frame) -> None:
            sight.newest = picture
            sight.picture = picture  # newest wins: one that was not judged in time is left out
            sight.seen_s = picture.captured_s
            self._fresh.set()

        return take

    async def _see(self, worker: ThreadPoolExecutor) -> None:
        """Loads the model, then judges pictures in turn; a model that is refused is tried again each minute."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                detector = await loop.run_in_executor(worker, self._loader)
                log.info("model %s on %s", detector.info.id, detector.info.provider)
                for sight in self._sights:
                    sight.eye = Eye(sight.settings, self._site, detector.detect, detector.info.start, detector.info.keep)
                    sight.judged_s = self._now()
                self._refused = ""
                await self._judge(loop, worker)
            except ModelRefused as error:
                log.error("%s", error)
                self._refused = str(error)
                for sight in self._sights:
                    sight.eye = None
                self._tell_blindness()
            await asyncio.sleep(MODEL_AGAIN_S)

    async def _judge(self, loop: asyncio.AbstractEventLoop, worker: ThreadPoolExecutor) -> None:
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            for sight in self._sights:  # one picture of each camera in turn
                picture, sight.picture = sight.picture, None
                if picture is None or sight.eye is None:
                    continue
                if sight.blind:
                    sight.eye.forget()
                began_s = self._now()
                readings = await loop.run_in_executor(worker, sight.eye.look, picture)
                sight.judged_s = self._now()
                sight.judged += 1
                sight.looking_s += sight.judged_s - began_s
                sight.blind = self._why_blind(sight)
                if not sight.blind:
                    self._door.put([*readings, _status(sight, picture.captured_s)])

    async def _keep_watch(self) -> None:
        while True:
            self._tell_blindness()
            await asyncio.sleep(TICK_S)

    def _tell_blindness(self) -> None:
        now_s = self._now()
        for sight in self._sights:
            why = self._why_blind(sight)
            if why and why != sight.blind:
                log.warning("camera %s: %s", sight.settings.id, why)
            if why:  # sight comes back with a judged picture only
                sight.blind = why
                self._door.put([*blind_readings(sight.settings, self._site, why, now_s), _status(sight, now_s)])

    def _why_blind(self, sight: _Sight) -> str:
        now_s = self._now()
        if self._refused:
            return f"model refused: {self._refused}"
        if why := sight.driver.blind(now_s):
            return why
        if now_s - sight.judged_s > OVERDUE_S:
            return f"pictures come, but none was judged for {OVERDUE_S:.0f} s"
        return ""


def _status(sight: _Sight, now_s: float) -> Reading:
    """The camera's own point: True is the fault "blind"."""
    return Reading(sight.settings.id, bool(sight.blind), reason=sight.blind, now_s=now_s)


async def run_vision(site: Site, door_path: str) -> None:
    """Sees for the daemon whose control socket is at `door_path`, until cancelled. Paths of credentials files are absolute here."""
    door = VisionDoor(door_path)
    settings = site.vision
    evidence = Path(door_path).parent / EVIDENCE_NAME
    await Vision(site, door, lambda: load(settings.model, threads=settings.threads, input_width_px=settings.input_width_px), evidence).run()


def main(site_path: str, door_path: str | None = None, parent: int | None = None) -> int:
    """The command. Ends with 0 on SIGTERM or Ctrl-C, 2 for a site file that is refused; ends with its parent."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent is not None and os.getppid() != parent:
        return 0  # the daemon that started us is gone already
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        settings = load_site(site_path)
    except ConfigRefused as error:
        sys.stderr.write(f"{error}\n")
        return 2
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    cameras = [
        camera.model_copy(update={"credentials_file": str(settings.beside(camera.credentials_file))}) if camera.credentials_file else camera
        for camera in settings.site.cameras
    ]
    site = settings.site.model_copy(update={"cameras": cameras})
    asyncio.run(_until_signalled(site, door_path or str(settings.door_path)))
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
