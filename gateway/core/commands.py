"""What a person asks for; page, command line and verified MQTT messages all become this."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One request by a named person.

    kind: `acknowledge` or `reset`. target: a point id (all its alarms) or `point/alarm`.
    by: the person. role: guard, duty_leader, technician, centre. origin: `door`, `page`, `mqtt`.
    """

    kind: str
    target: str
    by: str
    role: str
    origin: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A delay or timetable that a point waits for has run out: look again."""

    point: str


@dataclass(frozen=True, slots=True)
class LatchReleased:
    """The device has confirmed that its input latch was cleared; the next set one is a new press."""

    point: str
