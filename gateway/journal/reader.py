"""Reads the journal beside the writer: pages of owed events, single events. A connection and a thread of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gateway.core.delivery import Owed
from gateway.core.errors import JournalUnreadable
from gateway.journal.store import JOURNAL_NAME, OWED, row_of

T = TypeVar("T")


class Reader:
    """Read-only view of the journal; every call runs in the reader's thread."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / JOURNAL_NAME
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="journal-read")
        self._db: sqlite3.Connection | None = None
        self.damaged: Callable[[str], object] = lambda text: None  # the file is no longer what it should be

    async def debts(self, from_row: int) -> dict[tuple[str, str], tuple[int, tuple[int, int]]]:
        """(recipient, event class) -> (row, (epoch, sequence)) of the lowest event that is still owed, from `from_row` on."""
        return await self._call(self._debts, from_row)

    async def owed(self, after_row: int, limit: int, of: tuple[str, str] | None = None) -> list[Owed]:
        """Events behind `after_row` that are still owed, in the order of sealing; of: to this recipient, of this class."""
        return await self._call(self._owed, after_row, limit, of)

    async def bodies(self, rows: list[int]) -> dict[int, tuple[str, bytes]]:
        """row -> (event class, body)."""
        return await self._call(self._bodies, rows)

    async def known(self, ids: list[str]) -> dict[str, tuple[int, str]]:
        """id -> (row, sha-256) of those ids that this journal holds."""
        return await self._call(self._known, ids)

    async def since(self, recipient: str, place: tuple[int, int], after_row: int, limit: int) -> list[Owed]:
        """Events for this recipient from place = (epoch, sequence) on, settled or not, in the order of sealing."""
        return await self._call(self._since, recipient, place, after_row, limit)

    async def counts(self) -> tuple[int, int]:
        """(events, owed deliveries)."""
        return await self._call(self._counts)

    def reopen(self) -> None:
        """Another file has taken the place of the one that was read."""
        self._pool.submit(self._close)

    def close(self) -> None:
        """Close the connection and end the thread."""
        self._pool.submit(self._close)
        self._pool.shutdown(wait=True)

    async def _call(self, function: Callable[..., T], *args: object) -> T:
        """Raises JournalUnreadable, whatever is wrong with the file: a damaged one may hold values of other types than were written."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
        except (sqlite3.Error, OSError, ValueError, TypeError, AttributeError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                self.damaged(str(error))
            raise JournalUnreadable(f"{type(error).__name__}: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=5.0, isolation_level=None)
        return self._db

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _debts(self, from_row: int) -> dict[tuple[str, str], tuple[int, tuple[int, int]]]:
        found = self._connection().execute(
            "SELECT o.recipient, e.class, min(o.row), e.epoch, e.sequence FROM outbox o JOIN event e ON e.row = o.row"
            f" WHERE o.state = {OWED} AND o.row >= ? GROUP BY o.recipient, e.class",
            (from_row,),
        )
        return {(recipient, name): (row, (epoch, sequence)) for recipient, name, row, epoch, sequence in found}

    def _owed(self, after_row: int, limit: int, of: tuple[str, str] | None) -> list[Owed]:
        wanted, of_whom = "", () if of is None else of
        if of is not None:
            wanted = f" AND e.class = ? AND EXISTS (SELECT 1 FROM outbox w WHERE w.row = o.row AND w.recipient = ? AND w.state = {OWED})"
            of_whom = (of[1], of[0])
        rows = (
            self._connection()
            .execute(
                "SELECT o.row, e.epoch, e.sequence, e.class, e.id, e.priority, e.at_ms, e.sha256, group_concat(o.recipient, ' ')"
                f" FROM outbox o JOIN event e ON e.row = o.row WHERE o.state = {OWED} AND o.row > ?{wanted}"
                " GROUP BY o.row ORDER BY o.row LIMIT ?",
                (after_row, *of_whom, limit),
            )
            .fetchall()
        )
        return [Owed(r, e, s, c, i, p, a, d, frozenset(recipients.split())) for r, e, s, c, i, p, a, d, recipients in rows]

    def _since(self, recipient: str, place: tuple[int, int], after_row: int, limit: int) -> list[Owed]:
        rows = self._connection().execute(
            "SELECT e.row, e.epoch, e.sequence, e.class, e.id, e.priority, e.at_ms, e.sha256 FROM event e"
            " JOIN outbox o ON o.row = e.row AND o.recipient = ?"
            " WHERE e.row > ? AND (e.epoch, e.sequence) >= (?, ?) ORDER BY e.row LIMIT ?",
            (recipient, max(after_row, row_of(*place) - 1), *place, limit),
        )
        return [Owed(r, e, s, c, i, p, a, d, frozenset({recipient})) for r, e, s, c, i, p, a, d in rows]

    def _bodies(self, rows: list[int]) -> dict[int, tuple[str, bytes]]:
        marks = ",".join("?" * len(rows))
        found = self._connection().execute(f"SELECT row, class, body FROM event WHERE row IN ({marks})", rows)
        return {row: (name, body) for row, name, body in found}

    def _known(self, ids: list[str]) -> dict[str, tuple[int, str]]:
        marks = ",".join("?" * len(ids))
        found = self._connection().execute(f"SELECT id, row, sha256 FROM event WHERE id IN ({marks})", ids)
        return {name: (row, sha256) for name, row, sha256 in found}

    def _counts(self) -> tuple[int, int]:
        db = self._connection()
        events = db.execute("SELECT count(*) FROM event").fetchone()[0]
        owed = db.execute(f"SELECT count(*) FROM outbox WHERE state = {OWED}").fetchone()[0]
        return events, owed
