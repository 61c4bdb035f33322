"""A file that holds a few MB for the day the disk is full: given up then, so that alarms go on being sealed."""

from __future__ import annotations

import os
from pathlib import Path

RESERVE_NAME = "journal.reserve"


class Reserve:
    """size: bytes, 0 for none."""

    def __init__(self, state_dir: Path, size: int) -> None:
        self._path = state_dir / RESERVE_NAME
        self.size = size

    def held(self) -> bool:
        """True while the file is there in full."""
        try:
            return self._path.stat().st_size >= self.size
        except OSError:
            return False

    def free(self) -> bool:
        """Give it up. False when there was none."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def make(self, inside: int = 0) -> bool:
        """Take it again where there is room for it three times. False while there is not. inside: bytes free in the journal's file."""
        if self.held():
            return True
        try:
            disk = os.statvfs(self._path.parent)
            outside = disk.f_bavail * disk.f_frsize
            if outside + inside < 3 * self.size or outside < self.size * 3 // 2:
                return False
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if self.size:
                    os.posix_fallocate(fd, 0, self.size)
            finally:
                os.close(fd)
        except OSError:
            self.free()
            return False
        return True

    def enough(self, inside: int, times: float = 2.0) -> bool:
        """True while disk and file together have room for so many times its size, at most half of a small disk."""
        try:
            disk = os.statvfs(self._path.parent)
        except OSError:
            return False
        return disk.f_bavail * disk.f_frsize + inside >= min(times * self.size, disk.f_blocks * disk.f_frsize * times / 4)
