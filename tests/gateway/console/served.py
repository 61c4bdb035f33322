"""The page's application behind a real server on a free port, and a browser-like client of it."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import uvicorn

from gateway.console.accounts import Accounts
from gateway.console.app import Console
from gateway.console.pages import Archive
from gateway.core.errors import DoorRefused
from gateway.rules.authority import NOTED

PASSWORD = "correct horse"


class Hand:
    """A feed that the test moves. commands: what was sent to the daemon."""

    def __init__(self, picture: Mapping[str, Any] | None) -> None:
        self.picture, self.away = picture, False
        self.commands: list[dict[str, Any]] = []
        self.answer: tuple[bool, str] | DoorRefused = (True, "done")
        self._number = 1

    @property
    def deeds(self) -> list[dict[str, Any]]:
        """The commands without what is only noted."""
        return [command for command in self.commands if command["command"] not in NOTED]

    def show(self, picture: Mapping[str, Any] | None, *, away: bool = False) -> None:
        self.picture, self.away = picture, away
        self._number += 1

    async def changed(self, after: int) -> int:
        while self._number == after:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # it is moved from the test's thread
        return self._number

    async def act(self, command: dict[str, Any]) -> tuple[bool, str]:
        self.commands.append(command)
        if isinstance(self.answer, DoorRefused):
            raise self.answer
        return self.answer


class Served:
    """now_s: the application's clock, moved by the test. port: 0 for any free one; a browser needs one that is given."""

    def __init__(self, folder: Path, hand: Hand, archive: Archive | None = None, port: int = 0) -> None:
        self.hand, self._archive, self.port = hand, archive, port
        self.now_s = 1000.0
        self.accounts = Accounts(folder / "accounts.json")
        for name, role in (("张三", "guard"), ("王主任", "duty_leader"), ("校长", "viewer")):
            self.accounts.add(name, role, PASSWORD)
        self._server: uvicorn.Server | None = None

    @contextmanager
    def running(self) -> Iterator[Served]:
        hosts = frozenset({"page.test", f"127.0.0.1:{self.port}"} if self.port else {"page.test"})
        console = Console(self.hand, self.accounts, "Asia/Shanghai", hosts, secure=False, archive=self._archive, now=lambda: self.now_s)
        config = uvicorn.Config(console.app(), port=self.port, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
        self.port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()

    def visitor(self) -> Visitor:
        return Visitor(self.port)


class Visitor:
    """One browser: keeps cookies, and sends what a page of ours would send."""

    def __init__(self, port: int, host: str = "page.test") -> None:
        self.port, self.host = port, host
        self.cookies: dict[str, str] = {}
        self.csrf = ""

    def ask(
        self, method: str, path: str, body: object = None, *, raw: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, http.client.HTTPMessage]:
        """(status, text, headers)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            return self._answer(connection, method, path, raw if raw is not None else _coded(body), headers or {})
        finally:
            connection.close()

    def _answer(
        self, connection: http.client.HTTPConnection, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, str, http.client.HTTPMessage]:
        common = {"Host": self.host, "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if method == "POST":
            common |= {"Origin": f"http://{self.host}", "Content-Type": "application/json", "X-CSRF": self.csrf}
        connection.request(method, path, content, {name: value for name, value in {**common, **headers}.items() if value})
        answer = connection.getresponse()
        for told in answer.headers.get_all("Set-Cookie") or []:
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(told).items()}
        return answer.status, answer.read().decode(), answer.headers

    def sign_in(self, name: str = "张三", password: str = PASSWORD) -> int:
        status, _, _ = self.ask("POST", "/sign-in", {"name": name, "password": password})
        if status == 200:
            self.csrf = self.ask("GET", "/")[1].partition('data-csrf="')[2].partition('"')[0]
        return status

    @contextmanager
    def events(self) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
        """(event, data) as they come."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            connection.request("GET", "/events", headers={"Host": self.host, "Cookie": cookies})
            answer = connection.getresponse()
            assert answer.status == 200, answer.status
            yield _stream(answer)
        finally:
            connection.close()


def _stream(answer: http.client.HTTPResponse) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = ""
    while line := answer.readline().decode():
        if line.startswith("event: "):
            kind = line[7:].strip()
        elif line.startswith("data: "):
            yield kind, json.loads(line[6:])


def _coded(body: object) -> bytes | None:
    return None if body is None else json.dumps(body).encode()
