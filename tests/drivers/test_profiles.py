"""Every Modbus profile in the library loads, plans within its own limits, and says where its facts come from."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from drivers.modbus import ModbusDriver
from drivers.modbus_places import placed_signals
from drivers.modbus_values import is_switch
from gateway.config.load import load_profile
from gateway.config.profile_modbus import ModbusProfile, Signal
from gateway.core.wire import WireClass, WirePoint
from tests.drivers.golden import PROFILES, address_of


def is_modbus(file: Path) -> bool:
    return tomllib.loads(file.read_text(encoding="utf-8")).get("protocol", "modbus") == "modbus"


NAMES = sorted(file.stem for file in PROFILES.glob("*.toml") if is_modbus(file))


def some_value(signal: Signal) -> bool | float | str:
    """A value that this output can take."""
    if is_switch(signal):
        return signal.write is None or signal.write.on is not None or signal.write.off is None
    return next(iter(signal.enum.values())) if signal.enum else signal.offset


@pytest.mark.parametrize("name", NAMES)
def test_profile_is_sound(name: str) -> None:
    of = load_profile(PROFILES / f"{name}.toml")
    assert isinstance(of, ModbusProfile)
    assert of.id == name
    assert of.source
    signals = list(placed_signals(of))
    readable = [placed.name for placed in signals if placed.signal.kind != "output"]
    points = [WirePoint(f"p{n}", signal, WireClass.STATE, 1.0) for n, signal in enumerate(readable)]
    device = ModbusDriver("dev", of, of.serial.unit, points, configure=True)
    for block in device.plan():
        if not block.points:
            continue
        function, start, count = address_of(block)
        assert count <= (of.limits.max_bits if function <= 2 else of.limits.max_registers) or of.exact_blocks
        assert start + count <= 0x10000
        assert {reading.quality for reading in device.fail(block, "no answer", 1.0)} <= {"bad"}
    for exchange in device.start():
        assert exchange.request
    for placed in signals:
        how = placed.signal.write
        if placed.signal.kind == "output" and (how is None or how.remote_when is None):
            for exchange in device.encode(placed.name, some_value(placed.signal)):
                assert (exchange.reply_bytes > 0) == bool(exchange.expect)


def test_the_library_is_not_empty() -> None:
    assert len(NAMES) >= 8
