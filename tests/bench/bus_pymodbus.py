"""The peer on a paced line: asyncio and pymodbus's serial client, unit after unit, as fast as they answer.

    python -m tests.bench.bus_pymodbus LINK BAUD UNITS FUNCTION COUNT

pymodbus keeps no silence before a request, so the caller does: t3.5, by asyncio.sleep. Runs until SIGTERM, then
prints one line of JSON: polls, errors.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusException

TIMEOUT_S = 1.0
FIXED_SILENCE_S = 0.00175  # above 19200 baud


async def run(link: str, baud: int, units: int, function: int, count: int, counted: dict[str, int]) -> None:
    """Until SIGTERM. A flag ends it and no cancelling: pymodbus takes a CancelledError for its own and goes on."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = AsyncModbusSerialClient(link, baudrate=baud, parity="N", timeout=TIMEOUT_S, retries=0)
    await client.connect()
    read = client.read_discrete_inputs if function == 2 else client.read_holding_registers
    silence_s = 3.5 * 11 / baud if baud <= 19200 else FIXED_SILENCE_S
    unit = 0
    while not stop.is_set():
        unit = unit % units + 1
        await asyncio.sleep(silence_s)
        try:
            reply = await read(0, count=count, device_id=unit)
            counted["errors"] += reply.isError()
        except ModbusException:
            counted["errors"] += 1
        counted["polls"] += 1
    client.close()


def main(link: str, *numbers: str) -> None:
    """Entry point."""
    baud, units, function, count = map(int, numbers)
    counted = {"polls": 0, "errors": 0}
    asyncio.run(run(link, baud, units, function, count, counted))
    print(json.dumps(counted))


if __name__ == "__main__":
    main(*sys.argv[1:])
