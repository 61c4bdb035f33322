"""Orders for outputs, write by write on a real wire, a sequence only in the time that its device allows; and latches that are cleared."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from gateway.config.load import load_site
from gateway.core.commands import LatchReleased
from gateway.core.outputs import OutputDone, OutputOrder
from gateway.runtime.conveyor import Conveyor
from gateway.runtime.field import Field
from tests.gateway.bus.wires import Device, Units, running, tcp_wire, until

SITE = """
schema = 1
[site]
id = "s"
name = "学校"
state_dir = "state"
[uplink]
paths = [{ url = "mqtt://127.0.0.1:1883" }]
[places.gate]
name = "校门"
[[buses]]
id = "io"
transport = "tcp"
host = "127.0.0.1"
port = PORT
[[devices]]
id = "module"
bus = "io"
profile = "advantech-adam-6060"
[[points]]
id = "button"
role = "panic_button"
place = "gate"
device = "module"
signal = "di1"
[[outputs]]
id = "siren"
kind = "siren"
place = "gate"
device = "module"
signal = "do1"
"""


class Heard:
    """What the conveyor would be told."""

    def __init__(self) -> None:
        self.done: list[OutputDone] = []
        self.released: list[LatchReleased] = []
        self.told: list[Any] = []

    def stimulate(self, stimulus: object) -> None:
        if isinstance(stimulus, OutputDone):
            self.done.append(stimulus)
        elif isinstance(stimulus, LatchReleased):
            self.released.append(stimulus)

    def push(self, readings: list[Any]) -> None:
        self.told += [reading.value for reading in readings if reading.point == "button"]


def field_of(folder: Path, port: int, heard: Heard, text: str = SITE) -> Field:
    (folder / "site.toml").write_text(text.replace("PORT", str(port)))
    return Field(load_site(folder / "site.toml"), cast("Conveyor", heard), lambda card: "", {})


async def test_an_order_is_written_and_answered_once(tmp_path: Path) -> None:
    heard, device = Heard(), Device()
    with tcp_wire(Units({1: device})) as wire:
        field = field_of(tmp_path, wire.port, heard)
        async with running(field.lines["io"]):
            await until(lambda: field.device_up().get("module"))
            field.order(OutputOrder("siren", 1, "module", "do1", True))
            field.order(OutputOrder("siren", 2, "module", "do1", False))
            await until(lambda: len(heard.done) == 2)
    assert heard.done == [OutputDone("siren", 1), OutputDone("siren", 2)]
    assert [request for _, request in device.requests if request[0] == 5] == [b"\x05\x00\x10\xff\x00", b"\x05\x00\x10\x00\x00"]


async def test_a_sequence_that_has_taken_too_long_is_not_gone_on_with(tmp_path: Path) -> None:
    heard, device = Heard(), Device()
    with tcp_wire(Units({1: device})) as wire:
        field = field_of(tmp_path, wire.port, heard)
        async with running(field.lines["io"]):
            await until(lambda: field.device_up().get("module"))
            order = OutputOrder("siren", 1, "module", "do1", True)
            (write,) = field._drivers["module"].encode("do1", True)
            field._orders["module"] = deque([order])
            begun_s = asyncio.get_running_loop().time() - 11.0
            field._send(order, deque([replace(write, within_s=10.0)]), begun_s)
            await until(lambda: heard.done)
    assert heard.done == [OutputDone("siren", 1, "set do1: the sequence has not come to its end within 10 s")]
    assert not [request for _, request in device.requests if request[0] == 5]


class Latch(Device):
    """Input 0 holds until it is cleared; the answer to the first clearing is lost, and at that moment somebody presses anew."""

    clears = 0

    def answer(self, unit: int, request: bytes) -> bytes | None:
        body = super().answer(unit, request)
        if request[0] != 5:
            return body
        self.inputs, self.clears = 0, self.clears + 1
        if self.clears == 1:
            self.inputs = 1
            return None
        return body


async def test_a_press_after_a_clearing_whose_answer_was_lost_is_told_before_it_is_cleared(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "latch-module.toml").write_text((Path(__file__).parents[2] / "proof" / "profiles" / "latch-module.toml").read_text())
    heard, latch = Heard(), Latch(inputs=1)
    with tcp_wire(Units({1: latch})) as wire:
        text = SITE.replace("advantech-adam-6060", "latch-module").replace('"di1"', '"di1_latched"').partition("[[outputs]]")[0]
        field = field_of(tmp_path, wire.port, heard, text.replace("schema = 1", 'schema = 1\nprofile_dirs = ["profiles"]'))
        async with running(field.lines["io"]):
            await until(lambda: heard.told)
            field.release_latch("button", 1)
            await until(lambda: latch.clears == 1 and len(heard.told) == 2)
            assert (heard.told, latch.clears, heard.released) == ([True, True], 1, []), "read anew, and not cleared yet"
            field.release_latch("button", 2)
            await until(lambda: heard.told[-1] is False)
    assert (latch.clears, heard.released) == (2, [LatchReleased("button", 2)])
