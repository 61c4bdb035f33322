"""The journal's schema, one numbered step after the other: forth by the files in migrations/, back by what the journal itself holds.

Each step has two files, NNNN_name.sql and NNNN_name.down.sql. The way back is stored in the journal when the step is done (table
`migration`), so that an older program can undo steps that it has never heard of. A step, forth or back, is one transaction.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gateway.core.errors import JournalRefused

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "migrations"
BOOK_SINCE = 5  # the schema from which on a journal holds its way back
COPIED_MOST_BYTES = 256 << 20  # a larger file is migrated without a copy: meanwhile no button is read
SPARE_BYTES = 32 << 20  # left on the disk beside the copy
KEPT_MS = 86_400_000  # a copy goes at the first start after a day, or when an upgrade is confirmed


@dataclass(frozen=True, slots=True)
class Step:
    """One step: SQL for the way forth and the way back."""

    number: int
    name: str
    up: str
    down: str


@cache
def steps() -> tuple[Step, ...]:
    """All that this version knows, in order."""
    found = []
    for file in sorted(FOLDER.glob("[0-9]*.sql")):
        if not file.name.endswith(".down.sql"):
            down = file.with_name(f"{file.stem}.down.sql")
            found.append(Step(int(file.name[:4]), file.stem[5:], file.read_text(), down.read_text() if down.exists() else ""))
    return tuple(found)


def newest() -> int:
    """The schema of this version."""
    return steps()[-1].number


def schema_of(db: sqlite3.Connection) -> int:
    """The schema of a file; 0 for an empty one."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def check_known(db: sqlite3.Connection) -> None:
    """JournalRefused for a file of a newer version; DatabaseError where the number is not one that a version has written."""
    have = schema_of(db)
    if not 0 <= have < 10_000:
        raise sqlite3.DatabaseError(f"{have} is no schema number")
    if have <= newest():
        return
    if have not in _book(db):
        raise sqlite3.DatabaseError(f"the file says that it has schema {have}, and does not know the way back from there")
    raise JournalRefused(
        f"the journal has schema {have}, of a newer version; this version knows {newest()}. Start the newer version, or make the journal "
        f"fit this one, which loses no event: campus-gateway journal migrate --to {newest()}"
    )


def up(db: sqlite3.Connection, to: int = 9_999) -> None:
    """Bring the file to this version's schema, or an earlier one. Raises JournalRefused (a newer file) and sqlite3.Error.

    The file is then as it was before the step that failed.
    """
    check_known(db)
    have = schema_of(db)
    for step in steps():
        if have < step.number <= to:
            book = [each for each in steps() if step.number == BOOK_SINCE >= each.number or each is step]
            notes = "".join(map(_note, book)) if step.number >= BOOK_SINCE else ""
            _run(db, f"{step.up}\n{notes}\nPRAGMA user_version = {step.number};")


def down(db: sqlite3.Connection, to: int) -> list[int]:
    """Go back to an older schema by the ways that the file holds; the steps that were undone. Raises sqlite3.Error."""
    have = schema_of(db)
    if to < 1:
        raise sqlite3.DatabaseError("the first schema is 1")
    ways = _book(db) if have >= BOOK_SINCE else {step.number: step.down for step in steps()}
    undone = list(range(have, to, -1))
    missing = [number for number in undone if not ways.get(number)]
    if missing:
        raise sqlite3.DatabaseError(f"the journal does not hold the way back from schema {missing[0]}")
    db.set_authorizer(_own_file_only)
    try:
        for number in undone:
            forget = f"DELETE FROM migration WHERE number = {number};" if number > BOOK_SINCE else ""
            _run(db, f"{ways[number]}\n{forget}\nPRAGMA user_version = {number - 1};")
    finally:
        db.set_authorizer(None)
    return undone


def _run(db: sqlite3.Connection, script: str) -> None:
    try:
        db.executescript(f"BEGIN IMMEDIATE;\n{script}\nCOMMIT;")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _note(step: Step) -> str:
    name, text = (word.replace("'", "''") for word in (step.name, step.down))
    return f"\nINSERT OR REPLACE INTO migration VALUES ({step.number}, '{name}', '{text}');"


def _book(db: sqlite3.Connection) -> dict[int, str]:
    """Step -> its way back, as the file holds it."""
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migration' AND type = 'table'").fetchone() is None:
        return {}
    return dict(db.execute("SELECT number, down FROM migration"))


def _own_file_only(action: int, *about: str | None) -> int:
    """What a file tells to do is done to that file alone."""
    return sqlite3.SQLITE_DENY if action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH) else sqlite3.SQLITE_OK


# --- the copy beside the file -------------------------------------------------------------------


def copies(path: Path) -> list[Path]:
    """Copies that were made before a migration of this journal."""
    return sorted(path.parent.glob(f"{path.name}.schema-*"))


def keep_copy(db: sqlite3.Connection, path: Path) -> Path | None:
    """A copy of the file as it is, whole and on the disk, before its schema is changed; None where there is no room or it is too large.

    One is kept, for the worst case only: who puts it back loses what was sealed since (docs/upgrade.md). Raises sqlite3.DatabaseError.
    """
    size = path.stat().st_size
    disk = os.statvfs(path.parent)
    if size > COPIED_MOST_BYTES or disk.f_bavail * disk.f_frsize < size + SPARE_BYTES:
        log.warning("the journal's schema is changed without a copy: %d MB, %d MB free", size >> 20, disk.f_bavail * disk.f_frsize >> 20)
        return None
    copy = path.with_name(f"{path.name}.schema-{schema_of(db)}")
    for old in copies(path):
        if old != copy:
            old.unlink()
    new = copy.with_name(f"{path.name}.copy")
    copy_to(db, new)
    new.replace(copy)
    return copy


def copy_to(db: sqlite3.Connection, new: Path, pause_s: float = 0.0) -> None:
    """An online copy: 4 MB at a time, so that a writer beside it goes on. pause_s: between two pieces. Raises sqlite3.Error, OSError."""
    new.unlink(missing_ok=True)
    new.touch(0o600)
    with closing(sqlite3.connect(new)) as target:
        db.backup(target, pages=1024, sleep=pause_s)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, which needs no other beside it
    fd = os.open(new, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def drop_copies(path: Path, at_ms: int | None = None) -> None:
    """Remove the copies; at_ms: only those older than a day. Never raises."""
    for copy in copies(path):
        try:
            if at_ms is None or at_ms - copy.stat().st_mtime * 1000 > KEPT_MS:
                copy.unlink()
        except OSError as error:
            log.warning("%s cannot be removed: %s", copy, error.strerror)
