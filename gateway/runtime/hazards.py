"""The hazard ledger for the door, the page and the metrics: what the running daemon knows of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.core.errors import DAMAGED, BadMessage, JournalUnreadable
from gateway.core.hazards import CLOSED, HAZARD_STATES, LEDGER, MOST_NOTE, MOST_STEPS, NO_ENTRY, Hazard, HazardStep
from gateway.core.history import Past
from gateway.core.points import Text
from gateway.core.reading import Now
from gateway.runtime.decide_house import House


def _state(house: House) -> Any:
    """rules.hazards.HazardsState, None where the site keeps no ledger."""
    found = next((rule.id for rule in house.school.rules.values() if rule.name == LEDGER), None)
    return None if found is None else house.school.states[found]


def hazards(house: House, now: Now) -> list[dict[str, Any]]:
    """Those that are not closed and those closed within 400 days (the newest 200), by number; of the latter only the last steps."""
    return _told(house, now, closed=True)


def not_closed(house: House, now: Now, most: int = 0) -> list[dict[str, Any]]:
    """Those that are not closed, without their steps. most: only so many, the most urgent, if not 0."""
    found = _told(house, now, closed=False)
    if most and len(found) > most:
        found = sorted(found, key=lambda row: (not row["overdue"], row["due"] or "9999", row["number"]))[:most]
    return [{name: value for name, value in row.items() if name != "steps"} for row in found]


def counts(house: House) -> dict[str, int]:
    """State -> how many; closed ones are those of the last 400 days. Empty where the site keeps no ledger."""
    state = _state(house)
    if state is None:
        return {}
    found = Counter(hazard.state for hazard in (*state.hazards, *state.closed))
    return {name: found[name] for name in HAZARD_STATES}


def not_closed_count(house: House) -> int:
    """How many are not closed."""
    state = _state(house)
    return 0 if state is None else len(state.hazards)


def overdue(house: House) -> int:
    """How many were overdue when the ledger last looked."""
    state = _state(house)
    return 0 if state is None else len(state.late)


def mend(house: House, past: Past, *, set_aside: bool) -> bool:
    """Where what was kept of the ledger cannot be read, make it anew from its entries; True when that was needed.

    set_aside: the journal was begun anew, so that what was kept may be gone altogether.
    """
    ledger = next((rule for rule in house.school.rules.values() if rule.name == LEDGER), None)
    if ledger is None:
        return False
    damaged = ledger.id in house.school.damaged
    if not damaged and not (set_aside and house.school.states[ledger.id].entry == 0):
        return False
    row = rebuild(past)
    if not damaged and not row["entry"]:
        return False
    house.school.restore(ledger.id, row)
    return True


def rebuild(past: Past) -> dict[str, Any]:
    """The ledger's row from as many of its entries as can be read, the newest first: number and entry go on from the newest one."""
    from gateway.contract.canonical import canonical, digest
    from gateway.report.hazard_ledger import ENTRIES

    newest: Mapping[str, Any] = {}
    sha256 = ""
    found: dict[int, Hazard] = {}
    try:
        for told in past.events(ENTRIES):
            try:
                _add(found, told.data)
                sha256 = sha256 or digest(canonical(dict(told.data)))
            except (*DAMAGED, BadMessage):
                continue
            newest = newest or told.data
    except JournalUnreadable:
        pass  # what is older is in the journal only
    rows = [found[number].row() for number in sorted(found)]
    return {
        "hazards": [row for row in rows if row["state"] != CLOSED],
        "closed": [row for row in rows if row["state"] == CLOSED],
        "number": max(found, default=0),
        "entry": int(newest["entry"]) if newest else 0,
        "sha256": sha256 or NO_ENTRY,
        "late": [],
        "told_ms": 0,
        "rebuilt": True,
    }


def _add(found: dict[int, Hazard], data: Mapping[str, Any]) -> None:
    """One entry more, older than those before."""
    number, _ = int(data["number"]), int(data["entry"])
    step = HazardStep(str(data["step"]), _ms(data["at"]), str(data["by"]), str(data["why"])[:MOST_NOTE])
    if number in found:
        found[number] = replace(found[number], steps=(step, *found[number].steps[1 - MOST_STEPS :]))
        return
    state, source, place, responsible, due, alarm = (
        str(data[name]) for name in ("state", "source", "place", "responsible", "due", "alarm")
    )
    text, opened_ms, again = Text(str(data["zh"]), str(data["en"])), _ms(data["opened_at"]), int(data["recurrences"])
    extended = int(data.get("extended", 0))
    found[number] = Hazard(number, state, source, place, text, responsible, due, opened_ms, alarm, again, (step,), extended=extended)


def _ms(text: object) -> int:
    return round(datetime.fromisoformat(str(text)).timestamp() * 1000)


def _told(house: House, now: Now, *, closed: bool) -> list[dict[str, Any]]:
    state = _state(house)
    if state is None:
        return []
    from gateway.rules.hazards import told  # loaded where a site keeps a ledger, as all rules are

    today = house.timetable.local_date(now.at_ms).isoformat() if now.clock != "unknown" else ""
    found = (*state.hazards, *state.closed) if closed else state.hazards
    return [told(hazard, today) for hazard in sorted(found, key=lambda hazard: hazard.number)]
