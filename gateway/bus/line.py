"""A line: one owner of one wire. What the runtime sees of it, and how one is made from the site file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from gateway.bus.counters import LineCounters
from gateway.bus.serial_line import SerialLine, SerialSettings
from gateway.bus.tcp_line import TcpLine
from gateway.core.wire import Block, Exchange, Framing, LineSink, Outcome

if TYPE_CHECKING:
    from gateway.config.profile import SerialDefaults
    from gateway.config.site import SerialBus, TcpBus


class Line(Protocol):
    """One wire with all its devices."""

    bus_id: str
    counters: LineCounters

    async def run(self) -> None:
        """Own the wire until cancelled."""
        ...

    def worst_s(self) -> dict[tuple[str, str], float]:
        """(device, block) -> longest time so far from one sampling of its points to the end of the next reply."""
        ...

    def submit(self, exchange: Exchange) -> asyncio.Future[Outcome]:
        """Send once, in the class of the exchange. From the event loop's thread."""
        ...


def line_for(
    bus: TcpBus | SerialBus, framing: Framing, blocks: Sequence[Block], sink: LineSink, factory: SerialDefaults, folder: Path
) -> Line:
    """The line of a polled bus in the site file.

    factory: serial settings of the line's first device, where the file is silent. folder: where a relative port path begins.
    """
    if bus.transport in ("rtu", "ascii"):
        settings = SerialSettings(
            bus.baud or factory.baud, bus.parity or factory.parity, bus.stop_bits or factory.stop_bits, bus.data_bits or factory.data_bits
        )
        return SerialLine(bus.id, str(folder / bus.device), settings, framing, blocks, sink)
    bus = cast("TcpBus", bus)
    connect_s = bus.connect_timeout_ms / 1000
    return TcpLine(bus.id, bus.host, bus.port, framing, blocks, sink, connect_s, late_answers=bus.transport == "rtu-tcp")
