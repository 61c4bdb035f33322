"""The rows of a journal file in their order, also of a damaged one: what can be read is read, on both sides of the damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.journal.files import Unreadable, open_readonly
from gateway.journal.store import EPOCH_ROWS

PAGE = 1000
GIVE_UP_AFTER = 50_000  # rows in a row that cannot be read; then the next epoch is tried
_EVENT = "row, epoch, sequence, class, classsequence, id, sha256, type, subject, priority, at_ms, body"
_STUB = "row, epoch, sequence, class, classsequence, id, sha256, '', '', 0, 0, NULL"
_NUMBERS = ("epoch", "sequence", "class_sequence", "priority", "at_ms")
_TEXTS = ("name", "id", "sha256", "type", "subject")
DAMAGE = (sqlite3.Error, UnicodeDecodeError)  # the second where SQLite names what it met, and that is no text
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT}
# Where the largest row may be found: in the table from both ends, in its index and its neighbours; each is read up to its own damage.
_LAST = (
    "SELECT row FROM event ORDER BY row DESC LIMIT 1",
    "SELECT row FROM event ORDER BY row",
    "SELECT row FROM event INDEXED BY event_class WHERE class >= ''",
    "SELECT row FROM stub",
    "SELECT row FROM outbox",
)
_MARGIN = 2000  # rows behind the largest one known, where all of these are damaged


@dataclass(slots=True)
class Row:
    """One event, or its stub (body None; then type to at_ms say nothing). In a damaged file the columns may be of any type."""

    row: int
    epoch: int
    sequence: int
    name: str
    class_sequence: int
    id: str
    sha256: str
    type: str
    subject: str
    priority: int
    at_ms: int
    body: bytes | None

    def is_sound(self) -> bool:
        """True when every column is of its type."""
        return (
            all(isinstance(getattr(self, name), int) for name in _NUMBERS)
            and all(isinstance(getattr(self, name), str) for name in _TEXTS)
            and isinstance(self.body, bytes | None)
        )


@dataclass(frozen=True, slots=True)
class Gap:
    """Behind this row something cannot be read."""

    after: int
    text: str


def open_damaged(path: Path) -> tuple[sqlite3.Connection, str]:
    """(a connection for reading, what is wrong with the file or empty), also for a file that was cut short. Raises Unreadable."""
    try:
        return open_readonly(path), ""
    except Unreadable as error:
        wrong = error
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0, isolation_level=None)
    try:
        db.execute("PRAGMA writable_schema = ON")  # SQLite then also reads a file that is shorter than its first page says
        if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            return db, "the file is cut short"
    except DAMAGE:
        pass
    db.close()
    raise wrong


def check_busy(error: Exception) -> None:
    """Raise Unreadable where the file is not damaged but cannot be read now."""
    if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in _BUSY:
        raise Unreadable(f"the journal cannot be read now: {error}") from error


def as_text(raw: bytes) -> str:
    """For `text_factory`: damaged text is an odd one, no error."""
    return raw.decode(errors="replace")


def rows_of(db: sqlite3.Connection, stubs: bool, troubles: list[str]) -> Iterator[Row | Gap]:
    """Events and stubs in the order of their rows, a page at a time; row by row around a damage. troubles: gets all that was met."""
    union = f" UNION ALL SELECT {_STUB} FROM stub WHERE row > :after" if stubs else ""
    query = f"SELECT {_EVENT} FROM event WHERE row > :after{union} ORDER BY row LIMIT {PAGE}"
    after = good = 0  # good: the last row that was read
    last = -1  # the largest row that anything tells of, once it matters
    text = ""
    while True:
        try:
            page = _ordered(db.execute(query, {"after": after}).fetchall(), after)
        except DAMAGE as error:
            check_busy(error)
            troubles.append(str(error))
            last = _last_row(db) if last < 0 else last
            if after >= last:
                yield Gap(good, text or str(error))
                return
            end = min(after + PAGE, last)
            for row in range(after + 1, end + 1):
                found, wrong = _singly(db, row, stubs)
                if found and text:
                    yield Gap(good, text)
                    text = ""
                text = text or wrong
                for each in found:
                    yield each
                    good = row
            after = end
            if after - good >= GIVE_UP_AFTER:
                after = max(after, after // EPOCH_ROWS * EPOCH_ROWS + EPOCH_ROWS)
            continue
        if page and text:
            yield Gap(good, text)
            text = ""
        for values in page:
            yield Row(*values)
            good = values[0]
        if len(page) < PAGE:
            break
        after = good
    if text:
        yield Gap(good, text)


def _ordered(page: list[Any], after: int) -> list[Any]:
    for values in page:
        if values[0] <= after:
            raise sqlite3.DatabaseError("rows do not stand in their order")
        after = values[0]
    return page


def _singly(db: sqlite3.Connection, row: int, stubs: bool) -> tuple[list[Row], str]:
    """(what stands at this row, why nothing can be read there)."""
    found: list[Row] = []
    wrong = ""
    for query in (f"SELECT {_EVENT} FROM event WHERE row = ?", f"SELECT {_STUB} FROM stub WHERE row = ?")[: 1 + stubs]:
        try:
            found += [Row(*values) for values in db.execute(query, (row,))]
        except DAMAGE as error:
            wrong = str(error)
    return found, "" if found else wrong


def _last_row(db: sqlite3.Connection) -> int:
    largest, damaged = 0, 0
    for query in _LAST:
        try:
            with closing(db.cursor()) as cursor:
                for (row,) in cursor.execute(query):
                    if isinstance(row, int) and row > largest:
                        largest = row
        except DAMAGE:
            damaged += 1
    return largest + _MARGIN if largest and damaged else largest
