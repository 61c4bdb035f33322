"""Runs of numbers against a plain set."""

from hypothesis import given
from hypothesis import strategies as st

from simulators.centre.spans import Spans


@given(st.lists(st.integers(1, 40)))
def test_same_as_a_set(numbers: list[int]) -> None:
    spans, plain = Spans(), set()
    for number in numbers:
        assert spans.add(number) is (number not in plain)
        plain.add(number)
        assert all((n in spans) == (n in plain) for n in range(42))
    assert spans.lowest == min(plain, default=0)
    assert spans.highest == max(plain, default=0)
    for below in range(1, 43):
        missing = {n for first, last in spans.holes(below) for n in range(first, last + 1)}
        assert missing == set(range(1, below)) - plain
    assert all(last + 1 < first for last, first in zip(spans.lasts, spans.firsts[1:], strict=False)), "runs never touch"


def test_a_huge_hole_costs_one_run() -> None:
    spans = Spans()
    spans.add(1)
    spans.add(10**20 - 1)
    assert spans.holes(10**20) == [(2, 10**20 - 2)]
