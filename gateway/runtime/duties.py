"""Where the duties of a school stand, for `status` and the command line: what is due, who is on duty, what was done today."""

from __future__ import annotations

from typing import Any

from gateway.contract.envelope import rfc3339
from gateway.core.reading import Now
from gateway.rules.duty import Duty
from gateway.runtime.decide_house import Decision, House, Turn
from gateway.runtime.decide_school import view


def duties(house: House, now: Now) -> list[dict[str, Any]]:
    """One row for each guard post, patrol, duty room and shift."""
    turn = Turn(house, now, lambda at_ms: "", Decision())
    looked = view(turn)
    rows = []
    for rule in house.school.rules.values():
        if not isinstance(rule, Duty):
            continue
        report = rule.report(house.school.states[rule.id], looked)
        row: dict[str, Any] = {"duty": report.duty, "rule": report.rule, "place": report.place, "state": report.state}
        row |= {"zh": report.text.zh, "en": report.text.en, "who": report.who, "done": report.done, "of": report.of}
        if report.due_ms:
            row["due"] = rfc3339(report.due_ms)
        rows.append(row)
    return rows
