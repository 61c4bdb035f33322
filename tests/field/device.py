"""Builds and drives the independent field device (`field_device.c` on libmodbus), and pty pairs by socat."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real_parts import missing, need

SOURCE = Path(__file__).with_name("field_device.c")
START_S = 10.0


@functools.cache
def build() -> Path:
    """The compiled device; once in a test run."""
    gcc = need("gcc", package="gcc")
    pkg_config = need("pkg-config", package="pkg-config")
    flags = subprocess.run([pkg_config, "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=False)
    if flags.returncode:
        missing("libmodbus is not installed: apt-get install libmodbus-dev")
    folder = tempfile.mkdtemp(prefix="field-device-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    program = Path(folder) / "field_device"
    subprocess.run([gcc, "-O1", "-Wall", "-o", str(program), str(SOURCE), *flags.stdout.split()], check=True)
    return program


class FieldDevice:
    """A running device; commands go over its standard input."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        words = self._line().split()
        assert words[:1] == ["ready"], words
        self.port = int(words[1]) if len(words) > 1 else 0

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the device ended with {self._process.wait(5)}"
        return line.strip()

    def ask(self, command: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._line()

    def set(self, area: str, address: int, value: int) -> None:
        """area: coil, input (discrete), holding or register (input register)."""
        assert self.ask(f"{area} {address} {value}") == "ok"

    def get(self, area: str, address: int) -> int:
        """area: coil or holding."""
        return int(self.ask(f"get {area} {address}"))

    def silence(self, silent: bool) -> None:
        assert self.ask(f"silent {int(silent)}") == "ok"

    @property
    def requests(self) -> int:
        return int(self.ask("count"))


@contextmanager
def _device(*arguments: str) -> Iterator[FieldDevice]:
    with subprocess.Popen([str(build()), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield FieldDevice(process)
        finally:
            process.kill()


@contextmanager
def tcp_device(port: int = 0) -> Iterator[FieldDevice]:
    """Modbus TCP on loopback; one connection at a time; every unit id answers."""
    with _device("tcp", str(port)) as device:
        yield device


@contextmanager
def rtu_device(path: Path, baud: int = 9600, unit: int = 1) -> Iterator[FieldDevice]:
    """Modbus RTU on a serial port or pty, 8N1."""
    with _device("rtu", str(path), str(baud), str(unit)) as device:
        yield device


@contextmanager
def null_modem(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Two ptys joined by socat: (the gateway's end, the device's end)."""
    ends = folder / "gateway-end", folder / "device-end"
    with subprocess.Popen([need("socat", package="socat"), *(f"pty,raw,echo=0,link={end}" for end in ends)]) as process:
        try:
            end_s = time.monotonic() + START_S
            while not all(end.exists() for end in ends):
                assert process.poll() is None, "socat ended"
                assert time.monotonic() < end_s, "socat made no ptys"
                time.sleep(0.01)
            yield ends
        finally:
            process.terminate()
