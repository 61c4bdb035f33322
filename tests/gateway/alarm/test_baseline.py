"""Natural leakage: learned slowly, never too much, never from an alarm, and never so that a fault is hidden."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.baseline import DAY_S, HOLD_S, LEARN_S, MOST_MA, MOVES_MA_PER_DAY, STORE_S, Natural
from gateway.core.points import LEAKS_MOST_MA
from gateway.core.reading import Quality, Reading, Value

HOUR_S = 3600.0
BEGIN_S = 1000.0


def reading(value: Value, quality: Quality = Quality.GOOD) -> Reading:
    return Reading("p", value, quality, "" if quality is Quality.GOOD else "sensor fault")


def lived(natural: Natural, values: list[float], *, from_s: float = BEGIN_S, step_s: float = HOUR_S, alarming: bool = False) -> Natural:
    """Each value held for `step_s`."""
    for number, value in enumerate([*values, 0.0]):
        natural = natural.seen(reading(value), alarming, from_s + number * step_s)
    return natural


def learned(level_ma: float) -> Natural:
    return Natural(level_ma, level_ma)


def test_nothing_is_subtracted_in_the_first_week() -> None:
    natural = lived(Natural(), [120.0] * (7 * 24 - 1))
    assert (natural.level_ma, natural.subtracted_ma, natural.grown_ma) == (None, 0.0, 0.0)
    assert 0.99 < natural.learned_ratio < 1
    natural = lived(Natural(), [120.0] * 7 * 24)
    assert (natural.level_ma, natural.first_ma, natural.learned_ratio) == (125.0, 125.0, 1.0)


def test_the_median_and_not_the_mean() -> None:
    """Ten hours of each school day the air conditioners add 90 mA; one hour somebody's welder adds 250."""
    day = [60.0] * 14 + [150.0] * 10
    values = (day * 5) + [60.0] * 48
    values[30] = 290.0
    assert lived(Natural(), values).level_ma == 65.0


def test_a_value_that_does_not_change_is_learned_from_two_readings() -> None:
    natural = Natural().seen(reading(80.0), False, BEGIN_S)
    assert natural.seen(reading(80.0), False, BEGIN_S + LEARN_S).level_ma == 85.0


@given(st.lists(st.tuples(st.floats(-50, 5000), st.floats(0, 40 * DAY_S), st.booleans()), max_size=60))
def test_never_more_than_the_cap_and_never_faster(story: list[tuple[float, float, bool]]) -> None:
    natural, now_s = Natural(), BEGIN_S
    for value, for_s, alarming in story:
        before = natural
        natural = natural.seen(reading(value), alarming, now_s)
        assert 0 <= natural.subtracted_ma <= LEAKS_MOST_MA
        assert 0 <= (natural.level_ma or 0) <= MOST_MA
        if before.level_ma is not None and natural.level_ma is not None:
            assert abs(natural.level_ma - before.level_ma) <= MOVES_MA_PER_DAY * (now_s - before.looked_s) / DAY_S + 1e-6
        now_s += for_s


@given(st.floats(0, 210), st.floats(0, 1000), st.floats(1, 30 * DAY_S))
def test_nothing_is_learned_from_an_alarm_nor_in_the_hour_after(level_ma: float, value: float, for_s: float) -> None:
    before = learned(level_ma).seen(reading(value), False, BEGIN_S)
    during = before.seen(reading(value), True, BEGIN_S + for_s)
    assert during.level_ma == level_ma
    after = during.seen(reading(value), False, BEGIN_S + for_s + HOLD_S)
    assert after.level_ma == level_ma
    later = after.seen(reading(value), False, BEGIN_S + for_s + HOLD_S + DAY_S)
    assert later.level_ma == pytest.approx(level_ma + min(max(value - level_ma, -2.0), min(2.0, MOST_MA - level_ma)))


