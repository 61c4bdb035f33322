"""The journal's thread: takes batches, seals them in one commit for each wake-up, and says when they are safe.

While the file refuses (full disk, I/O error) nothing is dropped: the batches wait in memory, in order, and
are tried again; the caller is told, so that alarms can go out early from memory. A file that proves damaged
is set aside and a new one begun; what waits is sealed into that. In between, small steps of care.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.contract.envelope import Sealed
from gateway.contract.receipt import Newest
from gateway.core.delivery import Settlement
from gateway.core.errors import JournalRefused
from gateway.journal.care import OVERDUE_S, Care, Damaged
from gateway.journal.lean import PIECE, alarms_first, together
from gateway.journal.store import Batch, Store

log = logging.getLogger(__name__)

MAX_BATCHES_PER_COMMIT = 500
RETRY_S = 0.25
LAST_TRIES = 20

Committed = Callable[[list[tuple[Batch, list[Sealed]]]], object]
Refused = Callable[[str], object]


@dataclass(slots=True)
class Counts:
    """What metrics and the watchdog are told of the journal. last_answer_s: a commit or a refusal, monotonic."""

    commits: int = 0
    events: int = 0
    refusals: int = 0
    replacements: int = 0
    commit_s_sum: float = 0.0
    commit_s_max: float = 0.0
    care_s_max: float = 0.0
    last_answer_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Damage:
    """Somebody else found the file damaged. of: the file's epoch then, so that a late word does not hit its successor."""

    of: int
    text: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What a centre says is the latest event of this gateway that it has."""

    newest: Newest


_Item = Batch | list[Settlement] | Damage | Heard | None  # None: stop


class Writer:
    """Owner of the journal file. committed, refused: called in this thread; they must hand over to the loop."""

    def __init__(self, store: Store, committed: Committed, refused: Refused, care: Care | None = None) -> None:
        self._store = store
        self._committed = committed
        self._refused = refused
        self._care = care
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._batches: list[Batch] = []  # taken from the queue and not yet on the disk, in order
        self._settlements: list[Settlement] = []
        self._damage = ""
        self._care_error = ""  # said once
        self.counts = Counts()
        self.error: BaseException | None = None
        self.refusing = ""

    @property
    def store(self) -> Store:
        """The file that is written now."""
        return self._store

    @property
    def trouble(self) -> str:
        """Why the journal is not well although it may be writing; empty when it is."""
        return self.refusing or ("the disk is full; the reserve is in use" if self._care is not None and self._care.full else "")

    def start(self) -> None:
        """Start the thread."""
        self.counts.last_answer_s = time.monotonic()
        if self._care is not None:
            self._care.found = lambda text, epoch: self._queue.put(Damage(epoch, text))
            if self._store.unchecked:
                self._care.check_beside(self._store)
            if self._store.reserve_freed:
                self._care.disk_full(self._store)
                self._refused("the disk was full at the start; the reserve is in use, observations are not kept")
        self._thread.start()

    def submit(self, batch: Batch) -> None:
        """Hand over one batch; never blocks, never drops."""
        self._queue.put(batch)

    def settle(self, settlements: list[Settlement]) -> None:
        """Hand over receipts; they ride in the next commit."""
        self._queue.put(settlements)

    def damaged(self, text: str) -> None:
        """Whoever reads the file has found it damaged: it is set aside."""
        self._queue.put(Damage(self._store.epoch, text))

    def heard(self, newest: Newest) -> None:
        """A centre has this event. Where the journal has it not, the file is an older copy, and a new epoch begins."""
        self._queue.put(Heard(newest))

    def depth(self) -> int:
        """Batches that wait for the disk."""
        return self._queue.qsize() + len(self._batches)

    def alive(self) -> bool:
        """False once the thread has ended."""
        return self._thread.is_alive()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Commit what is queued and close the file. Raises JournalRefused if it could not in time."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        if self._thread.is_alive() or self.refusing:
            raise JournalRefused(f"{self.depth()} batches could not be written: {self.refusing or 'the disk is slow'}")

    def _run(self) -> None:
        try:
            while self._serve():
                pass
        except BaseException as error:
            self.error = error
            raise
        finally:
            if self._care is not None:
                self._care.close()
            self._store.close()

    def _serve(self) -> bool:
        """One wake-up: everything that is queued goes into one commit. False when asked to stop."""
        try:
            go_on = self._gather()
        except queue.Empty:
            self._take_care()
            return True
        self._write(last=not go_on)
        if self._care is not None and time.monotonic() > self._care.due_s + (0.0 if self._care.presses else OVERDUE_S):
            self._take_care()
        return go_on

    def _waits(self) -> bool:
        return bool(self._batches or self._settlements or self._damage)

    def _gather(self) -> bool:
        """Take what is queued, and wait for it unless something was refused. False when asked to stop.

        Raises queue.Empty when nothing came until care is due.
        """
        if self._waits():
            time.sleep(RETRY_S)  # this thread has nothing else to do
        elif not self._take(self._queue.get(timeout=self._until_care_s())):
            return False
        for _ in range(MAX_BATCHES_PER_COMMIT - 1):
            try:
                if not self._take(self._queue.get_nowait()):
                    return False
            except queue.Empty:
                break
        return True

    def _take(self, item: _Item) -> bool:
        if isinstance(item, Batch):
            self._batches.append(item)
        elif isinstance(item, Damage):
            if item.of == self._store.epoch and self._care is not None:
                self._damage = item.text
        elif isinstance(item, Heard):
            self._begin_behind(item.newest)
        elif item is not None:
            self._settlements += item
        return item is not None

    def _write(self, *, last: bool) -> None:
        """Write what waits. What is refused goes on waiting; last: it is tried for five seconds more."""
        tries = 0
        while self._waits():
            try:
                self._write_once()
            except (sqlite3.Error, JournalRefused) as error:
                if self._helped(error):
                    continue
                self.counts.refusals += 1
                self.counts.last_answer_s = time.monotonic()
                self.refusing = str(error)
                self._refused(str(error))
                tries += 1
                if not last or tries > LAST_TRIES:
                    return
                time.sleep(RETRY_S)

    def _write_once(self) -> None:
        if self._damage:
            self._begin_anew()
        if self._care is not None and (self._care.full or self._care.tight):
            self._write_lean(self._care)
            return
        self._commit(self._batches[:MAX_BATCHES_PER_COMMIT], self._settlements)

    def _commit(self, batches: list[Batch], settlements: list[Settlement]) -> None:
        """One transaction of what waits first."""
        began_s = time.monotonic()
        sealed = self._store.commit(batches, settlements)
        took_s = time.monotonic() - began_s
        del self._batches[: len(batches)]
        self._settlements = self._settlements[len(settlements) :]
        self.refusing = ""
        counts = self.counts
        counts.commits += 1
        amount = sum(map(len, sealed))
        counts.events += amount
        counts.commit_s_sum += took_s
        counts.commit_s_max = max(counts.commit_s_max, took_s)
        counts.last_answer_s = began_s + took_s
        if self._care is not None:
            self._care.sealed(amount)
        if batches:
            self._committed(list(zip(batches, sealed, strict=True)))

    def _write_lean(self, care: Care) -> None:
        """The disk is full: alarms, then receipts, then the rest, in pieces. Raises sqlite3.Error when not even one event fits."""
        most, helped = PIECE, False
        if care.full:
            self._batches = care.admitted(self._batches)
        while self._waits():
            alarms, rest = alarms_first(self._batches, most)
            self._batches = alarms + rest
            try:
                self._write_piece(alarms or rest, most, receipts=not alarms)
            except sqlite3.Error as error:
                if not _is_full(error):
                    raise
                if not helped and (care.disk_full(self._store) or self._made_room(care)):
                    helped = True
                elif most > 1:
                    most = max(1, most // 7)  # 100, 14, 2, 1
                else:
                    raise
            else:
                helped = False

    def _write_piece(self, pieces: list[Batch], most: int, *, receipts: bool) -> None:
        """One small commit; the pieces lie first in what waits."""
        if receipts and self._settlements:
            self._commit([], self._settlements[:most])
        else:
            self._commit(pieces[: together(pieces, most)], [])

    def _helped(self, error: Exception) -> bool:
        """True when something was done about it and the same is worth trying at once."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
        if self._care is None:
            return False
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) and not self._damage:
            self._damage = str(error)
            return True
        if not _is_full(error) or self._care.full:
            return False
        self._care.disk_full(self._store)
        self._refused(f"{error}; the reserve is in use, observations are not kept")
        return True  # from here on in small pieces

    def _made_room(self, care: Care) -> bool:
        """Old events went, so that the file has free pages."""
        before = care.keeper.removed
        self._take_care(nested=True)
        return care.keeper.removed > before

    # --- care ----------------------------------------------------------------------------------

    def _begin_anew(self) -> None:
        assert self._care is not None
        self._store, first = self._care.begin_anew(self._store, self._damage)
        self._damage = ""
        self.counts.replacements += 1
        if first is not None:
            self._committed([(Batch(), [first])])

    def _begin_behind(self, newest: Newest) -> None:
        """What the disk refuses here is asked for again by the centre's next receipt."""
        if self._care is None:
            return
        try:
            first = self._care.outrun(self._store, newest)
        except (sqlite3.Error, JournalRefused, OSError) as error:
            self._refused(str(error))
            return
        if first is not None:
            self._care.outran(newest)
            self._committed([(Batch(), [first])])

    def _until_care_s(self) -> float | None:
        return None if self._care is None else max(0.0, self._care.due_s - time.monotonic())

    def _take_care(self, *, nested: bool = False) -> None:
        """One small step; what the disk refuses here is tried again in the next round."""
        assert self._care is not None
        began_s, was_full = time.monotonic(), self._care.full
        try:
            sealed = self._care.step(self._store)
        except Damaged as damage:
            self._damage = str(damage)
            if not nested:
                self._write(last=False)
            return
        except sqlite3.Error as error:
            self._care.due_s = began_s + 1.0
            if str(error) != self._care_error:
                self._care_error = str(error)
                log.error("the journal's care was refused: %s", error)
            if not nested and self._helped(error) and self._damage:
                self._write(last=False)
            return
        self._care_error = ""
        self.counts.care_s_max = max(self.counts.care_s_max, time.monotonic() - began_s)
        if self._care.full and not was_full:
            self._refused("the room that the disk has left runs out; observations are not kept")
        if sealed or was_full is not self._care.full:
            self._committed([(Batch(), sealed)])


def _is_full(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF == sqlite3.SQLITE_FULL
