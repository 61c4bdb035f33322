"""A push line over real ptys and sockets: frames, silence, loss and return, commands, descriptors."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import pty
import socket
import struct
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.bus import push_line
from gateway.bus.push_line import Opener, PushDevice, PushLine, SerialPort, TcpPeer
from gateway.bus.serial_line import SerialSettings
from gateway.core.wire import Block, Exchange, Failure, Outcome, WireClass
from tests.gateway.bus.wires import running, until

SETTINGS = SerialSettings(9600)
POLL = Block("dev", "poll", 1, b"?", 3, 0.02, 0.02, WireClass.STATE, 0.1, ("p",))


class ThreeBytes:
    """Frames of '<' + one byte + '>'; a lone '!' before a silence is a frame, too. Shares no code with the product's splitter."""

    def __init__(self) -> None:
        self.rejected_frames = 0
        self.quiet_s = 0.02
        self.buffer = b""

    @property
    def pending(self) -> bool:
        return bool(self.buffer)

    def feed(self, received: bytes) -> list[bytes]:
        self.buffer += received
        frames = []
        while len(self.buffer) >= 3:
            frame, self.buffer = self.buffer[:3], self.buffer[3:]
            if frame[:1] == b"<" and frame[2:] == b">":
                frames.append(frame)
            else:
                self.rejected_frames += 1
        return frames

    def flush(self) -> list[bytes]:
        left, self.buffer = self.buffer, b""
        return [left] if left == b"!" else []

    def reset(self) -> None:
        self.buffer = b""


@dataclass
class Sink:
    """Remembers what the line says, in order."""

    said: list[tuple[object, ...]] = field(default_factory=list)
    fail_on: bytes = b""

    def outcome(self, block: Block, outcome: Outcome) -> Sequence[Block] | None:
        raise AssertionError("a push line has frames, not outcomes")

    def heard(self, device: str, message: object, now_s: float) -> None:
        if self.fail_on and message == self.fail_on:
            raise ValueError("the driver has a defect")
        self.said.append(("heard", message))

    def device_link(self, device: str, up: bool, reason: str, now_s: float) -> None:
        self.said.append(("link", up, reason))

    def frames(self) -> list[object]:
        return [message for kind, message, *_ in self.said if kind == "heard"]

    def links(self) -> list[tuple[object, ...]]:
        return [said[1:] for said in self.said if said[0] == "link"]


