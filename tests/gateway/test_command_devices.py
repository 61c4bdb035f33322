"""campus-gateway devices: what is known, a live device, the units on a line, a profile of one's own."""

from __future__ import annotations

import json
import os
import pty
import threading
import tty
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.bus.serial_line import SerialSettings, open_port
from tests.gateway.bus.wires import Device, Units, pty_wire, tcp_wire

OWN = """
schema = 1
id = "own"
vendor = "Example"
model = "T1"
summary = "temperature and a contact"
summary_zh = "温度与开关量"
transports = ["rtu", "tcp"]
source = "T1 manual p. 3"
confidence = "manual"
[limits]
timeout_ms = 100
[[signals]]
name = "temperature"
kind = "measurement"
area = "holding"
address = 4
type = "s16"
scale = 0.1
unit = "Cel"
sentinels = { "0x7FFF" = "sensor broken" }
[[signals]]
name = "door"
kind = "contact"
area = "discrete"
address = 2
"""

Said = pytest.CaptureFixture[str]


def own(folder: Path, text: str = OWN) -> str:
    file = folder / "own.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_the_list_names_every_profile(capsys: Said) -> None:
    assert main(["devices"]) == 0
    out = capsys.readouterr().out
    assert "honeywell-xnx" in out
    assert "可燃" in out
    assert main(["devices", "list", "--json"]) == 0
    profiles = json.loads(capsys.readouterr().out)["profiles"]
    assert len(profiles) >= 8
    assert {"id", "summary_zh", "transports", "confidence", "source", "map_only"} <= set(profiles[0])


def test_every_profile_can_be_shown(capsys: Said) -> None:
    main(["devices", "list", "--json"])
    for profile in json.loads(capsys.readouterr().out)["profiles"]:
        assert main(["devices", "show", profile["id"]]) == 0
        page = capsys.readouterr().out
        assert profile["summary_zh"] in page
        assert "SIGNAL" in page


def test_a_wrong_name_is_told_with_the_near_miss(capsys: Said) -> None:
    assert main(["devices", "show", "honeywell-xnk"]) == 1
    assert 'did you mean "honeywell-xnx"' in capsys.readouterr().err


