"""The real parts around a benchmark: the farm of devices, the broker, and how processes are ended."""

from __future__ import annotations

import functools
import json
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

SOURCE = Path(__file__).with_name("farm.c")
START_S = 10.0
STOP_S = 15.0
_SYSTEM_PATH = "/usr/sbin:/sbin:/usr/local/sbin"


class MissingPart(Exception):
    """A system program is not installed; the message says which Debian package brings it."""


def program(name: str, *, package: str) -> str:
    """Path of a system program. Raises MissingPart."""
    path = shutil.which(name) or shutil.which(name, path=_SYSTEM_PATH)
    if path is None:
        raise MissingPart(f"{name} is not installed: apt-get install {package}")
    return path


def stop(process: subprocess.Popen[bytes]) -> None:
    """End one process that we started, politely first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


@functools.cache
def built_farm() -> Path:
    """The compiled farm, once in a run; its folder lives as long as this process."""
    compiler = program("gcc", package="gcc")
    flags = subprocess.run(
        [program("pkg-config", package="pkg-config"), "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=False
    )
    if flags.returncode:
        raise MissingPart("libmodbus is not installed: apt-get install libmodbus-dev")
    target = Path(_folder().name) / "farm"
    subprocess.run([compiler, "-O2", "-Wall", "-o", str(target), str(SOURCE), *flags.stdout.split()], check=True)
    return target


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="bench-farm-")


class Farm:
    """Modbus devices in one C process; see farm.c for what they do. ports: one a device."""

    def __init__(self, devices: int, registers: int = 100) -> None:
        command = [str(built_farm()), str(devices), str(registers)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ports: list[int] = self._answer()["ports"]

    def ask(self, command: str) -> dict[str, Any]:
        """Send one command and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise OSError(f"the farm ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    def set_coil(self, device: int, on: bool) -> int:
        """Set a device's coil; the time in monotonic nanoseconds."""
        return int(self.ask(f"coil {device} {int(on)}")["ns"])

    def requests(self) -> int:
        """Requests served so far by all devices."""
        return sum(self.ask("stats")["requests"])

    def __enter__(self) -> Farm:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        stop(self._process)


class Broker:
    """A mosquitto of our own on loopback, without persistence."""

    def __init__(self, folder: Path) -> None:
        command = program("mosquitto", package="mosquitto")
        self.port = _free_port()
        settings = folder / "mosquitto.conf"
        settings.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n"
            "max_queued_messages 100000\nlog_type error\n"
        )
        self._process = subprocess.Popen([command, "-c", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._await_port()
        except OSError:
            stop(self._process)
            raise

    def _await_port(self) -> None:
        end_s = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end_s:
                    raise
                time.sleep(0.01)
            else:
                return

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        stop(self._process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
