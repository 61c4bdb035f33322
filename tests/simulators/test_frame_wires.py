"""Devices with frames of their own on real ptys and sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulators.errors import SimError
from simulators.frame_device import FrameDevice
from simulators.frame_profile import FrameProfile
from simulators.frame_wires import SerialFrames, TcpFrames
from simulators.library import load_any
from simulators.profiles import OWN_FOLDER
from tests.simulators.field import DEADLINE_S, eventually

CARD = b"\x0213005D1DA5F6\x03"


def device(profile: str, unit: int = 1) -> FrameDevice:
    loaded = load_any(profile, [OWN_FOLDER])
    assert isinstance(loaded, FrameProfile)
    return FrameDevice(profile, unit, loaded)


@contextlib.asynccontextmanager
async def line(link: Path, *devices: FrameDevice) -> AsyncIterator[tuple[SerialFrames, int]]:
    """A plugged line, and its other end as a file descriptor."""
    wire = SerialFrames(link, 115200, devices)
    await wire.start()
    fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        yield wire, fd
    finally:
        os.close(fd)
        await wire.stop()


async def heard(fd: int, wanted: int) -> bytes:
    data = b""

    def more() -> bool:
        nonlocal data
        with contextlib.suppress(BlockingIOError):
            data += os.read(fd, 4096)
        return len(data) >= wanted

    await eventually(more)
    return data


async def test_a_card_goes_out_over_a_pty(tmp_path: Path) -> None:
    reader = device("rdm6300")
    async with line(tmp_path / "reader", reader) as (wire, fd):
        await asyncio.to_thread(reader.set, "card", "13005D1DA5")  # from another thread, as the HTTP API of a lone program might
        assert await heard(fd, len(CARD)) == CARD
        assert wire.traffic.answers == 1
    assert not (tmp_path / "reader").is_symlink()
    reader.set("card", "13005D1DA5")  # nobody is plugged in: nothing happens
    assert not wire.plugged


async def test_an_upload_comes_by_itself_and_a_poll_is_answered(tmp_path: Path) -> None:
    module = device("winsen-ze07-co")
    async with line(tmp_path / "co", module) as (_, fd):
        assert (await heard(fd, 9))[:3] == bytes.fromhex("FF 04 03")
    polled = device("winsen-mh-z19b")
    polled.set("co2", 544)
    async with line(tmp_path / "co2", polled) as (_, fd):
        os.write(fd, bytes.fromhex("FF 01 86 00 00 00 00 00 79"))
        assert await heard(fd, 9) == bytes.fromhex("FF 86 02 20 00 00 00 00 58")


async def test_several_on_one_line_each_hear_their_own(tmp_path: Path) -> None:
    motors = [device("dooya-rs485", unit) for unit in (1, 2)]
    async with line(tmp_path / "motors", *motors) as (_, fd):
        os.write(fd, bytes.fromhex("55 00 02 03 01 48 FC"))
        await eventually(lambda: sum(motor.traffic.writes + motor.traffic.strange_bytes for motor in motors) >= 7)
        assert [motor.get("move") for motor in motors] == [False, True]


async def test_a_line_comes_back(tmp_path: Path) -> None:
    reader = device("rdm6300")
    async with line(tmp_path / "reader", reader) as (wire, fd):
        await wire.stop()
        with pytest.raises(OSError, match="Input/output error"):
            os.write(fd, b"x")
        await wire.start()
        again = os.open(tmp_path / "reader", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            reader.set("card", "13005D1DA5")
            assert await heard(again, len(CARD)) == CARD
        finally:
            os.close(again)


async def test_what_is_no_simulated_port_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("real")
    with pytest.raises(SimError, match="left alone"):
        await SerialFrames(tmp_path / "port", 9600, []).start()


async def test_a_converter_on_tcp(tmp_path: Path) -> None:
    reader = device("s4a-wiegand")
    wire = TcpFrames("127.0.0.1", 0, [reader])
    await wire.start()
    try:
        with pytest.raises(SimError, match="cannot listen"):
            await TcpFrames("127.0.0.1", wire.port, []).start()
        stream, writer = await asyncio.open_connection("127.0.0.1", wire.port)
        await eventually(lambda: wire.traffic.connections == 1)
        reader.set("card", "0012345678")
        assert await asyncio.wait_for(stream.readexactly(12), DEADLINE_S) == b"0012345678\r\n"
        await wire.stop()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(stream.readexactly(1), DEADLINE_S)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    finally:
        await wire.stop()