def test_an_own_profile_is_checked_and_its_plan_shown(tmp_path: Path, capsys: Said) -> None:
    assert main(["devices", "check", own(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "function 3: holding registers 4" in out
    assert "function 2: discrete inputs 2" in out
    assert "2 requests read 2 signals in" in out


def test_a_broken_profile_is_told_with_its_line(tmp_path: Path, capsys: Said) -> None:
    file = own(tmp_path, OWN.replace('type = "s16"', 'type = "s61"'))
    assert main(["devices", "check", file]) == 1
    line = OWN.splitlines().index('type = "s16"') + 1
    assert f"{file}:{line}: signals[0].type" in capsys.readouterr().err


def test_a_profile_under_another_file_name_would_not_be_found(tmp_path: Path, capsys: Said) -> None:
    file = tmp_path / "other.toml"
    file.write_text(OWN, encoding="utf-8")
    assert main(["devices", "check", str(file)]) == 1
    assert 'id: is "own"' in capsys.readouterr().err


def test_a_live_device_is_read_and_decoded(tmp_path: Path, capsys: Said) -> None:
    device = Device(inputs=0b100, registers=[0, 0, 0, 0, 0xFF9C])
    with pty_wire(tmp_path / "port", Units({7: device})) as wire:
        assert main(["devices", "probe", "--port", str(wire.link), "--profile", own(tmp_path), "--unit", "7", "--baud", "115200"]) == 0
        rows = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert ["temperature", "-10.0", "Cel", "good"] in rows
        assert ["door", "true", "good"] in rows
        words = ["devices", "probe", "--port", str(wire.link), "--profile", own(tmp_path), "--unit", "7", "--baud", "115200", "--json"]
        device.registers[4] = 0x7FFF
        assert main(words) == 0
        signals = {each["signal"]: each for each in json.loads(capsys.readouterr().out)["signals"]}
        assert signals["temperature"] == {"signal": "temperature", "value": None, "quality": "bad", "reason": "sensor broken"}


def test_a_live_device_on_tcp(tmp_path: Path, capsys: Said) -> None:
    with tcp_wire(Units({1: Device(registers=[0, 0, 0, 0, 215])})) as wire:
        assert main(["devices", "probe", "--port", f"127.0.0.1:{wire.port}", "--profile", own(tmp_path)]) == 0
        assert ["temperature", "21.5", "Cel", "good"] in [line.split() for line in capsys.readouterr().out.splitlines()]


def test_a_device_that_is_not_there(tmp_path: Path, capsys: Said) -> None:
    with pty_wire(tmp_path / "port", Units({7: Device()})) as wire:
        assert main(["devices", "probe", "--port", str(wire.link), "--profile", own(tmp_path), "--unit", "8", "--baud", "115200"]) == 1
        assert "nothing answered; is it wired, powered" in capsys.readouterr().out


def test_a_scan_finds_the_units(tmp_path: Path, capsys: Said) -> None:
    with pty_wire(tmp_path / "port", Units({3: Device(), 5: Device(exception=2)})) as wire:
        assert main(["devices", "scan", "--port", str(wire.link), "--baud", "115200", "--units", "1-6", "--timeout-ms", "30"]) == 0
        out = capsys.readouterr().out
        assert "unit 3 answers; function 3: 00 00" in out
        assert "unit 5 answers; function 3: exception 2: illegal data address" in out
        assert "2 of 6 units answered" in out


@pytest.mark.parametrize(
    ("port", "words"),
    [("/nowhere/port", "cannot open /nowhere/port: No such file or directory"), ("127.0.0.1:1", "does not accept a connection")],
)
def test_a_port_that_cannot_be_used_is_named(port: str, words: str, capsys: Said) -> None:
    assert main(["devices", "scan", "--port", port, "--units", "1-2"]) == 1
    assert words in capsys.readouterr().err


def test_a_port_that_somebody_else_owns_is_named(tmp_path: Path, capsys: Said) -> None:
    with pty_wire(tmp_path / "port", Units({7: Device()})) as wire, open_port(str(wire.link), SerialSettings(9600)):
        assert main(["devices", "scan", "--port", str(wire.link), "--units", "1-2"]) == 1
        assert "a port that a daemon owns is asked through it: give --config" in capsys.readouterr().err


@pytest.mark.parametrize("units", ["0-256", "9-3", "a-b", "-5"])
def test_wrong_unit_ids_are_refused(units: str, capsys: Said) -> None:
    with pytest.raises(SystemExit):
        main(["devices", "scan", "--port", "/dev/null", f"--units={units}"])
    assert "unit ids" in capsys.readouterr().err


def test_a_device_that_speaks_unasked_is_listened_to(tmp_path: Path, capsys: Said) -> None:
    """An RDM6300 shows card 04 1A 2B 3C 4D; its number is not printed."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    (tmp_path / "port").symlink_to(os.ttyname(slave))
    done = threading.Event()

    def show() -> None:
        while not done.wait(0.05):
            os.write(master, b"\x02041A2B3C4D44\x03")

    speaker = threading.Thread(target=show)
    speaker.start()
    try:
        words = ["devices", "probe", "--port", str(tmp_path / "port"), "--profile", "rdm6300", "--seconds", "5"]
        assert main(words) == 0
    finally:
        done.set()
        speaker.join()
        os.close(master)
        os.close(slave)
    out = capsys.readouterr().out
    assert "5 bytes, not shown" in out
    assert "1A2B3C4D" not in out.upper()


def test_the_sites_own_profiles_are_known(tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "own").mkdir()
    own(tmp_path / "own")
    site = tmp_path / "site.toml"
    site.write_text('profile_dirs = ["own"]\n')
    with tcp_wire(Units({1: Device(registers=[0, 0, 0, 0, 215])})) as wire:
        words = ["devices", "probe", "--port", f"127.0.0.1:{wire.port}", "--profile", "own", "--config", str(site)]
        assert main(words) == 0
    assert "21.5 Cel" in capsys.readouterr().out
