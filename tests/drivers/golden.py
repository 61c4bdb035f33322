"""Profiles and golden facts for the driver tests."""

from __future__ import annotations

import struct
import tomllib
from pathlib import Path

from drivers.modbus import ModbusDriver
from gateway.config.profile_modbus import ModbusProfile as Profile
from gateway.core.reading import Quality, Reading
from gateway.core.wire import Block, WireClass, WirePoint

PROFILES = Path(__file__).parents[2] / "drivers" / "profiles"


def profile(name: str) -> Profile:
    return parse((PROFILES / f"{name}.toml").read_text(encoding="utf-8"))


def parse(text: str) -> Profile:
    return Profile.model_validate(tomllib.loads(text))


def small(signals: str, top: str = "") -> Profile:
    """A profile with these signals."""
    return parse(
        'schema = 1\nid = "small"\nvendor = "v"\nmodel = "m"\nsummary = "s"\nsummary_zh = "s"\n'
        f'transports = ["tcp"]\nsource = "test"\nconfidence = "code"\n{top}\n{signals}'
    )


def signal(name: str, kind: str, area: str, address: int, more: str = "") -> str:
    return f'[[signals]]\nname = "{name}"\nkind = "{kind}"\narea = "{area}"\naddress = {address}\n{more}\n'


def derived(name: str, kind: str, sources: list[str], table: dict[str, str], more: str = "") -> str:
    """A signal made from others."""
    pairs = ", ".join(f'"{pattern}" = "{meaning}"' for pattern, meaning in table.items())
    return f'[[signals]]\nname = "{name}"\nkind = "{kind}"\nfrom_signals = {sources}\ntable = {{ {pairs} }}\n{more}\n'


def point(
    signal_name: str,
    wire_class: WireClass = WireClass.STATE,
    period_s: float = 1.0,
    inverted: bool = False,
    span: tuple[float, float] | None = None,
) -> WirePoint:
    return WirePoint(f"p-{signal_name.replace('_', '-')}", signal_name, wire_class, period_s, inverted, span)


def said(readings: list[Reading]) -> dict[str, tuple[object, Quality, str]]:
    """Signal (with - for _) -> value, quality, reason."""
    return {reading.point.removeprefix("p-"): (reading.value, reading.quality, reading.reason) for reading in readings}


def driver(of: Profile, *signals: str, unit: int = 1) -> ModbusDriver:
    return ModbusDriver("dev", of, unit, [point(name) for name in signals])


def words(*numbers: int, function: int = 3) -> bytes:
    """Data unit of a register reply."""
    return bytes([function, 2 * len(numbers)]) + struct.pack(f">{len(numbers)}H", *numbers)


def bits(number: int, count: int, function: int = 2) -> bytes:
    """Data unit of a bit reply; the first input is the lowest bit."""
    size = (count + 7) // 8
    return bytes([function, size]) + number.to_bytes(size, "little")


def address_of(block: Block) -> tuple[int, int, int]:
    """(function, first address, count) of a block's request."""
    function, start, count = struct.unpack(">BHH", block.request)
    return function, start, count


def floats(number: float) -> tuple[int, int]:
    """Two words of a float, high word first."""
    high, low = struct.unpack(">HH", struct.pack(">f", number))
    return high, low
