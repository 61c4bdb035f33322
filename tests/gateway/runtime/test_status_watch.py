"""`status --watch`: what stands on the screen, and a real terminal on which it is drawn while the daemon comes and goes."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.core.wire import Exchange, Outcome
from gateway.runtime.door import Door
from gateway.runtime.status_watch import fitted, rows, screen
from tests.gateway.runtime.waiting import until

SHANGHAI = ZoneInfo("Asia/Shanghai")
EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "demo-school.toml"


def picture(**parts: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "site": {"zh": "实验小学", "en": "school", "source": "/sites/s/gateways/g"}, "version": "1", "clock": "synchronised",
        "alarms": [], "set_aside": [], "modes": [], "duties": [], "owed": 0, "refusing": "", "not_good": [], "points": [],
        "paths": [{"id": "main", "up": True, "broker": "mqtts://b", "reason": ""}],
    }  # fmt: skip
    return told | parts


def alarm(**parts: Any) -> dict[str, Any]:
    told = {
        "alarm": "panic/alarm", "fault": False, "state": "unacknowledged", "since": "2026-09-01T07:30:00.000Z", "by": "",
        "zh": "一键报警：校门",
        "en": "panic: gate", "way": [{"step": "received", "by": "police", "path": "", "at": ""}],
    }  # fmt: skip
    return told | parts


def test_the_most_urgent_stands_first() -> None:
    told = [
        text
        for _, text in rows(
            picture(alarms=[alarm(), alarm(alarm="gw-journal/fault", fault=True)], owed=3, refusing="disk full"), "gone", SHANGHAI
        )
    ]
    assert [text.split(" ")[0] for text in told[:1]] == ["***"]
    assert "DAEMON IS AWAY: gone" in told[0]
    assert told[2] == "报警 ALARMS (1)"
    assert "一键报警：校门" in told[3]
    assert "[received police]" in told[3]
    assert told[4] == "故障 FAULTS (1)"
    assert any("REFUSES: disk full" in text for text in told)
    assert any("无报警" in text for _, text in rows(picture(), "", SHANGHAI))


def test_times_are_those_of_the_school(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        told = [text for _, text in rows(picture(alarms=[alarm()]), "", SHANGHAI)]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert told[0].endswith("Asia/Shanghai")
    assert told[2].startswith("  09-01 15:30:00  ")


def test_nothing_is_shown_before_the_first_word() -> None:
    assert [text for _, text in rows(None, "no socket", SHANGHAI)] == ["*** 守护进程失去联系 THE DAEMON IS AWAY: no socket ***"]


def test_chinese_letters_take_two_columns() -> None:
    assert fitted("校门gate", 5) == "校门g"
    assert fitted("校门", 3) == "校"
    assert fitted("a\x1b[2Jb", 80) == "a?[2Jb"


def test_a_small_screen_says_how_much_is_not_on_it() -> None:
    shown = screen([("", f"line {number}") for number in range(30)], 80, 24, False)
    assert len(shown) == 24
    assert shown[-1] == "... 7 more lines; q ends"


def test_colours_only_where_they_are_wanted() -> None:
    assert screen([("bad", "x")], 80, 24, True) == ["\x1b[31;1mx\x1b[0m"]
    assert screen([("bad", "x")], 80, 24, False) == ["x"]


async def nothing(bus: str, exchange: Exchange) -> Outcome | None:
    raise AssertionError("no read is asked for")


class Shown:
    """A terminal of 80 x 24 with the command on it."""

    def __init__(self, state_dir: Path, *words: str, term: str = "xterm") -> None:
        self._ours, theirs = pty.openpty()
        self.text = b""
        environment = {**os.environ, "TERM": term, "COLUMNS": "80", "LINES": "24", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "gateway", "status", "--config", str(EXAMPLE), "--state-dir", str(state_dir), "--watch", *words]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        os.set_blocking(self._ours, False)

    def read(self) -> str:
        try:
            while more := os.read(self._ours, 65536):
                self.text += more
        except OSError:  # nothing yet, or the other side is closed
            pass
        return self.text.decode(errors="replace")

    def press(self, key: bytes) -> None:
        os.write(self._ours, key)

    async def ended(self) -> int:
        code = await asyncio.to_thread(self.process.wait, 10)
        self.read()
        os.close(self._ours)
        return code


@pytest.mark.parametrize(("term", "end"), [("xterm", "q"), ("dumb", "signal")])
async def test_a_terminal_while_the_daemon_comes_and_goes(tmp_path: Path, term: str, end: str) -> None:
    door = Door(tmp_path / "door.sock", frozenset(), lambda readings: None, lambda command: (True, ""), {}, nothing)

    async def watch(writer: asyncio.StreamWriter, left: Any) -> None:
        import json

        writer.write(b'{"ok": true, "picture": ' + json.dumps(picture(alarms=[alarm()])).encode() + b"}\n")
        await asyncio.get_running_loop().create_future()

    door.watch = watch
    shown = Shown(tmp_path, "0.2", term=term)
    try:
        await until(lambda: "THE DAEMON IS AWAY" in shown.read())
        running = asyncio.get_running_loop().create_task(door.run())
        await until(lambda: "一键报警：校门" in shown.read())
        assert ("\x1b[?1049h" in shown.read()) is (term == "xterm")
        if end == "q":
            shown.press(b"q")
        else:
            shown.process.send_signal(signal.SIGINT)
        assert await shown.ended() == 0
        assert shown.text.rstrip().endswith(b"\x1b[?1049l") is (term == "xterm")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    finally:
        if shown.process.poll() is None:
            shown.process.kill()
            shown.process.wait()
