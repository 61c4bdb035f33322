"""Can this camera be believed? Judges its pictures against the view it usually has. Pure: pictures and capture times are handed in.

First question: are the known edges still there? Then it sees, whatever the light. If not: why not? A state is said when it has
held for its time in all pictures, and is over when the view has been back for BACK_S. What is seen meanwhile is never
learned: a covered camera stays covered until its own view is back, or a person accepts the new one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.core.cameras import BLACK, BLURRED, COVERED, FROZEN, MOVED, TAMPERED, WASHED_OUT
from gateway.vision import view
from gateway.vision.view import Light, Look

Bytes = NDArray[np.uint8]

REPEATS_S = 2.5  # key pictures that have shown the same for so long: the first two of a camera with one each 2 s
HOLD_S = {BLACK: 3.5, WASHED_OUT: 3.5, BLURRED: 3.5, COVERED: 7.6, MOVED: 7.6, FROZEN: 0.0}  # a bus may pass close by for 8 s
BACK_S = 1.0
APART_S = 0.3  # pictures in between are not judged for structure
GAP_S = 2.0  # a longer pause between two pictures is no time in which anything was seen
LOST_SHARE = 0.35  # of the view's blocks: fewer are there, so it is not this view
PAINTED_SHARE, BLANK_SHARE = 0.6, 0.6  # so few are there, and in so many of the others nothing is: paint, which leaves gaps
GREY_LOST_SHARE = 0.2  # at the first switch to infrared, as long as there is no grey view yet
LEARN_SHARE = 0.45  # from here on the view may be brought up to date
SOFT_RATIO = 0.45  # of the fine detail left
SOFT_KEPT = 0.6  # of the view's blocks: out of focus, not another view
DARK_LEVEL = 30.0  # the brightest pixels of a black picture (limited range: black is 16)
DIM_LEVEL = 42.0  # of one in which the view is lost as well
BURNT_SHARE, BURNT_CONTRAST = 0.6, 45.0  # burnt out so far, and so few levels between dark and bright
GREY_LEVEL, COLOUR_LEVEL = 0.5, 1.0  # differences of colour: below there are none, above there are some
FIRST_LOOKS = 6  # pictures whose mean is the first view
SMOOTH = 0.6  # weight of the newest picture: noise and passers-by count less
VIEW_S = 180.0  # the view follows sun, snow and parked cars within minutes
NEW_LIGHT_S = 10.0  # of grey pictures, until they make a view of their own
OTHER_SHARE = 0.6  # of the view's blocks: in so many something else is seen, as by a camera that was turned
STEADY_SHARE = 0.7  # of its blocks are as they were a second ago: it stands still


@dataclass(frozen=True, slots=True)
class Views:
    """What the camera usually sees: by day in colour, by night in grey. None until it is learned."""

    colour: Look | None = None
    grey: Look | None = None


class Sight:
    """One camera. views: as learned in an earlier run. gap_s: a longer pause between two pictures does not count."""

    def __init__(self, views: Views | None = None, gap_s: float = GAP_S) -> None:
        self.views, self._gap_s = views or Views(), gap_s
        self.trouble = ""
        self.changed = self.fresh = False  # views have changed, or one is new, since somebody set this to False
        self._forget()

    def accept(self) -> None:
        """What the camera shows now is its view from here on, as a technician says."""
        self.views, self.trouble = Views(), ""
        self._forget()

    def _forget(self) -> None:
        self._smooth: Look | None = None
        self._earlier: deque[tuple[float, Look]] = deque(maxlen=6)
        self._first: list[Look] = []
        self._judged_s = self._seen_s = float("-inf")
        self._raw, self._raw_s, self._lost_s = "", float("-inf"), float("-inf")
        self._grey_s: float | None = None
        self._grey = False

    def judge(self, luma: Bytes, chroma: Bytes, at_s: float, repeats_s: float) -> str:
        """The trouble after one picture, empty while it sees. luma (H, W), chroma as in I420; repeats_s: see the driver's Frame."""
        if at_s - self._seen_s > self._gap_s or at_s < self._seen_s:
            self._leave_out(at_s)
        self._seen_s = at_s
        if at_s - self._judged_s >= APART_S or at_s < self._judged_s:
            self._judged_s = at_s
            raw = self._raw_trouble(luma, chroma, at_s)
        else:
            raw = self._raw if self._raw != FROZEN else self.trouble
        if repeats_s >= REPEATS_S and raw not in (BLACK, WASHED_OUT):
            raw = FROZEN
        self._follow(raw, at_s)
        return self.trouble

    def _leave_out(self, at_s: float) -> None:
        """A pause, or clock set back: what held before it still holds if the next picture says so, but the pause is not part of it."""
        first = self._seen_s == float("-inf")
        pause_s = at_s - self._seen_s
        self._raw_s, self._lost_s = (at_s, at_s) if first else (self._raw_s + pause_s, self._lost_s + pause_s)
        self._grey_s = None if self._grey_s is None else self._grey_s + pause_s
        self._earlier.clear()
        self._smooth = None

    def _follow(self, raw: str, at_s: float) -> None:
        if raw != self._raw:
            if not (raw and self._raw) or FROZEN in (raw, self._raw):
                self._lost_s = at_s
            self._raw, self._raw_s = raw, at_s
        if raw == self.trouble:
            return
        tampered = raw in TAMPERED and self.trouble not in TAMPERED  # which of them it is may change meanwhile, but not once it is told
        since_s = self._lost_s if tampered else self._raw_s
        if at_s - since_s >= (HOLD_S[raw] if raw else BACK_S):
            self.trouble = raw

    def _raw_trouble(self, luma: Bytes, chroma: Bytes, at_s: float) -> str:
        """What this picture alone looks like, against the view."""
        lit, now = view.light(luma, chroma), view.look(luma)
        self._smooth = now if self._smooth is None else view.blend(self._smooth, now, SMOOTH)
        self._earlier.append((at_s, self._smooth))
        grey = self._grey = lit.colour < (COLOUR_LEVEL if self._grey else GREY_LEVEL)
        if lit.high < DARK_LEVEL:
            return BLACK
        if lit.burnt_share > BURNT_SHARE and lit.high - lit.low < BURNT_CONTRAST:
            return WASHED_OUT
        known = self.views.grey if grey else self.views.colour
        other = self.views.colour if grey else self.views.grey
        judged_by = known or other
        if judged_by is None:
            return self._learn_first(now, grey)
        kept = view.kept_share(judged_by.edges, self._smooth.edges)
        if kept < (LOST_SHARE if known else GREY_LOST_SHARE):
            self._grey_s = None
            return self._why_lost(lit, judged_by, kept)
        if known is not None and kept < PAINTED_SHARE and view.blank_share(known.edges, self._smooth.edges) >= BLANK_SHARE:
            return COVERED
        if kept < 0.8 and view.is_shifted(judged_by, self._smooth, kept):
            return MOVED
        if known is not None and kept >= SOFT_KEPT and view.sharpness_ratio(known, self._smooth) < SOFT_RATIO:
            return BLURRED
        self._learn(now, grey, known, kept, at_s)
        return ""

    def _why_lost(self, lit: Light, known: Look, kept: float) -> str:
        assert self._smooth is not None
        if lit.high < DIM_LEVEL:
            return BLACK
        if view.is_shifted(known, self._smooth, kept):
            return MOVED
        other = view.seen_share(known.edges, self._smooth.edges) >= OTHER_SHARE
        return MOVED if other and self._stands_still() else COVERED

    def _stands_still(self) -> bool:
        """Whether what is seen instead keeps its place: another view rather than something that passes by."""
        assert self._smooth is not None
        before = next((look for at_s, look in self._earlier if 0.9 <= self._judged_s - at_s <= 2.5), None)
        return before is not None and view.kept_share(before.edges, self._smooth.edges) >= STEADY_SHARE

    def _learn_first(self, now: Look, grey: bool) -> str:
        """The first pictures of a camera make its view; one without any structure is none."""
        assert self._smooth is not None
        if not view.can_be_judged(self._smooth):
            self._first.clear()
            return COVERED
        self._first.append(now)
        if len(self._first) >= FIRST_LOOKS:
            mean = self._first[0]
            for count, each in enumerate(self._first[1:], 2):
                mean = view.blend(mean, each, 1 / count)
            self._set(grey, mean)
            self._first.clear()
        return ""

    def _learn(self, now: Look, grey: bool, known: Look | None, kept: float, at_s: float) -> None:
        """Only while nothing is wrong, nor about to be said."""
        if self.trouble or self._raw:
            self._grey_s = None
            return
        if known is not None:
            self._grey_s = None
            if kept >= LEARN_SHARE:
                self._set(grey, view.blend(view.filled(known, self._smooth or now), now, min(1.0, APART_S / VIEW_S)))
            return
        self._grey_s = at_s if self._grey_s is None else self._grey_s
        if at_s - self._grey_s >= NEW_LIGHT_S and self._smooth is not None and view.can_be_judged(self._smooth):
            self._set(grey, self._smooth)

    def _set(self, grey: bool, look: Look) -> None:
        self.fresh |= (self.views.grey if grey else self.views.colour) is None
        self.views = Views(self.views.colour, look) if grey else Views(look, self.views.grey)
        self.changed = True
