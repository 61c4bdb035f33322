"""Whose password is checked next. Checking is dear (argon2id: 32 MB, a part of a second of one core), so one is checked at a time.

Who floods the form with wrong passwords must not keep the others out: the line is short, one address has few places in it, and a
browser that is signed in goes before all strangers.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LINE_MOST = 12  # strangers that wait: a Pi checks about four passwords a second
ADDRESS_MOST = 2  # of one address, the one that is checked included
SESSION_MOST = 1


class TooMany(Exception):
    """The line is long enough, or this one stands in it already."""


class Passwords:
    """The line. Whoever has a turn checks a password and leaves."""

    def __init__(self) -> None:
        self._busy = False
        self._known: deque[asyncio.Future[None]] = deque()
        self._strangers: deque[asyncio.Future[None]] = deque()
        self._asking: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, address: str, session: str = "") -> AsyncIterator[None]:
        """Wait for a turn. session: token of a session that is open, which goes first; '' for a stranger. Raises TooMany."""
        line, who, most = (self._known, f"session {session}", SESSION_MOST) if session else (self._strangers, place(address), ADDRESS_MOST)
        if self._asking[who] >= most or (not session and len(line) >= LINE_MOST):
            raise TooMany
        self._asking[who] += 1
        try:
            await self._wait(line)
            try:
                yield
            finally:
                self._next()
        finally:
            self._asking[who] -= 1
            if not self._asking[who]:
                del self._asking[who]

    async def _wait(self, line: deque[asyncio.Future[None]]) -> None:
        if not self._busy:
            self._busy = True
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._next()  # it was this one's turn already
            raise

    def _next(self) -> None:
        for line in (self._known, self._strangers):
            while line:
                following = line.popleft()
                if not following.done():
                    following.set_result(None)
                    return
        self._busy = False


def place(address: str) -> str:
    """What counts as one address: an IPv4 address, or the 64 bits of an IPv6 network that one computer may fill."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address):
        return str(known.ipv4_mapped or ipaddress.ip_network((known, 64), strict=False))
    return str(known)
