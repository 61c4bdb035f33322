"""What is seen over time: rises against a model that keeps everything, values that do not move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.trend import SAMPLES_MOST, Trace, is_stuck, rises
from gateway.core.points import Rise, Stuck
from gateway.core.reading import Quality, Reading, Value


def traced(story: list[tuple[float, Value]], window_s: float) -> Trace:
    trace = Trace()
    for now_s, value in story:
        trace = trace.seen(Reading("p", value), now_s, window_s)
    return trace


def test_a_rise_over_the_window() -> None:
    rise = Rise(10.0, 60.0)
    assert rises(rise, Trace(), 5.0, False) == (None, None)
    trace = traced([(0.0, 20.0), (30.0, 29.0)], 60.0)
    assert rises(rise, trace, 30.0, False) == (False, None), "9 in a minute"
    trace = traced([(0.0, 20.0), (30.0, 30.0)], 60.0)
    assert rises(rise, trace, 30.0, False) == (True, 90.0)
    assert rises(rise, trace, 89.9, True)[0], "20 was held until 30.0: within the last minute"
    assert rises(rise, trace, 90.0, True)[0] is False
    trace = traced([(0.0, 20.0), (30.0, 26.0)], 60.0)
    assert rises(rise, trace, 30.0, True)[0], "over below half of the limit"
    assert not rises(rise, trace, 30.0, False)[0]
    assert not rises(rise, traced([(0.0, 90.0), (1.0, 20.0)], 60.0), 1.0, False)[0], "a fall is no rise"


def test_a_sensor_that_comes_back_has_not_risen() -> None:
    trace = traced([(0.0, 1.0)], 60.0).seen(Reading("p", None, Quality.BAD, "no answer"), 1.0, 60.0)
    assert trace == Trace()
    assert rises(Rise(1.0, 60.0), trace.seen(Reading("p", 50.0), 2.0, 60.0), 2.0, False) == (False, None)
    assert Trace().seen(Reading("p", 1.0, Quality.UNCERTAIN, "warm-up"), 1.0, 60.0) == Trace()


@given(
    st.lists(st.tuples(st.floats(0.01, 40.0), st.floats(0.0, 100.0)), min_size=1, max_size=150),
    st.floats(0.0, 100.0),
    st.floats(1.0, 60.0),
    st.floats(10.0, 120.0),
)
def test_rises_as_a_model_that_forgets_nothing(steps: list[tuple[float, float]], after_s: float, per_min: float, window_s: float) -> None:
    """The trace thins out what follows quickly; the lowest of it stands earlier, never later, than it was."""
    story: list[tuple[float, Value]] = []
    now_s = 100.0
    for passed_s, value in steps:
        now_s += passed_s
        story.append((now_s, value))
    trace = traced(story, window_s)
    assert len(trace.samples) <= 2 * SAMPLES_MOST + 3
    now_s += after_s
    raw, look_s = rises(Rise(per_min, window_s), trace, now_s, False)

    def rise(from_s: float) -> float:
        before = [float(v) for s, v in story if s <= from_s][-1:]  # type: ignore[arg-type]
        held = before + [float(v) for s, v in story if s > from_s]  # type: ignore[arg-type]
        return (held[-1] - min(held)) * 60 / window_s if held else 0.0

    if raw:
        assert rise(now_s - window_s - window_s / SAMPLES_MOST) >= per_min - 1e-9
        assert look_s is not None
        assert look_s > now_s, "a look that is due now would spin"
    else:
        assert rise(now_s - window_s + window_s / SAMPLES_MOST) < per_min + 1e-9


@pytest.mark.parametrize(
    ("story", "now_s", "expected"),
    [
        ([], 99.0, (None, None)),
        ([(10.0, 1.5)], 69.0, (False, 70.0)),
        ([(10.0, 1.5)], 70.0, (True, None)),
        ([(10.0, 1.5), (60.0, 1.5)], 70.0, (True, None)),
        ([(10.0, 1.5), (60.0, 1.6)], 70.0, (False, 120.0)),
        ([(10.0, 1.5), (20.0, 1.6), (30.0, 1.5)], 70.0, (False, 90.0)),
    ],
)
def test_stuck(story: list[tuple[float, Value]], now_s: float, expected: tuple[bool | None, float | None]) -> None:
    assert is_stuck(Stuck(60.0), traced(story, 0.0), now_s) == expected
