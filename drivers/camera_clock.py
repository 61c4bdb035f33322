"""When was a picture taken? Arrival lies: after a stall, old pictures come out of buffers all at once. Pure."""

from __future__ import annotations

WINDOW_S = 30.0  # camera clocks drift by up to about 100 ppm: 3 ms in this time
JUMP_S = 10.0  # time stamps that leap by more are a new count, not a delay
SETTLE_S = 2.0  # opening a stream buffers up to 0.7 s of it


class StreamClock:
    """Maps a stream's own time stamps to this machine's monotonic seconds.

    The quickest picture of the last 30 to 60 s tells how far the two clocks lie apart; every other picture was
    taken when its stamp says, however late it arrived. Stamps that go back (the camera restarted) begin anew.
    `settled`: a picture has been waited for, so those that were buffered while the stream was opened are through;
    true after SETTLE_S in any case. Before it, pictures seem younger than they are.
    """

    def __init__(self) -> None:
        self.settled = False
        self._first_arrival_s = self._last_arrival_s = 0.0
        self._last_s: float | None = None
        self._window_s = 0.0
        self._now = float("inf")
        self._before = float("inf")

    def captured_s(self, stamp_s: float, arrival_s: float) -> float:
        """Monotonic seconds at which the picture with this stamp was taken; never later than its arrival."""
        if self._last_s is None:
            self._first_arrival_s = arrival_s
        elif arrival_s - self._last_arrival_s > 0.5 * (stamp_s - self._last_s) or arrival_s - self._first_arrival_s > SETTLE_S:
            self.settled = True
        self._last_arrival_s = arrival_s
        if self._last_s is None or not -0.001 <= stamp_s - self._last_s <= JUMP_S:
            self._window_s, self._now, self._before = arrival_s, float("inf"), float("inf")
        elif arrival_s - self._window_s > WINDOW_S:
            self._window_s, self._now, self._before = arrival_s, float("inf"), self._now
        self._last_s = stamp_s
        self._now = min(self._now, arrival_s - stamp_s)
        return stamp_s + min(self._now, self._before)


class Pace:
    """Chooses pictures by their time stamps so that about `per_second` a second remain, evenly spread."""

    def __init__(self, per_second: float) -> None:
        self._period_s = 1.0 / per_second
        self._last_s = float("inf")
        self._due_s = float("-inf")

    def due(self, stamp_s: float) -> bool:
        """True for a picture that is to be analysed. Stamps that go back begin anew."""
        back = stamp_s < self._last_s
        self._last_s = stamp_s
        jitter_s = 0.1 * self._period_s
        if not back and stamp_s < self._due_s - jitter_s:
            return False
        follows = self._due_s + self._period_s
        self._due_s = follows if stamp_s < follows <= stamp_s + self._period_s + jitter_s else stamp_s + self._period_s
        return True
