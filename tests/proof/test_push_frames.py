"""Devices with frames of their own, with the daemon and the centre: gas modules and a card reader, each on a port of its own."""

from __future__ import annotations

import functools
import json
import operator
from pathlib import Path
from typing import Any

import pytest

from simulators.broker import Broker
from tests.proof.field_port import SpeakingPort
from tests.proof.field_rig import campus, events_of, overheard, traces_of, types_of
from tests.proof.rig import Rig, rig, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

FIELD = """
[telemetry]
period_s = 0.2
[[buses]]
id = "co-port"
transport = "serial"
device = "co.tty"
[[buses]]
id = "co2-port"
transport = "serial"
device = "co2.tty"
[[buses]]
id = "card-port"
transport = "serial"
device = "card.tty"
[[devices]]
id = "co-module"
bus = "co-port"
profile = "winsen-ze07-co"
[[devices]]
id = "co2-module"
bus = "co2-port"
profile = "winsen-mh-z19b"
[[devices]]
id = "card-module"
bus = "card-port"
profile = "rdm6300"
[[points]]
id = "boiler-co"
role = "gas_concentration"
level1 = 20
level2 = 40
place = "gate"
device = "co-module"
signal = "co"
[[points]]
id = "classroom-co2"
role = "measurement"
place = "gate"
device = "co2-module"
signal = "co2"
[[doors]]
id = "side-door"
place = "gate"
reader = "card-module"
"""
CARD = 0x4100A3F7C9  # version 41, number 00A3F7C9


def complement(frame: bytes) -> bytes:
    """A Winsen frame with its check: two's complement of the sum of bytes 1 to 7 (manual of the ZE07-CO, page 5)."""
    return frame + bytes([-sum(frame[1:8]) & 0xFF])


def co_frame(tenths_ppm: int) -> bytes:
    """ZE07-CO, active upload: FF 04 03 01, concentration and full range in 0.1 ppm."""
    return complement(bytes([0xFF, 0x04, 0x03, 0x01, *tenths_ppm.to_bytes(2, "big"), 0x13, 0x88]))


def co2_frame(ppm: int) -> bytes:
    """MH-Z19B, answer to 86: FF 86, concentration in ppm (manual, page 7)."""
    return complement(bytes([0xFF, 0x86, *ppm.to_bytes(2, "big"), 0x41, 0, 0, 0]))


def card_frame(card: int) -> bytes:
    """RDM6300: 02, ten hex characters, two of their exclusive or, 03."""
    raw = card.to_bytes(5, "big")
    return b"\x02" + raw.hex().upper().encode() + f"{functools.reduce(operator.xor, raw):02X}".encode() + b"\x03"


class Answering(SpeakingPort):
    """An MH-Z19B: answers each question for the concentration."""

    def __init__(self, link: Path, ppm: int) -> None:
        self.ppm = ppm
        super().__init__(link, self._answer, every_s=0.05)

    def _answer(self) -> bytes:
        question = complement(bytes([0xFF, 0x01, 0x86, 0, 0, 0, 0, 0]))
        asked, self.heard = self.heard.count(question), b""
        return co2_frame(self.ppm) * asked


def test_gas_modules_and_a_card_reader(tmp_path: Path) -> None:
    with (
        SpeakingPort(tmp_path / "co.tty", lambda: co_frame(37)) as co,
        Answering(tmp_path / "co2.tty", 612) as co2,
        SpeakingPort(tmp_path / "card.tty") as reader,
        Broker("mosquitto", dir=tmp_path / "broker") as broker,
        overheard(broker) as heard,
        rig(tmp_path, broker.url, FIELD, protocol="5", school=False) as here,
    ):
        wait_for(lambda: newest(heard)["values"] == {"boiler-co": 3.7, "classroom-co2": 612}, "both gases in the telemetry")
        co.frame = lambda: co_frame(251)
        co2.ppm = 1480
        wait_for(lambda: newest(heard)["values"].get("boiler-co") == 25.1, "the rising gas")
        wait_for(lambda: alarms(here) == [("level1", 25.1)], "the first level at the centre")
        co.frame = lambda: co_frame(400)
        wait_for(lambda: alarms(here)[1:] == [("level2", 40.0)], "the second level at the centre")
        a_port_in_use_is_left_alone(here)
        cards_are_shown(here, reader)
        silence_is_a_fault(here, heard, co)
        a_converter_is_pulled_out(here, heard, co2)
        assert here.gateway.stop() == 0
        said = b"\n".join(payload for _, payload in heard) + here.gateway.log.read_bytes() + journal(tmp_path)
        assert [trace for trace in traces_of(CARD, 5) + traces_of(CARD & 0xFFFFFFFF, 4) if trace in said.lower()] == []


