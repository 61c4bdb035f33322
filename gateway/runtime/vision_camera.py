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
from gateway.vision.mask import blackened
from gateway.vision.sight import Sight

if TYPE_CHECKING:
    from gateway.config.site import Camera

OVERDUE_S = 4.5  # pictures come, but none was judged for so long
RATE_S = 10.0  # over which judged pictures are counted: a decoder that is started again is not slow
LEAST_FPS = 2.0  # and not less than half of what is wanted, where the site file names no other limit
BETTER = 1.2  # times the limit until it is no longer slow
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

    def __post_init__(self) -> None:
        """Views of earlier runs are taken up."""
        self.sight = Sight(vision_views.restore(self.views, self.settings.id))

    @property
    def blind(self) -> bool:
        """Whether nothing can be said of its zones."""
        return self.trouble in BLIND

    @property
    def least_fps(self) -> float:
        """Fewer pictures a second judged than this are a fault."""
        return self.settings.least_fps or min(LEAST_FPS, self.settings.analysed_fps / 2)

    def analysed_fps(self, now_s: float) -> float:
        """Pictures judged a second, over the last RATE_S."""
        while self.rate_s and self.rate_s[0] <= now_s - RATE_S:
            self.rate_s.popleft()
        return len(self.rate_s) / RATE_S

    def look(self, picture: Frame) -> list[Reading] | None:
        """Readings of its zones; None when this picture says nothing of them. In the worker's thread. Raises ModelRefused."""
        if vision_views.accepted(self.views, self.settings.id):
            self.sight.accept()
        seen = blackened(picture.i420, self.settings.masks) if self.settings.masks else picture.i420  # a stored view shows nothing masked
        height = picture.height_px
        trouble = self.sight.judge(seen[:height], seen[height:], picture.captured_s, picture.repeats_s)
        if self.sight.changed and (self.sight.fresh or picture.captured_s - self.stored_s >= STORE_S):
            vision_views.store(self.views, self.settings.id, self.sight.views)
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
        self.slow = fps < self.least_fps * (BETTER if self.slow else 1.0)
        return (SLOW, f"fewer than {self.least_fps:g} a second") if self.slow else ("", "")

    def status(self, now_s: float) -> Reading:
        """The camera's own point."""
        return Reading(self.settings.id, self.trouble or SEES, reason=self.why, now_s=now_s)

    def say(self, trouble: str, detail: str) -> bool:
        """Takes up a trouble; True when it is another one than before."""
        changed = trouble != self.trouble
        self.trouble, self.why = trouble, words(trouble, detail) if trouble else ""
        return changed
