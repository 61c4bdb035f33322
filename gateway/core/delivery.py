"""What delivery needs from the rest of the house, as Protocols; and the words for what is still owed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

RECEIVED, UNUSABLE = 1, 2  # as stored


@dataclass(frozen=True, slots=True)
class Owed:
    """An event that somebody has not confirmed yet."""

    row: int
    epoch: int
    sequence: int
    event_class: str
    id: str
    priority: int
    at_ms: int
    sha256: str
    recipients: frozenset[str]


@dataclass(frozen=True, slots=True)
class Settlement:
    """One recipient's word about one event. state: RECEIVED or UNUSABLE."""

    row: int
    recipient: str
    state: int
    at_ms: int


class History(Protocol):
    """The journal as delivery sees it."""

    async def owed(self, after_row: int, limit: int) -> list[Owed]:
        """Events behind `after_row` that are still owed, in the order of sealing."""
        ...

    async def bodies(self, rows: list[int]) -> dict[int, tuple[str, bytes]]:
        """row -> (event class, body)."""
        ...

    async def known(self, ids: list[str]) -> dict[str, tuple[int, str]]:
        """id -> (row, sha-256) of those ids that this journal holds."""
        ...


class Board(Protocol):
    """What is true now, for birth, state, telemetry and heartbeat messages."""

    def birth(self) -> dict[str, Any]:
        """Identity, points, cameras, places."""
        ...

    def next_state(self) -> tuple[str, dict[str, Any]] | None:
        """(point, message) of one state that has changed since it was last sent, or None."""
        ...

    def telemetry(self) -> dict[str, Any] | None:
        """All measured values, or None when there is nothing to tell."""
        ...

    def heartbeat(self) -> dict[str, Any]:
        """Boot id, newest epoch and sequence, clock quality."""
        ...
