"""The watchdog is fed only while every line and the journal make progress; systemd's protocol on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.bus.counters import LineCounters
from gateway.bus.line import Line
from gateway.core.wire import Exchange, Failure, Outcome
from gateway.journal.writer import Writer
from gateway.runtime.watchdog import JOURNAL_DEADLINE_S, LINE_DEADLINE_S, Watchdog, notify, period_s
from tests.gateway.journal.journals import open_at
from tests.gateway.runtime.waiting import until


class Wire:
    """A line without a wire: only its counters matter here."""

    def __init__(self) -> None:
        self.bus_id = "gate-io"
        self.counters = LineCounters()

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    def submit(self, exchange: Exchange) -> asyncio.Future[Outcome]:
        raise AssertionError("nothing is sent here")


class Moment:
    """A clock that is handed in."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = Writer(open_at(tmp_path / "state")[0], lambda done: None, lambda reason: None)
    made.start()
    yield made
    if made.alive():
        made.stop()


def test_a_line_must_complete_attempts_of_any_kind(writer: Writer) -> None:
    wire, clock = Wire(), Moment()
    lines: dict[str, Line] = {"gate-io": wire}
    watchdog = Watchdog(lines, writer, clock)
    writer.counts.last_answer_s = clock.now_s + 1000  # the journal is not in question here
    assert watchdog.stalled() == ""
    clock.now_s += LINE_DEADLINE_S
    assert watchdog.stalled() == "", "the first attempt has as long as any other"
    clock.now_s += 1
    assert watchdog.stalled() == f"line gate-io has completed no attempt for {LINE_DEADLINE_S + 1:.0f} s"
    wire.counters.count(Outcome(b"", Failure.PORT_LOST, clock.now_s))
    assert watchdog.stalled() == "", "a cut cable is an attempt: it must not reboot the daemon"
    clock.now_s += LINE_DEADLINE_S + 0.1
    assert "gate-io" in watchdog.stalled()


def test_the_journal_must_answer(writer: Writer) -> None:
    clock = Moment()
    watchdog = Watchdog({}, writer, clock)
    writer.counts.last_answer_s = clock.now_s
    clock.now_s += JOURNAL_DEADLINE_S
    assert watchdog.stalled() == ""
    clock.now_s += 2
    assert watchdog.stalled() == f"the journal has not answered for {JOURNAL_DEADLINE_S + 2:.0f} s"
    writer.counts.last_answer_s = clock.now_s  # a refusal is an answer too
    assert watchdog.stalled() == ""
    writer.stop()
    assert watchdog.stalled() == "the journal's thread has ended"


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def test_notify(systemd: socket.socket) -> None:
    notify("READY=1\nSTATUS=校门")
    assert systemd.recv(1000).decode() == "READY=1\nSTATUS=校门"


def test_notify_by_an_abstract_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        name = f"campus-gateway-test-{os.getpid()}"
        listener.bind("\0" + name)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        notify("WATCHDOG=1")
        listener.settimeout(5)
        assert listener.recv(100) == b"WATCHDOG=1"


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    assert not caplog.records
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify("READY=1\nSTATUS=x")
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["systemd could not be told 'READY=1'"]


@pytest.mark.parametrize(
    ("microseconds", "seconds"), [("30000000", 15.0), ("500000", 0.25), ("", None), ("0", None), ("-1", None), ("x", None), (None, None)]
)
def test_how_often_to_feed(monkeypatch: pytest.MonkeyPatch, microseconds: str | None, seconds: float | None) -> None:
    if microseconds is None:
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    else:
        monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    assert period_s() == seconds


def received(listener: socket.socket) -> list[bytes]:
    """All that waits at this moment."""
    found: list[bytes] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(listener.recv(1000))
    return found


def gather(listener: socket.socket, found: list[bytes]) -> int:
    """Add what waits; how many there are now."""
    found += received(listener)
    return len(found)


async def test_fed_while_there_is_progress_and_not_after(
    systemd: socket.socket, writer: Writer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")  # 20 ms
    wire, clock = Wire(), Moment()
    lines: dict[str, Line] = {"gate-io": wire}
    writer.counts.last_answer_s = clock.now_s
    watchdog = Watchdog(lines, writer, clock)
    clock.now_s = 0.0  # the journal's own answers carry real time, which is later
    fed: list[bytes] = []
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(watchdog.run())
        await until(lambda: gather(systemd, fed) >= 3)
        assert set(fed) == {b"WATCHDOG=1"}
        assert writer.counts.commits >= 3, "the journal was asked for a sign of life each time"
        with caplog.at_level(logging.ERROR):
            clock.now_s = 1_000_000.0 + LINE_DEADLINE_S + 1
            await until(lambda: caplog.records)
            received(systemd)
            before = writer.counts.commits
            await until(lambda: writer.counts.commits >= before + 5)
        assert received(systemd) == [], "no progress, no food"
        assert len(caplog.records) == 1, "said once"
        running.cancel()
