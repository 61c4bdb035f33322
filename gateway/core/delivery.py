"""What delivery needs from the rest of the house, as Protocols; and the words for what is still owed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
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

    async def debts(self, from_row: int) -> dict[tuple[str, str], tuple[int, tuple[int, int]]]:
        """(recipient, event class) -> (row, (epoch, sequence)) of the lowest event that is still owed, from `from_row` on."""
        ...

    async def owed(self, after_row: int, limit: int, of: tuple[str, str] | None = None) -> list[Owed]:
        """Events behind `after_row` that are still owed, in the order of sealing; of: to this recipient, of this class."""
        ...

    async def bodies(self, rows: list[int]) -> dict[int, tuple[str, bytes]]:
        """row -> (event class, body)."""
        ...

    async def since(self, recipient: str, place: tuple[int, int], after_row: int, limit: int) -> list[Owed]:
        """Events for this recipient from place = (epoch, sequence) on, settled or not, in the order of sealing."""
        ...

    async def known(self, ids: list[str]) -> dict[str, tuple[int, str]]:
        """id -> (row, sha-256) of those ids that this journal holds."""
        ...


class Board(Protocol):
    """What is true now, for birth, state, telemetry and heartbeat messages."""

    def everything(self) -> None:
        """All states are to be sent again."""
        ...

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


class Channel(Protocol):
    """An open session with a broker. Every call raises LinkLost once it has ended."""

    def publish_event(self, topic: str, payload: bytes, on_ack: Callable[[int], None]) -> None:
        """Hand an event over at QoS 1; on_ack(reason code) is called with the broker's PUBACK."""
        ...

    def publish(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, on_ack: Callable[[int], None] | None = None, expiry_s: int = 0
    ) -> None:
        """Hand any other message over. expiry_s: the broker may drop it after so long, where its protocol can say so."""
        ...

    def publish_picture(self, topic: str, payload: bytes, on_ack: Callable[[int], None]) -> None:
        """Hand a JPEG over at QoS 1; on_ack as for an event."""
        ...

    async def subscribe(self, topic: str, *, fresh_only: bool = False) -> None:
        """Subscribe at QoS 1. fresh_only: nothing that the broker has retained, where its protocol can say so."""
        ...

    def messages(self) -> AsyncIterator[tuple[str, bytes, bool]]:
        """(topic, payload, retained) of what arrives."""
        ...

    @property
    def receive_maximum(self) -> int:
        """How many QoS 1 messages the broker takes before it has acknowledged the first; 65535 where it sets no limit."""
        ...

    @property
    def maximum_packet_bytes(self) -> int | None:
        """The largest packet that the broker takes, None where it does not say."""
        ...

    def unacknowledged(self) -> list[tuple[str, int]]:
        """(topic, bytes of payload) of each message that waits for its PUBACK, in the order of sending; also after the end."""
        ...

    @property
    def taken(self) -> dict[str, int]:
        """topic -> bytes of the largest payload that the broker has acknowledged in this session."""
        ...

    def drop(self) -> None:
        """Close the connection at once, without a word to the broker, which publishes the will."""
        ...


class Dialler(Protocol):
    """Opens sessions with one broker; which library does it is known there only.

    where: the broker, for people. can_refuse: a refused message comes back with its reason (MQTT 5), not as silence (3.1.1).
    """

    @property
    def where(self) -> str: ...

    @property
    def can_refuse(self) -> bool: ...

    def stale(self) -> str:
        """Why the open session should be replaced in a quiet moment (new certificate, clock known at last); empty while it should not."""
        ...

    def dial(self, will_topic: str, will: bytes) -> AbstractAsyncContextManager[Channel]:
        """One new session with this last will (QoS 1, retained, delay 0). Entering it raises LinkLost when it cannot be opened."""
        ...
