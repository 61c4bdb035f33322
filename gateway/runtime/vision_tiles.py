"""Small pictures of the cameras for the page, while somebody looks: boxes of people, zones and lines drawn in, masks black.

They lie in memory, never on the disk, one file a camera that the next one replaces, and go when nobody looks any more. Only pictures that
are judged anyway become one, at most one a second of each camera.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.config.settings import TILE_SUFFIX
from gateway.vision.mask import blackened
from gateway.vision.picture import to_bgr
from gateway.vision.tracks import Box

if TYPE_CHECKING:
    from gateway.config.site import Camera
    from gateway.runtime.vision_eye import Seen

PART_SUFFIX = ".part"
WIDTH_PX = 480
QUALITY = 70
EACH_S = 0.9  # pictures do not come to the millisecond: with 1.0 every fifth second would have none
LOOKED_S = 2.0  # the daemon says each half second who is looked at
ZONE, LINE, PERSON, INK = (0, 200, 255), (255, 160, 0), (60, 60, 255), (255, 255, 255)  # BGR

Bytes = NDArray[np.uint8]
Corner = tuple[float, float] | Sequence[float]

log = logging.getLogger(__name__)


class Tiles:
    """Those of all cameras of a site. now: monotonic seconds; zone: of the time that is written into each."""

    def __init__(self, folder: Path, cameras: Sequence[Camera], zone: str, now: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._now, self._zone = folder, now, ZoneInfo(zone)
        self._cameras: Mapping[str, Camera] = {camera.id: camera for camera in cameras}
        self._until_s: dict[str, float] = {}
        self._made_s: dict[str, float] = {}
        self._refused = ""
        self.clear()  # of a run that was killed

    def looked_at(self, cameras: Sequence[str]) -> None:
        """Somebody looks at these now."""
        self._until_s |= dict.fromkeys(cameras, self._now() + LOOKED_S)

    def due(self, camera: str) -> bool:
        """Whether the next picture of this camera shall become a tile."""
        now_s = self._now()
        return now_s < self._until_s.get(camera, 0.0) and now_s - self._made_s.get(camera, float("-inf")) >= EACH_S

    def make(self, camera: str, picture: Seen, people: Sequence[Box]) -> None:
        """Replaces the camera's tile. people: boxes xyxy in pixels of the picture. What the folder refuses is logged once."""
        settings = self._cameras[camera]
        self._made_s[camera] = self._now()
        at = datetime.fromtimestamp(time.time() - self._now() + picture.captured_s, self._zone)
        seen = drawn(picture.i420, settings, people, f"{at:%H:%M:%S}")
        body = cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
        try:
            self._put(camera, body)
        except OSError as error:
            self._say(f"{self._folder}: {error.strerror}")
        else:
            self._refused = ""

    def tidy(self) -> None:
        """What nobody looks at any more goes."""
        now_s = self._now()
        for camera in [camera for camera in self._made_s if now_s >= self._until_s.get(camera, 0.0)]:
            del self._made_s[camera]
            with suppress(OSError):
                (self._folder / f"{camera}{TILE_SUFFIX}").unlink(missing_ok=True)

    def clear(self) -> None:
        """All of them go, also of cameras that the site file no longer names, and their folder."""
        self._made_s.clear()
        with suppress(OSError):
            _ours(self._folder)
            for file in list(self._folder.iterdir()):
                if file.suffix in (TILE_SUFFIX, PART_SUFFIX):
                    file.unlink(missing_ok=True)
            self._folder.rmdir()

    def _put(self, camera: str, body: bytes) -> None:
        """Whole or not at all. Raises OSError."""
        with suppress(FileExistsError):
            self._folder.mkdir(mode=0o700)
        _ours(self._folder)
        part = self._folder / f"{camera}{PART_SUFFIX}"
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(body)
        part.replace(self._folder / f"{camera}{TILE_SUFFIX}")

    def _say(self, why: str) -> None:
        if why != self._refused:
            log.error("the page has no pictures of cameras: %s", why)
        self._refused = why


def _ours(folder: Path) -> None:
    """The place is open to every user of the machine. Raises PermissionError for a folder that another one made, or may read."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(1, "it is not a folder of our own that nobody else may read")


def drawn(i420: Bytes, camera: Camera, people: Sequence[Box], words: str) -> Bytes:
    """(H, W, 3) uint8 BGR, at most WIDTH_PX wide. i420 (H * 3 / 2, W) uint8; people: boxes xyxy in its pixels."""
    full_height, full_width = i420.shape[0] * 2 // 3, i420.shape[1]
    seen = to_bgr(blackened(i420, camera.masks))
    scale = min(1.0, WIDTH_PX / full_width)
    width, height = round(full_width * scale), round(full_height * scale)
    if scale < 1.0:
        seen = cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    for zone in camera.zones:
        cv2.polylines(seen, [_pixels(zone.polygon, width, height)], True, ZONE, 1, cv2.LINE_AA)
    for line in camera.lines:
        cv2.polylines(seen, [_pixels([line.start, line.end], width, height)], False, LINE, 2, cv2.LINE_AA)
    for box in people:
        left, top, right, bottom = (round(value * scale) for value in box)
        cv2.rectangle(seen, (left, top), (right, bottom), PERSON, 2)
    (wide, high), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
    cv2.rectangle(seen, (0, height - high - 10), (wide + 10, height), (0, 0, 0), cv2.FILLED)
    cv2.putText(seen, words, (5, height - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
    return seen


def _pixels(corners: Sequence[Corner], width: int, height: int) -> NDArray[np.int32]:
    return np.round(np.array(corners, np.float64) * (width, height)).astype(np.int32)