def newest(heard: list[tuple[str, bytes]]) -> dict[str, Any]:
    """The newest telemetry."""
    sent = [json.loads(payload) for topic, payload in heard if topic.endswith("/telemetry")]
    return {"bad": {}, **sent[-1]} if sent else {"values": {}, "bad": {}}


def alarms(here: Rig) -> list[tuple[str, float]]:
    """(alarm, value) of each gas alarm so far."""
    return [(event["alarm"], event["data"]["value"]) for event in events_of(here, "boiler-co", "campus.alarm.activated")]


def a_port_in_use_is_left_alone(here: Rig) -> None:
    """A second listener would steal the device's bytes from the daemon."""
    done = campus(here, "devices", "probe", "--port", str(here.folder / "co.tty"), "--profile", "winsen-ze07-co", "--seconds", "1")
    assert done.returncode == 1
    assert "cannot open" in done.stderr


def cards_are_shown(here: Rig, reader: SpeakingPort) -> None:
    """The module repeats a card while it is there: one showing is one refusal, the next one another."""
    for _ in range(5):
        reader.say(card_frame(CARD))
    wait_for(lambda: types_of(here, "side-door") == ["access.denied"], "the unknown card is refused")
    reader.say(card_frame(CARD)[:9] + b"\x7f" + card_frame(CARD)[10:])
    reader.say(card_frame(CARD + 1))
    wait_for(lambda: types_of(here, "side-door") == ["access.denied"] * 2, "another card")
    first, second = (event["data"]["card"] for event in events_of(here, "side-door"))
    assert first != second
    listed = [card["card"][:8] for card in json.loads(campus(here, "cards", "--json").stdout)["cards"]]
    assert listed == [first, second]


def silence_is_a_fault(here: Rig, heard: list[tuple[str, bytes]], co: SpeakingPort) -> None:
    """A module whose cable was cut says nothing; frames with wrong checks are nothing either."""
    co.frame = lambda: co_frame(251)[:8] + b"\x00"
    wait_for(lambda: types_of(here, "co-module") == ["fault.activated"], "the silent module is a fault", 30)
    assert events_of(here, "co-module")[0]["data"]["reason"] == "no answer"
    wait_for(lambda: newest(heard)["bad"].get("boiler-co") == "no answer", "its value is bad")
    assert "boiler-co" not in newest(heard)["values"]
    co.frame = lambda: co_frame(12)
    wait_for(lambda: types_of(here, "co-module")[-1] == "fault.cleared", "it speaks again")
    wait_for(lambda: newest(heard)["values"].get("boiler-co") == 1.2, "its value is there again")


def a_converter_is_pulled_out(here: Rig, heard: list[tuple[str, bytes]], co2: SpeakingPort) -> None:
    co2.unplug()
    wait_for(lambda: types_of(here, "co2-module") == ["fault.activated"], "the lost port is a fault")
    wait_for(lambda: newest(heard)["bad"].get("classroom-co2") == "port lost", "its value is bad")
    assert types_of(here, "card-module") == []
    co2.plug()
    wait_for(lambda: types_of(here, "co2-module")[-1] == "fault.cleared", "the port is back by the same path")
    wait_for(lambda: newest(heard)["values"].get("classroom-co2") == 1480, "and asked again")


def journal(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in (folder / "state").iterdir())
