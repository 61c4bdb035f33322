"""One person followed across pictures: greedy overlap with two thresholds. Pure; times are capture times.

A high score begins a track, a lower one continues it. A quiet picture (the motion gate saw nothing) freezes
tracks and never ends them: a person who stands still is still there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Box = tuple[float, float, float, float]

MIN_IOU = 0.2  # of a walker's boxes 0.2 s apart; below it another person is assumed
LOST_S = 1.0  # a track that nothing continued for so long has left


@dataclass(frozen=True, slots=True)
class Track:
    """A person. box: xyxy in pixels of the picture; seen_s: capture time at which it was last known to be there.

    missed_s: seconds of looked-at pictures since it was found; 0 while it is being found.
    """

    id: int
    box: Box
    score: float
    began_s: float
    seen_s: float
    missed_s: float = 0.0
    found: int = 1


@dataclass(frozen=True, slots=True)
class Tracks:
    """All tracks of one camera; at_s: capture time of the picture before."""

    items: tuple[Track, ...] = ()
    at_s: float | None = None
    next_id: int = 1


def step(tracks: Tracks, boxes: Floats, scores: Floats, at_s: float, *, start: float, keep: float) -> Tracks:
    """Tracks after a picture that was looked at: boxes (N, 4) xyxy in pixels, scores (N,). start >= keep, scores 0..1."""
    elapsed_s = 0.0 if tracks.at_s is None else max(0.0, at_s - tracks.at_s)
    free = [i for i in np.argsort(-scores, kind="stable").tolist() if scores[i] >= keep]
    followed: dict[int, int] = {}
    pairs = sorted(
        ((iou(track.box, _box(boxes[i])), k, i) for k, track in enumerate(tracks.items) for i in free),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    for overlap, k, i in pairs:
        if overlap >= MIN_IOU and k not in followed and i in free:
            followed[k] = i
            free.remove(i)
    items = []
    for k, track in enumerate(tracks.items):
        if k in followed:
            i = followed[k]
            items.append(replace(track, box=_box(boxes[i]), score=float(scores[i]), seen_s=at_s, missed_s=0.0, found=track.found + 1))
        elif track.missed_s + elapsed_s <= LOST_S:
            items.append(replace(track, missed_s=track.missed_s + elapsed_s))
    next_id = tracks.next_id
    for i in free:
        if scores[i] >= start:
            items.append(Track(next_id, _box(boxes[i]), float(scores[i]), at_s, at_s))
            next_id += 1
    return Tracks(tuple(items), at_s, next_id)


def freeze(tracks: Tracks, at_s: float) -> Tracks:
    """Tracks after a quiet picture: who was there is still there; the clock of those not found stands still."""
    items = tuple(replace(track, seen_s=at_s) if track.missed_s == 0.0 else track for track in tracks.items)
    return replace(tracks, items=items, at_s=at_s)


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes xyxy, 0..1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def _box(row: Floats) -> Box:
    left, top, right, bottom = row.tolist()
    return left, top, right, bottom
