"""What a role of a point is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.core.points import Boot, Condition, EventClass, Text
from gateway.core.school_days import Window
from gateway.core.wire import WireClass

SEEN = ("person", "vehicle", "object")  # an object is whatever stands where nothing stood, and is neither of the others


@dataclass(frozen=True, slots=True)
class AlarmDefault:
    """Defaults of one alarm of a role."""

    name: str
    condition: Condition
    alarm_class: str
    text: Text
    latching: bool = False
    event_class: EventClass = EventClass.ALARM
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    urgency: str = "Immediate"
    severity: str = "Severe"
    certainty: str = "Observed"
    outside_hours: bool = False
    windows: frozenset[Window] = frozenset()


@dataclass(frozen=True, slots=True)
class Role:
    """Defaults of a role. kinds: which kinds of signal may play it. unit: what its limits are in.

    boot: what the first reading after a restart means. moves: a value that stays the same for hours is worth a fault (`stuck_h`).
    leaks: a part of its value is natural, and its limits may be meant above that (`baseline`).
    Cameras only: dwell_s: how long somebody must stay in the zone, 0 for the zone's own time. sees: what counts there, of SEEN.
    line: it is about a line that is crossed, not about a zone.
    """

    name: str
    text: Text
    kinds: frozenset[str]
    wire_class: WireClass
    period_s: float
    alarms: tuple[AlarmDefault, ...] = ()
    unit: str = ""
    observe: EventClass | None = None
    boot: Boot = Boot.ALARM
    moves: bool = False
    leaks: bool = False
    dwell_s: float = 0.0
    sees: frozenset[str] = frozenset({"person"})
    line: bool = False
    fixed: bool = field(default=False)  # latching and delays may not be changed by the site file


def words(zh: str, en: str) -> Text:
    """A text in both languages."""
    return Text(zh, en)
