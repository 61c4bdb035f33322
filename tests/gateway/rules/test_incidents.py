"""Which alarms belong together, and how far an incident has come."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.deadline import Deadline
from gateway.core.points import Text
from gateway.core.reading import Now
from gateway.rules.incidents import Incident, IncidentRules, home, is_controlled, is_resolved

NOW = Now(1000.0, 1_800_000_000_000)
RULES = IncidentRules(300.0, (frozenset({"gate", "gatehouse"}),))


def incident(place: str = "gate", status: str = "Actual") -> Incident:
    """One that began now with the alarm `panic/alarm`."""
    begun = Incident("i1", place, status, Text("一键报警", "one-key alarm"), Deadline(0.0), detected_ms=NOW.at_ms)
    return begun.with_alarm("panic/alarm", "e1", NOW, RULES.window_s)


@pytest.mark.parametrize(
    ("place", "key", "status", "after_s", "joins"),
    [
        ("gate", "impact/alarm", "Actual", 0.0, True),
        ("gatehouse", "impact/alarm", "Actual", 299.0, True),
        ("gate", "impact/alarm", "Actual", 300.0, False),
        ("kitchen", "gas/level2", "Actual", 1.0, False),
        ("gate", "impact/alarm", "Exercise", 1.0, False),
        ("gate", "panic/alarm", "Actual", 5000.0, True),  # its own alarm stays with it
        ("kitchen", "panic/alarm", "Test", 1.0, False),
    ],
)
def test_what_belongs_to_an_open_incident(place: str, key: str, status: str, after_s: float, joins: bool) -> None:
    now = Now(NOW.now_s + after_s, NOW.at_ms + round(after_s * 1000))
    assert (home([incident()], RULES, place, key, status, now) is not None) is joins


def test_after_a_restart_the_window_goes_on_by_the_clock_or_by_what_was_left() -> None:
    kept = Incident.read("i1", json.loads(json.dumps(incident().row())))
    assert kept == replace(incident(), joins=replace(incident().joins, until_s=0.0))
    later = Now(5.0, NOW.at_ms + 200_000)
    assert home([kept], RULES, "gate", "impact/alarm", "Actual", later) is not None
    assert home([kept], RULES, "gate", "impact/alarm", "Actual", Now(5.0, NOW.at_ms + 301_000)) is None
    assert home([kept], RULES, "gate", "impact/alarm", "Actual", Now(5.0, 0, "unknown")) is not None


@pytest.mark.parametrize("damage", [{"joins": {}}, {"alarms": 5}, {"detected_ms": "yesterday"}])
def test_a_damaged_row_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError, TypeError)):
        Incident.read("i1", incident().row() | damage)


@given(
    st.lists(st.sampled_from(["normal", "unacknowledged", "acknowledged", "latched_unacknowledged", "latched_acknowledged"]), min_size=1)
)
def test_controlled_and_resolved(states: list[str]) -> None:
    grown = incident()
    for i in range(len(states)):
        grown = grown.with_alarm(f"p{i}/alarm", f"e{i}", NOW, 300.0)
    by_key = {f"p{i}/alarm": state for i, state in enumerate(states)}

    def state(key: str) -> str:
        return by_key.get(key, "normal")

    assert is_controlled(grown, state) is all(s in ("normal", "latched_acknowledged") for s in states)
    assert is_resolved(grown, state) is all(s == "normal" for s in states)
    assert is_controlled(grown, state) or not is_resolved(grown, state)
