"""The journal's file: opening, migrations, integrity, and the statements. Runs in the journal's own thread.

SQLite in WAL mode with synchronous=FULL: a commit that returned survives a power cut if the medium honours
its sync. A file that fails its check is set aside under another name, never deleted, and a new epoch begins.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from gateway.contract.canonical import digest
from gateway.contract.envelope import GENESIS_HASH, Number, Origin, Sealed, seal
from gateway.contract.jws import Signer
from gateway.contract.receipt import Newest
from gateway.core.delivery import Settlement
from gateway.core.errors import JournalRefused
from gateway.core.points import Draft, EventClass, Latch
from gateway.journal import migration, trends
from gateway.journal.files import JOURNAL_NAME as JOURNAL_NAME
from gateway.journal.files import home_of
from gateway.journal.reserve import Reserve

if TYPE_CHECKING:
    from gateway.journal.salvage import Salvage

OWED = 0
EPOCH_ROWS = 1 << 40  # row numbers hold their epoch, so that no two files of one gateway use the same
FULL_CHECK_BYTES = 32 << 20  # a larger file is checked beside the running gateway (docs/decisions/017)
LOG_PAGES = 1000  # of 4 KiB: SQLite's log stays near 4 MB
TAIL_EVENTS = 500  # of a larger file, so many of the newest are checked before it is used
NO_SUM = -1  # instead of the check sum of a latch that an earlier version wrote
EPOCH_NAME = "epoch"  # high-water mark, beside the keys, so that a lost journal never repeats an epoch


Recall = Callable[[dict[str, Any]], tuple[str, dict[str, Any]] | None]  # event -> the latch that it left behind


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes into one transaction together. after: called by the owner once it is committed.

    minutes: rows of trends; while the disk is full they are not kept.
    """

    drafts: Sequence[Draft] = ()
    latches: Sequence[Latch] = ()
    after: Sequence[Callable[[], object]] = ()
    minutes: Sequence[trends.Row] = ()


