"""Events of a file set aside that nobody has received: those that still verify are brought over, unchanged, under their epoch."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.contract.canonical import canonical
from gateway.contract.jws import TrustedKey, verify_detached
from gateway.core.errors import BadMessage, BadSignature
from gateway.core.points import EventClass, Priority
from gateway.journal.files import Unreadable, journal_files, open_readonly
from gateway.journal.store import EPOCH_ROWS, OWED, Store, row_of

log = logging.getLogger(__name__)

STEP = 50  # events a transaction
GIVE_UP_AFTER = 5000  # rows in a row that cannot be read
_COLUMNS = "row, class, priority, body"
_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)
_PRIORITIES = {EventClass.ALARM: Priority.URGENT, EventClass.FAULT: Priority.FAULT, EventClass.OBSERVATION: Priority.OBSERVATION}
_DAMAGE = (sqlite3.Error, UnicodeDecodeError, OverflowError)

Found = tuple[int, object, object, object]  # row; class, priority, body as they stand in the damaged file
Row = tuple[int, int, int, str, int, str, str, str, int, int, str, bytes]  # as in the table


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
    """Works through the files set aside. keys: all that this gateway ever had; nothing else is believed."""

    def __init__(self, state_dir: Path, *keys: TrustedKey) -> None:
        self._state_dir = state_dir
        self._keys = {key.kid: key for key in keys}
        self._job: _Job | None = None
        self._looked = False
        self.brought = 0
        self.left: Callable[[str], object] = lambda text: None  # a file is done, and some of what it owes is not carried over

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
            for found, recipients in page:
                event = self._proved(found)
                if event is None:
                    job.left += 1
                elif event[1] not in own and self._put(store, event, recipients, job):
                    rows.append(event[0])
            if rows:
                store.db.execute("DELETE FROM tally")  # they lie below what was counted
            store.db.execute("INSERT OR REPLACE INTO carried VALUES (?, ?, ?)", (job.name, job.after, not more))
        job.brought += len(rows)
        self.brought += len(rows)
        if not more:
            log.warning("%s: %d events that nobody has received were brought over, %d were not", job.name, job.brought, job.left)
            if job.left:
                self.left(f"{job.left} events of {job.name} that are still owed do not verify and were left there")
            self.close()
        return rows

    def _put(self, store: Store, event: Row, recipients: list[str], job: _Job) -> bool:
        """False where the table refuses it, because another has its number or its id."""
        try:
            added = store.db.execute(f"INSERT OR IGNORE INTO event VALUES ({','.join('?' * 12)})", event).rowcount
            if not added and store.db.execute("SELECT sha256 FROM event WHERE row = ?", event[:1]).fetchone() != (event[10],):
                raise sqlite3.IntegrityError("another event has its number or its id")
            store.db.executemany("INSERT OR IGNORE INTO outbox (recipient, row) VALUES (?, ?)", [(name, event[0]) for name in recipients])
        except sqlite3.IntegrityError as error:
            log.error("%s: sequence %d of epoch %d is left there: %s", job.name, event[2], event[1], error)
            job.left += 1
            return False
        return True

    def _next(self, store: Store) -> _Job | None:
        known = {name: (after, done) for name, after, done in store.db.execute("SELECT name, row, done FROM carried")}
        for path in journal_files(self._state_dir)[:-1]:
            after, done = known.get(path.name, (0, 0))
            if done:
                continue
            try:
                db = open_readonly(path)
                db.text_factory = lambda text: text.decode(errors="replace")  # a damaged name must not hide the event
                return _Job(path.name, db, after)
            except Unreadable as error:
                log.error("nothing can be brought over: %s", error)
                with store.transaction():
                    store.db.execute("INSERT OR REPLACE INTO carried VALUES (?, 0, 1)", (path.name,))
        return None

    def _proved(self, found: Found) -> Row | None:
        """The event as its body says, which has this gateway's signature; what the columns beside it say is not asked."""
        _, name, priority, body = found
        if not isinstance(body, bytes):
            return None
        try:
            message = json.loads(body)
            header = json.loads(urlsafe_b64decode(str(message["signature"]).split(".")[0] + "=="))
            verify_detached(message, self._keys[header["kid"]])
            if canonical(message) != body:
                return None
            epoch, sequence, number = (int(message[each]) for each in ("epoch", "sequence", "classsequence"))
            at_ms = (datetime.fromisoformat(message["time"]) - _EPOCH_START) // timedelta(milliseconds=1)
            event_id, kind, subject = (str(message[each]) for each in ("id", "type", "subject"))
            event_class = _class_of(kind, name)
            sha256 = hashlib.sha256(body).hexdigest()
            values = (event_id, kind, subject, _priority_of(event_class, priority), at_ms, sha256, body)
            return (row_of(epoch, sequence), epoch, sequence, str(event_class), number, *values)
        except (ValueError, LookupError, TypeError, RecursionError, OverflowError, BadMessage, BadSignature):
            return None


