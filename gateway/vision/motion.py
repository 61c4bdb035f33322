"""Is it worth looking for people in this picture? A gate on a small luma plane, before the costly part. Pure; capture times.

It opens when the picture differs from the one before, or from a slow average of the last seconds (somebody who creeps). How much
is a difference goes by the contrast and the noise of the scene: a lit yard has more of both than a night. Looking goes on for
a while after the last motion, and happens each few seconds anyway. When the light is switched, the average begins anew, and
until it has settled every picture is looked at: a change of light never blinds. Rain or headlights that keep it open for long
while nobody is found are looked at less often.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]

WIDTH_PX = 320
BLUR_PX = 5
DIFFERENCE_MOST, DIFFERENCE_LEAST = 18.0, 6.0  # of 255; the first is the vision study's for daylight
CONTRAST_SHARE = 0.4  # a difference is at least so much of the scene's contrast (standard deviation of its brightness)
NOISE_TIMES = 5.0  # and so many times the usual difference between two pictures
NOISE_FIRST, NOISE_MOST, NOISE_GAIN = 1.0, 8.0, 0.05
CHANGED_RATIO = 0.002
SLOW_S = 1.0  # time constant of the average
AFTER_MOTION_S = 1.0
HEARTBEAT_S = 10.0
RECHECK_S = 5.0  # while somebody is there, who may stand still
RELIT_RATIO = 0.4  # no person and no car changes so much of a picture at once
RELIT_S = 3.0
BUSY_S = 10.0  # open for so long with nobody found: rain, headlights, a flag
BUSY_EACH_S = 0.5
STILL_RATIO = 0.1  # of a person's box; more than that changes when the person leaves
_HALF, _SPARSE = 2, 8


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate remembers. before: the picture before, made by shrink; slow: average of the last seconds, half as wide and high.

    noise: usual difference of two pictures, of 255. opened_s: since when it is open; looked_s: when people were last looked for.
    """

    before: Bytes | None = None
    slow: Floats | None = None
    noise: float = NOISE_FIRST
    at_s: float = float("-inf")
    moved_s: float = float("-inf")
    relit_s: float = float("-inf")
    opened_s: float = float("-inf")
    looked_s: float = float("-inf")


def shrink(luma: Bytes) -> Bytes:
    """Luma (H, W) uint8 -> 320 px wide and blurred. Nearest pixel, as averaging costs 15 times as much on 1080p."""
    height = max(1, round(luma.shape[0] * WIDTH_PX / luma.shape[1]))
    small = cv2.resize(luma, (WIDTH_PX, height), interpolation=cv2.INTER_NEAREST)
    return cv2.blur(small, (BLUR_PX, BLUR_PX)).astype(np.uint8, copy=False)


def step(gate: Gate, now: Bytes, at_s: float, *, people: bool = False, doubt: bool = False) -> tuple[Gate, bool]:
    """The gate after one picture captured at `at_s` (made by shrink), and whether people should be looked for in it.

    people: somebody is being followed, so that looking is never thinned out. doubt: somebody was not found when last looked for.
    """
    moved, relit, noise = _changes(gate, now)
    relit_s = at_s if relit and gate.before is not None else gate.relit_s
    moved_s = at_s if moved or relit else gate.moved_s
    wanted = doubt or at_s - moved_s <= AFTER_MOTION_S or at_s - relit_s <= RELIT_S
    opened_s = (gate.opened_s if at_s - gate.moved_s <= AFTER_MOTION_S else at_s) if wanted else float("-inf")
    busy = wanted and not people and at_s - relit_s > RELIT_S and at_s - opened_s > BUSY_S
    since_s = at_s - gate.looked_s
    look = since_s >= (RECHECK_S if people else HEARTBEAT_S) or (wanted and (not busy or since_s >= BUSY_EACH_S))
    slow = _averaged(gate, now, at_s, anew=relit)
    return Gate(now, slow, noise, at_s, moved_s, relit_s, opened_s, at_s if look else gate.looked_s), look


def unchanged(then: Bytes, now: Bytes, box: Box, difference: float = DIFFERENCE_LEAST) -> bool:
    """Whether the place `box` (xyxy, normalised) looks in one picture as in the other, whatever the light; both made by shrink."""
    if then.shape != now.shape:
        return False
    height, width = now.shape
    left, right = int(max(0.0, box[0]) * width), int(min(1.0, box[2]) * width) + 1
    top, bottom = int(max(0.0, box[1]) * height), int(min(1.0, box[3]) * height) + 1
    apart = now[top:bottom, left:right].astype(np.int16) - then[top:bottom, left:right]
    return bool(apart.size) and float(np.mean(np.abs(apart - np.median(apart)) > difference)) <= STILL_RATIO


def difference_of(gate: Gate) -> float:
    """By how much of 255 a pixel must differ to have changed, in this scene."""
    contrast = DIFFERENCE_MOST if gate.slow is None else CONTRAST_SHARE * float(gate.slow[:: _SPARSE // _HALF, :: _SPARSE // _HALF].std())
    return max(min(contrast, DIFFERENCE_MOST), DIFFERENCE_LEAST, NOISE_TIMES * gate.noise)


def _changes(gate: Gate, now: Bytes) -> tuple[bool, bool, float]:
    """Whether something moved, whether the light changed, and how noisy pictures are by now."""
    if gate.before is None or gate.slow is None or gate.before.shape != now.shape:
        return True, True, gate.noise
    difference = difference_of(gate)
    apart = cv2.absdiff(gate.before, now)
    changed = float(np.count_nonzero(apart > difference)) / now.size
    relit = changed > RELIT_RATIO
    crept = float(np.count_nonzero(cv2.absdiff(gate.slow, now[::_HALF, ::_HALF].astype(np.float32)) > difference)) / gate.slow.size
    usual = float(np.minimum(apart[::_SPARSE, ::_SPARSE], NOISE_MOST).mean())
    noise = gate.noise if relit else gate.noise + NOISE_GAIN * (min(usual, 2 * gate.noise + 0.1) - gate.noise)
    return changed > CHANGED_RATIO or crept > CHANGED_RATIO, relit, noise


def _averaged(gate: Gate, now: Bytes, at_s: float, *, anew: bool) -> Floats:
    newest = now[::_HALF, ::_HALF].astype(np.float32)
    if anew or gate.slow is None:
        return newest
    share = min(1.0, max(0.0, at_s - gate.at_s) / SLOW_S)
    return cv2.addWeighted(gate.slow, 1.0 - share, newest, share, 0.0).astype(np.float32, copy=False)
