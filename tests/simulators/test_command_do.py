"""`campus-sim do` against a real school: what it says, and what mbpoll and a real publisher then see."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from simulators.broker import free_port, takes_sessions
from simulators.command_do import main
from tests.real_parts import need
from tests.simulators.field import DEADLINE_S, PROFILES, call, campus_sim, mbpoll

INPUTS = ("-t", "1", "-r", "1", "-c", "4")


class Playing:
    """A school that runs: its API, its Modbus port, the port of the way to its broker."""

    def __init__(self, address: str, modbus: int, mqtt: int, rtsp: int) -> None:
        self.address, self.modbus, self.mqtt, self.rtsp = address, modbus, mqtt, rtsp

    def do(self, *words: str) -> int:
        return main(["--http", self.address.rpartition(":")[2], *words])


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playing]:
    modbus, mqtt, rtsp = free_port(), free_port(), free_port()
    site = tmp_path_factory.mktemp("do") / "site.toml"
    site.write_text(
        f"""
site = {{ id = "school" }}
uplink = {{ paths = [{{ url = "mqtt://127.0.0.1:{mqtt}" }}] }}
buses = [{{ id = "io", transport = "tcp", host = "127.0.0.1", port = {modbus} }}]
devices = [{{ id = "module", bus = "io", profile = "bench-io", unit = 1 }}, {{ id = "gas", bus = "io", profile = "bench-gas", unit = 2 }}]
points = [
  {{ id = "panic", role = "panic_button", place = "gate", device = "module", signal = "di1" }},
  {{ id = "gas", role = "gas_concentration", place = "gate", device = "gas", signal = "gas" }},
]
cameras = [{{ id = "gate", url = "rtsp://127.0.0.1:{rtsp}/gate" }}]
""",
        encoding="utf-8",
    )
    with campus_sim("school", str(site), "--profiles", str(PROFILES), "--broker", "nats") as (_, address):
        yield Playing(address, modbus, mqtt, rtsp)


async def inputs(school: Playing) -> dict[int, str]:
    return await mbpoll(need("mbpoll", package="mbpoll"), "-a", "1", *INPUTS, "-p", str(school.modbus), "127.0.0.1")


async def test_press_fault_and_heal_are_seen_on_the_wire(school: Playing) -> None:
    assert school.do("press", "panic", "--ms", "60000") == 0
    assert (await inputs(school))[1] == "1"
    assert school.do("fault", "panic", "stuck") == 0
    assert school.do("set", "panic", "false") == 0
    assert (await inputs(school))[1] == "1"
    assert school.do("heal", "module") == 0
    assert (await inputs(school))[1] == "0"
    assert school.do("unplug", "module") == 0
    with pytest.raises(AssertionError, match=r"(?i)target device failed|gateway"):
        await inputs(school)
    assert school.do("plug", "module") == 0
    assert (await inputs(school))[1] == "0"


async def test_broker_and_network(school: Playing) -> None:
    there = asyncio.to_thread(takes_sessions, school.mqtt)
    assert await there
    for words, undo in ((("fault", "main", "refuse"), ("heal", "main")), (("fault", "broker", "kill"), ("post", "/broker", "kind=start"))):
        assert school.do(*words) == 0
        assert not await asyncio.to_thread(takes_sessions, school.mqtt)
        assert school.do(*undo) == 0
        assert await asyncio.to_thread(takes_sessions, school.mqtt)
    assert school.do("cut", "network") == 0
    assert call(school.address, "GET", "/network")[1]["main"]["taken"] >= 4


def test_list_tells_what_is_wrong(school: Playing, capsys: pytest.CaptureFixture[str]) -> None:
    assert school.do("fault", "module", "late", "ms=40", "for_s=600") == 0
    assert school.do("fault", "gate", "covered") == 0
    capsys.readouterr()
    assert school.do("list") == 0
    said = capsys.readouterr().out
    assert "device   module: bench-io, unit 1 on io" in said
    assert "WRONG    device module: late ms=40 for_s=600.0" in said.replace("for_s=600\n", "for_s=600.0\n")
    assert "WRONG    camera gate: covered" in said
    assert school.do("heal") == 0
    capsys.readouterr()
    assert school.do("--json", "list") == 0
    assert json.loads(capsys.readouterr().out)["troubles"]["troubles"] == []


def seen(school: Playing) -> tuple[tuple[int, ...], int]:
    """(shape, brightest level) of a picture that an outside decoder gets."""
    with av.open(f"rtsp://127.0.0.1:{school.rtsp}/gate", options={"rtsp_transport": "tcp"}, timeout=(5, 5)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    return picture.shape, int(picture.max())


def test_cameras_as_a_player_sees_them(school: Playing) -> None:
    for words, holds in (
        (("black",), lambda: seen(school)[1] < 10),
        (("wrong-size", "width=320", "height=240"), lambda: seen(school)[0] == (240, 320, 3)),
    ):
        assert school.do("fault", "gate", *words) == 0
        assert holds(), words
    for words in (("gone",), ("restart", "off_s=60")):
        assert school.do("fault", "gate", *words) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", school.rtsp), 5)
    assert school.do("heal", "gate") == 0
    shape, brightest = seen(school)
    assert shape == (360, 640, 3)
    assert brightest > 50


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fault", "modul", "silent"), "did you mean 'module'?"),
        (("fault", "module", "silence"), "did you mean 'silent'?"),
        (("fault", "module", "late", "ms"), "KEY=VALUE"),
        (("fault", "module", "late", "for_s=soon"), "for_s is more than 0 s"),
        (("fault", "gate", "wrong-size", "width=321"), "even numbers"),
        (("fault", "broker", "refuse-publish"), "use --broker mosquitto"),
        (("fault", "disk", "full"), "nothing here is called 'disk'"),
        (("fault", "gas", "chattering", "signal=gas"), "only a contact"),
        (("press", "gas"), "only a contact, counter or latched"),
        (("post", "/nothing"), "the API has no POST /nothing"),
    ],
)
def test_mistakes_are_one_line(school: Playing, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert school.do(*words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--http", str(free_port()), "list"]) == 2
    assert "start it with --http" in capsys.readouterr().err


def test_kinds_are_explained_in_both_languages(school: Playing, capsys: pytest.CaptureFixture[str]) -> None:
    assert school.do("kinds", "camera") == 0
    said = capsys.readouterr().out
    assert "a bag over the camera (遮挡)" in said
    assert "width: pixels, even; 64 to 4096; default 320" in said


def test_the_api_tells_a_page_what_there_is(school: Playing) -> None:
    status, told = call(school.address, "GET", "/faults")
    assert status == 200
    assert set(told["targets"]) == {"device", "bus", "camera", "network", "broker"}
    assert told["targets"]["network"] == {"main": list(told["kinds"]["network"])}
    assert told["kinds"]["device"]["late"]["zh"] == "应答迟缓"
    for sort, things in told["targets"].items():
        assert all(set(kinds) <= set(told["kinds"][sort]) for kinds in things.values())
    for path, said in (("/clock", "--clock FILE"), ("/disk", "--disk FOLDER")):
        status, answer = call(school.address, "POST", path, {"kind": "jump", "jump_s": 1})
        assert (status, said in answer["error"]) == (404, True)


def test_a_wrong_broker_is_one_line(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text('site = { id = "x" }\n')
    command = [sys.executable, "-m", "simulators", "school", str(site), "--broker", "rabbit"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "--broker takes nats, mosquitto or mqtt://" in ended.stderr
