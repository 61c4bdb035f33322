"""Trends: lowest, mean and highest value of each measured point in each minute, kept for a month beside the events.

They are no evidence: not sealed, not signed, never sent. Ten minutes are written together, so a power cut may cost ten minutes.
A row holds the minutes of one point from its first one on, three little-endian floats each, NaN where nothing good was read.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from math import fsum, isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gateway.core.history import Minute as Minute
from gateway.journal.files import JOURNAL_NAME, open_readonly

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

MINUTE_MS = 60_000
TOGETHER = 10  # minutes in a row
DAYS = 30
MOST_BYTES = 100_000_000  # of all rows, by estimate: then the oldest go although they are younger
ROW_BYTES = 180  # ten minutes of a point in the file, key included
STEP_MS = 6 * 3_600_000  # so much goes in one transaction
_MINUTE = struct.Struct("<3f")
_NOTHING = (nan, nan, nan)

Row = tuple[int, str, bytes]  # first minute (UTC milliseconds), point, packed minutes


class Trends:
    """Collects samples of measured values. The caller takes them as often as it likes, and writes the rows that come of it."""

    def __init__(self) -> None:
        self._minute_ms = 0
        self._samples: dict[str, list[float]] = {}
        self._first_ms = 0
        self._minutes: dict[str, list[tuple[float, float, float]]] = {}

    def take(self, values: Mapping[str, float], at_ms: int) -> list[Row]:
        """One look at all values; rows once ten minutes are full, or where the clock was set."""
        minute_ms = at_ms - at_ms % MINUTE_MS
        rows: list[Row] = []
        if minute_ms != self._minute_ms:
            self._close()
            if not self._minute_ms < minute_ms < self._first_ms + TOGETHER * MINUTE_MS:
                rows = self._rows()
                self._first_ms = minute_ms
            self._minute_ms = minute_ms
        for point, value in values.items():
            self._samples.setdefault(point, []).append(value)
        return rows

    def flush(self) -> list[Row]:
        """What has been collected, the minute at hand included."""
        self._close()
        rows = self._rows()
        self._minute_ms = self._first_ms = 0
        return rows

    def _close(self) -> None:
        """The minute at hand is over."""
        at = (self._minute_ms - self._first_ms) // MINUTE_MS
        for point, values in self._samples.items():
            minutes = self._minutes.setdefault(point, [])
            minutes += [_NOTHING] * (at - len(minutes))
            minutes.append((min(values), fsum(values) / len(values), max(values)))
        self._samples = {}

    def _rows(self) -> list[Row]:
        rows = [(self._first_ms, point, b"".join(_MINUTE.pack(*each) for each in minutes)) for point, minutes in self._minutes.items()]
        self._minutes = {}
        return rows


def trends(state_dir: Path, points: Collection[str] = (), from_ms: int = 0, to_ms: int = 1 << 62) -> Iterator[Minute]:
    """Minutes in the order of their rows: ten minutes of one point after another. points: empty for all.

    Raises Unreadable, sqlite3.Error.
    """
    named = sorted(points)
    among = f"AND point IN ({', '.join('?' * len(named))})" if named else ""
    query = f"SELECT at_ms, point, body FROM trend WHERE at_ms > ? AND at_ms < ? {among} ORDER BY at_ms, point"
    with closing(open_readonly(state_dir / JOURNAL_NAME)) as db:
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'trend'").fetchone():
            return  # of an earlier version
        for at_ms, point, body in db.execute(query, (from_ms - TOGETHER * MINUTE_MS, to_ms, *named)):
            for n, values in enumerate(_MINUTE.iter_unpack(body)):
                minute_ms = at_ms + n * MINUTE_MS
                if from_ms <= minute_ms < to_ms and not isnan(values[1]):
                    yield Minute(minute_ms, point, *values)


def write_csv(state_dir: Path, out: BinaryIO, zone: ZoneInfo, points: Collection[str], from_ms: int, to_ms: int) -> int:
    """A table for people: local time, point, lowest, mean, highest; how many minutes. Raises Unreadable, sqlite3.Error."""
    import csv  # not needed for a start
    import io
    from datetime import UTC, datetime

    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow([f"时间 time ({zone.key})", "点位 point", "最低 low", "平均 mean", "最高 high"])
    count = 0
    out.write(b"\xef\xbb\xbf")  # without it Excel takes UTF-8 for the code page of the system
    for minute in trends(state_dir, points, from_ms, to_ms):
        at = datetime.fromtimestamp(minute.at_ms / 1000, UTC).astimezone(zone)
        table.writerow([f"{at:%Y-%m-%d %H:%M}", minute.point, *(f"{value:.6g}" for value in (minute.low, minute.mean, minute.high))])
        out.write(text.getvalue().encode())
        text.seek(0)
        text.truncate()
        count += 1
    out.write(text.getvalue().encode())
    return count


def store(db: sqlite3.Connection, rows: Collection[Row]) -> None:
    """Inside a transaction. After a start within the same minute the later row holds it."""
    db.executemany("INSERT OR REPLACE INTO trend VALUES (?, ?, ?)", rows)


def remove_old(db: sqlite3.Connection, now_ms: int | None) -> bool:
    """Remove some of what is older than a month, or too much. now_ms: None while the clock is not to be believed. True when some went."""
    oldest, newest = db.execute("SELECT (SELECT min(at_ms) FROM trend), (SELECT max(at_ms) FROM trend)").fetchone()
    if oldest is None:
        return False
    points = db.execute("SELECT count(*) FROM trend WHERE at_ms = ?", (newest,)).fetchone()[0]
    most_ms = MOST_BYTES * TOGETHER * MINUTE_MS // (points * ROW_BYTES)
    before_ms = newest - most_ms
    if now_ms is not None:
        before_ms = max(before_ms, now_ms - DAYS * 86_400_000)
    if oldest >= before_ms:
        return False
    db.execute("DELETE FROM trend WHERE at_ms < ?", (min(before_ms, oldest + STEP_MS),))
    return True


def make_room(db: sqlite3.Connection) -> bool:
    """The disk is full: trends go before events. True when some went."""
    oldest = db.execute("SELECT min(at_ms) FROM trend").fetchone()[0]
    if oldest is None:
        return False
    db.execute("DELETE FROM trend WHERE at_ms < ?", (oldest + STEP_MS // 6,))
    return True
