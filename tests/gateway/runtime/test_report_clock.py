"""What is told as off is never more than the gaps, whatever the clocks of single runs said; small slips and drift move nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reading import Now
from gateway.report.off import lasted_ms
from gateway.runtime.report_clock import AHEAD_MS, MOST_ENDS, WATCHED_SLACK_MS, Issued, Run, RunTimes, times_off

HOUR_MS = 3_600_000
AT_MS = 1_795_000_000_000


def run(begin_h: float, end_h: float, sure: bool = True) -> Run:
    return Run(AT_MS + round(begin_h * HOUR_MS), AT_MS + round(end_h * HOUR_MS), sure)


def hours(runs: list[Run]) -> list[tuple[float, float]]:
    return [((begin - AT_MS - WATCHED_SLACK_MS) / HOUR_MS, (end - AT_MS) / HOUR_MS) for begin, end in times_off(runs)]


@pytest.mark.parametrize(
    ("runs", "off"),
    [
        ([], []),
        ([run(0, 5)], []),
        ([run(0, 5), run(5.1, 5.1)], []),
        ([run(0, 5), run(9, 20), run(30, 30)], [(5, 9), (20, 30)]),
        ([run(0, 5), run(-9000, -9000, False), run(9, 9)], [(5 + WATCHED_SLACK_MS / HOUR_MS, 9)]),
        ([run(0, 5), run(90_000, 90_000, False), run(9, 9)], [(5 + WATCHED_SLACK_MS / HOUR_MS, 9)]),
        ([run(0, 5), run(90_000, 90_002, False), run(9, 9)], [(7 + WATCHED_SLACK_MS / HOUR_MS, 9)]),
        ([run(0, 50), run(2, 3, False), run(60, 60, False)], [(51 + WATCHED_SLACK_MS / HOUR_MS, 60)]),
        ([run(900, 990, False), run(1, 2), run(9, 9, False)], [(2, 9)]),
    ],
)
def test_times_off(runs: list[Run], off: list[tuple[float, float]]) -> None:
    assert hours(runs) == [pytest.approx(span) for span in off]


SPANS = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 200), st.booleans(), st.sampled_from([0, 0, 0, -9000, 500, 90_000])), max_size=8
)


@given(SPANS)
def test_never_more_than_was_off(told: list[tuple[int, int, bool, int]]) -> None:
    """(off for, then ran for, synchronised, wrong by) hours; the present clock is right."""
    runs, at_h, ran_h = [run(0, 1)], 1, 1
    for off_h, ran, sure, wrong_h in told:
        wrong_h = 0 if sure else wrong_h
        runs.append(run(at_h + off_h + wrong_h, at_h + off_h + ran + wrong_h, sure))
        at_h, ran_h = at_h + off_h + ran, ran_h + ran
    spans = times_off([*runs, run(at_h + 5, at_h + 5)])
    assert lasted_ms(spans) <= (at_h + 5 - ran_h) * HOUR_MS + len(runs) * AHEAD_MS
    assert all(AT_MS <= begin < end <= AT_MS + (at_h + 5) * HOUR_MS for begin, end in spans)


@pytest.mark.parametrize("row", [None, 5, {"runs": [["x"]], "boots": 3, "eras": [[1]], "mark": []}, {"runs": 7}])
def test_a_damaged_row_is_begun_anew(row: Any) -> None:
    times = RunTimes(row, 0.0)
    times.begin(Now(1.0, AT_MS), None)
    assert (times.boots, len(times.runs), times.eras) == ([AT_MS - 1000], 1, ())


def test_a_clock_that_drifts_is_not_set() -> None:
    times = RunTimes(None, 0.0)
    times.begin(Now(0.0, AT_MS, "holdover"), None)
    for day in range(1, 200):
        assert times.look(Now(day * 86_400.0, AT_MS + day * 86_410_000, "holdover"), day) == (False, 0)
    assert times.runs[-1].begin_ms == AT_MS


def test_a_slip_of_minutes_dates_the_start_and_nothing_else() -> None:
    times = RunTimes(None, 0.0)
    times.begin(Now(0.0, AT_MS, "holdover"), None)
    assert times.look(Now(10.0, AT_MS + 130_000, "synchronised"), 0) == (True, 120_000)
    assert (times.runs[-1].begin_ms, times.runs[-1].sure, times.boots) == (AT_MS + 120_000, True, [AT_MS + 120_000])


def test_what_was_set_twice_is_dated_by_the_last_clock() -> None:
    times = RunTimes(None, 0.0)
    times.begin(Now(0.0, AT_MS, "holdover"), None)
    times.sealed(7)
    times.look(Now(10.0, AT_MS + 9 * HOUR_MS, "holdover"), 8)
    times.look(Now(20.0, AT_MS + 99 * HOUR_MS, "synchronised"), 9)
    assert [(era.after_row, era.up_to_row) for era in times.eras] == [(6, 8), (8, 9)]
    assert [round(era.shift_ms / HOUR_MS) for era in times.eras] == [99, 90]
    kept = RunTimes(times.row(), 0.0)
    assert (kept.eras, kept.runs, kept.boots) == (times.eras, times.runs, times.boots)


def test_an_old_run_is_not_moved() -> None:
    times = RunTimes(None, 0.0)
    times.begin(Now(0.0, AT_MS, "holdover"), None)
    assert times.look(Now(30 * 86_400.0, AT_MS, "synchronised"), 8) == (True, 0)
    assert (times.runs[0].begin_ms, len(times.runs), times.eras) == (AT_MS, 2, ())


def test_many_restarts_do_not_push_out_what_was_long_ago() -> None:
    row: Any = {"runs": [[AT_MS, AT_MS + HOUR_MS, True]]}
    for start in range(500):
        times = RunTimes(row, 0.0)
        at_ms = AT_MS + 30 * HOUR_MS + start * 60_000
        times.begin(Now(0.0, at_ms), at_ms - 60_000 if start else AT_MS + HOUR_MS)
        row = times.row()
    assert hours(times.runs) == [(1.0, 30.0)]


def test_ends_that_do_not_hold_are_kept_to_be_named() -> None:
    known = Issued(0, 100, ((0, 100),)).then(1, 200).then(2, 90 * AHEAD_MS)
    assert known.at(300) == Issued(2, 200, ((0, 100), (1, 200)), (2,))
    assert known.at(91 * AHEAD_MS) == known
    assert known.before(0, 0) == Issued(2, 100, ((0, 100),), (1, 2))
    for number in range(3, 100):
        known = known.then(number, number * 100)
    assert len(known.ends) == MOST_ENDS
    assert known.before(0, 0).to_ms == 8000, "not before the oldest that is known"
