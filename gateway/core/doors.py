"""Doors and the power supply: what a site has of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.core.points import Text

Spans = tuple[tuple[tuple[int, int], ...], ...]  # per weekday (0 = Monday) the (start, end) minutes of the local day


@dataclass(frozen=True, slots=True)
class Card:
    """One line of a door's list of cards. name: of its holder. hours: None for always. school_days: not on holidays and in vacations."""

    name: str
    hours: Spans | None = None
    school_days: bool = False


@dataclass(frozen=True, slots=True)
class DoorSpec:
    """One door. Points are named by id, empty where the door has none; `lock` is an output.

    held_s: open for longer is an alarm. unlock_s: how long a grant lasts. cards: hash of a card in hex -> its holder.
    tell_names: the holder's name goes into events. denied_burst: so many refusals within a minute are an alarm.
    """

    id: str
    place: str
    name: Text
    contact: str = ""
    card: str = ""
    request_to_exit: str = ""
    granted: str = ""
    lock: str = ""
    held_s: float = 30.0
    unlock_s: float = 5.0
    cards: dict[str, Card] = field(default_factory=dict)
    tell_names: bool = False
    denied_burst: int = 5

    @property
    def forced_point(self) -> str:
        """Id of the point that says the door was opened by force."""
        return f"{self.id}-forced"

    @property
    def held_point(self) -> str:
        """Id of the point that says the door stands open for too long."""
        return f"{self.id}-held"

    @property
    def denied_point(self) -> str:
        """Id of the point that says card after card is refused."""
        return f"{self.id}-denied"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Points that this door looks at."""
        return tuple(point for point in (self.contact, self.card, self.request_to_exit, self.granted) if point)


@dataclass(frozen=True, slots=True)
class PowerSpec:
    """When the gateway stops by itself. mains: point that is active while mains power is lost, or empty."""

    battery_low: str
    mains: str = ""
    shutdown_after_s: float = 60.0
    poweroff: bool = False
