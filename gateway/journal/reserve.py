"""A file that holds a few MB for the day the disk is full: given up then, so that alarms go on being sealed."""

from __future__ import annotations

import os
from pathlib import Path

RESERVE_NAME = "journal.reserve"


class Reserve:
    """size: bytes, 0 for none."""

    def __init__(self, state_dir: Path, size: int) -> None:
        self._path = state_dir / RESERVE_NAME
        self._size = size

    def held(self) -> bool:
        """True while the file is there in full."""
        try:
            return self._path.stat().st_size >= self._size
        except OSError:
            return False

    def free(self) -> bool:
        """Give it up. False when there was none."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def make(self) -> bool:
        """Take it again where the disk has room for it three times. False while it has not."""
        if self.held():
            return True
        try:
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize < 3 * self._size:
                return False
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if self._size:
                    os.posix_fallocate(fd, 0, self._size)
            finally:
                os.close(fd)
        except OSError:
            self.free()
            return False
        return True
