"""Pictures that may leave: behind everything else, one at a time, without receipts. Pure.

They are held in memory only and offered until a broker has taken them: a restart forgets them, and the sealed still stays here. No
picture goes while an event waits for this path or its PUBACK; on a slow line an event may still have to wait behind one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MOST_WAITING = 20
TIMES_MOST = 3  # sessions that may end with a picture on its way, before the road is closed for this run
REFUSED_FROM = 0x80


@dataclass(slots=True)
class Outgoing:
    """One picture. times: it was handed to a session."""

    event_id: str
    number: int
    body: bytes
    times: int = 0


class Pictures:
    """What all paths share. closed: why no more are sent, '' while they are."""

    def __init__(self) -> None:
        self._waiting: deque[Outgoing] = deque(maxlen=MOST_WAITING)  # the oldest are given up
        self._flying: tuple[str, Outgoing] | None = None
        self._in_vain = 0
        self.closed = ""
        self.taken = 0

    def offer(self, event_id: str, number: int, body: bytes) -> None:
        """One more."""
        if not self.closed:
            self._waiting.append(Outgoing(event_id, number, body))

    def next(self, path: str) -> Outgoing | None:
        """The one that goes out on this path now; its answer, or the session's end, must be told."""
        if self._flying is not None or self.closed or not self._waiting:
            return None
        picture = self._waiting.popleft()
        picture.times += 1
        self._flying = path, picture
        return picture

    def answered(self, picture: Outgoing, code: int) -> str:
        """The broker's PUBACK. Why it was not taken, or ''."""
        if self._flying is None or self._flying[1] is not picture:
            return ""  # of a session that is over
        self._flying, self._in_vain = None, 0
        if code >= REFUSED_FROM:
            return f"the broker refuses pictures: reason code 0x{code:02x}"
        self.taken += 1
        return ""

    def give_up(self, picture: Outgoing) -> None:
        """It does not fit on this path."""
        if self._flying is not None and self._flying[1] is picture:
            self._flying = None

    def session_lost(self, path: str) -> None:
        """What was on its way is offered again. Sessions that end at pictures again and again must not cost the alarms their path."""
        if self._flying is None or self._flying[0] != path:
            return
        picture, self._flying = self._flying[1], None
        self._in_vain += 1
        if self._in_vain >= TIMES_MOST:
            self.closed = f"{self._in_vain} sessions ended with a picture on its way"
            self._waiting.clear()
        elif picture.times < TIMES_MOST:
            self._waiting.appendleft(picture)
