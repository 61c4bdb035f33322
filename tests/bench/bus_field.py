"""The field of the bus benchmarks as a process of its own: one paced RS-485 line with devices on it.

A process of its own, because the line spins to keep its times and must not hold up the interpreter of a master.

    python -m tests.bench.bus_field LINK --baud 9600 --units 1:bench-inputs --units 2-31:bench-meter --late 31:90

Says {"ready": true} when the port is at LINK. Then commands on standard input, each answered by one line of JSON:
    stats                   requests, last_ns (when the device looked at its inputs for the last of them), answers,
                            short_silence, bad_frames, strangers: totals so far
    set UNIT SIGNAL VALUE   set a contact to 0 or 1                              {"ns": when}
Times are CLOCK_MONOTONIC nanoseconds. Ends at the end of its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from simulators import profiles
from simulators.device import Device
from simulators.faults import Fault
from simulators.serial_line import SerialLine

PROFILES = Path(__file__).with_name("profiles")
DELAY_S = 0.005


def devices_of(units: Sequence[str], late: Sequence[str]) -> dict[int, Device]:
    """Devices by unit. units: "FIRST-LAST:PROFILE" or "UNIT:PROFILE"; late: "UNIT:MS", how long that one takes in all."""
    devices = {}
    for words in units:
        span, _, profile = words.partition(":")
        first, _, last = span.partition("-")
        loaded = profiles.load(profile, [PROFILES])
        for unit in range(int(first), int(last or first) + 1):
            devices[unit] = Device(f"unit-{unit}", unit, loaded)
    for words in late:
        unit_text, _, ms = words.partition(":")
        devices[int(unit_text)].fault = Fault("late", ms=int(ms) - round(DELAY_S * 1000))
    return devices


def stats(line: SerialLine, devices: dict[int, Device]) -> dict[str, object]:
    """Totals so far. Requests and their last time belong together: they are read until they stand still."""
    while True:
        requests = sum(device.traffic.requests for device in devices.values())
        last_ns = max((device.traffic.last_request_ns or 0 for device in devices.values()), default=0)
        if requests == sum(device.traffic.requests for device in devices.values()):
            break
    traffic = line.traffic
    return {
        "requests": requests,
        "last_ns": last_ns,
        "answers": traffic.answers,
        "short_silence": traffic.short_silence,
        "bad_frames": traffic.bad_frames,
        "strangers": traffic.strangers,
    }


def answer(words: list[str], line: SerialLine, devices: dict[int, Device]) -> dict[str, object]:
    """What one command brings."""
    match words:
        case ["stats"]:
            return stats(line, devices)
        case ["set", unit, signal, value]:
            return {"ns": devices[int(unit)].set(signal, value == "1")}
        case _:
            return {"error": f"unknown command {' '.join(words)}"}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("link", type=Path, help="where the port appears")
    parser.add_argument("--baud", type=int, required=True)
    parser.add_argument("--units", action="append", required=True, metavar="FIRST-LAST:PROFILE")
    parser.add_argument("--late", action="append", default=[], metavar="UNIT:MS")
    arguments = parser.parse_args()
    devices = devices_of(arguments.units, arguments.late)
    line = SerialLine(arguments.link, arguments.baud, devices, DELAY_S)
    asyncio.run(line.start())
    try:
        print(json.dumps({"ready": True}), flush=True)
        for command in sys.stdin:
            print(json.dumps(answer(command.split(), line, devices)), flush=True)
    finally:
        asyncio.run(line.stop())


if __name__ == "__main__":
    main()
