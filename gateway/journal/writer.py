"""The journal's thread: takes batches, seals them in one commit for each wake-up, and says when they are safe.

While the file refuses (full disk, I/O error) nothing is dropped: the batches wait in memory, in order, and
are tried again; the caller is told, so that alarms can go out early from memory.
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
    commit_s_sum: float = 0.0
    commit_s_max: float = 0.0
    last_answer_s: float = 0.0


class Writer:
    """Owner of the journal file. committed, refused: called in this thread; they must hand over to the loop."""

    def __init__(self, store: Store, committed: Committed, refused: Refused) -> None:
        self._store = store
        self._committed = committed
        self._refused = refused
        self._queue: queue.SimpleQueue[Batch | list[Settlement] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self.counts = Counts()
        self.error: BaseException | None = None
        self.refusing = ""

    def start(self) -> None:
        """Start the thread."""
        self.counts.last_answer_s = time.monotonic()
        self._thread.start()

    def submit(self, batch: Batch) -> None:
        """Hand over one batch; never blocks, never drops."""
        self._queue.put(batch)

    def settle(self, settlements: list[Settlement]) -> None:
        """Hand over receipts; they ride in the next commit."""
        self._queue.put(settlements)

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
            self._store.close()

    def _serve(self) -> bool:
        """One wake-up: everything that is queued goes into one commit. False when asked to stop."""
        batches: list[Batch] = []
        settlements: list[Settlement] = []
        go_on = True
        item = self._queue.get()
        while True:
            if item is None:
                go_on = False
            elif isinstance(item, Batch):
                batches.append(item)
            else:
                settlements += item
            if not go_on or len(batches) >= MAX_BATCHES_PER_COMMIT:
                break
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
        if batches or settlements:
            self._commit(batches, settlements, last=not go_on)
        return go_on

    def _commit(self, batches: list[Batch], settlements: list[Settlement], *, last: bool) -> None:
        tries = 0
        while True:
            began_s = time.monotonic()
            try:
                sealed = self._store.commit(batches, settlements)
            except sqlite3.Error as error:
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
            if batches:
                self._committed(list(zip(batches, sealed, strict=True)))
            return
