"""The demo's processes: what they say is read, an early end is named, nothing stays behind."""

import asyncio
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.demo_parts import Parts, last_words, post, run
from simulators.errors import SimError

DEADLINE_S = 60.0


def module(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    (folder / "actor.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    return "actor"


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait_until(done: object) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not done():  # type: ignore[operator]
        assert time.monotonic() < end_s
        time.sleep(0.02)


STAYS = "import os, time\nprint(os.getpid(), flush=True)\nprint('half', end='', flush=True)\ntime.sleep(600)\n"


def test_lines_and_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Parts(tmp_path) as parts:
        part = parts.start("actor", module(tmp_path, STAYS, monkeypatch))
        lines: list[str] = []
        wait_until(lambda: lines.extend(part.lines()) or lines)
        wait_until(lambda: part.log.read_text().endswith("half"))
        assert list(part.lines()) == [], "half a line is not read"
        pid = int(lines[0])
        assert not gone(pid)
    assert gone(pid)


async def test_an_early_end_is_named_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Parts(tmp_path) as parts:
        parts.start("actor", module(tmp_path, "raise SystemExit('port 1 is busy')", monkeypatch))
        with pytest.raises(SimError, match=r"(?s)actor ended early.*port 1 is busy"):
            await asyncio.wait_for(parts.guard(), DEADLINE_S)


def test_nothing_outlives_a_killed_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = module(tmp_path, STAYS, monkeypatch)
    script = f"""
import pathlib, time
from simulators.demo_parts import Parts
with Parts(pathlib.Path({str(tmp_path)!r})) as parts:
    part = parts.start("actor", {name!r})
    broker = parts.start_broker({0})
    while not (lines := list(part.lines())):
        time.sleep(0.02)
    print(lines[0], broker.pid, flush=True)
    time.sleep(600)
"""
    demo = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert demo.stdout is not None
    pids = [int(word) for word in demo.stdout.readline().split()]
    assert len(pids) == 2
    demo.send_signal(signal.SIGKILL)
    demo.wait()
    demo.stdout.close()
    wait_until(lambda: all(gone(pid) for pid in pids))


async def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = module(tmp_path, "import sys\nprint(sys.argv[1])\nsys.exit('no such file' if sys.argv[1] == 'bad' else 0)", monkeypatch)
    assert await run(name, "good") == "good\n"
    with pytest.raises(SimError, match="actor bad failed: no such file"):
        await run(name, "bad")


class _School(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = (200, {"at_ns": 7}) if body == {"value": 1} else (400, {"error": "no such point"})
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def school() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _School) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


async def test_post(school: int) -> None:
    assert await post(school, "/points/a", {"value": 1}) == 7
    with pytest.raises(SimError, match=r"refused POST /points/a: 400 .*no such point"):
        await post(school, "/points/a", {})
    with pytest.raises(SimError, match="did not do POST"):
        await post(1, "/points/a", {"value": 1})


def test_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_words(log) == "It said nothing."
    log.write_text("\n".join(f"line {n}" for n in range(100)))
    assert "line 99" in last_words(log)
    assert "line 10\n" not in last_words(log)
