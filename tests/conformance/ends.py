"""The device's end of a wire, in the test's event loop: a pseudo-terminal behind a link, or a listening TCP port."""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

Receive = Callable[[bytes], None]


class End(Protocol):
    """Where a device is plugged in. Nothing happens when bytes are said while nobody is there."""

    receive: Receive

    async def plug(self) -> None: ...

    def pull(self) -> None: ...

    def say(self, data: bytes) -> None: ...


class PtyEnd:
    """A serial port that the line finds by a link, as a by-path name would be."""

    def __init__(self, link: Path) -> None:
        self.receive: Receive = lambda data: None
        self.link = link
        self._master = self._slave = -1

    async def plug(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.link.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def _readable(self) -> None:
        self.receive(os.read(self._master, 4096))

    def pull(self) -> None:
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        self.link.unlink()
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def say(self, data: bytes) -> None:
        if self._master >= 0:
            try:
                os.write(self._master, data)
            except BlockingIOError:
                pass  # nobody reads: a real line forgets it, too


class TcpEnd:
    """A listening port that keeps its number; the newest connection is the one that is spoken to."""

    def __init__(self) -> None:
        self.receive: Receive = lambda data: None
        self.port = 0
        self._server: asyncio.Server | None = None
        self._peers: list[asyncio.Transport] = []

    async def plug(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Peer(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def pull(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in self._peers:
            transport.abort()
        self._peers.clear()

    def say(self, data: bytes) -> None:
        if self._peers and not self._peers[-1].is_closing():
            self._peers[-1].write(data)

    def came(self, transport: asyncio.Transport) -> None:
        self._peers.append(transport)

    def left(self, transport: asyncio.BaseTransport | None) -> None:
        self._peers = [peer for peer in self._peers if peer is not transport]


class _Peer(asyncio.Protocol):
    def __init__(self, end: TcpEnd) -> None:
        self._end = end
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._end.came(transport)

    def data_received(self, data: bytes) -> None:
        self._end.receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.left(self._transport)