@pytest.mark.parametrize("odd", [reading(None, Quality.BAD), reading(300.0, Quality.UNCERTAIN), reading("x"), reading(float("nan"))])
def test_what_cannot_be_believed_teaches_nothing(odd: Reading) -> None:
    natural = learned(100.0).seen(odd, False, BEGIN_S)
    assert natural.seen(reading(100.0), False, BEGIN_S + 9 * DAY_S).level_ma == 100.0
    unlearned = Natural().seen(odd, False, BEGIN_S)
    assert unlearned.seen(reading(100.0), False, BEGIN_S + 9 * DAY_S).learned_ratio == 0.0


@given(st.floats(0, 200), st.floats(0.5, 100))
def test_a_slow_ramp_is_an_alarm_in_time(natural_ma: float, ramp_ma_per_day: float) -> None:
    """Within 300 mA / (ramp - 2 mA) days, and before the value is above 500 mA; a slower one is told as grown."""
    natural, day, value, grown = learned(natural_ma).seen(reading(natural_ma), False, BEGIN_S), 0, natural_ma, False
    while value - natural.subtracted_ma < 300:
        day += 1
        value = natural_ma + ramp_ma_per_day * day
        natural = natural.seen(reading(value), False, BEGIN_S + day * DAY_S)
        grown = grown or natural.grown_ma >= 50 or (natural.level_ma or 0.0) > LEAKS_MOST_MA
        assert value < 500 + ramp_ma_per_day
        if ramp_ma_per_day > MOVES_MA_PER_DAY:
            assert day <= 300 / (ramp_ma_per_day - MOVES_MA_PER_DAY) + 1
    assert grown or ramp_ma_per_day > MOVES_MA_PER_DAY


def test_weeks_of_a_changed_network_are_followed() -> None:
    natural = lived(learned(60.0), [130.0] * 24 * 40)
    assert natural.level_ma == pytest.approx(130.0)
    assert natural.grown_ma == pytest.approx(70.0)
    assert lived(natural, [40.0] * 24 * 60, from_s=natural.looked_s).level_ma == pytest.approx(40.0)


# --- what outlives the process ------------------------------------------------------------------


def test_written_at_most_once_an_hour_and_only_when_there_is_something_new() -> None:
    natural, written = Natural(), []
    for second in range(0, 10 * 24 * 3600, 60):
        natural = natural.seen(reading(120.0), False, BEGIN_S + second)
        if natural.due(BEGIN_S + second):
            if natural.is_new:
                written.append(second)
            natural = natural.stored(BEGIN_S + second)
    assert 7 * 24 <= len(written) <= 7 * 24 + 5, "each hour of the first week, and then for each of 5 mA"
    assert all(later - earlier >= STORE_S for earlier, later in pairwise(written))


@given(st.integers(0, 7 * 24 - 1), st.floats(0, 400))
def test_a_restart_goes_on_where_it_was(hours: int, value: float) -> None:
    natural = lived(Natural(), [value] * hours)
    again = Natural.read(natural.row())
    assert again == Natural(seconds=natural.seconds)
    done = lived(natural, [value] * 8 * 24, from_s=natural.looked_s)
    back = Natural.read(done.row())
    assert (back.level_ma, back.first_ma) == (pytest.approx(done.level_ma, abs=0.01), pytest.approx(done.first_ma, abs=0.01))
    assert back.value is None, "the gap of a restart teaches nothing"


@pytest.mark.parametrize(
    "damage",
    [
        {"natural_ma": 900.0, "first_ma": 100.0},
        {"natural_ma": -1.0, "first_ma": 100.0},
        {"natural_ma": "x", "first_ma": 1.0},
        {"natural_ma": 100.0},
        {"natural_seconds": "1,2,3"},
        {"natural_seconds": "x," * 30},
        {"natural_seconds": ",".join(["-5"] * 31)},
        {"observed": 5},
        {},
    ],
)
def test_what_is_damaged_is_learned_anew(damage: dict[str, Value]) -> None:
    assert Natural.read(damage) == Natural()


def test_forgetting_a_level_keeps_no_trend() -> None:
    grown = replace(learned(60.0), level_ma=120.0)
    assert grown.grown_ma == 60.0
    assert Natural.read(Natural().row()).grown_ma == 0.0
