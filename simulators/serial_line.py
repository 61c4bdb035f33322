"""An RS-485 line that appears as a pty behind a symlink, paced like a real one.

A pty carries bytes at once; a real line takes 11 bits for each character. So the line gives each byte its time: a request that
arrives at t has passed at t + characters * 11 / baud, a device then waits for 3.5 characters of silence, thinks for `delay_s`, and
its answer leaves in small pieces, each at the time when its last character has passed. All times count from the one start of the
request, so that errors of single waits do not add up.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import itertools
import os
import pty
import random
import select
import stat
import sys
import termios
import threading
import time
import tty
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial, reduce
from pathlib import Path

from simulators import modbus
from simulators.device import Device
from simulators.errors import SimError
from simulators.faults import Fault, collide, spoil
from simulators.wires import WireTraffic, answers_to, hearers, late_s

BITS_A_CHARACTER = 11  # start, 8 data, parity or second stop, stop (MODBUS over Serial Line 2.5.1)
PIECE_CHARACTERS = 4  # an answer leaves in pieces of this size, as a UART's buffer hands them on
SPIN_S = 0.0002  # a plain sleep is this late and more: the last part of a wait is spun
NOISE_SILENCE_S = 0.02  # bytes that make no frame are judged after this much silence
ASCII_SILENCE_S = 1.0  # between characters of an ASCII frame (MODBUS over Serial Line 2.5.2.1)
SHORT = 0.95  # share of the silence that counts as kept


def silence_s(baud: int) -> float:
    """3.5 characters, or 1.75 ms above 19200 baud (MODBUS over Serial Line 2.5.1.1)."""
    return 3.5 * BITS_A_CHARACTER / baud if baud <= 19200 else 0.00175


def exchange_s(baud: int, request_bytes: int, reply_bytes: int, delay_s: float) -> float:
    """What one request and its answer take on the wire at least, with the silence before each."""
    return (request_bytes + reply_bytes) * BITS_A_CHARACTER / baud + 2 * silence_s(baud) + delay_s


class SerialLine:
    """One line. link: symlink at which masters find the pty.

    delay_s, jitter_s: what a device takes to answer, and how much more at most. transport: `rtu` or `ascii`.
    """

    def __init__(
        self,
        link: Path,
        baud: int,
        devices: Mapping[int, Device],
        delay_s: float = 0.005,
        jitter_s: float = 0.0,
        transport: str = "rtu",
    ) -> None:
        self.link = link
        self.baud = baud
        self.is_ascii = transport == "ascii"
        self.traffic = WireTraffic()
        self._devices = devices
        self._delay_s = delay_s
        self._jitter_s = jitter_s
        self.character_s = BITS_A_CHARACTER / baud
        self._running: _Running | None = None

    @property
    def address(self) -> str:
        """Where a master finds it."""
        return str(self.link)

    @property
    def plugged(self) -> bool:
        return self._running is not None

    async def start(self) -> None:
        """Opens the pty and shows it at the link. SimError when something else is there already."""
        if self._running is None:
            refuse_foreign(self.link)
            self._running = _Running(self)

    async def stop(self) -> None:
        """Closes the pty, as an adapter that is pulled out: a master gets EIO, and the link is gone."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def answers(self, unit: int, pdu: bytes) -> list[tuple[float, bytes]]:
        """(seconds until the device begins, wire bytes) of the answers to one request that has passed."""
        self.traffic.requests += 1
        if not hearers(self._devices, unit):
            self.traffic.strangers += 1
        out: list[tuple[float, bytes]] = []
        for device, reply in answers_to(self._devices, unit, pdu, is_rtu=True):
            delay_s = self._delay_s + random.uniform(0.0, self._jitter_s) + late_s(device)
            if data := self._on_the_wire(device.fault, unit, reply):
                out.append((delay_s, data))
        if len(out) > 1:  # two devices at one address speak at the same time
            return [(min(delay_s for delay_s, _ in out), reduce(collide, (data for _, data in out)))]
        return out

    def noise(self, data: bytes) -> None:
        """Bytes that nobody asked for, at once, no matter who speaks; devices hear them as well."""
        if self._running is not None:
            self._running.noise(data)

    @property
    def silence_s(self) -> float:
        """Silence that ends a request; an ASCII frame has an end of its own."""
        return 0.0 if self.is_ascii else silence_s(self.baud)

    def _on_the_wire(self, fault: Fault | None, unit: int, reply: bytes) -> bytes:
        if not self.is_ascii:
            return spoil(fault, unit, reply, modbus.rtu_frame, is_rtu=True)
        data = spoil(fault, unit, reply, modbus.ascii_frame, is_rtu=False)
        if fault and fault.kind == "wrong-crc":
            data = modbus.ascii_frame(unit, reply)
            data = data[:-3] + (b"1" if data[-3:-2] == b"0" else b"0") + data[-2:]
        return data


def refuse_foreign(link: Path) -> None:
    """SimError if the path is anything but free or a pty's old symlink: a real port must never be replaced."""
    try:
        mode = link.lstat().st_mode
    except FileNotFoundError:
        if not link.parent.is_dir():
            raise SimError(f"cannot make {link}: the folder {link.parent} is not there") from None
        return
    except OSError as error:
        raise SimError(f"cannot make {link}: {error.strerror}") from error
    if not (stat.S_ISLNK(mode) and str(link.readlink()).startswith("/dev/pts/")):
        raise SimError(f"{link} is there already and is not a simulated port: it is left alone")


