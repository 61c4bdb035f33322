"""How far the wall clock may be believed where the kernel may not be asked: by what systemd-timesyncd leaves, never better than known."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.runtime.clock import STEPPED_S, TIMESYNC_WITHIN_S, Clock, TimesyncMark

AT_S = 1_795_000_000.0


@pytest.fixture
def mark(tmp_path: Path) -> TimesyncMark:
    return TimesyncMark(touched(tmp_path / "synchronized", AT_S))


def touched(path: Path, at_s: float) -> Path:
    path.touch()
    os.utime(path, (at_s, at_s))
    return path


def test_a_fresh_mark_counts_until_it_is_old(mark: TimesyncMark) -> None:
    assert mark.fresh(100.0, AT_S + 1)
    assert mark.fresh(100.0 + TIMESYNC_WITHIN_S - 1, AT_S + TIMESYNC_WITHIN_S)
    assert not mark.fresh(100.0 + TIMESYNC_WITHIN_S, AT_S + TIMESYNC_WITHIN_S + 1)


def test_without_a_mark_nothing_is_known(tmp_path: Path) -> None:
    assert not TimesyncMark(tmp_path / "synchronized").fresh(100.0, AT_S)


@pytest.mark.parametrize("by_s", [3600.0, -3600.0, STEPPED_S + 0.5, -STEPPED_S - 0.5])
def test_a_clock_that_a_hand_moved_is_not_believed(mark: TimesyncMark, by_s: float) -> None:
    """Nor when it would be within its age still. The next adjustment makes it good."""
    assert mark.fresh(100.0, AT_S + 10)
    assert not mark.fresh(110.0, AT_S + 20 + by_s)
    assert not mark.fresh(120.0, AT_S + 30 + by_s)


def test_the_next_adjustment_makes_it_good(tmp_path: Path) -> None:
    path = touched(tmp_path / "synchronized", AT_S)
    mark = TimesyncMark(path)
    assert mark.fresh(100.0, AT_S + 10)
    assert not mark.fresh(110.0, AT_S + 3620)
    touched(path, AT_S + 30)
    assert mark.fresh(120.0, AT_S + 30)


def test_slewing_is_no_step(mark: TimesyncMark) -> None:
    assert mark.fresh(100.0, AT_S + 10)
    assert mark.fresh(110.0, AT_S + 20 + STEPPED_S / 2)


def test_a_mark_of_the_future_was_made_by_another_clock(mark: TimesyncMark) -> None:
    assert not mark.fresh(100.0, AT_S - 60)


class Forbidden(Clock):
    """A clock whose unit may not ask the kernel."""

    def __init__(self, mark: TimesyncMark, kernel: bool | None = None) -> None:
        super().__init__()
        self._timesync, self._said = mark, kernel

    def _kernel(self) -> bool | None:
        return self._said


def test_the_kernels_own_word_goes_before_the_mark(mark: TimesyncMark) -> None:
    at_ms = round((AT_S + 10) * 1000)
    assert [Forbidden(mark, said)._look(100.0, at_ms) for said in (True, False, None)] == ["synchronised", "holdover", "synchronised"]


def test_a_clock_that_was_never_set_is_unknown_whatever_is_said(tmp_path: Path) -> None:
    mark = TimesyncMark(touched(tmp_path / "synchronized", 1.0))
    assert Forbidden(mark, True)._look(100.0, 2000) == "unknown"


def test_this_computers_clock_says_one_of_the_three() -> None:
    assert Clock().now().clock in ("synchronised", "holdover", "unknown")
