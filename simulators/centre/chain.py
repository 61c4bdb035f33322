"""Numbers and hash links of one epoch, in whatever order its events arrive.

Alarms overtake, so a link is judged when both of its ends are there and a hole is only a hole so far.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulators.centre.spans import Spans

GENESIS = "0" * 64  # `previoushash` of the first event of an epoch


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event says it stands. previous: sha-256 (hex) of the event with the sequence before it."""

    epoch: str
    sequence: int
    event_class: str
    class_sequence: int
    previous: str


class Epoch:
    """What has arrived of one epoch. broken: sequences whose `previoushash` is not the hash of the one before."""

    def __init__(self) -> None:
        self.numbers = Spans()
        self.classes: dict[str, Spans] = {}
        self._starts: dict[tuple[str, int], int] = {}  # first class sequence of a run -> its sequence
        self.broken: set[int] = set()
        self._hash_at_end: dict[int, str] = {}  # only the ends of runs wait for a neighbour
        self._previous_at_start: dict[int, str] = {}

    def add(self, place: Place, sha256: str) -> list[str]:
        """Take one event in; gives what is wrong with its numbers and links, in words."""
        number = place.sequence
        if number in self.numbers:
            return [f"sequence {number} was used before"]
        problems = []
        if not self.classes.setdefault(place.event_class, Spans()).add(place.class_sequence):
            problems.append(f"class sequence {place.class_sequence} of {place.event_class} was used before")
        else:
            self._note_start(place)
        if number == 1:
            if place.previous != GENESIS:
                self.broken.add(1)
                problems.append("the first event of an epoch names a previous one")
        elif number - 1 in self.numbers:
            if self._hash_at_end.pop(number - 1) != place.previous:
                self.broken.add(number)
                problems.append(f"previoushash is not the hash of event {number - 1}")
        else:
            self._previous_at_start[number] = place.previous
        if number + 1 in self.numbers:
            if self._previous_at_start.pop(number + 1) != sha256:
                self.broken.add(number + 1)
                problems.append(f"event {number + 1} does not follow from this one")
        else:
            self._hash_at_end[number] = sha256
        self.numbers.add(number)
        return problems

    @property
    def newest_sha256(self) -> str:
        """Hash of the event with the highest number; empty before the first."""
        return self._hash_at_end.get(self.numbers.highest, "")

    def holes(self) -> list[tuple[int, int]]:
        """Runs of numbers that are missing below the highest one that arrived."""
        return self.numbers.holes(self.numbers.highest)

    def class_holes(self) -> dict[str, list[tuple[int, int]]]:
        """The same for each class that has any."""
        holes = {name: numbers.holes(numbers.highest) for name, numbers in sorted(self.classes.items())}
        return {name: runs for name, runs in holes.items() if runs}

    def class_gaps(self, event_class: str, below: int | None = None) -> list[tuple[int, int]]:
        """Runs of class sequences that are missing before an event whose sequence is below `below` (None: before any)."""
        numbers = self.classes.get(event_class, Spans())
        runs = numbers.holes(numbers.highest)
        return [(first, last) for first, last in runs if below is None or self._starts[event_class, last + 1] < below]

    def _note_start(self, place: Place) -> None:
        numbers = self.classes[place.event_class]
        self._starts.pop((place.event_class, place.class_sequence + 1), None)
        if place.class_sequence - 1 not in numbers:
            self._starts[place.event_class, place.class_sequence] = place.sequence

    def state(self) -> str:
        """`whole`, or `broken at N` with the first link that does not hold or the first missing event."""
        holes = self.holes()
        if self.broken and not (holes and holes[0][0] < min(self.broken)):
            return f"broken at {min(self.broken)}"
        return f"broken at {holes[0][0]} (missing)" if holes else "whole"
