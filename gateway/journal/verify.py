"""Proves a journal file whole, or names the first broken link: bodies, columns, hashes, signatures, numbers, stubs, checkpoint, outbox.

Reads only, in one snapshot, a page at a time, also beside a running daemon. Behind a broken link it reads on, to tell what is left.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.contract.canonical import canonical
from gateway.contract.envelope import GENESIS_HASH, rfc3339
from gateway.core.errors import BadMessage
from gateway.journal.columns import wrong_column, wrong_numbers
from gateway.journal.files import JOURNAL_NAME
from gateway.journal.files import Unreadable as Unreadable
from gateway.journal.files import journal_files as journal_files
from gateway.journal.files import open_readonly as open_readonly
from gateway.journal.removed import ALARM, REMOVED
from gateway.journal.rows import DAMAGE, PAGE, Gap, Row, as_text, check_busy, open_damaged, rows_of
from gateway.journal.signatures import Keys as Keys
from gateway.journal.signatures import Signatures
from gateway.journal.signatures import public_key as public_key
from gateway.journal.signatures import thumbprint as thumbprint
from gateway.journal.store import EPOCH_NAME, EPOCH_ROWS, row_of
from gateway.journal.verdict import Broken as Broken
from gateway.journal.verdict import Span as Span
from gateway.journal.verdict import Verdict as Verdict

OPENED, CHECKPOINT, KEY_ANNOUNCED = "campus.journal.opened", "campus.journal.checkpoint", "campus.key.announced"

Progress = Callable[[int], object]


def verify(state_dir: Path, keys: Keys, progress: Progress = lambda count: None) -> Verdict:
    """Verify every file of a state folder. Raises Unreadable when there is none, or the present one cannot be opened."""
    files = journal_files(state_dir)
    if not files:
        raise Unreadable(f"{state_dir} holds no {JOURNAL_NAME}")
    verdict = Verdict()
    mark = _mark(state_dir)
    for path in files:
        try:
            db, wrong = open_damaged(path)
            with closing(db):
                _File(path.name, db, keys, verdict, progress, wrong, mark if path.name == JOURNAL_NAME else 0).run()
        except Unreadable as error:
            if path.name == JOURNAL_NAME:
                raise
            verdict.broken.append(Broken(path.name, 0, 0, "", str(error)))
        except DAMAGE as error:
            check_busy(error)
            verdict.broken.append(Broken(path.name, 0, 0, "", f"the file is damaged: {error}"))
    _note_missing(mark, verdict)
    return verdict


def _mark(state_dir: Path) -> int:
    try:
        return int((state_dir / EPOCH_NAME).read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def _note_missing(mark: int, verdict: Verdict) -> None:
    """An epoch may be skipped (a process killed in between), so a missing one is told, not judged."""
    known = verdict.epochs
    if not known:
        return
    missing = [str(epoch) for epoch in range(min(known), min(max(mark, *known), min(known) + 1000) + 1) if epoch not in known]
    if missing:
        verdict.notes.append(f"no events of epoch {', '.join(missing)} are here")


class _Link(Exception):
    """What is wrong with the present event."""


@dataclass(frozen=True, slots=True)
class _Epoch:
    """What the table of epochs says of one."""

    epoch: int
    opened_ms: int
    reason: str
    first_row: int


class _NotKept(_Link):
    """What stays before the checkpoint is not what it tells."""


class _Kept:
    """Events that stay before the checkpoint at row `upto`: without their neighbours they are proved by it, and each by its signature.

    One that was removed later has left a stub, which counts alike.
    """

    def __init__(self, upto: int = 0, count: int = 0, sha256: str = "") -> None:
        self.upto = upto
        self.hole = (0, 0, "")  # epoch, sequence and id behind the first alarm that is missing, where that can be told
        self._left = count
        self._count = count
        self._told = sha256
        self._sha256 = hashlib.sha256()
        self._alarms: dict[int, int] = {}

    def add(self, row: Row) -> None:
        if row.row != row_of(row.epoch, row.sequence):
            raise _Link("it stands in another place than its number says")
        self._left -= 1
        self._sha256.update(row.sha256.encode())
        if row.name == ALARM:
            if row.class_sequence != self._alarms.get(row.epoch, 0) + 1 and not self.hole[0]:
                self.hole = (row.epoch, row.sequence, row.id)
            self._alarms[row.epoch] = row.class_sequence

    def close(self) -> None:
        """All of them were seen."""
        upto, self.upto = self.upto, 0
        if upto and (self._left or self._sha256.hexdigest() != self._told):
            raise _NotKept(f"{self._count} events stay before the checkpoint by its word, {self._count - self._left} are there, or others")


class _File:
    """One file on its way through the checks. Its first broken link is told; behind it the rest is read for what it is worth."""

    def __init__(self, name: str, db: sqlite3.Connection, keys: Keys, verdict: Verdict, progress: Progress, wrong: str, mark: int) -> None:
        self._name = name
        self._db = db
        self._signatures = Signatures(keys)
        self._verdict = verdict
        self._progress = progress
        self._wrong = wrong  # with the file as a whole
        self._mark = mark
        self._reading = True
        self._broken: Broken | None = None
        self._epoch = self._sequence = 0
        self._previous = GENESIS_HASH
        self._classes: dict[str, int] = {}
        self._loose = False  # behind a broken link the next number of a class is not known
        self._good = 0  # sequence of the last event that holds
        self._checkpoint: dict[str, Any] | None = None
        self._checkpoint_row = self._checkpoint_epoch = 0
        self._kept = _Kept()
        self._begun: set[int] = set()  # epochs of which something is here
        self._removed: Counter[str] = Counter()
        self._alarm_stubs: list[tuple[int, int, str]] = []  # epoch, sequence, id
        self._alarms_told = 0  # by the newest signed event: alarms that were removed
        self._newest: dict[str, Row] = {}  # the last of each class, without its body
        self._newest_ms = 0
        self._seen = 0
        db.text_factory = as_text
        self._new = bool(self._read("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'stub'"))
        self._own: dict[int, _Epoch] = {}
        self._any_epoch = False  # the table of epochs cannot be read: all are taken for this file's own

    def run(self) -> None:
        self._db.execute("BEGIN")  # one snapshot: a running daemon may remove events meanwhile
        wrong = self._wrong
        self._own = {found[0]: _Epoch(*found) for found in self._read("SELECT epoch, opened_ms, reason, first_row FROM epoch")}
        self._any_epoch = self._wrong != wrong
        self._begin_at_checkpoint()
        verdict = self._verdict
        troubles: list[str] = []
        for item in rows_of(self._db, self._new, troubles):
            if isinstance(item, Gap):
                self._gap(item)
                continue
            try:
                self._check(item)
            except _Link as broken:
                at = self._kept.hole if isinstance(broken, _NotKept) else (item.epoch, item.sequence, item.id)
                self._break(*at, str(broken))
                self._resume(item)
                continue
            if self._broken is None:
                self._good = item.sequence
            else:
                self._broken.behind += item.body is not None
            if item.body is None:
                verdict.stubs += 1
            else:
                verdict.events += 1
            if (verdict.events + verdict.stubs) % PAGE == 0:
                self._progress(verdict.events + verdict.stubs)
        self._reading = False
        if troubles:
            self._wrong = self._wrong or f"the file is damaged: {troubles[0]}"
        self._end()

    def _check(self, row: Row) -> None:
        """One row. Raises _Link."""
        if not row.is_sound():
            raise _Link("its columns are damaged")
        self._place(row)
        event = None if row.body is None else self._event(row)
        own = self._any_epoch or row.epoch in self._own
        if own and row.row <= self._kept.upto:
            self._kept.add(row)
        elif own:
            self._kept.close()
            self._chain(row, event)
        elif event is None:
            raise _Link("a stub of an epoch that is not in this file")
        elif not self._own or row.epoch > max(self._own):
            raise _Link(f"the journal does not say that epoch {row.epoch} ever began")
        else:
            self._verdict.carried += 1
        self._count(row, own)

    def _place(self, row: Row) -> None:
        """What is missing before a row is said first, whatever is wrong with the row itself."""
        epoch, sequence = row.row // EPOCH_ROWS + 1, row.row % EPOCH_ROWS
        if self._new and epoch == self._epoch and 0 <= self._sequence < sequence - 1 and row.row > self._kept.upto:
            raise _Link(f"sequence {self._sequence + 1} was expected here; what lies between is missing")

    def _count(self, row: Row, own: bool) -> None:
        self._seen += row.body is not None
        row.body = None if row.body is None else b""
        self._newest[row.name] = row
        self._newest_ms = max(self._newest_ms, row.at_ms)
        if own:
            self._begun.add(row.epoch)
        if row.body is None:
            self._removed[row.name] += 1
            if row.name == ALARM:
                self._alarm_stubs.append((row.epoch, row.sequence, row.id))

    # --- what is broken ------------------------------------------------------------------------

    def _break(self, epoch: int, sequence: int, event_id: str, text: str) -> None:
        if self._broken is not None:
            self._broken.gaps += 1
            return
        numbers = (epoch, sequence) if isinstance(epoch, int) and isinstance(sequence, int) else (0, 0)
        self._broken = Broken(self._name, *numbers, str(event_id), text, self._good if self._reading else None)
        self._verdict.broken.append(self._broken)

    def _resume(self, row: Row) -> None:
        """Go on behind a row that is broken: what comes next begins a chain of its own."""
        if self._new:
            self._epoch, self._sequence = row.row // EPOCH_ROWS + 1, row.row % EPOCH_ROWS
        elif row.is_sound():
            self._epoch, self._sequence = row.epoch, row.sequence
        self._unlink()

    def _unlink(self) -> None:
        self._previous, self._classes, self._loose = "", {}, True

    def _gap(self, gap: Gap) -> None:
        epoch, sequence = gap.after // EPOCH_ROWS + 1, gap.after % EPOCH_ROWS + 1
        self._break(epoch, sequence, "", f"it cannot be read: {gap.text}")
        self._sequence = -1
        self._unlink()

    def _read(self, query: str, *values: object) -> list[Any]:
        """All rows of a small table; where it is not as it should be that is said, and none."""
        try:
            return self._db.execute(query, values).fetchall()
        except DAMAGE as error:
            check_busy(error)
            self._wrong = self._wrong or f"the file is damaged: {error}"
            return []

    # --- the whole file ------------------------------------------------------------------------

    def _end(self) -> None:
        """What shows only once all rows were seen. Only where none of them is broken: else it follows from that."""
        try:
            self._kept.close()
        except _Link as broken:
            self._break(*self._kept.hole, str(broken))
        for look in (self._look_at_epochs, self._look_at_removals, self._look_at_the_outbox, self._look_at_latches):
            self._look_at_the_file()
            if self._broken is None:
                look()
        self._look_at_the_file()
        if self._broken is None and (found := self._read("PRAGMA quick_check(1)")) != [("ok",)]:
            why = str(found[0][0]).splitlines()[-1] if found else self._wrong
            self._verdict.notes.append(f"{self._name}: its events are whole, but the file is damaged elsewhere: {why}")
        self._verdict.removed.update(self._removed)
        self._verdict.alarms += [event_id for _, _, event_id in self._alarm_stubs]

    def _look_at_the_file(self) -> None:
        if self._broken is not None:
            return
        if self._wrong:
            self._break(0, 0, "", f"{self._wrong}; all {self._seen} events that can be read in it are linked")
        elif self._checkpoint is not None:
            self._break(0, 0, "", "events were removed up to a checkpoint that no signed event of this journal tells of")

    def _look_at_epochs(self) -> None:
        if not self._own:
            marked = f"; the file {EPOCH_NAME} says that epoch {self._mark} began" if self._mark else ""
            self._break(0, 0, "", f"no epoch ever began in it{marked}")
        for epoch in self._own.values():
            if epoch.epoch not in self._begun and epoch.epoch > self._checkpoint_epoch:
                self._break(epoch.epoch, 1, "", f"the journal says that epoch {epoch.epoch} began; no event of it is here")

    def _look_at_removals(self) -> None:
        """The newest of a class never goes, and no alarm goes untold."""
        for row in self._newest.values():
            if row.body is None:
                self._break(
                    row.epoch, row.sequence, row.id, f"the newest event of class {row.name} is missing; the journal never removes that"
                )
        gone = self._removed[ALARM]
        if gone <= self._alarms_told:
            return
        told: set[str] = set()
        for (body,) in self._read("SELECT body FROM event WHERE type = ?", REMOVED):
            told.update(json.loads(body)["data"]["ids"])
        untold = [stub for stub in self._alarm_stubs if stub[2] not in told]
        text = f"this alarm was taken away: {gone} alarms are gone, the signed events tell of {self._alarms_told}"
        self._break(*(untold[0] if untold else (0, 0, "")), text)

    def _look_at_the_outbox(self) -> None:
        query = (
            "SELECT o.row, o.recipient FROM outbox o WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.row = o.row) ORDER BY o.row LIMIT 1"
        )
        for row, recipient in self._read(query):
            epoch, sequence = (row // EPOCH_ROWS + 1, row % EPOCH_ROWS) if isinstance(row, int) else (0, 0)
            self._break(epoch, sequence, "", f"it must be received by {recipient}, and is not here")

    def _look_at_latches(self) -> None:
        """The state of an alarm is stored with its event: it shows where newer events were cut off.

        Not where states came from an earlier file, or of alarms that may have been removed.
        """
        if any(epoch.reason == "set aside" for epoch in self._own.values()):
            return
        since_ms = self._newest_ms if self._removed[ALARM] else min(epoch.opened_ms for epoch in self._own.values())
        for key, event_id in _alarms_that_stand(self._read("SELECT key, state FROM latch")):
            if _made_ms(event_id) > since_ms and not self._read("SELECT 1 FROM event WHERE id = ?", event_id) and not self._wrong:
                self._break(0, 0, "", f"the state of {key} comes from alarm {event_id}, which is not here")

    def _begin_at_checkpoint(self) -> None:
        columns = {name for (name,) in self._read("SELECT name FROM pragma_table_info('checkpoint')")}
        kept = "kept, kept_sha256" if "kept" in columns else "0, ''"
        found = self._new and self._read(f"SELECT event, epoch, sequence, sha256, count, classes, {kept} FROM checkpoint")
        if not found:
            return
        self._checkpoint_row, self._epoch, self._sequence, self._previous, count, classes, stayed, stayed_sha256 = found[0]
        self._checkpoint_epoch = self._epoch
        self._kept = _Kept(row_of(self._epoch, self._sequence), stayed, stayed_sha256 or hashlib.sha256().hexdigest())
        try:
            self._classes = dict(json.loads(classes))
        except (ValueError, TypeError):
            self._wrong = self._wrong or "the checkpoint cannot be read"
        self._checkpoint = {
            "epoch": f"{self._epoch:010d}",
            "sequence": f"{self._sequence:020d}",
            "sha256": self._previous,
            "count": count,
            "classes": self._classes.copy(),
            "kept": stayed,
            "kept_sha256": stayed_sha256,
        }
        self._verdict.checkpointed += count
        self._verdict.epochs[self._epoch] = Span(self._sequence + 1, self._sequence, self._previous)

    def _event(self, row: Row) -> dict[str, Any]:
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
        if wrong_numbers(row, event):
            raise _Link("it stands in the journal under another id or number than its own")
        if wrong := self._signatures.wrong(event, body):
            raise _Link(wrong)
        if column := wrong_column(row, event):
            raise _Link(f"its column {column} tells otherwise than its signed body")
        if self._new and row.row != row_of(row.epoch, row.sequence):
            raise _Link("it stands in another place than its number says")
        if event["type"] == KEY_ANNOUNCED and (wrong := self._signatures.announced(event)):
            raise _Link(wrong)
        if row.row == self._checkpoint_row:
            self._told(event)
        if event["type"] == REMOVED and row.epoch in self._own:
            self._alarms_told = event["data"]["total"]
        return event

    def _told(self, event: dict[str, Any]) -> None:
        assert self._checkpoint is not None
        data = event["data"]
        said = {"kept": 0, "kept_sha256": ""} | data  # checkpoints of an earlier version let nothing stay
        if event["type"] != CHECKPOINT or {name: said.get(name) for name in self._checkpoint} != self._checkpoint:
            raise _Link("what was removed is not what its checkpoint tells")
        self._checkpoint = None
        removed = Counter(data.get("removed", {}))
        if removed.total() == data["count"]:  # checkpoints of an earlier version do not tell the classes, or not all
            self._removed.update(removed)

    def _chain(self, row: Row, event: dict[str, Any] | None) -> None:
        """Numbers and hashes follow upon those before."""
        if row.epoch != self._epoch:
            self._next_epoch(row, event)
        if self._sequence >= 0 and row.sequence != self._sequence + 1:
            raise _Link(f"sequence {self._sequence + 1} was expected here; what lies between is missing")
        if event is not None and self._previous and event.get("previoushash") != self._previous:
            raise _Link("its previous hash is not that of the event before it")
        known = row.name in self._classes or not self._loose
        if known and row.class_sequence != self._classes.get(row.name, 0) + 1:
            raise _Link(f"number {self._classes.get(row.name, 0) + 1} of class {row.name} was expected here")
        self._classes[row.name] = row.class_sequence
        self._sequence, self._previous = row.sequence, row.sha256
        span = self._verdict.epochs.setdefault(row.epoch, Span(row.sequence, row.sequence, row.sha256))
        span.last, span.last_hash = row.sequence, row.sha256

    def _next_epoch(self, row: Row, event: dict[str, Any] | None) -> None:
        if row.epoch < self._epoch:
            raise _Link(f"it stands behind epoch {self._epoch}")
        begins = self._sequence >= 0 or row.sequence == 1  # else the beginning could not be read, which was told
        self._epoch, self._classes = row.epoch, {}
        if not begins:
            return
        self._sequence, self._previous, self._loose = 0, GENESIS_HASH, False
        if event is None:
            return
        if event["type"] != OPENED:
            raise _Link(f"an epoch begins with {OPENED}, not with {event['type']}")
        data, told = event["data"], self._own.get(row.epoch)
        if (
            told is not None
            and self._new
            and (data.get("reason"), event["time"], row.row) != (told.reason, _time(told.opened_ms), told.first_row)
        ):
            raise _Link("the table of epochs tells otherwise than this event")
        if told is not None and told.reason == "restored" and row.epoch == min(self._own):
            raise _Link("its epoch began behind another one of this file, of which the table of epochs knows nothing")
        before = self._verdict.epochs.get(int(data.get("last_epoch", 0)))
        if before is not None and "last_sequence" in data:
            last = int(data["last_sequence"])
            if before.last < last:
                raise _Link(f"it says that epoch {int(data['last_epoch'])} reached sequence {last}; here it ends with {before.last}")
            if before.last == last and before.last_hash != data["last_hash"]:
                raise _Link(f"it names another last event of epoch {int(data['last_epoch'])} than the one here")


def _time(at_ms: int) -> str:
    try:
        return rfc3339(at_ms)
    except (ValueError, OverflowError, OSError, TypeError):
        return ""


def _alarms_that_stand(latches: list[Any]) -> list[tuple[str, str]]:
    """(key, id of its last event) of each alarm's state that belongs to an incident; only alarms do."""
    found = []
    for key, text in latches:
        try:
            state = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            continue
        if isinstance(state, dict) and state.get("incident") and isinstance(state.get("event_id"), str) and state["event_id"]:
            found.append((key, state["event_id"]))
    return found


def _made_ms(event_id: str) -> int:
    """When an id was made, UTC milliseconds (UUIDv7); 0 for another one."""
    try:
        return int(event_id.replace("-", "")[:12], 16)
    except ValueError:
        return 0
