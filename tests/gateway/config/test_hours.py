"""Opening hours of the site file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.hours import parse_spans


@given(st.integers(0, 1439), st.integers(1, 1440))
def test_any_span_of_the_day(start: int, end: int) -> None:
    words = f"{start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d}"
    if start < end:
        assert parse_spans([words]) == [(start, end)]
    else:
        with pytest.raises(ValueError, match="ends before it begins"):
            parse_spans([words])


@pytest.mark.parametrize(
    "words", ["", "8:00-9:00", "08:00", "08:00-09:60", "25:00-26:00", "08:00-09:00 ", "08:00-24:01", "08:00–09:00", "٠٨:00-09:00"]
)
def test_what_is_no_span(words: str) -> None:
    with pytest.raises(ValueError):
        parse_spans([words])


def test_the_whole_day() -> None:
    assert parse_spans(["00:00-24:00", "07:30-12:00"]) == [(0, 1440), (450, 720)]
