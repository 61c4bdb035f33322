"""From pictures to people (and vehicles) with numbers: the motion gate and the tracks of one camera taken together. Pure; capture times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gateway.vision import motion, tracks
from gateway.vision.tracks import Box, Track, Tracks

Bytes = NDArray[np.uint8]
Floats = NDArray[np.floating]

STILL_MOST_S = 120.0  # nobody is vouched for longer by a place that looks as it did: the picture might be too dark to tell
MOST_SHARE = 0.7  # of the picture: what fills it is no person in a zone; somebody so near covers the camera, which is told as such
_NOBODY = Tracks()


@dataclass(frozen=True, slots=True)
class Following:
    """One camera. tracks: by kind. planes: by kind and track, the small plane on which it was last found."""

    gate: motion.Gate = field(default_factory=motion.Gate)
    tracks: Mapping[str, Tracks] = field(default_factory=dict)
    planes: Mapping[tuple[str, int], Bytes] = field(default_factory=dict)

    def of(self, kind: str) -> tuple[Track, ...]:
        """All tracks of a kind, those that are lost included."""
        return self.tracks.get(kind, _NOBODY).items


def gate(before: Following, plane: Bytes, at_s: float) -> tuple[Following, bool]:
    """Whether the picture captured at `at_s` is worth looking at; plane: its luma, made small by motion.shrink."""
    items = [track for each in before.tracks.values() for track in each.items]
    doubt = any(track.missed_s > 0.0 and not track.lost for track in items)
    after, worth = motion.step(before.gate, plane, at_s, people=bool(items), doubt=doubt)
    return replace(before, gate=after), worth


def looked(
    before: Following,
    found: Mapping[str, tuple[Floats, Floats]],
    plane: Bytes,
    at_s: float,
    size_px: tuple[int, int],
    *,
    start: float,
    keep: float,
) -> Following:
    """After a picture of `size_px` (width, height) that was looked at. found: by kind boxes (N, 4) xyxy in pixels, and scores (N,)."""
    after: dict[str, Tracks] = {}
    planes: dict[tuple[str, int], Bytes] = {}
    difference = motion.difference_of(before.gate)
    for kind, (boxes, scores) in found.items():
        fits = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) <= MOST_SHARE * size_px[0] * size_px[1]
        still = {
            track.id
            for track in before.of(kind)
            if track.believed
            and track.stands
            and sum(item.score for item in track.last) >= start * len(track.last)
            and at_s - track.found_s <= STILL_MOST_S
            and (then := before.planes.get((kind, track.id))) is not None
            and motion.unchanged(then, plane, normalised(track.box, size_px), difference)
        }
        after[kind] = tracks.step(before.tracks.get(kind, _NOBODY), boxes[fits], scores[fits], at_s, start=start, keep=keep, still=still)
        for track in after[kind].items:
            planes[kind, track.id] = plane if track.found_s == at_s else before.planes.get((kind, track.id), plane)
    return Following(before.gate, after, planes)


def quiet(before: Following, at_s: float) -> Following:
    """After a picture in which nothing moved."""
    return replace(before, tracks={kind: tracks.freeze(each, at_s) for kind, each in before.tracks.items()})


def normalised(box: Box, size_px: tuple[int, int]) -> Box:
    """A box in pixels of a picture of (width, height) as shares of it, 0..1."""
    width, height = size_px
    left, top, right, bottom = box
    return max(0.0, left / width), max(0.0, top / height), min(1.0, right / width), min(1.0, bottom / height)