def _class_of(kind: str, stored: object) -> EventClass:
    """The class is no part of the body; its type names most of them."""
    for name in (kind.split(".")[1], stored):
        if isinstance(name, str) and name in tuple(EventClass):
            return EventClass(name)
    return EventClass.AUDIT


def _priority_of(event_class: EventClass, stored: object) -> int:
    """As it is stored where that can be: an alarm is never late because of a damaged number."""
    default = _PRIORITIES.get(event_class, Priority.ROUTINE)
    if event_class is EventClass.ALARM:
        return int(stored) if stored in (Priority.URGENT, Priority.ALARM_UPDATE) and isinstance(stored, int) else int(default)
    return int(stored) if isinstance(stored, int) and stored in tuple(Priority) else int(default)


def _page(job: _Job, store: Store) -> tuple[list[tuple[Found, list[str]]], bool]:
    """(owed events with who owes them, whether there is more) behind `job.after`."""
    if not job.singly:
        query = f"SELECT DISTINCT row FROM outbox WHERE state = {OWED} AND row > ? ORDER BY row LIMIT {STEP}"
        try:
            rows = [row for (row,) in job.db.execute(query, (job.after,))]
            if not all(isinstance(row, int) for row in rows):
                raise sqlite3.DatabaseError("a row number is none")
            found = [(_event(job.db, row), _recipients(job.db, row)) for row in rows]
        except _DAMAGE:
            job.singly = True
        else:
            job.after = rows[-1] if rows else job.after
            return [(event, names) for event, names in found if event is not None], len(rows) == STEP
    out: list[tuple[Found, list[str]]] = []
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


def _event(db: sqlite3.Connection, row: int) -> Found | None:
    found: Found | None = db.execute(f"SELECT {_COLUMNS} FROM event WHERE row = ?", (row,)).fetchone()
    return found


def _recipients(db: sqlite3.Connection, row: int) -> list[str]:
    names = [name for (name,) in db.execute(f"SELECT recipient FROM outbox WHERE row = ? AND state = {OWED}", (row,))]
    if not all(isinstance(name, str) for name in names):
        raise sqlite3.DatabaseError("the name of a recipient is none")
    return names


def _recipients_or_all(db: sqlite3.Connection, event: Found, store: Store) -> list[str]:
    """Where nobody can tell who has it, all are told again; they drop what they know."""
    try:
        return _recipients(db, event[0])
    except _DAMAGE:
        return list(store.entitled(str(event[1])) or store.entitled(str(EventClass.ALARM)))


def _next_epoch(job: _Job) -> int:
    """The row before the first of the next epoch in the file; 0 when there is none, or nobody can tell."""
    try:
        found = job.db.execute("SELECT min(first_row) FROM epoch WHERE first_row > ?", (job.after,)).fetchone()[0]
    except _DAMAGE:
        return 0
    return found - 1 if isinstance(found, int) and found % EPOCH_ROWS else 0
