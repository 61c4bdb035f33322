"""Reads device profiles as plain data: where each signal of a device type lies, and how its bits make a value.

This is a reader of its own on purpose: it shares no code with the gateway's, so that one bug cannot hide in both ends.
Addresses are wire addresses (0-based). Repeated signals (`di{n}`) come out one by one (`di1`, `di2`, ...).
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.errors import SimError

OWN_FOLDER = Path(__file__).resolve().parent.parent / "drivers" / "profiles"
TYPES = frozenset({"bool", "u8hi", "u8lo", "u16", "s16", "u32", "s32", "f32", "text"})
AREAS = frozenset({"coil", "discrete", "holding", "input"})
KINDS = frozenset({"contact", "counter", "latched", "measurement", "enum", "text", "output"})

_NUMBERS = re.compile(r"(-?(?:0x[0-9a-fA-F]+|\d+))(?:-(-?(?:0x[0-9a-fA-F]+|\d+)))?")


@dataclass(frozen=True, slots=True)
class When:
    """A signal is believed while another one is (or is not) one of these: raw numbers, ranges of them ("0-999"), enum names."""

    signal: str
    is_in: tuple[int | str, ...]
    not_in: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Clear:
    """The write that releases a latched input."""

    area: str
    address: int
    value: int


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that a device offers.

    enum: (raw number, name). faults: (lowest raw, highest raw, meaning) of sentinels and fault values.
    """

    name: str
    kind: str
    area: str
    address: int
    type: str = "bool"
    low_first: bool = False
    length: int = 1
    bit: int | None = None
    bits: int = 1
    invert: bool = False
    scale: float = 1.0
    offset: float = 0.0
    exponent_from: str = ""
    unit: str = ""
    enum: tuple[tuple[int, str], ...] = ()
    faults: tuple[tuple[int, int, str], ...] = ()
    valid_when: tuple[When, ...] = ()
    clear: Clear | None = None

    @property
    def in_registers(self) -> bool:
        return self.area in ("holding", "input")

    @property
    def size(self) -> int:
        """Registers (or bits, in the bit areas) that the signal takes."""
        if self.type == "text":
            return self.length
        return 2 if self.type in ("u32", "s32", "f32") else 1


@dataclass(frozen=True, slots=True)
class Identity:
    """A register that holds a known number under `mask`."""

    area: str
    address: int
    mask: int
    expect: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A counter that the device steps by itself, more often than every `within_s`."""

    signal: str
    within_s: float


@dataclass(frozen=True, slots=True)
class Profile:
    """One type of device, with its factory serial settings and what it refuses."""

    id: str
    summary: str
    transports: tuple[str, ...]
    signals: dict[str, Signal]
    unit: int = 1
    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1
    max_registers: int = 125
    max_bits: int = 2000
    max_hole: int = 8
    exact_bits: int = 0
    gap_ms: int = 0
    identity: Identity | None = None
    heartbeat: Heartbeat | None = None


def load(profile_id: str, folders: list[Path]) -> Profile:
    """Profile `profile_id` from the first folder that has it. SimError when none has, or when it cannot be read."""
    for folder in folders:
        path = folder / f"{profile_id}.toml"
        if path.is_file():
            return read(path)
    raise SimError(f"no device profile {profile_id!r} in {', '.join(map(str, folders))}")


def read(path: Path) -> Profile:
    """Profile from one file."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SimError(f"{path}: {error}") from error
    try:
        return parse(data)
    except KeyError as error:
        raise SimError(f"{path}: {error.args[0]} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise SimError(f"{path}: {error}") from error


def parse(data: dict[str, Any]) -> Profile:
    """Profile from its parsed TOML. KeyError, TypeError, ValueError when it is not one."""
    signals: dict[str, Signal] = {}
    for entry in data["signals"]:
        for signal in _expand(entry):
            if signal.name in signals:
                raise ValueError(f"signal {signal.name} is there twice")
            signals[signal.name] = signal
    serial, limits = data.get("serial", {}), data.get("limits", {})
    identity, heartbeat = data.get("identity"), data.get("heartbeat")
    if heartbeat and heartbeat["signal"] not in signals:
        raise ValueError(f"the heartbeat names an unknown signal {heartbeat['signal']}")
    return Profile(
        id=data["id"],
        summary=data.get("summary", ""),
        transports=tuple(data.get("transports", ())),
        signals=signals,
        **{key: serial[key] for key in ("unit", "baud", "parity", "stop_bits") if key in serial},
        **{key: limits[key] for key in ("max_registers", "max_bits", "max_hole", "exact_bits", "gap_ms") if key in limits},
        identity=Identity(identity.get("area", "holding"), identity["address"], identity.get("mask", 0xFFFF), identity["expect"])
        if identity
        else None,
        heartbeat=Heartbeat(heartbeat["signal"], float(heartbeat["within_s"])) if heartbeat else None,
    )


def _expand(entry: dict[str, Any]) -> list[Signal]:
    """The signals that one entry stands for: itself, or each of its repeats."""
    repeat = entry.get("repeat")
    if repeat is None:
        return [_signal(entry, 0, None)]
    first = repeat.get("first", 1)
    return [_signal(entry, i, first + i) for i in range(repeat["count"])]


def _signal(entry: dict[str, Any], i: int, number: int | None) -> Signal:
    """The i-th signal of an entry."""
    repeat = entry.get("repeat", {})
    for key, allowed in (("kind", KINDS), ("area", AREAS)):
        if entry[key] not in allowed:
            raise ValueError(f"signal {entry['name']}: {key} {entry[key]!r} is unknown")
    if entry.get("type", "bool") not in TYPES:
        raise ValueError(f"signal {entry['name']}: type {entry['type']!r} is unknown")
    bit, clear = entry.get("bit"), entry.get("clear")
    return Signal(
        name=_numbered(entry["name"], number),
        kind=entry["kind"],
        area=entry["area"],
        address=entry["address"] + i * repeat.get("stride", 1),
        type=entry.get("type", "bool"),
        low_first=entry.get("words", "high-first") == "low-first",
        length=entry.get("length", 1),
        bit=None if bit is None else bit + i * repeat.get("bit_stride", 0),
        bits=entry.get("bits", 1),
        invert=entry.get("invert", False),
        scale=float(entry.get("scale", 1.0)),
        offset=float(entry.get("offset", 0.0)),
        exponent_from=_numbered(entry.get("exponent_from", ""), number),
        unit=entry.get("unit", ""),
        enum=tuple((int(key, 0), name) for key, name in entry.get("enum", {}).items()),
        faults=tuple((*numbers(key), text) for table in ("sentinels", "fault_values") for key, text in entry.get(table, {}).items()),
        valid_when=tuple(
            When(_numbered(when["signal"], number), tuple(when.get("in", ())), tuple(when.get("not_in", ())))
            for when in entry.get("valid_when", ())
        ),
        clear=Clear(clear["area"], clear["address"] + i * clear.get("stride", 0), clear.get("value", 1)) if clear else None,
    )


def _numbered(name: str, number: int | None) -> str:
    return name if number is None else name.replace("{n}", str(number))


def numbers(text: str) -> tuple[int, int]:
    """Lowest and highest number of `1103`, `-400`, `0xFFFF` or `1000-1999`."""
    found = _NUMBERS.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is neither a number nor a range such as 1000-1999")
    return int(found[1], 0), int(found[2] or found[1], 0)
