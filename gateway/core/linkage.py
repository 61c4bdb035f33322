"""Cause and effect (联动): what has moved, and what a site wants to follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.core.points import Text
from gateway.core.reading import Value
from gateway.core.school_days import Window

ACTUAL, EXERCISE, TEST, SYSTEM = "Actual", "Exercise", "Test", "System"  # CAP 1.2 status

# What may happen to an alarm, as linkage names it: the last words of its events, and how far its news have got.
ALARM_WORDS = ("activated", "repeated", "cleared", "acknowledged", "reset", "escalated", "broker_acked", "received", "unusable")
MODES = ("normal", "drill", "test", "maintenance")
EVERY_MODE = frozenset(MODES)


@dataclass(frozen=True, slots=True)
class Moved:
    """An alarm has moved, or its news has. key: `point/alarm`. word: one of ALARM_WORDS and the other words of alarm events.

    state: where it stands now (alarm.machine.State). event_id: of its activation. mode: what it happened in (MODES). by: the person,
    or the recipient whose receipt it is.
    """

    key: str
    word: str
    state: str
    event_id: str
    mode: str = "normal"
    by: str = ""

    @property
    def point(self) -> str:
        """The point it belongs to."""
        return self.key.partition("/")[0]


@dataclass(frozen=True, slots=True)
class OnAlarm:
    """Cause: one of these alarms (`point/alarm`) does what one of the words says."""

    alarms: frozenset[str]
    words: frozenset[str] = frozenset({"activated", "repeated"})


@dataclass(frozen=True, slots=True)
class OnState:
    """Cause: a point shows this value for so long, and is known to."""

    point: str
    value: Value
    for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Switch:
    """Effect: an output is switched. for_s: `on` lasts so long; 0: until it is taken back or switched by somebody else.

    None: the output ends it by itself (its own pulse, or a command such as open or close), and nothing is ever taken back.
    """

    output: str
    on: bool = True
    for_s: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Beep:
    """Effect: an output sounds for short times. times: word of the alarm -> how many; a state that is a cause says `activated`."""

    output: str
    times: tuple[tuple[str, int], ...]

    def count(self, word: str) -> int:
        """How many for this word."""
        return dict(self.times).get(word, 0)


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """Effect: the camera's present picture is kept as evidence."""

    camera: str


Effect = Switch | Beep | TakeSnapshot


@dataclass(frozen=True, slots=True)
class LinkageSpec:
    """Cause -> effects. windows: counts only then, empty for always. modes: counts only in these.

    until: how far the same alarm must have come for the switching to be taken back (`acknowledged`, `cleared`, `reset`), or `over` for a
    state that is no longer so; empty: never. give_back False: from then on the output is only left alone (a gas valve stays shut).
    alongside: acts only while one of these alarms (`point/alarm`) is not normal; unless: not while one of these is not.
    rule: name of the rule that made it; `linkage` for one that the site file spells out.
    """

    id: str
    name: Text
    cause: OnAlarm | OnState
    effects: tuple[Effect, ...]
    windows: frozenset[Window] = frozenset()
    modes: frozenset[str] = frozenset({"normal"})
    until: str = ""
    give_back: bool = True
    alongside: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()
    rule: str = "linkage"

    @property
    def outputs(self) -> frozenset[str]:
        """What it switches."""
        return frozenset(effect.output for effect in self.effects if not isinstance(effect, TakeSnapshot))


@dataclass(frozen=True, slots=True)
class Said:
    """What a rule wants said as an event. kind: the event's type without `campus.`. subject: its point or rule.

    urgent: as an alarm's own beginning. data: what the event says; `text` in both languages is part of it. id: the event's, where the
    rule took one with `View.new_id` so that later events can name it; else it is given one.
    """

    event_class: str
    kind: str
    subject: str
    data: dict[str, object] = field(default_factory=dict)
    urgent: bool = False
    id: str = ""


STILL, CLIP = "still", "clip"


@dataclass(frozen=True, slots=True)
class Picture:
    """A camera's present picture, or what it shows around an alarm, is to be kept as evidence. id: of the request, and name of the file.

    cause: id of the event that it belongs to, '' for none; more: of further ones. status: CAP status of that event. by: the person who
    asked, '' for a rule. asked_s, until_s: monotonic seconds; after the second it has failed. kind: STILL or CLIP. from_s, to_s: of a
    clip, monotonic seconds; from_ms: the first as UTC, by which a restart finds the time again.
    """

    id: str
    camera: str
    cause: str = ""
    status: str = ACTUAL
    by: str = ""
    asked_s: float = 0.0
    until_s: float = 0.0
    kind: str = STILL
    more: tuple[str, ...] = ()
    from_s: float = 0.0
    to_s: float = 0.0
    from_ms: int = 0

    @property
    def causes(self) -> list[str]:
        """Ids of all events that it belongs to."""
        return [event for event in (self.cause, *self.more) if event]

    def row(self) -> dict[str, object]:
        """For the journal."""
        row: dict[str, object] = {"camera": self.camera, "cause": self.cause, "status": self.status, "by": self.by}
        if self.kind == CLIP:
            row |= {"kind": CLIP, "more": list(self.more), "from_ms": self.from_ms, "length_s": round(self.to_s - self.from_s, 3)}
        return row

    @classmethod
    def read(cls, picture_id: str, row: dict[str, Any]) -> Picture:
        """From the journal. Raises one of errors.DAMAGED for a damaged row."""
        camera, cause, status, by = (str(row[name]) for name in ("camera", "cause", "status", "by"))
        if row.get("kind") != CLIP:
            return cls(picture_id, camera, cause, status, by)
        more = tuple(str(event) for event in row["more"])
        return cls(picture_id, camera, cause, status, by, kind=CLIP, more=more, to_s=float(row["length_s"]), from_ms=int(row["from_ms"]))
