"""What stands in a zone where nothing stood: boxes, bicycles, stalls, cars, whether a network knows them or not. Pure; capture times.

It needs no model: what differs from a slow picture of the bare ground, keeps still, and is no person. Changes of light are told from
things by their evenness: a shadow makes every pixel of a place darker by the same ratio, a thing has faces and edges. What was there
when the picture of the ground was made and is taken away leaves a hole, whose outline is in the ground and not in the picture.
Limits: something of one even tone on even ground looks like a shadow, and what stands there from the beginning belongs to the ground.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Box = tuple[float, float, float, float]

EACH_S = 1.0  # nothing that stands is missed by looking once a second
GAP_MOST_S = 5.0  # a longer gap between two pictures is not counted as standing
GROUND_S = 300.0  # in which the ground follows daylight
SETTLED_S = 3.0  # what has kept still for so long is judged: a thing, or the light
LEAST_DIFFERENCE = 12.0  # of 255
SMALLEST_SHARE = 0.03  # of the zone, so that a bag passes and a box does not
SMALLEST_PX = 25  # of the small plane
EVEN = 0.10  # spread (standard deviation) of the logarithm of the ratio within a shadow or a patch of light
HOLE_RATIO = 1.3  # outline in the ground over outline in the picture, from where on it is a hole
GONE_SHARE = 0.35  # of the box of a thing that has changed when the thing is gone: a bicycle fills half of its box
PADDING = 0.15  # around people, who cast shadows and carry bags


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that stands. box: xyxy normalised; stood_s: for how long; share: of the zone that it takes."""

    box: Box
    stood_s: float
    share: float


@dataclass(frozen=True, slots=True)
class Ground:
    """One zone. inside: its pixels on the small plane; bare: the ground without things; before: the picture before.

    stood_s: per pixel, for how long something has stood there; held: places of things that stood there when the light was switched.
    """

    inside: Bools
    bare: Floats | None = None
    before: Floats | None = None
    stood_s: Floats | None = None
    held: Bools | None = None
    at_s: float = float("-inf")
    things: tuple[Thing, ...] = ()


def ground(polygon: Sequence[tuple[float, float]], width_px: int, height_px: int) -> Ground:
    """A zone (normalised corners) that nothing is known of yet, for planes of that size."""
    corners = np.array([(round(x * width_px), round(y * height_px)) for x, y in polygon], np.int32)
    return Ground(cv2.fillPoly(np.zeros((height_px, width_px), np.uint8), [corners], 1).astype(np.bool_))


def step(before: Ground, plane: Bytes, at_s: float, people: Iterable[Box], *, settling: bool) -> Ground:
    """The zone after a picture: plane (H, W) uint8 small and blurred, people: boxes xyxy normalised, which are no things.

    settling: the light was switched a moment ago; what stood keeps standing and the ground is learned anew.
    """
    now = plane.astype(np.float32)
    elapsed_s = at_s - before.at_s
    if before.bare is None or before.before is None or before.stood_s is None or before.bare.shape != now.shape:
        return Ground(before.inside, now, now, np.zeros(now.shape, np.float32), np.zeros(now.shape, np.bool_), at_s)
    if elapsed_s < EACH_S:
        return before
    elapsed_s = min(elapsed_s, GAP_MOST_S)
    assert before.held is not None
    if settling:
        held = before.held | _marks(before.things, now.shape)
        return Ground(before.inside, now, now, np.where(held, before.stood_s + elapsed_s, 0).astype(np.float32), held, at_s, before.things)
    apart = now - before.bare
    light = float(np.median(apart))
    differs = np.abs(apart - light) > LEAST_DIFFERENCE
    covered = _covered(people, now.shape)
    keeps_still = np.abs(now - before.before) <= LEAST_DIFFERENCE
    held = before.held & ~_taken_away(before.held, differs & keeps_still & ~covered)
    gone = before.held & ~held
    stands = (differs & keeps_still & ~covered & ~gone) | held
    free = ~differs & ~covered & ~held
    moves = differs & ~keeps_still & ~covered & ~held
    stood_s = np.where(stands, before.stood_s + elapsed_s, before.stood_s)
    stood_s = np.where(moves, np.maximum(0.0, before.stood_s - 2 * elapsed_s), np.where(free | gone, 0.0, stood_s)).astype(np.float32)
    bare = np.where(gone, now, before.bare)
    bare = np.where(free, bare + elapsed_s / GROUND_S * (now - bare), bare).astype(np.float32)
    things, nothing = _things((stood_s >= SETTLED_S) & before.inside, now, bare, stood_s, held, before.inside)
    bare, stood_s = np.where(nothing, now, bare), np.where(nothing, 0.0, stood_s).astype(np.float32)
    return Ground(before.inside, bare.astype(np.float32), now, stood_s, held, at_s, things)


