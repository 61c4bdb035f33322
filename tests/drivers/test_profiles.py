"""Every profile in the library loads, plans within its own limits, and says where its facts come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers import DRIVERS
from drivers.modbus_values import placed_signals
from gateway.core.wire import WireClass, WirePoint
from tests.drivers.golden import PROFILES, address_of, profile

NAMES = sorted(path.stem for path in Path(PROFILES).glob("*.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_profile_is_sound(name: str) -> None:
    of = profile(name)
    assert of.id == name
    assert of.source
    signals = list(placed_signals(of))
    assert len({placed.name for placed in signals}) == len(signals), "a signal name occurs twice"
    for placed in signals:
        width = 16 * placed.size if placed.signal.area in ("holding", "input") else 1
        assert placed.bit is None or 0 <= placed.bit <= width - placed.signal.bits, placed.name
    readable = [placed.name for placed in signals if placed.signal.kind != "output"]
    points = [WirePoint(f"p{n}", signal, WireClass.STATE, 1.0) for n, signal in enumerate(readable)]
    device = DRIVERS[of.protocol]("dev", of, of.serial.unit, points)
    for block in device.plan():
        function, start, count = address_of(block)
        assert count <= (of.limits.max_bits if function <= 2 else of.limits.max_registers)
        assert start + count <= 0x10000
    for placed in signals:
        if placed.signal.kind == "output":
            assert device.encode(placed.name, 1).reply_bytes == 5


def test_the_library_is_not_empty() -> None:
    assert len(NAMES) >= 8
