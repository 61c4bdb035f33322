"""The natural leakage of a circuit: what its residual current is while nothing is wrong (GB 50116-2013 9.2.3, 100 to 200 mA).

Every long cable and every computer leaks a little. The limits of 300 and 500 mA are meant for what comes on top of it:

    first 7 days of good readings   nothing is subtracted, the limits are absolute; then the median of these days is the baseline
    afterwards                      it moves towards the present value by at most 2 mA a day, which ends at the median of weeks

Never more than 200 mA is subtracted, so a value of limit + 200 mA is an alarm whatever was learned. Time in which the point is in
alarm, and the hour after, teaches nothing; nor does a value that cannot be believed. A fault that grows slowly is not learned away:
what it grows beyond 2 mA a day is judged in full, and a baseline that has grown by 50 mA since it was first learned is a fault.

Lines tell a value only when it changes, so between two looks the last one holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from math import isfinite

from gateway.core.points import LEAKS_MOST_MA
from gateway.core.reading import Quality, Reading, Value

DAY_S = 24 * 3600.0
LEARN_S = 7 * DAY_S  # a whole week: school days and a weekend
MOVES_MA_PER_DAY = 2.0
MOST_MA = LEAKS_MOST_MA + 10.0  # it is followed a little further, so that one above 200 mA is seen to be
HOLD_S = 3600.0  # after an alarm the circuit is not yet what it was
STORE_S = 3600.0  # an SD card is not worn for milliamperes
_STORE_MA = 1.0
_STEP_MA = 10  # width of a step of the histogram
_STEPS = 31  # the last one stands for 300 mA and more
_NOTHING = (0.0,) * _STEPS


@dataclass(frozen=True, slots=True)
class Natural:
    """What is known of one circuit's leakage.

    level_ma: the baseline, None until it is learned. first_ma: as it was first learned. seconds: of good time, in steps of 10 mA,
    while it is learned. Of this run only: value: the last one, None where it teaches nothing; looked_s, quiet_s: monotonic seconds of
    the last look, and until when nothing is learned; stored_s, stored_ma: when it was last stored, and what.
    """

    level_ma: float | None = None
    first_ma: float | None = None
    seconds: tuple[float, ...] = _NOTHING
    value: float | None = None
    looked_s: float = 0.0
    quiet_s: float = 0.0
    stored_s: float = 0.0
    stored_ma: float | None = None

    @property
    def subtracted_ma(self) -> float:
        """What is taken off a value before it is judged: 0 until learned, at most 200 mA."""
        return min(self.level_ma or 0.0, LEAKS_MOST_MA)

    @property
    def grown_ma(self) -> float:
        """By how much it has grown since it was first learned."""
        return 0.0 if self.level_ma is None or self.first_ma is None else self.level_ma - self.first_ma

    @property
    def learned_ratio(self) -> float:
        """How much of the first week is over, 0 to 1."""
        return 1.0 if self.level_ma is not None else min(sum(self.seconds) / LEARN_S, 1.0)

    def seen(self, reading: Reading, alarming: bool, now_s: float) -> Natural:
        """After this look. reading: the newest. alarming: the point has been in alarm since the last look, or is about to be."""
        known = self if self.stored_s else replace(self, stored_s=now_s, stored_ma=self.level_ma)
        if alarming:
            known = replace(known, quiet_s=now_s + HOLD_S)
        elif known.value is not None and now_s > max(known.looked_s, known.quiet_s):
            known = known._learned(known.value, now_s - max(known.looked_s, known.quiet_s))
        return replace(known, value=_believed_ma(reading), looked_s=now_s)

    def _learned(self, value: float, for_s: float) -> Natural:
        """After so many seconds of this value (mA)."""
        if self.level_ma is not None:
            most_ma = MOVES_MA_PER_DAY * for_s / DAY_S
            step_ma = min(max(value - self.level_ma, -most_ma), most_ma)
            return replace(self, level_ma=min(max(self.level_ma + step_ma, 0.0), MOST_MA))
        step = min(max(int(value // _STEP_MA), 0), _STEPS - 1)
        seconds = (*self.seconds[:step], self.seconds[step] + for_s, *self.seconds[step + 1 :])
        if sum(seconds) < LEARN_S:
            return replace(self, seconds=seconds)
        level_ma = min(_median_ma(seconds), MOST_MA)
        return replace(self, level_ma=level_ma, first_ma=level_ma, seconds=_NOTHING)

    # --- what outlives the process

    @property
    def store_s(self) -> float:
        """Monotonic seconds of the next look for the store's sake; a value that does not change brings none."""
        return self.stored_s + STORE_S

    def due(self, now_s: float) -> bool:
        """True once an hour: look whether there is something to store."""
        return now_s >= self.store_s

    @property
    def is_new(self) -> bool:
        """True when it has become more than what is stored."""
        if self.level_ma is None:
            return sum(self.seconds) > 0
        return self.stored_ma is None or abs(self.level_ma - self.stored_ma) >= _STORE_MA

    def stored(self, now_s: float) -> Natural:
        """The next hour begins; what is new has been stored."""
        return replace(self, stored_s=now_s, stored_ma=self.level_ma if self.is_new else self.stored_ma)

    def row(self) -> dict[str, Value]:
        """For the journal."""
        seconds = ",".join(str(round(each)) for each in self.seconds) if self.level_ma is None else ""
        return {"natural_ma": _round(self.level_ma), "first_ma": _round(self.first_ma), "natural_seconds": seconds}

    @classmethod
    def read(cls, row: dict[str, Value]) -> Natural:
        """From the journal. What is damaged or missing is learned anew, with absolute limits until then."""
        try:
            level, first = row.get("natural_ma"), row.get("first_ma")
            if level is not None and first is not None:
                return cls(_within(float(level)), _within(float(first)))
            seconds = tuple(float(each) for each in str(row.get("natural_seconds") or "").split(","))
        except (ValueError, TypeError):
            return cls()
        return cls(seconds=seconds) if len(seconds) == _STEPS and all(0 <= each <= LEARN_S for each in seconds) else cls()


def _believed_ma(reading: Reading) -> float | None:
    value = reading.value
    if reading.quality is not Quality.GOOD or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)


def _within(level_ma: float) -> float:
    if not 0 <= level_ma <= MOST_MA:
        raise ValueError(f"{level_ma} mA was never a natural leakage")
    return level_ma


def _round(level_ma: float | None) -> float | None:
    return None if level_ma is None else round(level_ma, 2)


def _median_ma(seconds: tuple[float, ...]) -> float:
    """The middle of the step in which half of the time is reached."""
    half_s = sum(seconds) / 2
    step = next(number for number, so_far_s in enumerate(accumulate(seconds)) if so_far_s >= half_s)
    return (step + 0.5) * _STEP_MA
