"""A guard-room page that cannot come up: why, in words; that it tries again; and that the daemon makes a fault of it."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.config.settings import Settings
from gateway.config.site import Console
from gateway.console import reasons
from gateway.console.app import Console as Pages
from gateway.runtime.console_process import DoorFeed, _opened, accounts_of, hosts_of
from gateway.runtime.door import Door, PageWord
from gateway.runtime.page import SILENT, SILENT_S, START_S, Page, PageRefused, certificate_trouble, judged, sockets_of, watch
from simulators.broker import free_port
from tests.gateway.config.test_load import site
from tests.gateway.runtime.test_status_watch import nothing
from tests.gateway.runtime.waiting import until

REQUEST = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=gate", "-days", "5")


def pair(folder: Path, name: str, *secret: str) -> None:
    words = [*REQUEST, *(secret or ("-nodes",)), "-keyout", f"{folder / name}.key", "-out", f"{folder / name}.pem"]
    subprocess.run(words, check=True, capture_output=True)


def with_page(tmp_path: Path, more: str = "") -> tuple[Settings, Console]:
    settings = site(tmp_path, f"[console]\nport = {free_port()}\n{more}")
    assert settings.site.console is not None
    return settings, settings.site.console


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_that_another_program_has_is_named(tmp_path: Path, host: str) -> None:
    console = with_page(tmp_path)[1].model_copy(update={"host": host})
    with (
        socket.create_server(("127.0.0.1", console.port)),
        pytest.raises(PageRefused, match=rf"{host}:{console.port} cannot be used: Address already in use"),
    ):
        sockets_of(console)
    found = sockets_of(console)
    with socket.create_connection(("127.0.0.1", console.port), 5):
        pass
    for each in found:
        each.close()


def test_an_address_that_is_not_here_is_named(tmp_path: Path) -> None:
    with pytest.raises(PageRefused, match=r"192\.0\.2\.7:.* cannot be used: Cannot assign requested address"):
        sockets_of(with_page(tmp_path)[1].model_copy(update={"host": "192.0.2.7"}))


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    pair(tmp_path, "page")
    pair(tmp_path, "other")
    pair(tmp_path, "closed", "-passout", "pass:secret")

    def trouble(cert: str, key: str) -> str:
        return certificate_trouble(*with_page(tmp_path, f'cert_file = "{cert}"\nkey_file = "{key}"\n'))

    assert trouble("page.pem", "page.key") == ""
    assert trouble("no.pem", "page.key") == f"{tmp_path / 'no.pem'} cannot be read: No such file or directory"
    assert trouble("page.pem", "no.key") == f"{tmp_path / 'no.key'} cannot be read: No such file or directory"
    for cert, key in (("page.pem", "other.key"), ("page.key", "page.pem"), ("closed.pem", "closed.key"), ("site.toml", "page.key")):
        said = trouble(cert, key)
        assert "are no certificate and its key" in said
        assert reasons.say(said, "zh") == f"{tmp_path / cert} 与 {tmp_path / key} 不是一对 PEM 证书与无密码的密钥"


@pytest.mark.parametrize(
    "said", [SILENT, "0.0.0.0:8443 cannot be used: Address already in use", "/a/x.pem cannot be read: Permission denied"]
)
def test_why_it_cannot_be_opened_has_words_in_chinese(said: str) -> None:
    assert reasons.say(said, "zh") != said
    assert not [word for word in ("cannot", "in use", "denied", "says") if word in reasons.say(said, "zh")]


def test_when_nobody_can_open_it() -> None:
    assert judged(PageWord(), 100.0, 100.0 + START_S) is None, "it may still be starting"
    assert judged(PageWord(), 100.0, 101.0 + START_S) == SILENT
    assert judged(PageWord(200.0), 100.0, 201.0) == ""
    assert judged(PageWord(200.0, "port"), 100.0, 201.0) == "port"
    assert judged(PageWord(200.0, "port"), 100.0, 201.0 + SILENT_S) == SILENT
    assert judged(PageWord(200.0), 100.0, 201.0 + SILENT_S) == SILENT
    assert judged(PageWord(200.0, "port"), 250.0, 251.0) == "port", "the daemon was held up, not the page"
    assert judged(PageWord(200.0), 250.0, 251.0 + SILENT_S) == SILENT


async def test_it_says_why_tries_again_and_comes_up(tmp_path: Path) -> None:
    """Over a real control socket, against a real port that somebody else has at first."""
    settings, console = with_page(tmp_path)
    settings.state_dir.mkdir(exist_ok=True)
    door = Door(settings.door_path, frozenset(), lambda readings: None, lambda command: (True, ""), {}, nothing)
    page, faults = Page(settings.door_path), list[tuple[bool, str]]()
    app = Pages(DoorFeed(settings.door_path), accounts_of(settings), "Asia/Shanghai", hosts_of(console), secure=False).app()
    loop = asyncio.get_running_loop()
    beside = [loop.create_task(door.run()), loop.create_task(page.say())]
    beside.append(loop.create_task(watch(door.page, time.monotonic(), lambda active, reason: faults.append((active, reason)))))
    await until(settings.door_path.exists)
    try:
        with socket.create_server(("127.0.0.1", console.port)):
            opening = loop.create_task(_opened(settings, console, app, page))
            await until(lambda: len(faults) > 0)
            assert not opening.done()
        opened = await opening
        assert opened is not None
        assert opened[1][0].getsockname() == ("127.0.0.1", console.port)
        opened[1][0].close()
        await until(lambda: len(faults) > 1)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(ValueError):
                loop.remove_signal_handler(number)
    assert faults == [(True, f"127.0.0.1:{console.port} cannot be used: Address already in use"), (False, "")]