class _Running:
    """A plugged line: its pty and the thread that serves it. Times are of time.perf_counter()."""

    def __init__(self, line: SerialLine) -> None:
        self._line = line
        self._receiver: modbus.Receiver = modbus.AsciiReceiver() if line.is_ascii else modbus.RtuReceiver()
        self._noise_s = ASCII_SILENCE_S if line.is_ascii else NOISE_SILENCE_S
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._line_free_s = 0.0  # when the last character has passed
        self._answered_s = 0.0  # end of the last answer
        self._first_byte_s = 0.0
        self._last_byte_s = 0.0
        self._master, self._slave = pty.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._target = os.ttyname(self._slave)
        self._noise: deque[bytes] = deque()
        self._closing = False
        self._wake_read, self._wake_write = os.pipe()
        try:
            if line.link.is_symlink():
                line.link.unlink()
            line.link.symlink_to(self._target)
        except OSError as error:
            self._close_all()
            raise SimError(f"cannot make {line.link}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._run, name=f"line {line.link.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if str(self._line.link.readlink()) == self._target:
                self._line.link.unlink()
        self._closing = True
        os.write(self._wake_write, b"x")
        self._thread.join()
        self._close_all()

    def noise(self, data: bytes) -> None:
        self._noise.append(data)
        os.write(self._wake_write, b"x")

    def _close_all(self) -> None:
        for fd in (self._master, self._slave, self._wake_read, self._wake_write):
            os.close(fd)

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._wake_read], [], [], self._wait_s())
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
                if self._closing:
                    return
                while self._noise:
                    self._disturb(self._noise.popleft())
            if self._master in ready:
                self._received(os.read(self._master, 4096))
            elif self._receiver.held and time.perf_counter() - self._last_byte_s >= self._noise_s:
                self._judge(self._receiver.silence())
            while self._due and self._due[0][0] - time.perf_counter() <= SPIN_S:
                when_s, _, act = heapq.heappop(self._due)
                while time.perf_counter() < when_s:
                    pass
                act(when_s)

    def _wait_s(self) -> float | None:
        """Seconds until something is due; None while nothing is."""
        ends = [self._due[0][0] - SPIN_S] if self._due else []
        if self._receiver.held:
            ends.append(self._last_byte_s + self._noise_s)
        return max(0.0, min(ends) - time.perf_counter()) if ends else None

    def _at(self, when_s: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._due, (when_s, next(self._order), act))

    def _received(self, data: bytes) -> None:
        now_s = time.perf_counter()
        if not self._receiver.held:
            self._first_byte_s = max(now_s, self._line_free_s)
            if self._answered_s and now_s - self._answered_s < SHORT * self._line.silence_s:
                self._line.traffic.short_silence += 1
        self._last_byte_s = now_s
        self._judge(self._receiver.feed(data))

    def _judge(self, frames: list[tuple[int, bytes, int]]) -> None:
        """Lets whole requests take their time on the wire; the device looks at its inputs when the silence after it has passed."""
        for unit, pdu, size in frames:
            passed_s = self._line_free_s = self._first_byte_s + size * self._line.character_s
            self._first_byte_s = passed_s
            self._at(passed_s + self._line.silence_s, partial(self._ask, unit=unit, pdu=pdu))
        self._line.traffic.bad_frames += self._receiver.bad
        self._receiver.bad = 0

    def _ask(self, now_s: float, unit: int, pdu: bytes) -> None:
        for delay_s, data in self._line.answers(unit, pdu):
            self._at(now_s + delay_s, partial(self._begin, data=data))

    def _begin(self, now_s: float, data: bytes) -> None:
        """Puts an answer on the line, piece by piece; two answers never overlap."""
        when_s = max(now_s, self._line_free_s)
        for i in range(0, len(data), PIECE_CHARACTERS):
            piece = data[i : i + PIECE_CHARACTERS]
            when_s += len(piece) * self._line.character_s
            self._at(when_s, partial(self._send, piece=piece))
        self._line_free_s = self._answered_s = when_s
        self._line.traffic.answers += 1

    def _disturb(self, data: bytes) -> None:
        """Noise: it lies between the pieces of an answer, and before a request that the devices are just hearing."""
        if self._unheard():
            return
        when_s = self._last_byte_s = time.perf_counter()
        for i in range(0, len(data), PIECE_CHARACTERS):
            piece = data[i : i + PIECE_CHARACTERS]
            when_s += len(piece) * self._line.character_s
            self._at(when_s, partial(self._send, piece=piece))
        self._judge(self._receiver.feed(data))

    def _unheard(self) -> bool:
        """True when the last burst lies there unread: no port is open, and what comes to a closed port is gone."""
        waiting = int.from_bytes(fcntl.ioctl(self._slave, termios.FIONREAD, bytes(4)), sys.byteorder)
        if waiting:
            termios.tcflush(self._slave, termios.TCIFLUSH)
        return waiting > 0

    def _send(self, _now_s: float, piece: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # nobody reads: the bytes are lost, as on a line
            os.write(self._master, piece)
