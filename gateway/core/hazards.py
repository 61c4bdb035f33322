"""Hazards (隐患): what is not right at a school, who sets it right and by when, until a second person has seen that it is.

A hazard is opened by a fault that stands too long, by a person, by an inspection or by the first visit. It goes
open -> assigned -> fixed -> verified -> closed (销号); what comes again is reopened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.core.points import Text

OPEN, ASSIGNED, FIXED, VERIFIED, CLOSED = HAZARD_STATES = ("open", "assigned", "fixed", "verified", "closed")
HAZARD_STEPS = ("opened", "assigned", "fixed", "verified", "closed", "reopened")
COMMISSION = "commission"  # the first visit; what it opens names it as its first point, and the check as its second
SOURCES = ("fault", "person", "inspection", COMMISSION)
LEDGER = "hazards"  # name of the rule that keeps the ledger
PREFIX = "hz-"
MOST_STEPS = 6  # of one hazard in memory: the first and the last; all are in the events
MOST_NOTE = 24  # characters of a step's words in memory
NO_ENTRY = "0" * 64  # stands for the entry before the first


@dataclass(frozen=True, slots=True)
class Found:
    """A hazard that a rule or a visit has found, for the ledger. due: last day to set it right, `2026-12-01` on the school's own wall.

    source: one of SOURCES. by: who found it. why: note of that person. key: what is found again under the same key is the same
    hazard until it is closed; '' for none.
    """

    place: str
    text: Text
    responsible: str
    due: str
    source: str
    by: str
    why: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class HazardStep:
    """One step of a hazard. step: one of HAZARD_STEPS; at_ms: UTC."""

    step: str
    at_ms: int
    by: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Hazard:
    """One hazard as the ledger knows it now. alarm: `point/alarm` of the fault that it stands for, '' for none. due, key: as in Found.

    extended: how often its day was put off.
    """

    number: int
    state: str
    source: str
    place: str
    text: Text
    responsible: str
    due: str
    opened_ms: int
    alarm: str = ""
    recurrences: int = 0
    steps: tuple[HazardStep, ...] = ()
    key: str = ""
    extended: int = 0

    @property
    def id(self) -> str:
        """As people and commands name it: `hz-12`."""
        return f"{PREFIX}{self.number}"

    def is_overdue(self, today: str) -> bool:
        """True from the day after its last day on, until somebody has verified it. today: the date on the school's own wall."""
        return self.state in (OPEN, ASSIGNED, FIXED) and bool(self.due) and self.due < today

    def last(self, step: str) -> HazardStep | None:
        """The newest step of this name."""
        return next((each for each in reversed(self.steps) if each.step == step), None)

    def row(self) -> dict[str, Any]:
        """For the journal."""
        return {
            "number": self.number, "state": self.state, "source": self.source, "place": self.place, "zh": self.text.zh,
            "en": "" if self.text.en == self.text.zh else self.text.en, "key": self.key, "extended": self.extended,
            "responsible": self.responsible, "due": self.due, "opened_ms": self.opened_ms, "alarm": self.alarm,
            "recurrences": self.recurrences, "steps": [[each.step, each.at_ms, each.by, each.why] for each in self.steps],
        }  # fmt: skip

    @classmethod
    def read(cls, row: dict[str, Any]) -> Hazard:
        """From the journal. Raises one of errors.DAMAGED for a damaged row."""
        state, source = str(row["state"]), str(row["source"])
        if state not in HAZARD_STATES or source not in SOURCES:
            raise ValueError(f"{state}, {source}: no state or source of a hazard")
        steps = tuple(HazardStep(str(step), int(at_ms), str(by), str(why)) for step, at_ms, by, why in row["steps"])
        place, responsible, due, alarm = (str(row[name]) for name in ("place", "responsible", "due", "alarm"))
        text, key = Text(str(row["zh"]), str(row["en"]) or str(row["zh"])), str(row.get("key", ""))
        number, opened_ms, recurrences, extended = (int(row.get(name, 0)) for name in ("number", "opened_ms", "recurrences", "extended"))
        return cls(number, state, source, place, text, responsible, due, opened_ms, alarm, recurrences, steps, key, extended)


@dataclass(frozen=True, slots=True)
class Watched:
    """An alarm whose standing opens a hazard. text: what is wrong then.

    device: what the point is read through, '' for none. above: `point/alarm` of that device's own fault, '' for none.
    """

    place: str
    text: Text
    responsible: str
    device: str = ""
    above: str = ""


@dataclass(frozen=True, slots=True)
class HazardsSpec:
    """The ledger of one site. watched: `point/alarm` -> what it opens when it has stood for after_s. places: id -> its name.

    fix_days: from opening to the due date of what opens by itself; responsible: for it. remind_s: so often what is overdue is told anew.
    """

    id: str
    place: str
    name: Text
    responsible: str
    after_s: float = 86_400.0
    fix_days: int = 7
    remind_s: float = 7 * 86_400.0
    watched: dict[str, Watched] = field(default_factory=dict)
    places: dict[str, Text] = field(default_factory=dict)