class Store:
    """One open journal file. Every method may raise sqlite3.Error; `transaction` rolls back."""

    def __init__(self, connection: sqlite3.Connection, origin: Origin, signer: Signer, recipients: dict[str, frozenset[str]]) -> None:
        self._db = connection
        self._origin = origin
        self._signer = signer
        self._recipients = {
            str(event_class): tuple(name for name, classes in recipients.items() if event_class in classes) for event_class in EventClass
        }
        self.set_aside: Path | None = None
        self.begun = ""  # why an epoch began when it was opened: created, restored, set aside; empty: none did
        self.salvage: Salvage | None = None  # of a file found damaged at the start
        self.reserve_freed = False  # the disk was full at the start
        self.home = (0, 0)  # inode and generation of the file
        self.unchecked = False  # too large for a whole check at the start; it is checked beside the work
        self.kept: dict[str, str] = {}  # what the file holds as latches, for the file that may have to follow
        self._load_counters()

    @property
    def db(self) -> sqlite3.Connection:
        """For the chores of the journal's own thread."""
        return self._db

    def _load_counters(self) -> None:
        row = self._db.execute("SELECT row, epoch, sequence, sha256 FROM event ORDER BY row DESC LIMIT 1").fetchone()
        epoch = self._db.execute("SELECT max(epoch) FROM epoch").fetchone()[0] or 0
        self.epoch: int = epoch
        self.row: int = row[0] if row else 0
        in_epoch = bool(row) and row[1] == epoch
        self.sequence: int = row[2] if in_epoch else 0
        self._previous: str = row[3] if in_epoch else GENESIS_HASH
        self._class_sequence: dict[str, int] = {}
        for name in EventClass:
            query = "SELECT epoch, classsequence FROM event WHERE class = ? ORDER BY row DESC LIMIT 1"
            found = self._db.execute(query, (str(name),)).fetchone()  # the newest of a class is never removed
            self._class_sequence[str(name)] = found[1] if found and found[0] == epoch else 0

    @property
    def last_hash(self) -> str:
        """sha-256 of the newest event of this epoch."""
        return self._previous

    def begin_epoch(self, epoch: int, reason: str, draft: Draft, kept: Mapping[str, str], home: tuple[int, int]) -> Sealed:
        """Open a new epoch with its first event. kept: latches that another file held, key -> JSON."""
        with self.transaction():
            self.settle_in(home)
            self._db.execute("INSERT INTO epoch VALUES (?, ?, ?, ?)", (epoch, draft.at_ms, reason, row_of(epoch, 1)))
            self.epoch, self.sequence, self._previous = epoch, 0, GENESIS_HASH
            self._class_sequence = dict.fromkeys(self._class_sequence, 0)
            self._keep(kept)
            return self.seal(draft)

    def commit(self, batches: Iterable[Batch], settlements: Iterable[Settlement]) -> list[list[Sealed]]:
        """Seal and store several batches in one transaction; the sealed events per batch, in order.

        On any error the file and the counters are as before, and the error is raised.
        """
        kept: dict[str, str] = {}
        with self.transaction():
            sealed = []
            for batch in batches:
                sealed.append([self.seal(draft) for draft in batch.drafts])
                kept |= {latch.key: json.dumps(latch.state) for latch in batch.latches}
                trends.store(self._db, batch.minutes)
            self._keep(kept)
            self._db.executemany(
                "UPDATE outbox SET state = ?, settled_ms = ? WHERE recipient = ? AND row = ? AND state <> 1",
                [(item.state, item.at_ms, item.recipient, item.row) for item in settlements],
            )
        self.kept |= kept
        return sealed

    def _keep(self, kept: Mapping[str, str]) -> None:
        query = "INSERT INTO latch VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET state = excluded.state, sum = excluded.sum"
        self._db.executemany(query, [(key, state, check_sum(key, state)) for key, state in kept.items()])

    def transaction(self) -> _Transaction:
        """BEGIN IMMEDIATE .. COMMIT; on an error everything is as before."""
        return _Transaction(self, self._db)

    def _snapshot(self) -> tuple[int, int, int, str, dict[str, int]]:
        return self.epoch, self.row, self.sequence, self._previous, dict(self._class_sequence)

    def _rewind(self, snapshot: tuple[int, int, int, str, dict[str, int]]) -> None:
        self.epoch, self.row, self.sequence, self._previous, self._class_sequence = snapshot

    def entitled(self, name: str) -> tuple[str, ...]:
        """Who must confirm events of this class."""
        return self._recipients.get(name, ())

    def seal(self, draft: Draft) -> Sealed:
        """Seal and store one draft, inside a transaction."""
        name = str(draft.event_class)
        number = Number(self.epoch, self.sequence + 1, self._class_sequence[name] + 1, self._previous)
        event = seal(draft, self._origin, number, self._signer, row_of(number.epoch, number.sequence))
        self._db.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event.row,
                number.epoch,
                number.sequence,
                name,
                number.class_sequence,
                event.id,
                event.type,
                event.subject,
                event.priority,
                event.at_ms,
                event.sha256,
                event.body,
            ),
        )
        for recipient in self._recipients[name]:
            self._db.execute("INSERT INTO outbox (recipient, row) VALUES (?, ?)", (recipient, event.row))
        self.row = event.row
        self.sequence = number.sequence
        self._class_sequence[name] = number.class_sequence
        self._previous = event.sha256
        return event

    def latches(self) -> list[Latch]:
        """Everything that must outlive the process. Raises sqlite3.DatabaseError where one is not as it was written."""
        self.kept = {}
        for key, state, stored in self._db.execute("SELECT key, state, sum FROM latch"):
            if stored not in (NO_SUM, check_sum(key, state)):
                raise sqlite3.DatabaseError(f"the state of {key} is not as it was written")
            self.kept[key] = state
        return [Latch(key, json.loads(state)) for key, state in self.kept.items()]

    def has(self, newest: Newest) -> bool:
        """True when this journal has that very event, or has begun an epoch since, or has removed it long ago."""
        if newest.epoch != self.epoch:
            return newest.epoch < self.epoch
        if newest.sequence >= self.sequence:
            return (newest.sequence, newest.sha256) == (self.sequence, self._previous)
        query = "SELECT sha256 FROM event WHERE row = ?1 UNION ALL SELECT sha256 FROM stub WHERE row = ?1"
        found = self._db.execute(query, (row_of(newest.epoch, newest.sequence),)).fetchone()
        return found is None or found[0] == newest.sha256

    def copied(self, home: tuple[int, int]) -> bool:
        """True when this is a copy of the file in which the last epoch began. home: (inode, generation) of the file at hand."""
        found = self._db.execute("SELECT inode, generation FROM home").fetchone()
        return found is not None and found != home

    def settle_in(self, home: tuple[int, int]) -> None:
        """From now on this file is no copy; inside a transaction or on its own."""
        if self._db.execute("SELECT inode, generation FROM home").fetchone() != home:
            self._db.execute("INSERT OR REPLACE INTO home VALUES (1, ?, ?)", home)

    def close(self) -> None:
        """Close the file; SQLite folds the WAL into it."""
        self._db.close()


