"""Points and their alarms: what a site's signals mean.

A point is a signal put to use at this site. An alarm belongs to a point and has a name of its own
("alarm", "level1", "level2"): gas through the first and through the second threshold are two alarms,
because a guard treats them differently and only one of them is highly managed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

from gateway.core.reading import Value

if TYPE_CHECKING:
    from gateway.core.school_days import Window


class EventClass(StrEnum):
    """Topic class of an event (contract, `event/{class}`)."""

    ALARM = "alarm"
    FAULT = "fault"
    ACCESS = "access"
    OBSERVATION = "observation"
    DUTY = "duty"
    MODE = "mode"
    AUDIT = "audit"


class Priority(IntEnum):
    """Order in which the outbox sends; a smaller number overtakes."""

    URGENT = 0  # an alarm begins
    ALARM_UPDATE = 1
    FAULT = 2
    ROUTINE = 3  # access, duty, mode, audit
    OBSERVATION = 4


@dataclass(frozen=True, slots=True)
class Text:
    """The same words in Chinese and English."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Contact:
    """Alarm while the contact is in the given state."""

    active: bool = True


@dataclass(frozen=True, slots=True)
class Above:
    """Alarm at or above `limit`; over again below `limit - deadband`. Both in the point's unit."""

    limit: float
    deadband: float = 0.0


@dataclass(frozen=True, slots=True)
class Below:
    """Alarm at or below `limit`; over again above `limit + deadband`. Both in the point's unit."""

    limit: float
    deadband: float = 0.0


@dataclass(frozen=True, slots=True)
class OneOf:
    """Alarm while an enumerated signal shows one of these names."""

    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Press:
    """Alarm for each count of a press counter, or each time a device's input latch is found set."""


@dataclass(frozen=True, slots=True)
class NotGood:
    """Alarm while the reading itself is bad (sensor fault): unknown is not normal. loops: an open or shorted loop counts too."""

    loops: bool = True


@dataclass(frozen=True, slots=True)
class LoopCut:
    """Alarm while a four-state loop is open or short: somebody is at its cable."""


@dataclass(frozen=True, slots=True)
class Stale:
    """Alarm while the sensor has not told its value for longer than it should."""


@dataclass(frozen=True, slots=True)
class Rise:
    """Alarm while the value has risen by `per_min` (the point's unit a minute) over `window_s`; over again below half of it."""

    per_min: float
    window_s: float


@dataclass(frozen=True, slots=True)
class Stuck:
    """Alarm when a value that should move has been the same for `after_s`."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Alarm while at least `least` of these alarms (`point/alarm`) have their condition (GB 16808-2025: two detectors)."""

    alarms: tuple[str, ...]
    least: int = 2


@dataclass(frozen=True, slots=True)
class Chattering:
    """Alarm while another alarm of the point comes and goes too often."""


TESTS_POINT = "gw-tests"  # tells that walk tests are overdue; only where any are asked for

LEAKS_MOST_MA = 200.0  # natural leakage of a circuit; GB 50116-2013 9.2.3: 100 to 200 mA


@dataclass(frozen=True, slots=True)
class NaturalAbove:
    """Alarm while the learned natural leakage of a point is above `limit` (the point's unit)."""

    limit: float


@dataclass(frozen=True, slots=True)
class NaturalGrown:
    """Alarm while the natural leakage has grown by `least` (the point's unit) since it was first learned."""

    least: float


Condition = (
    Contact
    | Above
    | Below
    | OneOf
    | Press
    | NotGood
    | LoopCut
    | Stale
    | Rise
    | Stuck
    | Confirmed
    | Chattering
    | NaturalAbove
    | NaturalGrown
)


class Boot(StrEnum):
    """What the first reading after a restart means where it shows the alarm condition and no alarm stands."""

    ALARM = "alarm"  # a button found pressed
    STATE_IN_HOURS = "state in hours"  # a door found open while the school is open: no alarm until it was closed or the school is


HIGHLY_MANAGED = frozenset({"panic", "ram_impact", "gas_high", "fire"})  # ISA-18.2: never shelved or suppressed


@dataclass(frozen=True, slots=True)
class While:
    """A point that shows this value, and is known to."""

    point: str
    value: Value


@dataclass(frozen=True, slots=True)
class AlarmSpec:
    """One alarm of one point, all defaults applied.

    alarm_class: one of HIGHLY_MANAGED; others are `intrusion`, `gas_low`, `electrical`, `door`, `tamper`, `fault`, `person`.
    outside_hours: counts only while the school is closed by its timetable; windows: only in these of the school day, empty for always.
    What stands goes on standing when the window ends. suppress_while: suppressed by design as long as that holds.
    boot: what the first reading after a restart means.
    """

    point: str
    name: str
    condition: Condition
    alarm_class: str
    event_class: EventClass
    latching: bool
    text: Text
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    urgency: str = "Immediate"
    severity: str = "Severe"
    certainty: str = "Observed"
    outside_hours: bool = False
    suppress_while: While | None = None
    boot: Boot = Boot.ALARM
    windows: frozenset[Window] = frozenset()

    @property
    def auxiliary(self) -> bool:
        """True for an alarm about the point itself that states name only while it stands."""
        return isinstance(self.condition, Chattering)

    @property
    def practised(self) -> bool:
        """True for what a drill or walk test tries. A fault, or somebody at the cable, is never an exercise."""
        return self.event_class is EventClass.ALARM and not isinstance(self.condition, LoopCut)

    @property
    def managed(self) -> bool:
        """True for an alarm that latches whatever the site file says, and is never shelved or suppressed."""
        return self.alarm_class in HIGHLY_MANAGED

    @property
    def key(self) -> str:
        """Name of this alarm in journal and commands: `point/alarm`."""
        return f"{self.point}/{self.name}"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The point's limits are meant above its natural leakage. fixed: as a person measured it, in its unit; None: it is learned."""

    fixed: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A point of this site with everything that an event says about it."""

    id: str
    role: str
    place: str
    name: Text
    responsible: str = ""
    unit: str = ""
    kind: str = "contact"  # contact, counter, latched, measurement, enum, text
    alarms: tuple[AlarmSpec, ...] = ()
    observe: bool = False  # every change of value is an event of class `observe_class`
    observe_class: EventClass = EventClass.OBSERVATION
    external: dict[str, str] = field(default_factory=dict)
    modulus: int = 1 << 32  # a press counter begins again at this number
    system: bool = False  # one of the gateway's own (a device's link, a path, the journal)
    watched: bool = False  # an output, a door or the power supply looks at it
    baseline: Baseline | None = None
    test_every_days: int = 0  # a walk test is due so often; 0: never

    @property
    def quiet(self) -> bool:
        """True when readings only feed state and telemetry and never reach decide()."""
        return not self.alarms and not self.observe and not self.watched


@dataclass(frozen=True, slots=True)
class Draft:
    """What decide() wants said; the journal makes an event of it by sealing.

    id: UUIDv7 given before the journal sees it. type: CloudEvents type. subject: point id.
    value and the texts go into `data` by `contract.envelope`.
    """

    id: str
    event_class: EventClass
    type: str
    subject: str
    priority: Priority
    at_ms: int
    now_s: float
    clock: str
    data: dict[str, object]


@dataclass(frozen=True, slots=True)
class Latch:
    """What must outlive the process for one alarm or counter; stored in the transaction of its events.

    key: `point/alarm`, or the point id for a counter or observed value.
    state: a small JSON object; the room that wrote it reads it back.
    """

    key: str
    state: dict[str, Any]
