"""What crosses between a driver (which knows the protocol) and the bus (which owns the wire).

A driver plans `Block`s and decodes their replies; the bus decides whose turn it is, sends, waits and
says what happened as an `Outcome`. Neither knows the other: both know these words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol

from gateway.core.reading import Reading, Value


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
    unit for so long, because its answer may still come. delay_s: longest time until the healthy device's reply begins.
    alternate: the request of every second turn (a toggle bit that is fed). expect: the only reply that is one, where
    it is known beforehand (a write). spanning: it bridges registers that no point needs.
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
    delay_s: float = 0.01
    alternate: bytes = b""
    expect: bytes = b""
    spanning: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that is sent once: an output, or the clearing of a device's latch.

    reply_bytes 0: nobody answers (a broadcast), the exchange succeeds when it is sent. expect: the reply that means
    "done", where it is known beforehand; another one is a `Failure.REFUSED`. within_s: in a sequence of writes, how long
    after its begin this one may still be sent; 0 where that does not matter.
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
    expect: bytes = b""
    within_s: float = 0.0


class Failure(StrEnum):
    """Why a request brought no usable reply."""

    PORT_LOST = "port lost"
    NO_ANSWER = "no answer"
    BAD_FRAME = "bad frame"
    WRONG_UNIT = "wrong unit"
    EXCEPTION = "exception"
    REFUSED = "refused"  # the device answered a write with something else than its echo
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


@dataclass(frozen=True, slots=True)
class WirePoint:
    """What a driver must know of one point: which signal, how often, how urgent, and its sense.

    inverted: the site wires this contact normally closed, so a raw 1 means *not* active. span: values at 4 and at 20 mA
    of a current loop. stale_s: a value that no frame repeats for so long is bad; None: as the profile says.
    """

    point: str
    signal: str
    wire_class: WireClass
    period_s: float
    inverted: bool = False
    span: tuple[float, float] | None = None
    stale_s: float | None = None


STALE = "stale"  # why a value is bad that its device should have repeated


class LineSink(Protocol):
    """Where a line reports; called in the line's own thread, so it must be safe to call from any."""

    def outcome(self, block: Block, outcome: Outcome) -> Sequence[Block] | None:
        """A block was tried; on success `outcome.pdu` is the reply. Returns the device's new blocks where they changed."""
        ...

    def heard(self, device: str, message: object, now_s: float) -> None:
        """A device said something unasked: a frame (bytes), a reader's or a contact's report."""
        ...

    def device_link(self, device: str, up: bool, reason: str, now_s: float) -> None:
        """A device went silent (third miss, configuration fault) or answers again."""
        ...


class Driver(Protocol):
    """One device of the site: plans what to ask and decodes what is said. Pure, no port and no clock."""

    def plan(self) -> list[Block]:
        """What to ask again and again, most urgent first; empty where the device speaks unasked."""
        ...

    def decode(self, block: Block, pdu: bytes, now_s: float) -> list[Reading]:
        """Readings of a reply that differ from what was said before."""
        ...

    def hear(self, message: object, now_s: float) -> list[Reading]:
        """Readings of an unasked message that differ from what was said before."""
        ...

    def fail(self, block: Block, reason: str, now_s: float) -> list[Reading]:
        """Bad readings, once per reason, for the points of a block that brought no usable answer."""
        ...

    def lost(self, reason: str, now_s: float) -> list[Reading]:
        """Bad readings for all points: the device is silent."""
        ...

    def replan(self) -> list[Block] | None:
        """The blocks anew, when what was learned since `plan` or the last `replan` changed them; else None."""
        ...

    @property
    def learned(self) -> Mapping[str, Value]:
        """What was found out about the device and is worth remembering; handed back to its driver at the next start."""
        ...

    def tick(self, now_s: float) -> list[Reading]:
        """Readings that time alone changes (a held contact goes back, a heartbeat stands still)."""
        ...

    def start(self) -> list[Exchange]:
        """What to write each time the device comes up."""
        ...

    def clear(self, point: str) -> Exchange | None:
        """What releases this point's input latch in the device; None when it has none."""
        ...

    def say_again(self, point: str) -> None:
        """The next reply tells this point's value even if it has not changed. Safe to call from any thread."""
        ...

    def encode(self, signal: str, value: bool | int | float | str) -> list[Exchange]:
        """What sets an output, in order. ValueError for a signal that is no output, or a value that it cannot take."""
        ...

    def pulse(self, signal: str, duration_s: float) -> list[Exchange] | None:
        """A pulse that the device itself ends; None where it cannot."""
        ...
