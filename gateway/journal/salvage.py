"""What a file found damaged at the start still holds of the states that must outlive a process.

Each latch has a check sum: what is taken over is what was written. Where a latch is gone, the newest readable event may still
tell it; that can be an older one, and then a press is told twice rather than never.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.contract.canonical import digest
from gateway.core.points import EventClass
from gateway.journal.files import Unreadable, open_readonly
from gateway.journal.store import NO_SUM, Recall, check_sum

log = logging.getLogger(__name__)

MOST = 20_000  # rows; a damaged tree may lead in circles
ALL, SOME, NONE = "all", "some", "none"


@dataclass(slots=True)
class Salvage:
    """kept: key -> JSON. told_by_events: how many of them only events tell. found: all, some or none of what was stored."""

    kept: dict[str, str] = field(default_factory=dict)
    told_by_events: int = 0
    found: str = ALL

    def __str__(self) -> str:
        if self.found == ALL:
            return f"all {len(self.kept)} states were carried over"
        by_events = f", {self.told_by_events} of them from events" if self.told_by_events else ""
        return (
            f"{self.found} of the stored states could be read ({len(self.kept)} carried over{by_events}): alarms that stood without "
            "a cause are forgotten, presses during the outage may be told twice or not at all; look at every button"
        )


def salvage(path: Path, recall: Recall = lambda event: None) -> Salvage:
    """Read what can be read of a file that was set aside. Never raises for what is in it."""
    done = Salvage()
    try:
        with closing(open_readonly(path)) as db:
            if not _latches(db, done):
                done.found = SOME if done.kept else NONE
                _told(db, recall, done)
    except (Unreadable, sqlite3.Error, ValueError) as error:  # ValueError: a name or a body that is no text
        log.error("no states can be read from %s: %s", path.name, error)
        done.found = SOME if done.kept else NONE
    return done


def _latches(db: sqlite3.Connection, done: Salvage) -> bool:
    """True when every latch could be read and is as it was written."""
    columns = {name for (name,) in _readable(db, "SELECT name FROM pragma_table_info('latch')")[0]}
    wanted = "key, state, sum" if "sum" in columns else f"key, state, {NO_SUM}"
    whole = bool(columns)
    for order in ("", " ORDER BY key DESC"):  # from both ends up to the damage
        found, complete = _readable(db, f"SELECT {wanted} FROM latch{order}")
        for key, state, stored in found:
            if _holds(key, state, stored):
                done.kept[key] = state
            else:
                whole = False
        if complete:
            return whole
    return False


def _holds(key: object, state: object, stored: object) -> bool:
    if not isinstance(key, str) or not isinstance(state, str) or stored not in (NO_SUM, check_sum(key, state)):
        return False
    try:
        return isinstance(json.loads(state), dict)
    except (ValueError, RecursionError):
        return False


def _told(db: sqlite3.Connection, recall: Recall, done: Salvage) -> None:
    """The newest event of each latch that is missing."""
    for event in _alarms(db):
        latch = recall(event)
        if latch is not None and latch[0] not in done.kept:
            done.kept[latch[0]] = json.dumps(latch[1])
            done.told_by_events += 1


def _alarms(db: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """Alarm events that still have their hash, newest first; row by row where a page of them cannot be read."""
    query = "SELECT sha256, body FROM event WHERE class = ? ORDER BY row DESC"
    found, complete = _readable(db, query, str(EventClass.ALARM))
    if not complete:
        newest, _ = _readable(db, "SELECT max(row) FROM event")
        last = newest[0][0] if newest and isinstance(newest[0][0], int) else 0
        for row in range(last, max(0, last - MOST), -1):
            found += _readable(db, "SELECT sha256, body FROM event WHERE row = ? AND class = ?", row, str(EventClass.ALARM))[0]
    for sha256, body in found:
        if isinstance(body, bytes) and digest(body) == sha256:
            event = json.loads(body)
            if isinstance(event, dict):
                yield event


def _readable(db: sqlite3.Connection, query: str, *values: object) -> tuple[list[Any], bool]:
    """(rows up to the first that cannot be read, whether that is all of them)."""
    rows: list[Any] = []
    try:
        for row in db.execute(query, values):
            rows.append(row)
            if len(rows) >= MOST:
                return rows, False
    except (sqlite3.Error, UnicodeDecodeError, OverflowError):
        return rows, False
    return rows, True
