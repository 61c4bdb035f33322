"""The whole simulated field: as an object, and as a real process spoken to over HTTP and Modbus."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.broker import free_port
from simulators.errors import SimError
from simulators.school import School, Unknown
from simulators.site import read_site
from tests.real_parts import need
from tests.simulators.field import DEADLINE_S, PROFILES, call, campus_sim, eventually, mbpoll


def write_site(folder: Path, port: int) -> Path:
    path = folder / "site.toml"
    path.write_text(
        f"""
schema = 1
site = {{ id = "school" }}
buses = [
  {{ id = "io", transport = "tcp", host = "127.0.0.1", port = {port} }},
  {{ id = "line", transport = "rtu", device = "line.pty", baud = 115200 }},
]
devices = [
  {{ id = "module", bus = "io", profile = "bench-io", unit = 1 }},
  {{ id = "gas", bus = "line", profile = "bench-gas" }},
]
points = [
  {{ id = "panic", role = "panic_button", place = "gate", device = "module", signal = "di1" }},
  {{ id = "duty", role = "panic_button", place = "gate", device = "module", signal = "di2", normally = "closed" }},
  {{ id = "presses", role = "panic_button", place = "gate", device = "module", signal = "di3_count" }},
  {{ id = "latch", role = "panic_button", place = "gate", device = "module", signal = "di4_latched" }},
  {{ id = "lel", role = "gas_concentration", place = "gate", device = "gas", signal = "gas" }},
]
""",
        encoding="utf-8",
    )  # fmt: skip
    return path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write_site(tmp_path, free_port())


async def test_points_speak_in_their_active_sense(site: Path) -> None:
    async with School(read_site(site, PROFILES)) as school:
        module = school.device("module")
        assert [school.point_value(point) for point in school.points] == [False, False, 0, False, 0.0]
        assert module.get("di2") is True  # wired normally closed
        school.set_point("duty", True)
        assert (school.point_value("duty"), module.get("di2"), module.get("di2_count")) == (True, False, 1)
        school.set_point("lel", 12.5)
        assert school.point_value("lel") == 12.5


async def test_a_press_ends_by_itself_and_a_newer_one_lasts_longer(site: Path) -> None:
    async with School(read_site(site, PROFILES)) as school:
        school.press_point("panic", 20)
        school.press_point("duty", 20)
        school.press_point("duty", 60_000)
        assert (school.point_value("panic"), school.point_value("duty")) == (True, True)
        await eventually(lambda: school.point_value("panic") is False)
        assert school.point_value("duty") is True
        school.set_point("duty", False)
        assert school.point_value("duty") is False


async def test_counters_count_and_latches_stay(site: Path) -> None:
    async with School(read_site(site, PROFILES)) as school:
        for _ in range(2):
            school.press_point("presses", 10)
            await eventually(lambda: school.device("module").get("di3") is False)
        school.press_point("latch", 10)
        await eventually(lambda: school.device("module").get("di4") is False)
        assert (school.point_value("presses"), school.point_value("latch")) == (2, True)


async def test_near_misses_are_named(site: Path) -> None:
    async with School(read_site(site, PROFILES)) as school:
        with pytest.raises(Unknown, match="no point 'panik'; did you mean 'panic'"):
            school.press_point("panik", 10)
        with pytest.raises(Unknown, match="no signal 'di11'; did you mean 'di1'"):
            school.set_signal("module", "di11", True)
        with pytest.raises(ValueError, match="only a contact, counter or latched input"):
            school.press_point("lel", 10)
        with pytest.raises(ValueError, match="press_ms is 1 to"):
            school.press_point("panic", 0)
        with pytest.raises(Unknown, match="no camera"):
            school.set_camera("gate", {})


async def test_a_busy_port_leaves_nothing_behind(site: Path) -> None:
    plan = read_site(site, PROFILES)
    async with School(plan):
        pass
    async with School(plan):
        with pytest.raises(SimError, match="cannot listen"):
            async with School(plan):
                pass
    assert not (site.parent / "line.pty").is_symlink()


async def test_http_end_to_end(site: Path) -> None:
    program = need("mbpoll", package="mbpoll")
    port = read_site(site, PROFILES).buses[0].port
    inputs = ("-a", "1", "-t", "1", "-r", "1", "-c", "4", "-p", str(port), "127.0.0.1")
    line = site.parent / "line.pty"
    gas = ("-m", "rtu", "-a", "2", "-b", "115200", "-P", "none", "-t", "4:float", "-B", "-r", "3", str(line))
    with campus_sim("school", str(site), "--profiles", str(PROFILES)) as (process, address):
        assert call(address, "GET", "/health") == (200, {"ok": True, "site": "school"})
        assert call(address, "GET", "/points")[1]["panic"] == {
            "device": "module", "signal": "di1", "kind": "contact", "role": "panic_button", "value": False,
        }  # fmt: skip
        assert await mbpoll(program, *inputs) == {1: "0", 2: "1", 3: "0", 4: "0"}

        status, done = call(address, "POST", "/points/panic", {"press_ms": 60_000})
        assert status == 200
        assert call(address, "GET", "/stats")[1]["points"]["panic"] == {"changed_ns": done["at_ns"], "first_read_ns": None}
        assert await mbpoll(program, *inputs) == {1: "1", 2: "1", 3: "0", 4: "0"}
        stats = call(address, "GET", "/stats")[1]
        assert done["at_ns"] < stats["points"]["panic"]["first_read_ns"] < stats["now_ns"]
        assert stats["devices"]["module"]["requests"] == 2

        assert call(address, "POST", "/points/lel", {"value": 37.5})[0] == 200
        assert await mbpoll(program, *gas) == {3: "37.5"}
        assert call(address, "POST", "/devices/gas/signals/state", {"value": "inhibit"})[0] == 200
        assert call(address, "GET", "/devices")[1]["gas"]["signals"]["state"] == "inhibit"

        assert call(address, "POST", "/devices/gas/fault", {"kind": "exception", "code": 6})[0] == 200
        with pytest.raises(AssertionError, match="busy"):
            await mbpoll(program, *gas)
        assert call(address, "DELETE", "/devices/gas/fault")[0] == 200
        assert await mbpoll(program, *gas) == {3: "37.5"}

        assert call(address, "POST", "/buses/line/unplug")[0] == 200
        assert not line.is_symlink()
        assert call(address, "POST", "/buses/line/plug")[0] == 200
        assert await mbpoll(program, *gas) == {3: "37.5"}

        assert call(address, "POST", "/devices/module/restart")[0] == 200
        assert call(address, "GET", "/points")[1]["panic"]["value"] is False

        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0
    assert not line.is_symlink()


def write_frames_site(folder: Path, port: int) -> Path:
    path = folder / "frames.toml"
    path.write_text(
        f"""
