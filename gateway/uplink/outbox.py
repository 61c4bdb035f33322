"""Delivery of sealed events: who still has to confirm what, and what to send next. Pure; time is handed in.

    queued --next()--> sent --puback()--> broker_acked --receipt()--> received (or unusable)
       ^                 |                     |
       +---link_lost()---+       no receipt: due again after 10, 20, 40 .. s

Only light entries live here; a body leaves memory with its PUBACK and is read again from the journal for a
resend. When more is owed than fits, the rest stays in the journal and is paged in (`overflow_row`).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

ALARM_CLASS = "alarm"
BROKER = "broker"  # stands in as recipient where the site file names none: then a PUBACK ends delivery

NO_SUBSCRIBERS = 0x10  # MQTT 5 PUBACK: accepted, but nobody listens; not delivery
REFUSED_FROM = 0x80
SUSPECTED = 0xFF  # not a reason code: the broker says yes and ends the session; `release` ends such a hold, no PUBACK does

MAX_ENTRIES = 20_000  # about 12 MB
REPEAT_CAP_S = 300.0
ALARM_REPEAT_CAP_S = 30.0
HOLD_FIRST_S = 30.0  # a refused topic is tried again after this long, then twice as long, up to the cap


@dataclass(slots=True)
class Entry:
    """One event on its way. owed: recipients whose receipt is missing. sealed_s: monotonic.

    cause_s: monotonic seconds of the reading that caused it, 0 when that was before this run.
    row: place in the journal; below 0 for an early copy that the journal has not taken yet.
    """

    row: int
    id: str
    event_class: str
    priority: int
    sha256: str
    epoch: int
    sequence: int
    owed: set[str]
    sealed_s: float
    cause_s: float = 0.0
    body: bytes | None = None
    attempts: int = 0
    unanswered: int = 0  # PUBACKs that no receipt has followed yet
    sent_s: float = 0.0
    state: str = "queued"  # queued, sent, broker_acked


@dataclass(slots=True)
class Hold:
    """A topic that the broker refuses: set aside, probed with one message now and then."""

    until_s: float
    wait_s: float
    code: int
    probe_row: int | None = None


@dataclass(slots=True)
class Counts:
    """What metrics tell of delivery."""

    sent: int = 0
    resent: int = 0
    received: int = 0
    unusable: int = 0
    pubacks: dict[int, int] = field(default_factory=dict)


class Outbox:
    """All entries of one gateway. window: how many may be sent and not yet acknowledged by the broker."""

    def __init__(self, window: int, receipt_timeout_s: float, max_entries: int = MAX_ENTRIES) -> None:
        self._window = window
        self._receipt_timeout_s = receipt_timeout_s
        self._max_entries = max_entries
        self._entries: dict[int, Entry] = {}
        self._by_digest: dict[str, Entry] = {}
        self._ready: dict[str, list[tuple[int, int]]] = {}
        self._due: list[tuple[float, int]] = []
        self._in_flight: dict[int, Entry] = {}
        self.holds: dict[str, Hold] = {}
        self.overflow_row: int | None = None
        self.counts = Counts()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, row: int) -> bool:
        return row in self._entries

    @property
    def in_flight(self) -> int:
        """Messages sent and not yet acknowledged by the broker."""
        return len(self._in_flight)

    def offer(self, entry: Entry) -> bool:
        """Take a committed event. False when memory is full: it stays in the journal until there is room."""
        if not entry.owed or entry.row in self._entries:
            return True
        if len(self._entries) >= self._max_entries and entry.event_class != ALARM_CLASS:
            self.overflow_row = entry.row if self.overflow_row is None else min(self.overflow_row, entry.row)
            return False
        self._entries[entry.row] = entry
        self._by_digest[entry.sha256] = entry
        self._queue(entry)
        return True

    def drop_early(self, event_id: str) -> None:
        """The sealed event is here: its early copy (row below 0) need not be repeated."""
        for row in [row for row, entry in self._entries.items() if row < 0 and entry.id == event_id]:
            entry = self._entries.pop(row)
            self._by_digest.pop(entry.sha256, None)

    def has_room(self) -> bool:
        """True when a page of the journal may be brought in."""
        return len(self._entries) < self._max_entries // 2

    def _queue(self, entry: Entry) -> None:
        entry.state = "queued"
        heapq.heappush(self._ready.setdefault(entry.event_class, []), (entry.priority, entry.row))

    def next(self, now_s: float) -> Entry | None:
        """The next entry to publish, alarms first, or None. The caller publishes it and calls `sent`."""
        if len(self._in_flight) >= self._window:
            return None
        self._wake_due(now_s)
        best: tuple[int, int] | None = None
        best_class = ""
        for name, heap in self._ready.items():
            while heap and (heap[0][1] not in self._entries or self._entries[heap[0][1]].state != "queued"):
                heapq.heappop(heap)
            hold = self.holds.get(name)
            if not heap or (hold is not None and (hold.probe_row is not None or now_s < hold.until_s)):
                continue
            if best is None or heap[0] < best:
                best, best_class = heap[0], name
        if best is None:
            return None
        heapq.heappop(self._ready[best_class])
        entry = self._entries[best[1]]
        hold = self.holds.get(best_class)
        if hold is not None:
            hold.probe_row = entry.row
        return entry

    def _wake_due(self, now_s: float) -> None:
        while self._due and self._due[0][0] <= now_s:
            _, row = heapq.heappop(self._due)
            entry = self._entries.get(row)
            if entry is not None and entry.state == "broker_acked":
                self._queue(entry)

    def next_due_s(self) -> float | None:
        """When something that waits now may be sent: a resend, or a probe of a refused topic."""
        times = [self._due[0][0]] if self._due else []
        times += [hold.until_s for name, hold in self.holds.items() if hold.probe_row is None and self._ready.get(name)]
        return min(times, default=None)

    def sent(self, entry: Entry, now_s: float) -> None:
        """The entry's bytes were handed to the broker's connection."""
        entry.state = "sent"
        entry.sent_s = now_s
        entry.attempts += 1
        self._in_flight[entry.row] = entry
        self.counts.sent += 1
        if entry.attempts > 1:
            self.counts.resent += 1

    def oldest_in_flight_s(self) -> float | None:
        """When the oldest message without PUBACK was sent."""
        return next((entry.sent_s for entry in self._in_flight.values()), None)

    def puback(self, row: int, code: int, now_s: float) -> bool:
        """The broker's answer to one message. False when it refused (0x80 and above). May free a `BROKER` row."""
        self.counts.pubacks[code] = self.counts.pubacks.get(code, 0) + 1
        entry = self._in_flight.pop(row, None)
        if entry is None:
            return code < REFUSED_FROM
        if code >= REFUSED_FROM:
            self._queue(entry)
            self.hold(entry.event_class, code, now_s)
            return False
        hold = self.holds.get(entry.event_class)
        if hold is not None and hold.code != SUSPECTED:
            del self.holds[entry.event_class]
        entry.state = "broker_acked"
        if entry.row > 0:
            entry.body = None  # an early copy (row below 0) is in memory only
        if entry.row not in self._entries:
            return True  # its receipt was faster than its PUBACK
        entry.unanswered += 1  # a broker that took nothing says nothing about the centre
        wait_s = self._receipt_timeout_s * 2 ** min(entry.unanswered - 1, 10)
        cap_s = ALARM_REPEAT_CAP_S if entry.event_class == ALARM_CLASS else REPEAT_CAP_S
        heapq.heappush(self._due, (now_s + min(wait_s, max(cap_s, self._receipt_timeout_s)), entry.row))
        return True

    def hold(self, event_class: str, code: int, now_s: float) -> None:
        """Set a topic aside after a refusal, so that one forbidden topic does not make the link flap."""
        known = self.holds.get(event_class)
        cap_s = ALARM_REPEAT_CAP_S if event_class == ALARM_CLASS else REPEAT_CAP_S
        if known is not None and known.probe_row is None and now_s < known.until_s:
            return  # others of the same class that were in flight together
        wait_s = min(HOLD_FIRST_S if known is None else known.wait_s * 2, cap_s)
        self.holds[event_class] = Hold(now_s + wait_s, wait_s, code)

    def release(self, event_class: str) -> None:
        """The topic is not to blame: messages of this class flow again."""
        self.holds.pop(event_class, None)

    def link_lost(self) -> set[str]:
        """The session ended: what was in flight is queued again. Returns the event classes concerned."""
        classes = {entry.event_class for entry in self._in_flight.values()}
        for entry in self._in_flight.values():
            if entry.row in self._entries:
                self._queue(entry)
        self._in_flight.clear()
        for hold in self.holds.values():
            hold.probe_row = None
        return classes

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
                self.settle(entry, recipient)
                if unusable:
                    self.counts.unusable += 1
                else:
                    self.counts.received += 1
        return settled, wrong, unknown

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
