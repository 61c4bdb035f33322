"""OSDP readers over real ptys, played by libosdp's peripheral side: keys, cards, commands, cut cables, replay."""

from __future__ import annotations

import asyncio
import binascii
import json
import logging
import os
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.bus import osdp_line
from gateway.bus.osdp_frames import Cutter, Frame
from gateway.bus.osdp_line import OsdpLine
from gateway.bus.osdp_session import DEFAULT_KEY, ReaderAddress, command_of
from gateway.bus.serial_line import SerialSettings
from gateway.core.reader import CardShown, KeysPressed, ReaderInputs, ReaderState
from gateway.core.wire import Block, Exchange, Failure, Outcome
from simulators.osdp_reader import Reader, ReaderLine
from tests.gateway.bus.wires import until

KEY, OTHER_KEY = bytes(range(16)), bytes(range(16, 32))
CARD = (26, bytes.fromhex("12345680"))
CMD_OUTPUT, CMD_LED, CMD_BUZZER = 1, 2, 3  # libosdp's numbers
MISMATCH = "secure channel refused: the key does not match"


class Sink:
    """Remembers what the line says."""

    def __init__(self) -> None:
        self.links: list[tuple[str, bool, str]] = []
        self.messages: list[tuple[str, object]] = []

    def outcome(self, block: Block, outcome: Outcome) -> None:
        raise AssertionError("readers have no blocks")

    def heard(self, device: str, message: object, now_s: float) -> None:
        self.messages.append((device, message))

    def device_link(self, device: str, up: bool, reason: str, now_s: float) -> None:
        self.links.append((device, up, reason))

    def link(self, device: str) -> tuple[bool, str]:
        return next(((up, reason) for name, up, reason in reversed(self.links) if name == device), (False, "not heard of"))

    def up(self, *devices: str) -> bool:
        return all(self.link(device)[0] for device in devices)

    def of(self, kind: type, device: str = "door") -> list[Any]:
        return [message for name, message in self.messages if name == device and isinstance(message, kind)]


class PlainReader:
    """A reader without secure channel, written from the standard: libosdp's own one always has it. Shows a card at the 5th poll."""

    def __init__(self) -> None:
        self.polls = 0

    def serve(self, heard: bytes) -> bytes:
        return b"".join(self._answer(frame) for frame in Cutter().feed(heard))

    def _answer(self, frame: Frame) -> bytes:
        self.polls += frame.code == 0x60
        abilities = bytes.fromhex("03 01 01  08 01 00")  # card data, CRC; nothing of function 9, security
        card = bytes([0, 1, CARD[0], 0]) + CARD[1]
        answers = {0x61: b"\x45" + bytes(12), 0x62: b"\x46" + abilities, 0x60: b"\x50" + card if self.polls == 5 else b"\x40"}
        body = answers.get(frame.code, b"\x41\x03")
        reply = struct.pack("<BBHB", 0x53, 0x80, len(body) + 7, frame.raw[4]) + body
        return reply + binascii.crc_hqx(reply, 0x1D0F).to_bytes(2, "little")


@contextmanager
def cable(link: Path, *readers: Any) -> Iterator[ReaderLine]:
    line = ReaderLine(link, readers)
    try:
        yield line
    finally:
        line.close()


@asynccontextmanager
async def running(link: Path, sink: Sink, *readers: ReaderAddress, install_mode: bool = False) -> AsyncIterator[OsdpLine]:
    line = OsdpLine("readers", str(link), SerialSettings(115200), readers, sink, install_mode)
    task = asyncio.get_running_loop().create_task(line.run())
    try:
        yield line
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()


def door(key: bytes | None = KEY) -> ReaderAddress:
    return ReaderAddress("door", 0, key)


def ask(wish: dict[str, object] | bytes, device: str = "door") -> Exchange:
    request = wish if isinstance(wish, bytes) else json.dumps(wish).encode()
    return Exchange(device, "test", 0, request, reply_bytes=0, timeout_s=8.0)


