"""Reads the profiles of devices that speak in frames of their own, as plain data.

Byte positions count from 0, the first byte of the frame or of the record. A key that is not known here is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from simulators.profiles import SERIAL_KEYS
from simulators.signals import TALK, Named, known, numbers

PROFILE_KEYS = TALK | {
    "schema", "id", "vendor", "model", "summary", "summary_zh", "map_only", "serial", "protocol", "transports", "frames", "codec", "start",
    "polls", "answers", "records", "silent_s", "warm_up_s", "signals",
}  # fmt: skip
FRAME_KEYS = ("start", "length", "length_field", "end", "most", "checksum", "matches", "quiet_ms")
CHECK_KEYS = ("kind", "or_kind", "first", "last", "at", "ascii_hex")
SIGNAL_KEYS = TALK | {
    "name", "kind", "repeat", "when", "record", "at", "type", "length", "bit", "bits", "invert", "scale", "offset", "decimals_at", "enum",
    "sentinels", "pattern", "each", "reset_by", "hold_s", "same_s", "stale_s", "send",
}  # fmt: skip
CHECKS = frozenset({"xor", "xor-ascii-hex", "sum", "sum-complement", "crc16-modbus"})
SIZES = {"u8": 1, "s8": 1, "u16": 2, "s16": 2, "u32": 4, "s32": 4, "u16le": 2, "s16le": 2, "u32le": 4}

Marks = tuple[tuple[int, bytes], ...]  # position, and the bytes that stand there


@dataclass(frozen=True, slots=True)
class Check:
    """What proves a frame: its kind, the bytes that it covers, its own position."""

    kind: str
    first: int
    last: int
    at: int
    ascii_hex: bool = False

    @property
    def size(self) -> int:
        return 2 if self.ascii_hex or self.kind == "crc16-modbus" else 1


@dataclass(frozen=True, slots=True)
class LengthField:
    """Where a frame says how long it is, less `plus`."""

    at: int
    size: int = 1
    order: str = "big"
    plus: int = 0


@dataclass(frozen=True, slots=True)
class Form:
    """One form of frame. length 0: a length field, an end, or silence ends it."""

    start: bytes = b""
    length: int = 0
    length_field: LengthField | None = None
    end: bytes = b""
    most: int = 256
    check: Check | None = None
    matches: str = ""
    quiet_ms: int = 0


@dataclass(frozen=True, slots=True)
class Records:
    """Several reports in one frame."""

    when: Marks
    count_at: int
    first: int
    size: int


@dataclass(frozen=True, slots=True)
class FrameSignal:
    """One thing that frames say. at None: the frame itself, or the text that fits `pattern`, is the report.

    passes: it is told once and is over.
    """

    name: str
    kind: str
    when: Marks = ()
    record: str = ""
    at: int | None = None
    type: str = "u8"
    length: int = 1
    bit: int | None = None
    bits: int = 1
    invert: bool = False
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    decimals_at: int | None = None
    enum: tuple[tuple[str, str], ...] = ()
    sentinels: tuple[Named, ...] = ()
    pattern: str = ""
    reset_by: str = ""
    passes: bool = False
    send: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> int:
        """Bytes that it takes at `at`."""
        return SIZES.get(self.type, self.length)


@dataclass(frozen=True, slots=True)
class FrameProfile:
    """One type of device. polls, start, commands: templates of bytes that it is sent; answers: when a frame has these marks."""

    id: str
    summary: str
    transports: tuple[str, ...]
    signals: dict[str, FrameSignal]
    unit: int = 1
    baud: int = 9600
    data_bits: int = 8
    parity: str = "N"
    stop_bits: int = 1
    forms: tuple[Form, ...] = ()
    codec: str = "ascii"
    start: tuple[str, ...] = ()
    polls: tuple[str, ...] = ()
    answers: tuple[tuple[Marks, str], ...] = ()
    records: tuple[tuple[str, Records], ...] = ()
    silent_s: float = 0.0

    @property
    def uploads(self) -> bool:
        """It speaks all the time, unasked."""
        return self.silent_s > 0 and not self.polls


def parse(data: dict[str, Any]) -> FrameProfile:
    """Profile from its parsed TOML. KeyError, TypeError, ValueError when it is not one."""
    serial = data.get("serial", {})
    known(data, PROFILE_KEYS, "profile")
    known(serial, SERIAL_KEYS, "serial")
    signals: dict[str, FrameSignal] = {}
    for entry in data["signals"]:
        for signal in _signals(entry):
            if signal.name in signals:
                raise ValueError(f"signal {signal.name} is there twice")
            signals[signal.name] = signal
    records = {name: _records(entry) for name, entry in data.get("records", {}).items()}
    for signal in signals.values():
        if signal.record and signal.record not in records:
            raise ValueError(f"signal {signal.name}: there are no records {signal.record}")
    return FrameProfile(
        id=data["id"],
        summary=data.get("summary", ""),
        transports=tuple(data.get("transports", ())),
        signals=signals,
        **{key: serial[key] for key in SERIAL_KEYS if key in serial},
        forms=tuple(_form(entry) for entry in data.get("frames", ())),
        codec=data.get("codec", "ascii"),
        start=tuple(data.get("start", ())),
        polls=tuple(_poll(entry) for entry in data.get("polls", ())),
        answers=tuple(_answer(entry) for entry in data.get("answers", ())),
        records=tuple(records.items()),
        silent_s=float(data.get("silent_s", 0)),
    )


def _form(entry: dict[str, Any]) -> Form:
    known(entry, FRAME_KEYS, "frames")
    field, check = entry.get("length_field"), entry.get("checksum")
    known(field or {}, ("at", "size", "order", "plus"), "length_field")
    known(check or {}, CHECK_KEYS, "checksum")
    if check and check["kind"] not in CHECKS:
        raise ValueError(f"checksum {check['kind']!r} is unknown")
    return Form(
        start=bytes.fromhex(entry.get("start", "")),
        length=entry.get("length", 0),
        length_field=LengthField(**field) if field else None,
        end=bytes.fromhex(entry.get("end", "")),
        most=entry.get("most", 256),
        check=Check(check["kind"], check["first"], check["last"], check["at"], check.get("ascii_hex", False)) if check else None,
        matches=entry.get("matches", ""),
        quiet_ms=entry.get("quiet_ms", 0),
    )


def _poll(entry: dict[str, Any]) -> str:
    known(entry, ("bytes", "every_s", "timeout_ms"), "polls")
    return str(entry["bytes"])


def _answer(entry: dict[str, Any]) -> tuple[Marks, str]:
    known(entry, ("when", "bytes"), "answers")
    return _marks(entry), entry["bytes"]


def _records(entry: dict[str, Any]) -> Records:
    known(entry, ("when", "count_at", "first", "size"), "records")
    return Records(_marks(entry), entry["count_at"], entry["first"], entry["size"])


def _marks(entry: dict[str, Any]) -> Marks:
    return tuple((int(position), bytes.fromhex(text)) for position, text in entry.get("when", {}).items())


def _signals(entry: dict[str, Any]) -> Iterable[FrameSignal]:
    """The signals that one entry stands for: itself, or each of its repeats."""
    known(entry, SIGNAL_KEYS, f"signal {entry['name']}")
    repeat = entry.get("repeat")
    known(repeat or {}, ("count", "stride", "bit_stride", "first"), f"signal {entry['name']}, repeat")
    if entry.get("type", "u8") not in (*SIZES, "bcd", "ascii-hex", "text"):
        raise ValueError(f"signal {entry['name']}: type {entry['type']!r} is unknown")
    re.compile(entry.get("pattern", ""))
    for i in range(repeat["count"] if repeat else 1):
        at, bit = entry.get("at"), entry.get("bit")
        yield FrameSignal(
            name=entry["name"].replace("{n}", str(repeat.get("first", 1) + i)) if repeat else entry["name"],
            kind=entry["kind"],
            when=_marks(entry),
            record=entry.get("record", ""),
            at=None if at is None else at + (i * repeat.get("stride", 1) if repeat else 0),
            type=entry.get("type", "u8"),
            length=entry.get("length", 1),
            bit=None if bit is None else bit + (i * repeat.get("bit_stride", 0) if repeat else 0),
            bits=entry.get("bits", 1),
            invert=entry.get("invert", False),
            scale=float(entry.get("scale", 1.0)),
            offset=float(entry.get("offset", 0.0)),
            unit=entry.get("unit", ""),
            decimals_at=entry.get("decimals_at"),
            enum=tuple((str(key), name) for key, name in entry.get("enum", {}).items()),
            sentinels=tuple((*numbers(key), text) for key, text in entry.get("sentinels", {}).items()),
            pattern=entry.get("pattern", ""),
            reset_by=entry.get("reset_by", ""),
            passes=entry.get("hold_s", 0) > 0,
            send=tuple(entry.get("send", {}).items()),
        )
