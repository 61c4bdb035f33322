"""The one place that reads clocks, and says how far the wall clock may be believed."""

from __future__ import annotations

import ctypes
import time

from gateway.core.reading import Now

_BUILT_AT_MS = 1_767_225_600_000  # 2026-01-01: a clock before that was never set (a Pi has no clock chip)
_STA_UNSYNC = 0x0040  # linux/timex.h
_TIMEX_BYTES = 208
_STATUS_OFFSET = 40  # struct timex on 64-bit Linux: modes, pad, offset, freq, maxerror, esterror, status
_LOOK_S = 10.0


class Clock:
    """Monotonic and wall time, and the wall clock's quality, looked at every 10 s."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._looked_s = -_LOOK_S
        self._quality = "unknown"

    def now(self) -> Now:
        """The three times that logic may know."""
        now_s = time.monotonic()
        at_ms = time.time_ns() // 1_000_000
        if now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            self._quality = self._look(at_ms)
        return Now(now_s, at_ms, self._quality)

    def _look(self, at_ms: int) -> str:
        if at_ms < _BUILT_AT_MS:
            return "unknown"
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
        if self._libc.adjtimex(buffer) < 0:
            return "holdover"
        status = int.from_bytes(buffer.raw[_STATUS_OFFSET : _STATUS_OFFSET + 4], "little")
        return "holdover" if status & _STA_UNSYNC else "synchronised"
