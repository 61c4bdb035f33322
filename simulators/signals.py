"""What a Modbus device offers, read as plain data from the `[[signals]]` of its profile. Pure.

Addresses are wire addresses (0-based). Repeated signals (`di{n}`) come out one by one (`di1`, `di2`, ...). A key that is
not known here is an error: it might change what is on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

TYPES = frozenset({"bool", "u8hi", "u8lo", "u16", "s16", "u32", "s32", "f32", "bcd16", "bcd32", "text"})
TWO_WORDS = frozenset({"u32", "s32", "f32", "bcd32"})
AREAS = frozenset({"coil", "discrete", "holding", "input"})
KINDS = frozenset({"contact", "counter", "latched", "measurement", "enum", "text", "output"})
LOOP_STATES = frozenset({"normal", "active", "open", "short"})

# what only people and the gateway's own judgement need
TALK = frozenset({"note", "source", "confidence", "unit"})
SIGNAL_KEYS = TALK | {
    "name", "kind", "repeat", "area", "address", "type", "words", "bytes", "length", "characters", "bit", "bits", "invert", "sense_from",
    "or_with", "scale", "offset", "exponent_from", "sign_from", "current_loop", "sentinels", "enum", "bad", "fault_values",
    "uncertain_values", "loop", "from_signals", "table", "valid_when", "clear", "read_clears", "write", "pulse", "safe",
}  # fmt: skip
WHEN_KEYS = frozenset({"signal", "in", "not_in", "reason", "quality"})
WRITE_KEYS = frozenset({"area", "address", "stride", "value", "further", "function", "reply", "whole_device"})
OUTPUT_KEYS = frozenset({"function", "address", "stride", "on", "off", "reply", "ack", "before", "after", "within_ms", "remote_when"})
PULSE_KEYS = frozenset({"address", "stride", "area", "function", "base", "unit_ms", "most"})
REPEAT_KEYS = frozenset({"count", "stride", "bit_stride", "first"})

_NUMBERS = re.compile(r"(-?(?:0x[0-9a-fA-F]+|\d+))(?:-(-?(?:0x[0-9a-fA-F]+|\d+)))?")

Named = tuple[int, int, str]  # lowest raw number, highest raw number, what they mean


@dataclass(frozen=True, slots=True)
class When:
    """A signal is believed while another one is (or is not) one of these: raw numbers, ranges of them ("0-999"), enum names."""

    signal: str
    is_in: tuple[int | str, ...]
    not_in: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """A write with fixed values. function 0: any that writes this area. whole_device: it releases every latch."""

    area: str
    address: int
    values: tuple[int, ...] = (1,)
    function: int = 0
    reply: str = "echo"
    whole_device: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """How an output is written. on, off: raw words; None where a plain state or number is written.

    An output with `on` alone is a momentary command. before: writes that must have come first, all within `within_ms`.
    """

    area: str
    address: int
    function: int = 0
    on: int | None = None
    off: int | None = None
    reply: str = "echo"
    ack: int | None = None
    before: tuple[Write, ...] = ()
    after: tuple[Write, ...] = ()
    within_ms: int = 10_000
    remote_when: When | None = None


@dataclass(frozen=True, slots=True)
class Pulse:
    """A pulse that the device ends: the written word is base + duration / unit_ms."""

    area: str
    address: int
    function: int
    base: int
    unit_ms: int
    most: int


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that a device offers. area "" and address -1: it is made from the contacts `made_from`.

    enum, faults, doubts, loop: raw numbers and what they mean. table: pattern of 0, 1 and x over `made_from`, and its name.
    """

    name: str
    kind: str
    area: str
    address: int
    type: str = "bool"
    low_first: bool = False
    little: bool = False
    length: int = 1
    characters: int = 2
    bit: int | None = None
    bits: int = 1
    invert: bool = False
    sense_from: str = ""
    or_with: tuple[str, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    exponent_from: str = ""
    sign_from: str = ""
    current_loop: bool = False
    unit: str = ""
    enum: tuple[Named, ...] = ()
    bad: frozenset[str] = frozenset()
    faults: tuple[Named, ...] = ()
    doubts: tuple[Named, ...] = ()
    loop: tuple[Named, ...] = ()
    made_from: tuple[str, ...] = ()
    table: tuple[tuple[str, str], ...] = ()
    valid_when: tuple[When, ...] = ()
    clear: Write | None = None
    read_clears: bool = False
    write: Output | None = None
    pulse: Pulse | None = None
    safe: Write | None = None

    @property
    def in_registers(self) -> bool:
        return self.area in ("holding", "input")

    @property
    def size(self) -> int:
        """Registers (or bits, in the bit areas) that the signal takes."""
        if self.type == "text":
            return self.length
        return 2 if self.type in TWO_WORDS else 1

    @property
    def has_words(self) -> bool:
        """It is switched by raw words of its own."""
        return self.write is not None and (self.write.on is not None or self.write.off is not None)


def known(entry: dict[str, Any], keys: Iterable[str], where: str) -> None:
    """ValueError for a key that the simulator does not know."""
    for key in entry:
        if key not in keys:
            raise ValueError(f"{where}: {key} is not known to the simulator and might change what is on the wire")


def signals_of(entry: dict[str, Any], shift: int) -> list[Signal]:
    """The signals that one entry stands for: itself, or each of its repeats. shift: from the file's addresses to wire addresses."""
    name = entry["name"]
    repeat = entry.get("repeat")
    known(entry, SIGNAL_KEYS, f"signal {name}")
    known(repeat or {}, REPEAT_KEYS, f"signal {name}, repeat")
    for key, allowed in (("kind", KINDS), ("area", AREAS)):
        if (key == "kind" or "from_signals" not in entry) and entry[key] not in allowed:
            raise ValueError(f"signal {name}: {key} {entry[key]!r} is unknown")
    if entry.get("type", "bool") not in TYPES:
        raise ValueError(f"signal {name}: type {entry['type']!r} is unknown")
    if repeat is None:
        return [_signal(entry, 0, None, shift)]
    first = repeat.get("first", 1)
    return [_signal(entry, i, first + i, shift) for i in range(repeat["count"])]


def _signal(entry: dict[str, Any], i: int, number: int | None, shift: int) -> Signal:
    """The i-th signal of an entry."""
    repeat, bit, made = entry.get("repeat", {}), entry.get("bit"), "from_signals" in entry
    stride = repeat.get("stride", 1) if repeat else 0
    address = -1 if made else entry["address"] + i * stride + shift
    area = "" if made else entry["area"]
    return Signal(
        name=_numbered(entry["name"], number),
        kind=entry["kind"],
        area=area,
        address=address,
        type=entry.get("type", "bool"),
        low_first=entry.get("words", "high-first") == "low-first",
        little=entry.get("bytes", "big") == "little",
        length=entry.get("length", 1),
        characters=entry.get("characters", 2),
        bit=None if bit is None else bit + i * repeat.get("bit_stride", 0),
        bits=entry.get("bits", 1),
        invert=entry.get("invert", False),
        sense_from=_numbered(entry.get("sense_from", ""), number),
        or_with=tuple(_numbered(name, number) for name in entry.get("or_with", ())),
        scale=float(entry.get("scale", 1.0)),
        offset=float(entry.get("offset", 0.0)),
        exponent_from=_numbered(entry.get("exponent_from", ""), number),
        sign_from=_numbered(entry.get("sign_from", ""), number),
        current_loop=entry.get("current_loop", False),
        unit=entry.get("unit", ""),
        enum=_named(entry, "enum"),
        bad=frozenset(entry.get("bad", ())),
        faults=_named(entry, "sentinels", "fault_values"),
        doubts=_named(entry, "uncertain_values"),
        loop=_named(entry, "loop"),
        made_from=tuple(_numbered(name, number) for name in entry.get("from_signals", ())),
        table=tuple(entry.get("table", {}).items()),
        valid_when=tuple(_when(when, number, entry["name"]) for when in entry.get("valid_when", ())),
        clear=write_of(entry["clear"], shift, i) if "clear" in entry else None,
        read_clears=entry.get("read_clears", False),
        write=_output(entry, i, number, shift, area, stride) if "write" in entry else None,
        pulse=_pulse(entry["pulse"], i, shift) if "pulse" in entry else None,
        safe=write_of(entry["safe"], shift, i) if "safe" in entry else None,
    )


def write_of(entry: dict[str, Any], shift: int, i: int = 0) -> Write:
    """The i-th write of an entry."""
    known(entry, WRITE_KEYS, "a write")
    return Write(
        area=entry["area"],
        address=entry["address"] + i * entry.get("stride", 0) + shift,
        values=(entry.get("value", 1), *entry.get("further", ())),
        function=entry.get("function", 0),
        reply=entry.get("reply", "echo"),
        whole_device=entry.get("whole_device", False),
    )


def _output(entry: dict[str, Any], i: int, number: int | None, shift: int, area: str, stride: int) -> Output:
    how = entry["write"]
    known(how, OUTPUT_KEYS, f"signal {entry['name']}, write")
    return Output(
        area=area,
        address=how.get("address", entry["address"]) + i * how.get("stride", stride) + shift,
        function=how.get("function", 0),
        on=how.get("on"),
        off=how.get("off"),
        reply=how.get("reply", "echo"),
        ack=how.get("ack"),
        before=tuple(write_of(write, shift, i) for write in how.get("before", ())),
        after=tuple(write_of(write, shift, i) for write in how.get("after", ())),
        within_ms=how.get("within_ms", 10_000),
        remote_when=_when(how["remote_when"], number, entry["name"]) if "remote_when" in how else None,
    )


def _pulse(entry: dict[str, Any], i: int, shift: int) -> Pulse:
    known(entry, PULSE_KEYS, "a pulse")
    return Pulse(
        area=entry.get("area", "coil"),
        address=entry["address"] + i * entry.get("stride", 1) + shift,
        function=entry.get("function", 0),
        base=entry.get("base", 0),
        unit_ms=entry.get("unit_ms", 100),
        most=entry.get("most", 255),
    )


def _when(entry: dict[str, Any], number: int | None, name: str) -> When:
    known(entry, WHEN_KEYS, f"a condition of {name}")
    return When(_numbered(entry["signal"], number), tuple(entry.get("in", ())), tuple(entry.get("not_in", ())))


def _named(entry: dict[str, Any], *tables: str) -> tuple[Named, ...]:
    """Raw numbers and their meanings; single numbers go before ranges."""
    found = [(*numbers(key), text) for table in tables for key, text in entry.get(table, {}).items()]
    return tuple(sorted(found, key=lambda each: each[0] != each[1]))


def _numbered(name: str, number: int | None) -> str:
    return name if number is None else name.replace("{n}", str(number))


def numbers(text: str) -> tuple[int, int]:
    """Lowest and highest number of `1103`, `-400`, `0xFFFF` or `1000-1999`."""
    found = _NUMBERS.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is neither a number nor a range such as 1000-1999")
    return int(found[1], 0), int(found[2] or found[1], 0)