RED: dict[str, object] = {"do": "led", "reader": 0, "number": 0, "colour": "red"}


async def test_two_readers_with_keys_of_their_own_come_up_on_one_line(tmp_path: Path) -> None:
    sink, one, two = Sink(), Reader(0, KEY), Reader(5, OTHER_KEY)
    with cable(tmp_path / "port", one, two) as line:
        async with running(line.link, sink, door(), ReaderAddress("gate", 5, OTHER_KEY)) as osdp:
            await until(lambda: sink.up("door", "gate"))
            assert one.secure
            assert two.secure
            two.show_card(*CARD)
            await until(lambda: bool(sink.of(CardShown, "gate")))
            assert osdp.counters.transactions["ok"] > 8
            assert osdp.counters.last_attempt_s > 0
    assert not sink.of(CardShown)
    assert sink.links[:2] == [("door", True, ""), ("gate", True, "")]
    assert sink.up("door", "gate"), "the line's own end is no fault of its readers"


async def test_what_a_reader_reports_arrives_once_and_in_order(tmp_path: Path) -> None:
    sink, reader = Sink(), Reader(0, KEY)
    reader.set_case(power_failed=True)
    with cable(tmp_path / "port", reader) as line:
        async with running(line.link, sink, door()):
            await until(lambda: ReaderState(tamper=False, power_failed=True) in sink.of(ReaderState))
            await until(lambda: bool(sink.of(ReaderInputs)))
            sink.messages.clear()
            reader.show_card(*CARD)
            reader.type_keys(b"12\r")
            reader.set_case(tamper=True)
            reader.set_input(1, True)
            await until(lambda: ReaderInputs((False, True)) in sink.of(ReaderInputs))
            reader.set_case()
            await until(lambda: sink.of(ReaderState)[-1] == ReaderState(tamper=False, power_failed=False))
    assert sink.of(CardShown) == [CardShown(0, *CARD)]
    assert sink.of(KeysPressed) == [KeysPressed(0, b"12\r")]
    assert ReaderState(tamper=True, power_failed=False) in sink.of(ReaderState)


async def test_secrets_show_in_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    sink, reader = Sink(), Reader(0, KEY)
    with cable(tmp_path / "port", reader) as line:
        async with running(line.link, sink, door()) as osdp:
            await until(lambda: sink.up("door"))
            reader.show_card(*CARD)
            reader.type_keys(b"4711")
            await until(lambda: bool(sink.of(KeysPressed)))
            said = caplog.text + repr(sink.messages) + repr(osdp.__dict__) + "".join(capfd.readouterr())
    for secret in (CARD[1], KEY, b"4711"):
        assert secret.hex() not in said
        assert repr(secret)[2:-1] not in said


async def test_commands_reach_the_reader_and_are_confirmed(tmp_path: Path) -> None:
    sink, reader = Sink(), Reader(0, KEY)
    with cable(tmp_path / "port", reader) as line:
        async with running(line.link, sink, door()) as osdp:
            await until(lambda: sink.up("door"))
            wishes = (RED, {"do": "buzzer", "reader": 0, "on": True, "for_s": 0.5}, {"do": "output", "number": 1, "on": True, "for_s": 2.0})
            outcomes = await asyncio.gather(*(osdp.submit(ask(wish)) for wish in wishes))
    assert [outcome.failure for outcome in outcomes] == [None, None, None]
    led, buzzer, output = reader.commands
    assert (led["command"], led["temporary"], led["on_color"], led["off_color"]) == (CMD_LED, False, 1, 1)
    assert (buzzer["command"], buzzer["control_code"], buzzer["on_count"], buzzer["rep_count"]) == (CMD_BUZZER, 2, 5, 1)
    assert output == {"command": CMD_OUTPUT, "output_no": 1, "control_code": 5, "timer_count": 20}


