"""What the measures of the bus share: effort, the field's process, and masters on its line."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.bench.parts import MissingPart, program, stop
from tests.bench.rig import NotMeasured
from tests.bench.subjects import REPOSITORY

SOURCE = Path(__file__).with_name("bus_master.c")
STOP_S = 15.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How long it all may take."""

    rounds: int = 3
    settle_s: float = 1.0
    pace_s: float = 6.0
    presses: int = 60
    holes_s: float = 15.0


QUICK = Effort(rounds=1, pace_s=2.0, presses=12, holes_s=3.0)


class LineField:
    """The process of bus_field.py. link: where its port is."""

    def __init__(self, folder: Path, baud: int, units: list[str], late: tuple[str, ...] = ()) -> None:
        """units, late: as its options. NotMeasured when it does not come up."""
        self.link = folder / "line"
        command = [sys.executable, "-m", "tests.bench.bus_field", str(self.link), "--baud", str(baud)]
        command += [f"--units={words}" for words in units] + [f"--late={words}" for words in late]
        self._process = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self._answer()
        except NotMeasured:
            self.close()
            raise

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
            raise NotMeasured(f"the line ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    def close(self) -> None:
        """End it: at the end of its input it takes its link along."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            pass
        stop(self._process)

    def __enter__(self) -> LineField:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@functools.cache
def built_master() -> Path:
    """The compiled C master, once in a run; its folder lives as long as this process. Raises MissingPart."""
    flags = subprocess.run(
        [program("pkg-config", package="pkg-config"), "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=False
    )
    if flags.returncode:
        raise MissingPart("libmodbus is not installed: apt-get install libmodbus-dev")
    target = Path(_folder().name) / "bus_master"
    compiler = program("gcc", package="gcc")
    subprocess.run([compiler, "-O2", "-Wall", "-o", str(target), str(SOURCE), *flags.stdout.split()], check=True)
    return target


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="bench-master-")


def c_master() -> Path | None:
    """The compiled C master, or None where it cannot be built."""
    try:
        return built_master()
    except MissingPart:
        return None
