"""One camera's sight: pictures in, readings of its zones out. Composes motion gate, model, tracks, zones and dwell.

Nothing here waits: the caller hands in pictures and times, so that a clip gives the same readings at any speed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.config.roles import ROLES
from gateway.config.site import Camera, PointSettings, Site
from gateway.core.reading import Quality, Reading
from gateway.vision import motion, presence, tracks, zones
from gateway.vision.picture import to_bgr
from models.runner import Found

Bytes = NDArray[np.uint8]


class Seen(Protocol):
    """A decoded picture, as the camera driver gives it."""

    @property
    def width_px(self) -> int: ...
    @property
    def height_px(self) -> int: ...
    @property
    def captured_s(self) -> float: ...
    @property
    def i420(self) -> Bytes: ...
    @property
    def luma(self) -> Bytes: ...


@dataclass(frozen=True, slots=True)
class Watch:
    """The points of one zone for which a person must stay equally long. counting: those that show how many, the others whether."""

    zone: str
    dwell_s: float
    points: tuple[str, ...]
    counting: frozenset[str]


class Eye:
    """State of one camera. detect: BGR picture -> what is in it. start, keep: scores of its model."""

    def __init__(self, camera: Camera, site: Site, detect: Callable[[Bytes], Found], start: float, keep: float) -> None:
        self._zones = camera.zones
        self._watches = watches_of(camera, site)
        self._detect = detect
        self._start, self._keep = start, keep
        self.looked = 0
        self.skipped = 0
        self.forget()

    def forget(self) -> None:
        """After blindness: who was there before is unknown now."""
        self._gate = motion.Gate()
        self._tracks = tracks.Tracks()
        self._presence = {(watch.zone, watch.dwell_s): presence.Presence() for watch in self._watches}

    def look(self, picture: Seen) -> list[Reading]:
        """One reading for each point of this camera, dated by the picture's capture. Raises ModelRefused when the model fails."""
        at_s = picture.captured_s
        self._gate, worth_it = motion.step(self._gate, picture.luma, at_s)
        if worth_it:
            self.looked += 1
            boxes, scores, _ = self._detect(to_bgr(picture.i420))
            self._tracks = tracks.step(self._tracks, boxes, scores, at_s, start=self._start, keep=self._keep)
        else:
            self.skipped += 1
            self._tracks = tracks.freeze(self._tracks, at_s)
        people = self._tracks.items
        feet = zones.feet(np.array([track.box for track in people]).reshape(-1, 4), picture.width_px, picture.height_px)
        readings = []
        for zone in self._zones:
            standing = {
                track.id: presence.Standing(track.seen_s, track.score, track.found)
                for track, within in zip(people, zones.inside(feet, zone.polygon), strict=True)
                if within
            }
            for watch in self._watches:
                if watch.zone == zone.id:
                    readings += self._stands(watch, standing, at_s)
        return readings

    def _stands(self, watch: Watch, standing: dict[int, presence.Standing], at_s: float) -> list[Reading]:
        now = presence.step(self._presence[watch.zone, watch.dwell_s], standing, at_s, watch.dwell_s)
        self._presence[watch.zone, watch.dwell_s] = now
        detail: dict[str, Any] = {"confidence": round(now.confidence, 2), "count": now.count}
        return [Reading(point, now.count if point in watch.counting else now.occupied, now_s=at_s, detail=detail) for point in watch.points]


def watches_of(camera: Camera, site: Site) -> list[Watch]:
    """What is looked for in each zone of a camera; a zone without points is looked at as well, for its own time."""
    watches = []
    for zone in camera.zones:
        points = [point for point in site.points if (point.camera, point.zone) == (camera.id, zone.id)]
        for dwell_s in dict.fromkeys([zone.dwell_s, *(dwell_of(point, zone.dwell_s) for point in points)]):
            here = [point for point in points if dwell_of(point, zone.dwell_s) == dwell_s]
            counting = frozenset(point.id for point in here if "measurement" in ROLES[point.role].kinds)
            watches.append(Watch(zone.id, dwell_s, tuple(point.id for point in here), counting))
    return watches


def dwell_of(point: PointSettings, zone_s: float) -> float:
    """Seconds that a person must stay for this point: its own, its role's, or those of the zone."""
    return point.dwell_s if point.dwell_s is not None else ROLES[point.role].dwell_s or zone_s


def blind_readings(camera: Camera, site: Site, reason: str, now_s: float) -> list[Reading]:
    """All points of a camera that cannot be judged: bad, never "nobody there"."""
    return [Reading(point.id, None, Quality.BAD, reason, now_s) for point in site.points if point.camera == camera.id]