def check_sum(key: str, state: str) -> int:
    """Of one latch."""
    return crc32(f"{key}\0{state}".encode("utf-8", "surrogatepass"))


def row_of(epoch: int, sequence: int) -> int:
    """An event's row: ordered as it was sealed, over all epochs."""
    return (epoch - 1) * EPOCH_ROWS + sequence


class _Transaction:
    """BEGIN IMMEDIATE .. COMMIT; on an error ROLLBACK, and the store's counters go back too."""

    def __init__(self, store: Store, db: sqlite3.Connection) -> None:
        self._store = store
        self._db = db
        self._snapshot = store._snapshot()

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
                return
        except sqlite3.Error:
            self._roll_back()
            raise
        self._roll_back()

    def _roll_back(self) -> None:
        self._store._rewind(self._snapshot)
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # SQLite has rolled back by itself (full disk, I/O error)


def open_store(
    state_dir: Path,
    origin: Origin,
    signer: Signer,
    recipients: dict[str, frozenset[str]],
    opened: Callable[[str, dict[str, object]], Draft],
    at_ms: int,
    instead_of: Store | None = None,
    recall: Recall = lambda event: None,
) -> tuple[Store, Sealed | None]:
    """Open, check and migrate the journal; a new, set-aside or restored one begins an epoch.

    recipients: id -> event classes that it must confirm. opened(reason, data): makes the draft of
    `campus.journal.opened`. instead_of: the store of a file that proved damaged while it was open; the file is set aside.
    recall: what an event tells of a latch, for a file whose latches cannot be read.
    Returns that event when an epoch began. Raises JournalRefused when the disk refuses.
    """
    path = state_dir / JOURNAL_NAME

    def make(connection: sqlite3.Connection) -> Store:
        return Store(connection, origin, signer, recipients)

    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = _open_on_any_disk(path, at_ms, make) if instead_of is None else _open_anew(path, at_ms, make)
        try:
            if store.set_aside is not None and instead_of is None:
                from gateway.journal.salvage import salvage  # not needed for a start

                store.salvage = salvage(store.set_aside, recall)
            first = _epoch(state_dir, store, opened, instead_of)
        except BaseException:
            store.close()
            raise
        migration.drop_copies(path, at_ms)
    except (OSError, sqlite3.Error) as error:
        raise JournalRefused(f"{path} cannot be opened: {error}{_room_left(state_dir)}") from error
    return store, first


def _room_left(state_dir: Path) -> str:
    """A hint for the person who reads why it failed."""
    try:
        disk = os.statvfs(state_dir)
    except OSError:
        return ""
    left = disk.f_bavail * disk.f_frsize
    return f"; its disk is full ({left // 1024} KiB left): free some MB and start again" if left < LOG_PAGES * 4096 else ""


