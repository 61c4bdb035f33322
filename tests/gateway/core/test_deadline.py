"""An end of waiting across restarts, with any clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.deadline import Deadline
from gateway.core.reading import Now

CLOCKS = st.sampled_from(["synchronised", "holdover", "unknown"])


@given(st.floats(0.0, 1e5), st.floats(0.0, 1e5), CLOCKS, CLOCKS, st.integers(-(10**9), 10**9))
def test_what_is_left_is_never_more_than_it_was(for_s: float, ran_s: float, then: str, later: str, off_ms: int) -> None:
    kept = Deadline(50.0 + for_s).kept(Now(50.0 + min(ran_s, for_s), 10**12, then))
    left_s = max(for_s - ran_s, 0.0)
    assert kept.left_s == pytest.approx(left_s, abs=1e-6)
    again = Deadline.read(kept.row()).resumed(Now(7.0, 10**12 + off_ms, later))
    rest_s = again.until_s - 7.0
    assert 0.0 <= rest_s <= left_s + 1e-6
    if "unknown" in (then, later):
        assert rest_s == pytest.approx(left_s, abs=1e-6)
    else:
        assert rest_s == pytest.approx(min(max(left_s - off_ms / 1000, 0.0), left_s), abs=2e-3)
    assert again.resumed(Now(9.0, 10**12, later)) == again, "once"
