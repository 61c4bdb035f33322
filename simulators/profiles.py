"""Reads the profiles of Modbus devices as plain data: their signals, and what they refuse.

This is a reader of its own on purpose: it shares no code with the gateway's, so that one bug cannot hide in both ends.
Addresses are wire addresses (0-based): the file's `address_base` and the site's `address_offset` are counted in.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulators.errors import SimError
from simulators.signals import TALK, Signal, Write, known, signals_of, write_of

OWN_FOLDER = Path(__file__).resolve().parent.parent / "drivers" / "profiles"

PROFILE_KEYS = TALK | {
    "schema", "id", "vendor", "model", "summary", "summary_zh", "map_only", "serial", "protocol", "transports", "address_base", "limits",
    "max_clients", "exact_blocks", "identity", "word_order", "heartbeat", "feed", "start", "warm_up_s", "signals",
}  # fmt: skip
SERIAL_KEYS = ("baud", "data_bits", "parity", "stop_bits", "unit")
LIMITS_ON_THE_WIRE = ("max_registers", "max_bits", "max_hole", "exact_bits", "gap_ms")
LIMIT_KEYS = (*LIMITS_ON_THE_WIRE, "delay_ms", "timeout_ms", "write_gap_ms", "late_ms")


@dataclass(frozen=True, slots=True)
class Identity:
    """A register that holds a known number under `mask`."""

    area: str
    address: int
    mask: int
    expect: int


@dataclass(frozen=True, slots=True)
class WordOrder:
    """Two registers that hold a known number, its high word first: so is everything whose order is `tested`."""

    area: str
    address: int
    expect: int


@dataclass(frozen=True, slots=True)
class Span:
    """A read that is answered in exactly this form."""

    area: str
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A counter that the device steps by itself, more often than every `within_s`."""

    signal: str
    within_s: float


@dataclass(frozen=True, slots=True)
class Feed:
    """A watchdog that wants this write every `every_s`; alternate: the value of every second one."""

    write: Write
    every_s: float
    alternate: int | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """One type of device, with its factory serial settings and what it refuses."""

    id: str
    summary: str
    transports: tuple[str, ...]
    signals: dict[str, Signal]
    unit: int = 1
    baud: int = 9600
    data_bits: int = 8
    parity: str = "N"
    stop_bits: int = 1
    max_registers: int = 125
    max_bits: int = 2000
    max_hole: int = 8
    exact_bits: int = 0
    gap_ms: int = 0
    max_clients: int = 0
    exact_blocks: tuple[Span, ...] = ()
    identity: Identity | None = None
    word_order: WordOrder | None = None
    heartbeat: Heartbeat | None = None
    feed: Feed | None = None
    start: tuple[Write, ...] = field(default=())


def load(profile_id: str, folders: list[Path], address_offset: int = 0) -> Profile:
    """Profile `profile_id` from the first folder that has it. SimError when none has, or when it cannot be read."""
    return read(find(profile_id, folders), address_offset)


def find(profile_id: str, folders: list[Path]) -> Path:
    """Path of a profile. SimError when no folder has it."""
    for folder in folders:
        path = folder / f"{profile_id}.toml"
        if path.is_file():
            return path
    raise SimError(f"no device profile {profile_id!r} in {', '.join(map(str, folders))}")


def read(path: Path, address_offset: int = 0) -> Profile:
    """Profile from one file."""
    try:
        return parse(read_toml(path), address_offset)
    except KeyError as error:
        raise SimError(f"{path}: {error.args[0]} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise SimError(f"{path}: {error}") from error


def read_toml(path: Path) -> dict[str, Any]:
    """What a file says. SimError when it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SimError(f"{path}: {error}") from error


def parse(data: dict[str, Any], address_offset: int = 0) -> Profile:
    """Profile from its parsed TOML. KeyError, TypeError, ValueError when it is not one."""
    if data.get("protocol", "modbus") != "modbus":
        raise ValueError(f"protocol {data['protocol']!r} is not modbus")
    serial, limits = data.get("serial", {}), data.get("limits", {})
    known(data, PROFILE_KEYS, "profile")
    known(serial, SERIAL_KEYS, "serial")
    known(limits, LIMIT_KEYS, "limits")
    shift = address_offset - data.get("address_base", 0)
    signals = _signals(data["signals"], shift)
    identity, order, heartbeat, feed = (data.get(key) for key in ("identity", "word_order", "heartbeat", "feed"))
    if heartbeat and heartbeat["signal"] not in signals:
        raise ValueError(f"the heartbeat names an unknown signal {heartbeat['signal']}")
    return Profile(
        id=data["id"],
        summary=data.get("summary", ""),
        transports=tuple(data.get("transports", ())),
        signals=signals,
        **{key: serial[key] for key in SERIAL_KEYS if key in serial},
        **{key: limits[key] for key in LIMITS_ON_THE_WIRE if key in limits},
        max_clients=data.get("max_clients", 0),
        exact_blocks=tuple(Span(each["area"], each["address"] + shift, each["count"]) for each in data.get("exact_blocks", ())),
        identity=Identity(identity.get("area", "holding"), identity["address"] + shift, identity.get("mask", 0xFFFF), identity["expect"])
        if identity
        else None,
        word_order=WordOrder(order.get("area", "holding"), order["address"] + shift, order.get("expect", 0x12345678)) if order else None,
        heartbeat=Heartbeat(heartbeat["signal"], float(heartbeat["within_s"])) if heartbeat else None,
        feed=Feed(write_of(feed["write"], shift), float(feed["every_s"]), feed.get("alternate")) if feed else None,
        start=tuple(write_of(write, shift) for write in data.get("start", ())),
    )


def _signals(entries: list[dict[str, Any]], shift: int) -> dict[str, Signal]:
    """All signals by name, references checked."""
    signals: dict[str, Signal] = {}
    for entry in entries:
        for signal in signals_of(entry, shift):
            if signal.name in signals:
                raise ValueError(f"signal {signal.name} is there twice")
            signals[signal.name] = signal
    for signal in signals.values():
        references = (signal.exponent_from, signal.sign_from, signal.sense_from, *signal.or_with, *signal.made_from)
        for name in references:
            if name and name not in signals:
                raise ValueError(f"signal {signal.name} refers to an unknown signal {name}")
        if signal.area and not 0 <= signal.address <= 0x10000 - signal.size:
            raise ValueError(f"signal {signal.name}: wire address {signal.address} is outside 0..65535")
    return signals