def _epoch(state_dir: Path, store: Store, opened: Callable[[str, dict[str, object]], Draft], before: Store | None) -> Sealed | None:
    """Begin a new epoch unless the file is the one that the high-water mark speaks of, in its own place."""
    mark, home = state_dir / EPOCH_NAME, store.home
    known = _read_mark(mark, store.epoch)
    if store.epoch and store.epoch == known and not store.copied(home):
        store.settle_in(home)
        return None
    reason = "set aside" if store.set_aside is not None else "restored" if store.epoch else "created"
    data: dict[str, object] = {"reason": reason, "last_epoch": f"{max(store.epoch, known):010d}"}
    if store.epoch and store.epoch >= known:  # else the newest events are not in this file
        data |= {"last_sequence": f"{store.sequence:020d}", "last_hash": store.last_hash}
    kept: Mapping[str, str] = {}
    if before is not None:
        data |= {"last_epoch": f"{before.epoch:010d}", "last_sequence": f"{before.sequence:020d}", "last_hash": before.last_hash}
        kept = before.kept
    elif store.salvage is not None:
        data["states"] = store.salvage.found
        kept = store.salvage.kept
    epoch = max(store.epoch, known, 0 if before is None else before.epoch) + 1
    write_mark(mark, epoch)  # first the mark: an epoch may be skipped, never used twice
    first = store.begin_epoch(epoch, reason, opened(reason, data), kept, home)
    store.begun = reason
    store.latches()
    return first


def outrun(state_dir: Path, store: Store, opened: Callable[[str, dict[str, object]], Draft], epoch: int) -> Sealed | None:
    """A centre has later events of this gateway than this file: an older copy was put in its place. A new epoch begins behind them.

    epoch: of the latest that the centre has. None when this journal is beyond that already. Raises OSError, JournalRefused, sqlite3.Error.
    """
    if epoch < store.epoch:
        return None
    mark = state_dir / EPOCH_NAME
    data: dict[str, object] = {"reason": "restored", "last_epoch": f"{max(epoch, store.epoch):010d}"}
    new = max(epoch, store.epoch, _read_mark(mark, store.epoch)) + 1
    write_mark(mark, new)
    return store.begin_epoch(new, "restored", opened("restored", data), {}, store.home)


def _read_mark(mark: Path, epoch: int) -> int:
    """The last epoch that was begun, 0 when there was none. epoch: the journal's own, 0 without one."""
    try:
        return int(mark.read_text().split()[0])
    except FileNotFoundError:
        return 0
    except (ValueError, IndexError):
        if epoch:
            return 0  # a new epoch begins after the journal's own
        raise JournalRefused(f"{mark} holds no number; write into it the last epoch that the centre knows of this gateway") from None


