"""Freezes and thaws a file system in turn: a slow or hanging disk, as programs meet it. Its writers wait, nothing is lost.

Run as a program: `python disk_brake.py FOLDER FROZEN_S OPEN_S` with a pipe as standard input. It thaws and ends when the pipe breaks,
so that no file system stays frozen behind a simulator that was killed. Standard library only. Needs root and ext4, xfs or btrfs.
"""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import sys
from pathlib import Path

FREEZE, THAW = 0xC0045877, 0xC0045878  # FIFREEZE, FITHAW of linux/fs.h
FOR_EVER_S = 1e6
OPEN_S = 0.02


class Brake:
    """A disk that stands still for frozen_s, then takes writes for a moment, and so on. OSError when it cannot be frozen."""

    def __init__(self, folder: Path, frozen_s: float) -> None:
        command = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(folder), str(frozen_s), str(OPEN_S)]
        self._program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._program.stdout is not None
        if self._program.stdout.readline() != "frozen\n":
            _, said = self._program.communicate()
            raise OSError(said.strip().rpartition("\n")[2] or f"cannot freeze {folder}")

    def release(self) -> None:
        """Thaws it."""
        self._program.communicate()


def main(folder: str, frozen_s: float, open_s: float) -> int:
    """Until standard input ends. Returns the exit code."""
    fd = os.open(folder, os.O_RDONLY)
    said = False
    while True:
        fcntl.ioctl(fd, FREEZE, 0)
        if not said:
            said = bool(os.write(1, b"frozen\n"))
        ended, _, _ = select.select([0], [], [], frozen_s)
        fcntl.ioctl(fd, THAW, 0)
        if ended or select.select([0], [], [], open_s)[0]:
            return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
