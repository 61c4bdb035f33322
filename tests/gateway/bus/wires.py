"""Real wires for the line tests: devices behind a pty or a TCP port, and a sink that remembers.

The devices share no code with the product: frames, checksum and answers are written here from the specification.
"""

from __future__ import annotations

import asyncio
import os
import pty
import select
import socket
import struct
import threading
import time
import tty
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from gateway.core.wire import Block, Exchange, Failure, Outcome, WireClass

Answer = Callable[[int, bytes], bytes | None]  # (unit, request data unit) -> frame body "unit + data unit", None: silence


def crc(frame: bytes) -> bytes:
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


@dataclass
class Device:
    """One unit with 16 discrete inputs, 16 coils and 100 registers; faults are set from the test."""

    inputs: int = 0
    coils: int = 0
    registers: list[int] = field(default_factory=lambda: [0] * 100)
    silent: bool = False
    exception: int = 0
    short: bool = False
    answers_as: int | None = None
    delay_s: float = 0.0
    garble: bool = False
    noise: bytes = b""
    twice: bool = False
    requests: list[tuple[float, bytes]] = field(default_factory=list)

    def answer(self, unit: int, request: bytes) -> bytes | None:
        self.requests.append((time.monotonic(), request))
        if self.silent:
            return None
        time.sleep(self.delay_s)
        function, start, count = struct.unpack(">BHH", request[:5])
        if self.exception:
            return bytes([unit, function | 0x80, self.exception])
        count -= self.short * (8 if function <= 2 else 1)
        if function in (1, 2):
            bits = (self.coils if function == 1 else self.inputs) >> start & ((1 << count) - 1)
            size = (count + 7) // 8
            pdu = bytes([function, size]) + bits.to_bytes(size, "little")
        elif function in (3, 4):
            pdu = bytes([function, 2 * count]) + struct.pack(f">{count}H", *self.registers[start : start + count])
        else:
            if function == 5:
                self.coils = self.coils | 1 << start if count else self.coils & ~(1 << start)
            else:
                self.registers[start] = count
            pdu = request
        return bytes([unit if self.answers_as is None else self.answers_as]) + bytes(pdu)


@dataclass
class Units:
    """All units of one wire."""

    devices: dict[int, Device]

    def answer(self, unit: int, request: bytes) -> tuple[Device, bytes] | None:
        device = self.devices.get(unit)
        body = device.answer(unit, request) if device else None
        return None if device is None or body is None else (device, body)


class PtyWire(threading.Thread):
    """RTU devices behind a pty, found by a symlink as a by-path name would be. Answers in pieces of 3 bytes."""

    def __init__(self, link: Path, units: Units) -> None:
        super().__init__(daemon=True)
        self.units = units
        self.link = link
        self.gaps_s: list[float] = []  # silence that the master kept after each reply
        self.bad_requests = 0
        self._leave, self._left = os.pipe()
        self.master, self.slave = pty.openpty()
        tty.setraw(self.master)
        tty.setraw(self.slave)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self.slave))

    def run(self) -> None:
        received, replied_s = b"", 0.0
        while True:
            if self._leave in select.select([self.master, self._leave], [], [])[0]:
                return
            try:
                received += os.read(self.master, 512)
            except OSError:
                return
            if replied_s and received:
                self.gaps_s.append(time.monotonic() - replied_s)
                replied_s = 0.0
            while len(received) >= 8:
                frame, received = received[:8], received[8:]
                if crc(frame[:6]) != frame[6:]:
                    self.bad_requests += 1
                    continue
                found = self.units.answer(frame[0], frame[1:6])
                if found is None:
                    continue
                device, body = found
                reply = bytearray(device.noise + body + crc(body))
                if device.garble:
                    reply[-3] ^= 0x10
                pieces = [bytes(reply[at : at + 3]) for at in range(0, len(reply), 3)] + [bytes(reply)] * device.twice
                for piece in pieces:
                    replied_s = time.monotonic()  # before the write: a master cannot have read it sooner, however busy the machine
                    os.write(self.master, piece)

    def babble(self, noise: bytes) -> None:
        os.write(self.master, noise)

    def unplug(self) -> None:
        """The adapter is pulled out: both ends close and the name goes away."""
        os.write(self._left, b"\0")
        self.join()
        self.link.unlink(missing_ok=True)
        for fd in (self.master, self.slave, self._leave, self._left):
            os.close(fd)