def write_mark(mark: Path, epoch: int) -> None:
    """Replace the high-water mark atomically and durably."""
    new = mark.with_suffix(".new")
    with new.open("w") as file:
        file.write(f"{epoch}\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(mark)
    folder = os.open(mark.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _open_checked(path: Path, at_ms: int, make: Callable[[sqlite3.Connection], Store]) -> Store:
    try:
        return _open(path, make)
    except (sqlite3.Error, ValueError) as error:
        if not is_damage(error):
            raise
    return _open_anew(path, at_ms, make)


def _open_on_any_disk(path: Path, at_ms: int, make: Callable[[sqlite3.Connection], Store]) -> Store:
    """On a disk so full that SQLite finds no room for its log and its locks, the reserve is given up."""
    try:
        return _open_checked(path, at_ms, make)
    except (OSError, sqlite3.Error) as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
        no_room = getattr(error, "errno", 0) in (ENOSPC, EDQUOT) or code in (
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_FULL,
            sqlite3.SQLITE_CANTOPEN,
        )
        if not no_room or not Reserve(path.parent, 0).free():
            raise
    store = _open_checked(path, at_ms, make)
    store.reserve_freed = True
    return store


def _open_anew(path: Path, at_ms: int, make: Callable[[sqlite3.Connection], Store]) -> Store:
    aside = _set_aside(path, at_ms)
    store = _open(path, make)
    store.set_aside = aside
    return store


def is_damage(error: Exception) -> bool:
    """True when the content is at fault, not the disk. Python has no code of its own for text that is not UTF-8."""
    if not isinstance(error, sqlite3.OperationalError):
        return True
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF == sqlite3.SQLITE_ERROR  # "no such table" and the like; a full or absent disk has codes of its own


def _open(path: Path, make: Callable[[sqlite3.Connection], Store]) -> Store:
    """Connect, check, migrate, and read what a start needs; the connection is closed again when one of them fails."""
    path.touch(0o600)
    path.chmod(0o600)
    home = home_of(path)  # before SQLite has it: whoever closes a file loses the locks that the process has on it
    _check_header(path)
    connection = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
    try:
        _settings(connection)
        small = path.stat().st_size <= FULL_CHECK_BYTES
        if small:
            check_whole(connection)
        _bring_up(connection, path)
        _check_schema(connection, migration.newest())
        store = make(connection)
        store.home = home
        store.unchecked = not small
        if not small:
            _check_tail(connection)
        store.latches()
    except BaseException:
        connection.close()
        raise
    return store


def check_whole(connection: sqlite3.Connection) -> None:
    """Read the whole file. Raises sqlite3.DatabaseError with what is wrong."""
    answer = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if answer != "ok":
        raise sqlite3.DatabaseError(answer)


def _bring_up(connection: sqlite3.Connection, path: Path) -> None:
    """To this version's schema; a copy is kept before a file with events is changed. A newer file is refused, never set aside."""
    have = migration.schema_of(connection)
    if not 0 < have < migration.newest():
        migration.up(connection)
        return
    _check_schema(connection, have)
    migration.keep_copy(connection, path)
    try:
        migration.up(connection)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        words = f"{path} stays at schema {migration.schema_of(connection)}: the step to the next one failed: {error}"
        raise JournalRefused(words) from error  # the program is at fault, not the file: nothing is set aside


def _check_tail(connection: sqlite3.Connection) -> None:
    """What a start needs: the newest events have their hashes, and what is owed can be found."""
    query = "SELECT id, sha256, body FROM event ORDER BY row DESC LIMIT ?"
    for event_id, sha256, body in connection.execute(query, (TAIL_EVENTS,)):
        if digest(body) != sha256:
            raise sqlite3.DatabaseError(f"event {event_id} does not have its sha-256")
        if connection.execute("SELECT sha256 FROM event WHERE id = ?", (event_id,)).fetchone() != (sha256,):
            raise sqlite3.DatabaseError(f"event {event_id} is not found by its id")
    owed = f"SELECT o.row, e.sha256 FROM outbox o LEFT JOIN event e ON e.row = o.row WHERE o.state = {OWED} ORDER BY o.row LIMIT ?"
    for row, sha256 in connection.execute(owed, (TAIL_EVENTS,)):
        if sha256 is None:
            raise sqlite3.DatabaseError(f"row {row} is owed and not there")


def _check_header(path: Path) -> None:
    """Bytes 18 and 19 are the format's versions; SQLite quietly opens a file with an unknown one for reading only."""
    with path.open("rb") as file:
        versions = file.read(20)[18:20]
    if not set(versions) <= {1, 2}:
        raise sqlite3.DatabaseError("the file's format version is unknown")


def _check_schema(connection: sqlite3.Connection, schema: int) -> None:
    """The tables must be those of a new journal, to the letter: a damaged name would only show at the first event."""
    query = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        migration.up(fresh, schema)
        expected = fresh.execute(query).fetchall()
    if connection.execute(query).fetchall() != expected:
        raise sqlite3.DatabaseError("the tables are not those of a journal")


def _set_aside(path: Path, at_ms: int) -> Path:
    while (aside := path.with_name(f"{path.name}.set-aside-{at_ms}")).exists():
        at_ms += 1  # a clock that stands still must not overwrite the last one
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def _settings(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    connection.execute("PRAGMA journal_size_limit = 8388608")
    connection.execute("PRAGMA cache_size = -2000")  # KiB
