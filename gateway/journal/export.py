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
from gateway.journal.verify import PAGE, Unreadable, journal_files, open_readonly

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


def bodies(state_dir: Path, wanted: Selection, done: Exported) -> Iterator[tuple[str, bytes]]:
    """(event class, sealed body) of each wanted event, file by file, in the order of sealing. Raises Unreadable."""
    files = journal_files(state_dir)
    if not files:
        raise Unreadable(f"{state_dir} holds no journal")
    seen: set[int] = set()
    for path in files:
        present = path == files[-1]
        try:
            with closing(open_readonly(path)) as db:
                for row, name, body in _rows(db, wanted, done):
                    if row not in seen:  # an event of a file set aside may also be carried in the next one
                        yield name, body
                    if not present:
                        seen.add(row)
        except (Unreadable, sqlite3.Error) as error:
            if present:
                raise Unreadable(f"{path} cannot be read: {error}") from error
            done.unreadable.append(f"{path.name}: {error}")


def _rows(db: sqlite3.Connection, wanted: Selection, done: Exported) -> Iterator[tuple[int, str, bytes]]:
    db.execute("BEGIN")
    conditions, values = ["row > ?", "at_ms >= ?", "at_ms < ?"], [wanted.from_ms, wanted.to_ms]
    for column, names in (("class", wanted.classes), ("subject", wanted.points)):
        if names:
            conditions.append(f"{column} IN ({','.join('?' * len(names))})")
            values += sorted(names)  # type: ignore[arg-type]
    query = f"SELECT row, class, body FROM event WHERE {' AND '.join(conditions)} ORDER BY row LIMIT {PAGE}"
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'stub'").fetchone():
        done.removed += db.execute("SELECT count(*) FROM stub").fetchone()[0]
        done.removed += (db.execute("SELECT count FROM checkpoint").fetchone() or (0,))[0]
    after = 0
    while page := db.execute(query, (after, *values)).fetchall():
        yield from page
        after = page[-1][0]


def write_ndjson(state_dir: Path, wanted: Selection, out: BinaryIO, signer: Signer, source: str, at_ms: int) -> Exported:
    """One sealed body a line, and a last line that tells count, range and sha-256 of all lines before it, signed. Raises Unreadable."""
    done, sha256 = Exported(), hashlib.sha256()
    for _, body in bodies(state_dir, wanted, done):
        line = body + b"\n"
        sha256.update(line)
        out.write(line)
        _count(done, json.loads(body))
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
    for name, body in bodies(state_dir, wanted, done):
        event = json.loads(body)
        at = datetime.fromisoformat(event["time"]).astimezone(zone)
        table.writerow([f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}", name, *(_cell(event, where) for where in COLUMNS.values())])
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
    """What is wrong with one line; empty when it is canonical and signed by a known key."""
    try:
        message = json.loads(line)
        if not isinstance(message, dict) or canonical(message) + b"\n" != line:
            return "not in canonical form"
        kid = _kid(message)
        if kid not in keys:
            return f"signed with key {kid!r}, which is not known here; give its public half with --key"
        verify_detached(message, keys[kid])
    except (ValueError, RecursionError, BadMessage):
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
