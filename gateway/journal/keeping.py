"""The storage budget: what goes, in which order, and what stays behind to prove it. Small steps in the journal's own thread.

Oldest first within a class, observations first. A removed event leaves a stub; stubs go as a prefix under a signed
checkpoint; what goes before it was received is named in a signed event. Alarms never go before they are received.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.contract.envelope import Sealed
from gateway.core.points import Draft, EventClass
from gateway.core.reading import Now
from gateway.journal.store import OWED, Store

ORDER = tuple(map(str, (EventClass.OBSERVATION, EventClass.ACCESS, EventClass.DUTY, EventClass.MODE, EventClass.FAULT, EventClass.AUDIT)))
ALARM = str(EventClass.ALARM)
DROPPED_FOR_ROOM = ORDER[:2]  # where the disk is full, these go even before they are received
PLACE_BYTES = 400  # what an event takes beside its body: columns, indexes, outbox
STEP = 100  # events a transaction: an alarm never waits longer than for one of them
COUNT_STEP = 2000
SAVE_EACH = 5000  # events after which the tally is stored although nothing was removed
PRUNE = 5000  # stubs that go under one checkpoint
DAY_MS = 86_400_000

Say = Callable[[str, str, str, dict[str, Any]], Draft]  # type, Chinese, English, data
_WORDS = {"observation": "观测", "access": "出入", "duty": "值守", "mode": "模式", "fault": "故障", "audit": "审计", "alarm": "报警"}


@dataclass(frozen=True, slots=True)
class Limit:
    """Of one class. most_bytes, days: 0 for no limit; alarms have none in bytes."""

    most_bytes: int = 0
    days: float = 0.0


@dataclass(slots=True)
class Done:
    """What one step did. more: there is more to do; sealed: events that it made; removed: rows that are gone."""

    more: bool = False
    sealed: list[Sealed] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Old:
    row: int
    at_ms: int
    size: int
    owed: bool


class Keeper:
    """Keeps each class within its limit. now: for ages; they count only while the clock is synchronised."""

    def __init__(self, limits: Mapping[str, Limit], now: Callable[[], Now], say: Say) -> None:
        self._limits = limits
        self._now = now
        self._say = say
        self.bytes: dict[str, int] = {}
        self._counted_row: int | None = None
        self._unsaved = 0
        self._after: dict[str, int] = {}  # how far a class was looked through in this round
        self._dropping: set[str] = set()  # over its limit although nothing received is left to remove
        self.removed = 0
        self.dropped = 0

    def forget(self) -> None:
        """The file is another one, or was added to below: count anew."""
        self._counted_row = None
        self._after.clear()
        self._dropping.clear()

    def step(self, store: Store) -> Done:
        """One small transaction, or none."""
        if self._count(store):
            return Done(more=True)
        now = self._now()
        for name in (*ORDER, ALARM):
            limit = self._limits.get(name, Limit())
            over = self.bytes.get(name, 0) - limit.most_bytes if limit.most_bytes and name != ALARM else 0
            before_ms = round(now.at_ms - limit.days * DAY_MS) if limit.days and now.clock == "synchronised" else 0
            if over > 0 or before_ms:
                done = self._trim(store, name, over, before_ms)
                if done.more:
                    return done
        return self._prune(store)

    def make_room(self, store: Store) -> Done:
        """The disk is full: remove the oldest events of the least class, so that the file has free pages."""
        self._count(store)
        for name in ORDER:
            old = [item for item in self._oldest(store, name, 0, STEP * 5) if not item.owed][:STEP]
            if old:
                return self._remove(store, name, old, "")
        for name in DROPPED_FOR_ROOM:
            if old := self._oldest(store, name, 0, STEP):
                return self._remove(store, name, old, "disk full")
        return Done()

    # --- counting ------------------------------------------------------------------------------

    def _count(self, store: Store) -> bool:
        """Bring the tally up to the newest event, a part at a time. True while there is more."""
        if self._counted_row is None:
            tally = store.db.execute("SELECT class, bytes, row FROM tally").fetchall()
            self.bytes = {name: size for name, size, _ in tally}
            self._counted_row = max((row for _, _, row in tally), default=0)
        query = "SELECT row, class, length(body) FROM event WHERE row > ? ORDER BY row LIMIT ?"
        page = store.db.execute(query, (self._counted_row, COUNT_STEP)).fetchall()
        for row, name, size in page:
            self.bytes[name] = self.bytes.get(name, 0) + size + PLACE_BYTES
            self._counted_row = row
        self._unsaved += len(page)
        if self._unsaved >= SAVE_EACH:
            with store.transaction():
                self._save(store)
        return len(page) == COUNT_STEP

    def _save(self, store: Store) -> None:
        values = [(name, size, self._counted_row) for name, size in self.bytes.items()]
        store.db.executemany("INSERT OR REPLACE INTO tally VALUES (?, ?, ?)", values)
        self._unsaved = 0

    # --- removing ------------------------------------------------------------------------------

    def _trim(self, store: Store, name: str, over: int, before_ms: int) -> Done:
        page = self._oldest(store, name, self._after.get(name, 0), STEP)
        if not page:
            self._after.pop(name, None)
            if over > 0 and name not in self._dropping:
                self._dropping.add(name)
                return Done(more=True)
            self._dropping.discard(name)
            return Done()
        chosen: list[_Old] = []
        for old in page:
            if over <= 0 and old.at_ms >= before_ms:
                self._after.pop(name, None)
                self._dropping.discard(name)
                break
            if not old.owed or (over > 0 and name in self._dropping):
                chosen.append(old)
                over -= old.size
        else:
            self._after[name] = page[-1].row
        if chosen:
            return self._remove(store, name, chosen, "storage budget")
        return Done(more=name in self._after)

    def _oldest(self, store: Store, name: str, after: int, most: int) -> list[_Old]:
        """The oldest of a class; never its newest one, which carries its number, nor the event of the present checkpoint."""
        rows = store.db.execute(
            "SELECT row, at_ms, length(body),"
            f" EXISTS (SELECT 1 FROM outbox o WHERE o.row = event.row AND o.state = {OWED})"
            " FROM event WHERE class = ?1 AND row > ?2 AND row < (SELECT max(row) FROM event WHERE class = ?1)"
            " AND row NOT IN (SELECT event FROM checkpoint) ORDER BY row LIMIT ?3",
            (name, after, most),
        )
        return [_Old(row, at_ms, size + PLACE_BYTES, bool(owed)) for row, at_ms, size, owed in rows]

    def _remove(self, store: Store, name: str, chosen: list[_Old], reason: str) -> Done:
        """Events to stubs, in one transaction; those that were still owed are named in an event of their own."""
        db, rows = store.db, [(old.row,) for old in chosen]
        owed = [old.row for old in chosen if old.owed]
        sealed: list[Sealed] = []
        before = dict(self.bytes)
        try:
            with store.transaction():
                if owed:
                    sealed.append(store.seal(self._name_dropped(store, name, owed, reason)))
                db.executemany(
                    "INSERT INTO stub SELECT row, epoch, sequence, class, classsequence, id, sha256 FROM event"
                    " WHERE row = ? AND epoch IN (SELECT epoch FROM epoch)",  # of an event that was carried over, the old file has it
                    rows,
                )
                for recipient in _recipients(store):
                    db.executemany("DELETE FROM outbox WHERE recipient = ? AND row = ?", [(recipient, row) for (row,) in rows])
                db.executemany("DELETE FROM event WHERE row = ?", rows)
                self.bytes[name] = max(0, self.bytes.get(name, 0) - sum(old.size for old in chosen))
                self._save(store)
        except BaseException:
            self.bytes = before
            raise
        self.removed += len(rows)
        self.dropped += len(owed)
        return Done(True, sealed, [row for (row,) in rows])

    def _name_dropped(self, store: Store, name: str, owed: list[int], reason: str) -> Draft:
        marks = ",".join("?" * len(owed))
        ids = [event_id for (event_id,) in store.db.execute(f"SELECT id FROM event WHERE row IN ({marks}) ORDER BY row", owed)]
        return dropped(self._say, name, ids, reason)

    # --- stubs ---------------------------------------------------------------------------------

    def _prune(self, store: Store) -> Done:
        """The oldest stubs go under a checkpoint once there are enough of them before the first event that stays."""
        db = store.db
        lowest = db.execute("SELECT min(row) FROM event WHERE row >= (SELECT min(first_row) FROM epoch)").fetchone()[0]
        last = db.execute(
            "SELECT row, epoch, sequence, sha256 FROM stub WHERE row < ? ORDER BY row LIMIT 1 OFFSET ?", (lowest, PRUNE - 1)
        ).fetchone()
        if last is None:
            return Done()
        row, epoch, sequence, sha256 = last
        before = db.execute("SELECT epoch, count, classes FROM checkpoint").fetchone() or (0, 0, "{}")
        classes: dict[str, int] = json.loads(before[2]) if before[0] == epoch else {}
        query = "SELECT class, max(classsequence) FROM stub WHERE row <= ? AND epoch = ? GROUP BY class"
        classes |= dict(db.execute(query, (row, epoch)).fetchall())
        count = before[1] + PRUNE
        data = {
            "epoch": f"{epoch:010d}",
            "sequence": f"{sequence:020d}",
            "sha256": sha256,
            "count": count,
            "classes": classes,
        }
        zh = f"事件日志检查点：第 {epoch} 代序号 {sequence} 及以前共 {count} 条已清理"
        en = f"Journal checkpoint: {count} events up to epoch {epoch}, sequence {sequence} are removed"
        with store.transaction():
            event = store.seal(self._say("campus.journal.checkpoint", zh, en, data))
            values = (event.row, epoch, sequence, sha256, count, json.dumps(classes))
            db.execute("INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?, ?, ?, ?, ?)", values)
            db.execute("DELETE FROM stub WHERE row <= ?", (row,))
        return Done(True, [event])


def dropped(say: Say, name: str, ids: list[str], reason: str) -> Draft:
    """What is said of events that nobody has received and nobody will."""
    zh = f"{len(ids)} 条未送达的{_WORDS[name]}事件因存储空间不足被清理"
    en = f"{len(ids)} events of class {name} were dropped before they were received: {reason}"
    return say("campus.journal.dropped", zh, en, {"class": name, "count": len(ids), "ids": ids, "reason": reason})


def _recipients(store: Store) -> list[str]:
    """Everybody who has a line in the outbox, found by a few look-ups instead of reading it all."""
    names: list[str] = []
    query = "SELECT min(recipient) FROM outbox WHERE recipient > ?"
    while (found := store.db.execute(query, (names[-1] if names else "",)).fetchone()[0]) is not None:
        names.append(found)
    return names