class Port:
    """The other end of a serial port that is found by a link, as a by-path name would be."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        link.symlink_to(os.ttyname(self.slave))

    def says(self, data: bytes) -> None:
        os.write(self.master, data)

    def got(self) -> bytes:
        try:
            return os.read(self.master, 4096)
        except BlockingIOError:
            return b""

    def unplug(self) -> None:
        self._link.unlink()
        os.close(self.master)
        os.close(self.slave)


@contextmanager
def port_at(link: Path) -> Iterator[Port]:
    port = Port(link)
    try:
        yield port
    finally:
        port.unplug()


def line_on(where: Path | Opener, sink: Sink, silent_s: float = 0.0, **more: object) -> PushLine:
    opener = SerialPort(str(where), SETTINGS) if isinstance(where, Path) else where
    return PushLine("push", PushDevice("dev", ThreeBytes(), silent_s=silent_s, **more), opener, sink)


@pytest.fixture(autouse=True)
def quick_return(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_line, "REOPEN_S", 0.02)


async def test_a_device_that_may_be_silent_is_up_with_its_port_and_its_frames_are_heard(tmp_path: Path) -> None:
    sink = Sink()
    with port_at(tmp_path / "port") as port:
        async with running(line_on(tmp_path / "port", sink)) as line:
            await until(lambda: sink.said)
            assert sink.said == [("link", True, ""), ("heard", None)]
            port.says(b"<1><2")
            await until(lambda: len(sink.frames()) == 2)
            port.says(b">")
            await until(lambda: len(sink.frames()) == 3)
    assert sink.frames() == [None, b"<1>", b"<2>"]
    assert sink.links() == [(True, "")]
    assert line.counters.transactions["ok"] == 2


async def test_a_device_that_must_speak_is_up_with_its_first_frame(tmp_path: Path) -> None:
    sink = Sink()
    with port_at(tmp_path / "port") as port:
        async with running(line_on(tmp_path / "port", sink, silent_s=30.0)) as line:
            await until(lambda: line.counters.last_attempt_s)
            assert sink.said == []
            port.says(b"x<>")
            await until(lambda: line.counters.transactions[Failure.BAD_FRAME] == 1)
            assert sink.said == []
            port.says(b"<1>")
            await until(sink.frames)
    assert sink.said == [("link", True, ""), ("heard", b"<1>")]


async def test_silence_ends_a_frame_that_nothing_else_ends(tmp_path: Path) -> None:
    sink = Sink()
    with port_at(tmp_path / "port") as port:
        async with running(line_on(tmp_path / "port", sink)):
            await until(sink.frames)
            port.says(b"!")
            await until(lambda: len(sink.frames()) == 2)
    assert sink.frames() == [None, b"!"]


async def test_a_device_that_falls_silent_is_told_once_and_gets_its_opening_again(tmp_path: Path) -> None:
    sink, got = Sink(), bytearray()
    with port_at(tmp_path / "port") as port:
        async with running(line_on(tmp_path / "port", sink, silent_s=0.1, opening=(b"set", b"up"))) as line:
            port_got(port, got)
            await until(lambda: port_got(port, got).count(b"setup") == 1)
            port.says(b"<1>")
            await until(lambda: port_got(port, got).count(b"setup") >= 3)
            assert sink.links() == [(True, ""), (False, "no answer")]
            assert line.counters.transactions[Failure.NO_ANSWER] >= 2
            port.says(b"<2>")
            await until(lambda: sink.links()[-1] == (True, ""))
    assert sink.frames() == [b"<1>", b"<2>"]


def port_got(port: Port, got: bytearray) -> bytearray:
    got += port.got()
    return got


async def test_polls_are_sent_and_their_answers_are_frames(tmp_path: Path) -> None:
    sink, got = Sink(), bytearray()
    with port_at(tmp_path / "port") as port:
        async with running(line_on(tmp_path / "port", sink, silent_s=5.0, polls=(POLL,))):
            await until(lambda: port_got(port, got).count(b"?") >= 3)
            port.says(b"<a>")
            await until(sink.frames)
    assert set(got) == {ord("?")}


async def test_a_frame_that_wants_an_answer_gets_it_at_once(tmp_path: Path) -> None:
    sink, got = Sink(), bytearray()
    answers: Callable[[bytes], bytes] = lambda frame: b"ack" + frame[1:2] if frame != b"<2>" else b""  # noqa: E731
    with port_at(tmp_path / "port") as port:
        async with running(line_on(tmp_path / "port", sink, answer=answers)):
            await until(sink.frames)
            port.says(b"<1><2><3>")
            await until(lambda: port_got(port, got) == b"ack1ack3")


async def test_commands_are_sent_and_end_without_a_port(tmp_path: Path) -> None:
    sink, got = Sink(), bytearray()
    exchange = Exchange("dev", "set lamp", 1, b"on", 0, 0.5)
    line = line_on(tmp_path / "port", sink)
    outcome = await line.submit(exchange)
    assert outcome.failure is Failure.PORT_LOST
    assert not line.connected.is_set()
    with port_at(tmp_path / "port") as port:
        async with running(line):
            await until(sink.frames)
            assert line.connected.is_set()
            assert (await line.submit(exchange)).failure is None
            await until(lambda: port_got(port, got) == b"on")


async def test_an_adapter_that_is_pulled_and_put_back_is_found_by_its_path(tmp_path: Path) -> None:
    sink, link = Sink(), tmp_path / "port"
    async with running(line_on(link, sink)) as line:
        await until(sink.links)
        (first,) = sink.links()
        assert first[0] is False
        assert str(first[1]).startswith(f"port lost: cannot open {link}")
        with port_at(link) as port:
            await until(lambda: sink.links()[-1] == (True, ""))
            port.says(b"<1")
            await until(lambda: port_is_read(port))
        await until(lambda: sink.links()[-1][0] is False)
        assert str(sink.links()[-1][1]).startswith("port lost: the port is gone")
        with port_at(link) as port:
            await until(lambda: sink.links()[-1] == (True, ""))
            port.says(b"<2>")  # the half frame from before must not stand in its way
            await until(lambda: sink.frames()[-1] == b"<2>")
    assert [up for up, _ in sink.links()] == [False, True, False, True]
    assert line.counters.port_losses == 2


def port_is_read(port: Port) -> bool:
    """True when the line has taken what was said."""
    waiting: bytes = fcntl.ioctl(port.slave, termios.FIONREAD, b"\0\0\0\0")
    return struct.unpack("i", waiting) == (0,)


async def test_two_hundred_losses_leak_no_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_line, "REOPEN_S", 0.001)
    sink, link = Sink(), tmp_path / "port"
    async with running(line_on(link, sink)) as line:
        before = len(os.listdir("/proc/self/fd"))
        for n in range(200):
            with port_at(link):
                await until(lambda n=n: len(sink.frames()) == n + 1)
            await until(lambda: sink.links()[-1][0] is False)
        assert len(os.listdir("/proc/self/fd")) == before
    assert line.counters.port_losses == 200


# --- TCP ------------------------------------------------------------------------------------


class Peer:
    """A converter that listens on loopback and takes one connection after the other."""

    def __init__(self, port: int = 0) -> None:
        self.listener = socket.create_server(("127.0.0.1", port))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.stream: socket.socket | None = None

    def accept(self) -> bool:
        try:
            stream, _ = self.listener.accept()
        except BlockingIOError:
            return False
        self.hang_up()
        self.stream = stream
        return True

    def says(self, data: bytes) -> None:
        assert self.stream is not None
        self.stream.sendall(data)

    def hang_up(self) -> None:
        if self.stream is not None:
            self.stream.close()
            self.stream = None

    def close(self) -> None:
        self.hang_up()
        self.listener.close()


@contextmanager
def peer_on(port: int = 0) -> Iterator[Peer]:
    peer = Peer(port)
    try:
        yield peer
    finally:
        peer.close()


async def test_a_tcp_peer_is_heard_and_found_again_after_it_hung_up() -> None:
    sink = Sink()
    with peer_on() as peer:
        async with running(line_on(TcpPeer("127.0.0.1", peer.port), sink, opening=(b"hi",))):
            await until(peer.accept)
            peer.says(b"<1>")
            await until(lambda: b"<1>" in sink.frames())
            assert peer.stream is not None
            assert peer.stream.recv(10) == b"hi"
            peer.hang_up()
            await until(lambda: sink.links()[-1] == (False, "port lost: connection closed by the peer"))
            await until(peer.accept)
            peer.says(b"<2>")
            await until(lambda: b"<2>" in sink.frames())
    assert [up for up, _ in sink.links()] == [True, False, True]


def refused(port: int) -> str:
    """What is said of a port on which nobody listens, in the words of the system."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError as error:
        return f"cannot connect to 127.0.0.1:{port}: {error.strerror}"
    return ""


