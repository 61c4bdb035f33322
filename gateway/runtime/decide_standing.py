"""The part of decide() that says what stands open: what a person who takes over a shift has to know."""

from __future__ import annotations

from typing import Any

from gateway.alarm.machine import ASIDE, STANDING
from gateway.contract.envelope import rfc3339
from gateway.core.points import EventClass
from gateway.runtime.decide_alarm import aside_data
from gateway.runtime.decide_house import Turn

MOST = 100  # of each list; a message has its limits, and the number tells of the rest


def standing(turn: Turn) -> dict[str, object]:
    """Alarms, faults and duties that are not normal, what is set aside, and points in another mode; with the number of each."""
    found: dict[str, list[Any]] = {"alarms": [], "faults": [], "duties": [], "set_aside": [], "modes": []}
    for point in turn.house.points.values():
        for spec in point.alarms:
            alarm = turn.alarm(spec)
            row: dict[str, Any] = {"alarm": spec.key, "state": str(alarm.state), "text": {"zh": spec.text.zh, "en": spec.text.en}}
            if alarm.since_ms:
                row["since"] = rfc3339(alarm.since_ms)
            if alarm.aside is not None and alarm.state in ASIDE:
                found["set_aside"].append(row | {"set_aside": aside_data(alarm.aside, alarm.live)})
            elif alarm.state in STANDING:
                kinds = {EventClass.FAULT: "faults", EventClass.DUTY: "duties"}
                found[kinds.get(spec.event_class, "alarms")].append(row)
        if not point.system and (mode := turn.mode(point.id)) != "normal":
            found["modes"].append({"point": point.id, "mode": mode})
    counts: dict[str, object] = {name: len(rows) for name, rows in found.items()}
    return {"count": counts, **{name: rows[:MOST] for name, rows in found.items()}}
