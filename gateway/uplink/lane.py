"""One path as the outbox sees it: what waits for it, what is in flight on it, what its broker refuses. Pure."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

ALARM_CLASS = "alarm"


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
    refusals: int = 0  # times that a broker refused this one, or ended the session at it
    refused_s: float = 0.0  # when it last did
    again: bool = False  # asked for again by its recipient: its news were told long ago


@dataclass(slots=True)
class Hold:
    """A topic that the broker refuses: set aside, probed with one message now and then."""

    until_s: float
    wait_s: float
    code: int
    probe_row: int | None = None


Place = tuple[int, bool, int]  # priority, whether a broker had it before, row


class Queue:
    """Entries that wait to be sent: per class, the most urgent first; a repeat behind what no broker has had, the refused behind all.

    Those whose body is at hand wait apart from those whose body must be read from the journal first, so that a slow disk holds up
    only the latter. Whoever is settled meanwhile is passed over.
    """

    def __init__(self) -> None:
        self._heaps: dict[tuple[str, bool], list[tuple[int, Place]]] = {}
        self._rows: set[int] = set()

    def __contains__(self, row: int) -> bool:
        return row in self._rows

    def push(self, entry: Entry) -> None:
        """Add it, once."""
        if entry.row not in self._rows:
            self._rows.add(entry.row)
            heap = self._heaps.setdefault((entry.event_class, entry.body is not None), [])
            heapq.heappush(heap, (entry.refusals, (entry.priority, entry.unanswered > 0, entry.row)))

    def heads(self, owed: Callable[[int], bool], *, at_hand: bool = False) -> Iterator[tuple[str, bool, Place]]:
        """(class, body at hand, place) of the first of each class. owed(row): it has not been settled. at_hand: only such."""
        first: dict[str, tuple[tuple[int, Place], bool]] = {}
        for (name, here), heap in self._heaps.items():
            if at_hand and not here:
                continue
            while heap and not owed(heap[0][1][2]):
                self._rows.discard(heapq.heappop(heap)[1][2])
            if heap and (name not in first or heap[0] < first[name][0]):
                first[name] = heap[0], here
        for name, ((_, place), here) in first.items():
            yield name, here, place

    def pop(self, event_class: str, here: bool) -> int:
        """Row of the first of this kind, taken out."""
        row = heapq.heappop(self._heaps[event_class, here])[1][2]
        self._rows.discard(row)
        return row

    def waits(self, event_class: str) -> bool:
        """True when there is something of this class."""
        return bool(self._heaps.get((event_class, True)) or self._heaps.get((event_class, False)))

    def drain(self, event_classes: Iterable[str] | None = None) -> list[int]:
        """Take everything out, or all of these classes; the rows."""
        kinds = list(self._heaps) if event_classes is None else [(name, here) for name in event_classes for here in (True, False)]
        rows = [row for kind in kinds for _, (_, _, row) in self._heaps.pop(kind, [])]
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
    fetching: dict[int, Entry] = field(default_factory=dict)  # their bodies are being read
    window: int | None = None  # what the broker allows in flight in this session, None: no limit of its own
    max_bytes: int | None = None  # of one packet, likewise
    holds: dict[str, Hold] = field(default_factory=dict)
    took_s: dict[str, float] = field(default_factory=dict)  # when its broker last took one of a class
    rejected: dict[int, str] = field(default_factory=dict)  # single messages that this broker does not take: row -> why

    def oldest_in_flight_s(self) -> float | None:
        """When the oldest message without PUBACK was sent."""
        return next((sent_s for _, sent_s in self.in_flight.values()), None)

    def has(self, row: int) -> bool:
        """True when this path is about to send it, or waits for its PUBACK."""
        return row in self.in_flight or row in self.queue or row in self.fetching

    def probes(self, event_class: str, row: int, now_s: float) -> bool | None:
        """None when the broker refuses nothing of this class; else whether this one may try now."""
        hold = self.holds.get(event_class)
        return None if hold is None else hold.probe_row == row or (hold.probe_row is None and now_s >= hold.until_s)
