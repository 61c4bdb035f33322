"""What the journal's thread does beside sealing: the reserve, the budget, what a damaged file still owes, the whole check."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path

from gateway.contract.envelope import Sealed
from gateway.contract.receipt import Newest
from gateway.core.points import Draft, EventClass
from gateway.journal.carry import Carrier
from gateway.journal.files import JOURNAL_NAME, Unreadable, open_readonly
from gateway.journal.keeping import NAMED, STEP, Keeper, Say, dropped
from gateway.journal.reserve import Reserve
from gateway.journal.store import LOG_PAGES, Batch, Store, check_whole, is_damage, outrun
from gateway.journal.walk import Walk, newest

log = logging.getLogger(__name__)

LEAN_LOG_PAGES = 128  # while the disk is full, so that the room goes to the file instead
MOST_WAITING = 5000  # events in memory; with more of them access goes too
FOLD_WAIT_MS = 250  # for a reader that is just looking
ROUND_S = 30.0  # between two looks at the budget
CHECK_EACH_S = 86_400.0  # damage that nobody reads is found within a day
PAUSE_S = 0.05  # between two steps of one round: others need the disk too
OVERDUE_S = 5.0  # a journal that is never idle still takes a step so often
LOOK_EACH = 100  # events: after so many it is looked at the limits at once, between two commits
CALM_S = 5.0  # without a refusal, and the disk counts as full no longer if there is room

Again = Callable[[Store, int], tuple[Store, Sealed | None]]  # begins a new file in place of a damaged one; UTC milliseconds


@dataclass(slots=True)
class _NotKept:
    """Events of one class that were never sealed. ids: of the first of them."""

    count: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, event_id: str) -> None:
        self.count += 1
        if self.count <= NAMED:
            self.ids.append(event_id)


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
        self._not_kept: dict[str, _NotKept] = {}
        self._sealed = 0  # events since the last step
        self._refused_s = 0.0
        self._dropping = False  # what nobody has received goes too, until there is room
        self._at_once = STEP  # events that a step removes to make room
        self._looked_s = -inf
        self._walk = Walk()
        self.full = False
        self.tight = False  # the file has room again, the disk none for a reserve: commits stay small
        self.due_s = time.monotonic()
        self._checked_s = time.monotonic()
        self.found: Callable[[str, int], object] = lambda text, epoch: None  # the whole check has found damage in the file of that epoch
        self.removed: Callable[[list[int]], object] = lambda rows: None
        self.brought: Callable[[list[int]], object] = lambda rows: None
        self.outran: Callable[[Newest], object] = lambda newest: None  # a centre was further; a new epoch has begun
        self.replaced: Callable[[Store, str], object] = lambda store, reason: None

    def begin_anew(self, store: Store, reason: str) -> tuple[Store, Sealed | None]:
        """Set the damaged file aside and begin a new one, with the latches of the old. Raises JournalRefused, sqlite3.Error."""
        self.carrier.close()
        store.close()
        fresh, first = self._again(store, time.time_ns() // 1_000_000)
        self.keeper.forget()
        self.carrier.look_again()
        self._walk = Walk()
        self.due_s = time.monotonic()
        self.replaced(fresh, reason)
        return fresh, first

    def outrun(self, store: Store, newest: Newest) -> Sealed | None:
        """The first event of a new epoch where a centre has a later event than this journal, or another one in its place.

        Raises JournalRefused, OSError, sqlite3.Error.
        """
        if store.has(newest):
            return None

        def opened(reason: str, data: dict[str, object]) -> Draft:
            return self._say("campus.journal.opened", "事件日志启用：从备份恢复", f"Journal opened: {reason}", data)

        return outrun(self._state_dir, store, opened, newest.epoch)

    # --- pace ----------------------------------------------------------------------------------

    def sealed(self, count: int) -> None:
        """So many events were committed. With many of them the limits are looked at before the next round."""
        before, self._sealed = self._sealed, self._sealed + count
        if before < LOOK_EACH <= self._sealed:
            self.due_s = min(self.due_s, time.monotonic())

    @property
    def presses(self) -> bool:
        """A step must not wait until nothing else is to be written: what comes is more than what goes."""
        return self.full or self.keeper.behind or self._sealed >= LOOK_EACH

    # --- a full disk ---------------------------------------------------------------------------

    def disk_full(self, store: Store) -> bool:
        """The disk refused for want of room. True when some was found, so that it is worth trying again."""
        self.full = True
        self._refused_s = time.monotonic()
        self.due_s = self._refused_s
        freed = self.reserve.free()
        return self._fold_log(store) or freed

    def _fold_log(self, store: Store) -> bool:
        """SQLite's log goes into the file, and its place on the disk is free. While the disk is full it is kept short.

        What is in it needs room in the file first: the reserve must be larger than the log (about 4 MB).
        """
        log = self._state_dir / f"{JOURNAL_NAME}-wal"
        try:
            before = log.stat().st_size
            store.db.execute(f"PRAGMA wal_autocheckpoint = {LEAN_LOG_PAGES}")
            store.db.execute(f"PRAGMA busy_timeout = {FOLD_WAIT_MS}")
            store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return log.stat().st_size < before
        except (OSError, sqlite3.Error):
            return False
        finally:
            store.db.execute("PRAGMA busy_timeout = 5000")

    def admitted(self, batches: list[Batch]) -> list[Batch]:
        """What is sealed while the disk is full: no observations, and where very many events wait nobody's comings and goings.

        What is refused is told later.
        """
        refused = {EventClass.OBSERVATION}
        if sum(len(batch.drafts) for batch in batches) > MOST_WAITING:
            refused.add(EventClass.ACCESS)
        out = []
        for batch in batches:
            for draft in batch.drafts:
                if draft.event_class in refused:
                    self._not_kept.setdefault(str(draft.event_class), _NotKept()).add(draft.id)
            out.append(replace(batch, drafts=[draft for draft in batch.drafts if draft.event_class not in refused]))
        return out

    # --- steps ---------------------------------------------------------------------------------

    def step(self, store: Store) -> list[Sealed]:
        """One small piece of work; events that it made. Raises sqlite3.Error."""
        now_s = time.monotonic()
        if now_s >= self._looked_s + ROUND_S:
            self._looked_s = now_s
            self._look(store)
            if now_s > self._checked_s + CHECK_EACH_S:
                self.check_beside(store)
        if self.full:
            return self._make_room(store, now_s)
        if not self.keeper.behind and self._carried(store):
            self.due_s = now_s + PAUSE_S
            return []
        inside = _free_inside(store) if self.tight else 0
        if self.reserve.make(inside):
            if self.tight:
                self._relax(store)
        elif self.tight and not self.reserve.enough(inside, 1.0):
            self.full = True  # before the disk refuses: then there would be no room to remove anything
            return self._make_room(store, now_s)
        self._sealed = 0
        done = self.keeper.step(store)
        self.due_s = now_s + (PAUSE_S if done.more else ROUND_S)
        if done.removed:
            self.removed(done.removed)
        return done.sealed

    def _carried(self, store: Store) -> bool:
        """Bring over some of what a damaged file still owes. False when there is nothing to do."""
        rows = self.carrier.step(store)
        if rows:
            self.keeper.forget()
            self.brought(rows)
        return rows is not None

    def _look(self, store: Store) -> None:
        """The file as a stranger reads it: the writer's own memory would hide damage on the disk. Raises Damaged."""
        path = self._state_dir / JOURNAL_NAME
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1.0, isolation_level=None)) as db:
                newest(db, store)
                self._walk.step(db, path.stat().st_size)
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            if isinstance(error, sqlite3.OperationalError | OSError) and not is_damage(error):
                return  # a busy disk says nothing about the content
            raise Damaged(str(error)) from error

    def _make_room(self, store: Store, now_s: float) -> list[Sealed]:
        """The disk is full: until the disk or the file has room.

        What nobody has received goes only where the disk refuses, or half of the room that alarms should have is used up.
        """
        self.due_s = now_s + PAUSE_S
        inside, calm = _free_inside(store), now_s >= self._refused_s + CALM_S
        if self.reserve.make(inside):
            return self._room_again(store)
        if self.reserve.enough(inside):
            self._dropping = False
            if calm:
                self.tight = True
                log.warning("the journal has room again, %d bytes of it in the file; the disk has none for the reserve", inside)
                return self._room_again(store)
            self.due_s = now_s + 1.0
            return []
        try:
            self._dropping = self._dropping or not calm or not self.reserve.enough(inside, 1.0)
            done = self.keeper.make_room(store, self._dropping, self._at_once)
        except sqlite3.OperationalError:
            self._at_once = max(1, self._at_once // 7)  # removing takes room in SQLite's log first
            raise
        self._at_once = STEP
        if not done.more:
            self.due_s = now_s + 1.0
        if done.removed:
            self.removed(done.removed)
        return done.sealed

    def _room_again(self, store: Store) -> list[Sealed]:
        """Everything is kept again; what was not is told."""
        self.full = False
        if not self.tight:
            self._relax(store)
        words = [dropped(self._say, name, some.count, some.ids, "disk full") for name, some in self._not_kept.items()]
        sealed = store.commit([Batch(words)], [])[0] if words else []
        self._not_kept.clear()
        return sealed

    def _relax(self, store: Store) -> None:
        """The reserve is there: SQLite's log may be as large as ever."""
        self.tight = False
        store.db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")

    def close(self) -> None:
        """The thread ends."""
        self.carrier.close()

    # --- the whole check -----------------------------------------------------------------------

    def check_beside(self, store: Store) -> None:
        """Read the whole file in a thread of its own; `found` is told when it is damaged."""
        self._checked_s = time.monotonic()
        path, epoch = self._state_dir / JOURNAL_NAME, store.epoch

        def check() -> None:
            try:
                with closing(open_readonly(path)) as db:
                    check_whole(db)
            except (sqlite3.DatabaseError, Unreadable) as error:
                if not isinstance(error, sqlite3.OperationalError):  # a busy disk says nothing about the content
                    self.found(str(error), epoch)

        threading.Thread(target=check, name="journal-check", daemon=True).start()


def _free_inside(store: Store) -> int:
    """Bytes of pages in the file that hold nothing."""
    pages, size = store.db.execute("SELECT * FROM pragma_freelist_count, pragma_page_size").fetchone()
    return int(pages) * int(size)
