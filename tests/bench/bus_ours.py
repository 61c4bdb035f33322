"""Our master on a paced line: the bus's line, the Modbus driver from a profile file, and a sink that only counts.

    python -m tests.bench.bus_ours LINK BAUD UNITS PROFILE

All signals of units 1..UNITS are points with a period so short that the line always has something to do. Runs until
SIGTERM, then prints one line of JSON: polls, errors.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys

from drivers.modbus import ModbusDriver
from drivers.modbus_framing import framing_for
from gateway.bus.serial_line import SerialLine, SerialSettings
from gateway.config.load import load_profile
from gateway.config.plain import plain
from gateway.config.profiles import signals_of
from gateway.core.wire import Block, Outcome, WireClass, WirePoint
from tests.bench.bus_field import PROFILES

PERIOD_S = 0.01  # shorter than one round of the line


class Counting:
    """Decodes each reply as the daemon would, and counts."""

    def __init__(self, drivers: dict[str, ModbusDriver]) -> None:
        self._drivers = drivers
        self.polls = 0
        self.errors = 0
        self.readings = 0

    def outcome(self, block: Block, outcome: Outcome) -> None:
        """One poll ended."""
        self.polls += 1
        if outcome.failure is None:
            self.readings += len(self._drivers[block.device].decode(block, outcome.pdu, outcome.now_s))
        else:
            self.errors += 1

    def heard(self, device: str, message: object, now_s: float) -> None:
        """A Modbus device says nothing unasked."""

    def device_link(self, device: str, up: bool, reason: str, now_s: float) -> None:
        """Not of interest."""


def drivers_of(profile_id: str, units: int) -> dict[str, ModbusDriver]:
    """One driver a unit, each signal of the profile a point."""
    profile = load_profile(PROFILES / f"{profile_id}.toml")
    names = [name for name, _ in signals_of(profile)]
    points = [WirePoint(name, name, WireClass.STATE, PERIOD_S) for name in names]
    return {f"unit-{unit}": ModbusDriver(f"unit-{unit}", plain(profile), unit, points) for unit in range(1, units + 1)}


async def run(link: str, baud: int, drivers: dict[str, ModbusDriver], sink: Counting) -> None:
    """Until SIGTERM."""
    blocks = [block for driver in drivers.values() for block in driver.plan()]
    line = SerialLine("bench", link, SerialSettings(baud), framing_for("rtu"), blocks, sink)
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await line.run()


def main(link: str, baud: str, units: str, profile: str) -> None:
    """Entry point."""
    drivers = drivers_of(profile, int(units))
    sink = Counting(drivers)
    asyncio.run(run(link, int(baud), drivers, sink))
    print(json.dumps({"polls": sink.polls, "errors": sink.errors}))


if __name__ == "__main__":
    main(*sys.argv[1:])
