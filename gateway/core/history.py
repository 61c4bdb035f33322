"""What has happened, as read back from the journal: for reports and for the page's history. Plain data, and who gives it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Told:
    """One sealed event. at_ms: its own time, UTC; row: order of sealing. received: recipient -> UTC milliseconds of its receipt.

    owed: recipients that have not answered yet. data: as in the contract, never to be changed.
    """

    row: int
    epoch: int
    sequence: int
    event_class: str
    id: str
    type: str
    subject: str
    at_ms: int
    data: Mapping[str, Any]
    received: Mapping[str, int]
    owed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are asked for. from_ms inclusive, to_ms exclusive, UTC. Empty: everything. types: beginnings of event types.

    text: looked for in names, places, texts and persons, whatever its case. before_row: only rows below it, 0 for all.
    """

    from_ms: int = 0
    to_ms: int = 1 << 62
    classes: frozenset[str] = frozenset()
    types: tuple[str, ...] = ()
    places: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    subject: str = ""
    text: str = ""
    before_row: int = 0


@dataclass(frozen=True, slots=True)
class Minute:
    """What one point showed in one minute from at_ms on (UTC), in its unit."""

    at_ms: int
    point: str
    low: float
    mean: float
    high: float


class Past(Protocol):
    """Who gives them."""

    def events(self, wanted: Wanted) -> Iterator[Told]:
        """Newest first. Raises JournalUnreadable."""
        ...

    def minutes(self, points: Collection[str], from_ms: int, to_ms: int) -> Iterator[Minute]:
        """Oldest first. Raises JournalUnreadable."""
        ...
