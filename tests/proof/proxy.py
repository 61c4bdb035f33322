"""A TCP proxy between gateway and broker that stalls without a word, cuts, and says from which address each connection came."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType

from simulators.broker import free_port


class Proxy:
    """Forwards 127.0.0.1:port to 127.0.0.1:target. peers: local addresses of all clients so far, in order.

    stalled: nothing is read or passed on any more, and no connection is closed, as behind a dead router.
    piece_bytes, delay_s: how much is passed on at once, and how long each piece takes; together a slow link or broker.
    """

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.peers: list[str] = []
        self.piece_bytes = 65536
        self.delay_s = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._target = target
        self._open = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def stall(self) -> None:
        """Pass nothing on from now on."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def resume(self) -> None:
        """Pass on again, what waits included."""
        self._loop.call_soon_threadsafe(self._open.set)

    def cut(self) -> None:
        """Break every connection there is, with a reset; new ones are taken."""
        self._loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)

    def _run(self) -> None:
        self._task = self._loop.create_task(self._serve())
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        rest = asyncio.all_tasks(self._loop)
        for task in rest:
            task.cancel()
        if rest:
            self._loop.run_until_complete(asyncio.wait(rest))
            self._loop.run_until_complete(asyncio.sleep(0.05))  # transports close in the rounds after
        self._loop.close()

    async def _serve(self) -> None:
        self._open.set()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self._ready.set()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.peers.append(writer.get_extra_info("peername")[0])
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(self._pass(reader, far_writer))
                    ways.create_task(self._pass(far_reader, writer))
            finally:
                far_writer.transport.abort()
        except OSError:
            pass  # the broker is down: the client sees its connection closed
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on until either end closes; a stalled proxy closes nothing."""
        with contextlib.suppress(OSError):
            while data := await reader.read(self.piece_bytes):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        await self._open.wait()
        writer.close()
