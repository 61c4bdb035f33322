"""Duties of people (值守): guard posts, patrols, the duty room, shifts. What a site has of them, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.core.points import Text
from gateway.core.school_days import DaySpans, Window

GRACE_S = 300.0  # missing by T+5 min (standards.md 7, F15); the same for the duty room (F21)
ROUNDS_PER_DAY = 5  # GB/T 29315-2022: the guard walks the grounds at least so often


@dataclass(frozen=True, slots=True)
class Signers:
    """By which points people show that they are there: buttons (contact, counter) and card readers.

    cards: hash of each card that counts -> its holder; of a reader no other card counts. tell_names: holders go into events.
    wanted, file: as in the site file, a holder's name or a hash each, and the CSV file that names the holders; `cards` is made of them.
    """

    points: tuple[str, ...] = ()
    cards: dict[str, str] = field(default_factory=dict)
    tell_names: bool = True
    wanted: tuple[str, ...] = ()
    file: str = ""


@dataclass(frozen=True, slots=True)
class GuardPostSpec:
    """One guard post (护学岗). windows: somebody must be there then, grace_s seconds after they begin at the latest.

    cameras: points that are true while a person is in a zone; nobody seen for away_s means gone. valid_s: how long a check-in counts,
    None for the rest of the window. early_s: a check-in so long before the window counts for it.
    """

    id: str
    place: str
    name: Text
    signers: Signers
    cameras: tuple[str, ...] = ()
    windows: frozenset[Window] = frozenset({Window.ARRIVAL, Window.DISMISSAL})
    grace_s: float = GRACE_S
    away_s: float = 180.0
    valid_s: float | None = None
    early_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place that every round comes to. point: its button or card reader, empty where only a command tells of it."""

    id: str
    name: Text
    point: str = ""


@dataclass(frozen=True, slots=True)
class PatrolSpec:
    """A patrol (门卫巡逻). rounds: (start, end) minutes from midnight of a local day, in order; an end beyond 1440 is the next day's.

    school_days_only: no rounds on days without lessons and without boarders.
    """

    id: str
    place: str
    name: Text
    signers: Signers
    checkpoints: tuple[Checkpoint, ...]
    rounds: DaySpans
    school_days_only: bool = False


@dataclass(frozen=True, slots=True)
class DutyRoomSpec:
    """The duty room (24小时值班值守) is asked at random moments whether somebody is there. Seconds, all of them.

    hours: minutes of the local day in which it is asked. lamp, buzzer: outputs, empty for none. seed: makes the moments of this site
    other than those of the next.
    """

    id: str
    place: str
    name: Text
    signers: Signers
    seed: str
    min_interval_s: float = 3600.0
    max_interval_s: float = 10_800.0
    within_s: float = GRACE_S
    hours: DaySpans = ((0, 1440),)
    lamp: str = ""
    buzzer: str = ""


@dataclass(frozen=True, slots=True)
class ShiftsSpec:
    """Changes of shift (交接班). times: minutes of the local day, in order. overdue_s: so late is an alarm. early_s: so early counts."""

    id: str
    place: str
    name: Text
    times: tuple[int, ...]
    overdue_s: float = 900.0
    early_s: float = 1800.0


DutySpec = GuardPostSpec | PatrolSpec | DutyRoomSpec | ShiftsSpec
