"""An independent device: a C program on libmodbus is the field, over TCP and over a pty; its press reaches the centre."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.broker import Broker
from tests.field.device import FieldDevice, null_modem, rtu_device, tcp_device
from tests.proof.rig import Rig, rig, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

POINTS = """
[[points]]
id = "panic"
role = "panic_button"
place = "gate"
device = "module"
signal = "di2"
[[points]]
id = "door"
role = "door_contact"
place = "gate"
device = "module"
signal = "di4"
"""


def types(here: Rig, subject: str) -> list[str]:
    """Of all events of a point, those of its incident left out."""
    mine = [event["type"] for event in here.events() if event["subject"] == subject]
    return [kind for kind in mine if not kind.startswith("campus.incident.")]


def story(here: Rig, device: FieldDevice, area: str) -> None:
    """Input 2 is pressed and released, input 4 changes, the device goes silent and comes back."""
    wait_for(lambda: here.status().get("devices", {}).get("module"), "the device answers")
    wait_for(lambda: here.journal("SELECT count(*) FROM latch")[0][0] >= 1, "first values are stored")
    assert types(here, "panic") == []
    device.set(area, 1, 1)
    wait_for(lambda: types(here, "panic") == ["campus.alarm.activated"], "the press at the centre")
    device.set(area, 1, 0)
    wait_for(lambda: types(here, "panic")[-1] == "campus.alarm.cleared", "the release at the centre")
    device.set(area, 1, 1)
    wait_for(lambda: types(here, "panic")[-1] == "campus.alarm.repeated", "the second press, while the alarm stands")
    device.set(area, 3, 1)
    wait_for(lambda: types(here, "door") == ["campus.access.changed"], "the door at the centre")
    device.silence(True)
    wait_for(lambda: types(here, "module") == ["campus.fault.activated"], "a silent device is a fault")
    assert {item["point"] for item in here.status()["not_good"]} == {"panic", "door"}
    device.silence(False)
    wait_for(lambda: types(here, "module")[-1] == "campus.fault.cleared", "it answers again", 30)
    assert here.report()["chain"] == "whole"
    assert all(event["verified"] for event in here.events())


def test_press_over_tcp(tmp_path: Path) -> None:
    with tcp_device() as device, Broker("nats", dir=tmp_path / "broker") as broker:
        field = f"""
[[buses]]
id = "io"
transport = "tcp"
host = "127.0.0.1"
port = {device.port}
[[devices]]
id = "module"
bus = "io"
profile = "advantech-adam-6060"
{POINTS}"""
        with rig(tmp_path, broker.url, field, school=False) as here:
            story(here, device, "coil")


def test_press_over_a_serial_line_at_9600(tmp_path: Path) -> None:
    with (
        null_modem(tmp_path) as (ours, theirs),
        rtu_device(theirs, 9600, unit=7) as device,
        Broker("nats", dir=tmp_path / "broker") as broker,
    ):
        field = f"""
[[buses]]
id = "line"
transport = "rtu"
device = "{ours}"
baud = 9600
[[devices]]
id = "module"
bus = "line"
profile = "waveshare-modbus-rtu-io-8ch"
unit = 7
{POINTS}"""
        with rig(tmp_path, broker.url, field, school=False) as here:
            story(here, device, "input")
