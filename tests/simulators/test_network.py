"""The proxy between real sockets: plain ones that echo, and a real broker behind it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from simulators.broker import Broker
from simulators.mqtt_packets import MqttCutter, packet_bytes
from simulators.network import Link
from tests.simulators.field import DEADLINE_S, eventually

CONNECT = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test"
PUBLISH = b"\x32\x07\x00\x01a\x00\x07hi"  # QoS 1, packet 7
PUBACK = b"\x40\x02\x00\x07"
PING, PONG = b"\xc0\x00", b"\xd0\x00"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def echoing() -> AsyncIterator[Link]:
    """A link to a server that says everything again."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    link = Link(0, server.sockets[0].getsockname()[1])
    await link.start()
    try:
        yield link
    finally:
        await link.stop()
        server.close()


@contextlib.asynccontextmanager
async def connected(link: Link) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def said_again(streams: Streams, data: bytes = b"hello") -> bytes:
    reader, writer = streams
    writer.write(data)
    return await asyncio.wait_for(reader.readexactly(len(data)), DEADLINE_S)


async def is_quiet(streams: Streams, for_s: float = 0.15) -> bool:
    try:
        return not await asyncio.wait_for(streams[0].read(1), for_s)
    except TimeoutError:
        return True


async def test_it_passes_everything_on_and_counts() -> None:
    async with echoing() as link, connected(link) as client:
        much = bytes(range(256)) * 2000
        assert await said_again(client, much) == much
        assert (link.connections, link.sent_bytes, link.received_bytes) == (1, len(much), len(much))
        assert link.peers == [client[1].get_extra_info("sockname")]


async def test_delay_is_each_way_and_loses_no_speed() -> None:
    async with echoing() as link, connected(link) as client:
        await link.begin("delay", {"ms": 100})
        begin_s = time.monotonic()
        client[1].write(b"a")
        await asyncio.sleep(0.05)
        assert await said_again(client, b"b") == b"a"
        assert time.monotonic() - begin_s >= 0.2
        assert await asyncio.wait_for(client[0].readexactly(1), DEADLINE_S) == b"b"
        await link.end("delay")
        assert link.delay_s == 0


async def test_throttled() -> None:
    async with echoing() as link, connected(link) as client:
        await link.begin("throttle", {"bytes_per_s": 20_000})
        begin_s = time.monotonic()
        assert await said_again(client, bytes(4000)) == bytes(4000)
        assert time.monotonic() - begin_s >= 0.2


async def test_a_stall_keeps_all_bytes() -> None:
    async with echoing() as link, connected(link) as client:
        await link.begin("stall", {})
        client[1].write(b"kept")
        assert await is_quiet(client)
        await link.end("stall")
        assert await asyncio.wait_for(client[0].readexactly(4), DEADLINE_S) == b"kept"


async def test_half_open_loses_without_a_word_and_is_reset_when_healed() -> None:
    async with echoing() as link, connected(link) as old, connected(link) as idle:
        assert await said_again(old) == b"hello"
        await said_again(idle)
        await link.begin("half-open", {})
        async with connected(link) as new:
            for client in (old, new):
                client[1].write(b"lost")
                assert await is_quiet(client)
            await link.end("half-open")
            for client in (old, new):
                with pytest.raises(ConnectionResetError):
                    await asyncio.wait_for(client[0].read(1), DEADLINE_S)
        assert await said_again(idle) == b"hello", "one that lost nothing goes on"


async def test_refused_and_open_again_at_the_same_port() -> None:
    async with echoing() as link, connected(link) as old:
        await said_again(old)
        port = link.port
        await link.begin("refuse", {})
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(old[0].read(1), DEADLINE_S)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await link.end("refuse")
        assert link.port == port
        async with connected(link) as client:
            assert await said_again(client) == b"hello"


async def test_cut_is_a_reset_and_new_connections_are_taken() -> None:
    async with echoing() as link, connected(link) as old:
        await said_again(old)
        await link.begin("cut", {})
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(old[0].read(1), DEADLINE_S)
        async with connected(link) as client:
            assert await said_again(client) == b"hello"


async def test_a_server_that_is_away_closes_the_connection() -> None:
    link = Link(0, 1)
    await link.start()
    async with connected(link) as client:
        assert await asyncio.wait_for(client[0].read(1), DEADLINE_S) == b""
    await link.stop()


async def test_acknowledgements_of_a_real_broker_are_swallowed_and_nothing_else(tmp_path: Path) -> None:
    with Broker("nats", dir=tmp_path) as broker:
        link = Link(0, broker.port)
        await link.start()
        try:
            async with connected(link) as client:
                assert await mqtt(client, CONNECT, 4) == b"\x20\x02\x00\x00"
                assert await mqtt(client, PUBLISH, 4) == PUBACK
                await link.begin("never-acknowledge", {})
                client[1].write(PUBLISH)
                await eventually(lambda: link.swallowed == 1)
                assert await mqtt(client, PING, 2) == PONG
                await link.end("never-acknowledge")
                assert await mqtt(client, PUBLISH, 4) == PUBACK
        finally:
            await link.stop()


async def test_what_is_not_mqtt_cannot_be_kept_from_acknowledging() -> None:
    async with echoing() as link, connected(link) as client:
        await said_again(client)
        with pytest.raises(ValueError, match="not plain MQTT"):
            await link.begin("never-acknowledge", {})


async def mqtt(client: Streams, data: bytes, wanted: int) -> bytes:
    client[1].write(data)
    return await asyncio.wait_for(client[0].readexactly(wanted), DEADLINE_S)


@pytest.mark.parametrize(
    ("held", "size"),
    [(b"", 0), (b"\x30", 0), (b"\xd0\x00", 2), (b"\x30\x80", 0), (b"\x30\x80\x01", 131), (b"\x30\xff\xff\xff\x7f", 268435460)],
)
def test_length_of_a_packet(held: bytes, size: int) -> None:
    assert packet_bytes(held) == size


def test_packets_in_single_bytes() -> None:
    stream = b"\x20\x02\x00\x00" + b"\x30\x80\x01" + bytes(128) + PONG
    cutter = MqttCutter()
    found: list[Any] = [packet for byte in stream for packet in cutter.feed(bytes((byte,)))]
    assert [len(each) for each in found] == [4, 131, 2]
    assert b"".join(found) == stream
