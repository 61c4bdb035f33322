"""What a camera usually looks at, and how much of that is still there in a picture. Pure.

A view is kept as edges, not as brightness: lamps, dusk, fog and the infrared switch change how bright and how rich in contrast a
picture is, but not where its edges are and which way they run. All planes are of one size whatever the stream's, so that
a camera whose resolution is changed is still the same view.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Cells = NDArray[np.bool_]

FINE = (320, 180)  # width, height of the plane on which sharpness is judged
COARSE = (80, 45)  # and of the one for structure: a defocused picture still has it
CELLS = 5  # of the coarse plane, on each side of a block: 16 x 9 blocks
BURNT_LEVEL = 225  # limited range: white is 235
RAMP_CELLS = 2.5  # of the coarse plane: what changes more slowly is light, not structure
LEAST_EDGE = 1.0  # levels from cell to cell, root mean square: a block with less has no structure of its own
LEAST_DETAIL = 2.0  # levels of the fine plane, root mean square: less is the grain of the coding
LEAST_FINE_BLOCKS = 8  # of 144, to judge sharpness by
FAINT_SHARE = 0.12  # of the contrast of the clearest part of the picture
ALIKE = 0.5  # correlation of a block's edges with those of the view, from which it is still there
LEAST_BLOCKS = 12  # of 144: a view with less structure cannot be judged
SHIFT_LEAST = 0.025  # of the picture's width or height; a pole in the wind moves less
SHIFT_PEAK = 0.12  # of the phase correlation, 0..1


@dataclass(frozen=True, slots=True)
class Look:
    """One picture, or the mean of several, made small. Levels 0..255.

    plane: (45, 80); edges: (45, 80, 2) slopes to the right and down; detail: (180, 320) what is finer than about 3 px of it.
    blank: (45, 80) True where the look was stored without what is masked, until it is learned again; None where all is known.
    """

    plane: Floats
    edges: Floats
    detail: Floats
    blank: Cells | None = None


@dataclass(frozen=True, slots=True)
class Light:
    """Of one picture: darkest and brightest levels (2nd and 98th of 100), mean, share burnt out, mean difference of colour (levels)."""

    low: float
    high: float
    mean: float
    burnt_share: float
    colour: float


def look(luma: Bytes) -> Look:
    """Luma (H, W) uint8 made small."""
    fine = cv2.resize(luma, FINE, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(fine, COARSE, interpolation=cv2.INTER_AREA).astype(np.float32)
    floats = fine.astype(np.float32)
    detail = np.asarray(floats - cv2.GaussianBlur(floats, (0, 0), 1.5), np.float32)
    return Look(coarse, _edges(coarse), detail)


def again(plane: Floats, detail: Floats, blank: Cells | None = None) -> Look:
    """A look from its planes, as they were stored. A block that is blank in part has no structure: nothing is asked of it."""
    if blank is None or not blank.any():
        return Look(plane, _edges(plane), detail)
    edges = _edges(np.where(blank, plane[~blank].mean(), plane).astype(np.float32) if not blank.all() else plane)
    near = cv2.dilate(blank.astype(np.uint8), np.ones((3, 3), np.uint8))  # slopes reach one cell further
    blocks = _sum(near[..., None].astype(np.float32)) > 0
    edges[blocks.repeat(CELLS, 0).repeat(CELLS, 1)] = 0
    return Look(plane, edges, detail, blank)


def blanked(look: Look, blank: Cells) -> Look:
    """The same, flat where it is blank (45, 80): in plane and detail nothing is left of what was there."""
    blank = blank if look.blank is None else blank | look.blank
    fine = blank.repeat(FINE[1] // COARSE[1], 0).repeat(FINE[0] // COARSE[0], 1)
    return again(np.where(blank, np.float32(0), look.plane), np.where(fine, np.float32(0), look.detail), blank)


def filled(before: Look, now: Look) -> Look:
    """What is blank in `before`, taken from `now`."""
    if before.blank is None:
        return before
    fine = before.blank.repeat(FINE[1] // COARSE[1], 0).repeat(FINE[0] // COARSE[0], 1)
    return again(np.where(before.blank, now.plane, before.plane), np.where(fine, now.detail, before.detail))


def light(luma: Bytes, chroma: Bytes) -> Light:
    """chroma: both planes as they follow the luma in I420."""
    few = luma[::8, ::8]
    low, high = np.percentile(few, (2, 98))
    return Light(float(low), float(high), float(few.mean()), float((few >= BURNT_LEVEL).mean()), _colour(chroma))


def _colour(chroma: Bytes) -> float:
    """Mean distance of the chroma from its own mean: an infrared picture may have a tint, but no colours."""
    if not chroma.size:
        return 0.0
    half = len(chroma) // 2
    planes = [plane[::4, ::8].astype(np.float32) for plane in (chroma[:half], chroma[half:])]
    return max(float(np.abs(plane - plane.mean()).mean()) for plane in planes)


def blend(before: Look, now: Look, weight: float) -> Look:
    """The mean of both, which have nothing blank; weight of `now` 0..1."""
    plane = (before.plane + weight * (now.plane - before.plane)).astype(np.float32)
    detail = (before.detail + weight * (now.detail - before.detail)).astype(np.float32)
    return Look(plane, _edges(plane), detail)


def blocks_with_structure(edges: Floats) -> NDArray[np.bool_]:
    """(9, 16): which blocks have edges of their own."""
    return _sum(edges * edges) >= LEAST_EDGE**2 * CELLS * CELLS


def can_be_judged(view: Look) -> bool:
    """Whether there is enough structure to notice its absence."""
    return int(blocks_with_structure(view.edges).sum()) >= LEAST_BLOCKS


def kept_share(view: Floats, now: Floats, structured: NDArray[np.bool_] | None = None) -> float:
    """Share 0..1 of the view's structured blocks whose edges run as they did, whatever their contrast. Edges as in Look."""
    structured = blocks_with_structure(view) if structured is None else structured
    if not structured.any():
        return 0.0
    return float((_alike(view, now)[structured] >= ALIKE).mean())


