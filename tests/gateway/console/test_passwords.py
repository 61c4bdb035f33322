"""Whose password is checked next: short lines, few places for one address, signed-in browsers first; given-up ones cost nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.console.accounts import Accounts
from gateway.console.passwords import ADDRESS_MOST, LINE_MOST, Passwords, TooMany, place
from tests.gateway.console.pictures import PANIC, picture
from tests.gateway.console.served import PASSWORD, Hand, Served, Visitor


class Line:
    """Visitors who keep their turn until the test lets them go."""

    def __init__(self) -> None:
        self.passwords = Passwords()
        self.came: list[str] = []
        self.go = asyncio.Event()

    async def visit(self, name: str, address: str, session: str = "") -> None:
        async with self.passwords.turn(address, session):
            self.came.append(name)
            await self.go.wait()


async def let_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_browser_that_is_signed_in_goes_before_all_strangers() -> None:
    line = Line()
    async with asyncio.TaskGroup() as tasks:
        for name, address, session in (("a", "1.1.1.1", ""), ("b", "1.1.1.1", ""), ("c", "2.2.2.2", ""), ("guard", "1.1.1.1", "s")):
            tasks.create_task(line.visit(name, address, session))
            await let_run()
        assert line.came == ["a"], "one at a time"
        line.go.set()
    assert line.came == ["a", "guard", "b", "c"]


async def test_one_address_has_few_places_and_the_line_is_short() -> None:
    line = Line()
    async with asyncio.TaskGroup() as tasks:
        for number in range(ADDRESS_MOST):
            tasks.create_task(line.visit(f"flood {number}", "1.1.1.1"))
        await let_run()
        with pytest.raises(TooMany):
            await line.visit("one more", "1.1.1.1")
        for number in range(LINE_MOST - 1):
            tasks.create_task(line.visit(f"other {number}", f"2.2.2.{number}"))
        await let_run()
        with pytest.raises(TooMany):
            await line.visit("the line is long", "3.3.3.3")
        tasks.create_task(line.visit("guard", "3.3.3.3", "s"))
        await let_run()
        with pytest.raises(TooMany):
            await line.visit("twice of one session", "3.3.3.3", "s")
        line.go.set()
    assert line.came[1] == "guard"
    assert len(line.came) == ADDRESS_MOST + LINE_MOST
    await line.visit("afterwards", "1.1.1.1")


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_who_leaves_the_line_keeps_nobody(cancelled: int) -> None:
    line = Line()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        tasks = [group.create_task(line.visit(str(number), f"1.1.1.{number}")) for number in range(3)]
        await let_run()
        tasks[cancelled].cancel()
        line.go.set()
    assert line.came[-1] == "2"
    await asyncio.wait_for(line.visit("afterwards", "1.1.1.9"), 5)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.168.1.7", "192.168.1.8", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.168.1.7", "192.168.1.7", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "somewhere", False),
    ],
)
def test_a_computer_with_many_addresses_counts_once(one: str, other: str, same: bool) -> None:
    assert (place(one) == place(other)) is same


class Slow(Accounts):
    """The real accounts, which begin to check when the test says so."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.begun: list[str] = []
        self.go = threading.Event()
        self.first = threading.Event()

    def check(self, name: str, password: str) -> str:
        self.begun.append(name)
        self.first.set()
        assert self.go.wait(20)
        return super().check(name, password)


class Asked:
    """One request on its way, from an address of loopback."""

    def __init__(self, visitor: Visitor, address: str, path: str, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
        head = f"POST {path} HTTP/1.1\r\nHost: {visitor.host}\r\nOrigin: http://{visitor.host}\r\nCookie: {cookies}\r\n"
        head += f"X-CSRF: {visitor.csrf}\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"
        self._socket = socket.create_connection(("127.0.0.1", visitor.port), 20, (address, 0))
        self._socket.sendall(head.encode() + content)

    def status(self) -> int:
        with self._socket:
            return int(self._socket.recv(1 << 16).split()[1])

    def give_up(self) -> None:
        self._socket.close()


def test_a_flood_of_wrong_passwords_keeps_nobody_out_and_nobody_waiting(tmp_path: Path) -> None:
    served = Served(tmp_path, Hand(picture(PANIC)))
    with served.running():
        guard = served.visitor()
        assert guard.sign_in() == 200
        slow = Slow(served.accounts.path)
        served.accounts.check = slow.check  # type: ignore[method-assign]
        stranger = served.visitor()
        flood = [Asked(stranger, "127.0.0.1", "/sign-in", {"name": "x0", "password": "wrong one"})]
        assert slow.first.wait(20)
        flood.append(Asked(stranger, "127.0.0.1", "/sign-in", {"name": "x1", "password": "wrong one"}))
        assert _refused(stranger), "the third of one address is told at once"
        left = Asked(stranger, "127.0.0.3", "/sign-in", {"name": "left", "password": "wrong one"})
        leader = Asked(stranger, "127.0.0.2", "/sign-in", {"name": "王主任", "password": PASSWORD})
        again = Asked(guard, "127.0.0.1", "/again", {"password": PASSWORD})
        _until(lambda: _refused(guard, "/again"), "the guard's own stands in the line")
        left.give_up()
        assert "一键报警" in guard.ask("GET", "/")[1], "the page answers meanwhile"
        slow.go.set()
        assert [again.status(), leader.status(), *(each.status() for each in flood)] == [200, 200, 403, 403]
        assert slow.begun[:2] == ["x0", "张三"], "who is signed in goes first"
        assert "left" not in slow.begun, "nobody waits for that answer any more"


def _refused(visitor: Visitor, path: str = "/sign-in") -> bool:
    status, said, headers = visitor.ask("POST", path, {"name": "x2", "password": "wrong one"})
    return (status, "请稍后再试" in said, headers["retry-after"]) == (503, True, "5")


def _until(true: Callable[[], bool], what: str) -> None:
    for _ in range(200):
        if true():
            return
    raise AssertionError(what)