async def test_a_tcp_peer_that_reboots_is_back_and_told_once_while_it_is_away() -> None:
    sink = Sink()
    with peer_on() as peer:
        port = peer.port
    async with running(line_on(TcpPeer("127.0.0.1", port), sink)) as line:
        await until(lambda: line.counters.transactions[Failure.PORT_LOST] >= 3)
        assert sink.links() == [(False, f"port lost: {refused(port)}")]
        with peer_on(port) as peer:
            await until(peer.accept)
            await until(lambda: sink.links()[-1] == (True, ""))


async def test_a_connection_watches_whether_its_peer_still_lives() -> None:
    sink = Sink()
    with peer_on() as peer:
        line = line_on(TcpPeer("127.0.0.1", peer.port), sink)
        async with running(line):
            await until(peer.accept)
            await until(sink.frames)
            assert line._wire is not None
            stream = line._wire._transport.get_extra_info("socket")
            assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 1


async def test_two_hundred_tcp_losses_leak_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_line, "REOPEN_S", 0.001)
    sink = Sink()
    with peer_on() as peer:
        async with running(line_on(TcpPeer("127.0.0.1", peer.port), sink)):
            await until(peer.accept)
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(200):
                peer.hang_up()
                await until(peer.accept)
            await until(lambda: sink.links()[-1][0])
            gc.collect()
            assert len(os.listdir("/proc/self/fd")) == before


async def test_a_peer_that_does_not_answer_is_given_up_and_a_line_that_connects_can_be_stopped() -> None:
    sink, filling = Sink(), []
    before = len(os.listdir("/proc/self/fd"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        where = listener.getsockname()
        for _ in range(3):  # a full queue: the system drops what comes next, as a dead host does
            stream = socket.socket()
            stream.setblocking(False)
            stream.connect_ex(where)
            filling.append(stream)
        async with running(line_on(TcpPeer("127.0.0.1", where[1], connect_timeout_s=0.05), sink)):
            await until(sink.links)
            assert sink.links() == [(False, f"port lost: 127.0.0.1:{where[1]} does not answer within 0.05 s")]
        async with running(line_on(TcpPeer("127.0.0.1", where[1], connect_timeout_s=30.0), sink)):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        for stream in filling:
            stream.close()
    await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) == before


# --- faults of others -------------------------------------------------------------------------


async def test_what_the_sink_raises_ends_the_line_and_gives_the_port_back(tmp_path: Path) -> None:
    sink = Sink(fail_on=b"<x>")
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)  # the loop reports what its callback raised, too
    before = len(os.listdir("/proc/self/fd"))
    with port_at(tmp_path / "port") as port:
        line = line_on(tmp_path / "port", sink)
        task = loop.create_task(line.run())
        await until(sink.frames)
        port.says(b"<x>")
        with pytest.raises(ValueError, match="defect"):
            await task
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_babbling_device_does_not_hold_the_loop(tmp_path: Path) -> None:
    sink = Sink()
    with port_at(tmp_path / "port") as port:
        async with running(line_on(tmp_path / "port", sink)):
            await until(sink.frames)
            turns = 0
            end_s = time.monotonic() + 0.3
            while time.monotonic() < end_s:
                try:
                    port.says(b"\xff" * 4096)
                except BlockingIOError:
                    pass
                await asyncio.sleep(0)
                turns += 1
    assert turns > 20
