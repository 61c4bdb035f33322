"""Models and the points that they set. A thing sleeps, and leaves its points alone, until somebody acts on it or the school comes alive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from simulators.encode import Value
from simulators.physics.doors import TRAVEL_S, Door, Machine
from simulators.physics.electric import Arcs, Cable, Leak, ambient_cel
from simulators.physics.field import Field, gas_value, measured
from simulators.physics.gas import LEL_RATIO, GasRoom
from simulators.physics.layout import (
    BETWEEN_WORDS,
    DOWN_WORDS,
    RISING_WORDS,
    SINKING_WORDS,
    UP_WORDS,
    DoorAt,
    OutputAt,
    PointAt,
    PostAt,
    word_for,
)
from simulators.physics.posts import IMPACT_MS, At, Post

GAS_ALARM_LEL, GAS_CALM_LEL = 10.0, 7.0  # of a detector with a contact alone (GB 15322: 5 to 25 %LEL)
ARC_MS = 60
BUTTON_MS = 300


@dataclass(slots=True)
class Sky:
    """What is the same everywhere. hour: of the day, 0 to 24. alive: sensors tremble, circuits leak, boards are loaded."""

    hour: float = 12.0
    rain: bool = False
    alive: bool = False


class Thing(Protocol):
    """One model with its points."""

    awake: bool

    def step(self, dt_s: float, sky: Sky, field: Field) -> None:
        """Lives on for so long, and shows what its sensors see."""

    def state(self) -> dict[str, Any]:
        """For those who watch."""


@dataclass(slots=True)
class GasPlace:
    """The gas of a place, its detectors (measuring, and with a contact alone), its valves and fans."""

    room: GasRoom
    detectors: tuple[PointAt, ...]
    contacts: tuple[PointAt, ...]
    valves: tuple[tuple[OutputAt, Machine], ...] = ()
    fans: tuple[Machine, ...] = ()
    window: bool = False  # somebody opened it
    awake: bool = False
    _alarms: dict[str, bool] = field(default_factory=dict)

    def step(self, dt_s: float, sky: Sky, field: Field) -> None:
        open_ratio = 1.0
        for output, machine in self.valves:
            open_ratio *= 1.0 - machine.at_ratio if output.shuts_on else machine.at_ratio
        self.room.valve_open_ratio, self.room.noisy = open_ratio, sky.alive
        self.room.fan = self.window or any(machine.arrived for machine in self.fans)
        self.room.step(dt_s)
        for point, detector in zip((*self.detectors, *self.contacts), self.room.detectors, strict=True):
            if point in self.detectors:
                field.show(point.id, gas_value(detector.lel / 100 * LEL_RATIO, field.unit(point.id), point))
                continue
            limit = GAS_CALM_LEL if self._alarms.get(point.id) else GAS_ALARM_LEL
            self._alarms[point.id] = detector.lel >= limit
            field.show(point.id, self._alarms[point.id])

    def state(self) -> dict[str, Any]:
        shown = {p.id: round(d.lel, 1) for p, d in zip((*self.detectors, *self.contacts), self.room.detectors, strict=True)}
        return {**self.room.state(), "detectors_lel": shown}


@dataclass(slots=True)
class CableThing:
    """A cable and its temperature."""

    point: PointAt
    model: Cable
    awake: bool = False

    def step(self, dt_s: float, sky: Sky, field: Field) -> None:
        if sky.alive:
            self.model.ambient = ambient_cel(sky.hour)
        self.model.noisy = sky.alive
        self.model.step(dt_s)
        field.show(self.point.id, measured(self.model.cel, field.unit(self.point.id), self.point))

    def state(self) -> dict[str, Any]:
        return self.model.state()


@dataclass(slots=True)
class LeakThing:
    """A circuit and its residual current."""

    point: PointAt
    model: Leak
    awake: bool = False

    def step(self, dt_s: float, sky: Sky, field: Field) -> None:
        self.model.wet, self.model.noisy = sky.rain, sky.alive
        self.model.step(dt_s)
        field.show(self.point.id, measured(self.model.ma, field.unit(self.point.id), self.point))

    def state(self) -> dict[str, Any]:
        return self.model.state()


@dataclass(slots=True)
class ArcThing:
    """A detector of arcs: a contact that closes for each."""

    point: PointAt
    model: Arcs
    awake: bool = False

    def step(self, dt_s: float, sky: Sky, field: Field) -> None:
        for _ in range(self.model.step(dt_s)):
            field.press(self.point.id, ARC_MS)

    def state(self) -> dict[str, Any]:
        return self.model.state()


@dataclass(slots=True)
class MachineThing:
    """What an output moves, and the point that shows it."""

    output: OutputAt
    model: Machine
    watched: bool  # the point that confirms it is of this school, and no post's
    awake: bool = False

    @classmethod
    def of(cls, output: OutputAt, watched: bool) -> MachineThing:
        return cls(output, Machine(min(TRAVEL_S.get(output.kind, 0.5), output.within_s / 2)), watched)

    def step(self, dt_s: float, sky: Sky, field: Field) -> None:
        self.model.step(dt_s)
        if not self.watched:
            return
        arrived, shown = self.model.arrived, self.output.shows_off
        if arrived:
            field.show(self.output.confirm, self.output.shows_on)
        elif shown is not None and (arrived is False or shown is not True):
            field.show(self.output.confirm, shown if arrived is False else _between(field, self.output.confirm, shown))
        elif isinstance(self.output.shows_on, bool):
            field.show(self.output.confirm, not self.output.shows_on)

    def state(self) -> dict[str, Any]:
        return {"kind": self.output.kind, "place": self.output.place, **self.model.state()}


def _between(field: Field, point: str, otherwise: Value) -> Value:
    return word_for(field.words(point), BETWEEN_WORDS) or otherwise


@dataclass(slots=True)
class PostThing:
    """A post with its contacts, its sensors of impact and fault, and its loop."""

    at: PostAt
    model: Post
    awake: bool = False
    _hits: int = 0

    def step(self, dt_s: float, sky: Sky, field: Field) -> None:
        self.model.step(dt_s)
        if self.at.position and (shown := self._position(field)) is not None:
            field.show(self.at.position, shown)
        if self.model.hits > self._hits:
            for point in self.at.impacts:
                field.press(point, IMPACT_MS)
        self._hits = self.model.hits
        for point in self.at.faults:
            field.show(point, self.model.lost)
        for point in self.at.loops:
            field.show(point, not self.model.obstacle)

    def _position(self, field: Field) -> Value | None:
        """What its position shows, in the words or the sense of its point."""
        words, at, up = field.words(self.at.position), self.model.at, self.at.up
        if not words:
            if up in (0, 1):
                return bool(up) == (at is At.UP)
            return at is At.UP
        if at is not At.BETWEEN:
            return (up if at is At.UP and isinstance(up, str) else None) or word_for(words, UP_WORDS if at is At.UP else DOWN_WORDS)
        way = {True: RISING_WORDS, False: SINKING_WORDS, None: BETWEEN_WORDS}[self.model.rising]
        return word_for(words, way)

    def state(self) -> dict[str, Any]:
        return {"place": self.at.place, **self.model.state()}


@dataclass(slots=True)
class DoorThing:
    """A door with its contact, lock, and what its own controller tells of it."""

    at: DoorAt
    model: Door
    lock: Machine | None = None
    awake: bool = False

    def step(self, dt_s: float, sky: Sky, field: Field) -> None:
        if self.lock is not None:
            self.model.unlocked = self.lock.arrived is True
        self.model.step(dt_s)
        for point in self.at.contacts:
            word = word_for(field.words(point), ("open",) if self.model.open else ("closed",))
            field.show(point, self.model.open if word is None else word)
        for point in self.at.forced:
            field.show(point, self.model.forced)
        for point in self.at.held:
            field.show(point, self.model.open and self.model.open_s > self.at.held_s)

    def state(self) -> dict[str, Any]:
        return {"place": self.at.place, **self.model.state()}
