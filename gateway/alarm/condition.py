"""Is the alarm condition true now? Limits with deadband, contacts, names, loops; with on- and off-delay.

A value that is not good decides nothing: it neither raises nor clears (unknown is not normal, and not
an alarm of this kind either); `NotGood` is the condition that looks at the quality itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.core.points import (
    Above,
    AlarmSpec,
    Below,
    Chattering,
    Condition,
    Confirmed,
    Contact,
    LoopCut,
    NaturalAbove,
    NaturalGrown,
    NotGood,
    OneOf,
    Press,
    Rise,
    Stale,
    Stuck,
)
from gateway.core.reading import Quality, Reading
from gateway.core.wire import STALE, Failure

# Reasons that are told once, as the fault of the device, camera or line, and not again for each point on it.
LINK_REASONS = frozenset({str(failure) for failure in Failure} | {"vision silent", STALE, "camera blind"})
LOOP_REASONS = frozenset({"loop open", "loop short"})
_ELSEWHERE = (Press, Rise, Stuck, Confirmed, Chattering, NaturalAbove, NaturalGrown)  # one reading alone says nothing about these


@dataclass(frozen=True, slots=True)
class Delayed:
    """A condition with its delays. active: as told. raw: as last seen. since_s: when raw left active."""

    active: bool = False
    raw: bool = False
    since_s: float = 0.0


def judge(condition: Condition, reading: Reading, active: bool) -> bool | None:
    """True or False as the reading says, None when it says nothing. active: the answer so far (deadband)."""
    if isinstance(condition, NotGood):
        told_elsewhere = reading.reason in LINK_REASONS or reading.reason.startswith(str(Failure.EXCEPTION))
        told_elsewhere |= reading.reason in LOOP_REASONS and not condition.loops
        return reading.quality is Quality.BAD and not told_elsewhere
    if isinstance(condition, LoopCut | Stale):
        return _bad_as(condition, reading)
    value = reading.value
    if reading.quality is not Quality.GOOD or value is None or isinstance(condition, _ELSEWHERE):
        return None
    if isinstance(condition, OneOf):
        return value in condition.values
    if isinstance(value, str):
        return None  # a name is neither open nor closed, nor above a limit
    if isinstance(condition, Contact):
        return bool(value) is condition.active
    if isinstance(condition, Above):
        return value >= (condition.limit - condition.deadband if active else condition.limit)
    assert isinstance(condition, Below)
    return value <= (condition.limit + condition.deadband if active else condition.limit)


def _bad_as(condition: LoopCut | Stale, reading: Reading) -> bool | None:
    """Bad in this way, good, or bad in another way, which says nothing about this one."""
    reasons = LOOP_REASONS if isinstance(condition, LoopCut) else {STALE}
    if reading.quality is Quality.BAD and reading.reason in reasons:
        return True
    return False if reading.quality is Quality.GOOD else None


def follow(spec: AlarmSpec, state: Delayed, raw: bool | None, now_s: float) -> tuple[Delayed, float | None]:
    """New state after a look at `raw` (None: unchanged), and when to look again if a delay is running.

    The returned time is monotonic seconds; None when nothing is pending.
    """
    if raw is not None and raw != state.raw:
        state = replace(state, raw=raw, since_s=now_s)
    if state.raw == state.active:
        return state, None
    due_s = state.since_s + (spec.on_delay_s if state.raw else spec.off_delay_s)
    if now_s >= due_s:
        return replace(state, active=state.raw), None
    return state, due_s


def presses(last: int | None, count: int, modulus: int = 1 << 32) -> int:
    """New presses since `last`. None (never seen) and a counter that dropped back (device restart) give 0.

    modulus: where the device's counter begins again at 0; a wrap from near it is counted on.
    """
    if last is None:
        return 0
    if count >= last:
        return count - last
    wrapped = count + modulus - last
    return wrapped if wrapped < min(1000, modulus // 8) else 0
