"""People (or vehicles) followed across pictures, each by a number of its own. Pure; times are capture times.

As ByteTrack does: what scores high is assigned to tracks first, then what scores low to the tracks that are left; only a high
score begins a track. Each track is looked for where it would be by now at its last speed. One that is hidden (behind a lamp
post, behind others) is remembered for a while and taken up again near where it was to be expected. Nothing about anybody's
looks is kept: only boxes, scores and times. A quiet picture freezes tracks and never ends them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.vision.assign import assign

Floats = NDArray[np.floating]
Box = tuple[float, float, float, float]

MIN_IOU = 0.2  # of a walker's boxes 0.2 s apart, the older one moved on; below it another person is assumed
LOST_S = 1.0  # who was not found for so long is no longer known to be there, but remembered
REMEMBERED_S = 2.0  # as long as a walker is behind a lamp post or another person
STOOD_REMEMBERED_S = 10.0  # as long as a bus stops before somebody who stands
STANDS_PER_S = 0.1  # of its own height: who moves less stands
REACH = 0.5  # of its own height: how far from the expected place somebody who was hidden may turn up
REACH_PER_S = 0.5  # and so much farther for each second hidden
SAME_HEIGHT = 0.7  # the smaller height over the larger, of one who turns up again
SAME_SIZE = 0.5  # and of one who was never out of sight: legs may be hidden from one picture to the next
SPEED_GAIN = 0.4  # share of a new displacement in the speed: boxes tremble by some pixels
SAME_BOX = 0.4  # a second box that overlaps a followed person so much is the same person
MOVED = 0.1  # of its own height: who has moved so far is no post and no traffic cone
MOVED_BELOW = 0.05  # and its finds score at most so much below `start` on average
SURE_FOUND, SURE_ABOVE = 5, 0.05  # who never moved is believed after so many finds that score so much above `start` on average
MIN_STRONG = 2  # one picture alone is not a person: so many finds must have scored as high as what begins a track
KEPT = 5


class Sighting(NamedTuple):
    """One find of a track. at_s: capture time; box: xyxy in pixels."""

    at_s: float
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class Track:
    """One person. box: xyxy in pixels of the picture, where it was last found at `found_s`; seen_s: when it was last known to be there.

    missed_s: seconds of looked-at pictures since it was found; 0 while it is being found. speed: of the box's centre, px/s.
    found, strong: finds, and those that scored from `start` up; mean: of all scores. moved: it has left `first`, where it began.
    last: the newest few finds, oldest first.
    """

    id: int
    box: Box
    score: float
    began_s: float
    seen_s: float
    missed_s: float = 0.0
    found: int = 1
    speed: tuple[float, float] = (0.0, 0.0)
    strong: int = 1
    found_s: float = 0.0
    mean: float = 0.0
    moved: bool = False
    start: float = 0.5
    first: Box = (0.0, 0.0, 0.0, 0.0)
    last: tuple[Sighting, ...] = ()

    @property
    def lost(self) -> bool:
        """It was not found for so long that nobody knows whether it is still there."""
        return self.missed_s > LOST_S

    @property
    def stands(self) -> bool:
        """It did not walk when it was last found."""
        return math.hypot(*self.speed) < STANDS_PER_S * (self.box[3] - self.box[1])

    @property
    def believed(self) -> bool:
        """It is somebody: found for certain more than once, and either it moves or it has always scored high."""
        moves = self.moved and self.mean >= self.start - MOVED_BELOW
        return self.strong >= MIN_STRONG and (moves or (self.found >= SURE_FOUND and self.mean >= self.start + SURE_ABOVE))


Cost = Callable[[Track, Sighting, float], float]  # 0: certainly the same, above 1: never


@dataclass(frozen=True, slots=True)
class Tracks:
    """All tracks of one camera; at_s: capture time of the picture before."""

    items: tuple[Track, ...] = ()
    at_s: float | None = None
    next_id: int = 1


def step(
    tracks: Tracks, boxes: Floats, scores: Floats, at_s: float, *, start: float, keep: float, still: Collection[int] = frozenset()
) -> Tracks:
    """Tracks after a picture that was looked at: boxes (N, 4) xyxy in pixels, scores (N,). start >= keep, scores 0..1.

    still: ids of tracks whose place in the picture looks as it did when they were last found; they are there, found or not.
    """
    elapsed_s = 0.0 if tracks.at_s is None else max(0.0, at_s - tracks.at_s)
    found = [Sighting(at_s, float(score), _box(box)) for box, score in zip(boxes, scores, strict=True) if score >= keep]
    high, low = [item for item in found if item.score >= start], [item for item in found if item.score < start]
    followed: dict[int, Sighting] = {}
    present = [track for track in tracks.items if not track.lost]
    high = _follow(present, high, at_s, followed, _by_overlap)
    low = _follow(present, low, at_s, followed, _by_overlap)
    high = _follow(tracks.items, high, at_s, followed, _by_distance)
    items = []
    for track in tracks.items:
        if track.id in followed:
            items.append(_found(track, followed[track.id]))
        elif track.id in still and not track.lost:
            items.append(replace(track, seen_s=at_s, missed_s=0.0, speed=(0.0, 0.0)))
        elif track.missed_s + elapsed_s <= _remembered_s(track):
            items.append(replace(track, missed_s=track.missed_s + elapsed_s))
    next_id = tracks.next_id
    for item in sorted(high, key=lambda item: -item.score):
        if all(iou(item.box, track.box) < SAME_BOX for track in items if track.missed_s == 0.0):
            items.append(
                Track(next_id, item.box, item.score, at_s, at_s, found_s=at_s, mean=item.score, start=start, first=item.box, last=(item,))
            )
            next_id += 1
    return Tracks(tuple(items), at_s, next_id)


def freeze(tracks: Tracks, at_s: float) -> Tracks:
    """Tracks after a quiet picture: who was there is still there; the clock of those not found stands still."""
    items = tuple(replace(track, seen_s=at_s, speed=(0.0, 0.0)) if track.missed_s == 0.0 else track for track in tracks.items)
    return replace(tracks, items=items, at_s=at_s)


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes xyxy, 0..1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def expected(track: Track, at_s: float) -> Box:
    """Where the track's box is by `at_s`, if it went on as it did."""
    ahead_s = 0.0 if track.stands else min(at_s - track.found_s, REMEMBERED_S)
    x, y = track.speed[0] * ahead_s, track.speed[1] * ahead_s
    return track.box[0] + x, track.box[1] + y, track.box[2] + x, track.box[3] + y


