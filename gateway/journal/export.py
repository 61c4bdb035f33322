"""Evidence export: sealed bodies unchanged as NDJSON with a signed last line, or CSV for people."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sqlite3
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from gateway.contract.canonical import canonical
from gateway.contract.envelope import rfc3339
from gateway.contract.jws import Signer, TrustedKey, verify_detached
from gateway.core.errors import BadMessage, BadSignature
from gateway.journal.columns import class_of, wrong_column, wrong_numbers
from gateway.journal.files import Unreadable, journal_files
from gateway.journal.rows import DAMAGE, Gap, Row, as_text, open_damaged, rows_of
from gateway.journal.store import EPOCH_ROWS
from gateway.journal.verify import KEY_ANNOUNCED

TYPE = "campus.journal.export"  # of the last line
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a text that begins so
BOM = b"\xef\xbb\xbf"  # without it Excel takes UTF-8 for the code page of the system

# heading -> where it stands in the event
COLUMNS: dict[str, tuple[str, ...]] = {
    "纪元 epoch": ("epoch",),
    "序号 sequence": ("sequence",),
    "类型 type": ("type",),
    "点位 point": ("subject",),
    "位置 place": ("data", "place"),
    "内容 text (zh)": ("data", "text", "zh"),
    "内容 text (en)": ("data", "text", "en"),
    "状态 state": ("data", "state"),
    "原状态 previous state": ("data", "previous_state"),
    "数值 value": ("data", "value"),
    "单位 unit": ("data", "unit"),
    "质量 quality": ("data", "quality"),
    "优先级 priority": ("data", "priority"),
    "性质 status": ("data", "status"),
    "操作人 by": ("data", "by"),
    "责任人 responsible": ("data", "responsible"),
    "事件 incident": ("data", "incident"),
    "时钟 clock quality": ("clockquality",),
    "编号 id": ("id",),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted; from_ms inclusive, to_ms exclusive, UTC. Empty sets: everything."""

    from_ms: int = 0
    to_ms: int = 1 << 62
    classes: frozenset[str] = frozenset()
    points: frozenset[str] = frozenset()

    def takes(self, event: dict[str, Any], event_class: str) -> bool:
        """True when this event is wanted, by what its signed body says. Raises ValueError, KeyError, TypeError for what is no event."""
        at_ms = round(datetime.fromisoformat(event["time"]).timestamp() * 1000)
        return (
            self.from_ms <= at_ms < self.to_ms
            and (not self.classes or event_class in self.classes)
            and (not self.points or event["subject"] in self.points)
        )

    def as_json(self) -> dict[str, Any]:
        """As the manifest tells it."""
        told: dict[str, Any] = {"classes": sorted(self.classes), "points": sorted(self.points)}
        if self.from_ms:
            told["from"] = rfc3339(self.from_ms)
        if self.to_ms < 1 << 62:
            told["to"] = rfc3339(self.to_ms)
        return told


@dataclass(slots=True)
class Exported:
    """What went out. removed: events in the time and classes asked for cannot be told from stubs, so all stubs are counted."""

    count: int = 0
    removed: int = 0
    first: dict[str, str] | None = None
    last: dict[str, str] | None = None
    unreadable: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """One wanted event: its class, its sealed body, and the same as JSON."""

    event_class: str
    body: bytes
    event: dict[str, Any]


def events(state_dir: Path, wanted: Selection, done: Exported) -> Iterator[Found]:
    """Each wanted event, file by file, in the order of sealing; chosen by the signed bodies alone. Raises Unreadable."""
    files = journal_files(state_dir)
    if not files:
        raise Unreadable(f"{state_dir} holds no journal")
    seen: set[int] = set()
    for path in files:
        present = path == files[-1]
        try:
            db, wrong = open_damaged(path)
            with closing(db):
                told = _Told(path.name, done.unreadable)
                if wrong:
                    told.add(wrong)
                for row, found in _found(db, wanted, done, told):
                    if row not in seen:  # an event of a file set aside may also be carried in the next one
                        yield found
                    if not present:
                        seen.add(row)
                told.close()
        except (Unreadable, *DAMAGE) as error:
            if present:
                raise Unreadable(f"{path} cannot be read: {error}") from error
            done.unreadable.append(f"{path.name}: {error}")


