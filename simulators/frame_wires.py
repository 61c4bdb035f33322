"""The wires of devices that speak in frames of their own: a serial line behind a pty, or a TCP port of a converter.

Frames leave in small pieces at the pace of the baud rate, one behind the other, with the silence between them that they need.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import os
import pty
import tty
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from simulators.errors import SimError
from simulators.frame_device import FrameDevice
from simulators.serial_line import BITS_A_CHARACTER, PIECE_CHARACTERS, refuse_foreign
from simulators.wires import WireTraffic

UPLOAD_S = 1.0  # how often a device uploads that does so by itself
UPLOADS_IN_SILENCE = 3  # and so often at least within the silence after which it counts as lost
QUIET_MARGIN = 1.5


class FrameWire(abc.ABC):
    """What both wires have in common: the devices' frames, paced, and uploads."""

    def __init__(self, devices: Sequence[FrameDevice], character_s: float = 0.0) -> None:
        self.traffic = WireTraffic()
        self.devices = list(devices)
        self._character_s = character_s
        self._quiet_s = QUIET_MARGIN * max((device.quiet_s for device in devices), default=0.0)
        self._free_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        for device in devices:
            device.on_frame.append(self._said)

    @property
    def plugged(self) -> bool:
        return self._loop is not None

    async def start(self) -> None:
        """Opens the wire. SimError when it cannot."""
        if self._loop is None:
            await self._open()
            self._loop = asyncio.get_running_loop()
            self._free_s = 0.0
            for device in self.devices:
                if device.profile.uploads:
                    self._upload(device)

    async def stop(self) -> None:
        """Closes the wire, as one that is pulled out."""
        if self._loop is not None:
            self._loop = None
            for timer in self._timers.values():
                timer.cancel()
            self._close()

    def noise(self, data: bytes) -> None:
        """Bytes that no device meant, at once, no matter who speaks."""
        self._write_if_plugged(data)

    @abc.abstractmethod
    async def _open(self) -> None:
        """Make the pty or the port."""

    @abc.abstractmethod
    def _close(self) -> None:
        """Take it away."""

    @abc.abstractmethod
    def _write(self, data: bytes) -> None:
        """Bytes of a device, now."""

    def _heard(self, data: bytes) -> None:
        self.traffic.requests += 1
        for device in self.devices:
            device.heard(data)

    def _upload(self, device: FrameDevice) -> None:
        if self._loop is not None:
            device.upload()
            every_s = min(UPLOAD_S, device.profile.silent_s / UPLOADS_IN_SILENCE)
            self._timers[device.id] = self._loop.call_later(every_s, self._upload, device)

    def _said(self, delay_s: float, data: bytes) -> None:
        """A device says something, in any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._queue, delay_s, data)

    def _queue(self, delay_s: float, data: bytes) -> None:
        loop = self._loop
        if loop is None:
            return
        self.traffic.answers += 1
        when_s = max(loop.time() + delay_s, self._free_s)
        step = PIECE_CHARACTERS if self._character_s else len(data) or 1
        for i in range(0, len(data), step):
            piece = data[i : i + step]
            when_s += len(piece) * self._character_s
            loop.call_at(when_s, self._write_if_plugged, piece)
        self._free_s = when_s + self._quiet_s

    def _write_if_plugged(self, data: bytes) -> None:
        if self._loop is not None:
            self._write(data)


class SerialFrames(FrameWire):
    """A serial line. link: symlink at which the gateway finds the pty."""

    def __init__(self, link: Path, baud: int, devices: Sequence[FrameDevice]) -> None:
        super().__init__(devices, BITS_A_CHARACTER / baud)
        self.link = link
        self._master = self._slave = -1

    @property
    def address(self) -> str:
        """Where the gateway finds it."""
        return str(self.link)

    async def _open(self) -> None:
        refuse_foreign(self.link)
        self._master, self._slave = pty.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        try:
            self.link.unlink(missing_ok=True)
            self.link.symlink_to(os.ttyname(self._slave))
        except OSError as error:
            self._close_both()
            raise SimError(f"cannot make {self.link}: {error.strerror}") from error
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def _close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        with contextlib.suppress(OSError):
            if str(self.link.readlink()) == os.ttyname(self._slave):
                self.link.unlink()
        self._close_both()

    def _close_both(self) -> None:
        os.close(self._master)
        os.close(self._slave)

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._heard(os.read(self._master, 4096))

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # nobody reads: the bytes are lost, as on a line
            os.write(self._master, data)


class TcpFrames(FrameWire):
    """A converter that passes a device's bytes through TCP; everybody who is connected gets them. port 0 takes a free one."""

    def __init__(self, host: str, port: int, devices: Sequence[FrameDevice]) -> None:
        super().__init__(devices)
        self.host = host
        self.port = port
        self._server: asyncio.Server | None = None
        self._open_ones: set[asyncio.Transport] = set()

    @property
    def address(self) -> str:
        """Where the gateway finds it."""
        return f"{self.host}:{self.port}"

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(partial(_Client, self), self.host, self.port, reuse_address=True)
        except OSError as error:
            raise SimError(f"cannot listen on {self.address}: {error.strerror or error}") from error
        self.port = self._server.sockets[0].getsockname()[1]

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in list(self._open_ones):
            transport.abort()

    def _write(self, data: bytes) -> None:
        for transport in self._open_ones:
            transport.write(data)

    def opened(self, transport: asyncio.Transport) -> None:
        self._open_ones.add(transport)
        self.traffic.connections += 1

    def closed(self, transport: asyncio.Transport) -> None:
        self._open_ones.discard(transport)

    def received(self, data: bytes) -> None:
        self._heard(data)


class _Client(asyncio.Protocol):
    """One who is connected."""

    def __init__(self, wire: TcpFrames) -> None:
        self._wire = wire
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._wire.opened(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._wire.closed(self._transport)

    def data_received(self, data: bytes) -> None:
        self._wire.received(data)
