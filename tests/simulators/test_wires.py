"""TCP wires, with real connections and with mbpoll as an outside master."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from simulators.device import Device
from simulators.errors import SimError
from simulators.faults import Fault
from simulators.modbus import mbap_frame, rtu_frame
from simulators.profiles import parse
from simulators.wires import TcpWire
from tests.real_parts import need
from tests.simulators.field import DEADLINE_S, mbpoll, profile

READ_4_INPUTS = bytes.fromhex("02 00 00 00 04")


@contextlib.asynccontextmanager
async def wired(transport: str = "tcp") -> AsyncIterator[tuple[TcpWire, Device, Device]]:
    """A wire with an input module (unit 7) and a gas detector (unit 2)."""
    io, gas = Device("io", 7, profile("bench-io")), Device("gas", 2, profile("bench-gas"))
    wire = TcpWire("127.0.0.1", 0, transport, {7: io, 2: gas})
    await wire.start()
    try:
        yield wire, io, gas
    finally:
        await wire.stop()


@contextlib.asynccontextmanager
async def connected(wire: TcpWire) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(wire: TcpWire, frame: bytes, wanted: int) -> bytes:
    async with connected(wire) as (reader, writer):
        writer.write(frame)
        return await asyncio.wait_for(reader.readexactly(wanted), DEADLINE_S)


async def test_mbpoll_reads_every_area() -> None:
    program = need("mbpoll", package="mbpoll")
    async with wired() as (wire, io, gas):
        there = ("-p", str(wire.port), "127.0.0.1")
        io.press("di1")
        io.press("di3")
        io.set("di2_count", 70_000)
        gas.set("gas", 12.5)
        assert await mbpoll(program, "-a", "7", "-t", "1", "-r", "1", "-c", "4", *there) == {1: "1", 2: "0", 3: "1", 4: "0"}
        assert await mbpoll(program, "-a", "7", "-t", "0", "-r", "65", "-c", "4", *there) == {65: "1", 66: "0", 67: "1", 68: "0"}
        assert await mbpoll(program, "-a", "7", "-t", "3:int", "-r", "1", "-c", "3", *there) == {1: "1", 3: "70000", 5: "1"}
        assert await mbpoll(program, "-a", "2", "-t", "4:float", "-B", "-r", "3", *there) == {3: "12.5"}
        assert wire.traffic.answers == 4


async def test_mbpoll_writes_outputs() -> None:
    program = need("mbpoll", package="mbpoll")
    async with wired() as (wire, io, _):
        there = ("-p", str(wire.port), "127.0.0.1")
        await mbpoll(program, "-a", "7", "-t", "4", "-r", "101", *there, "321")
        await mbpoll(program, "-a", "7", "-t", "0", "-r", "17", *there, "1", "1")
        await mbpoll(program, "-a", "7", "-t", "0", "-r", "17", *there, "0")
        assert (io.get("level"), io.get("do1"), io.get("do2")) == (321, False, True)
        assert io.traffic.by_function == {6: 1, 15: 1, 5: 1}


async def test_a_request_in_single_bytes() -> None:
    async with wired() as (wire, _, _), connected(wire) as (reader, writer):
        for byte in mbap_frame(0x1234, 7, READ_4_INPUTS):
            writer.write(bytes((byte,)))
            await writer.drain()
        assert await asyncio.wait_for(reader.readexactly(10), DEADLINE_S) == mbap_frame(0x1234, 7, bytes.fromhex("02 01 00"))


async def test_a_unit_that_is_not_there() -> None:
    async with wired() as (wire, _, _):
        assert await exchange(wire, mbap_frame(1, 99, READ_4_INPUTS), 9) == mbap_frame(1, 99, b"\x82\x0b")
        assert wire.traffic.strangers == 1


async def test_what_is_not_modbus_is_hung_up_on() -> None:
    async with wired() as (wire, _, _), connected(wire) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), DEADLINE_S) == b""
        assert wire.traffic.bad_frames == 1


async def test_rtu_frames_through_tcp() -> None:
    async with wired("rtu-tcp") as (wire, _, _):
        assert await exchange(wire, rtu_frame(7, READ_4_INPUTS), 6) == rtu_frame(7, bytes.fromhex("02 01 00"))


async def test_a_late_answer_does_not_hold_up_another_unit() -> None:
    async with wired() as (wire, io, _), connected(wire) as (reader, writer):
        io.fault = Fault("late", ms=150)
        begin_s = time.monotonic()
        writer.write(mbap_frame(1, 7, READ_4_INPUTS) + mbap_frame(2, 2, bytes.fromhex("03 00 06 00 01")))
        assert await asyncio.wait_for(reader.readexactly(11), DEADLINE_S) == mbap_frame(2, 2, bytes.fromhex("03 02 00 01"))
        early_s = time.monotonic() - begin_s
        assert await asyncio.wait_for(reader.readexactly(10), DEADLINE_S) == mbap_frame(1, 7, bytes.fromhex("02 01 00"))
        assert early_s < 0.15 <= time.monotonic() - begin_s + 0.002


async def test_silence_and_recovery() -> None:
    async with wired() as (wire, io, _), connected(wire) as (reader, writer):
        io.fault = Fault("silent")
        writer.write(mbap_frame(1, 7, READ_4_INPUTS) + mbap_frame(2, 2, bytes.fromhex("03 00 06 00 01")))
        assert (await asyncio.wait_for(reader.readexactly(11), DEADLINE_S))[:2] == b"\x00\x02"
        io.fault = None
        writer.write(mbap_frame(3, 7, READ_4_INPUTS))
        assert (await asyncio.wait_for(reader.readexactly(10), DEADLINE_S))[:2] == b"\x00\x03"


async def test_unplugged_and_plugged_again() -> None:
    async with wired() as (wire, _, _):
        port = wire.port
        async with connected(wire) as (reader, _):
            await wire.stop()
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), DEADLINE_S) == b""
        assert not wire.plugged
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await wire.start()
        assert wire.port == port
        assert len(await exchange(wire, mbap_frame(1, 7, READ_4_INPUTS), 10)) == 10


async def test_a_busy_port_and_a_foreign_address() -> None:
    async with wired() as (wire, _, _):
        with pytest.raises(SimError, match=f"cannot listen on 127.0.0.1:{wire.port}"):
            await TcpWire("127.0.0.1", wire.port, "tcp", {}).start()
    with pytest.raises(SimError, match=r"cannot listen on 192\.0\.2\.1"):
        await TcpWire("192.0.2.1", 0, "tcp", {}).start()


async def test_a_module_that_takes_one_client_hangs_up_on_the_second() -> None:
    spec = {"id": "x", "max_clients": 1, "signals": [{"name": "di1", "kind": "contact", "area": "discrete", "address": 0}]}
    wire = TcpWire("127.0.0.1", 0, "tcp", {1: Device("x", 1, parse(spec))})
    await wire.start()
    try:
        async with connected(wire) as (reader, writer):
            writer.write(mbap_frame(1, 1, bytes.fromhex("02 00 00 00 01")))
            answer = mbap_frame(1, 1, bytes.fromhex("02 01 00"))
            assert await asyncio.wait_for(reader.readexactly(len(answer)), DEADLINE_S) == answer
            async with connected(wire) as (second, _):
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await asyncio.wait_for(second.readexactly(1), DEADLINE_S)
            writer.write(mbap_frame(2, 1, bytes.fromhex("02 00 00 00 01")))
            assert (await asyncio.wait_for(reader.readexactly(len(answer)), DEADLINE_S))[:2] == b"\x00\x02"
        assert wire.traffic.connections == 1
    finally:
        await wire.stop()


async def test_a_write_that_nobody_answers() -> None:
    siren = {"name": "siren", "kind": "output", "area": "holding", "address": 1, "type": "u16", "write": {"reply": "none"}}
    dut = Device("x", 0, parse({"id": "x", "signals": [siren]}))
    wire = TcpWire("127.0.0.1", 0, "rtu-tcp", {0: dut})
    await wire.start()
    try:
        async with connected(wire) as (reader, writer):
            writer.write(rtu_frame(0, bytes.fromhex("06 00 01 00 07")) + rtu_frame(0, bytes.fromhex("03 00 01 00 01")))
            answer = rtu_frame(0, bytes.fromhex("03 02 00 07"))
            assert await asyncio.wait_for(reader.readexactly(len(answer)), DEADLINE_S) == answer
    finally:
        await wire.stop()