def _follow(tracks: Collection[Track], found: list[Sighting], at_s: float, followed: dict[int, Sighting], cost: Cost) -> list[Sighting]:
    """Assigns finds to those tracks that have none yet, into `followed`; gives the finds that are left."""
    waiting = [track for track in tracks if track.id not in followed]
    costs = np.array([[cost(track, item, at_s) for item in found] for track in waiting]).reshape(len(waiting), len(found))
    taken = assign(costs, 1.0)
    followed.update((waiting[row].id, found[column]) for row, column in taken)
    columns = {column for _, column in taken}
    return [item for column, item in enumerate(found) if column not in columns]


def _by_overlap(track: Track, item: Sighting, at_s: float) -> float:
    """0 for the same box, 1 for one that overlaps just enough; beyond 1 where the size is another."""
    if _size_ratio(track.box, item.box) < SAME_SIZE:
        return 2.0
    return (1.0 - iou(expected(track, at_s), item.box)) / (1.0 - MIN_IOU)


def _by_distance(track: Track, item: Sighting, at_s: float) -> float:
    """0 for the expected place, 1 for one that is just within reach; beyond 1 where the size is another."""
    box = expected(track, at_s)
    if not track.believed or _size_ratio(box, item.box) < SAME_HEIGHT:
        return 2.0
    away = math.dist(_centre(box), _centre(item.box)) / (box[3] - box[1])
    return away / (REACH + (0.0 if track.stands else REACH_PER_S * track.missed_s))


def _remembered_s(track: Track) -> float:
    if not track.believed:
        return LOST_S
    return STOOD_REMEMBERED_S if track.stands else REMEMBERED_S


def _size_ratio(a: Box, b: Box) -> float:
    """The smaller height over the larger, 0..1."""
    first, second = a[3] - a[1], b[3] - b[1]
    return min(first, second) / max(first, second, 1.0)


def _found(track: Track, item: Sighting) -> Track:
    gap_s = item.at_s - track.found_s
    (x, y), (nx, ny) = _centre(track.box), _centre(item.box)
    gain = SPEED_GAIN if track.found > 1 else 1.0
    speed = track.speed
    if gap_s > 0:
        speed = (speed[0] + gain * ((nx - x) / gap_s - speed[0]), speed[1] + gain * ((ny - y) / gap_s - speed[1]))
    found = track.found + 1
    (fx, fy), height = _centre(track.first), track.first[3] - track.first[1]
    return replace(
        track,
        box=item.box,
        score=item.score,
        seen_s=item.at_s,
        found_s=item.at_s,
        missed_s=0.0,
        found=found,
        strong=track.strong + (item.score >= track.start),
        speed=speed,
        mean=track.mean + (item.score - track.mean) / found,
        moved=track.moved or math.hypot(nx - fx, ny - fy) > MOVED * height,
        last=(*track.last, item)[-KEPT:],
    )


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _box(row: Floats) -> Box:
    left, top, right, bottom = row.tolist()
    return left, top, right, bottom
