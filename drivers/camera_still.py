"""Does the camera still look, or does it send the same picture again and again? Pure.

Pictures that are coded as differences prove nothing: a good encoder sends "as before" for a quiet scene for seconds. A key
picture is coded anew from what the sensor gave, and there sensor noise far below one level changes nearly every block (intra
prediction carries it on), while a frozen source gives the same again. So each key picture is compared with those before it,
block by block and exactly; blocks of one level only (burnt out, black, masked) say nothing. Measured with x264 and a noise of
0.2 levels: none of the blocks the same; frozen, at constant quality all, with a clock in the picture 86 %; frozen, at a constant
bit rate where the quality swings, 30 to 60 % of most pictures. While an encoder's quality still
settles after the freeze that can take several key pictures; so there is a second witness: where noise has stirred every picture of
the last half minute, and all at once far less stirs, it is frozen as well; the key pictures
must then confirm it. Limits: see docs/vision.md.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

BLOCK_PX = 16
SAME_SHARE = 0.12  # of the blocks with something in them: more than the text that a camera writes into its picture
LEAST_LEVELS = 4  # between the brightest and the darkest pixel of a block with something in it
LEAST_BLOCKS = 0.05  # share with something in them, else nothing can be said
REMEMBERED = 4  # an encoder that holds a bit rate swings between a few qualities
LIVELY_LEVELS = 0.5  # mean difference of the quietest tenth of the steps from picture to picture: noise is seen
STILL_RATIO = 0.4  # of that; after a freeze an encoder still refines what it has sent
LIGHT_LEVELS = 6.0  # a mean change by more is another light, in which noise may be less
HISTORY, LEAST_HISTORY = 150, 25  # steps between pictures: half a minute, five seconds
STILL_S = 0.5  # and for so long longer, as it is the weaker witness
CONFIRM_S = 15.0  # by then key pictures must have repeated, or it was weather that stopped
APART_S = 0.35  # in MJPEG each picture is a key picture: not all need be compared


@dataclass(frozen=True, slots=True)
class _Key:
    luma: Bytes
    since_s: float  # stamp of the first key picture that showed the same; its own when there was none


class Stillness:
    """Watches one stream. Stamps are the stream's own, in seconds; when they go back, all begins anew."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._keys: deque[_Key] = deque(maxlen=REMEMBERED)
        self._key_s = float("-inf")
        self._before: Bytes | None = None
        self._level = 0.0
        self._steps: deque[float] = deque(maxlen=HISTORY)
        self._still_s: float | None = None

    def key(self, luma: Bytes, stamp_s: float) -> None:
        """One key picture's brightness (H, W) uint8."""
        if stamp_s < self._key_s:
            self._forget()
        self._before = None  # it is coded anew, so the step to it says nothing
        if stamp_s - self._key_s < APART_S:
            return
        self._key_s = stamp_s
        same = [key.since_s for key in self._keys if same_share(key.luma, luma) >= SAME_SHARE]
        self._keys.append(_Key(luma.copy(), min(same, default=stamp_s)))

    def picture(self, luma: Bytes, stamp_s: float) -> float:
        """Any picture, key or not: for how long the stream has shown the same; 0 while it looks alive, or nothing can be said."""
        if not luma.size:
            return 0.0
        before, self._before = self._before, luma[::BLOCK_PX].copy()
        level, self._level = self._level, float(self._before.mean())
        if abs(self._level - level) > LIGHT_LEVELS:
            self._steps.clear()
            self._still_s = None
        elif before is not None:
            self._step(before, self._before, stamp_s)
        still_s = 0.0 if self._still_s is None or not self._is_lively() else max(0.0, stamp_s - self._still_s - STILL_S)
        return max(still_s, self._repeats_s(stamp_s))

    def _step(self, before: Bytes, now: Bytes, stamp_s: float) -> None:
        stirs = mean_difference(before, now)
        if self._is_lively() and stirs <= STILL_RATIO * self._quiet():
            self._still_s = stamp_s if self._still_s is None else self._still_s
            if stamp_s - self._still_s > CONFIRM_S and not self._repeats_s(stamp_s):
                self._steps.clear()
                self._still_s = None
            return
        self._still_s = None
        self._steps.append(stirs)

    def _quiet(self) -> float:
        return float(np.percentile(self._steps, 10))

    def _is_lively(self) -> bool:
        return len(self._steps) >= LEAST_HISTORY and self._quiet() >= LIVELY_LEVELS

    def _repeats_s(self, stamp_s: float) -> float:
        if not self._keys or self._keys[-1].since_s >= self._key_s:
            return 0.0
        return max(0.0, stamp_s - self._keys[-1].since_s)


def mean_difference(before: Bytes, now: Bytes) -> float:
    """In levels, of the rows that are looked at; pictures of another size differ altogether."""
    return float(np.abs(now.astype(np.int16) - before).mean()) if before.shape == now.shape else 255.0


def same_share(before: Bytes, now: Bytes) -> float:
    """Share 0..1 of the blocks with something in them that are the same to the last bit; pictures of another size have none."""
    rows, columns = now.shape[0] // BLOCK_PX, now.shape[1] // BLOCK_PX
    if before.shape != now.shape or not rows or not columns:
        return 0.0
    old, new = _blocks(before, rows, columns), _blocks(now, rows, columns)
    telling = new.max(axis=1).max(axis=2) - new.min(axis=1).min(axis=2) >= LEAST_LEVELS  # in two steps: a tenth of the time of one
    if telling.mean() < LEAST_BLOCKS:
        return 0.0
    return float((old == new).all(axis=1).all(axis=2)[telling].mean())


def _blocks(luma: Bytes, rows: int, columns: int) -> Bytes:
    return luma[: rows * BLOCK_PX, : columns * BLOCK_PX].reshape(rows, BLOCK_PX, columns, BLOCK_PX)
