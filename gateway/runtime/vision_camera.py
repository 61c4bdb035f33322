"""What the vision process holds of one camera, and why it cannot be relied on just now."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.camera import Camera as Driver
from drivers.camera_memory import Frame
from gateway.core.cameras import BLIND, NO_FRAMES, NO_MODEL, OVERDUE, SEES, SLOW, TAMPERED, words
from gateway.core.reading import Reading
from gateway.runtime import vision_views
from gateway.runtime.vision_eye import Eye
from gateway.vision.sight import GAP_S, Sight

if TYPE_CHECKING:
    from gateway.config.site import Camera

OVERDUE_S = 4.5  # pictures come, but none was judged for so long
RATE_S = 10.0  # over which judged pictures are counted: a decoder that is started again is not slow
LEAST_FPS, LEAST_SHARE = 2.5, 0.8  # and of what is wanted; the lower of both is the limit where the site file names no other
SEEING_FPS = 1.0  # with fewer nothing can be said of zones: somebody walks through in between
GAP_PICTURES = 3  # so many that are missing are a pause
BETTER, REACHED_SHARE = 1.2, 0.9  # times the limit, at most so much of what is wanted, until it is no longer slow
STORE_S = 3600.0  # between two times that a view is written: cards wear out


@dataclass(slots=True)
class Watched:
    """One camera. judged_s: monotonic seconds of the last picture that was judged. views: folder of what cameras usually see.

    trouble: as told, empty while it sees; why: its words. seen_s: capture time of the newest picture, 0 before the first;
    judged, looking_s: pictures judged and time spent on them; rate_s: monotonic seconds of those judged lately.
    """

    settings: Camera
    driver: Driver
    views: Path
    judged_s: float
    began_s: float
    eye: Eye | None = None
    picture: Frame | None = None
    newest: Frame | None = None
    trouble: str = field(default="", compare=False)
    why: str = ""
    seen_s: float = 0.0
    judged: int = 0
    looking_s: float = 0.0
    rate_s: deque[float] = field(default_factory=deque)
    sight: Sight = field(init=False)
    stored_s: float = float("-inf")
    slow: bool = False
    too_slow: bool = False

    def __post_init__(self) -> None:
        """Views of earlier runs are taken up."""
        gap_s = max(GAP_S, GAP_PICTURES / self.settings.analysed_fps)
        self.sight = Sight(vision_views.restore(self.views, self.settings.id), gap_s)

    @property
    def blind(self) -> bool:
        """Whether nothing can be said of its zones."""
        return self.trouble in BLIND or (self.trouble == SLOW and self.too_slow)

    @property
    def least_fps(self) -> float:
        """Fewer pictures a second judged than this are a fault."""
        return self.settings.least_fps or min(LEAST_FPS, LEAST_SHARE * self.settings.analysed_fps)

    @property
    def seeing_fps(self) -> float:
        """With fewer pictures a second judged it is blind."""
        return min(SEEING_FPS, LEAST_SHARE * self.settings.analysed_fps)

    def analysed_fps(self, now_s: float) -> float:
        """Pictures judged a second, over the last RATE_S."""
        while self.rate_s and self.rate_s[0] <= now_s - RATE_S:
            self.rate_s.popleft()
        return len(self.rate_s) / RATE_S

    def look(self, picture: Frame) -> list[Reading] | None:
        """Readings of its zones; None when this picture says nothing of them. In the worker's thread. Raises ModelRefused."""
        if vision_views.accepted(self.views, self.settings.id):
            self.sight.accept()
        seen, height = picture.i420, picture.height_px  # without masks: their borders would stay in front of a covered lens
        trouble = self.sight.judge(seen[:height], seen[height:], picture.captured_s, picture.repeats_s)
        if self.sight.changed and (self.sight.fresh or picture.captured_s - self.stored_s >= STORE_S):
            vision_views.store(self.views, self.settings.id, self.sight.views, self.settings.masks)
            self.stored_s, self.sight.changed, self.sight.fresh = picture.captured_s, False, False
        if trouble or self.eye is None:
            return None
        if self.blind:
            self.eye.forget()
        return self.eye.look(picture)

    def note(self, began_s: float, now_s: float) -> None:
        """A picture was judged."""
        self.judged_s = now_s
        self.judged += 1
        self.looking_s += now_s - began_s
        self.rate_s.append(now_s)

    def judge(self, refused: str, now_s: float) -> tuple[str, str]:
        """Its trouble and what a technician wants to know of it; both empty while it sees. refused: why there is no model.

        Tampering is told before any fault of our own: somebody at the camera is the graver news.
        """
        if why := self.driver.blind(now_s):
            self.began_s = now_s
            return NO_FRAMES, why
        if self.sight.trouble in TAMPERED:
            return self.sight.trouble, ""
        if refused:
            self.began_s = now_s
            return NO_MODEL, refused
        if now_s - self.judged_s > OVERDUE_S:
            return OVERDUE, f"none for {OVERDUE_S:g} s"
        if self.sight.trouble:
            return self.sight.trouble, ""
        return self._rate(now_s)

    def _rate(self, now_s: float) -> tuple[str, str]:
        fps = self.analysed_fps(now_s)
        if now_s - self.began_s < RATE_S:
            return "", ""  # too early to say
        self.too_slow = fps < (self._better(self.seeing_fps) if self.too_slow else self.seeing_fps)
        self.slow = self.too_slow or fps < (self._better(self.least_fps) if self.slow else self.least_fps)
        limit = self.seeing_fps if self.too_slow else self.least_fps
        return (SLOW, f"fewer than {limit:g} a second") if self.slow else ("", "")

    def _better(self, limit_fps: float) -> float:
        """From where it is no longer slow: more than the limit, and within what can be reached."""
        return max(limit_fps, min(BETTER * limit_fps, REACHED_SHARE * self.settings.analysed_fps))

    def status(self, now_s: float) -> Reading:
        """The camera's own point."""
        return Reading(self.settings.id, self.trouble or SEES, reason=self.why, now_s=now_s)

    def say(self, trouble: str, detail: str) -> bool:
        """Takes up a trouble; True when it is another one than before."""
        changed = trouble != self.trouble
        self.trouble, self.why = trouble, words(trouble, detail) if trouble else ""
        return changed