async def test_a_refused_command_ends_as_refused_and_the_reader_stays_up(tmp_path: Path) -> None:
    sink, reader = Sink(), Reader(0, KEY)
    reader.refuse = {CMD_LED}
    with cable(tmp_path / "port", reader) as line:
        async with running(line.link, sink, door()) as osdp:
            await until(lambda: sink.up("door"))
            assert (await osdp.submit(ask(RED))).failure is Failure.REFUSED
            assert (await osdp.submit(ask({"do": "output", "number": 0, "on": True}))).failure is None
            assert sink.links == [("door", True, "")]


@pytest.mark.parametrize("request_bytes", [b"", b"{}", b'{"do": "dance"}', b'{"do": "buzzer", "reader": 0, "on": true, "for_s": 30}'])
async def test_what_is_no_command_is_refused(tmp_path: Path, request_bytes: bytes) -> None:
    sink = Sink()
    with cable(tmp_path / "port", Reader(0, KEY)) as line:
        async with running(line.link, sink, door()) as osdp:
            await until(lambda: sink.up("door"))
            assert (await osdp.submit(ask(request_bytes))).failure is Failure.REFUSED
            assert (await osdp.submit(ask(RED, "stranger"))).failure is Failure.REFUSED


@pytest.mark.parametrize(
    ("wish", "code"), [({"on": True}, 2), ({"on": False}, 1), ({"on": True, "for_s": 0.1}, 5), ({"on": False, "for_s": 25.5}, 6)]
)
def test_an_output_for_good_or_for_a_time(wish: dict[str, object], code: int) -> None:
    command = command_of(json.dumps({"do": "output", "number": 0} | wish).encode())
    assert command["control_code"] == code


async def test_a_line_without_port_says_so_and_refuses_commands(tmp_path: Path) -> None:
    sink = Sink()
    async with running(tmp_path / "nothing", sink, door()) as osdp:
        await until(lambda: bool(sink.links))
        assert "port lost: cannot open" in sink.link("door")[1]
        assert (await osdp.submit(ask(RED))).failure is Failure.PORT_LOST


async def test_two_readers_at_one_address_are_an_error() -> None:
    with pytest.raises(ValueError, match="the same address"):
        OsdpLine("readers", "port", SerialSettings(), [door(), ReaderAddress("gate", 0)], Sink())


