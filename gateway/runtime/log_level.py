"""How loud the log is, asked for and changed at the control socket. Each change leaves an audit event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.core.commands import Command
from gateway.core.errors import DoorRefused
from gateway.rules.authority import TECHNICIAN
from gateway.runtime.logs import DEBUG_FOR_S, Loudness, refused

ALL = "all"


def answer(loudness: Loudness, act: Callable[[Command], tuple[bool, str]], request: dict[str, Any], user: str) -> dict[str, str]:
    """The levels that differ from those of the start, by logger, after what was asked. Raises DoorRefused.

    request: `level` ('' for what it was at the start), `logger` ('' for all), `for_s`; without `level` nothing is changed.
    """
    if "level" in request:
        level, logger, for_s = request["level"], request.get("logger", ""), request.get("for_s")
        for_s = (DEBUG_FOR_S if level == "debug" else 0.0) if for_s is None else for_s
        by = request.get("by") or user
        if why := refused(level, logger, for_s):
            raise DoorRefused(why)
        if not isinstance(by, str):
            raise DoorRefused("`by` is text")
        if level == "debug" and not for_s:
            raise DoorRefused("debug ends by itself: `for_s` is above 0")
        ok, text = act(Command("log_level", logger or ALL, by[:80], TECHNICIAN, "door", value=level or "start", for_s=float(for_s)))
        if not ok:
            raise DoorRefused(text)
        loudness.set(level, logger, float(for_s))
    return {logger or ALL: level for logger, level in loudness.now.items()}
