"""What the house can do and not only hear: outputs, doors, power supply; their description and where they stand."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.core.doors import DoorSpec, PowerSpec
from gateway.core.outputs import OutputSpec
from gateway.core.reading import Value
from gateway.rules.doors import DoorState, kept
from gateway.rules.outputs import OutputState


@dataclass(slots=True)
class Fittings:
    """All of them. low_since_s: monotonic seconds since when the battery is low, 0 when it is not. stopping: it was told."""

    outputs: dict[str, OutputSpec] = field(default_factory=dict)
    doors: dict[str, DoorSpec] = field(default_factory=dict)
    power: PowerSpec | None = None
    output_states: dict[str, OutputState] = field(default_factory=dict)
    door_states: dict[str, DoorState] = field(default_factory=dict)
    low_since_s: float = 0.0
    stopping: bool = False
    concerned: frozenset[str] = field(init=False)  # points and devices whose readings matter here

    def __post_init__(self) -> None:
        names = {point for door in self.doors.values() for point in door.inputs}
        for spec in self.outputs.values():
            names |= {spec.device, spec.loop_clear, spec.confirm.point if spec.confirm else ""}
        if self.power is not None:
            names |= {self.power.battery_low, self.power.mains}
        self.concerned = frozenset(names - {""})

    def restore(self, door: str, mark: dict[str, Value]) -> None:
        """Take over what the journal kept of a door."""
        self.door_states[door] = kept(mark)

    def apply(self, change: Change) -> None:
        """Take over what a decision changed."""
        self.output_states.update(change.output_states)
        self.door_states.update(change.door_states)
        if change.low_since_s is not None:
            self.low_since_s = change.low_since_s
        self.stopping = self.stopping or change.stopping


@dataclass(slots=True)
class Change:
    """New states of fittings; None: unchanged."""

    output_states: dict[str, OutputState] = field(default_factory=dict)
    door_states: dict[str, DoorState] = field(default_factory=dict)
    low_since_s: float | None = None
    stopping: bool = False
