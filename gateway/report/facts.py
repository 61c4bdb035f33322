"""What a report needs besides the journal's past. Plain data, handed in by who knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.core.points import Text
from gateway.report.off import Span


@dataclass(frozen=True, slots=True)
class Named:
    """A point. limit: its first limit, in its unit, None where it is no measured value with one; is_low: it is passed downwards."""

    name: Text
    place: str
    role: str
    unit: str = ""
    limit: float | None = None
    is_low: bool = False
    responsible: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """As things are when the report is built.

    site: id, gateway, zh, en, by (who answers for the reports). roles: of points, in words. standing: alarms and faults that stand
    (alarm, fault, state, since, since_ms, place, zh, en, responsible, reason). hazards, inspections, compliance: as the ledger, the
    rounds and the compliance account tell them. drills: required counts, each with zh, en, done, needed.
    gateway: version, clock, boots (UTC milliseconds), disk_bytes, disk_free_bytes, paths (id, up).
    off: when the gateway did not run, UTC milliseconds, as far as it knows: each span is at least so long.
    """

    site: Mapping[str, str]
    places: Mapping[str, Text] = field(default_factory=dict)
    roles: Mapping[str, Text] = field(default_factory=dict)
    points: Mapping[str, Named] = field(default_factory=dict)
    standing: Sequence[Mapping[str, Any]] = ()
    hazards: Sequence[Mapping[str, Any]] = ()
    inspections: Sequence[Mapping[str, Any]] = ()
    compliance: Sequence[Mapping[str, Any]] = ()
    drills: Sequence[Mapping[str, Any]] = ()
    tests_overdue: int = 0
    gateway: Mapping[str, Any] = field(default_factory=dict)
    off: Sequence[Span] = ()

    def place(self, place: str) -> Text:
        """The place's name; its id where it has none."""
        return self.places.get(place, Text(place, place))

    def point(self, point: str) -> Text:
        """The point's name; its id where the site file does not know it any more."""
        found = self.points.get(point)
        return Text(point, point) if found is None else found.name

    def role(self, role: str) -> Text:
        """The role in words."""
        return self.roles.get(role, Text(role, role))
