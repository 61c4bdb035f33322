"""The journal's files in a state folder, and how they are opened for reading only."""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import struct
from pathlib import Path

JOURNAL_NAME = "journal.db"
_ASIDE = re.compile(rf"^{re.escape(JOURNAL_NAME)}\.set-aside-\d+$")
_GET_GENERATION = 0x80007601 | struct.calcsize("l") << 16  # FS_IOC_GETVERSION, linux/fs.h


class Unreadable(Exception):
    """A file that SQLite cannot read at all."""


def journal_files(state_dir: Path) -> list[Path]:
    """The files of a state folder: those set aside in the order of their names, which is that of time, then the present one."""
    aside = [path for path in state_dir.glob(f"{JOURNAL_NAME}.set-aside-*") if _ASIDE.match(path.name)]
    present = state_dir / JOURNAL_NAME
    return sorted(aside, key=lambda path: int(path.name.rpartition("-")[2])) + ([present] if present.exists() else [])


def open_readonly(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises Unreadable."""
    wal = path.with_name(path.name + "-wal")
    for options in ("mode=ro", "mode=ro&immutable=1"):  # the second for a folder in which no lock may be made
        if "immutable" in options and wal.exists() and wal.stat().st_size:
            break
        db = sqlite3.connect(f"file:{path}?{options}", uri=True, timeout=5.0, isolation_level=None)
        try:
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the second for a damaged message of SQLite
            db.close()
            why = error
        else:
            return db
    raise Unreadable(f"{path} cannot be read: {why}")


def home_of(path: Path) -> tuple[int, int]:
    """(inode, generation) of a file: a copy has others, whatever its name. generation: 0 where the file system has none. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        answer = bytearray(8)
        try:
            fcntl.ioctl(fd, _GET_GENERATION, answer)
        except OSError:
            answer = bytearray(8)
        return os.fstat(fd).st_ino, int.from_bytes(answer[:4], "little")
    finally:
        os.close(fd)