class _Told:
    """What is wrong with one file, for the last line: nothing may be missing in silence."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self._name = name
        self._lines = lines
        self._odd = 0
        self._first: tuple[int, int] = (0, 0)

    def add(self, text: str) -> None:
        self._lines.append(f"{self._name}: {text}")

    def odd(self, row: Row) -> None:
        """An event whose columns or hash are not those of its body."""
        self._first = self._first if self._odd else (row.row // EPOCH_ROWS + 1, row.row % EPOCH_ROWS)
        self._odd += 1

    def close(self) -> None:
        if self._odd:
            epoch, sequence = self._first
            self.add(f"{self._odd} events were changed, the first is epoch {epoch}, sequence {sequence}; see journal verify")


def _found(db: sqlite3.Connection, wanted: Selection, done: Exported, told: _Told) -> Iterator[tuple[int, Found]]:
    """(row, event). Every body is read: columns and indexes are not signed, and choosing by them could leave evidence out."""
    db.text_factory = as_text
    db.execute("BEGIN")
    stubs = db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'stub'").fetchone() is not None
    if stubs:
        done.removed += (db.execute("SELECT count FROM checkpoint").fetchone() or (0,))[0]
    for row in rows_of(db, stubs, []):
        if isinstance(row, Gap):
            told.add(f"behind epoch {row.after // EPOCH_ROWS + 1}, sequence {row.after % EPOCH_ROWS} something cannot be read: {row.text}")
        elif row.body is None:
            done.removed += 1
        else:
            found = _read(row, told)
            if found is not None and wanted.takes(found.event, found.event_class):
                yield row.row, found


def _read(row: Row, told: _Told) -> Found | None:
    """None where it cannot be told what the event is."""
    body = row.body
    try:
        assert isinstance(body, bytes)
        event = json.loads(body)
        found = Found(class_of(event, row.name), body, event)
        Selection().takes(event, found.event_class)  # raises, as the next line does, where something is missing
        int(event["epoch"]), int(event["sequence"])
        sound = row.is_sound() and hashlib.sha256(body).hexdigest() == row.sha256
        if not sound or wrong_numbers(row, event) or wrong_column(row, event):
            told.odd(row)
    except (AssertionError, AttributeError, ValueError, KeyError, TypeError, RecursionError):
        told.odd(row)
        return None
    return found


def write_ndjson(state_dir: Path, wanted: Selection, out: BinaryIO, signer: Signer, source: str, at_ms: int) -> Exported:
    """One sealed body a line, and a last line that tells count, range and sha-256 of all lines before it, signed. Raises Unreadable."""
    done, sha256 = Exported(), hashlib.sha256()
    for found in events(state_dir, wanted, done):
        line = found.body + b"\n"
        sha256.update(line)
        out.write(line)
        _count(done, found.event)
    manifest = {
        "type": TYPE,
        "source": source,
        "time": rfc3339(at_ms),
        "selection": wanted.as_json(),
        "count": done.count,
        "removed": done.removed,
        "first": done.first,
        "last": done.last,
        "unreadable": done.unreadable,
        "sha256": sha256.hexdigest(),
    }
    out.write(signer.seal(manifest) + b"\n")
    return done


def write_csv(state_dir: Path, wanted: Selection, out: BinaryIO, zone: ZoneInfo) -> Exported:
    """A table for people: UTF-8 with a byte order mark, headings in both languages, local time first. Raises Unreadable."""
    done = Exported()
    out.write(BOM)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow([f"时间 time ({zone.key})", "类别 class", *COLUMNS])
    for found in events(state_dir, wanted, done):
        event = found.event
        at = datetime.fromisoformat(event["time"]).astimezone(zone)
        table.writerow(
            [
                f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}",
                found.event_class,
                *(_cell(event, where) for where in COLUMNS.values()),
            ]
        )
        out.write(text.getvalue().encode("utf-8", "replace"))
        text.seek(0)
        text.truncate()
        _count(done, event)
    out.write(text.getvalue().encode())
    return done


def _count(done: Exported, event: dict[str, Any]) -> None:
    done.last = {"epoch": event["epoch"], "sequence": event["sequence"]}
    done.first = done.first or done.last
    done.count += 1


def _cell(event: dict[str, Any], where: tuple[str, ...]) -> object:
    value: Any = event
    for name in where:
        value = value.get(name) if isinstance(value, dict) else None
    if where[0] in ("epoch", "sequence"):
        return int(value)
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        value = value.replace("\0", "")
        return "'" + value if value.startswith(FORMULA) else value
    return "" if value is None else value


def check_ndjson(path: Path, keys: dict[str, TrustedKey]) -> tuple[int, str]:
    """(events, what is wrong or empty) of an exported NDJSON file. Raises Unreadable."""
    count, sha256, held = 0, hashlib.sha256(), b""
    try:
        with path.open("rb") as file:
            for line in file:
                if held:
                    sha256.update(held)
                    count += 1
                    if text := _signed(held, keys):
                        return count, f"line {count}: {text}"
                held = line
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
    if text := _signed(held, keys):
        return count, f"the last line: {text}"
    manifest = json.loads(held)
    if manifest.get("type") != TYPE:
        return count, "the last line is not that of an export: the file was cut"
    if (manifest["count"], manifest["sha256"]) != (count, sha256.hexdigest()):
        return count, f"{manifest['count']} events with another sha-256 were exported: the file was changed"
    return count, ""


def _signed(line: bytes, keys: dict[str, TrustedKey]) -> str:
    """What is wrong with one line; empty when it is canonical and signed by a known key. keys: a key that it announces is added."""
    try:
        message = json.loads(line)
        if not isinstance(message, dict) or canonical(message) + b"\n" != line:
            return "not in canonical form"
        kid = _kid(message)
        if kid not in keys:
            return f"signed with key {kid!r}, which is not known here; give its public half with --key"
        verify_detached(message, keys[kid])
        if message.get("type") == KEY_ANNOUNCED:  # it counts from here on, because the one before signed for it
            new = message["data"]
            keys[new["kid"]] = TrustedKey(new["kid"], new["x"], "gateway")
    except (ValueError, KeyError, TypeError, RecursionError, BadMessage):
        return "no signed JSON"
    except BadSignature as error:
        return str(error)
    return ""


def _kid(message: dict[str, Any]) -> str:
    try:
        header = json.loads(urlsafe_b64decode(message["signature"].split(".")[0] + "=="))
        return str(header["kid"])
    except (KeyError, AttributeError, TypeError):
        raise ValueError("no signature") from None


def utc_ms(text: str, zone: ZoneInfo, *, end: bool = False) -> int:
    """UTC milliseconds of `2026-11-21`, `2026-11-21T08:00` (in the zone) or a full RFC 3339 time. end: a date means its end.

    Raises ValueError.
    """
    moment = datetime.fromisoformat(text)
    if end and len(text) <= len("2026-11-21"):
        moment += timedelta(days=1)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return round(moment.astimezone(UTC).timestamp() * 1000)
