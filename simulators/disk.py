"""A small disk of its own that can be full, slow or hang, for a program that keeps its files there. Needs root: it is mounted.

ext4 in a file on a loop device, so that what the program meets is the kernel's own: ENOSPC, and writes that wait.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from pathlib import Path

from simulators.disk_brake import Brake
from simulators.errors import SimError

IMAGE = "disk.img"
BALLAST = ".ballast"
PIECE_BYTES = 1 << 16
SMALLEST_MB = 4


class Disk:
    """A disk of `mb` megabytes, mounted at folder / "disk" between start() and stop(). SimError when it cannot be."""

    def __init__(self, folder: Path, mb: int = 64) -> None:
        if mb < SMALLEST_MB:
            raise SimError(f"a disk has {SMALLEST_MB} MB at least, not {mb}")
        self.folder = folder.resolve()
        self.mounted_at = self.folder / "disk"
        self._image = self.folder / IMAGE
        self._mb = mb
        self._is_mounted = False
        self._brake: Brake | None = None

    def start(self) -> None:
        """Makes the disk where there is none yet, and mounts it; what is on it stays from one start to the next."""
        if self._is_mounted:
            return
        if os.geteuid() != 0:
            raise SimError("a disk of its own needs root: it is mounted on a loop device")
        self.mounted_at.mkdir(parents=True, exist_ok=True)
        if not self._image.exists():
            with self._image.open("wb") as file:
                file.truncate(self._mb << 20)
            _run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
        _run("mount", "-o", "loop", str(self._image), str(self.mounted_at))
        self._is_mounted = True
        with contextlib.suppress(FileNotFoundError):
            (self.mounted_at / BALLAST).unlink()  # of one who was killed while it was full

    def stop(self) -> None:
        """Takes it away; files that somebody has open there live until they are closed."""
        self.release()
        if self._is_mounted:
            _run("umount", "--lazy", str(self.mounted_at))
            self._is_mounted = False

    def fill(self, free_bytes: int = 0) -> None:
        """Fills it up, but for so much room. Files that are there already stay; what they have reserved they may still use."""
        with (self.mounted_at / BALLAST).open("ab", buffering=0) as file:
            try:
                while (room := shutil.disk_usage(self.mounted_at).free - free_bytes) > 0:
                    file.write(bytes(min(PIECE_BYTES, room)))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise SimError(f"cannot fill {self.mounted_at}: {error.strerror}") from error
            os.fsync(file.fileno())

    def free(self) -> None:
        """Room again."""
        (self.mounted_at / BALLAST).unlink(missing_ok=True)

    def brake(self, frozen_s: float) -> None:
        """Slow: writers wait for so long, then have a moment, and so on. SimError when it cannot be."""
        self.release()
        try:
            self._brake = Brake(self.mounted_at, frozen_s)
        except OSError as error:
            raise SimError(f"cannot freeze {self.mounted_at}: {error}") from error

    def release(self) -> None:
        """As quick as ever."""
        brake, self._brake = self._brake, None
        if brake is not None:
            brake.release()


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SimError(f"{command[0]} is not installed: apt-get install mount e2fsprogs") from None
    if done.returncode:
        raise SimError(f"{' '.join(command)}: {done.stderr.strip()}")
