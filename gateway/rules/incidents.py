"""Incidents: related alarms become one, with one id and four times (早发现、早报告、早控制、早解决).

Alarms of one place, or of places that the site file puts together, belong to one incident while they follow each other within the
window; an alarm that belongs to an open incident stays with it. Detected: its first alarm. Reported: the first recipient has signed
for one of its alarms. Controlled: somebody has taken every one and no cause is there any more. Resolved: all are normal again.
A new alarm in a controlled incident takes `controlled` back. Real alarms, exercises and tests never share an incident. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.core.deadline import Deadline, utc_ms
from gateway.core.points import Text
from gateway.core.reading import Now

WINDOW_S = 300.0
CONTROLLED_STATES = frozenset({"normal", "latched_acknowledged"})


@dataclass(frozen=True, slots=True)
class IncidentRules:
    """window_s: alarms that follow each other so fast belong together. together: groups of places that are one for this."""

    window_s: float = WINDOW_S
    together: tuple[frozenset[str], ...] = ()

    def related(self, place: str) -> frozenset[str]:
        """All places that count as the same as this one."""
        return frozenset({place}).union(*(group for group in self.together if place in group))


@dataclass(frozen=True, slots=True)
class Incident:
    """One that is not resolved. Times are UTC milliseconds, 0 for not yet. events: ids of the activations of its alarms, newest last.

    joins: until when a further alarm of the place belongs to it. text: of its first alarm.
    """

    id: str
    place: str
    status: str
    text: Text
    joins: Deadline
    alarms: tuple[str, ...] = ()
    events: tuple[str, ...] = field(default=())
    detected_ms: int = 0
    reported_ms: int = 0
    controlled_ms: int = 0

    def with_alarm(self, key: str, event: str, now: Now, window_s: float) -> Incident:
        """The same with one more alarm."""
        alarms = self.alarms if key in self.alarms else (*self.alarms, key)
        joins = Deadline(now.now_s + window_s).kept(now)
        return replace(self, alarms=alarms, events=(*self.events, event)[-50:], joins=joins, controlled_ms=0)

    def row(self) -> dict[str, Any]:
        """For the journal."""
        return {
            "place": self.place,
            "status": self.status,
            "zh": self.text.zh,
            "en": self.text.en,
            "joins": self.joins.row(),
            "alarms": list(self.alarms),
            "events": list(self.events),
            "detected_ms": self.detected_ms,
            "reported_ms": self.reported_ms,
            "controlled_ms": self.controlled_ms,
        }

    @classmethod
    def read(cls, incident_id: str, row: dict[str, Any]) -> Incident:
        """From the journal. Raises one of errors.DAMAGED for a damaged row."""
        if not row["alarms"] or not row["events"]:
            raise ValueError("an incident has an alarm and its event")
        return cls(
            incident_id,
            str(row["place"]),
            str(row["status"]),
            Text(str(row["zh"]), str(row["en"])),
            Deadline.read(row["joins"]),
            tuple(map(str, row["alarms"])),
            tuple(map(str, row["events"])),
            utc_ms(row["detected_ms"]),
            utc_ms(row["reported_ms"]),
            utc_ms(row["controlled_ms"]),
        )


def home(incidents: Iterable[Incident], rules: IncidentRules, place: str, key: str, status: str, now: Now) -> Incident | None:
    """The open incident that an alarm belongs to, or None: it begins one."""
    places = rules.related(place)
    for incident in incidents:
        if incident.status != status:
            continue
        if key in incident.alarms or (incident.place in places and now.now_s < incident.joins.resumed(now).until_s):
            return incident
    return None


def is_controlled(incident: Incident, state: Callable[[str], str]) -> bool:
    """Every alarm was taken by somebody, and no cause is there any more."""
    return all(state(key) in CONTROLLED_STATES for key in incident.alarms)


def is_resolved(incident: Incident, state: Callable[[str], str]) -> bool:
    """All its alarms are normal again."""
    return all(state(key) == "normal" for key in incident.alarms)
