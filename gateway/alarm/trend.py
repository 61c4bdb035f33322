"""What can only be seen over time: how fast a value rises, and whether it moves at all.

Lines tell a value only when it changes, so between two readings the last one holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.points import Rise, Stuck
from gateway.core.reading import Quality, Reading, Value

SAMPLES_MOST = 60  # kept of one point; of readings that follow each other faster the lowest stands for its part of the window
OVER_RATIO = 0.5  # a rise is over when it is less than half of its limit


@dataclass(frozen=True, slots=True)
class Trace:
    """The past of one point. samples: (monotonic seconds, value), oldest first; the first may be older than the window.

    changed_s: since when `value` is the same.
    """

    samples: tuple[tuple[float, float], ...] = ()
    value: Value = None
    changed_s: float = 0.0

    def seen(self, reading: Reading, now_s: float, window_s: float) -> Trace:
        """With this reading. What cannot be believed ends the past: a sensor that comes back has not risen."""
        if reading.quality is not Quality.GOOD or reading.value is None:
            return Trace()
        changed_s = self.changed_s if self.value == reading.value and self.changed_s else now_s
        samples = self.samples
        if window_s and not isinstance(reading.value, str):
            samples = _sampled(_recent(samples, now_s - window_s), now_s, float(reading.value), window_s / SAMPLES_MOST)
        return Trace(samples, reading.value, changed_s)


def _sampled(samples: tuple[tuple[float, float], ...], now_s: float, value: float, step_s: float) -> tuple[tuple[float, float], ...]:
    if len(samples) > 1 and now_s - samples[-2][0] < step_s:
        return (*samples[:-2], (samples[-2][0], min(samples[-2][1], samples[-1][1])), (now_s, value))
    return (*samples, (now_s, value))


def _recent(samples: tuple[tuple[float, float], ...], from_s: float) -> tuple[tuple[float, float], ...]:
    """The samples since `from_s`, and the last one before: its value held until then."""
    first = 0
    while first + 1 < len(samples) and samples[first + 1][0] <= from_s:
        first += 1
    return samples[first:]


def rises(condition: Rise, trace: Trace, now_s: float, active: bool) -> tuple[bool | None, float | None]:
    """Whether it rises too fast, None before the first value; and when to look again while it does (monotonic seconds)."""
    samples = _recent(trace.samples, now_s - condition.window_s)
    if not samples:
        return None, None
    rise_per_min = (samples[-1][1] - min(value for _, value in samples)) * 60 / condition.window_s
    raw = rise_per_min >= condition.per_min * (OVER_RATIO if active else 1)
    return raw, samples[1][0] + condition.window_s if raw and len(samples) > 1 else None


def is_stuck(condition: Stuck, trace: Trace, now_s: float) -> tuple[bool | None, float | None]:
    """Whether it has stood still for too long, None before the first value; and when to look again (monotonic seconds)."""
    if trace.value is None:
        return None, None
    due_s = trace.changed_s + condition.after_s
    return now_s >= due_s, due_s if now_s < due_s else None
