"""Serial lines on real ptys, with mbpoll as an outside master, and their pacing against arithmetic."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient

from simulators.device import Device
from simulators.errors import SimError
from simulators.faults import Fault
from simulators.modbus import rtu_frame
from simulators.profiles import parse
from simulators.serial_line import SerialLine, exchange_s, silence_s
from tests.real_parts import need
from tests.simulators.field import DEADLINE_S, eventually, mbpoll, profile

READ_4_INPUTS = rtu_frame(7, bytes.fromhex("02 00 00 00 04"))
NO_INPUT = rtu_frame(7, bytes.fromhex("02 01 00"))
READ_STATE = rtu_frame(2, bytes.fromhex("03 00 06 00 01"))
NORMAL = rtu_frame(2, bytes.fromhex("03 02 00 01"))


@contextlib.asynccontextmanager
async def lined(folder: Path, baud: int = 115200, delay_s: float = 0.001) -> AsyncIterator[tuple[SerialLine, Device, Device]]:
    """A line with an input module (unit 7) and a gas detector (unit 2)."""
    io, gas = Device("io", 7, profile("bench-io")), Device("gas", 2, profile("bench-gas"))
    line = SerialLine(folder / "line.pty", baud, {7: io, 2: gas}, delay_s)
    await line.start()
    try:
        yield line, io, gas
    finally:
        await line.stop()


@contextlib.contextmanager
def opened(line: SerialLine) -> Iterator[int]:
    fd = os.open(line.link, os.O_RDWR | os.O_NOCTTY)
    try:
        yield fd
    finally:
        os.close(fd)


def receive(fd: int, wanted: int, within_s: float = DEADLINE_S) -> bytes:
    """Bytes that came within the time; fewer than wanted when there were no more."""
    data = b""
    end_s = time.monotonic() + within_s
    while len(data) < wanted and select.select([fd], [], [], max(0.0, end_s - time.monotonic()))[0]:
        data += os.read(fd, wanted - len(data))
    return data


def ask(fd: int, frame: bytes, wanted: int, within_s: float = DEADLINE_S) -> bytes:
    os.write(fd, frame)
    return receive(fd, wanted, within_s)


async def test_mbpoll_reads_every_area(tmp_path: Path) -> None:
    program = need("mbpoll", package="mbpoll")
    async with lined(tmp_path, baud=19200) as (line, io, gas):
        there = ("-m", "rtu", "-b", "19200", "-P", "none", str(line.link))
        io.press("di2")
        io.set("di4_count", 4_000_000_000)
        gas.set("gas", 50)
        assert await mbpoll(program, "-a", "7", "-t", "1", "-r", "1", "-c", "4", *there) == {1: "0", 2: "1", 3: "0", 4: "0"}
        assert await mbpoll(program, "-a", "7", "-t", "0", "-r", "65", "-c", "4", *there) == {65: "0", 66: "1", 67: "0", 68: "0"}
        assert await mbpoll(program, "-a", "7", "-t", "3:hex", "-r", "7", "-c", "2", *there) == {7: "0x2800", 8: "0xEE6B"}
        assert await mbpoll(program, "-a", "2", "-t", "4:float", "-B", "-r", "3", *there) == {3: "50"}
        assert (line.traffic.answers, line.traffic.bad_frames) == (4, 0)


async def test_modbus_ascii_with_an_outside_master(tmp_path: Path) -> None:
    io = Device("io", 7, profile("bench-io"))
    line = SerialLine(tmp_path / "line.pty", 19200, {7: io}, 0.001, transport="ascii")
    await line.start()
    client = AsyncModbusSerialClient(str(line.link), framer=FramerType.ASCII, baudrate=19200, retries=0, timeout=1.0)
    try:
        assert await client.connect()
        io.press("di2")
        answer = await client.read_discrete_inputs(0, count=4, device_id=7)
        assert answer.bits[:4] == [False, True, False, False]
        assert not (await client.write_coil(16, True, device_id=7)).isError()
        assert io.get("do1") is True
        io.fault = Fault("wrong-crc")
        with pytest.raises(ModbusException):
            await client.read_discrete_inputs(0, count=4, device_id=7)
        assert (line.traffic.bad_frames, line.traffic.short_silence) == (0, 0)
    finally:
        client.close()
        await line.stop()


@pytest.mark.parametrize("baud", [9600, 19200, 115200])
async def test_pacing_keeps_to_arithmetic(tmp_path: Path, baud: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole exchanges of 8 + 25 characters. The median is printed; asserted are the quick ones, which a busy machine did not disturb:
    none faster than arithmetic, and within 10 % of it."""
    registers = {"name": "r{n}", "kind": "measurement", "area": "holding", "address": 0, "type": "u16", "repeat": {"count": 10}}
    line = SerialLine(tmp_path / "line.pty", baud, {1: Device("meter", 1, parse({"id": "m", "signals": [registers]}))}, delay_s=0.005)
    request, reply_bytes = rtu_frame(1, bytes.fromhex("03 00 00 00 0A")), 25
    await line.start()
    try:
        with opened(line) as fd:
            took = sorted(await asyncio.to_thread(_exchanges, fd, request, reply_bytes, silence_s(baud), 25))
    finally:
        await line.stop()
    wanted_s = exchange_s(baud, len(request), reply_bytes, 0.005)
    ratio = took[len(took) // 2] / wanted_s
    with capsys.disabled():
        print(f"\n  {baud} baud: {took[len(took) // 2] * 1000:.2f} ms an exchange, arithmetic {wanted_s * 1000:.2f} ms, {ratio - 1:+.2%}")
    assert took[0] > 0.99 * wanted_s
    assert took[len(took) // 10] < 1.10 * wanted_s
    assert line.traffic.short_silence == 0


def _exchanges(fd: int, request: bytes, reply_bytes: int, gap_s: float, times: int) -> list[float]:
    """Seconds of each exchange, with the silence before the next request that a good master keeps."""
    took = []
    for _ in range(times):
        begin_s = time.perf_counter()
        assert len(ask(fd, request, reply_bytes)) == reply_bytes
        due_s = time.perf_counter() + gap_s
        while time.perf_counter() < due_s:
            pass
        took.append(time.perf_counter() - begin_s)
    return took


async def test_a_master_that_cuts_the_silence_short_is_counted(tmp_path: Path) -> None:
    async with lined(tmp_path, baud=1200) as (line, _, _):
        with opened(line) as fd:
            for _ in range(2):
                assert await asyncio.to_thread(ask, fd, READ_4_INPUTS, 6) == NO_INPUT
        assert line.traffic.short_silence == 1


async def test_a_request_in_single_bytes_and_noise_before_it(tmp_path: Path) -> None:
    async with lined(tmp_path) as (line, _, _):
        with opened(line) as fd:
            os.write(fd, b"\xff\x55\x00")
            await eventually(lambda: line.traffic.bad_frames == 1)
            for byte in READ_4_INPUTS[:-1]:
                os.write(fd, bytes((byte,)))
            assert await asyncio.to_thread(ask, fd, READ_4_INPUTS[-1:], 6) == NO_INPUT


async def test_an_unknown_function_is_refused_and_a_stranger_gets_nothing(tmp_path: Path) -> None:
    async with lined(tmp_path) as (line, _, _):
        with opened(line) as fd:
            assert await asyncio.to_thread(ask, fd, rtu_frame(7, b"\x2b\x0e\x01\x00"), 5) == rtu_frame(7, b"\xab\x01")
            os.write(fd, rtu_frame(9, READ_4_INPUTS[1:-2]))
            await eventually(lambda: line.traffic.strangers == 1)
            assert await asyncio.to_thread(ask, fd, READ_STATE, 7) == NORMAL


async def test_a_broadcast_is_obeyed_and_not_answered(tmp_path: Path) -> None:
    async with lined(tmp_path) as (line, io, _):
        with opened(line) as fd:
            os.write(fd, rtu_frame(0, bytes.fromhex("05 00 10 FF 00")))
            await eventually(lambda: io.get("do1") is True)
            assert await asyncio.to_thread(ask, fd, READ_STATE, 7) == NORMAL
        assert line.traffic.answers == 1


async def test_faults_reach_the_wire(tmp_path: Path) -> None:
    async with lined(tmp_path) as (line, io, _):
        with opened(line) as fd:
            for kind, wanted in (("wrong-unit", rtu_frame(8, NO_INPUT[1:-2])), ("truncated", NO_INPUT[:3]), ("", NO_INPUT)):
                io.fault = Fault(kind) if kind else None
                assert await asyncio.to_thread(ask, fd, READ_4_INPUTS, len(wanted)) == wanted
            io.fault = Fault("silent")
            os.write(fd, READ_4_INPUTS)
            assert await asyncio.to_thread(ask, fd, READ_STATE, 7) == NORMAL


async def test_a_late_answer_comes_after_the_answer_to_the_next_request(tmp_path: Path) -> None:
    async with lined(tmp_path) as (line, io, _):
        io.fault = Fault("late", ms=100)
        with opened(line) as fd:
            begin_s = time.monotonic()
            os.write(fd, READ_4_INPUTS)
            assert await asyncio.to_thread(ask, fd, READ_STATE, 7) == NORMAL
            assert await asyncio.to_thread(receive, fd, 6) == NO_INPUT
            assert time.monotonic() - begin_s >= 0.1


async def test_unplugged_and_plugged_again(tmp_path: Path) -> None:
    async with lined(tmp_path) as (line, _, _):
        with opened(line) as fd:
            await line.stop()
            assert not line.link.is_symlink()
            with pytest.raises(OSError, match=r"Input/output error"):
                os.write(fd, READ_4_INPUTS)
        await line.start()
        with opened(line) as fd:
            assert await asyncio.to_thread(ask, fd, READ_4_INPUTS, 6) == NO_INPUT


async def test_a_master_may_go_and_another_come(tmp_path: Path) -> None:
    async with lined(tmp_path) as (line, _, _):
        for _ in range(2):
            with opened(line) as fd:
                assert await asyncio.to_thread(ask, fd, READ_4_INPUTS, 6) == NO_INPUT


async def test_a_real_port_is_never_replaced(tmp_path: Path) -> None:
    link = tmp_path / "ttyUSB0"
    link.write_text("a real port")
    with pytest.raises(SimError, match="left alone"):
        await SerialLine(link, 9600, {}).start()
    assert link.read_text() == "a real port"
    with pytest.raises(SimError, match="is not there"):
        await SerialLine(tmp_path / "none" / "line.pty", 9600, {}).start()


async def test_the_stale_link_of_a_killed_simulator_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "line.pty").symlink_to("/dev/pts/99999")
    async with lined(tmp_path) as (line, _, _):
        with opened(line) as fd:
            assert await asyncio.to_thread(ask, fd, READ_STATE, 7) == NORMAL