@contextmanager
def pty_wire(link: Path, units: Units) -> Iterator[PtyWire]:
    wire = PtyWire(link, units)
    wire.start()
    try:
        yield wire
    finally:
        if wire.is_alive():
            wire.unplug()


class TcpWire(threading.Thread):
    """Modbus TCP devices on a loopback port; one connection after the other or at once, each in a thread."""

    def __init__(self, units: Units, port: int = 0) -> None:
        super().__init__(daemon=True)
        self.units = units
        self.connections = 0
        self.ahead = 0  # requests that came before the one before them was answered
        self.stale = False  # answer under the transaction id before the asked one
        self.raw = b""  # say this instead of an answer
        self._open: list[socket.socket] = []
        self._workers: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]

    def run(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(peer)
            worker = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self._workers.append(worker)
            worker.start()

    def _serve(self, peer: socket.socket) -> None:
        received = b""
        while True:
            try:
                data = peer.recv(512)
            except OSError:
                return
            if not data:
                return
            received += data
            while len(received) >= 12:
                frame, received = received[:12], received[12:]
                transaction, _, _, unit = struct.unpack(">HHHB", frame[:7])
                found = self.units.answer(unit, frame[7:])
                with suppress(OSError, ValueError):  # the wire is being taken down
                    self.ahead += bool(received or select.select([peer], [], [], 0)[0])
                if found is None:
                    continue
                body = found[1]
                reply = self.raw or struct.pack(">HHH", transaction - self.stale, 0, len(body)) + body
                try:
                    peer.sendall(reply)
                except OSError:
                    return

    def hang_up(self) -> None:
        """Close all connections, as a restarting device does."""
        while self._open:
            peer = self._open.pop()
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            peer.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        self.join()
        for worker in self._workers:
            worker.join()


@contextmanager
def tcp_wire(units: Units, port: int = 0) -> Iterator[TcpWire]:
    wire = TcpWire(units, port)
    wire.start()
    try:
        yield wire
    finally:
        wire.close()


@dataclass
class Sink:
    """Remembers what a line says."""

    outcomes: list[tuple[str, Outcome]] = field(default_factory=list)
    links: list[tuple[str, bool, str]] = field(default_factory=list)

    def outcome(self, block: Block, outcome: Outcome) -> None:
        self.outcomes.append((block.device, outcome))

    def heard(self, device: str, message: object, now_s: float) -> None:
        raise AssertionError("a polled device says nothing unasked")

    def device_link(self, device: str, up: bool, reason: str, now_s: float) -> None:
        self.links.append((device, up, reason))

    def last(self, device: str) -> Outcome | None:
        return next((outcome for name, outcome in reversed(self.outcomes) if name == device), None)

    def good(self, device: str) -> int:
        return sum(outcome.failure is None for name, outcome in list(self.outcomes) if name == device)

    def failures(self, device: str) -> Counter[Failure | None]:
        return Counter(outcome.failure for name, outcome in list(self.outcomes) if name == device)

    def link(self, device: str) -> tuple[bool, str] | None:
        return next(((up, reason) for name, up, reason in reversed(self.links) if name == device), None)


class Runs(Protocol):
    """A line, as far as a test runs it."""

    async def run(self) -> None: ...


L = TypeVar("L", bound=Runs)


@asynccontextmanager
async def running(line: L) -> AsyncIterator[L]:
    """A line at work; it must end by being cancelled, and by nothing else."""
    task = asyncio.get_running_loop().create_task(line.run())
    try:
        yield line
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()


async def until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until something holds; fails after a deadline."""
    end_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end_s, "it did not happen in time"
        await asyncio.sleep(0.005)


def block(
    device: str = "a",
    unit: int = 1,
    period_s: float = 0.02,
    wire_class: WireClass = WireClass.STATE,
    function: int = 2,
    start: int = 0,
    count: int = 8,
    timeout_s: float = 0.1,
    late_s: float = 0.02,
    gap_s: float = 0.0,
    deadline_s: float = 1.0,
) -> Block:
    size = (count + 7) // 8 if function <= 2 else 2 * count
    return Block(
        device, f"{function}:{start}+{count}", unit, struct.pack(">BHH", function, start, count), 2 + size, period_s, deadline_s,
        wire_class, timeout_s, (f"p-{device}",), gap_s, late_s,
    )  # fmt: skip


def write_coil(device: str, unit: int, address: int, on: bool = True, timeout_s: float = 0.1) -> Exchange:
    return Exchange(device, f"coil {address}", unit, struct.pack(">BHH", 5, address, 0xFF00 if on else 0), 5, timeout_s, late_s=0.02)
