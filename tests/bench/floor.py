"""The floor: the least that Python needs for the same work. Block reads by pymodbus, MQTT by aiomqtt, nothing stored.

Each scanned device gives one message of named values in a cycle, each coil one message when it changes; QoS 1.
Run as `python -m tests.bench.floor`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any

import aiomqtt
from pymodbus.client import AsyncModbusTcpClient

REGISTERS = 100


async def every(period_s: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do the work on a grid that does not drift; a turn that comes late is not made up for."""
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while True:
        await work()
        due_s = max(due_s + period_s, loop.time())
        await asyncio.sleep(due_s - loop.time())


async def connected(port: int) -> AsyncModbusTcpClient:
    """A client of one device on loopback."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=2, retries=0)
    await client.connect()
    return client


async def scan(broker: aiomqtt.Client, number: int, port: int, period_s: float, first_s: float) -> None:
    """All registers of one device as one message. first_s: so the devices spread over the cycle."""
    client = await connected(port)

    async def turn() -> None:
        reply = await client.read_holding_registers(0, count=REGISTERS, device_id=1)
        values = {f"r{at}": word for at, word in enumerate(reply.registers)}
        message = {"device": number, "at_ms": time.time_ns() // 1_000_000, "values": values}
        await broker.publish(f"floor/scan/{number}", json.dumps(message), qos=1)

    await asyncio.sleep(first_s)
    await every(period_s, turn)


async def watch(broker: aiomqtt.Client, number: int, port: int, period_s: float) -> None:
    """One coil: a message when it differs from the time before."""
    client = await connected(port)
    last: bool | None = None

    async def turn() -> None:
        nonlocal last
        bit = (await client.read_coils(0, count=1, device_id=1)).bits[0]
        if bit != last:
            last = bit
            await broker.publish(f"floor/coil/{number}", json.dumps({"at_ms": time.time_ns() // 1_000_000, "value": bit}), qos=1)

    await every(period_s, turn)


async def run(arguments: argparse.Namespace) -> None:
    """Until killed."""
    async with aiomqtt.Client("127.0.0.1", port=arguments.broker, max_inflight_messages=100) as broker:
        broker.pending_calls_threshold = 10_000
        period_s = arguments.period_ms / 1000
        async with asyncio.TaskGroup() as tasks:
            for number, port in enumerate(arguments.scan):
                tasks.create_task(scan(broker, number, port, period_s, period_s * number / len(arguments.scan)))
            for number, port in enumerate(arguments.coil):
                tasks.create_task(watch(broker, number, port, arguments.coil_period_ms / 1000))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", type=int, required=True, help="port on loopback")
    parser.add_argument("--scan", type=int, nargs="*", default=[], help="ports of devices whose registers are read")
    parser.add_argument("--period-ms", type=int, default=1000)
    parser.add_argument("--coil", type=int, nargs="*", default=[], help="ports of devices whose coil is read")
    parser.add_argument("--coil-period-ms", type=int, default=50)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
