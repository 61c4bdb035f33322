"""What a point says: value, quality, time."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Value = bool | int | float | str | None


class Quality(StrEnum):
    """How far a value may be believed. `bad` and `uncertain` always carry a reason."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one point.

    value: contacts are True when *active* (the point's `normally` is already applied); counters are
    whole numbers; measurements are in the unit of the point's signal; enums are their profile names;
    None only with quality `bad`.
    reason: why the quality is not good, in the field's words ("no answer", "warm-up", "exception 2").
    now_s: monotonic seconds at which the last byte (or frame) arrived.
    detail: what a camera adds (confidence, count); never needed for the alarm itself.
    """

    point: str
    value: Value
    quality: Quality = Quality.GOOD
    reason: str = ""
    now_s: float = 0.0
    detail: dict[str, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Now:
    """The three times that logic may know; always handed in, never read.

    now_s: monotonic seconds, for everything that measures.
    at_ms: UTC milliseconds since 1970, for records only.
    clock: `synchronised`, `holdover` or `unknown`.
    """

    now_s: float
    at_ms: int
    clock: str = "synchronised"