@pytest.mark.parametrize(("address", "key", "word"), [(127, None, "0..126"), (0, b"short", "16 bytes")])
def test_a_reader_that_cannot_be_is_an_error(address: int, key: bytes | None, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        ReaderAddress("door", address, key)


# --- keys ---------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_wrong_key_is_named_and_the_reader_comes_up_when_it_is_corrected(tmp_path: Path) -> None:
    sink, wrong, good = Sink(), Reader(0, OTHER_KEY), Reader(1, KEY)
    with cable(tmp_path / "port", wrong, good) as line:
        async with running(line.link, sink, door(), ReaderAddress("gate", 1, KEY)) as osdp:
            await until(lambda: sink.link("door") == (False, MISMATCH))
            assert sink.up("gate")
            assert (await osdp.submit(ask(RED))).detail == MISMATCH
            wrong.restart(KEY)
            await until(lambda: sink.up("door"))
            assert [link for link in sink.links if link[0] == "gate"] == [("gate", True, "")]


async def test_a_reader_on_the_default_key_is_given_its_own_in_install_mode(tmp_path: Path) -> None:
    sink, reader = Sink(), Reader(0)
    with cable(tmp_path / "port", reader) as line:
        async with running(line.link, sink, door(), install_mode=True):
            await until(lambda: sink.up("door"))
            assert reader.key == KEY
            assert reader.secure


@pytest.mark.slow
async def test_a_reader_on_the_default_key_is_refused_outside_install_mode(tmp_path: Path) -> None:
    sink, reader = Sink(), Reader(0)
    with cable(tmp_path / "port", reader) as line:
        async with running(line.link, sink, door()):
            await until(lambda: sink.link("door") == (False, MISMATCH))
    assert reader.key is None
    assert not sink.messages


@pytest.mark.parametrize("install_mode", [False, True])
@pytest.mark.slow
async def test_a_reader_without_secure_channel_is_refused_when_a_key_is_set(tmp_path: Path, install_mode: bool) -> None:
    sink, reader = Sink(), PlainReader()
    with cable(tmp_path / "port", reader) as line:
        async with running(line.link, sink, door(), install_mode=install_mode):
            await until(lambda: "the reader offers none" in sink.link("door")[1])
            if install_mode:
                assert reader.polls > 5, "it did not even show its card"
    assert not sink.messages
    assert ("door", True, "") not in sink.links


async def test_a_site_that_sets_no_key_talks_in_clear(tmp_path: Path) -> None:
    sink = Sink()
    with cable(tmp_path / "port", PlainReader()) as line:
        async with running(line.link, sink, door(key=None)):
            await until(lambda: bool(sink.of(CardShown)))
    assert sink.of(CardShown) == [CardShown(0, *CARD)]


@pytest.mark.slow
async def test_a_reader_that_insists_on_a_key_says_so_when_none_is_set(tmp_path: Path) -> None:
    sink = Sink()
    with cable(tmp_path / "port", Reader(0, KEY)) as line:
        async with running(line.link, sink, door(key=None)):
            await until(lambda: "insists" in sink.link("door")[1])
    assert ("door", True, "") not in sink.links


async def test_the_default_key_is_no_key(tmp_path: Path) -> None:
    sink = Sink()
    with cable(tmp_path / "port", Reader(0, DEFAULT_KEY)) as line:
        async with running(line.link, sink, door(DEFAULT_KEY)):
            await until(lambda: bool(sink.links))
            assert sink.link("door") == (False, "the default key is good in install mode only")
            assert not line.spoken


# --- cables -------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_reader_that_was_pulled_off_comes_back_and_the_others_go_on(tmp_path: Path) -> None:
    sink, reader, other = Sink(), Reader(0, KEY), Reader(1, KEY)
    with cable(tmp_path / "port", reader, other) as line:
        async with running(line.link, sink, door(), ReaderAddress("gate", 1, KEY)) as osdp:
            await until(lambda: sink.up("door", "gate"))
            reader.plugged = False
            command = osdp.submit(ask(RED))
            await until(lambda: sink.link("door") == (False, "no answer"))
            assert (await command).failure is Failure.NO_ANSWER
            other.show_card(*CARD)
            await until(lambda: bool(sink.of(CardShown, "gate")))
            reader.restart()
            reader.plugged = True
            await until(lambda: sink.up("door"))
            reader.show_card(*CARD)
            await until(lambda: bool(sink.of(CardShown)))
    assert [link for link in sink.links if link[0] == "gate"] == [("gate", True, "")]


@pytest.mark.slow
async def test_a_restarted_reader_is_heard_again_and_asked_for_its_state(tmp_path: Path) -> None:
    sink, reader = Sink(), Reader(0, KEY)
    with cable(tmp_path / "port", reader) as line:
        async with running(line.link, sink, door()):
            await until(lambda: sink.up("door") and len(sink.of(ReaderState)) >= 1)
            reader.restart()
            reader.set_case(tamper=True)
            await until(lambda: ReaderState(tamper=True, power_failed=False) in sink.of(ReaderState))


@pytest.mark.slow
async def test_an_unplugged_port_comes_back_and_no_descriptor_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(osdp_line, "REOPEN_S", 0.005)
    sink, reader = Sink(), Reader(0, KEY)
    with cable(tmp_path / "port", reader) as line:
        async with running(line.link, sink, door()) as osdp:
            await until(lambda: sink.up("door"))
            before = len(os.listdir("/proc/self/fd"))
            for cycle in range(100):
                line.close()
                await until(lambda cycle=cycle: osdp.counters.port_losses > cycle)  # type: ignore[misc]
                line.__init__(line.link, [reader])  # type: ignore[misc]
                await until(lambda: osdp._wire is not None)
            await until(lambda: sink.up("door"))
            assert len(os.listdir("/proc/self/fd")) == before
    assert "port lost" in next(reason for _, up, reason in sink.links if not up)


@pytest.mark.slow
async def test_noise_an_echo_and_strangers_on_the_line_disturb_nobody(tmp_path: Path) -> None:
    sink, reader = Sink(), Reader(0, KEY)
    with cable(tmp_path / "port", reader) as line:
        async with running(line.link, sink, door()) as osdp:
            await until(lambda: sink.up("door"))
            for _ in range(30):
                line.say(b"\x53\x80\x00\xff\x53" + bytes.fromhex("FF530009000461 00C066"))
                line.say(bytes.fromhex("53 81 08 00 01 41 04 DE"))  # a NAK of a reader at address 1
                done = osdp.counters.transactions["ok"]
                await until(lambda done=done: osdp.counters.transactions["ok"] > done)  # type: ignore[misc]
            reader.show_card(*CARD)
            await until(lambda: bool(sink.of(CardShown)))
            assert sink.links == [("door", True, "")]


# --- an attacker on the cable ----------------------------------------------------------------


class Parrot:
    """Answers each request with a recorded frame that has the same sequence number."""

    def __init__(self, frames: list[bytes]) -> None:
        self.frames = {frame[frame.index(0x53) + 4] & 3: frame for frame in frames}
        self.answered = 0

    def serve(self, heard: bytes) -> bytes:
        said = b""
        for frame in Cutter().feed(heard):
            said += self.frames.get(frame.raw[4] & 3, b"")
            self.answered += bool(said)
        return said


@pytest.mark.slow
async def test_replayed_frames_open_no_door(tmp_path: Path) -> None:
    """Recorded cards, with the right sequence number, bring no second card; the reader itself is heard again afterwards."""
    sink, reader = Sink(), Reader(0, KEY)
    with cable(tmp_path / "port", reader) as line:
        async with running(line.link, sink, door()):
            await until(lambda: sink.up("door") and bool(sink.of(ReaderInputs)))
            line.spoken.clear()
            shown = 0
            while len({frame[4] & 3 for frame in cards_in(line.spoken)}) < 3:
                shown += 1
                reader.show_card(*CARD)
                await until(lambda shown=shown: len(sink.of(CardShown)) == shown)  # type: ignore[misc]
            parrot = Parrot(cards_in(line.spoken))
            line.readers[:] = [parrot]
            await until(lambda: parrot.answered >= 1 and not sink.up("door"))
            assert len(sink.of(CardShown)) == shown
            reader.restart()
            line.readers[:] = [reader]
            await until(lambda: sink.up("door"))
            assert len(sink.of(CardShown)) == shown


def cards_in(spoken: list[bytes]) -> list[bytes]:
    frames = [frame for said in list(spoken) for frame in Cutter().feed(said)]
    return [frame.raw for frame in frames if frame.code == 0x50]


CHALLENGE = """
from gateway.bus.osdp_frames import Cutter, Frame
from gateway.bus.osdp_session import ReaderAddress, Session
from simulators.osdp_reader import Reader
reader, session = Reader(0, bytes(16)), Session(ReaderAddress("door", 0, bytes(16)), False)
while True:
    (frame,) = Cutter().feed(session.step())
    if frame.code == 0x76:
        break
    (reply,) = Cutter().feed(reader.serve(frame.raw) or reader.serve(b""))
    session.hear(reply)
print(frame.raw.hex())
"""


def test_no_two_starts_of_the_gateway_begin_with_the_same_challenge() -> None:
    """Else a whole conversation that was recorded after one start could be replayed after the next."""
    said = [subprocess.run([sys.executable, "-c", CHALLENGE], check=True, capture_output=True, text=True).stdout for _ in range(2)]
    assert len(said[0]) > 30
    assert said[0] != said[1]
