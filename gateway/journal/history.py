"""Events read back newest first, for reports and for the page's history. Beside the writer, in whatever thread asks.

Rows stand in the order of sealing, which is that of time but for clocks that were set. So the walk begins at the newest row, or, for a time
long past, at one that is found by halving; and it ends once OLDER_ROWS rows in a row are older than what is asked for. There is no index on
time: every event would have to pay for it. What a clock that ran ahead has dated may hide a time long past from the halving, never the last
RECENT_MS.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from gateway.core.errors import JournalUnreadable
from gateway.core.history import Minute, Told, Wanted
from gateway.journal.files import Unreadable, journal_files, open_readonly
from gateway.journal.trends import trends

OLDER_ROWS = 2000
RECENT_MS = 40 * 86_400_000  # the month of a report ends in it
PAGE = 500
TOO_LONG = "查询时间过长，请缩小时间范围 (this takes too long: ask for a shorter time)"
_EVENT = "row, epoch, sequence, class, id, type, subject, at_ms, body"
_OWED = 0
_RECEIVED = 1


class JournalHistory:
    """Satisfies core.history.Past. Files that were set aside are read behind the present one."""

    def __init__(self, state_dir: Path, enough: Callable[[], bool] = lambda: False) -> None:
        """enough(): asked with each page of rows or minutes; True ends the walk by JournalUnreadable."""
        self._state_dir, self._enough = state_dir, enough

    def events(self, wanted: Wanted) -> Iterator[Told]:
        """Newest first. Raises JournalUnreadable."""
        seen: set[int] = set()
        files = journal_files(self._state_dir)
        for path in reversed(files):
            with _reading(path) as db:
                for told in _events(db, wanted, self._enough):
                    if told.row not in seen:  # an event of a file set aside may also have been carried into the next one
                        if len(files) > 1:
                            seen.add(told.row)
                        yield told

    def kept(self, key: str) -> dict[str, Any] | None:
        """What the present file keeps under this key for the next start; None where there is nothing. Raises JournalUnreadable."""
        files = journal_files(self._state_dir)
        if not files:
            return None
        with _reading(files[-1]) as db:
            found = db.execute("SELECT state FROM latch WHERE key = ?", (key,)).fetchone()
        try:
            return None if found is None else dict(json.loads(found[0]))
        except (ValueError, TypeError) as error:
            raise JournalUnreadable(f"{key}: {error}") from error

    def minutes(self, points: Collection[str], from_ms: int, to_ms: int) -> Iterator[Minute]:
        """Oldest first. Raises JournalUnreadable."""
        try:
            for n, minute in enumerate(trends(self._state_dir, points, from_ms, to_ms)):
                if n % PAGE == 0 and self._enough():
                    raise JournalUnreadable(TOO_LONG)
                yield minute
        except (sqlite3.Error, Unreadable) as error:
            raise JournalUnreadable(str(error)) from error


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(open_readonly(path)) as db:
            yield db
    except (sqlite3.Error, Unreadable, OSError) as error:
        raise JournalUnreadable(f"{path.name}: {error}") from error


def _events(db: sqlite3.Connection, wanted: Wanted, enough: Callable[[], bool]) -> Iterator[Told]:
    below = _first_row_after(db, wanted.to_ms)
    if wanted.before_row:
        below = min(below, wanted.before_row)
    older, recipients = 0, _recipients(db)
    while True:
        if enough():
            raise JournalUnreadable(TOO_LONG)
        page = db.execute(f"SELECT {_EVENT} FROM event WHERE row < ? ORDER BY row DESC LIMIT {PAGE}", (below,)).fetchall()
        proof: dict[int, list[tuple[str, int, int | None]]] | None = None
        for row in page:
            older = older + 1 if row[7] < wanted.from_ms else 0
            if older > OLDER_ROWS:
                return
            data = _data(row, wanted)
            if data is not None:
                proof = _proof(db, recipients, page[-1][0], page[0][0]) if proof is None else proof
                yield _told(row, data, proof.get(row[0], []))
        if len(page) < PAGE:
            return
        below = page[-1][0]


def _first_row_after(db: sqlite3.Connection, at_ms: int) -> int:
    """A row above everything older than at_ms, with a margin for a clock that was set."""
    low, high = db.execute("SELECT min(row), max(row) FROM event").fetchone()
    if low is None:
        return 0
    end = int(high) + 1
    if at_ms >= db.execute("SELECT at_ms FROM event WHERE row = ?", (high,)).fetchone()[0] - RECENT_MS:
        return end
    while low < high:
        middle = (low + high) // 2
        found = db.execute("SELECT row, at_ms FROM event WHERE row >= ? ORDER BY row LIMIT 1", (middle,)).fetchone()
        if found is None or found[1] >= at_ms:
            high = middle
        else:
            low = found[0] + 1
    later = db.execute(f"SELECT row FROM event WHERE row >= ? ORDER BY row LIMIT 1 OFFSET {OLDER_ROWS}", (low,)).fetchone()
    return end if later is None else int(later[0])


def _recipients(db: sqlite3.Connection) -> list[str]:
    """Of all deliveries; each by one step in the key."""
    found: list[str] = []
    while (
        name := db.execute("SELECT min(recipient) FROM outbox WHERE recipient > ?", (found[-1] if found else "",)).fetchone()[0]
    ) is not None:
        found.append(name)
    return found


def _proof(db: sqlite3.Connection, recipients: list[str], first: int, last: int) -> dict[int, list[tuple[str, int, int | None]]]:
    """row -> (recipient, state, settled_ms) of each delivery of the rows from first to last."""
    found: dict[int, list[tuple[str, int, int | None]]] = {}
    for recipient in recipients:  # the key begins with it
        query = "SELECT row, state, settled_ms FROM outbox WHERE recipient = ? AND row BETWEEN ? AND ?"
        for row, state, settled_ms in db.execute(query, (recipient, first, last)):
            found.setdefault(row, []).append((recipient, state, settled_ms))
    return found


def _data(row: tuple[Any, ...], wanted: Wanted) -> dict[str, Any] | None:
    """The event's data where it is wanted, else None."""
    _, _, _, name, event_id, kind, subject, at_ms, body = row
    if not wanted.from_ms <= at_ms < wanted.to_ms or (wanted.classes and name not in wanted.classes):
        return None
    if (wanted.types and not kind.startswith(wanted.types)) or (wanted.subject and subject != wanted.subject):
        return None
    try:
        data: dict[str, Any] = json.loads(body)["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise JournalUnreadable(f"event {event_id}: {error}") from error
    if (wanted.places and data.get("place") not in wanted.places) or (wanted.roles and data.get("role") not in wanted.roles):
        return None
    if wanted.text and not _speaks_of(wanted.text.casefold(), data, (kind, subject, event_id)):
        return None
    return data


def _told(row: tuple[Any, ...], data: dict[str, Any], proof: list[tuple[str, int, int | None]]) -> Told:
    number, epoch, sequence, name, event_id, kind, subject, at_ms, _ = row
    received = {recipient: settled_ms for recipient, state, settled_ms in proof if state == _RECEIVED and settled_ms is not None}
    owed = frozenset(recipient for recipient, state, _ in proof if state == _OWED)
    return Told(number, epoch, sequence, name, event_id, kind, subject, at_ms, data, received, owed)


def _speaks_of(text: str, value: object, more: tuple[str, ...] = ()) -> bool:
    if isinstance(value, dict):
        return any(text in each.casefold() for each in more) or any(_speaks_of(text, each) for each in value.values())
    if isinstance(value, list):
        return any(_speaks_of(text, each) for each in value)
    return isinstance(value, str) and text in value.casefold()
