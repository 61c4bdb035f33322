"""How many alarms people are asked to look at, and when that is a flood."""

from __future__ import annotations

from gateway.alarm.measures import FLOOD_BELOW, WINDOW_S, Measures, flood


def test_measures() -> None:
    measures = Measures()
    for i in range(12):
        measures.add("a" if i % 3 else "b", 1000.0 + i)
    assert measures.rate(1012.0) == 12
    assert measures.rate(1000.0 + WINDOW_S) == 11
    assert measures.top() == [("a", 8), ("b", 4)]
    falls_s = measures.falls_s(1012.0)
    assert measures.rate(falls_s) == FLOOD_BELOW - 1
    assert measures.rate(falls_s - 0.01) == FLOOD_BELOW
    measures.add("c", 9999.0)
    assert len(measures.recent) == 1, "what is older than ten minutes is not kept"
    assert measures.falls_s(9999.0) == 9999.0


def test_a_flood_has_a_beginning_and_an_end() -> None:
    assert [flood(rate, False) for rate in (10, 11)] == [False, True]
    assert [flood(rate, True) for rate in (5, 4)] == [True, False]
