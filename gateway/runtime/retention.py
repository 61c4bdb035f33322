"""What is past its time goes, also where nobody else looks after it: evidence while no daemon runs, backups that are too old.

The daemon itself removes evidence (each removal on record), events and reports. It is not there after a failed upgrade, or on a box
that was taken out of service with its card in it; the time that the site file promises for pictures of people counts all the same.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.settings import DOOR_NAME
from gateway.runtime.backup import PART, backups
from gateway.runtime.backup_files import BackupRefused
from gateway.runtime.evidence import look

BACKUP_DAYS = 35.0
PART_MOST_S = 86_400.0
GRACE_S = 3600.0  # the daemon looks each ten minutes; what is left after that, it does not see


@dataclass(slots=True)
class Gone:
    """Names of what was removed. daemon: it runs, and evidence is its own work. failed: what could not be removed, and why."""

    evidence: list[str] = field(default_factory=list)
    backups: list[str] = field(default_factory=list)
    daemon: bool = False
    failed: list[str] = field(default_factory=list)


def retain(state_dir: Path, hours: float, folder: Path, days: float, at_s: float, clock: str) -> Gone:
    """Remove it; nothing while nobody knows the time. hours: of evidence; days: of backups; at_s: Unix time. Raises BackupRefused."""
    gone = Gone(daemon=daemon_runs(state_dir))
    if clock == "unknown":
        return gone
    if not gone.daemon:
        _old_evidence(state_dir / "evidence", at_s - hours * 3600 - GRACE_S, gone)
    _old_backups(folder, at_s, days, gone)
    return gone


def daemon_runs(state_dir: Path) -> bool:
    """Whether a daemon listens in the state folder. Its lock is not tried: a daemon that starts at that moment would be refused it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        try:
            caller.connect(str(state_dir / DOOR_NAME))
        except OSError:
            return False
    return True


def _old_evidence(folder: Path, before_s: float, gone: Gone) -> None:
    if not folder.is_dir():
        return
    try:
        old = [kept for kept in look(folder) if kept.written_s < before_s]
    except OSError as error:
        raise BackupRefused(f"{folder} cannot be read: {error.strerror}; run it with sudo") from None
    for kept in old:
        _remove(folder / kept.name, gone, gone.evidence)


def _old_backups(folder: Path, at_s: float, days: float, gone: Gone) -> None:
    """All but the newest, which may be the last that there will be; and what a killed backup left a day ago."""
    for path in backups(folder)[1:]:
        if _written_s(path) < at_s - days * 86_400:
            _remove(path, gone, gone.backups)
    with suppress(OSError):
        for part in folder.glob(f".*{PART}/*"):
            if _written_s(part) < at_s - PART_MOST_S:
                _remove(part, gone, gone.backups)


def _written_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()


def _remove(path: Path, gone: Gone, names: list[str]) -> None:
    try:
        path.unlink(missing_ok=True)
        names.append(path.name)
    except OSError as error:
        gone.failed.append(f"{path}: {error.strerror}")
