"""The peer of the holes: one request a tag, as gateways do that know nothing of neighbours. pymodbus and aiomqtt.

One task a device: all its tags one after the other each second, then one message of named values; QoS 1, nothing stored.
Run as `python -m tests.bench.bus_tags --broker PORT DEVICE_PORT...`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

import aiomqtt

from simulators import profiles
from tests.bench.bus_field import PROFILES
from tests.bench.floor import connected, every

PERIOD_S = 1.0


async def scan(broker: aiomqtt.Client, number: int, port: int, tags: list[tuple[str, int, int]], first_s: float) -> None:
    """All tags (name, address, registers) of one device, tag after tag. first_s: so the devices spread over the cycle."""
    client = await connected(port)

    async def turn() -> None:
        values = {}
        for name, address, size in tags:
            reply = await client.read_holding_registers(address, count=size, device_id=1)
            words = reply.registers
            values[name] = words[0] << 16 | words[1] if size == 2 else words[0]
        message = {"device": number, "at_ms": time.time_ns() // 1_000_000, "values": values}
        await broker.publish(f"tags/scan/{number}", json.dumps(message), qos=1)

    await asyncio.sleep(first_s)
    await every(PERIOD_S, turn)


async def run(broker_port: int, ports: list[int]) -> None:
    """Until killed."""
    signals = profiles.load("bench-holes", [PROFILES]).signals.values()
    tags = [(signal.name, signal.address, signal.size) for signal in signals]
    async with aiomqtt.Client("127.0.0.1", port=broker_port, max_inflight_messages=100) as broker, asyncio.TaskGroup() as tasks:
        for number, port in enumerate(ports):
            tasks.create_task(scan(broker, number, port, tags, PERIOD_S * number / len(ports)))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", type=int, required=True, help="port on loopback")
    parser.add_argument("ports", type=int, nargs="+", help="ports of the devices")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.broker, arguments.ports))


if __name__ == "__main__":
    main()
