"""What crosses between a driver (which knows the protocol) and the bus (which owns the wire).

A driver plans `Block`s and decodes their replies; the bus decides whose turn it is, sends, waits and
says what happened as an `Outcome`. Neither knows the other: both know these words.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol


class WireClass(IntEnum):
    """Who goes first on a shared line; a smaller number goes first."""

    PANIC = 0
    LIFE_SAFETY = 1
    STATE = 2
    MEASUREMENT = 3
    DIAGNOSTICS = 4


@dataclass(frozen=True, slots=True)
class Block:
    """One request that is repeated on the wire.

    request: protocol data unit without address and checksum (Modbus: function code + data).
    reply_bytes: length of the normal reply's data unit, for framing and wire-time arithmetic.
    period_s, deadline_s: how often, and how late after its due time it may be at worst.
    timeout_s: from the end of the request to the first byte of the reply.
    points: point ids that hang on this block; they turn bad when it fails.
    gap_s: pause that the device needs after a reply. late_s: after a timeout nothing is sent to this
    unit for so long, because its answer may still come.
    """

    device: str
    name: str
    unit: int
    request: bytes
    reply_bytes: int
    period_s: float
    deadline_s: float
    wire_class: WireClass
    timeout_s: float
    points: tuple[str, ...]
    gap_s: float = 0.0
    late_s: float = 0.2


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that is sent once: an output, or the clearing of a device's latch.

    reply_bytes 0: nobody answers (a broadcast), the exchange succeeds when it is sent.
    """

    device: str
    name: str
    unit: int
    request: bytes
    reply_bytes: int
    timeout_s: float
    wire_class: WireClass = WireClass.LIFE_SAFETY
    gap_s: float = 0.0
    late_s: float = 0.2


class Failure(StrEnum):
    """Why a request brought no usable reply."""

    PORT_LOST = "port lost"
    NO_ANSWER = "no answer"
    BAD_FRAME = "bad frame"
    WRONG_UNIT = "wrong unit"
    EXCEPTION = "exception"
    QUEUE_FULL = "queue full"  # an exchange that was never sent


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one request ended. `pdu` is the reply's data unit; empty when `failure` is set.

    exception: the Modbus exception code with `Failure.EXCEPTION`, else 0.
    now_s: monotonic seconds when it ended; took_s: from the first byte sent until then.
    """

    pdu: bytes
    failure: Failure | None
    now_s: float
    took_s: float = 0.0
    exception: int = 0
    detail: str = ""

    @property
    def reason(self) -> str:
        """What a reading says of it: the same words for the same failure; empty on success."""
        if self.failure is None:
            return ""
        return self.detail if self.failure is Failure.EXCEPTION and self.detail else str(self.failure)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a framing found: the reply's data unit, or why there is none.

    exception: Modbus exception code, 1..255, with `Failure.EXCEPTION`. out_of_step: the byte stream can no
    longer be read (a TCP peer that sends no Modbus headers); only a new connection helps.
    """

    pdu: bytes
    failure: Failure | None = None
    exception: int = 0
    detail: str = ""
    out_of_step: bool = False


class Framing(Protocol):
    """Wire format of one line: wraps a data unit and finds its reply in the received bytes. Pure; one per line."""

    def encode(self, unit: int, request: bytes, reply_bytes: int) -> bytes:
        """Wire bytes of one request; starts the wait for its reply, whose data unit has `reply_bytes` bytes."""
        ...

    def feed(self, received: bytes) -> Reply | None:
        """Take what arrived, in pieces of any size; the Reply once it is whole, None for "more bytes"."""
        ...

    def give_up(self) -> Reply:
        """Why there is no reply although time is up: silence, a wrong unit, a broken frame."""
        ...

    def reset(self) -> None:
        """Forget all received bytes: the connection is new."""
        ...

    @property
    def missing_bytes(self) -> int:
        """Bytes that the awaited reply still needs at least; 0 when as many came and none made a frame."""
        ...

    def overhead_bytes(self) -> tuple[int, int]:
        """Bytes that a request and a reply carry besides their data units."""
        ...


@dataclass(frozen=True, slots=True)
class WirePoint:
    """What a driver must know of one point: which signal, how often, how urgent, and its sense.

    inverted: the site wires this contact normally closed, so a raw 1 means *not* active.
    """

    point: str
    signal: str
    wire_class: WireClass
    period_s: float
    inverted: bool = False


class LineSink(Protocol):
    """Where a line reports; called in the line's own thread, so it must be safe to call from any."""

    def outcome(self, block: Block, outcome: Outcome) -> None:
        """A block was tried; on success `outcome.pdu` is the reply."""
        ...

    def device_link(self, device: str, up: bool, reason: str, now_s: float) -> None:
        """A device went silent (third miss, configuration fault) or answers again."""
        ...
