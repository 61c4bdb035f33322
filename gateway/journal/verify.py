"""Proves a journal file whole, or names the first broken link: bodies, hashes, signatures, numbers, stubs, checkpoint.

Reads only, in one snapshot, a page at a time, also beside a running daemon.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.contract.canonical import canonical
from gateway.contract.envelope import GENESIS_HASH
from gateway.core.errors import BadMessage
from gateway.journal.store import EPOCH_NAME, JOURNAL_NAME

PAGE = 1000
OPENED, CHECKPOINT, KEY_ANNOUNCED = "campus.journal.opened", "campus.journal.checkpoint", "campus.key.announced"
_ASIDE = re.compile(rf"^{re.escape(JOURNAL_NAME)}\.set-aside-\d+$")
_COLUMNS = "row, epoch, sequence, class, classsequence, id, sha256"

Progress = Callable[[int], object]
Keys = dict[str, Ed25519PublicKey]  # kid -> key


class Unreadable(Exception):
    """A file that SQLite cannot read at all."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The first link that does not hold. epoch, sequence: 0 and id: empty where the fault is not at one event."""

    file: str
    epoch: int
    sequence: int
    id: str
    text: str

    def __str__(self) -> str:
        at = f"epoch {self.epoch}, sequence {self.sequence}, id {self.id}: " if self.epoch else ""
        return f"{self.file}: {at}{self.text}"


@dataclass(slots=True)
class Span:
    """One epoch as it was found: the first and last sequence, and the hash of the last."""

    first: int
    last: int
    last_hash: str


@dataclass(slots=True)
class Verdict:
    """What was found in all files. carried: events of an earlier file, kept until they are received."""

    events: int = 0
    stubs: int = 0
    carried: int = 0
    checkpointed: int = 0
    epochs: dict[int, Span] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def journal_files(state_dir: Path) -> list[Path]:
    """The files of a state folder: those set aside in the order of their names, which is that of time, then the present one."""
    aside = [path for path in state_dir.glob(f"{JOURNAL_NAME}.set-aside-*") if _ASIDE.match(path.name)]
    present = state_dir / JOURNAL_NAME
    return sorted(aside, key=lambda path: int(path.name.rpartition("-")[2])) + ([present] if present.exists() else [])


