"""One camera's sight: pictures in, readings of its zones and lines out. Composes motion gate, model, tracks, zones and dwell.

Nothing here waits: the caller hands in pictures and times, so that a clip gives the same readings at any speed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.config.site import Camera, Site
from gateway.core.reading import Quality, Reading
from gateway.core.said import about
from gateway.runtime.vision_watch import NO_VEHICLES, LineWatch, Watch, blind_readings, line_watches_of, watches_of
from gateway.vision import counting, following, lines, motion, objects, presence, zones
from gateway.vision.following import Following, normalised
from gateway.vision.picture import to_bgr
from gateway.vision.tracks import Box, Track
from models.runner import Found

Bytes = NDArray[np.uint8]

CROSSED_S = 2.0  # a line shows for so long that somebody crossed it
SETTLE_PICTURES = 6  # somebody who stands there is believed after five finds; before that, nobody can say that nobody is there
SETTLE_DWELL_MOST_S = 5.0  # of the time that somebody must stay, as much is waited for as well
LOOKING = "刚恢复，正在辨认 (just back, looking)"
_HALF = 2  # things that stand are looked for on every second pixel of the small plane

log = logging.getLogger(__name__)

__all__ = ["Eye", "Seen", "blind_readings"]


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


class Eye:
    """State of one camera. detect: BGR picture -> what is in it. start, keep: scores of its model; kinds: what it knows."""

    def __init__(
        self,
        camera: Camera,
        site: Site,
        detect: Callable[[Bytes], Found],
        start: float,
        keep: float,
        kinds: tuple[str, ...] = ("person",),
    ) -> None:
        self._settle_s = SETTLE_PICTURES / camera.analysed_fps
        self._polygons = {zone.id: zone.polygon for zone in camera.zones}
        self._ends = {line.id: (line.start, line.end) for line in camera.lines}
        self._watches = watches_of(camera, site)
        self._line_watches = line_watches_of(camera, site)
        self._detect, self._start, self._keep, self._kinds = detect, start, keep, kinds
        self._grounds: dict[str, objects.Ground] = {}
        self._crossings = {watch: lines.Crossings() for watch in self._line_watches}
        self.looked = 0
        self.skipped = 0
        self._size_px = (0, 0)
        self.hurry = False  # the next picture is looked at, worth it or not
        self.forget()
        watches: list[Watch | LineWatch] = [*self._watches, *self._line_watches]
        for watch in watches:
            if "vehicle" not in kinds and _needs_vehicles(watch):
                log.warning("camera %s, points %s: %s", camera.id, watch.points, NO_VEHICLES, extra=about(camera=camera.id))

    def forget(self) -> None:
        """After blindness: who was there before is unknown now. The bare ground, and how many passed, is still known."""
        self._began_s: float | None = None
        self.looked_at: tuple[Seen, tuple[Track, ...]] | None = None  # the last one, and whoever might be a person in it
        self._following = Following()
        self._presence = {watch: presence.Presence() for watch in self._watches}
        self._counts = {watch: counting.Count() for watch in self._watches}
        self._crossings = {watch: lines.Crossings({}, was.passed_in, was.passed_out) for watch, was in self._crossings.items()}
        self._crossed: dict[tuple[LineWatch, str | None], tuple[float, dict[str, Any]]] = {}

    @property
    def anybody(self) -> tuple[Track, ...]:
        """Whoever might be a person, the lost and the doubtful included; boxes in pixels of the picture that was looked at last."""
        return self._following.of("person")

    def look(self, picture: Seen) -> list[Reading]:
        """One reading for each point of this camera, dated by the picture's capture. Raises ModelRefused when the model fails."""
        at_s, size_px = picture.captured_s, (picture.width_px, picture.height_px)
        if size_px != self._size_px:  # boxes of before lie elsewhere now
            self.forget()
            self._size_px = size_px
        self._began_s = at_s if self._began_s is None else self._began_s
        plane = motion.shrink(picture.luma)
        self._following, worth_it = following.gate(self._following, plane, at_s)
        if worth_it or self.hurry:
            self.hurry = False
            self.looked += 1
            found = self._found(picture)
            self._following = following.looked(self._following, found, plane, at_s, size_px, start=self._start, keep=self._keep)
            self.looked_at = (picture, self.anybody)
        else:
            self.skipped += 1
            self._following = following.quiet(self._following, at_s)
        self._look_for_things(plane[::_HALF, ::_HALF], at_s, size_px)
        readings = [reading for watch in self._watches for reading in self._in_zone(watch, at_s, size_px)]
        return readings + [reading for watch in self._line_watches for reading in self._at_line(watch, at_s, size_px)]

    def _found(self, picture: Seen) -> dict[str, tuple[NDArray[np.floating], NDArray[np.floating]]]:
        boxes, scores, kinds = self._detect(to_bgr(picture.i420))
        return {kind: (boxes[kinds == place], scores[kinds == place]) for place, kind in enumerate(self._kinds)}

    def _tracks(self, sees: Collection[str]) -> dict[int, Track]:
        """Those that count, by number; vehicles have negative ones."""
        return {
            sign * track.id: track for kind, sign in (("person", 1), ("vehicle", -1)) if kind in sees for track in self._following.of(kind)
        }

    # --- zones ------------------------------------------------------------------------------------

    def _in_zone(self, watch: Watch, at_s: float, size_px: tuple[int, int]) -> list[Reading]:
        if watch.sees == {"vehicle"} and "vehicle" not in self._kinds:
            return [Reading(point, None, Quality.BAD, NO_VEHICLES, at_s) for point in watch.points]
        there = self._tracks(watch.sees)
        boxes = np.array([track.box for track in there.values()]).reshape(-1, 4)
        within = zones.inside(zones.feet(boxes, *size_px), self._polygons[watch.zone])
        standing = {
            number: presence.Standing(track.seen_s, track.score, track.believed, track.lost)
            for (number, track), inside in zip(there.items(), within, strict=True)
            if inside
        }
        now = self._presence[watch] = presence.step(self._presence[watch], standing, at_s, watch.dwell_s)
        count = self._counts[watch] = counting.step(self._counts[watch], now.count, at_s)
        occupied, detail = now.occupied, _detail(now, count.value, there.get(now.best), size_px)
        if "object" in watch.sees and (things := [thing for thing in self._grounds[watch.zone].things if thing.stood_s >= watch.dwell_s]):
            occupied, detail = True, _of_things(things, at_s)
        if not occupied and at_s - self._known_from_s < min(watch.dwell_s, SETTLE_DWELL_MOST_S):
            return [Reading(point, None, Quality.BAD, LOOKING, at_s) for point in watch.points]
        return [Reading(point, count.value if point in watch.counting else occupied, now_s=at_s, detail=detail) for point in watch.points]

    @property
    def _known_from_s(self) -> float:
        """Capture time from which somebody who stands there would have been found."""
        assert self._began_s is not None
        return self._began_s + self._settle_s

    def _look_for_things(self, plane: Bytes, at_s: float, size_px: tuple[int, int]) -> None:
        gate = self._following.gate
        people = [normalised(track.box, size_px) for track in self._following.of("person")]
        for zone in dict.fromkeys(watch.zone for watch in self._watches if "object" in watch.sees):
            before = self._grounds.get(zone)
            if before is None or before.inside.shape != plane.shape:
                before = objects.ground(self._polygons[zone], plane.shape[1], plane.shape[0])
            settling = at_s - gate.relit_s <= motion.RELIT_S
            self._grounds[zone] = objects.step(before, plane, at_s, people, settling=settling)

    # --- lines ------------------------------------------------------------------------------------

    def _at_line(self, watch: LineWatch, at_s: float, size_px: tuple[int, int]) -> list[Reading]:
        there = self._tracks(watch.sees)
        walkers = {number: _walker(track) for number, track in there.items()}
        start, end = ((x * size_px[0], y * size_px[1]) for x, y in self._ends[watch.line])
        now, crossed = lines.step(self._crossings[watch], walkers, start, end)
        self._crossings[watch] = now
        for number, way in crossed.items():
            detail = {"confidence": round(there[number].mean, 2), "direction": str(way), "frames": _frames(there[number], size_px)}
            self._crossed[watch, str(way)] = self._crossed[watch, None] = (at_s, detail)
        return [self._crossing(watch, point, direction, at_s) for point, direction in watch.points]

    def _crossing(self, watch: LineWatch, point: str, direction: str | None, at_s: float) -> Reading:
        passed = self._crossings[watch].passed(None if direction is None else lines.Way(direction))
        crossed_s, detail = self._crossed.get((watch, direction), (float("-inf"), {}))
        shown = at_s - crossed_s < CROSSED_S
        return Reading(
            point, passed if point in watch.counting else shown, now_s=at_s, detail={**(detail if shown else {}), "count": passed}
        )


