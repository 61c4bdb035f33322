"""The demo's site file is the shipped example, filled in."""

import tomllib
from pathlib import Path

import pytest

from simulators.demo_site import Names, Ports, example, free_ports, site_text
from simulators.demo_story import CAUSES
from simulators.errors import SimError

PORTS = Ports(mqtt=1, modbus=2, rtsp=3, http=4)
PTY = Path("/run/a b/line.pty")


def filled() -> str:
    return site_text(example(), PORTS, PTY, "police-1", "x" * 43)


def test_everything_is_filled_in() -> None:
    site = tomllib.loads(filled())
    assert site["uplink"]["paths"][0]["url"] == "mqtt://127.0.0.1:1"
    assert site["uplink"]["recipients"][0]["keys"] == [{"kid": "police-1", "x": "x" * 43}]
    assert [bus.get("port", bus.get("device")) for bus in site["buses"]] == [2, str(PTY)]
    assert site["cameras"][0]["url"] == "rtsp://127.0.0.1:3/gate"
    assert site["metrics"] == {"port": 0}


def test_nothing_else_is_changed() -> None:
    before, after = tomllib.loads(example()), tomllib.loads(filled())
    assert before["points"] == after["points"]
    assert before["devices"] == after["devices"]
    assert before["site"] == after["site"]


def test_the_story_uses_what_the_example_has() -> None:
    site = tomllib.loads(example())
    subjects = {point["id"] for point in site["points"]} | {device["id"] for device in site["devices"]}
    targets = subjects | {camera["id"] for camera in site["cameras"]}
    for cause in CAUSES:
        assert cause.expected.subject in subjects
        assert cause.path.split("/")[2] in targets


@pytest.mark.parametrize("lost", ["port = 15020", "field-line.pty", "mqtt://127.0.0.1:21883", "demo-centre", "rtsp://127.0.0.1:18554/"])
def test_an_example_that_no_longer_fits_is_named(lost: str) -> None:
    with pytest.raises(SimError, match="once, found it 0 times"):
        site_text(example().replace(lost, "something else"), PORTS, PTY, "k", "x")
    with pytest.raises(SimError, match="once, found it 2 times"):
        site_text(
            example() + f'\n# {lost} device = "field-line.pty" kid = "demo-centre", x = "" url = "mqtt://127.0.0.1:21883"',
            PORTS,
            PTY,
            "k",
            "x",
        )


def test_names() -> None:
    assert Names.of(example()).places["gatehouse"] == "门卫室 gatehouse"
    assert Names.of('[places]\na = { name = "门" }').places == {"a": "门"}


def test_ports_differ() -> None:
    ports = free_ports()
    assert len({ports.mqtt, ports.modbus, ports.rtsp, ports.http}) == 4
