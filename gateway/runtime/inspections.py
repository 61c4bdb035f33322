"""Where the inspections of a school stand: for the door, the page, the command line and reports."""

from __future__ import annotations

from typing import Any

from gateway.contract.envelope import rfc3339
from gateway.core.reading import Now
from gateway.rules.inspections import Inspection, InspectionState
from gateway.rules.rule import View
from gateway.runtime.decide_house import Decision, House, Turn
from gateway.runtime.decide_school import view


def inspections(house: House, now: Now) -> list[dict[str, Any]]:
    """One row for each, in the order of the site file."""
    looked = view(Turn(house, now, lambda at_ms: "", Decision()))
    return [_row(rule, house.school.states[rule.id], looked) for rule in house.school.rules.values() if isinstance(rule, Inspection)]


def _row(rule: Inspection, state: InspectionState, looked: View) -> dict[str, Any]:
    spec, last, due_ms = rule.spec, state.last, rule.due_ms(state, looked)
    return {
        "inspection": spec.id,
        "zh": spec.name.zh,
        "en": spec.name.en,
        "place": "" if spec.whole_school else spec.place,
        "every": spec.every,
        "state": rule.word(state, looked),
        "due": rfc3339(due_ms) if due_ms else "",
        "done_at": rfc3339(last.at_ms) if last else "",
        "by": last.by if last else "",
        "result": last.result if last else "",
        "wrong": list(last.wrong) if last else [],
        "note": last.note if last else "",
        "responsible": spec.responsible,
        "drill": spec.drill,
        "items": [{"item": item.id, "zh": item.name.zh, "en": item.name.en} for item in spec.items],
    }
