"""Who is told when nobody reacts: the escalation chain (领导带班值班), and the whistle (学校吹哨、部门报到)."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.core.points import Text

ESCALATION = "escalation"  # the rule's own id; a site has one chain


@dataclass(frozen=True, slots=True)
class Chain:
    """An alarm that waits to be taken. leader_after_s, centre_after_s: both from its beginning."""

    event_class: str
    alarm_class: str
    severity: str
    place: str
    text: Text
    leader_after_s: float
    centre_after_s: float


@dataclass(frozen=True, slots=True)
class EscalationSpec:
    """chains: by `point/alarm`. leaders: names of the duty leaders. centres: recipients of the alarm's class, by class."""

    chains: dict[str, Chain]
    leaders: tuple[str, ...] = ()
    centres: dict[str, tuple[str, ...]] = field(default_factory=dict)
    id: str = ESCALATION


@dataclass(frozen=True, slots=True)
class Addressee:
    """One who is called. name: a recipient's id, or a local person's name. deadline_s: from the whistle to reporting in."""

    name: str
    recipient: bool
    deadline_s: float


@dataclass(frozen=True, slots=True)
class WhistleSpec:
    """One whistle. id: also of the point that tells that somebody is overdue. causes: alarms (`point/alarm`) that blow it."""

    id: str
    name: Text
    place: str
    addressees: tuple[Addressee, ...]
    causes: frozenset[str] = frozenset()
