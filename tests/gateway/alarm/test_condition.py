"""Conditions: limits with deadband, quality, delays in arbitrary steps of time, press counters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.condition import Delayed, follow, judge, presses
from gateway.core.points import (
    Above,
    AlarmSpec,
    Below,
    Chattering,
    Condition,
    Confirmed,
    Contact,
    EventClass,
    LoopCut,
    NotGood,
    OneOf,
    Press,
    Rise,
    Stale,
    Stuck,
    Text,
)
from gateway.core.reading import Quality, Reading, Value
from gateway.core.wire import Failure


def reading(value: Value, quality: Quality = Quality.GOOD, reason: str = "") -> Reading:
    return Reading("p", value, quality, reason)


@pytest.mark.parametrize(
    ("condition", "value", "active", "expected"),
    [
        (Contact(), True, False, True),
        (Contact(), False, True, False),
        (Contact(active=False), False, False, True),
        (Contact(), 1, False, True),
        (Contact(), "open", False, None),
        (Above(25, 2), 24.999, False, False),
        (Above(25, 2), 25, False, True),
        (Above(25, 2), 23.0, True, True),
        (Above(25, 2), 22.999, True, False),
        (Above(25, 2), "high", False, None),
        (Below(5, 1), 5.001, False, False),
        (Below(5, 1), 5, False, True),
        (Below(5, 1), 6.0, True, True),
        (Below(5, 1), 6.001, True, False),
        (OneOf(frozenset({"jammed"})), "jammed", False, True),
        (OneOf(frozenset({"jammed"})), "up", True, False),
        (Press(), 5, False, None),
        (Press(), True, False, None),
        (Rise(5, 60), 99.0, False, None),
        (Stuck(60), 1.0, False, None),
        (Confirmed(("a/alarm", "b/alarm")), True, False, None),
        (Chattering(), True, False, None),
        (LoopCut(), True, True, False),
        (Stale(), 1.0, True, False),
    ],
)
def test_judge_good_values(condition: Condition, value: Value, active: bool, expected: bool | None) -> None:
    assert judge(condition, reading(value), active) is expected


CONDITIONS: list[Condition] = [Contact(), Contact(False), Above(1), Below(1), OneOf(frozenset({"x"})), Press()]


@given(
    st.sampled_from(CONDITIONS),
    st.booleans() | st.floats() | st.just("x") | st.none(),
    st.sampled_from(["bad", "uncertain"]),
    st.booleans(),
)
def test_a_value_that_is_not_good_says_nothing(condition: Condition, value: Value, quality: str, active: bool) -> None:
    assert judge(condition, reading(value, Quality(quality), "warm-up"), active) is None


@pytest.mark.parametrize(
    ("quality", "reason", "expected"),
    [
        ("good", "", False),
        ("uncertain", "warm-up", False),
        ("bad", "sensor fault", True),
        ("bad", "open loop", True),
        *(("bad", str(failure), False) for failure in Failure),
        ("bad", "exception 2", False),
        ("bad", "vision silent", False),
        ("bad", "camera blind", False),
        ("bad", "stale", False),
    ],
)
def test_not_good_tells_the_sensor_and_leaves_the_line_to_others(quality: str, reason: str, expected: bool) -> None:
    assert judge(NotGood(), reading(None, Quality(quality), reason), False) is expected


@pytest.mark.parametrize(
    ("reason", "cut", "stale", "fault", "fault_without_loops"),
    [
        ("loop open", True, None, True, False),
        ("loop short", True, None, True, False),
        ("stale", None, True, False, False),
        ("sensor fault", None, None, True, True),
        ("no answer", None, None, False, False),
    ],
)
def test_a_bad_reading_is_the_alarm_of_its_reason(
    reason: str, cut: bool | None, stale: bool | None, fault: bool, fault_without_loops: bool
) -> None:
    bad = reading(None, Quality.BAD, reason)
    for active in (False, True):
        assert judge(LoopCut(), bad, active) is cut
        assert judge(Stale(), bad, active) is stale
        assert judge(NotGood(), bad, active) is fault
        assert judge(NotGood(loops=False), bad, active) is fault_without_loops
        assert judge(Contact(), bad, active) is None, "an open loop is never normal, and never the alarm itself"


@given(st.floats(-100, 100), st.floats(0, 20), st.lists(st.floats(-150, 150)))
def test_deadband_never_chatters(limit: float, deadband: float, values: list[float]) -> None:
    """Between two changes of the answer the value has crossed the whole deadband."""
    active = False
    for value in values:
        now = judge(Above(limit, deadband), reading(value), active)
        assert now is not None
        if now and not active:
            assert value >= limit
        if active and not now:
            assert value < limit - deadband
        active = now


def spec(on_s: float, off_s: float) -> AlarmSpec:
    return AlarmSpec("p", "alarm", Contact(), "door", EventClass.ALARM, False, Text("", ""), on_delay_s=on_s, off_delay_s=off_s)


delays = st.sampled_from([0.0, 0.5, 1.0, 3.0])
steps = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.4, 0.5, 1.0, 5.0, 1000.0]), st.sampled_from([True, False, None])), max_size=40)


@given(delays, delays, steps)
def test_delays_in_any_steps_of_time(on_s: float, off_s: float, looks: list[tuple[float, bool | None]]) -> None:
    """Model: the answer follows what was last seen once that has stood for its delay at a look, and not before."""
    state, now_s = Delayed(), 100.0
    seen, since_s, answer = False, 0.0, False
    for passed_s, raw in looks:
        now_s += passed_s
        state, due_s = follow(spec(on_s, off_s), state, raw, now_s)
        if raw is not None and raw != seen:
            seen, since_s = raw, now_s
        stood_s = now_s - since_s
        if seen != answer and stood_s >= (on_s if seen else off_s) - 1e-9:
            answer = seen
        assert state.active is answer
        assert (due_s is None) == (seen == answer)
        if due_s is not None:
            assert due_s > now_s, "a look that is due now would spin"
            later, none = follow(spec(on_s, off_s), state, None, due_s)
            assert later.active is seen
            assert none is None


def test_a_short_pulse_does_not_pass_the_delay() -> None:
    state, due_s = follow(spec(2.0, 0.0), Delayed(), True, 10.0)
    assert (state.active, due_s) == (False, 12.0)
    state, due_s = follow(spec(2.0, 0.0), state, False, 11.0)
    assert (state.active, due_s) == (False, None)
    state, due_s = follow(spec(2.0, 0.0), state, True, 11.5)
    assert due_s == 13.5, "the delay begins anew"


@pytest.mark.parametrize(
    ("last", "count", "modulus", "new"),
    [
        (None, 0, 1 << 32, 0),
        (None, 7, 1 << 32, 0),
        (7, 7, 1 << 32, 0),
        (7, 8, 1 << 32, 1),
        (0, 500, 1 << 32, 500),
        (7, 0, 1 << 32, 0),
        (100_000, 3, 1 << 32, 0),
        ((1 << 32) - 1, 0, 1 << 32, 1),
        ((1 << 32) - 2, 3, 1 << 32, 5),
        (65_535, 0, 1 << 16, 1),
        (65_530, 4, 1 << 16, 10),
        (65_535, 0, 1 << 32, 0),
        (40_000, 0, 1 << 16, 0),
        (255, 1, 1 << 8, 2),
        (200, 0, 1 << 8, 0),
        (100, 0, 1 << 8, 0),
    ],
)
def test_presses(last: int | None, count: int, modulus: int, new: int) -> None:
    assert presses(last, count, modulus) == new


@given(st.integers(0, (1 << 16) - 1), st.lists(st.integers(0, 50), max_size=50))
def test_presses_are_counted_once_around_any_wrap(first: int, pressed: list[int]) -> None:
    last, counted = first, 0
    for number in pressed:
        count = (last + number) % (1 << 16)
        counted += presses(last, count, 1 << 16)
        last = count
    assert counted == sum(pressed)
