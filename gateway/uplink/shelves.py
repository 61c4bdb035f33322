"""How much of what is owed memory holds: a shelf for each recipient and class of events. Pure.

What a shelf cannot hold stays in the journal, behind a mark, and is brought in when there is room. So neither a silent recipient nor a
refused topic keeps anything else out of memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from gateway.uplink.lane import ALARM_CLASS, Entry

Shelf = tuple[str, str]  # recipient, class of events
Mark = tuple[int, tuple[int, int]]  # row in the journal, (epoch, sequence)

SHARE = 4  # a shelf of alarms holds so many times what any other holds


class Shelves:
    """most: alarms on one shelf.

    behind: from the mark on, events of this shelf may lie in the journal only. unknown_from: from this row on the journal has not
    been asked yet what is owed.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[Shelf] = Counter()
        self.behind: dict[Shelf, Mark] = {}
        self.unknown_from: int | None = None

    def __getitem__(self, shelf: Shelf) -> int:
        """How many entries stand there."""
        return self._held[shelf]

    def held(self) -> list[Shelf]:
        """Those that have ever held anything."""
        return list(self._held)

    @property
    def all_known(self) -> bool:
        """Nothing that is owed lies in the journal only."""
        return self.unknown_from is None and not self.behind

    def ask_from(self, row: int) -> None:
        """The journal owes more from this row on than is known here."""
        self.unknown_from = row if self.unknown_from is None else min(self.unknown_from, row)

    def put_behind(self, shelf: Shelf, mark: Mark) -> None:
        """Something of this shelf lies in the journal only, from this mark on."""
        self.behind[shelf] = min(self.behind.get(shelf, mark), mark)

    def leave(self, entry: Entry) -> None:
        """This one stays in the journal."""
        for name in entry.owed:
            self.put_behind((name, entry.event_class), (entry.row, (entry.epoch, entry.sequence)))

    def place(self, entry: Entry, recipients: Iterable[str]) -> None:
        """It is owed to these, and held now."""
        self._held.update((name, entry.event_class) for name in recipients)

    def take(self, entry: Entry, recipients: Iterable[str]) -> None:
        """These wait for it no more, or it is no longer held."""
        self._held.subtract((name, entry.event_class) for name in recipients)

    def crowded(self, entry: Entry, *, inside: bool) -> bool:
        """Everybody whom it is owed to has a full shelf. inside: it stands there itself."""
        return all(self._held[name, entry.event_class] - inside >= self._room(entry.event_class) for name in entry.owed)

    def has_room(self, shelf: Shelf) -> bool:
        """True when a page of the journal may be brought in."""
        return self._held[shelf] <= self._room(shelf[1]) // 2

    def holds_alarms(self) -> bool:
        """True while an alarm is owed to anybody."""
        return any(name == ALARM_CLASS and count > 0 for (_, name), count in self._held.items()) or any(
            name == ALARM_CLASS for _, name in self.behind
        )

    def _room(self, event_class: str) -> int:
        return self._most if event_class == ALARM_CLASS else max(1, self._most // SHARE)
