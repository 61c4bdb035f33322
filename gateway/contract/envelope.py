"""The envelope: a draft plus its seal becomes one CloudEvent in canonical form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.contract.canonical import canonical, digest
from gateway.contract.jws import Signer
from gateway.core.errors import BadMessage
from gateway.core.points import Draft

GENESIS_HASH = "0" * 64  # `previoushash` of the first event of an epoch
DATA_SCHEMA = "urn:campus-gateway:schema:event-data:1"
_MAX_DEPTH = 20
CONTENT_TYPE = "application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class Origin:
    """What is the same in every event of one daemon run. boot_now_s: monotonic seconds at daemon start."""

    source: str
    boot_id: str
    boot_now_s: float


@dataclass(frozen=True, slots=True)
class Number:
    """An event's place in the log. previous: sha-256 (hex) of the event before it in this epoch."""

    epoch: int
    sequence: int
    class_sequence: int
    previous: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """An event as it is stored and sent, unchanged, for ever.

    number is None for an early copy. row: its place in this gateway's journal over all epochs, 0 for an early copy.
    """

    id: str
    event_class: str
    type: str
    subject: str
    priority: int
    at_ms: int
    sha256: str
    body: bytes
    number: Number | None
    now_s: float = 0.0
    row: int = 0


def rfc3339(at_ms: int) -> str:
    """UTC milliseconds as `2026-11-21T08:00:00.000Z`."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def seal(draft: Draft, origin: Origin, number: Number | None, signer: Signer, row: int = 0) -> Sealed:
    """Number, chain and sign one draft. Without `number` it is an early copy, marked `journalled: false`.

    Data that JSON cannot hold is replaced by text and marked `damaged: true` (law 5: marked, not dropped).
    """
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": draft.id,
        "source": origin.source,
        "type": draft.type,
        "subject": draft.subject,
        "time": rfc3339(draft.at_ms),
        "datacontenttype": "application/json",
        "dataschema": DATA_SCHEMA,
        "bootid": origin.boot_id,
        "monotonicms": str(max(0, round((draft.now_s - origin.boot_now_s) * 1000))),
        "clockquality": draft.clock,
        "data": draft.data,
    }
    if number is None:
        event["journalled"] = False
    else:
        event["epoch"] = f"{number.epoch:010d}"
        event["sequence"] = f"{number.sequence:020d}"
        event["classsequence"] = f"{number.class_sequence:020d}"
        event["previoushash"] = number.previous
    try:
        unsigned = canonical(event)
        damaged = not _reads_back(draft.data)
    except (BadMessage, RecursionError):
        damaged = True
    if damaged:
        event = {name: _writable(value) for name, value in event.items()}
        event["data"] = {**event["data"], "damaged": True}
        unsigned = canonical(event)
    body = _with_signature(unsigned, signer.detached(unsigned))
    return Sealed(
        id=draft.id,
        event_class=str(draft.event_class),
        type=draft.type,
        subject=event["subject"],
        priority=int(draft.priority),
        at_ms=draft.at_ms,
        sha256=digest(body),
        body=body,
        number=number,
        now_s=draft.now_s,
        row=row,
    )


def _reads_back(value: object) -> bool:
    """False where a float would be written as a whole number beyond 2^53, which other JSON libraries refuse to canonicalise."""
    if isinstance(value, dict):
        return all(map(_reads_back, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_reads_back, value))
    return not (isinstance(value, float) and 2**53 <= abs(value) < 1e21)


def _writable(value: Any, depth: int = 0) -> Any:
    """The nearest thing that JSON can hold: an odd value is told as text and never stops an alarm."""
    if isinstance(value, dict) and depth < _MAX_DEPTH:
        return {_writable(str(name)): _writable(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple) and depth < _MAX_DEPTH:
        return [_writable(inner, depth + 1) for inner in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 2**53):
        return value
    return f"a value of type {type(value).__name__}" if isinstance(value, dict | list | tuple | int) else _writable(repr(value)[:200])


def _with_signature(unsigned: bytes, signature: str) -> bytes:
    """Insert the member in its canonical place: right before `source`.

    Canonical order puts only specversion, subject, time and type behind `source`, whose values hold no
    quote, so the last `,"source":` is the top-level one.
    """
    at = unsigned.rindex(b',"source":')
    return b"".join((unsigned[:at], b',"signature":"', signature.encode(), b'"', unsigned[at:]))
