"""Whether the guard-room page can be opened: its address and its certificate, and what its process says about them to the daemon.

A page that cannot come up does not end: it says why, and tries again. So it is a fault of its own (`gw-page`), and no loop of restarts.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config.settings import Settings
from gateway.core.errors import DoorRefused, Retryable
from gateway.runtime.door import PageWord, ask

if TYPE_CHECKING:
    from gateway.config.site import Console

PAGE_POINT = "gw-page"
SAYS_S = 5.0  # the page's process says this often whether it can be opened
SILENT_S = 30.0  # systemd starts a process that has ended after 5 s; a small board takes some more
START_S = 60.0  # from the daemon's start to the first word
LOOK_S = 1.0
HELD_UP_S = 3.0  # from one look to the next: the daemon itself did not run
SILENT = "the page's process says nothing"
TRIES_FIRST_S, TRIES_LAST_S = 1.0, 60.0  # between two tries to come up
BACKLOG = 100


class PageRefused(Retryable):
    """The page cannot come up now; the message says why."""


# --- its address and its certificate ------------------------------------------------------------


def certificate_trouble(settings: Settings, console: Console) -> str:
    """Why its certificate and key cannot be used, '' where they can, or where it has none. PermissionError: they may not be read here."""
    if not console.cert_file:
        return ""
    cert, key = settings.beside(console.cert_file), settings.beside(console.key_file)
    for path in (cert, key):
        try:
            path.open("rb").close()
        except PermissionError:
            raise
        except OSError as error:
            return f"{path} cannot be read: {error.strerror}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: "")  # nobody is asked for one
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        return f"{cert} and {key} are no certificate and its key without password, in PEM"
    return ""


def sockets_of(console: Console) -> list[socket.socket]:
    """Listening at every address of its host. Raises PageRefused."""
    where = f"[{console.host}]:{console.port}" if ":" in console.host else f"{console.host}:{console.port}"
    found: list[socket.socket] = []
    try:
        infos = socket.getaddrinfo(console.host, console.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in infos:
            one = socket.socket(family, kind, protocol)
            found.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                one.bind(address)
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL or len(infos) == 1:
                    raise
                found.remove(one)  # localhost where IPv6 is switched off
                one.close()
                continue
            one.listen(BACKLOG)
    except OSError as error:
        for one in found:
            one.close()
        raise PageRefused(f"{where} cannot be used: {error.strerror}") from error
    if not found:
        raise PageRefused(f"{where} cannot be used: Cannot assign requested address")
    return found


# --- what its process says ----------------------------------------------------------------------


class Page:
    """In the page's own process. trouble: why it cannot be opened, '' when it can; None before it was tried."""

    def __init__(self, door: Path) -> None:
        self._door = door
        self.trouble: str | None = None
        self._news = asyncio.Event()

    def now(self, trouble: str) -> bool:
        """This is how it is now; True where that is new."""
        fresh = trouble != self.trouble
        self.trouble = trouble
        if fresh:
            self._news.set()
        return fresh

    async def say(self) -> None:
        """Tell the daemon until cancelled: at once when it changes, and every few seconds."""
        while True:
            self._news.clear()
            if self.trouble is not None:
                with suppress(DoorRefused, OSError, ValueError):
                    await ask(self._door, {"op": "page", "trouble": self.trouble}, SAYS_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(SAYS_S):
                    await self._news.wait()


# --- what the daemon makes of it ----------------------------------------------------------------


def judged(word: PageWord, awake_s: float, now_s: float) -> str | None:
    """Why nobody can open the page, '' where it is open, None while that is not known yet.

    Times are monotonic; awake_s: since when the daemon could hear it: its start, or when it went on after it had been held up.
    """
    if not word.now_s:
        return SILENT if now_s - awake_s > START_S else None
    return SILENT if now_s - max(word.now_s, awake_s) > SILENT_S else word.trouble


async def watch(word: PageWord, begun_s: float, fault: Callable[[bool, str], None]) -> None:
    """Until cancelled: fault(active, reason) at each change. begun_s: the daemon's start, monotonic."""
    told: str | None = None
    awake_s, looked_s = begun_s, time.monotonic()
    while True:
        now_s = time.monotonic()
        if now_s - looked_s > HELD_UP_S:
            awake_s = now_s
        looked_s = now_s
        found = judged(word, awake_s, now_s)
        if found is not None and found != told:
            told = found
            fault(bool(found), found)
        await asyncio.sleep(LOOK_S)
