"""The daemon as systemd sees it: ready, alive, stopping. A real process, a real notification socket, no devices."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

DEADLINE_S = 60.0
WATCHDOG_S = 1.0
# The module refuses connections and there is no broker: neither is a reason not to be ready, nor to be restarted.
SITE = """
schema = 1
[site]
id = "test-school"
name = "测试小学"
state_dir = "state"
[uplink]
paths = [{{ url = "mqtt://127.0.0.1:{port}" }}]
[metrics]
port = 0
[places]
gatehouse = {{ name = "门卫室", type = "gatehouse" }}
[[buses]]
id = "io"
transport = "tcp"
host = "127.0.0.1"
port = {port}
[[devices]]
id = "module"
bus = "io"
profile = "advantech-adam-6060"
[[points]]
id = "panic"
role = "panic_button"
place = "gatehouse"
device = "module"
signal = "di1"
"""


class Daemon:
    """A gateway whose notifications arrive here."""

    def __init__(self, folder: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        with socket.socket() as free:  # bound and never listening: connections are refused
            free.bind(("127.0.0.1", 0))
            (folder / "site.toml").write_text(SITE.format(port=free.getsockname()[1]), encoding="utf-8")
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "run", "--config", str(folder / "site.toml")],
                env=os.environ | {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))},
                stderr=log,
            )

    def hear(self, word: str) -> str:
        """The next notification that holds `word`."""
        end_s = time.monotonic() + DEADLINE_S
        heard = []
        while (rest_s := end_s - time.monotonic()) > 0:
            self._socket.settimeout(rest_s)
            try:
                heard.append(self._socket.recv(4096).decode())
            except TimeoutError:
                break
            if word in heard[-1].split("\n"):
                return heard[-1]
        pytest.fail(f"no {word} within {DEADLINE_S:.0f} s; heard {heard}")

    def is_silent(self, seconds: float) -> bool:
        """Nothing comes for so long; what was under way before does not count."""
        self._socket.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(4096):
                pass
        self._socket.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            return not self._socket.recv(4096)
        return True

    def close(self) -> None:
        """End it, however it is."""
        self.process.kill()
        self.process.wait()
        self._socket.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A running gateway."""
    daemon = Daemon(tmp_path)
    yield daemon
    daemon.close()


def test_ready_alive_and_stopping(daemon: Daemon) -> None:
    ready = daemon.hear("READY=1").split("\n")
    assert f"MAINPID={daemon.process.pid}" in ready
    assert "STATUS=serving /sites/test-school/gateways/gate" in ready
    began_s = time.monotonic()
    for _ in range(4):
        daemon.hear("WATCHDOG=1")
    assert time.monotonic() - began_s < 4 * WATCHDOG_S  # fed before systemd would lose patience, on the whole
    daemon.process.send_signal(signal.SIGTERM)
    daemon.hear("STOPPING=1")
    assert daemon.process.wait(DEADLINE_S) == 0


def test_a_stopped_process_is_not_alive(daemon: Daemon) -> None:
    """The watchdog's very purpose: a daemon that stands still says nothing."""
    daemon.hear("WATCHDOG=1")
    daemon.process.send_signal(signal.SIGSTOP)
    assert daemon.is_silent(3 * WATCHDOG_S)
    daemon.process.send_signal(signal.SIGCONT)
    daemon.hear("WATCHDOG=1")
