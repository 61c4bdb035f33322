"""The storage budget: what goes, in which order, and what stays behind to prove it. Small steps in the journal's own thread.

Oldest first within a class, observations first. A removed event leaves a stub; stubs go as a prefix under a signed
checkpoint; what goes before it was received is told in a signed event, once a minute. Alarms never go before they are received.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from gateway.contract.envelope import Sealed
from gateway.core.points import Draft, EventClass
from gateway.core.reading import Now
from gateway.journal import trends
from gateway.journal.removed import removed_below, tell_alarms
from gateway.journal.store import OWED, Store

ORDER = tuple(map(str, (EventClass.OBSERVATION, EventClass.ACCESS, EventClass.DUTY, EventClass.MODE, EventClass.FAULT, EventClass.AUDIT)))
ALARM = str(EventClass.ALARM)
DROPPED_FOR_ROOM = ORDER[:2]  # where the disk is full, these go even before they are received
PLACE_BYTES = 400  # what an event takes beside its body: columns, indexes, outbox
STEP = 100  # events a transaction: an alarm never waits longer than for one of them
MOST_STEP = 500  # where more than that came since the last one
COUNT_STEP = 2000
NAMED = 100  # ids in one event that tells of dropped ones
TELL_EACH_S = 60.0  # and between two such events
DROPPING_S = 300.0  # for which nothing received was left; then it is looked again
SAVE_EACH = 5000  # events after which the tally is stored although nothing was removed
PRUNE = 5000  # stubs that go under one checkpoint
DAY_MS = 86_400_000

Say = Callable[[str, str, str, dict[str, Any]], Draft]  # type, Chinese, English, data
_IS_OWED = f"EXISTS (SELECT 1 FROM outbox o WHERE o.row = event.row AND o.state = {OWED})"
_MAY_GO = (
    "class = ?1 AND row > ?2 AND row < (SELECT max(row) FROM event WHERE class = ?1)"
    " AND row NOT IN (SELECT event FROM checkpoint) AND row NOT IN (SELECT event FROM removal)"
)
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


@dataclass(slots=True)
class _Pass:
    """One look through a class for what was received. dropping_until_s: nothing was; until then the oldest go."""

    after: int = 0
    found: int = 0
    dropping_until_s: float = -inf


class Keeper:
    """Keeps each class within its limit. now: for ages; they count only while the clock is synchronised.

    behind: a class is over its limit in bytes by more than one step could change.
    """

    def __init__(self, limits: Mapping[str, Limit], now: Callable[[], Now], say: Say) -> None:
        self._limits = limits
        self._now = now
        self._say = say
        self.bytes: dict[str, int] = {}
        self._counted_row: int | None = None
        self._unsaved = 0
        self._came = 0  # events since the last removal
        self._after: dict[str, int] = {}  # how far a class was looked through for old events in this round
        self._passes: dict[str, _Pass] = {}
        self._stays: _Stays | None = None
        self._stubs = PRUNE  # made since the stubs were last too few for a checkpoint
        self._stubs_turn = False
        self._told_s: float | None = None
        self._just_within = False  # the last step brought all classes within their limits; what came since can wait for the next round
        self.behind = False
        self.removed = 0
        self.dropped = 0

    def forget(self) -> None:
        """The file is another one, or was added to below: count anew."""
        self._counted_row = self._stays = None
        self._after.clear()
        self._passes.clear()
        self._just_within = self.behind = False

    def step(self, store: Store) -> Done:
        """One small transaction, or none."""
        if self._count(store):
            return Done(more=True)
        now = self._now()
        if self._told_s is None:
            self._told_s = now.now_s - TELL_EACH_S
        if now.now_s >= self._told_s + 2 * TELL_EACH_S and (sealed := self._tell(store, now.now_s)):
            return Done(True, sealed)
        self._stubs_turn = not self._stubs_turn  # under a load without end stubs must not pile up
        if self._stubs_turn and self._stubs >= PRUNE:
            done = self._prune(store)
            if done.more:
                return done
            self._stubs = 0
        if not self._just_within:
            done = self._within_limits(store, now.now_s)
            if done.more:
                self._just_within = not self.behind
                return done
        self._just_within = False
        if now.now_s >= self._told_s + TELL_EACH_S and (sealed := self._tell(store, now.now_s)):
            return Done(True, sealed)
        for name in (*ORDER, ALARM):
            days = self._limits.get(name, Limit()).days
            if days and now.clock == "synchronised":
                before_ms = round(now.at_ms - days * DAY_MS)
                if name == ALARM:
                    before_ms -= before_ms % DAY_MS  # a day's at once, because each removal of alarms is told in an event
                done = self._remove_old(store, name, before_ms)
                if done.more:
                    return done
        if trends.remove_old(store.db, now.at_ms if now.clock == "synchronised" else None):
            return Done(more=True)
        return self._prune(store)

    def make_room(self, store: Store, owed_too: bool, most: int = STEP) -> Done:
        """The disk is full: trends go, what is over its limit, then the oldest of the least class, so that the file has free pages.

        owed_too: observations and access even before they were received. most: events in one step.
        """
        if trends.make_room(store.db):
            return Done(more=True)
        self._count(store)
        done = self._within_limits(store, self._now().now_s, most)
        if done.more:
            return done
        for name in ORDER:
            if old := self._received(store, name, 0, most)[0]:
                return self._remove(store, {name: old}, "")
        for name in DROPPED_FOR_ROOM if owed_too else ():
            if old := self._oldest(store, name, 0, most):
                return self._remove(store, {name: old}, "disk full")
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
        self._came += len(page)
        if self._unsaved >= SAVE_EACH:
            with store.transaction():
                self._save(store)
        return len(page) == COUNT_STEP

    def _save(self, store: Store) -> None:
        values = [(name, size, self._counted_row) for name, size in self.bytes.items()]
        store.db.executemany("INSERT OR REPLACE INTO tally VALUES (?, ?, ?)", values)
        self._unsaved = 0

    # --- removing ------------------------------------------------------------------------------

    def _within_limits(self, store: Store, now_s: float, most: int = MOST_STEP) -> Done:
        """One transaction for all classes that are over their limit in bytes; each has its share of it."""
        over = {}
        for name in ORDER:
            limit = self._limits.get(name, Limit()).most_bytes
            if limit and self.bytes.get(name, 0) > limit:
                over[name] = self.bytes[name] - limit
        total = sum(over.values())
        room = min(max(STEP, self._came * 3 // 2), most)  # more than came, so that it ends
        chosen: dict[str, list[_Old]] = {}
        self.behind = False
        for name, excess in over.items():
            found, goes_on = self._choose(store, name, excess, max(1, room // 10, room * excess // total), now_s)
            self.behind = self.behind or goes_on
            if found:
                chosen[name] = found
        if chosen:
            self._came = 0
            return self._remove(store, chosen, "storage budget")
        return Done(more=self.behind)

    def _choose(self, store: Store, name: str, excess: int, most: int, now_s: float) -> tuple[list[_Old], bool]:
        """(the oldest that may go, enough for the excess but at most `most`; whether more have to go and may be found)."""
        at = self._passes.setdefault(name, _Pass())
        dropping = now_s < at.dropping_until_s
        if dropping:
            page, last = self._oldest(store, name, 0, most), 0
        else:
            page, last = self._received(store, name, at.after, most)
        chosen: list[_Old] = []
        for old in page:
            chosen.append(old)
            at.after = old.row
            at.found += 1
            excess -= old.size
            if excess <= 0:
                return chosen, False
        if dropping:
            return chosen, len(page) == most
        if last:
            at.after = last
        elif len(page) < most:  # the end
            at.dropping_until_s = -inf if at.found else now_s + DROPPING_S
            at.after = at.found = 0
        return chosen, True

    def _remove_old(self, store: Store, name: str, before_ms: int) -> Done:
        """What was received and is older than that (UTC milliseconds)."""
        page = self._oldest(store, name, self._after.get(name, 0), STEP)
        old = [each for each in page if each.at_ms < before_ms]
        if page and len(old) == len(page):
            self._after[name] = page[-1].row
        else:
            self._after.pop(name, None)
        chosen = [each for each in old if not each.owed]
        if chosen:
            return self._remove(store, {name: chosen}, "")
        return Done(more=name in self._after)

    def _oldest(self, store: Store, name: str, after: int, most: int) -> list[_Old]:
        """The oldest of a class; never its newest one, which carries its number, nor the event of the present checkpoint."""
        query = f"SELECT row, at_ms, length(body), {_IS_OWED} FROM event WHERE {_MAY_GO} ORDER BY row LIMIT ?3"
        found = store.db.execute(query, (name, after, most))
        return [_Old(row, at_ms, size + PLACE_BYTES, bool(owed)) for row, at_ms, size, owed in found]

    def _received(self, store: Store, name: str, after: int, most: int) -> tuple[list[_Old], int]:
        """(the oldest of a class that are not owed, the last row that was looked at). 0: it was looked at to its end, or enough."""
        query = "SELECT row FROM event WHERE class = ? AND row > ? ORDER BY row LIMIT 1 OFFSET ?"
        last = (store.db.execute(query, (name, after, COUNT_STEP)).fetchone() or (0,))[0]
        query = f"SELECT row, at_ms, length(body) FROM event WHERE {_MAY_GO} AND row <= ?4 AND NOT {_IS_OWED} ORDER BY row LIMIT ?3"
        found = store.db.execute(query, (name, after, most, last or 1 << 62))
        page = [_Old(row, at_ms, size + PLACE_BYTES, False) for row, at_ms, size in found]
        return page, last if len(page) < most else 0

    def _remove(self, store: Store, chosen: Mapping[str, list[_Old]], reason: str) -> Done:
        """Events to stubs, in one transaction; of those that were still owed it is noted what must be told."""
        db, rows = store.db, [(old.row,) for olds in chosen.values() for old in olds]
        owed = {name: [old.row for old in olds if old.owed] for name, olds in chosen.items()}
        before = dict(self.bytes)
        sealed: list[Sealed] = []
        try:
            with store.transaction():
                for name, those in owed.items():
                    if those:
                        _note(store, name, those, reason)
                if ALARM in chosen and (said := tell_alarms(store, self._say, [old.row for old in chosen[ALARM]])):
                    sealed.append(said)
                db.executemany(
                    "INSERT INTO stub SELECT row, epoch, sequence, class, classsequence, id, sha256 FROM event"
                    " WHERE row = ? AND epoch IN (SELECT epoch FROM epoch)",  # of an event that was carried over, the old file has it
                    rows,
                )
                for recipient in _recipients(store):
                    db.executemany("DELETE FROM outbox WHERE recipient = ? AND row = ?", [(recipient, row) for (row,) in rows])
                db.executemany("DELETE FROM event WHERE row = ?", rows)
                for name, olds in chosen.items():
                    self.bytes[name] = max(0, self.bytes.get(name, 0) - sum(old.size for old in olds))
                self._save(store)
        except BaseException:
            self.bytes = before
            raise
        self._stays = None  # one of those that were to stay may be gone
        self._stubs += len(rows)
        self.removed += len(rows)
        self.dropped += sum(map(len, owed.values()))
        return Done(True, sealed, [row for (row,) in rows])

    def _tell(self, store: Store, now_s: float) -> list[Sealed]:
        """One event for each class and epoch of which some went before they were received."""
        query = "SELECT class, reason, epoch, first, last, count, ids FROM untold"
        notes = store.db.execute(query).fetchall()
        if not notes:
            return []
        drafts = []
        for name, reason, epoch, first, last, count, ids in notes:
            place = {"epoch": f"{epoch:010d}", "first": f"{first:020d}", "last": f"{last:020d}"}
            drafts.append(dropped(self._say, name, count, json.loads(ids), reason, place))
        with store.transaction():
            store.db.execute("DELETE FROM untold")
            sealed = [store.seal(draft) for draft in drafts]
        self._told_s = now_s
        return sealed

    # --- stubs ---------------------------------------------------------------------------------

    def _prune(self, store: Store) -> Done:
        """The oldest stubs go under a checkpoint once there are enough of them; it also tells which events stay before it."""
        db = store.db
        before = db.execute("SELECT epoch, count, classes, kept FROM checkpoint").fetchone() or (0, 0, "{}", 0)
        if self._stays is None:
            enough = min(max(PRUNE, before[3] // 4), 2 * PRUNE)  # so that what stays is not read too often
            query = "SELECT row, epoch, sequence, sha256 FROM stub ORDER BY row LIMIT 1 OFFSET ?"
            last = db.execute(query, (enough - 1,)).fetchone()
            if last is None:
                return Done()
            row, epoch, sequence, sha256 = last
            classes = json.loads(before[2]) if before[0] == epoch else {}
            self._stays = _Stays(row, epoch, sequence, sha256, enough, classes)
        stays = self._stays
        if stays.read(store):
            return Done(more=True)
        classes = stays.classes
        query = "SELECT class, max(classsequence) FROM stub WHERE row <= ? AND epoch = ? GROUP BY class"
        for name, number in db.execute(query, (stays.row, stays.epoch)):
            classes[name] = max(number, classes.get(name, 0))
        count = before[1] + stays.stubs
        data = {
            "epoch": f"{stays.epoch:010d}",
            "sequence": f"{stays.sequence:020d}",
            "sha256": stays.sha256,
            "count": count,
            "classes": classes,
            "kept": stays.kept,
            "kept_sha256": stays.digest.hexdigest(),
            "removed": removed_below(store, stays.row),
        }
        zh = f"事件日志检查点：第 {stays.epoch} 代序号 {stays.sequence} 及以前共 {count} 条已清理，{stays.kept} 条保留"
        en = f"Journal checkpoint: {count} events up to epoch {stays.epoch}, sequence {stays.sequence} are removed, {stays.kept} stay"
        with store.transaction():
            event = store.seal(self._say("campus.journal.checkpoint", zh, en, data))
            place = (event.row, stays.epoch, stays.sequence, stays.sha256, count, json.dumps(classes))
            db.execute("INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)", (*place, stays.kept, data["kept_sha256"]))
            db.execute("DELETE FROM stub WHERE row <= ?", (stays.row,))
        self._stays = None
        return Done(True, [event])


@dataclass(slots=True)
class _Stays:
    """The stub up to which all stubs go, and what is found out of the events before it, which stay."""

    row: int
    epoch: int
    sequence: int
    sha256: str
    stubs: int
    classes: dict[str, int]
    kept: int = 0
    after: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def read(self, store: Store) -> bool:
        """Read the next of them. True while there may be more."""
        query = (
            "SELECT row, epoch, class, classsequence, sha256 FROM event WHERE row > ? AND row < ?"
            " AND epoch IN (SELECT epoch FROM epoch) ORDER BY row LIMIT ?"
        )
        page = store.db.execute(query, (self.after, self.row, COUNT_STEP)).fetchall()
        for row, epoch, name, number, sha256 in page:
            self.after = row
            self.kept += 1
            self.digest.update(sha256.encode())
            if epoch == self.epoch:
                self.classes[name] = max(number, self.classes.get(name, 0))
        return len(page) == COUNT_STEP


def dropped(say: Say, name: str, count: int, ids: list[str], reason: str, place: Mapping[str, str] | None = None) -> Draft:
    """What is said of events that nobody has received and nobody will. ids: of the first of them; place: their class numbers."""
    zh = f"{count} 条未送达的{_WORDS[name]}事件因存储空间不足被清理"
    en = f"{count} events of class {name} were dropped before they were received: {reason}"
    return say("campus.journal.dropped", zh, en, {"class": name, "count": count, "ids": ids, "reason": reason, **(place or {})})


def _note(store: Store, name: str, owed: list[int], reason: str) -> None:
    """Add to what must be told of this class, inside the transaction that removes them."""
    db = store.db
    marks = ",".join("?" * len(owed))
    by_epoch: dict[int, list[tuple[int, str]]] = {}
    for epoch, number, event_id in db.execute(f"SELECT epoch, classsequence, id FROM event WHERE row IN ({marks}) ORDER BY row", owed):
        by_epoch.setdefault(epoch, []).append((number, event_id))
    for epoch, found in by_epoch.items():
        query = "SELECT first, last, count, ids FROM untold WHERE class = ? AND reason = ? AND epoch = ?"
        first, last, count, ids = db.execute(query, (name, reason, epoch)).fetchone() or (found[0][0], 0, 0, "[]")
        named = (json.loads(ids) + [event_id for _, event_id in found])[:NAMED]
        numbers = [number for number, _ in found]
        values = (name, reason, epoch, min(first, *numbers), max(last, *numbers), count + len(found), json.dumps(named))
        db.execute("INSERT OR REPLACE INTO untold VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def _recipients(store: Store) -> list[str]:
    """Everybody who has a line in the outbox, found by a few look-ups instead of reading it all."""
    names: list[str] = []
    query = "SELECT min(recipient) FROM outbox WHERE recipient > ?"
    while (found := store.db.execute(query, (names[-1] if names else "",)).fetchone()[0]) is not None:
        names.append(found)
    return names
