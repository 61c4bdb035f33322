"""Old pictures stay old, whatever their arrival; drifting and restarting clocks are followed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera_clock import Pace, StreamClock


def test_steady_pictures_are_dated_by_their_stamps() -> None:
    clock = StreamClock()
    for i in range(100):
        captured_s = clock.captured_s(i / 10, 1000.0 + i / 10 + (0.03 if i % 3 else 0.0))
        assert captured_s == pytest.approx(1000.0 + i / 10)


def test_a_backlog_after_a_stall_is_old() -> None:
    clock = StreamClock()
    for i in range(50):
        clock.captured_s(i / 10, 1000.0 + i / 10)
    for i in range(50, 100):  # held up until 1010, then all at once
        assert 1010.0 - clock.captured_s(i / 10, 1010.0) == pytest.approx(10.0 - i / 10)
    assert clock.captured_s(10.1, 1010.1) == pytest.approx(1010.1)


@pytest.mark.parametrize("drift", [-200e-6, 200e-6])
def test_a_day_of_drift_is_not_delay(drift: float) -> None:
    clock = StreamClock()
    for i in range(0, 86400, 2):
        stamp_s = i * (1 + drift)
        late_s = i - clock.captured_s(stamp_s, float(i))
        assert -1e-6 <= late_s < 0.05


def test_a_camera_that_restarts_counts_anew() -> None:
    clock = StreamClock()
    for i in range(50):
        clock.captured_s(100 + i / 10, 1000.0 + i / 10)
    assert clock.captured_s(0.0, 1008.0) == 1008.0
    assert clock.captured_s(0.1, 1008.1) == pytest.approx(1008.1)


def test_a_leap_forward_counts_anew() -> None:
    clock = StreamClock()
    clock.captured_s(1.0, 1000.0)
    assert clock.captured_s(50_000.0, 1000.1) == pytest.approx(1000.1)


def test_what_was_buffered_while_opening_is_known_as_such() -> None:
    clock, settled = StreamClock(), []
    for i in range(12):  # eight pictures at once, then live
        clock.captured_s(i / 10, 1000.7 if i < 8 else 1000.0 + i / 10)
        settled.append(clock.settled)
    assert settled == [False] * 8 + [True] * 4


def test_a_camera_that_always_sends_in_bursts_settles_too() -> None:
    clock = StreamClock()
    for i in range(40):
        clock.captured_s(i / 10, 1000.0 + i // 10)
    assert clock.settled


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 5)), min_size=1, max_size=100))
def test_never_later_than_arrival(steps: list[tuple[float, float]]) -> None:
    clock, stamp_s, arrival_s = StreamClock(), 0.0, 1000.0
    for more_stamp_s, more_arrival_s in steps:
        stamp_s += more_stamp_s
        arrival_s += more_arrival_s
        assert clock.captured_s(stamp_s, arrival_s) <= arrival_s + 1e-9


@pytest.mark.parametrize(("fps", "wanted"), [(25.0, 5.0), (10.0, 5.0), (12.5, 5.0), (30.0, 7.0), (5.0, 5.0), (2.0, 2.0)])
def test_pace(fps: float, wanted: float) -> None:
    pace = Pace(wanted)
    kept = [i / fps for i in range(int(60 * fps)) if pace.due(i / fps)]
    assert len(kept) == pytest.approx(60 * wanted, rel=0.03)


def test_pace_begins_anew_when_stamps_go_back() -> None:
    pace = Pace(5.0)
    assert pace.due(1000.0)
    assert not pace.due(1000.1)
    assert pace.due(0.0)
    assert not pace.due(0.1)
    assert pace.due(0.2)
