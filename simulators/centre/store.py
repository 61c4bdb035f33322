"""The centre's memory: one SQLite file. What is receipted has been committed here first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from simulators.centre.chain import Place
from simulators.centre.ledger import KEY_ANNOUNCED, Record, Standing, Verdict
from simulators.centre.verify import Message, Refused, parse

BAD_ROWS = 10_000  # noise from strangers must not fill the disk
TOLD = ("id", "type", "subject", "time", "data")  # members of an event that a list of events tells
LATEST_KINDS = ("birth", "status", "heartbeat")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL, source TEXT NOT NULL, epoch TEXT, sequence INTEGER, classsequence INTEGER, previoushash TEXT,
    class TEXT NOT NULL, type TEXT, subject TEXT, time TEXT, arrival TEXT NOT NULL,
    sha256 TEXT NOT NULL, body BLOB NOT NULL, verified INTEGER NOT NULL, standing TEXT NOT NULL, problem TEXT,
    resent INTEGER NOT NULL DEFAULT 0,
    UNIQUE (source, id, sha256, class)
) STRICT;
CREATE TABLE IF NOT EXISTS latest (
    source TEXT NOT NULL, kind TEXT NOT NULL, arrival TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (source, kind)
) STRICT;
"""
_INSERT = """
INSERT INTO events (id, source, epoch, sequence, classsequence, previoushash, class, type, subject, time, arrival, sha256, body, verified,
                    standing, problem)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (source, id, sha256, class) DO UPDATE SET resent = resent + 1
"""


class Store:
    """Events, and the newest birth, status and heartbeat of each gateway. One caller at a time, from any thread."""

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        """sqlite3.Error when the file cannot be used. read_only: another process may be writing it."""
        if read_only:
            self._db = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            return
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Let the file go."""
        self._db.close()

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Commit what these verdicts leave behind, all or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for verdict in verdicts:
                self._keep(verdict)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk may have rolled it back already
                self._db.execute("ROLLBACK")
            raise

    def records(self) -> Iterator[Record]:
        """Every stored event in the order of arrival."""
        rows = self._db.execute(
            "SELECT source, id, sha256, standing, epoch, sequence, class, classsequence, previoushash, resent FROM events ORDER BY number"
        )
        for source, event_id, sha256, standing, epoch, sequence, event_class, class_sequence, previous, resent in rows:
            place = Place(epoch, sequence, event_class, class_sequence, previous) if epoch is not None else None
            yield Record(source, event_id, sha256, Standing(standing), place, resent)

    def heartbeats(self) -> list[tuple[str, bytes]]:
        """(source, body) of each gateway's newest heartbeat."""
        return list(self._db.execute("SELECT source, body FROM latest WHERE kind = 'heartbeat'"))

    def announced(self) -> list[tuple[str, str, bytes]]:
        """(source, arrival, body) of each genuine event that announces a key, in the order of arrival."""
        query = "SELECT source, arrival, body FROM events WHERE type = ? AND standing IN ('new', 'replaces') ORDER BY number"
        return list(self._db.execute(query, (KEY_ANNOUNCED,)))

    def newest(self) -> int:
        """Row of the newest event, 0 when there is none."""
        return int(self._db.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()[0])

    def lines(self, after: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """(row, what is kept of it) of each event behind this row, in the order of arrival; the names are those of `run --json`."""
        columns = "number, source, class, standing, problem, resent, arrival, sha256, verified, epoch, sequence, body"
        for row in self._db.execute(f"SELECT {columns} FROM events WHERE number > ? ORDER BY number", (after,)):
            number, source, event_class, standing, problem, resent, arrival, sha256, verified, epoch, sequence, body = row
            yield number, {
                "kind": "event" if verified else "bad",
                "source": source, "class": event_class, "standing": standing, "problem": problem, "resent": resent,
                "arrived_at": arrival, "sha256": sha256, "verified": bool(verified), "epoch": epoch, "sequence": sequence,
                **({name: message.get(name) for name in TOLD} if (message := _message(body)) else {}),
            }  # fmt: skip

    def _keep(self, verdict: Verdict) -> None:
        if verdict.kind in LATEST_KINDS:
            row = (verdict.source, verdict.kind, verdict.arrival.at, verdict.body)
            self._db.execute("INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?)", row)
        elif verdict.standing is Standing.RESEND:
            ids = (verdict.source, verdict.message["id"])
            self._db.execute(
                "UPDATE events SET resent = resent + 1 WHERE source = ? AND id = ? AND standing IN ('new', 'early', 'replaces')", ids
            )
        elif verdict.standing is not None:
            if verdict.standing is Standing.REPLACES:
                early = (verdict.source, verdict.message["id"])
                self._db.execute("DELETE FROM events WHERE source = ? AND id = ? AND standing = 'early'", early)
            self._insert(verdict)

    def _insert(self, verdict: Verdict) -> None:
        place, message = verdict.place, verdict.message
        numbers = (place.epoch, place.sequence, place.class_sequence, place.previous) if place else (None, None, None, None)
        self._db.execute(
            _INSERT,
            (
                _text(message, "id") or "",
                verdict.source,
                *numbers,
                verdict.event_class,
                _text(message, "type"),
                _text(message, "subject"),
                _text(message, "time"),
                verdict.arrival.at,
                verdict.sha256,
                verdict.body,
                verdict.standing is not Standing.BAD,
                verdict.standing,
                verdict.problem,
            ),
        )
        if verdict.standing is Standing.BAD:
            self._db.execute(
                "DELETE FROM events WHERE verified = 0 AND number <= "
                "(SELECT number FROM events WHERE verified = 0 ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (BAD_ROWS,),
            )


def will_pass(problem: sqlite3.Error) -> bool:
    """True where trying again helps once somebody has made room, or has let the file go."""
    code = getattr(problem, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY)


def _message(body: bytes) -> Message:
    """What a stored body says; nothing when it is no message."""
    try:
        return parse(body)
    except Refused:
        return {}


def _text(message: Message, name: str) -> str | None:
    """A member as SQLite can hold it: text without lone surrogates, or nothing."""
    value = message.get(name)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None
