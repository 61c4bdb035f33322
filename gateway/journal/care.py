"""What the journal's thread does beside sealing: the reserve, the budget, what a damaged file still owes, the whole check."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from gateway.contract.canonical import digest
from gateway.contract.envelope import Sealed
from gateway.core.points import Draft, EventClass
from gateway.journal.carry import Carrier
from gateway.journal.keeping import Done, Keeper, Say, dropped
from gateway.journal.reserve import Reserve
from gateway.journal.store import JOURNAL_NAME, Batch, Store, check_whole
from gateway.journal.verify import Unreadable, open_readonly

FOLD_WAIT_MS = 250  # for a reader that is just looking
ROUND_S = 30.0  # between two looks at the budget
CHECK_EACH_S = 86_400.0  # damage that nobody reads is found within a day
PAUSE_S = 0.05  # between two steps of one round: others need the disk too
OVERDUE_S = 5.0  # a journal that is never idle still takes a step so often
NAMED_TOGETHER = 100  # dropped events in one event that names them

Again = Callable[[Store, int], tuple[Store, Sealed | None]]  # begins a new file in place of a damaged one; UTC milliseconds


class Damaged(Exception):
    """What is on the disk is not what was written."""


class Care:
    """again: opens a new file. sealed: events that were made here, committed; removed: rows that are gone; brought: rows that came."""

    def __init__(self, state_dir: Path, keeper: Keeper, reserve: Reserve, carrier: Carrier, again: Again, say: Say) -> None:
        self._state_dir = state_dir
        self.keeper = keeper
        self.reserve = reserve
        self.carrier = carrier
        self._again = again
        self._say = say
        self._refused: dict[str, dict[str, None]] = {}  # class -> ids in order; a batch may be tried more than once
        self.full = False
        self.due_s = time.monotonic()
        self._checked_s = time.monotonic()
        self.found: Callable[[str], object] = lambda text: None  # the whole check has found damage
        self.removed: Callable[[list[int]], object] = lambda rows: None
        self.brought: Callable[[list[int]], object] = lambda rows: None
        self.replaced: Callable[[Store, str], object] = lambda store, reason: None

    def begin_anew(self, store: Store, reason: str) -> tuple[Store, Sealed | None]:
        """Set the damaged file aside and begin a new one, with the latches of the old. Raises JournalRefused, sqlite3.Error."""
        self.carrier.close()
        store.close()
        fresh, first = self._again(store, time.time_ns() // 1_000_000)
        self.keeper.forget()
        self.carrier.look_again()
        self.due_s = time.monotonic()
        self.replaced(fresh, reason)
        return fresh, first

    # --- a full disk ---------------------------------------------------------------------------

    def disk_full(self, store: Store) -> bool:
        """The disk refused for want of room. True when some was found, so that it is worth trying again."""
        self.full = True
        self.due_s = time.monotonic()
        freed = self.reserve.free()
        return _fold_log(store) or freed

    def admitted(self, batches: list[Batch]) -> list[Batch]:
        """While the disk is full observations are refused, and named later; everything else is sealed."""
        if not self.full:
            return batches
        out = []
        for batch in batches:
            kept = [draft for draft in batch.drafts if draft.event_class is not EventClass.OBSERVATION]
            if len(kept) < len(batch.drafts):
                refused = {draft.id: None for draft in batch.drafts if draft.event_class is EventClass.OBSERVATION}
                self._refused.setdefault(str(EventClass.OBSERVATION), {}).update(refused)
            out.append(replace(batch, drafts=kept))
        return out

    def _names(self) -> list[Draft]:
        """Events that name what was refused."""
        return [
            dropped(self._say, name, list(ids)[at : at + NAMED_TOGETHER], "disk full")
            for name, ids in self._refused.items()
            for at in range(0, len(ids), NAMED_TOGETHER)
        ]

    # --- steps ---------------------------------------------------------------------------------

    def step(self, store: Store) -> list[Sealed]:
        """One small piece of work; events that it made. Raises sqlite3.Error."""
        now_s = time.monotonic()
        if self.full:
            return self._make_room(store, now_s)
        rows = self.carrier.step(store)
        if rows is not None:
            self.due_s = now_s + PAUSE_S
            if rows:
                self.keeper.forget()
                self.brought(rows)
            return []
        self.reserve.make()
        done = self.keeper.step(store)
        self.due_s = now_s + (PAUSE_S if done.more else ROUND_S)
        if not done.more:
            self._look(store)
            if now_s > self._checked_s + CHECK_EACH_S:
                self.check_beside()
        return self._told(done)

    def _look(self, store: Store) -> None:
        """The newest event as a stranger reads it: the writer's own memory would hide damage on the disk. Raises Damaged."""
        try:
            with closing(sqlite3.connect(f"file:{self._state_dir / JOURNAL_NAME}?mode=ro", uri=True, timeout=1.0)) as db:
                found = db.execute("SELECT sha256, body FROM event WHERE row = ?", (store.row,)).fetchone()
        except sqlite3.OperationalError:
            return  # a busy disk says nothing about the content
        except sqlite3.DatabaseError as error:
            raise Damaged(str(error)) from error
        if found is None or digest(found[1]) != found[0]:
            raise Damaged("the newest event is not as it was written")

    def _make_room(self, store: Store, now_s: float) -> list[Sealed]:
        self.due_s = now_s + PAUSE_S
        if self.reserve.make():
            self.full = False
            names = self._names()
            sealed = store.commit([Batch(names)], [])[0] if names else []
            self._refused.clear()
            return sealed
        done = self.keeper.make_room(store)
        if not done.more:
            self.due_s = now_s + 1.0
        return self._told(done)

    def _told(self, done: Done) -> list[Sealed]:
        if done.removed:
            self.removed(done.removed)
        return done.sealed

    def close(self) -> None:
        """The thread ends."""
        self.carrier.close()

    # --- the whole check -----------------------------------------------------------------------

    def check_beside(self) -> None:
        """Read the whole file in a thread of its own; `found` is told when it is damaged."""
        self._checked_s = time.monotonic()

        def check() -> None:
            try:
                with closing(open_readonly(self._state_dir / JOURNAL_NAME)) as db:
                    check_whole(db)
            except (sqlite3.DatabaseError, Unreadable) as error:
                if not isinstance(error, sqlite3.OperationalError):  # a busy disk says nothing about the content
                    self.found(str(error))

        threading.Thread(target=check, name="journal-check", daemon=True).start()


def _fold_log(store: Store) -> bool:
    """SQLite's log (about 4 MB at most; the reserve must be larger) goes into the file, and its place on the disk is free."""
    try:
        store.db.execute(f"PRAGMA busy_timeout = {FOLD_WAIT_MS}")
        busy, pages, _ = store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        store.db.execute("PRAGMA busy_timeout = 5000")
    except sqlite3.Error:
        return False
    return not busy and pages > 0
