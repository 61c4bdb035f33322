"""Each trouble of a school's field on its real wires: ordered as the API orders it, looked at by a master of our own bytes or by mbpoll."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulators import trouble_makers
from simulators.broker import free_port
from simulators.frame_device import FrameDevice
from simulators.modbus import crc16, mbap_frame, rtu_frame
from simulators.school import School, Unknown
from simulators.site import read_site
from simulators.vocabulary import PICTURES
from tests.real_parts import need
from tests.simulators.field import DEADLINE_S, PROFILES, eventually, mbpoll

READ_DI = bytes.fromhex("02 00 00 00 04")
READ_COUNT = bytes.fromhex("04 00 00 00 02")
READ_GAS = bytes.fromhex("03 00 02 00 02")
NOTHING = rtu_frame(7, bytes.fromhex("02 01 00"))


def write_site(folder: Path) -> Path:
    path = folder / "site.toml"
    path.write_text(
        f"""
site = {{ id = "school" }}
profile_dirs = ["{PROFILES}"]
buses = [
  {{ id = "line", transport = "rtu", device = "line.pty", baud = 115200 }},
  {{ id = "io", transport = "tcp", host = "127.0.0.1", port = {free_port()} }},
  {{ id = "cards", transport = "serial", device = "cards.pty" }},
]
devices = [
  {{ id = "module", bus = "line", profile = "bench-io", unit = 7 }},
  {{ id = "gas", bus = "line", profile = "bench-gas", unit = 2 }},
  {{ id = "alone", bus = "io", profile = "bench-io", unit = 1 }},
  {{ id = "reader", bus = "cards", profile = "rdm6300" }},
]
points = [{{ id = "panic", role = "panic_button", place = "gate", device = "module", signal = "di1" }}]
""",
        encoding="utf-8",
    )
    return path


class Master:
    """A master of raw bytes at one end of the line."""

    def __init__(self, link: Path) -> None:
        self.fd = os.open(link, os.O_RDWR | os.O_NOCTTY)

    async def ask(self, frame: bytes, wanted: int, within_s: float = DEADLINE_S) -> bytes:
        """What came within the time, at most so much; what lay there before is thrown away."""
        return await asyncio.to_thread(self._ask, frame, wanted, within_s)

    def _ask(self, frame: bytes, wanted: int, within_s: float) -> bytes:
        while select.select([self.fd], [], [], 0)[0]:
            os.read(self.fd, 4096)
        os.write(self.fd, frame)
        data, end_s = b"", time.monotonic() + within_s
        while len(data) < wanted and select.select([self.fd], [], [], max(0.0, end_s - time.monotonic()))[0]:
            data += os.read(self.fd, wanted - len(data))
        return data

    async def di(self) -> bytes:
        return await self.ask(rtu_frame(7, READ_DI), 6)

    async def count(self) -> int:
        """What the counter of the first input shows (low word first)."""
        reply = await self.ask(rtu_frame(7, READ_COUNT), 9)
        return reply[3] << 8 | reply[4] | reply[5] << 24 | reply[6] << 16


@contextlib.asynccontextmanager
async def playing(folder: Path) -> AsyncIterator[tuple[School, Master]]:
    async with School(read_site(write_site(folder)), delay_s=0.001) as school:
        master = Master(folder / "line.pty")
        try:
            yield school, master
        finally:
            os.close(master.fd)


async def wrong(school: School, name: str, kind: str, **options: object) -> int:
    return await trouble_makers.begin(school, "device", name, {"kind": kind, **options})


@pytest.mark.parametrize(
    ("kind", "options", "wanted"),
    [
        ("exception", {"code": 6}, rtu_frame(7, bytes.fromhex("82 06"))),
        ("wrong-unit", {}, rtu_frame(8, NOTHING[1:-2])),
        ("wrong-unit", {"unit": 99}, rtu_frame(99, NOTHING[1:-2])),
        ("truncated", {}, NOTHING[:3]),
    ],
)
async def test_answers_that_go_wrong(tmp_path: Path, kind: str, options: dict[str, int], wanted: bytes) -> None:
    async with playing(tmp_path) as (school, master):
        await wrong(school, "module", kind, **options)
        assert await master.ask(rtu_frame(7, READ_DI), len(wanted)) == wanted
        await school.troubles.heal("device", "module")
        assert await master.di() == NOTHING
        assert school.troubles.list() == []


async def test_garbage_and_a_wrong_checksum(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, master):
        for kind in ("wrong-crc", "garbage"):
            await wrong(school, "module", kind)
            data = await master.di()
            assert len(data) == len(NOTHING)
            assert crc16(data[:-2]) != data[-2:]


async def test_mbpoll_says_what_it_sees(tmp_path: Path) -> None:
    program = need("mbpoll", package="mbpoll")
    async with playing(tmp_path) as (school, _):
        there = ("-p", str(school.plan.buses[1].port), "127.0.0.1")
        inputs = ("-a", "1", "-t", "1", "-r", "1", "-c", "4", *there)
        school.set_signal("alone", "di1", True)
        assert await mbpoll(program, *inputs) == {1: "1", 2: "0", 3: "0", 4: "0"}
        await wrong(school, "alone", "stuck", signal="di1")
        school.set_signal("alone", "di1", False)
        assert (await mbpoll(program, *inputs))[1] == "1"
        await wrong(school, "alone", "exception", code=6)
        with pytest.raises(AssertionError, match="busy"):
            await mbpoll(program, *inputs)
        await wrong(school, "alone", "unplugged")
        with pytest.raises(AssertionError, match="refused"):
            await mbpoll(program, *inputs)
        await school.troubles.heal()
        assert (await mbpoll(program, *inputs))[1] == "0"


async def test_bits_in_the_wrong_order_for_reading_and_writing(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, master):
        school.set_signal("module", "di2", True)
        await wrong(school, "module", "bits-swapped")
        assert (await master.di())[3] == 0b0100_0000
        write = rtu_frame(7, bytes.fromhex("0F 00 10 00 02 01 40"))  # bit 6 of its byte: its second output
        assert len(await master.ask(write, 8)) == 8
        device = school.device("module")
        assert (device.get("do1"), device.get("do2")) == (False, True)


async def test_words_in_the_wrong_order(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, master):
        school.set_signal("gas", "gas", 50.0)  # 0x4248 0x0000
        assert (await master.ask(rtu_frame(2, READ_GAS), 9))[3:7] == bytes.fromhex("42 48 00 00")
        await wrong(school, "gas", "words-swapped")
        assert (await master.ask(rtu_frame(2, READ_GAS), 9))[3:7] == bytes.fromhex("00 00 42 48")


async def test_a_wrong_address_switch_meets_another_device(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, master):
        await wrong(school, "gas", "wrong-address", unit=7)
        own = await master.ask(rtu_frame(2, READ_GAS), 1, within_s=0.2)
        assert own == b"", "nobody has its own address now"
        mixed = await master.di()
        assert mixed[:1] == b"\x07"
        assert crc16(mixed[:-2]) != mixed[-2:], "the module's answer and its exception, both at once"
        await wrong(school, "gas", "wrong-address", unit=9)
        assert len(await master.ask(rtu_frame(9, READ_GAS), 9)) == 9
        assert await master.di() == NOTHING


async def test_noise_between_requests_and_on_the_whole_line(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, master):
        await wrong(school, "module", "babbling", ms=10, bytes=24)
        assert len(await master.ask(b"", 48)) == 48, "nobody asked"
        await school.troubles.heal("device", "module")
        await trouble_makers.begin(school, "bus", "line", {"kind": "noise", "ms": 10})
        assert await master.ask(b"", 16)
        await school.troubles.heal("bus", "line")
        await eventually(lambda: _quiet(master))
        await asyncio.sleep(0.05)  # the devices' own silence after noise
        assert await master.di() == NOTHING


def _quiet(master: Master) -> bool:
    if not select.select([master.fd], [], [], 0.05)[0]:
        return True
    os.read(master.fd, 4096)
    return False


async def test_noise_to_those_connected_over_tcp(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", school.plan.buses[1].port)
        writer.write(mbap_frame(1, 1, READ_DI))
        await asyncio.wait_for(reader.readexactly(10), DEADLINE_S)
        await wrong(school, "alone", "babbling", ms=10, bytes=20)
        assert len(await asyncio.wait_for(reader.readexactly(40), DEADLINE_S)) == 40
        writer.close()


async def test_stuck_until_it_is_let_go(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, master):
        await wrong(school, "module", "stuck", signal="di1")
        school.set_point("panic", True)
        assert await master.di() == NOTHING
        assert (await master.count(), school.point_value("panic")) == (0, False)
        await school.troubles.heal("device", "module")
        assert (await master.di())[3] == 1
        assert await master.count() == 1, "the press comes to light, and is counted"


async def test_an_output_that_is_stuck_does_not_follow(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, master):
        await wrong(school, "module", "stuck", signal="do1")
        on = rtu_frame(7, bytes.fromhex("05 00 10 FF 00"))
        assert await master.ask(on, 8) == on, "it says that it has done it"
        assert (await master.ask(rtu_frame(7, bytes.fromhex("01 00 10 00 01")), 6))[3] == 0


async def test_everything_stuck_but_the_answers(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, master):
        await wrong(school, "gas", "stuck")
        school.set_signal("gas", "gas", 50.0)
        assert (await master.ask(rtu_frame(2, READ_GAS), 9))[3:7] == bytes(4)
        await school.troubles.heal()
        assert (await master.ask(rtu_frame(2, READ_GAS), 9))[3:7] == bytes.fromhex("42 48 00 00")


async def test_chattering_counts_and_ends_where_it_was(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, master):
        await wrong(school, "module", "chattering", signal="di1", per_s=100)
        await eventually(lambda: int(school.device("module").get("di1_count")) >= 3)
        await school.troubles.heal("device", "module")
        assert await master.di() == NOTHING
        assert await master.count() >= 3
        with pytest.raises(ValueError, match="only a contact"):
            await wrong(school, "module", "chattering", signal="di1_count")


async def test_a_counter_begins_anew(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, master):
        school.set_signal("module", "di1_count", 70_000)
        assert await master.count() == 70_000
        await wrong(school, "module", "counter-reset")
        assert await master.count() == 0
        with pytest.raises(ValueError, match="gas is a measurement, no counter"):
            await wrong(school, "gas", "counter-reset", signal="gas")


@pytest.mark.parametrize(("keeps", "count"), [("nothing", 0), ("counters", 5)])
async def test_a_reboot_is_silence_and_then_a_new_beginning(tmp_path: Path, keeps: str, count: int) -> None:
    async with playing(tmp_path) as (school, master):
        school.set_signal("module", "di1_count", 5)
        await wrong(school, "module", "reboot", off_s=0.3, keeps=keeps)
        assert await master.ask(rtu_frame(7, READ_DI), 1, within_s=0.1) == b""
        await eventually(lambda: not school.troubles.list())
        assert await master.count() == count


async def test_a_fault_heals_by_itself(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, master):
        await wrong(school, "module", "silent", for_s=0.05)
        assert school.troubles.list()[0]["kind"] == "silent"
        await eventually(lambda: not school.troubles.list())
        assert await master.di() == NOTHING


async def test_a_newer_fault_of_the_answers_replaces_the_older(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, _):
        await wrong(school, "module", "silent", for_s=60)
        await wrong(school, "module", "late", ms=1)
        await wrong(school, "module", "stuck", signal="di1")
        assert [each["kind"] for each in school.troubles.list()] == ["late", "stuck"]


async def test_a_cable_that_is_put_back_by_itself(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, master):
        await trouble_makers.begin(school, "bus", "line", {"kind": "unplugged", "for_s": 0.05})
        with pytest.raises(OSError, match="Input/output error"):
            os.write(master.fd, NOTHING)
        await eventually(lambda: school.wire("line").plugged)
        assert (tmp_path / "line.pty").is_symlink()


async def test_a_device_with_frames_of_its_own(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, _):
        device = school.device("reader")
        assert isinstance(device, FrameDevice)
        said: list[bytes] = []
        device.on_frame.append(lambda _, data: said.append(data))
        await wrong(school, "reader", "stuck", signal="card")
        school.set_signal("reader", "card", "13005D1DA5")
        assert said == []
        await school.troubles.heal("device", "reader")
        assert said == [b"\x0213005D1DA5F6\x03"]
        await wrong(school, "reader", "unplugged")
        school.set_signal("reader", "card", "13005D1DA5")
        assert len(said) == 1
        with pytest.raises(ValueError, match="no kind 'exception'; there are silent"):
            await wrong(school, "reader", "exception")


async def test_who_is_not_there(tmp_path: Path) -> None:
    async with playing(tmp_path) as (school, _):
        with pytest.raises(Unknown, match="did you mean 'gas'"):
            await wrong(school, "gsa", "silent")
        with pytest.raises(Unknown, match="no signal 'di11'"):
            await wrong(school, "module", "stuck", signal="di11")
        for sort, flag in (("network", "--broker"), ("broker", "--broker nats"), ("clock", "--clock"), ("disk", "--disk")):
            with pytest.raises(Unknown, match=f"start it with {flag}"):
                await trouble_makers.begin(school, sort, sort, {"kind": "x"})


async def test_what_each_trouble_of_a_camera_sets_and_takes_back(tmp_path: Path) -> None:
    site = write_site(tmp_path)
    site.write_text(site.read_text(encoding="utf-8") + f'cameras = [{{ id = "gate", url = "rtsp://127.0.0.1:{free_port()}/gate" }}]\n')
    async with School(read_site(site)) as school:
        camera = school.camera("gate")
        well = camera.state()
        for kind, key, value in [
            *((each, "trouble", each) for each in PICTURES),
            ("stalled", "silent", True),
            ("garbage", "garbage", True),
        ]:
            await trouble_makers.begin(school, "camera", "gate", {"kind": kind})
            assert camera.state()[key] == value
        await trouble_makers.begin(school, "camera", "gate", {"kind": "restart", "off_s": 0.05})
        assert camera.state()["gone"] is True
        await eventually(lambda: not school.troubles.list())
        assert camera.state() == well
        with pytest.raises(ValueError, match="even numbers"):
            await trouble_makers.begin(school, "camera", "gate", {"kind": "wrong-size", "width": 321})