def open_readonly(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises Unreadable."""
    wal = path.with_name(path.name + "-wal")
    for options in ("mode=ro", "mode=ro&immutable=1"):  # the second for a folder in which no lock may be made
        if "immutable" in options and wal.exists() and wal.stat().st_size:
            break
        db = sqlite3.connect(f"file:{path}?{options}", uri=True, timeout=5.0, isolation_level=None)
        try:
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error as error:
            db.close()
            why = error
        else:
            return db
    raise Unreadable(f"{path} cannot be read: {why}")


def verify(state_dir: Path, keys: Keys, progress: Progress = lambda count: None) -> Verdict:
    """Verify every file of a state folder. Raises Unreadable when there is none, or the present one cannot be opened."""
    files = journal_files(state_dir)
    if not files:
        raise Unreadable(f"{state_dir} holds no {JOURNAL_NAME}")
    verdict = Verdict()
    for path in files:
        try:
            with closing(open_readonly(path)) as db:
                _File(path.name, db, keys, verdict, progress).run()
        except Unreadable as error:
            if path.name == JOURNAL_NAME:
                raise
            verdict.broken.append(Broken(path.name, 0, 0, "", str(error)))
        except (sqlite3.Error, UnicodeDecodeError) as error:
            verdict.broken.append(Broken(path.name, 0, 0, "", f"the file is damaged after {verdict.events} events: {error}"))
    _note_missing(state_dir, verdict)
    return verdict


def _note_missing(state_dir: Path, verdict: Verdict) -> None:
    """An epoch may be skipped (a process killed in between), so a missing one is told, not judged."""
    try:
        mark = int((state_dir / EPOCH_NAME).read_text().split()[0])
    except (OSError, ValueError, IndexError):
        mark = 0
    known = verdict.epochs
    if not known:
        return
    missing = [str(epoch) for epoch in range(min(known), max(mark, *known) + 1) if epoch not in known]
    if missing:
        verdict.notes.append(f"no events of epoch {', '.join(missing)} are here")


class _Link(Exception):
    """What is wrong with the present event."""


@dataclass(slots=True)
class _Row:
    row: int
    epoch: int
    sequence: int
    name: str
    class_sequence: int
    id: str
    sha256: str
    body: bytes | None


class _File:
    """One file on its way through the checks. Stops at its first broken link."""

    def __init__(self, name: str, db: sqlite3.Connection, keys: Keys, verdict: Verdict, progress: Progress) -> None:
        self._name = name
        self._db = db
        self._keys = keys
        self._verdict = verdict
        self._progress = progress
        self._headers: dict[str, Ed25519PublicKey] = {}
        self._epoch = self._sequence = 0
        self._previous = GENESIS_HASH
        self._classes: dict[str, int] = {}
        self._checkpoint: dict[str, Any] | None = None
        self._checkpoint_row = 0
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        self._new = "stub" in tables

    def run(self) -> None:
        self._db.execute("BEGIN")  # one snapshot: a running daemon may remove events meanwhile
        own = {epoch for (epoch,) in self._db.execute("SELECT epoch FROM epoch")}
        self._begin_at_checkpoint()
        verdict = self._verdict
        for row in self._rows():
            try:
                event = None if row.body is None else self._event(row)
                if row.epoch in own:
                    self._chain(row, event)
                elif event is None:
                    raise _Link("a stub of an epoch that is not in this file")
                else:
                    verdict.carried += 1
            except _Link as broken:
                verdict.broken.append(Broken(self._name, row.epoch, row.sequence, row.id, str(broken)))
                return
            if event is None:
                verdict.stubs += 1
            else:
                verdict.events += 1
            if (verdict.events + verdict.stubs) % PAGE == 0:
                self._progress(verdict.events + verdict.stubs)
        if self._checkpoint is not None:
            text = "events were removed up to a checkpoint that no signed event of this journal tells of"
            verdict.broken.append(Broken(self._name, 0, 0, "", text))

    def _rows(self) -> Iterator[_Row]:
        stubs = f" UNION ALL SELECT {_COLUMNS}, NULL FROM stub WHERE row > :after" if self._new else ""
        query = f"SELECT {_COLUMNS}, body FROM event WHERE row > :after{stubs} ORDER BY row LIMIT {PAGE}"
        after = 0
        while page := self._db.execute(query, {"after": after}).fetchall():
            for values in page:
                yield _Row(*values)
            after = page[-1][0]

    def _begin_at_checkpoint(self) -> None:
        found = self._new and self._db.execute("SELECT event, epoch, sequence, sha256, count, classes FROM checkpoint").fetchone()
        if not found:
            return
        self._checkpoint_row, self._epoch, self._sequence, self._previous, count, classes = found
        self._classes = json.loads(classes)
        self._checkpoint = {
            "epoch": f"{self._epoch:010d}",
            "sequence": f"{self._sequence:020d}",
            "sha256": self._previous,
            "count": count,
            "classes": self._classes.copy(),
        }
        self._verdict.checkpointed += count
        self._verdict.epochs[self._epoch] = Span(self._sequence + 1, self._sequence, self._previous)

    def _event(self, row: _Row) -> dict[str, Any]:
        """The event, its own form, hash and signature checked."""
        body = row.body
        assert body is not None
        if hashlib.sha256(body).hexdigest() != row.sha256:
            raise _Link("its body does not have its sha-256")
        try:
            event: dict[str, Any] = json.loads(body)
            same = isinstance(event, dict) and canonical(event) == body
        except (ValueError, RecursionError, BadMessage):
            same = False
        if not same:
            raise _Link("its body is not in canonical form")
        said = (event.get("id"), event.get("epoch"), event.get("sequence"), event.get("classsequence"))
        if said != (row.id, f"{row.epoch:010d}", f"{row.sequence:020d}", f"{row.class_sequence:020d}"):
            raise _Link("it stands in the journal under another id or number than its own")
        self._signature(event, body)
        if event["type"] == KEY_ANNOUNCED:
            self._announced(event)
        if row.row == self._checkpoint_row:
            self._told(event)
        return event

    def _signature(self, event: dict[str, Any], body: bytes) -> None:
        try:
            header, empty, signature = event["signature"].split(".")
            part = b',"signature":"' + event["signature"].encode() + b'"'
            at = body.rindex(b',"source":')
            mac = urlsafe_b64decode(signature + "==")
        except (KeyError, AttributeError, ValueError):
            raise _Link("it carries no signature") from None
        if empty or not body.endswith(part, 0, at):
            raise _Link("its signature is not a detached one in its place")
        unsigned = body[: at - len(part)] + body[at:]
        try:
            self._key(header).verify(mac, header.encode() + b"." + urlsafe_b64encode(unsigned).rstrip(b"="))
        except InvalidSignature:
            raise _Link("its signature does not hold") from None

    def _key(self, header: str) -> Ed25519PublicKey:
        """The key that a JWS header names; most events have the same header."""
        if header not in self._headers:
            try:
                said = json.loads(urlsafe_b64decode(header + "=="))
                algorithm, kid = said["alg"], said["kid"]
            except (ValueError, KeyError, TypeError):
                raise _Link("the header of its signature cannot be read") from None
            if algorithm != "EdDSA" or kid not in self._keys:
                raise _Link(f"it is signed with key {kid!r}, which is not known here; give its public half with --key")
            self._headers[header] = self._keys[kid]
        return self._headers[header]

    def _announced(self, event: dict[str, Any]) -> None:
        """A new key counts from here on, because the old one signed for it."""
        data = event["data"]
        try:
            self._keys[data["kid"]] = public_key(data["x"])
        except (KeyError, TypeError, ValueError):
            raise _Link("it announces a key that is none") from None

    def _told(self, event: dict[str, Any]) -> None:
        assert self._checkpoint is not None
        data = event["data"]
        if event["type"] != CHECKPOINT or {name: data.get(name) for name in self._checkpoint} != self._checkpoint:
            raise _Link("what was removed is not what its checkpoint tells")
        self._checkpoint = None

    def _chain(self, row: _Row, event: dict[str, Any] | None) -> None:
        """Numbers and hashes follow upon those before."""
        if row.epoch != self._epoch:
            self._next_epoch(row, event)
        if row.sequence != self._sequence + 1:
            raise _Link(f"sequence {self._sequence + 1} was expected here; what lies between is missing")
        if event is not None and event.get("previoushash") != self._previous:
            raise _Link("its previous hash is not that of the event before it")
        if row.class_sequence != self._classes.get(row.name, 0) + 1:
            raise _Link(f"number {self._classes.get(row.name, 0) + 1} of class {row.name} was expected here")
        self._classes[row.name] = row.class_sequence
        self._sequence, self._previous = row.sequence, row.sha256
        span = self._verdict.epochs.setdefault(row.epoch, Span(row.sequence, row.sequence, row.sha256))
        span.last, span.last_hash = row.sequence, row.sha256

    def _next_epoch(self, row: _Row, event: dict[str, Any] | None) -> None:
        if row.epoch < self._epoch:
            raise _Link(f"it stands behind epoch {self._epoch}")
        self._epoch, self._sequence, self._previous, self._classes = row.epoch, 0, GENESIS_HASH, {}
        if event is None:
            return
        if event["type"] != OPENED:
            raise _Link(f"an epoch begins with {OPENED}, not with {event['type']}")
        data = event["data"]
        before = self._verdict.epochs.get(int(data.get("last_epoch", 0)))
        if before is not None and "last_sequence" in data:
            last = int(data["last_sequence"])
            if before.last < last:
                raise _Link(f"it says that epoch {int(data['last_epoch'])} reached sequence {last}; here it ends with {before.last}")
            if before.last == last and before.last_hash != data["last_hash"]:
                raise _Link(f"it names another last event of epoch {int(data['last_epoch'])} than the one here")


def public_key(x: str) -> Ed25519PublicKey:
    """A key from its `x`, base64url of 32 bytes (RFC 8037). Raises ValueError."""
    return Ed25519PublicKey.from_public_bytes(urlsafe_b64decode(x + "=="))


def thumbprint(x: str) -> str:
    """The kid of a key (RFC 7638, RFC 8037 appendix A.3)."""
    text = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": x}, separators=(",", ":"))
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
