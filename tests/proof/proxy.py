"""The simulators' way that can go wrong, for tests that run no event loop: it has a thread with one of its own."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

from simulators.network import Link


class Proxy:
    """Forwards 127.0.0.1:port to 127.0.0.1:target. Use as a context manager."""

    def __init__(self, target: int) -> None:
        self._link = Link(0, target)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def port(self) -> int:
        return self._link.port

    @property
    def url(self) -> str:
        return self._link.url

    @property
    def peers(self) -> list[str]:
        """Local addresses of all clients so far, in order."""
        return [host for host, _ in self._link.peers]

    def stall(self) -> None:
        """Pass nothing on from now on, close nothing, as behind a dead router."""
        self._loop.call_soon_threadsafe(self._link.stall)

    def resume(self) -> None:
        """Pass on again, what waits included."""
        self._loop.call_soon_threadsafe(self._link.resume)

    def cut(self) -> None:
        """Break every connection there is, with a reset; new ones are taken."""
        self._loop.call_soon_threadsafe(self._link.cut)

    def throttle(self, bytes_per_s: int) -> None:
        """A slow link or broker; 0: as quick as ever."""
        self._link.bytes_per_s = bytes_per_s

    def __enter__(self) -> Proxy:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._link.start(), self._loop).result(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._down(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _down(self) -> None:
        await self._link.stop()
        await asyncio.sleep(0.05)  # transports close in the rounds after
