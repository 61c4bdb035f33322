"""Delivery of sealed events: who still has to confirm what, and what to send next, on which path. Pure; time is handed in.

    queued --next()--> sent --puback()--> broker_acked --receipt()--> received (or unusable)
       ^                 |                     |
       +---link_lost()---+       no receipt: due again after 10, 20, 40 .. s, on the other path

One path carries at a time: the first in the site file that has a session and can be trusted. It is not trusted for `RETURN_S`
after it came back, or after a message on it went without receipt. In dual mode alarms go out on all paths at once; in
failover mode too, while there is doubt about a path. The centre knows an event by its id, whichever way it came.

Only light entries live here; a body leaves memory with its PUBACK and is read again from the journal for a resend.
What memory has no room for stays in the journal and is paged in (shelves.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gateway.uplink.lane import ALARM_CLASS as ALARM_CLASS
from gateway.uplink.lane import Entry, Hold, Lane, Place, Queue
from gateway.uplink.repeats import ALARM_REPEAT_CAP_S, REPEAT_CAP_S, Repeats
from gateway.uplink.shelves import Shelves

FOLLOWED = frozenset({ALARM_CLASS, "mode"})  # how far their news get is told: to linkage, and to a drill that waits for signatures
BROKER = "broker"  # stands in as recipient where the site file names none: then a PUBACK ends delivery
BOTH = "*"  # sent on more than one path: a receipt says nothing about either

NO_SUBSCRIBERS = 0x10  # MQTT 5 PUBACK: accepted, but nobody listens; not delivery
REFUSED_FROM = 0x80
TOO_LARGE = 0x95
QUOTA = 0x97  # quota exceeded: passes by itself, so the first waits are short
SUSPECT_TIMES = 3  # sessions that end right after something was sent before it is believed to be the reason
SUSPECTED = 0xFF  # not a reason code: the broker says yes and ends the session; `release` ends such a hold, no PUBACK does

MAX_ENTRIES = 20_000  # alarms on a recipient's shelf: about 12 MB; a quarter of it for any other class
BODIES_MOST = 2000  # with so many entries in memory, the bodies of further ones are left in the journal
EARLY_KEPT = 1000  # digests of early copies whose receipts may still come
HOLD_FIRST_S = 30.0  # a refused topic is tried again after this long, then twice as long, up to the cap
PROBE_AGAIN_S = 1.0  # after a probe of a suspected topic that was acknowledged
QUOTA_FIRST_S = 2.0
ROW_HOLD_S = 300.0  # a single message that a broker refuses while it takes others is tried again after this long; an alarm after 30 s
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
        self._dual = dual
        self._entries: dict[int, Entry] = {}
        self._by_digest: dict[str, Entry] = {}
        self._queue = Queue()
        self._repeats = Repeats(receipt_timeout_s, self._entries)
        self.lanes = {name: Lane(name) for name in paths}
        self.shelves = Shelves(max_entries)
        self._early: dict[str, int] = {}  # event id -> row of its early copy
        self._early_digests: dict[str, str] = {}  # sha-256 -> event id, of early copies
        self.counts = Counts()
        # the news of an event of class FOLLOWED has got further: see core.commands.Delivered
        self.heard: Callable[[str, str, str], None] = lambda event, step, by: None
        self.carried: Callable[[str, str], None] = lambda event, path: None  # the broker of this path has an event of class FOLLOWED
        self.further: Callable[[str, str, str, str], None] = lambda event, step, by, path: None  # the same of the other classes, for a page

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

    def rejected(self) -> list[str]:
        """In words, the first single messages that a broker does not take while it takes their like."""
        found = [(lane.name, self._entries[row].id, why) for lane in self.lanes.values() for row, why in lane.rejected.items()]
        return [f"path {path}, event {name}: {why}" for path, name, why in found[:3]]

    # --- what is owed --------------------------------------------------------------------------

    def offer(self, entry: Entry) -> bool:
        """Take a committed event. False when all its shelves are full: it stays in the journal until there is room."""
        if not entry.owed or entry.row in self._entries:
            return True
        if entry.row < 0:
            self._note_early(entry)
        elif self.shelves.crowded(entry, inside=False):
            self.shelves.leave(entry)
            return False
        elif len(self._entries) >= BODIES_MOST:
            entry.body = None
        self._entries[entry.row] = entry
        self._by_digest[entry.sha256] = entry
        self.shelves.place(entry, entry.owed)
        if not self._copy(entry):
            self._queue.push(entry)
        return True

    def offer_again(self, entry: Entry) -> bool:
        """A recipient asks for an event that was delivered before. False when memory is full."""
        known = self._entries.get(entry.row)
        if known is None:
            entry.again = True
            return self.offer(entry)
        self.shelves.place(known, entry.owed - known.owed)
        known.owed |= entry.owed
        return True

    def _note_early(self, entry: Entry) -> None:
        self._early[entry.id] = entry.row
        self._early_digests[entry.sha256] = entry.id
        while len(self._early_digests) > EARLY_KEPT:
            del self._early_digests[next(iter(self._early_digests))]

    def _remove(self, row: int) -> Entry | None:
        """Nothing is to be done for this one any more."""
        entry = self._entries.pop(row, None)
        if entry is not None:
            self._by_digest.pop(entry.sha256, None)
            self._repeats.forget(row)
            self.shelves.take(entry, entry.owed)
            for lane in self.lanes.values():
                lane.rejected.pop(row, None)
        return entry

    def drop_early(self, event_id: str) -> None:
        """The sealed event is here: its early copy (row below 0) need not be repeated."""
        row = self._early.pop(event_id, None)
        if row is not None:
            self._remove(row)

    def forget(self, rows: Iterable[int]) -> None:
        """The journal has no bodies for these: there is nothing to send. What it still owes is paged in again."""
        for row in rows:
            self._remove(row)
            for lane in self.lanes.values():
                lane.in_flight.pop(row, None)
                lane.fetching.pop(row, None)
                for hold in lane.holds.values():
                    if hold.probe_row == row:
                        hold.probe_row = None

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

    def next(self, lane: Lane, now_s: float, *, at_hand: bool = False) -> Entry | None:
        """The next entry to publish on this path, alarms first, or None. at_hand: of those whose body is in memory.

        The caller publishes it and calls `sent`; or, when its body must be read first, calls `fetch` and then `fetched`.
        """
        if len(lane.in_flight) + len(lane.fetching) >= min(self._window, lane.window or self._window):
            return None
        self.wake_due(now_s)
        owed = self._entries.__contains__
        busy = self._repeats.busy(now_s)
        best: tuple[Place, str, bool, Queue] | None = None
        for queue in (lane.queue, self._queue):
            for name, here, head in queue.heads(owed, at_hand=at_hand):
                if busy and name != ALARM_CLASS:
                    continue
                if self._may(lane, name, head[2], now_s, own=queue is lane.queue) and (best is None or head < best[0]):
                    best = (head, name, here, queue)
        if best is None:
            return None
        _, name, here, queue = best
        entry = self._entries[queue.pop(name, here)]
        if queue is self._queue:
            self._copy(entry, but=lane)
        hold = lane.holds.get(name)
        if hold is not None:
            hold.probe_row = entry.row
        return entry

    def fetch(self, lane: Lane, entry: Entry) -> None:
        """Its body is being read for this path."""
        lane.fetching[entry.row] = entry

    def fetched(self, lane: Lane, row: int, body: bytes | None) -> None:
        """The body that was asked for is here, or could not be read: it waits for this path again."""
        entry = lane.fetching.pop(row, None)
        if entry is not None and row in self._entries:
            entry.body = entry.body or body
            lane.queue.push(entry)

    def waits(self, lane: Lane, event_classes: Iterable[str], now_s: float) -> bool:
        """True when something of one of these classes could be published on this path now."""
        owed, wanted = self._entries.__contains__, set(event_classes)
        queues = ((lane.queue, True), (self._queue, False))
        return bool(wanted) and any(
            name in wanted and self._may(lane, name, head[2], now_s, own=own)
            for queue, own in queues
            for name, _, head in queue.heads(owed)
        )

    def _may(self, lane: Lane, event_class: str, row: int, now_s: float, *, own: bool) -> bool:
        probes = lane.probes(event_class, row, now_s)
        if own or probes is not None:
            return probes is not False
        carrier = self.carrier(now_s)
        return carrier is None or carrier is lane or event_class in carrier.holds

    def wake_due(self, now_s: float) -> None:
        """Put what falls due before the paths again."""
        for entry in self._repeats.due(now_s):
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
        times = [due_s for due_s in [self._repeats.next_s()] if due_s is not None]
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
            self._refused(lane, entry, code, now_s)
            return False
        lane.took_s[entry.event_class] = now_s
        hold = lane.holds.get(entry.event_class)
        if hold is not None and hold.code != SUSPECTED:
            del lane.holds[entry.event_class]
        elif hold is not None and hold.probe_row == row:  # whoever sent it looks whether the session outlives it, and releases the topic
            hold.probe_row, hold.until_s = None, now_s + PROBE_AGAIN_S
        self._acknowledged(lane, entry, code, now_s)
        return True

    def _refused(self, lane: Lane, entry: Entry, code: int, now_s: float) -> None:
        """Is it the topic, or this message? It is the message when its like were taken since it was refused before, or it is too large."""
        entry.refusals += 1
        before_s, entry.refused_s = entry.refused_s, now_s
        passed_over = entry.refusals > 1 and lane.took_s.get(entry.event_class, -math.inf) > before_s
        if code == TOO_LARGE or passed_over:
            self.reject(lane, entry, f"reason code 0x{code:02x}", now_s)
        else:
            self.hold(lane, entry.event_class, code, now_s)
            self._requeue(entry)

    def reject(self, lane: Lane, entry: Entry, why: str, now_s: float) -> None:
        """This broker does not take this one message: by another path, or again later. Its class flows on."""
        lane.in_flight.pop(entry.row, None)
        if entry.row not in self._entries:
            return
        lane.rejected[entry.row] = why
        hold = lane.holds.get(entry.event_class)
        if hold is not None and hold.probe_row == entry.row:
            hold.probe_row = None
        others = [other for other in self._others(entry, lane) if entry.row not in other.rejected]
        for other in others[:1]:
            other.queue.push(entry)
        if not others and not entry.due_s:
            self._repeats.wait(entry, now_s + (ALARM_REPEAT_CAP_S if entry.event_class == ALARM_CLASS else ROW_HOLD_S))

    def suspect_row(self, lane: Lane, now_s: float) -> None:
        """The broker ended the session right after the one message that was in flight: after three times, others go before it."""
        if len(lane.in_flight) == 1:
            entry, _ = next(iter(lane.in_flight.values()))
            entry.refusals += 1
            if entry.refusals >= SUSPECT_TIMES:
                self.reject(lane, entry, "the broker ends the session at it", now_s)

    def _acknowledged(self, lane: Lane, entry: Entry, code: int, now_s: float) -> None:
        """A broker has it: wait for the receipt."""
        if entry.event_class in FOLLOWED and code != NO_SUBSCRIBERS and not entry.again:
            self.carried(entry.id, lane.name)
        elif code != NO_SUBSCRIBERS and not entry.again:
            self.further(entry.id, "broker_acked", "", lane.name)
        if entry.row in self._entries and code != NO_SUBSCRIBERS and not entry.acked:
            entry.acked = True
            if entry.event_class in FOLLOWED and not entry.again:
                self.heard(entry.id, "broker_acked", "")
        if entry.row in self._entries and not entry.due_s:
            if code == NO_SUBSCRIBERS and not entry.unanswered:
                for other in self._others(entry, lane):
                    other.queue.push(entry)
            self._repeats.acknowledged(entry, now_s, by_somebody=code != NO_SUBSCRIBERS)
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
        fetched = list(lane.fetching.values())
        lane.in_flight.clear()
        lane.fetching.clear()
        lane.rejected.clear()
        waiting = [self._entries[row] for row in lane.queue.drain() if row in self._entries]
        for entry in flying + fetched + waiting:
            self._requeue(entry)
        for hold in lane.holds.values():
            hold.probe_row = None
        return {entry.event_class for entry in flying}

    # --- what the centre says ------------------------------------------------------------------

    def heard_from(self, recipient: str, now_s: float) -> None:
        """A receipt of this recipient has come, whatever is in it."""
        self._repeats.heard_from(recipient, now_s)

    def receipt(self, recipient: str, items: Iterable[tuple[str, str]], *, unusable: bool) -> tuple[list[Entry], list[str], list[str]]:
        """(settled, mismatching ids, ids whose digest is not held here) of one verified receipt."""
        settled, wrong, unknown = [], [], []
        for event_id, sha256 in items:
            entry = self._by_digest.get(sha256)
            if entry is None:
                if self._early_digests.get(sha256) != event_id:
                    unknown.append(event_id)
            elif entry.id != event_id:
                wrong.append(event_id)
            elif recipient in entry.owed:
                settled.append(entry)
                if entry.event_class in FOLLOWED and not entry.again:
                    self.heard(event_id, "unusable" if unusable else "received", recipient)
                elif not entry.again:
                    self.further(event_id, "unusable" if unusable else "received", recipient, "")
                self._repeats.answered(entry, recipient)
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
        if recipient in entry.owed:
            entry.owed.discard(recipient)
            if entry.row in self._entries:
                self.shelves.take(entry, [recipient])
        self._repeats.settled(entry.row, recipient)
        if not entry.owed:
            self._remove(entry.row)
        elif entry.row > 0 and self.shelves.crowded(entry, inside=True):  # only those with a full shelf still owe it
            self.shelves.leave(entry)
            self._remove(entry.row)

    def owes_alarms(self) -> bool:
        """True while an alarm has not been confirmed by everybody who must."""
        return self.shelves.holds_alarms()

    def oldest_owed(self, recipient: str) -> Entry | None:
        """The entry that this recipient has owed longest."""
        return min((entry for entry in self._entries.values() if recipient in entry.owed), key=lambda entry: entry.sealed_s, default=None)

    def lowest_owed(self) -> dict[str, tuple[int, int]]:
        """recipient -> (epoch, sequence) of the lowest event that it may still owe, in memory or in the journal."""
        lowest: dict[str, tuple[int, int]] = {}
        for (recipient, _), (_, place) in self.shelves.behind.items():
            lowest[recipient] = min(lowest.get(recipient, place), place)
        for entry in self._entries.values():
            if entry.row < 0:
                continue  # an early copy has no number yet
            for recipient in entry.owed:
                place = (entry.epoch, entry.sequence)
                if recipient not in lowest or place < lowest[recipient]:
                    lowest[recipient] = place
        return lowest
