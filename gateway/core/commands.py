"""What a person asks for; page, command line and verified MQTT messages all become this."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.reading import Value


@dataclass(frozen=True, slots=True)
class Command:
    """One request by a named person.

    kind: `acknowledge`, `reset`, `shelve`, `unshelve`, `out_of_service`, `return_to_service` or `output`. target: a point id (all
    its alarms) or `point/alarm`; an output's id. by: the person. role: guard, duty_leader, technician, centre, viewer. origin:
    `door`, `page`, `mqtt`. value: `on` or `off` of an output. why, for_s: reason and seconds of what sets an alarm aside;
    second: the other person who signs for `out_of_service`.
    """

    kind: str
    target: str
    by: str
    role: str
    origin: str
    value: str = ""
    why: str = ""
    for_s: float = 0.0
    second: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A delay or timetable that a point, output or door waits for has run out: look again."""

    point: str


@dataclass(frozen=True, slots=True)
class Learned:
    """A line has found out something about a device that must outlive the process."""

    device: str
    facts: dict[str, Value]


@dataclass(frozen=True, slots=True)
class LatchReleased:
    """The device has confirmed that its input latch was cleared; the next set one is a new press.

    press: number of the press that was cleared; a newer one is not touched by it.
    """

    point: str
    press: int
