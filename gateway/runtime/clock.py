"""The one place that reads clocks, and says how far the wall clock may be believed.

Two ways to know it, the better one first:

    adjtimex                             the kernel's own word, whoever sets the clock; a unit with ProtectClock=yes may not ask
    /run/systemd/timesync/synchronized   touched by systemd-timesyncd at each adjustment, at the latest after 2048 s

The second is believed for three of these, and only while nobody else moves the clock. So it is never better than what is known; at worst
it says `holdover` for a clock that is right.
"""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

from gateway.core.reading import Now

TIMESYNC = Path("/run/systemd/timesync/synchronized")
TIMESYNC_WITHIN_S = 3 * 2048.0  # PollIntervalMaxSec= of timesyncd.conf, and an answer or two that were lost
STEPPED_S = 1.0  # nothing but a hand moves the wall clock that far between two looks

_BUILT_AT_MS = 1_767_225_600_000  # 2026-01-01: a clock before that was never set (a Pi has no clock chip)
_STA_UNSYNC = 0x0040  # linux/timex.h
_TIMEX_BYTES = 208
_STATUS_OFFSET = 40  # struct timex on 64-bit Linux: modes, pad, offset, freq, maxerror, esterror, status
_LOOK_S = 10.0


class Clock:
    """Monotonic and wall time, and the wall clock's quality, looked at every 10 s."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timesync = TimesyncMark()
        self._looked_s = -_LOOK_S
        self._quality = "unknown"

    def now(self) -> Now:
        """The three times that logic may know."""
        now_s = time.monotonic()
        at_ms = time.time_ns() // 1_000_000
        if now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            self._quality = self._look(now_s, at_ms)
        return Now(now_s, at_ms, self._quality)

    def _look(self, now_s: float, at_ms: int) -> str:
        if at_ms < _BUILT_AT_MS:
            return "unknown"
        known = self._kernel()
        if known is None:
            known = self._timesync.fresh(now_s, at_ms / 1000)
        return "synchronised" if known else "holdover"

    def _kernel(self) -> bool | None:
        """True while the kernel holds its clock for synchronised; None where it may not be asked."""
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
        if self._libc.adjtimex(buffer) < 0:
            return None
        status = int.from_bytes(buffer.raw[_STATUS_OFFSET : _STATUS_OFFSET + 4], "little")
        return not status & _STA_UNSYNC


class TimesyncMark:
    """What systemd-timesyncd leaves behind: a file whose time is that of its last adjustment."""

    def __init__(self, path: Path = TIMESYNC) -> None:
        self._path = path
        self._touched_s = 0.0
        self._ahead_s = 0.0  # of the wall clock before the monotonic one, when that touch was first seen

    def fresh(self, now_s: float, at_s: float) -> bool:
        """Whether the clock was adjusted lately and not moved since. now_s: monotonic; at_s: Unix time."""
        try:
            touched_s = self._path.stat().st_mtime
        except OSError:
            return False
        if touched_s != self._touched_s:
            self._touched_s, self._ahead_s = touched_s, at_s - now_s
        stepped = abs(at_s - now_s - self._ahead_s) > STEPPED_S
        return not stepped and -STEPPED_S <= at_s - touched_s <= TIMESYNC_WITHIN_S
