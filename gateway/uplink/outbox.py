"""Delivery of sealed events: who still has to confirm what, and what to send next, on which path. Pure; time is handed in.

    queued --next()--> sent --puback()--> broker_acked --receipt()--> received (or unusable)
       ^                 |                     |
       +---link_lost()---+       no receipt: due again after 10, 20, 40 .. s, on the other path

One path carries at a time: the first in the site file that has a session and can be trusted. It is not trusted for `RETURN_S`
after it came back, or after a message on it went without receipt. In dual mode alarms go out on all paths at once; in
failover mode too, while there is doubt about a path. The centre knows an event by its id, whichever way it came.

Only light entries live here; a body leaves memory with its PUBACK and is read again from the journal for a
resend. When more is owed than fits, the rest stays in the journal and is paged in (`overflow_row`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gateway.uplink.lane import Entry, Hold, Lane, Queue

ALARM_CLASS = "alarm"
FOLLOWED = frozenset({ALARM_CLASS, "mode"})  # how far their news get is told: to linkage, and to a drill that waits for signatures
BROKER = "broker"  # stands in as recipient where the site file names none: then a PUBACK ends delivery
BOTH = "*"  # sent on more than one path: a receipt says nothing about either

NO_SUBSCRIBERS = 0x10  # MQTT 5 PUBACK: accepted, but nobody listens; not delivery
REFUSED_FROM = 0x80
QUOTA = 0x97  # quota exceeded: passes by itself, so the first waits are short
SUSPECTED = 0xFF  # not a reason code: the broker says yes and ends the session; `release` ends such a hold, no PUBACK does

MAX_ENTRIES = 20_000  # about 12 MB
REPEAT_CAP_S = 300.0
ALARM_REPEAT_CAP_S = 30.0
HOLD_FIRST_S = 30.0  # a refused topic is tried again after this long, then twice as long, up to the cap
QUOTA_FIRST_S = 2.0
RETURN_S = 30.0  # a path that was lost or deaf must have been good for so long before it carries again


@dataclass(slots=True)
class Counts:
    """What metrics tell of delivery."""

    sent: int = 0
    resent: int = 0
    received: int = 0
    unusable: int = 0
    pubacks: dict[int, int] = field(default_factory=dict)


class Outbox:
    """All entries of one gateway. window: how many may be sent on a path and not yet be acknowledged by its broker.

    paths: their names, the preferred one first. dual: alarms on all of them at once.
    """

    def __init__(
        self,
        window: int,
        receipt_timeout_s: float,
        max_entries: int = MAX_ENTRIES,
        paths: Iterable[str] = ("main",),
        *,
        dual: bool = False,
    ) -> None:
        self._window = window
        self._receipt_timeout_s = receipt_timeout_s
        self._max_entries = max_entries
        self._dual = dual
        self._entries: dict[int, Entry] = {}
        self._by_digest: dict[str, Entry] = {}
        self._queue = Queue()
        self._due: list[tuple[float, int]] = []
        self.lanes = {name: Lane(name) for name in paths}
        self.overflow_row: int | None = None
        self.counts = Counts()
        # the news of an event of class FOLLOWED has got further: see core.commands.Delivered
        self.heard: Callable[[str, str, str], None] = lambda event, step, by: None

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, row: int) -> bool:
        return row in self._entries

    @property
    def in_flight(self) -> int:
        """Messages sent and not yet acknowledged by a broker."""
        return sum(len(lane.in_flight) for lane in self.lanes.values())

    @property
    def holds(self) -> dict[tuple[str, str], str]:
        """(path, class) -> why, of each topic that a broker refuses."""
        return {
            (lane.name, name): "ends the session after each message" if hold.code == SUSPECTED else f"reason code 0x{hold.code:02x}"
            for lane in self.lanes.values()
            for name, hold in lane.holds.items()
        }

    # --- what is owed --------------------------------------------------------------------------

    def offer(self, entry: Entry) -> bool:
        """Take a committed event. False when memory is full: it stays in the journal until there is room."""
        if not entry.owed or entry.row in self._entries:
            return True
        if len(self._entries) >= self._max_entries and entry.event_class != ALARM_CLASS:
            self.overflow_row = entry.row if self.overflow_row is None else min(self.overflow_row, entry.row)
            return False
        self._entries[entry.row] = entry
        self._by_digest[entry.sha256] = entry
        if not self._copy(entry):
            self._queue.push(entry)
        return True

    def offer_again(self, entry: Entry) -> bool:
        """A recipient asks for an event that was delivered before. False when memory is full."""
        known = self._entries.get(entry.row)
        if known is None:
            entry.again = True
            return self.offer(entry)
        known.owed |= entry.owed
        return True

    def drop_early(self, event_id: str) -> None:
        """The sealed event is here: its early copy (row below 0) need not be repeated."""
        for row in [row for row, entry in self._entries.items() if row < 0 and entry.id == event_id]:
            entry = self._entries.pop(row)
            self._by_digest.pop(entry.sha256, None)

    def forget(self, rows: Iterable[int]) -> None:
        """The journal has no bodies for these: there is nothing to send. What it still owes is paged in again."""
        for row in rows:
            entry = self._entries.pop(row, None)
            if entry is not None:
                self._by_digest.pop(entry.sha256, None)
            for lane in self.lanes.values():
                lane.in_flight.pop(row, None)
                for hold in lane.holds.values():
                    if hold.probe_row == row:
                        hold.probe_row = None

    def has_room(self) -> bool:
        """True when a page of the journal may be brought in."""
        return len(self._entries) < self._max_entries // 2

    # --- which path ----------------------------------------------------------------------------

    def carrier(self, now_s: float) -> Lane | None:
        """The path that carries now; None while none has a session."""
        up = [lane for lane in self.lanes.values() if lane.up]
        return next((lane for lane in up if lane.trusted_from_s <= now_s), up[0] if up else None)

    def _copy(self, entry: Entry, but: Lane | None = None) -> bool:
        """Put an alarm before each path (but this one), where that is wanted. False when it is left to the one that carries."""
        up = [lane for lane in self.lanes.values() if lane.up and entry.event_class not in lane.holds]
        if entry.event_class != ALARM_CLASS or len(up) < 2 or not (self._dual or up[0].deaf):
            return False
        for lane in up:
            if lane is not but and entry.row not in lane.in_flight:
                lane.queue.push(entry)
        return True

    def _others(self, entry: Entry, lane: Lane | None) -> list[Lane]:
        """Other paths on which this may go out now."""
        return [
            other
            for other in self.lanes.values()
            if other is not lane and other.up and entry.event_class not in other.holds and not other.has(entry.row)
        ]

    def _requeue(self, entry: Entry) -> None:
        """It did not get out on one path: left to the one that carries, unless it is on its way on another."""
        if entry.row in self._entries and not entry.due_s and not any(lane.has(entry.row) for lane in self.lanes.values()):
            self._queue.push(entry)

    # --- sending -------------------------------------------------------------------------------

    def next(self, lane: Lane, now_s: float) -> Entry | None:
        """The next entry to publish on this path, alarms first, or None. The caller publishes it and calls `sent`."""
        if len(lane.in_flight) >= self._window:
            return None
        self._wake_due(now_s)
        owed = self._entries.__contains__
        best: tuple[tuple[int, int], str, Queue] | None = None
        for queue in (lane.queue, self._queue):
            for name, head in queue.heads(owed):
                if self._may(lane, name, now_s, own=queue is lane.queue) and (best is None or head < best[0]):
                    best = (head, name, queue)
        if best is None:
            return None
        _, name, queue = best
        entry = self._entries[queue.pop(name)]
        if queue is self._queue:
            self._copy(entry, but=lane)
        hold = lane.holds.get(name)
        if hold is not None:
            hold.probe_row = entry.row
        return entry

    def waits(self, lane: Lane, event_classes: Iterable[str], now_s: float) -> bool:
        """True when something of one of these classes could be published on this path now."""
        queues = ((lane.queue, True), (self._queue, False))
        return any(queue.waits(name) and self._may(lane, name, now_s, own=own) for name in event_classes for queue, own in queues)

    def _may(self, lane: Lane, event_class: str, now_s: float, *, own: bool) -> bool:
        probes = lane.probes(event_class, now_s)
        if own or probes is not None:
            return probes is not False
        carrier = self.carrier(now_s)
        return carrier is None or carrier is lane or event_class in carrier.holds

    def _wake_due(self, now_s: float) -> None:
        while self._due and self._due[0][0] <= now_s:
            due_s, row = heapq.heappop(self._due)
            entry = self._entries.get(row)
            if entry is not None and entry.due_s == due_s:
                entry.due_s = 0.0
                self._repeat(entry, now_s)

    def _repeat(self, entry: Entry, now_s: float) -> None:
        """No receipt came in time: again, on the other path where there is one."""
        lane = self.lanes.get(entry.via)
        entry.via = ""
        others = self._others(entry, lane)
        if lane is not None and lane.up and others and lane.heard_s < entry.sent_s:
            lane.deaf = True
            lane.trusted_from_s = now_s + RETURN_S
        if self._copy(entry):
            return
        (others[0].queue if lane is not None and others else self._queue).push(entry)

    def next_due_s(self) -> float | None:
        """When something that waits now may be sent: a resend, or a probe of a refused topic."""
        times = [self._due[0][0]] if self._due else []
        for lane in self.lanes.values():
            waiting = (lane.queue, self._queue)
            times += [h.until_s for name, h in lane.holds.items() if h.probe_row is None and any(queue.waits(name) for queue in waiting)]
        return min(times, default=None)

    def sent(self, lane: Lane, entry: Entry, now_s: float) -> None:
        """The entry's bytes were handed to the connection of this path."""
        entry.sent_s = now_s
        entry.via = lane.name if entry.via in ("", lane.name) else BOTH
        entry.attempts += 1
        lane.in_flight[entry.row] = (entry, now_s)
        lane.sent += 1
        self.counts.sent += 1
        if entry.attempts > 1:
            self.counts.resent += 1

    # --- what the broker says ------------------------------------------------------------------

    def puback(self, lane: Lane, row: int, code: int, now_s: float) -> bool:
        """The broker's answer to one message. False when it refused (0x80 and above)."""
        self.counts.pubacks[code] = self.counts.pubacks.get(code, 0) + 1
        entry, _ = lane.in_flight.pop(row, (None, 0.0))
        if entry is None:
            return code < REFUSED_FROM
        if code >= REFUSED_FROM:
            self.hold(lane, entry.event_class, code, now_s)
            self._requeue(entry)
            return False
        hold = lane.holds.get(entry.event_class)
        if hold is not None and hold.code != SUSPECTED:
            del lane.holds[entry.event_class]
        self._acknowledged(lane, entry, code, now_s)
        return True

    def _acknowledged(self, lane: Lane, entry: Entry, code: int, now_s: float) -> None:
        """A broker has it: wait for the receipt."""
        if entry.row in self._entries and code != NO_SUBSCRIBERS and not entry.acked:
            entry.acked = True
            if entry.event_class in FOLLOWED and not entry.again:
                self.heard(entry.id, "broker_acked", "")
        if entry.row in self._entries and not entry.due_s:
            if code == NO_SUBSCRIBERS and not entry.unanswered:
                for other in self._others(entry, lane):
                    other.queue.push(entry)
            entry.unanswered += 1  # a broker that took nothing says nothing about the centre
            wait_s = self._receipt_timeout_s * 2 ** min(entry.unanswered - 1, 10)
            cap_s = ALARM_REPEAT_CAP_S if entry.event_class == ALARM_CLASS else REPEAT_CAP_S
            entry.due_s = now_s + min(wait_s, max(cap_s, self._receipt_timeout_s))
            heapq.heappush(self._due, (entry.due_s, entry.row))
        if entry.row > 0 and not any(other.has(entry.row) for other in self.lanes.values()):
            entry.body = None  # an early copy (row below 0) is in memory only

    def hold(self, lane: Lane, event_class: str, code: int, now_s: float) -> None:
        """Set a topic aside on one path after a refusal, so that one forbidden topic does not make the link flap."""
        known = lane.holds.get(event_class)
        cap_s = ALARM_REPEAT_CAP_S if event_class == ALARM_CLASS else REPEAT_CAP_S
        if known is not None and known.probe_row is None and now_s < known.until_s:
            return  # others of the same class that were in flight together
        first_s = QUOTA_FIRST_S if code == QUOTA else HOLD_FIRST_S
        wait_s = min(first_s if known is None else known.wait_s * 2, cap_s)
        lane.holds[event_class] = Hold(now_s + wait_s, wait_s, code)
        for row in lane.queue.drain([event_class]):
            if row in self._entries:
                self._requeue(self._entries[row])

    def release(self, lane: Lane, event_class: str) -> None:
        """The topic is not to blame: messages of this class flow again."""
        lane.holds.pop(event_class, None)

    def link_up(self, lane: Lane, now_s: float) -> None:
        """The path has a session."""
        lane.up = True
        if lane.lost:
            lane.trusted_from_s = now_s + RETURN_S
        lane.lost = False

    def link_lost(self, lane: Lane, *, on_purpose: bool = False) -> set[str]:
        """The session ended: what was in flight or waited for this path is queued again. Returns the event classes in flight.

        on_purpose: this side closed it, which casts no doubt on the path.
        """
        lane.up, lane.lost = False, lane.lost or not on_purpose
        flying = [entry for entry, _ in lane.in_flight.values()]
        lane.in_flight.clear()
        waiting = [self._entries[row] for row in lane.queue.drain() if row in self._entries]
        for entry in flying + waiting:
            self._requeue(entry)
        for hold in lane.holds.values():
            hold.probe_row = None
        return {entry.event_class for entry in flying}

    # --- what the centre says ------------------------------------------------------------------

    def receipt(self, recipient: str, items: Iterable[tuple[str, str]], *, unusable: bool) -> tuple[list[Entry], list[str], list[str]]:
        """(settled, mismatching ids, ids whose digest is not held here) of one verified receipt."""
        settled, wrong, unknown = [], [], []
        for event_id, sha256 in items:
            entry = self._by_digest.get(sha256)
            if entry is None:
                unknown.append(event_id)
            elif entry.id != event_id:
                wrong.append(event_id)
            elif recipient in entry.owed:
                settled.append(entry)
                if entry.event_class in FOLLOWED and not entry.again:
                    self.heard(event_id, "unusable" if unusable else "received", recipient)
                self.settle(entry, recipient)
                self._answered(entry)
                if unusable:
                    self.counts.unusable += 1
                else:
                    self.counts.received += 1
        return settled, wrong, unknown

    def _answered(self, entry: Entry) -> None:
        """The path that this one went out on leads to a centre."""
        lane = self.lanes.get(entry.via)
        if lane is not None:
            lane.heard_s = max(lane.heard_s, entry.sent_s)
            lane.deaf = False

    def settle(self, entry: Entry, recipient: str) -> None:
        """One recipient owes nothing more for this event."""
        entry.owed.discard(recipient)
        if not entry.owed:
            self._entries.pop(entry.row, None)
            self._by_digest.pop(entry.sha256, None)

    def owes_alarms(self) -> bool:
        """True while an alarm has not been confirmed by everybody who must."""
        return any(entry.event_class == ALARM_CLASS for entry in self._entries.values())

    def oldest_owed(self, recipient: str) -> Entry | None:
        """The entry that this recipient has owed longest."""
        return min((entry for entry in self._entries.values() if recipient in entry.owed), key=lambda entry: entry.sealed_s, default=None)

    def lowest_owed(self) -> dict[str, tuple[int, int]]:
        """recipient -> (epoch, sequence) of the lowest event it still owes."""
        lowest: dict[str, tuple[int, int]] = {}
        for entry in self._entries.values():
            if entry.row < 0:
                continue  # an early copy has no number yet
            for recipient in entry.owed:
                place = (entry.epoch, entry.sequence)
                if recipient not in lowest or place < lowest[recipient]:
                    lowest[recipient] = place
        return lowest
