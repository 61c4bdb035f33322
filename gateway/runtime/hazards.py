"""The hazard ledger for the door, the page and the metrics: what the running daemon knows of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gateway.core.hazards import HAZARD_STATES, LEDGER
from gateway.core.reading import Now
from gateway.runtime.decide_house import House


def _state(house: House) -> Any:
    """rules.hazards.HazardsState, None where the site keeps no ledger."""
    found = next((rule.id for rule in house.school.rules.values() if rule.name == LEDGER), None)
    return None if found is None else house.school.states[found]


def hazards(house: House, now: Now) -> list[dict[str, Any]]:
    """Those that are not closed and those closed within 400 days (the newest 200), by number; of the latter only the last steps."""
    return _told(house, now, closed=True)


def not_closed(house: House, now: Now) -> list[dict[str, Any]]:
    """Those that are not closed, without their steps."""
    return [{name: value for name, value in row.items() if name != "steps"} for row in _told(house, now, closed=False)]


def counts(house: House) -> dict[str, int]:
    """State -> how many; closed ones are those of the last 400 days. Empty where the site keeps no ledger."""
    state = _state(house)
    if state is None:
        return {}
    found = Counter(hazard.state for hazard in (*state.hazards, *state.closed))
    return {name: found[name] for name in HAZARD_STATES}


def overdue(house: House) -> int:
    """How many were overdue when the ledger last looked."""
    state = _state(house)
    return 0 if state is None else len(state.late)


def _told(house: House, now: Now, *, closed: bool) -> list[dict[str, Any]]:
    state = _state(house)
    if state is None:
        return []
    from gateway.rules.hazards import told  # loaded where a site keeps a ledger, as all rules are

    today = house.timetable.local_date(now.at_ms).isoformat() if now.clock != "unknown" else ""
    found = (*state.hazards, *state.closed) if closed else state.hazards
    return [told(hazard, today) for hazard in sorted(found, key=lambda hazard: hazard.number)]
