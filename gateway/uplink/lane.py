"""One path as the outbox sees it: what waits for it, what is in flight on it, what its broker refuses. Pure."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Entry:
    """One event on its way. owed: recipients whose receipt is missing. sealed_s: monotonic.

    cause_s: monotonic seconds of the reading that caused it, 0 when that was before this run.
    row: place in the journal; below 0 for an early copy that the journal has not taken yet.
    due_s: when it is sent again unless its receipt comes, 0 while it waits to be sent or for a PUBACK.
    via: the path that this attempt went out on, `*` for several.
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
    due_s: float = 0.0
    via: str = ""
    acked: bool = False  # a broker has taken it for somebody
    again: bool = False  # asked for again by its recipient: its news were told long ago


@dataclass(slots=True)
class Hold:
    """A topic that the broker refuses: set aside, probed with one message now and then."""

    until_s: float
    wait_s: float
    code: int
    probe_row: int | None = None


class Queue:
    """Entries that wait to be sent: per class, the most urgent first. Whoever is settled meanwhile is passed over."""

    def __init__(self) -> None:
        self._heaps: dict[str, list[tuple[int, int]]] = {}
        self._rows: set[int] = set()

    def __contains__(self, row: int) -> bool:
        return row in self._rows

    def push(self, entry: Entry) -> None:
        """Add it, once."""
        if entry.row not in self._rows:
            self._rows.add(entry.row)
            heapq.heappush(self._heaps.setdefault(entry.event_class, []), (entry.priority, entry.row))

    def heads(self, owed: Callable[[int], bool]) -> Iterator[tuple[str, tuple[int, int]]]:
        """(class, (priority, row)) of the first of each class. owed(row): it has not been settled."""
        for name, heap in self._heaps.items():
            while heap and not owed(heap[0][1]):
                self._rows.discard(heapq.heappop(heap)[1])
            if heap:
                yield name, heap[0]

    def pop(self, event_class: str) -> int:
        """Row of the first of this class, taken out."""
        row = heapq.heappop(self._heaps[event_class])[1]
        self._rows.discard(row)
        return row

    def waits(self, event_class: str) -> bool:
        """True when there is something of this class."""
        return bool(self._heaps.get(event_class))

    def drain(self, event_classes: Iterable[str] | None = None) -> list[int]:
        """Take everything out, or all of these classes; the rows."""
        names = list(self._heaps) if event_classes is None else event_classes
        rows = [row for name in names for _, row in self._heaps.pop(name, [])]
        self._rows.difference_update(rows)
        return rows


@dataclass(slots=True)
class Lane:
    """One path. queue: what is to go out on this path and no other; what any may carry waits in the outbox.

    trusted_from_s: monotonic; until then it carries only when no other can. heard_s: when the newest message that a receipt has
    answered was sent on it. deaf: a message sent on it went without receipt, and nothing sent since has had one.
    """

    name: str
    up: bool = False
    lost: bool = False  # its last session ended by itself
    trusted_from_s: float = 0.0
    heard_s: float = -math.inf
    deaf: bool = False
    sent: int = 0
    queue: Queue = field(default_factory=Queue)
    in_flight: dict[int, tuple[Entry, float]] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)

    def oldest_in_flight_s(self) -> float | None:
        """When the oldest message without PUBACK was sent."""
        return next((sent_s for _, sent_s in self.in_flight.values()), None)

    def has(self, row: int) -> bool:
        """True when this path is about to send it, or waits for its PUBACK."""
        return row in self.in_flight or row in self.queue

    def probes(self, event_class: str, now_s: float) -> bool | None:
        """None when the broker refuses nothing of this class; else whether one message may try now."""
        hold = self.holds.get(event_class)
        return None if hold is None else hold.probe_row is None and now_s >= hold.until_s