def _things(marked: Bools, now: Floats, bare: Floats, stood_s: Floats, held: Bools, inside: Bools) -> tuple[tuple[Thing, ...], Bools]:
    """What stands there, and the places where only the light changed or something was taken away."""
    nothing = np.zeros(marked.shape, np.bool_)
    things = []
    height, width = marked.shape
    zone_px = max(1, int(inside.sum()))
    whole = cv2.morphologyEx(marked.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))  # where two of its faces meet
    count, labels, stats, _ = cv2.connectedComponentsWithStats(whole)
    for label in range(1, count):
        left, top, wide, high, area = (int(value) for value in stats[label])
        if area < max(SMALLEST_PX, SMALLEST_SHARE * zone_px):
            continue
        place = labels == label
        if not np.any(place & held) and (_is_light(place, now, bare) or _is_hole(place, now, bare)):
            nothing |= place
            continue
        box = (left / width, top / height, (left + wide) / width, (top + high) / height)
        things.append(Thing(box, float(np.median(stood_s[place])), area / zone_px))
    return tuple(things), nothing


def _is_light(place: Bools, now: Floats, bare: Floats) -> bool:
    inner = cv2.erode(place.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2).astype(np.bool_)
    if inner.sum() < SMALLEST_PX // 2:
        inner = place
    ratio = np.log((now[inner] + 1.0) / (bare[inner] + 1.0))
    return float(ratio.std()) < EVEN


def _is_hole(place: Bools, now: Floats, bare: Floats) -> bool:
    cross = np.ones((3, 3), np.uint8)
    outline = (cv2.dilate(place.astype(np.uint8), cross, iterations=2) - cv2.erode(place.astype(np.uint8), cross)).astype(np.bool_)
    return float(_edges(bare)[outline].mean()) > HOLE_RATIO * float(_edges(now)[outline].mean())


def _edges(plane: Floats) -> Floats:
    edges: Floats = cv2.magnitude(cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1)).astype(np.float32)
    return edges


def _taken_away(held: Bools, changed: Bools) -> Bools:
    """Those of the held places of which most has changed since the light was switched."""
    gone = np.zeros(held.shape, np.bool_)
    if held.any():
        count, labels = cv2.connectedComponents(held.astype(np.uint8))
        for label in range(1, count):
            place = labels == label
            if changed[place].mean() >= GONE_SHARE:
                gone |= place
    return gone


def _covered(people: Iterable[Box], shape: tuple[int, ...]) -> Bools:
    covered = np.zeros(shape, np.bool_)
    for left, top, right, bottom in people:
        wide, high = PADDING * (right - left), PADDING * (bottom - top)
        _mark(covered, (left - wide, top - high, right + wide, bottom + high))
    return covered


def _marks(things: Iterable[Thing], shape: tuple[int, ...]) -> Bools:
    marked = np.zeros(shape, np.bool_)
    for thing in things:
        _mark(marked, thing.box)
    return marked


def _mark(marked: Bools, box: Box) -> None:
    height, width = marked.shape
    left, top, right, bottom = (max(0.0, value) for value in box)
    marked[int(top * height) : int(np.ceil(bottom * height)), int(left * width) : int(np.ceil(right * width))] = True
