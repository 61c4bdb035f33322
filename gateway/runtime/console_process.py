"""`campus-gateway console`: the guard-room page, a process of its own beside the daemon.

It hears what is shown over the daemon's control socket, and says there what people do. So a page that is attacked or slow never
touches an alarm, and it stays up while the daemon is away and says so.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import os
import signal
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

import uvicorn

from gateway.config.load import load_site
from gateway.config.settings import ConfigRefused, Settings
from gateway.console.accounts import Accounts
from gateway.console.app import Console
from gateway.core.errors import DoorRefused, DoorUnanswered
from gateway.runtime import logs
from gateway.runtime.console_archive import DiskArchive
from gateway.runtime.door import ask
from gateway.runtime.page import TRIES_FIRST_S, TRIES_LAST_S, Page, PageRefused, certificate_trouble, sockets_of

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from gateway.config.site import Console as ConsoleSettings

ACCOUNTS = "console-accounts.json"
AGAIN_S = 0.5
SILENT_S = 3.0  # the daemon says something each second
LINE_MOST_BYTES = 16_000_000
_PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


class DoorFeed:
    """The newest picture from the daemon's control socket. Satisfies gateway.console.app.Feed."""

    def __init__(self, door: Path) -> None:
        self._door = door
        self.picture: Mapping[str, Any] | None = None
        self.away = True
        self._number = 1
        self._news = asyncio.Condition()
        self._loud: dict[str, str] = {}

    async def changed(self, after: int) -> int:
        async with self._news:
            await self._news.wait_for(lambda: self._number != after)
            return self._number

    async def act(self, command: dict[str, Any]) -> tuple[bool, str]:
        try:
            answer = await ask(self._door, command)
        except DoorUnanswered:
            raise
        except DoorRefused as refused:
            return False, str(refused)
        return bool(answer.get("ok")), str(answer.get("text") or answer.get("error") or "")

    async def run(self) -> None:
        """Watch until cancelled; a daemon that has gone is asked for again and again."""
        while True:
            try:
                await self._watch()
            except (OSError, TimeoutError, ValueError, asyncio.LimitOverrunError) as error:
                if not self.away:
                    log.warning("no daemon at %s: %s", self._door, str(error) or type(error).__name__)
            await self._say(self.picture, away=True)
            await asyncio.sleep(AGAIN_S)

    async def _watch(self) -> None:
        reader, writer = await asyncio.open_unix_connection(self._door, limit=LINE_MOST_BYTES)
        try:
            writer.write(b'{"op": "watch", "who": "console"}\n')
            while True:
                async with asyncio.timeout(SILENT_S):
                    line = await reader.readline()
                if not line:
                    raise ConnectionResetError("it closed the connection")
                told = json.loads(line)
                if not told.get("ok"):
                    raise ValueError(str(told.get("error")))
                self._loud = logs.follow(told.get("log"), self._loud)
                if "picture" in told or self.away:
                    await self._say(told.get("picture", self.picture), away=False)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _say(self, picture: Mapping[str, Any] | None, *, away: bool) -> None:
        async with self._news:
            self.picture, self.away = picture, away
            self._number += 1
            self._news.notify_all()


def accounts_of(settings: Settings) -> Accounts:
    """The accounts of this site's page."""
    return Accounts(settings.state_dir / ACCOUNTS)


def hosts_of(console: ConsoleSettings) -> frozenset[str]:
    """The `Host` headers that a browser may send here."""
    names = {console.host, "localhost", "127.0.0.1", "::1", *console.names} - {"0.0.0.0", "::"}
    plain = {f"[{name}]" if ":" in name else name.lower() for name in names}
    return frozenset(plain | {f"{name}:{console.port}" for name in plain})


class _Server(uvicorn.Server):
    """uvicorn's server, which would end by raising the signal anew that asked it to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def _serve(settings: Settings, console: ConsoleSettings) -> int:
    feed = DoorFeed(settings.door_path)
    secure = bool(console.cert_file)
    archive = DiskArchive(settings, lambda cameras: ask(settings.door_path, {"op": "tiles", "cameras": cameras}))
    zone, hosts = settings.site.site.timezone, hosts_of(console)
    app = Console(feed, accounts_of(settings), zone, hosts, secure=secure, archive=archive).app()
    page = Page(settings.door_path)
    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(feed.run(), name="feed"), group.create_task(page.say(), name="page")]
        try:
            opened = await _opened(settings, console, app, page)
            if opened is not None:
                host = f"[{console.host}]" if ":" in console.host else console.host
                log.info("the page is at %s://%s:%d", "https" if secure else "http", host, console.port)
                config, sockets = opened
                await _Server(config).serve(sockets)
        finally:
            for task in beside:
                task.cancel()
            archive.close()
    return 0


async def _opened(settings: Settings, console: ConsoleSettings, app: Starlette, page: Page) -> tuple[uvicorn.Config, list[socket]] | None:
    """What serves the page, as soon as it can be served: until then the daemon is told why not. None when asked to stop meanwhile."""
    stop, pause_s = asyncio.Event(), TRIES_FIRST_S
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set():
        try:
            config = _configured(settings, console, app)
            sockets = sockets_of(console)
        except PageRefused as refused:
            if page.now(str(refused)):
                log.error("the page cannot be opened, it is tried again and again: %s", refused)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await stop.wait()
            pause_s = min(pause_s * 2, TRIES_LAST_S)
        else:
            page.now("")
            return config, sockets
    return None


def _configured(settings: Settings, console: ConsoleSettings, app: Starlette) -> uvicorn.Config:
    """With its certificate read. Raises PageRefused."""
    config = uvicorn.Config(
        app, host=console.host, port=console.port, log_config=None, access_log=False, server_header=False, lifespan="off",
        proxy_headers=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    if console.cert_file:
        try:
            trouble = certificate_trouble(settings, console)
        except PermissionError as error:
            trouble = f"{error.filename} cannot be read: {error.strerror}"
        if trouble:
            raise PageRefused(trouble)
        config.ssl_certfile, config.ssl_keyfile = str(settings.beside(console.cert_file)), str(settings.beside(console.key_file))
        config.ssl_version = ssl.PROTOCOL_TLS_SERVER
    config.load()
    return config


def main(site_path: str, state_dir: str | None, parent: int | None) -> int:
    """The command. 0 on SIGTERM or Ctrl-C, 2 for a site file that is refused or has no page. Where it cannot listen it goes on trying."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent is not None and os.getppid() != parent:
        return 0  # the daemon that started us is gone already
    logs.set_up()
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    try:
        settings = load_site(site_path, state_dir=state_dir)
    except ConfigRefused as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if settings.site.console is None:
        sys.stderr.write(f"{site_path}: has no [console]; add one to have the guard-room page\n")
        return 2
    return asyncio.run(_serve(settings, settings.site.console))