def _needs_vehicles(watch: Watch | LineWatch) -> bool:
    return "vehicle" in watch.sees and "object" not in watch.sees


def _walker(track: Track) -> lines.Walker:
    left, top, right, bottom = track.box
    return lines.Walker(((left + right) / 2, bottom), bottom - top, track.believed)


def _detail(now: presence.Presence, count: int, best: Track | None, size_px: tuple[int, int]) -> dict[str, Any]:
    """What a reading of a zone says besides. frames: the last pictures in which the surest of those who count was found."""
    detail: dict[str, Any] = {"confidence": round(now.confidence, 2), "count": max(count, int(now.occupied))}
    return detail | ({"frames": _frames(best, size_px)} if best is not None else {})


def _of_things(things: list[objects.Thing], at_s: float) -> dict[str, Any]:
    frames = [{"at_s": round(at_s, 3), "box": _rounded(thing.box)} for thing in things[:5]]
    return {"count": len(things), "stood_s": round(max(thing.stood_s for thing in things)), "frames": frames}


def _frames(track: Track, size_px: tuple[int, int]) -> list[dict[str, Any]]:
    """The newest finds of a track: capture time, score, box xyxy normalised."""
    return [
        {"at_s": round(item.at_s, 3), "score": round(item.score, 2), "box": _rounded(normalised(item.box, size_px))} for item in track.last
    ]


def _rounded(box: Box) -> list[float]:
    return [round(value, 3) for value in box]