site = {{ id = "school" }}
profile_dirs = ["{PROFILES}"]
buses = [
  {{ id = "cards", transport = "serial", device = "cards.pty" }},
  {{ id = "co", transport = "raw-tcp", host = "127.0.0.1", port = {port} }},
  {{ id = "io", transport = "ascii", device = "io.pty" }},
]
devices = [
  {{ id = "reader", bus = "cards", profile = "rdm6300" }},
  {{ id = "co", bus = "co", profile = "winsen-ze07-co" }},
  {{ id = "module", bus = "io", profile = "bench-io" }},
]
points = [
  {{ id = "card", role = "card_reader", place = "gate", device = "reader", signal = "card" }},
  {{ id = "kitchen", role = "gas_concentration", place = "gate", device = "co", signal = "co" }},
]
""",
        encoding="utf-8",
    )  # fmt: skip
    return path


async def test_devices_with_frames_of_their_own_over_http(tmp_path: Path) -> None:
    port = free_port()
    with campus_sim("school", str(write_frames_site(tmp_path, port))) as (_, address):
        fd = os.open(tmp_path / "cards.pty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            assert call(address, "POST", "/points/card", {"value": "13005D1DA5"})[0] == 200
            await eventually(lambda: call(address, "GET", "/stats")[1]["points"]["card"]["first_read_ns"] is not None)
            said = bytearray()

            def whole(size: int) -> bool:
                with contextlib.suppress(BlockingIOError):
                    said.extend(os.read(fd, 4096))
                return len(said) >= size

            await eventually(lambda: whole(14))
            assert call(address, "POST", "/devices/reader/say", {"hex": "02 30"})[0] == 200
            await eventually(lambda: whole(16))
            assert bytes(said) == b"\x0213005D1DA5F6\x03\x020"
        finally:
            os.close(fd)
        assert call(address, "POST", "/points/kitchen", {"value": 24.5})[0] == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        frame = await asyncio.wait_for(reader.readexactly(9), DEADLINE_S)
        writer.close()
        assert frame.hex(" ") == "ff 04 03 01 00 f5 00 00 03"
        assert call(address, "GET", "/devices")[1]["co"]["signals"]["co"] == 24.5
        assert call(address, "POST", "/devices/module/say", {"hex": "00"})[0] == 400
        assert call(address, "POST", "/devices/reader/say", {"text": "00"})[0] == 400
        assert call(address, "POST", "/points/card", {"press_ms": 100})[0] == 400
        assert call(address, "POST", "/devices/reader/restart")[0] == 200


def test_a_device_on_a_wire_that_it_does_not_speak(tmp_path: Path) -> None:
    path = write_frames_site(tmp_path, free_port())
    path.write_text(path.read_text(encoding="utf-8").replace('profile = "bench-io"', 'profile = "rdm6300"'), encoding="utf-8")
    with pytest.raises(SimError, match=r"device module \(rdm6300\) does not speak ascii, as bus io does"):
        School(read_site(path))


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/points/panik", {"value": True}, 404, "did you mean 'panic'"),
        ("/points/panic", {"value": "on"}, 400, "true or false"),
        ("/points/panic", {"valeu": True}, 400, "give either"),
        ("/points/panic", [], 400, "not a JSON object"),
        ("/points/lel", {"value": 1e300}, 400, "too large"),
        ("/devices/gas/signals/state", {"value": "burning"}, 400, "normal"),
        ("/devices/gas/fault", {"kind": "sulky"}, 400, "silent"),
        ("/devices/gas/fault", {"kind": "late", "ms": "100"}, 400, "whole number"),
        ("/devices/nix/restart", None, 404, "no device"),
        ("/buses/nix/unplug", None, 404, "no bus"),
    ],
)
def test_http_errors_say_what_is_wrong(shared_address: str, path: str, body: object, status: int, said: str) -> None:
    got, answer = call(shared_address, "POST", path, body)
    assert got == status
    assert said in answer["error"]


@pytest.fixture(scope="module")
def shared_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    site = write_site(tmp_path_factory.mktemp("school"), free_port())
    with campus_sim("school", str(site), "--profiles", str(PROFILES)) as (_, address):
        yield address


def test_cameras_of_the_site(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("av", reason="the sim extra is not installed")
    site = write_site(tmp_path, free_port())
    near = f'{{ id = "gate", url = "rtsp://127.0.0.1:{free_port()}/gate", place = "gate" }}'
    far = '{ id = "yard", url = "rtsp://192.0.2.1/yard", place = "gate" }'
    site.write_text(site.read_text(encoding="utf-8") + f"cameras = [{near}, {far}]\n", encoding="utf-8")
    with campus_sim("school", str(site), "--profiles", str(PROFILES)) as (_, address):
        assert call(address, "POST", "/cameras/gate", {"person": True})[0] == 200
        assert call(address, "POST", "/cameras/gate", {"cow": True})[0] == 400
        status, answer = call(address, "POST", "/cameras/yard", {"person": True})
        assert (status, answer["error"]) == (404, "camera yard is not simulated")
    assert "camera yard is not simulated: rtsp://192.0.2.1/yard is not an rtsp:// address of this machine" in capfd.readouterr().err


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "simulators", *arguments], capture_output=True, text=True, timeout=DEADLINE_S)


def test_mistakes_are_one_line_and_exit_2(site: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("site = ")
    for arguments in (
        ("school", str(tmp_path / "none.toml")),
        ("school", str(bad)),
        ("device", "nix", "--tcp", "127.0.0.1:0"),
        ("device", str(PROFILES / "bench-io.toml"), "--tcp", "here"),
        ("device", str(PROFILES / "bench-io.toml"), "--tcp", "127.0.0.1:0", "--transport", "rtu"),
        ("device", "usb-stack-light", "--tcp", "127.0.0.1:0"),
        ("device", "gpio-raspberry-pi", "--tcp", "127.0.0.1:0"),
        ("device", str(PROFILES / "bench-io.toml"), "--pty", str(bad)),
    ):
        ended = run(*arguments)
        assert ended.returncode == 2
        assert ended.stderr.startswith("campus-sim: ")
        assert ended.stderr.count("\n") == 1


def test_a_busy_http_port_is_one_line_and_exit_2(shared_address: str, site: Path) -> None:
    ended = run("school", str(site), "--profiles", str(PROFILES), "--http", shared_address.rpartition(":")[2])
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "cannot open the HTTP API" in ended.stderr


async def test_one_device_on_a_pty(tmp_path: Path) -> None:
    program = need("mbpoll", package="mbpoll")
    link = tmp_path / "gas"
    with campus_sim("device", str(PROFILES / "bench-gas.toml"), "--pty", str(link), "--unit", "9", "--baud", "115200") as (
        process,
        address,
    ):
        assert call(address, "POST", "/points/gas", {"value": 50})[0] == 200
        poll = ("-m", "rtu", "-a", "9", "-b", "115200", "-P", "none", "-t", "4:hex", "-r", "1", "-c", "4", str(link))
        assert await mbpoll(program, *poll) == {1: "0x2409", 2: "0x0000", 3: "0x4248", 4: "0x0000"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    assert not link.is_symlink()


def test_the_ready_line_on_a_descriptor_of_its_own() -> None:
    read, write = os.pipe()
    arguments = ("device", str(PROFILES / "bench-io.toml"), "--tcp", "127.0.0.1:0", "--ready-fd", str(write))
    with subprocess.Popen([sys.executable, "-m", "simulators", *arguments], pass_fds=(write,), stdout=subprocess.DEVNULL) as process:
        os.close(write)
        with os.fdopen(read) as ready:
            address = ready.readline().removeprefix("ready ").strip()
        assert call(address, "GET", "/health")[0] == 200
        process.terminate()
        assert process.wait(DEADLINE_S) == 0


def test_help_names_the_programs() -> None:
    text = run("--help").stdout
    assert all(word in text for word in ("school", "device", "broker", "camera", "reader", "examples:"))
