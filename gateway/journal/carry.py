"""Events of a file set aside that nobody has received: those that still verify are brought over, unchanged, under their epoch."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from gateway.contract.jws import TrustedKey, verify_detached
from gateway.core.errors import BadMessage, BadSignature
from gateway.journal.store import EPOCH_ROWS, OWED, Store, row_of
from gateway.journal.verify import Unreadable, journal_files, open_readonly

log = logging.getLogger(__name__)

STEP = 50  # events a transaction
GIVE_UP_AFTER = 5000  # rows in a row that cannot be read
_COLUMNS = "row, epoch, sequence, class, classsequence, id, type, subject, priority, at_ms, sha256, body"
_DAMAGE = (sqlite3.Error, UnicodeDecodeError)

Row = tuple[int, int, int, str, int, str, str, str, int, int, str, bytes]


@dataclass(slots=True)
class _Job:
    name: str
    db: sqlite3.Connection
    after: int
    singly: bool = False  # a page could not be read: row by row from here on
    unread: int = 0
    brought: int = 0
    left: int = 0


class Carrier:
    """Works through the files set aside. key: this gateway's own; nothing else is believed."""

    def __init__(self, state_dir: Path, key: TrustedKey) -> None:
        self._state_dir = state_dir
        self._key = key
        self._job: _Job | None = None
        self._looked = False
        self.brought = 0

    def look_again(self) -> None:
        """A file was set aside."""
        self._looked = False

    def close(self) -> None:
        """Let go of the file at hand; it is taken up again at the next start."""
        if self._job is not None:
            self._job.db.close()
            self._job = None

    def step(self, store: Store) -> list[int] | None:
        """Rows that were brought over in one small transaction; None when there is nothing more to do."""
        if self._job is None:
            if self._looked:
                return None
            self._job = self._next(store)
            if self._job is None:
                self._looked = True
                return None
        job, began = self._job, self._job.after
        try:
            return self._bring(store, job)
        except BaseException:
            job.after = began
            raise

    def _bring(self, store: Store, job: _Job) -> list[int]:
        page, more = _page(job, store)
        own = {epoch for (epoch,) in store.db.execute("SELECT epoch FROM epoch")}
        rows: list[int] = []
        with store.transaction():
            for event, recipients in page:
                if event[1] in own:
                    continue
                if not self._holds(event):
                    job.left += 1
                    continue
                row = row_of(event[1], event[2])
                store.db.execute(f"INSERT OR IGNORE INTO event VALUES ({','.join('?' * 12)})", (row, *event[1:]))
                store.db.executemany("INSERT OR IGNORE INTO outbox (recipient, row) VALUES (?, ?)", [(name, row) for name in recipients])
                rows.append(row)
            if rows:
                store.db.execute("DELETE FROM tally")  # they lie below what was counted
            store.db.execute("INSERT OR REPLACE INTO carried VALUES (?, ?, ?)", (job.name, job.after, not more))
        job.brought += len(rows)
        self.brought += len(rows)
        if not more:
            log.warning("%s: %d events that nobody has received were brought over, %d do not verify", job.name, job.brought, job.left)
            self.close()
        return rows

    def _next(self, store: Store) -> _Job | None:
        known = {name: (after, done) for name, after, done in store.db.execute("SELECT name, row, done FROM carried")}
        for path in journal_files(self._state_dir)[:-1]:
            after, done = known.get(path.name, (0, 0))
            if done:
                continue
            try:
                return _Job(path.name, open_readonly(path), after)
            except Unreadable as error:
                log.error("nothing can be brought over: %s", error)
                with store.transaction():
                    store.db.execute("INSERT OR REPLACE INTO carried VALUES (?, 0, 1)", (path.name,))
        return None

    def _holds(self, event: Row) -> bool:
        """Its body has its hash, its numbers, and this gateway's signature."""
        epoch, sequence, event_id, sha256, body = event[1], event[2], event[5], event[10], event[11]
        if not isinstance(body, bytes) or hashlib.sha256(body).hexdigest() != sha256:
            return False
        try:
            message = json.loads(body)
            said = (message["epoch"], message["sequence"], message["id"])
            verify_detached(message, self._key)
        except (ValueError, KeyError, TypeError, RecursionError, BadMessage, BadSignature):
            return False
        return said == (f"{epoch:010d}", f"{sequence:020d}", event_id)


def _page(job: _Job, store: Store) -> tuple[list[tuple[Row, list[str]]], bool]:
    """(owed events with who owes them, whether there is more) behind `job.after`."""
    if not job.singly:
        query = f"SELECT DISTINCT row FROM outbox WHERE state = {OWED} AND row > ? ORDER BY row LIMIT {STEP}"
        try:
            rows = [row for (row,) in job.db.execute(query, (job.after,))]
            found = [(_event(job.db, row), _recipients(job.db, row)) for row in rows]
        except _DAMAGE:
            job.singly = True
        else:
            job.after = rows[-1] if rows else job.after
            return [(event, names) for event, names in found if event is not None], len(rows) == STEP
    out: list[tuple[Row, list[str]]] = []
    for row in range(job.after + 1, job.after + 1 + STEP * 10):
        job.after = row
        try:
            event = _event(job.db, row)
        except _DAMAGE:
            event = None
        names = [] if event is None else _recipients_or_all(job.db, event, store)
        job.unread = 0 if event is not None else job.unread + 1
        if event is not None and names:
            out.append((event, names))
        if len(out) == STEP:
            break
    if job.unread < GIVE_UP_AFTER:
        return out, True
    job.unread = 0
    further = _next_epoch(job)
    job.after = further
    return out, further > 0


def _event(db: sqlite3.Connection, row: int) -> Row | None:
    found: Row | None = db.execute(f"SELECT {_COLUMNS} FROM event WHERE row = ?", (row,)).fetchone()
    return found


def _recipients(db: sqlite3.Connection, row: int) -> list[str]:
    return [name for (name,) in db.execute(f"SELECT recipient FROM outbox WHERE row = ? AND state = {OWED}", (row,))]


def _recipients_or_all(db: sqlite3.Connection, event: Row, store: Store) -> list[str]:
    """Where nobody can tell who has it, all are told again; they drop what they know."""
    try:
        return _recipients(db, event[0])
    except _DAMAGE:
        return list(store.entitled(event[3]))


def _next_epoch(job: _Job) -> int:
    """The row before the first of the next epoch in the file; 0 when there is none, or nobody can tell."""
    try:
        found = job.db.execute("SELECT min(first_row) FROM epoch WHERE first_row > ?", (job.after,)).fetchone()[0]
    except _DAMAGE:
        return 0
    return int(found) - 1 if found is not None and found % EPOCH_ROWS else 0
