"""The trial that is under way, and how the last one ended, as files that a power cut does not spoil."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.core.errors import Permanent
from gateway.runtime.keys import rename
from gateway.runtime.trial import ENDS, Moment, Trial, from_file, written

TRIAL, LAST, FLOOR, CALLED_OFF = "trial.json", "last.json", "floor", "called-off"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class TrialRefused(Permanent):
    """An upgrade or a new site file cannot be begun, or its trial cannot be read."""


def moment() -> Moment:
    """Now. up_s counts the time asleep, too."""
    boot = _BOOT_ID.read_text().strip()
    return Moment(boot, time.clock_gettime(time.CLOCK_BOOTTIME), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


class Book:
    """The folder of trials."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def trial(self) -> Trial | None:
        """The one under way. Raises TrialRefused."""
        path = self.folder / TRIAL
        try:
            return from_file(json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrialRefused(f"{path} cannot be read: {error}; look at what runs, then remove the file") from error

    def last(self) -> Trial | None:
        """How the last one ended; None where there was none, or nobody can read it."""
        try:
            return from_file(json.loads((self.folder / LAST).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, trial: Trial) -> Trial:
        """On the disk when this returns; one that has ended is the last one from now on. Raises OSError."""
        if trial.state in ENDS:
            self._write(LAST, written(trial))
            (self.folder / TRIAL).unlink(missing_ok=True)
            (self.folder / CALLED_OFF).unlink(missing_ok=True)
        else:
            self._write(TRIAL, written(trial))
        return trial

    def call_off(self, words: str) -> None:
        """Have whoever carries the trial go back. A file of its own, so that neither writes over the other. Raises OSError."""
        self.put(CALLED_OFF, words.encode())

    def called_off(self) -> str:
        """Why somebody wants the trial undone; '' when nobody does."""
        try:
            return (self.folder / CALLED_OFF).read_text() or "called off"
        except OSError:
            return ""

    def floor(self) -> str:
        """The lowest version that may run; 0 where none was ever confirmed."""
        try:
            return (self.folder / FLOOR).read_text().strip() or "0"
        except FileNotFoundError:
            return "0"

    def raise_floor(self, version: str) -> None:
        """Durably. Raises OSError."""
        self.put(FLOOR, f"{version}\n".encode())

    def _write(self, name: str, told: dict[str, Any]) -> None:
        self.put(name, json.dumps(told, ensure_ascii=False, indent=1).encode())

    def put(self, name: str, content: bytes) -> None:
        """Replace a file of this folder, durably. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        put_file(self.folder / name, content)


def put_file(path: Path, content: bytes, like: Path | None = None) -> None:
    """Replace a file atomically and durably, 0600, or with owner and mode of `like`. Raises OSError."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb", closefd=False) as file:
            file.write(content)
        if like is not None:
            model = like.stat()
            if os.geteuid() == 0:
                os.fchown(fd, model.st_uid, model.st_gid)
            os.fchmod(fd, model.st_mode & 0o777)
        os.fsync(fd)
    finally:
        os.close(fd)
    rename(new, path)
