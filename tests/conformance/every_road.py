"""All roads by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.conformance.ends import PtyEnd, TcpEnd
from tests.conformance.roads import PolledRoad, PushRoad, Road
from tests.conformance.roads_of_doors import OsdpRoad
from tests.conformance.roads_of_pins import GpioRoad
from tests.conformance.speech import Ascii, ModbusTcp, Rtu, Stated, Winsen

ROADS: dict[str, Callable[[Path], Road]] = {
    "rtu": lambda folder: PolledRoad("rtu", PtyEnd(folder / "port"), Rtu()),
    "ascii": lambda folder: PolledRoad("ascii", PtyEnd(folder / "port"), Ascii()),
    "tcp": lambda folder: PolledRoad("tcp", TcpEnd(), ModbusTcp()),
    "rtu-tcp": lambda folder: PolledRoad("rtu-tcp", TcpEnd(), Rtu()),
    "serial": lambda folder: PushRoad("serial", PtyEnd(folder / "port"), Winsen()),
    "raw-tcp": lambda folder: PushRoad("raw-tcp", TcpEnd(), Stated()),
    "gpio": lambda folder: GpioRoad(),
    "osdp": OsdpRoad,
}
SLOW_ROADS = {"osdp"}  # libosdp repeats an unanswered command after a second
