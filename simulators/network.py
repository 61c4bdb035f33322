"""A TCP way that can go wrong: a proxy between a client (the gateway) and a server (the broker), on loopback.

Both ends have real sockets. Whatever goes wrong, bytes that pass are in order and whole; where some are lost (half-open, swallowed
acknowledgements) they are lost as a dead router or a lying broker would lose them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Mapping
from typing import Any

from simulators.errors import SimError
from simulators.mqtt_packets import MqttCutter

LOOPBACK = "127.0.0.1"
PIECE_BYTES = 65_536
PIECES_HELD = 64  # each way; beyond it the sender has to wait, as with full buffers on the way
THROTTLE_STEPS_PER_S = 20
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST


class Link:
    """Forwards 127.0.0.1:port to a target. port 0 takes a free one; `port` says which. Kinds of trouble: `vocabulary.NETWORK`.

    peers: (local address, port) of each client so far. sent_bytes, received_bytes: passed on to the target, and back.
    """

    def __init__(self, port: int, target_port: int, target_host: str = LOOPBACK) -> None:
        self.port = port
        self.target = (target_host, target_port)
        self.peers: list[tuple[str, int]] = []
        self.sent_bytes = self.received_bytes = self.swallowed = 0
        self.delay_s = 0.0
        self.bytes_per_s = 0
        self._open = asyncio.Event()
        self._open.set()
        self._lossy = self._deaf = False
        self._server: asyncio.Server | None = None
        self._passages: set[_Passage] = set()

    @property
    def url(self) -> str:
        return f"mqtt://{LOOPBACK}:{self.port}"

    @property
    def connections(self) -> int:
        """Clients that are connected now."""
        return len(self._passages)

    async def start(self) -> None:
        """Listens. SimError when the port is busy."""
        if self._server is not None:
            return
        try:
            self._server = await asyncio.start_server(self._connected, LOOPBACK, self.port)
        except OSError as error:
            raise SimError(f"cannot listen on {LOOPBACK}:{self.port}: {error.strerror or error}") from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Closes the port, resets every connection, and waits until all are gone."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        self._open.set()
        await asyncio.gather(*(passage.ended.wait() for passage in self._passages))

    # --- what goes wrong ---------------------------------------------------------------------------

    async def begin(self, kind: str, options: Mapping[str, Any]) -> None:
        """One trouble, on top of what there is. ValueError where it cannot be."""
        match kind:
            case "delay":
                self.delay_s = options["ms"] / 1000
            case "throttle":
                self.bytes_per_s = options["bytes_per_s"]
            case "stall":
                self.stall()
            case "half-open":
                self._lossy = True
            case "refuse":
                await self.stop()
            case "cut":
                self.cut()
            case "never-acknowledge":
                if any(passage.is_opaque for passage in self._passages):
                    raise ValueError("what passes here is not plain MQTT: its acknowledgements cannot be told apart")
                self._deaf = True
            case _:
                raise ValueError(f"no trouble {kind!r} on a network")

    async def end(self, kind: str) -> None:
        """That trouble is over. Connections that lost bytes are reset: the two ends do not know each other any more."""
        match kind:
            case "delay":
                self.delay_s = 0.0
            case "throttle":
                self.bytes_per_s = 0
            case "stall":
                self.resume()
            case "half-open":
                self._lossy = False
                for passage in tuple(self._passages):
                    if passage.has_lost:
                        passage.reset()
            case "refuse":
                await self.start()
            case "never-acknowledge":
                self._deaf = False

    def stall(self) -> None:
        """Nothing is passed on from now on, and no end of a connection is told."""
        self._open.clear()

    def resume(self) -> None:
        """Pass on again, what waits included."""
        self._open.set()

    def cut(self) -> None:
        """Resets every connection there is; new ones are taken."""
        for passage in tuple(self._passages):
            passage.reset()

    # --- for its connections -----------------------------------------------------------------------

    @property
    def is_lossy(self) -> bool:
        return self._lossy

    def let_through(self, packets: list[bytes]) -> bytes:
        """What of the server's packets reaches the client."""
        if not self._deaf:
            return b"".join(packets)
        kept = [packet for packet in packets if packet[0] >> 4 not in (4, 5)]  # PUBACK, PUBREC
        self.swallowed += len(packets) - len(kept)
        return b"".join(kept)

    async def while_open(self) -> None:
        """Waits while it is stalled."""
        await self._open.wait()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = writer.get_extra_info("peername")[:2]
        self.peers.append((host, port))
        passage = _Passage(self, reader, writer)
        self._passages.add(passage)
        try:
            await passage.run()
        finally:
            self._passages.discard(passage)
            passage.ended.set()


class _Passage:
    """One client's connection and the one to the server that belongs to it."""

    def __init__(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._link = link
        self._reader, self._writer = reader, writer
        self._far: asyncio.StreamWriter | None = None
        self._cutter = MqttCutter()
        self.has_lost = False
        self.ended = asyncio.Event()

    @property
    def is_opaque(self) -> bool:
        """What comes from the server is no MQTT that can be read here."""
        return self._cutter.is_opaque

    def reset(self) -> None:
        """Ends it with RST at both ends."""
        for writer in (self._writer, self._far):
            if writer is not None and not writer.transport.is_closing():
                with contextlib.suppress(OSError):
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()

    async def run(self) -> None:
        try:
            if self._link.is_lossy:
                return await self._swallow()
            far_reader, self._far = await asyncio.open_connection(*self._link.target)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._way(self._reader, self._far, up=True))
                ways.create_task(self._way(far_reader, self._writer, up=False))
        except* OSError:
            pass  # the server is away, or one end has gone: the other sees its connection closed
        finally:
            for writer in (self._writer, self._far):
                if writer is not None:
                    writer.transport.abort()

    async def _swallow(self) -> None:
        """Takes all that is sent, answers nothing, closes nothing."""
        self.has_lost = True
        while await self._reader.read(PIECE_BYTES):
            pass

    async def _way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        """One direction: pieces wait in line until each is due."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES_HELD)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._read(reader, line, up=up))
            both.create_task(self._write(line, writer, up=up))

    async def _read(self, reader: asyncio.StreamReader, line: asyncio.Queue[tuple[float, bytes]], *, up: bool) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(PIECE_BYTES):
                await line.put((loop.time() + self._link.delay_s, data))
        except OSError:
            pass  # reset by that end: the other end is told as of a close
        await line.put((loop.time() + self._link.delay_s, b""))

    async def _write(self, line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, *, up: bool) -> None:
        loop = asyncio.get_running_loop()
        link = self._link
        while True:
            due_s, data = await line.get()
            await asyncio.sleep(due_s - loop.time())
            await link.while_open()
            if link.is_lossy:
                self.has_lost = True
                if not data:
                    return
                continue
            if not data:
                writer.close()
                return
            await self._send(data if up else link.let_through(self._cutter.feed(data)), writer, up=up)

    async def _send(self, data: bytes, writer: asyncio.StreamWriter, *, up: bool) -> None:
        link = self._link
        while data:
            step = max(1, link.bytes_per_s // THROTTLE_STEPS_PER_S) if link.bytes_per_s else len(data)
            if link.bytes_per_s:
                await asyncio.sleep(min(step, len(data)) / link.bytes_per_s)
                await link.while_open()
            piece, data = data[:step], data[step:]
            writer.write(piece)
            await writer.drain()
            if up:
                link.sent_bytes += len(piece)
            else:
                link.received_bytes += len(piece)
