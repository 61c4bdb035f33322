"""A look at the file on the disk while it is open: a part of it each time, so that damage is found although nobody reads there.

SQLite's pages have no check sums. What a look can tell: a page is no page of its tree, an event does not have its hash, is not
found by its id, or a state has not its sum. The rest is left to the whole check, once a day.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.contract.canonical import digest
from gateway.journal.store import Store, check_whole

SMALL_BYTES = 1 << 20  # a file up to this is checked whole each time
SLICE_BYTES = 256 << 10  # of a larger one, with 2,880 looks a day: at most 750 MB a day, or the file this often
SLICE_S = 0.02  # an alarm may wait for it
PAGE = 50  # rows in one query
ROW_BYTES = 200  # of a row beside its texts, roughly: with its line in an index


@dataclass(frozen=True, slots=True)
class _Tree:
    """query: rows behind a key, which is their first columns; least: a key before the first."""

    query: str
    least: tuple[object, ...]
    check: Callable[[sqlite3.Connection, tuple[Any, ...]], None] = lambda db, row: None


def _event(db: sqlite3.Connection, row: tuple[Any, ...]) -> None:
    number, sha256, event_id, body = row
    if digest(body) != sha256:
        raise sqlite3.DatabaseError(f"event {event_id} does not have its sha-256")
    if db.execute("SELECT row FROM event WHERE id = ?", (event_id,)).fetchone() != (number,):
        raise sqlite3.DatabaseError(f"event {event_id} is not found by its id")


_TREES = (
    _Tree("SELECT row, sha256, id, body FROM event WHERE row > ? ORDER BY row LIMIT ?", (-1,), _event),
    _Tree(
        "SELECT class, row FROM event INDEXED BY event_class WHERE (class, row) > (?, ?) ORDER BY class, row LIMIT ?",
        ("", -1),
    ),
    _Tree(
        "SELECT recipient, row, state FROM outbox WHERE (recipient, row) > (?, ?) ORDER BY recipient, row LIMIT ?",
        ("", -1),
    ),
    _Tree(
        "SELECT row, recipient FROM outbox INDEXED BY outbox_owed WHERE state = 0 AND (row, recipient) > (?, ?)"
        " ORDER BY row, recipient LIMIT ?",
        (-1, ""),
    ),
    _Tree("SELECT row, id, sha256 FROM stub WHERE row > ? ORDER BY row LIMIT ?", (-1,)),
    _Tree("SELECT at_ms, point, body FROM trend WHERE (at_ms, point) > (?, ?) ORDER BY at_ms, point LIMIT ?", (-1, "")),
)


class Walk:
    """Goes round through the trees of one file, a slice at a time."""

    def __init__(self) -> None:
        self._tree = 0
        self._key = _TREES[0].least
        self.rounds = 0

    def step(self, db: sqlite3.Connection, size: int) -> None:
        """Read the next slice, all of a small file. size: of the file in bytes. Raises sqlite3.Error, ValueError, TypeError on damage."""
        if size <= SMALL_BYTES:
            check_whole(db)
        ends_s, left, rounds = time.monotonic() + SLICE_S, SLICE_BYTES, self.rounds
        while left > 0 and time.monotonic() < ends_s and self.rounds == rounds:
            left -= self._page(db)

    def _page(self, db: sqlite3.Connection) -> int:
        """Bytes that were read, roughly."""
        tree = _TREES[self._tree]
        size = found = 0
        for row in db.execute(tree.query, (*self._key, PAGE)):
            key = row[: len(self._key)]
            if not key > self._key:
                raise sqlite3.DatabaseError(f"the order of rows is broken behind {self._key}")
            tree.check(db, row)
            self._key = key
            size += ROW_BYTES + sum(len(value) for value in row if isinstance(value, str | bytes))
            found += 1
        if found < PAGE:
            self._tree = (self._tree + 1) % len(_TREES)
            self._key = _TREES[self._tree].least
            self.rounds += self._tree == 0
        return size


def newest(db: sqlite3.Connection, store: Store) -> None:
    """The newest event and all states are what was written. Raises sqlite3.Error, TypeError on damage."""
    found = db.execute("SELECT sha256, body FROM event WHERE row = ?", (store.row,)).fetchone()
    if found is None or digest(found[1]) != found[0]:
        raise sqlite3.DatabaseError("the newest event is not as it was written")
    states = dict(db.execute("SELECT key, state FROM latch"))
    if states != store.kept:
        raise sqlite3.DatabaseError("the states of alarms are not as they were written")