def blank_share(view: Floats, now: Floats) -> float:
    """Of the view's structured blocks that are gone, the share 0..1 in which nothing else is to be seen; 0 when none are gone."""
    gone = blocks_with_structure(view) & (_alike(view, now) < ALIKE)
    return float((~_has_edges(_sum(view * view), _sum(now * now)))[gone].mean()) if gone.any() else 0.0


def seen_share(view: Floats, now: Floats) -> float:
    """Of the view's structured blocks, the share 0..1 in which something is to be seen, be it what was there or another thing."""
    structured = blocks_with_structure(view)
    seen = blocks_with_structure(now) & _has_edges(_sum(view * view), _sum(now * now))
    return float(seen[structured].mean()) if structured.any() else 0.0


def sharpness_ratio(view: Look, now: Look) -> float:
    """How much of the view's fine detail is left, as a share of how much of its coarse contrast is left; about 1 in any light.

    Strengths are compared, not places: a pole that sways by a pixel is not out of focus. Noise adds to what is left, so that much of it
    hides a blur, and none is invented. Only blocks that are still there count.
    """
    cells = (FINE[0] // COARSE[0] * CELLS) * (FINE[1] // COARSE[1] * CELLS)
    there = blocks_with_structure(view.edges) & (_alike(view.edges, now.edges) >= ALIKE)
    there &= _sum_fine(view.detail * view.detail) >= LEAST_DETAIL**2 * cells
    if there.sum() < LEAST_FINE_BLOCKS:
        return 1.0
    coarse = _median_ratio(_sum(now.edges * now.edges)[there], _sum(view.edges * view.edges)[there])
    fine = _median_ratio(_sum_fine(now.detail * now.detail)[there], _sum_fine(view.detail * view.detail)[there])
    return fine / max(coarse, 1e-6)


def shift(view: Look, now: Look) -> tuple[float, float] | None:
    """By how much of its width and height the picture is shifted against the view; None where no shift explains it."""
    window = cv2.createHanningWindow(COARSE, cv2.CV_32F)
    planes = [view.plane.copy(), now.plane.copy()]  # it writes into planes of a size that suits it
    if view.blank is not None:
        if view.blank.all():
            return None
        for plane in planes:  # the same everywhere where nothing is known, without a step at its border that would stand still
            plane -= plane[~view.blank].mean()
            plane[view.blank] = 0
        window = window * cv2.GaussianBlur((~view.blank).astype(np.float32), (0, 0), RAMP_CELLS)
    (dx, dy), peak = cv2.phaseCorrelate(planes[0], planes[1], window)
    if peak < SHIFT_PEAK:
        return None
    return float(dx) / COARSE[0], (float(dy) - 0.5) / COARSE[1]  # the middle of an odd number of rows lies half a row further


def is_shifted(view: Look, now: Look, kept: float) -> bool:
    """Whether the picture is the view moved aside: shifted back, more of it is there than as it stands (`kept`)."""
    found = shift(view, now)
    if found is None or max(abs(found[0]), abs(found[1])) < SHIFT_LEAST:
        return False
    dx, dy = round(found[0] * COARSE[0]), round(found[1] * COARSE[1])
    if abs(dx) > COARSE[0] // 2 or abs(dy) > COARSE[1] // 2:
        return False
    back = np.roll(now.edges, (-dy, -dx), axis=(0, 1))
    inside = np.zeros(COARSE[::-1], np.float32)
    inside[max(0, -dy) : COARSE[1] - max(0, dy), max(0, -dx) : COARSE[0] - max(0, dx)] = 1.0
    structured = blocks_with_structure(view.edges) & (_sum(inside[..., None].repeat(2, 2)) >= CELLS * CELLS)
    if structured.sum() < LEAST_BLOCKS // 2:
        return False
    return kept_share(view.edges, back, structured) >= max(0.5, kept + 0.2)


def _edges(plane: Floats) -> Floats:
    """Slopes of what is finer than a block: the slow ramps of a cloth or a lamp's glow are no structure."""
    plane = np.asarray(plane - cv2.GaussianBlur(plane, (0, 0), RAMP_CELLS), np.float32)
    out = np.zeros((*plane.shape, 2), np.float32)
    out[:, 1:-1, 0] = (plane[:, 2:] - plane[:, :-2]) / 2
    out[1:-1, :, 1] = (plane[2:, :] - plane[:-2, :]) / 2
    return out


def _alike(view: Floats, now: Floats) -> Floats:
    """(9, 16): correlation -1..1 of each block's edges; 0 where the picture has none."""
    both, of_view, of_now = _sum(view * now), _sum(view * view), _sum(now * now)
    return np.asarray(np.where(_has_edges(of_view, of_now), both / np.maximum(np.sqrt(of_view * of_now), 1e-6), 0.0), np.float32)


def _has_edges(of_view: Floats, of_now: Floats) -> NDArray[np.bool_]:
    """Which blocks of the picture have any: above noise, and not far weaker than in the clearest part of the picture (paint)."""
    contrast = np.sqrt(of_now / np.maximum(of_view, 1e-6))
    structured = of_view >= LEAST_EDGE**2 * CELLS * CELLS
    clearest = float(np.percentile(contrast[structured], 90)) if structured.any() else 0.0
    floor = (LEAST_EDGE * 0.35) ** 2 * CELLS * CELLS
    return np.asarray((of_now >= floor) & (contrast >= FAINT_SHARE * min(1.0, clearest)))


def _sum(values: Floats) -> Floats:
    """(45, 80, 2) -> (9, 16): the sum over each block."""
    rows, columns = COARSE[1] // CELLS, COARSE[0] // CELLS
    return np.asarray(values.reshape(rows, CELLS, columns, CELLS, -1).sum(axis=(1, 3, 4)), np.float32)


def _sum_fine(values: Floats) -> Floats:
    """(180, 320) -> (9, 16)."""
    rows, columns = COARSE[1] // CELLS, COARSE[0] // CELLS
    return np.asarray(values.reshape(rows, FINE[1] // rows, columns, FINE[0] // columns).sum(axis=(1, 3)), np.float32)


def _median_ratio(now: Floats, view: Floats) -> float:
    """Of amplitudes; the median, so that what has come before a few blocks does not speak for all."""
    return float(np.sqrt(np.median(now / np.maximum(view, 1e-6))))
