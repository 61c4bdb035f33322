"""The journal's thread: takes batches, seals them in one commit for each wake-up, and says when they are safe.

While the file refuses (full disk, I/O error) nothing is dropped: the batches wait in memory, in order, and
are tried again; the caller is told, so that alarms can go out early from memory. A file that proves damaged
is set aside and a new one begun; what waits is sealed into that. In between, small steps of care.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.contract.envelope import Sealed
from gateway.core.delivery import Settlement
from gateway.core.errors import JournalRefused
from gateway.journal.care import OVERDUE_S, Care, Damaged
from gateway.journal.store import Batch, Store

MAX_BATCHES_PER_COMMIT = 500
RETRY_S = 0.25

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


class Writer:
    """Owner of the journal file. committed, refused: called in this thread; they must hand over to the loop."""

    def __init__(self, store: Store, committed: Committed, refused: Refused, care: Care | None = None) -> None:
        self._store = store
        self._committed = committed
        self._refused = refused
        self._care = care
        self._queue: queue.SimpleQueue[Batch | list[Settlement] | Damage | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._damage = ""
        self._opened: list[Sealed] = []  # first events of new files that nobody was told of yet
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
            self._care.found = self.damaged
            if self._store.unchecked:
                self._care.check_beside()
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

    def depth(self) -> int:
        """Batches that wait for the disk."""
        return self._queue.qsize()

    def alive(self) -> bool:
        """False once the thread has ended."""
        return self._thread.is_alive()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Commit what is queued and close the file. Raises JournalRefused if it could not in time."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        if self._thread.is_alive() or self.refusing:
            raise JournalRefused(f"{self._queue.qsize()} batches could not be written: {self.refusing or 'the disk is slow'}")

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
        batches: list[Batch] = []
        settlements: list[Settlement] = []
        go_on = True
        try:
            item = self._queue.get(timeout=self._until_care_s())
        except queue.Empty:
            self._take_care()
            return True
        while True:
            if item is None:
                go_on = False
            elif isinstance(item, Batch):
                batches.append(item)
            elif isinstance(item, Damage):
                if item.of == self._store.epoch and self._care is not None:
                    self._damage = item.text
            else:
                settlements += item
            if not go_on or len(batches) >= MAX_BATCHES_PER_COMMIT:
                break
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
        if batches or settlements or self._damage:
            self._commit(batches, settlements, last=not go_on)
        if self._care is not None and time.monotonic() > self._care.due_s + OVERDUE_S:
            self._take_care()
        return go_on

    def _commit(self, batches: list[Batch], settlements: list[Settlement], *, last: bool) -> None:
        tries = 0
        while True:
            began_s = time.monotonic()
            try:
                if self._damage:
                    self._begin_anew()
                admitted = batches if self._care is None else self._care.admitted(batches)
                sealed = self._store.commit(admitted, settlements)
            except (sqlite3.Error, JournalRefused) as error:
                if self._helped(error):
                    continue
                if self._care is not None and _is_full(error) and len(batches) > 1:  # what fits is sealed
                    half = len(batches) // 2
                    self._commit(batches[:half], settlements, last=last)
                    self._commit(batches[half:], [], last=last)
                    return
                self.counts.refusals += 1
                self.counts.last_answer_s = time.monotonic()
                self.refusing = str(error)
                self._refused(str(error))
                tries += 1
                if last and tries > 20:
                    return
                time.sleep(RETRY_S)  # this thread has nothing else to do
                continue
            took_s = time.monotonic() - began_s
            self.refusing = ""
            counts = self.counts
            counts.commits += 1
            counts.events += sum(map(len, sealed))
            counts.commit_s_sum += took_s
            counts.commit_s_max = max(counts.commit_s_max, took_s)
            counts.last_answer_s = began_s + took_s
            if self._opened:
                opened, self._opened = self._opened, []
                self._committed([(Batch(), opened)])
            if batches:
                self._committed(list(zip(batches, sealed, strict=True)))
            return

    def _helped(self, error: Exception) -> bool:
        """True when something was done about it and the same is worth trying at once."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
        if self._care is None:
            return False
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) and not self._damage:
            self._damage = str(error)
            return True
        if not _is_full(error):
            return False
        if self._care.disk_full(self._store):
            self._refused(f"{error}; the reserve is in use, observations are not kept")
            return True
        self._take_care(nested=True)  # old events go, so that the file has free pages
        return False

    # --- care ----------------------------------------------------------------------------------

    def _begin_anew(self) -> None:
        assert self._care is not None
        self._store, first = self._care.begin_anew(self._store, self._damage)
        self._damage = ""
        self.counts.replacements += 1
        if first is not None:
            self._opened.append(first)

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
                self._commit([], [], last=False)
            return
        except sqlite3.Error as error:
            self._care.due_s = began_s + 1.0
            if not nested and self._helped(error) and self._damage:
                self._commit([], [], last=False)
            return
        self.counts.care_s_max = max(self.counts.care_s_max, time.monotonic() - began_s)
        if sealed or was_full is not self._care.full:
            self._committed([(Batch(), sealed)])


def _is_full(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF == sqlite3.SQLITE_FULL
