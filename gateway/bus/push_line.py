"""A line with one device that speaks in frames of its own, on a serial port or on TCP. In the event loop, without a thread.

What comes is handed to a splitter, which finds the frames; each one is reported with `sink.heard`. The device is up with
its first frame, or with the open port where it may be silent for ever (then `heard` is told None once). After `silent_s`
without a frame it is down, and its opening bytes are sent again, because it may have lost power and with it its mode.
A port or peer that is lost is opened again by the same path within `REOPEN_S`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from gateway.bus.counters import LineCounters
from gateway.bus.serial_line import SerialSettings, open_port
from gateway.core.errors import PortLost
from gateway.core.said import about
from gateway.core.wire import Block, Exchange, Failure, LineSink, Outcome

log = logging.getLogger(__name__)

REOPEN_S = 0.8
LOOK_S = 1.0  # a line with nothing to do still tells the watchdog that it lives
RECEIVE_BYTES = 4096
KEEPALIVE = ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 5))  # seconds, seconds, probes
UNSENT_MOST = 4096  # bytes that a TCP peer has not taken: nobody reads at the other end

Receive = Callable[[bytes], None]
End = Callable[[str], None]


class FrameFinder(Protocol):
    """Finds frames in a stream of bytes. quiet_s: silence after which `flush` is due. rejected_frames: dropped so far."""

    rejected_frames: int
    quiet_s: float

    @property
    def pending(self) -> bool:
        """True while bytes wait for more, or for silence."""
        ...

    def feed(self, received: bytes) -> list[bytes]:
        """Take what arrived; the frames that are whole now."""
        ...

    def flush(self) -> list[bytes]:
        """The line was silent for `quiet_s`; the frames that silence ends."""
        ...

    def reset(self) -> None:
        """Forget what was received: the connection is new."""
        ...


class Wire(Protocol):
    """One open port or connection."""

    def write(self, data: bytes) -> None:
        """Send now. PortLost when the other end takes nothing."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class Opener(Protocol):
    """Where the device is."""

    async def open(self, receive: Receive, end: End) -> Wire:
        """A new wire; it calls `receive` with what comes and `end` once with why it ended. PortLost when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class PushDevice:
    """What the line must know of its device. answer: frame -> what to send back at once, empty for nothing.

    silent_s: no frame for so long means lost; 0 where the device may be silent for ever. opening: sent when the port is opened.
    """

    device: str
    splitter: FrameFinder
    opening: Sequence[bytes] = ()
    polls: Sequence[Block] = ()
    silent_s: float = 0.0
    answer: Callable[[bytes], bytes] | None = None


class SerialPort:
    """A serial port by its stable path."""

    def __init__(self, path: str, settings: SerialSettings) -> None:
        self._path, self._settings = path, settings

    async def open(self, receive: Receive, end: End) -> Wire:
        """The port, exclusively."""
        return _SerialWire(self._path, self._settings, receive, end)


class _SerialWire:
    def __init__(self, path: str, settings: SerialSettings, receive: Receive, end: End) -> None:
        self._port = open_port(path, settings)
        self._receive, self._end = receive, end
        self._fd = self._port.fileno()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            data, reason = b"", f"the port is gone: {error.strerror}"
        else:
            reason = "the port is gone: end of file"
        if data:
            self._receive(data)
        else:
            self._loop.remove_reader(self._fd)  # a port that is gone stays readable for ever
            self._end(reason)

    def write(self, data: bytes) -> None:
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise PortLost(f"the port takes no bytes: {error.strerror}") from error
        if sent != len(data):
            raise PortLost(f"the port took {sent} of {len(data)} bytes: nobody reads at the other end")

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        self._port.close()


class TcpPeer:
    """A converter or device that listens on TCP and passes its bytes on as they are."""

    def __init__(self, host: str, port: int, connect_timeout_s: float = 2.0) -> None:
        self._host, self._port, self._timeout_s = host, port, connect_timeout_s

    async def open(self, receive: Receive, end: End) -> Wire:
        """A connection; a half-open one is found by keepalive probes."""
        loop = asyncio.get_running_loop()
        where = f"{self._host}:{self._port}"
        try:
            async with asyncio.timeout(self._timeout_s):
                _, protocol = await loop.create_connection(lambda: _TcpWire(receive, end), self._host, self._port)
        except TimeoutError as error:
            raise PortLost(f"{where} does not answer within {self._timeout_s:g} s") from error
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)  # asyncio words it after its own call
            raise PortLost(f"cannot connect to {where}: {reason}") from error
        return protocol


class _TcpWire(asyncio.Protocol):
    def __init__(self, receive: Receive, end: End) -> None:
        self._receive, self._end = receive, end
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        stream: socket.socket = transport.get_extra_info("socket")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            stream.setsockopt(socket.IPPROTO_TCP, option, value)

    def data_received(self, data: bytes) -> None:
        self._receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(f"connection lost: {getattr(exc, 'strerror', None) or exc}" if exc else "connection closed by the peer")

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        if self._transport.is_closing() or self._transport.get_write_buffer_size() > UNSENT_MOST:
            raise PortLost("the peer takes no bytes")
        self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class PushLine:
    """One port or peer with its one device."""

    def __init__(self, bus_id: str, device: PushDevice, opener: Opener, sink: LineSink) -> None:
        """The sink is called in the event loop's thread."""
        self.bus_id = bus_id
        self.counters = LineCounters()
        self.connected = asyncio.Event()
        self._device = device
        self._opener = opener
        self._sink = sink
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wire: Wire | None = None
        self._ended: asyncio.Future[str] | None = None
        self._flush: asyncio.TimerHandle | None = None
        self._up: bool | None = None  # as told
        self._lost_s: float | None = None
        self._heard_s = 0.0  # last frame, or last opening
        self._rejected = 0
        self._due_s: list[float] = []  # of each poll

    # --- the wire -----------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the port open and listen until cancelled; what the sink raises is raised here."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._ended = ended = self._loop.create_future()
            try:
                self._wire = await self._opener.open(self._received, partial(_settle, ended))
                self._begin()
                await self._attend(ended)
                reason = ended.result()
            except PortLost as error:
                reason = str(error)
            finally:
                self._close()
            self._lose(reason)
            await asyncio.sleep(REOPEN_S)

    def _begin(self) -> None:
        now_s = self._now()
        if self._lost_s is not None:
            log.info("line %s: back after %.1f s", self.bus_id, now_s - self._lost_s, extra=about(line=self.bus_id))
            self._lost_s = None
        self.connected.set()
        self._up = None  # nobody knows until it is told anew
        self._device.splitter.reset()
        self._rejected = self._device.splitter.rejected_frames
        self._due_s = [now_s for _ in self._device.polls]
        self._open_device(now_s)
        if not self._device.silent_s:
            self._link(True, "", now_s)
            self._sink.heard(self._device.device, None, now_s)

    def _open_device(self, now_s: float) -> None:
        self._heard_s = now_s
        for message in self._device.opening:
            self._write(message)

    async def _attend(self, ended: asyncio.Future[str]) -> None:
        """Poll and watch for silence until the wire ends."""
        while not ended.done():
            now_s = self._now()
            self.counters.last_attempt_s = now_s
            wake_s = min(now_s + LOOK_S, self._poll(now_s), self._watch(now_s))
            await asyncio.wait([ended], timeout=max(0.0, wake_s - self._now()))

    def _poll(self, now_s: float) -> float:
        """Send the polls that are due; returns when the next one is."""
        for n, block in enumerate(self._device.polls):
            if now_s >= self._due_s[n]:
                self._write(block.request)
                self._due_s[n] = max(self._due_s[n] + block.period_s, now_s)
        return min(self._due_s, default=now_s + LOOK_S)

    def _watch(self, now_s: float) -> float:
        """Tell when the device has been silent for too long; returns when to look again."""
        silent_s = self._device.silent_s
        if not silent_s:
            return now_s + LOOK_S
        if now_s >= self._heard_s + silent_s:
            self.counters.count(Outcome(b"", Failure.NO_ANSWER, now_s))
            self._link(False, str(Failure.NO_ANSWER), now_s)
            self._open_device(now_s)
        return self._heard_s + silent_s

    def _end(self, reason: str) -> None:
        if self._ended is not None:
            _settle(self._ended, reason)

    def _close(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        self.connected.clear()
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _lose(self, reason: str) -> None:
        now_s = self._now()
        self.counters.count(Outcome(b"", Failure.PORT_LOST, now_s, detail=reason))
        if self._lost_s is not None:
            return
        self._lost_s = now_s
        self.counters.port_losses += 1
        log.warning("line %s: %s; trying again each %g s", self.bus_id, reason, REOPEN_S, extra=about(line=self.bus_id))
        self._link(False, f"{Failure.PORT_LOST}: {reason}", now_s)

    def _link(self, up: bool, reason: str, now_s: float) -> None:
        if up is self._up and (up or self._lost_s is None):
            return
        self._up = up
        self._sink.device_link(self._device.device, up, reason, now_s)

    def _now(self) -> float:
        assert self._loop is not None
        return self._loop.time()

    def worst_s(self) -> dict[tuple[str, str], float]:
        """Empty: a device that speaks unasked is not sampled."""
        return {}

    # --- what is sent -------------------------------------------------------------------

    def submit(self, exchange: Exchange) -> asyncio.Future[Outcome]:
        """Send once. Devices of this kind confirm nothing: it ends well when the bytes are sent, or with PORT_LOST."""
        loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        now_s = loop.time()
        outcome = Outcome(b"", None, now_s)
        try:
            self._write(exchange.request)
        except PortLost as error:
            outcome = Outcome(b"", Failure.PORT_LOST, now_s, detail=str(error))
            self._end(str(error))
        self.counters.count(outcome)
        future.set_result(outcome)
        return future

    def _write(self, data: bytes) -> None:
        if self._wire is None:
            raise PortLost("the port is not open")
        self._wire.write(data)

    # --- what comes ---------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        self._hand_on(lambda: self._device.splitter.feed(data))
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        if self._device.splitter.pending and self._loop is not None:
            self._flush = self._loop.call_later(self._device.splitter.quiet_s, self._silence)

    def _silence(self) -> None:
        self._flush = None
        self._hand_on(self._device.splitter.flush)

    def _hand_on(self, frames: Callable[[], list[bytes]]) -> None:
        """Report the frames; what that raises ends run()."""
        try:
            for frame in frames():
                self._frame(frame)
            self._count_rejected()
        except PortLost as error:
            self._end(str(error))
        except BaseException as error:
            if self._ended is not None and not self._ended.done():
                self._ended.set_exception(error)
            raise

    def _frame(self, frame: bytes) -> None:
        self._heard_s = now_s = self._now()
        self.counters.count(Outcome(frame, None, now_s))
        self._link(True, "", now_s)
        self._sink.heard(self._device.device, frame, now_s)
        if self._device.answer is not None and (answer := self._device.answer(frame)):
            self._write(answer)

    def _count_rejected(self) -> None:
        splitter = self._device.splitter
        for _ in range(splitter.rejected_frames - self._rejected):
            self.counters.count(Outcome(b"", Failure.BAD_FRAME, self._now()))
        self._rejected = splitter.rejected_frames


def _settle(ended: asyncio.Future[str], reason: str) -> None:
    if not ended.done():
        ended.set_result(reason)
