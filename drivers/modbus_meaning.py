"""From raw numbers to what a point says: a cell holds a number as last read, a meaning judges it, a state tells changes.

What a signal depends on (`valid_when`, `exponent_from`, `or_with`, ...) is read in the same group as the signal
itself, so that all of it comes from one reply wherever the registers are neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from drivers.modbus_places import Placed
from drivers.modbus_values import LOOP_STATES, Converter, Raw, Reader, Said, Test, over_span
from gateway.core.reading import Quality, Reading, Value


@dataclass(slots=True, eq=False)
class Cell:
    """One signal in one group: its raw number as last read.

    fault: why the block it lies in brought nothing. doubt: why its number cannot be read although it came.
    """

    placed: Placed
    read: Reader | None = None
    raw: Raw | None = None
    fault: str = ""
    doubt: str = ""
    users: list[State] = field(default_factory=list)

    @property
    def trouble(self) -> str:
        """Why it has no number; empty when it has one, or was not read yet."""
        return self.fault or self.doubt


Condition = tuple[Cell, Test, Quality, str]  # another signal, what it must show, and what is said when it does not


@dataclass(slots=True, eq=False)
class Meaning:
    """What one cell says, with all that it depends on."""

    cell: Cell
    convert: Converter
    conditions: list[Condition]
    exponent: Cell | None = None
    flip: Cell | None = None
    others: list[Meaning] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The signal's name."""
        return self.cell.placed.name

    def cells(self) -> Iterator[Cell]:
        """All cells that this one's value hangs on."""
        yield self.cell
        yield from (cell for cell, *_ in self.conditions)
        yield from (cell for cell in (self.exponent, self.flip) if cell is not None)
        for other in self.others:
            yield from other.cells()

    @property
    def fault(self) -> str:
        """Why its own block brought nothing."""
        return self.cell.fault

    def judge(self) -> Said | None:
        """Value, quality, reason; None while not everything that it needs was read."""
        said = self._own()
        return said if not self.others else self._any(said)

    def _own(self) -> Said | None:
        cell = self.cell
        if cell.fault or cell.doubt:
            return None, Quality.BAD, cell.trouble
        if cell.raw is None:
            return None
        mark = None
        if self.conditions:
            known, mark = weighed(self.conditions)
            if not known:
                return None
            if mark is not None and mark[1] is Quality.BAD:
                return mark
        said = self.convert(cell.raw, 0, False) if self.exponent is None and self.flip is None else self._helped(cell.raw)
        if said is None:
            return None
        return said if mark is None or said[1] is not Quality.GOOD else (said[0], mark[1], mark[2])

    def _helped(self, raw: Raw) -> Said | None:
        """The value where another signal gives its exponent, sign or sense."""
        numbers: list[Raw] = []
        for other in (self.exponent, self.flip):
            if other is None:
                numbers.append(0)
            elif other.trouble:
                return None, Quality.BAD, f"{other.placed.name}: {other.trouble}"
            elif other.raw is None:
                return None
            else:
                numbers.append(other.raw)
        return self.convert(raw, numbers[0], bool(numbers[1]))

    def _any(self, own: Said | None) -> Said | None:
        """Active when any of them is, whatever the rest say; unknown when none is and one is unknown."""
        said = [own, *(other.judge() for other in self.others)]
        active = next((one for one in said if one is not None and one[0] is True), None)
        if active is not None:
            return active
        if own is None or own[1] is not Quality.GOOD:
            return own
        for other, one in zip(self.others, said[1:], strict=True):
            if one is None:
                return None
            if one[1] is not Quality.GOOD:
                return one[0], one[1], f"{other.name}: {one[2]}"
        return own


@dataclass(slots=True, eq=False)
class Derived:
    """A signal that is made from the states of others."""

    name: str
    sources: list[Meaning]
    table: list[tuple[str, str]]  # pattern of 0, 1, x -> name
    loop: bool  # the names are those of a four-state loop
    bad: frozenset[str]
    flip: bool
    conditions: list[Condition]

    fault = ""  # it lies in no block

    def cells(self) -> Iterator[Cell]:
        """All cells that its sources hang on."""
        yield from (cell for cell, *_ in self.conditions)
        for source in self.sources:
            yield from source.cells()

    def judge(self) -> Said | None:
        """Value, quality, reason; None while not everything that it needs was read."""
        known, mark = weighed(self.conditions)
        if not known:
            return None
        if mark is not None and mark[1] is Quality.BAD:
            return mark
        states = ""
        for source in self.sources:
            said = source.judge()
            if said is None:
                return None
            if said[1] is Quality.BAD:
                return None, Quality.BAD, f"{source.name}: {said[2]}"
            if said[1] is Quality.UNCERTAIN and mark is None:
                mark = (None, Quality.UNCERTAIN, f"{source.name}: {said[2]}")
            states += "1" if said[0] else "0"
        value, quality, reason = self._means(states)
        return (value, quality, reason) if mark is None or quality is Quality.BAD else (value, mark[1], mark[2])

    def _means(self, states: str) -> Said:
        name = next((name for pattern, name in self.table if _fits(pattern, states)), None)
        if name is None:
            return None, Quality.BAD, f"{', '.join(source.name for source in self.sources)} cannot be {states}"
        if self.loop:
            value, quality, reason = LOOP_STATES[name]
            return value if value is None else value != self.flip, quality, reason
        return (None, Quality.BAD, name) if name in self.bad else (name, Quality.GOOD, "")


def _fits(pattern: str, states: str) -> bool:
    return all(wanted in ("x", state) for wanted, state in zip(pattern, states, strict=True))


def weighed(conditions: list[Condition]) -> tuple[bool, Said | None]:
    """(everything was read, what a condition that does not hold makes of the value); the last `uncertain` one is told."""
    mark: Said | None = None
    for other, holds, quality, reason in conditions:
        if other.trouble:
            return True, (None, Quality.BAD, f"{other.placed.name}: {other.trouble}")
        if other.raw is None:
            return False, None
        if not holds(other.raw):
            mark = (None, quality, reason)
            if quality is Quality.BAD:
                break
    return True, mark


@dataclass(slots=True, eq=False)
class State:
    """One point: what it means and what was said last. inverted, span: as in `WirePoint`."""

    point: str
    meaning: Meaning | Derived
    inverted: bool = False
    span: tuple[float, float] | None = None
    said: Said | None = None

    def look(self, now_s: float, distrust: str, warming: bool) -> Reading | None:
        """The new reading, or None when nothing changed or not everything that it needs was read yet."""
        said: Said | None = (None, Quality.BAD, distrust) if distrust and not self.meaning.fault else self.meaning.judge()
        if said is None:
            return None
        value, quality, reason = said
        if warming and quality is Quality.GOOD:
            quality, reason = Quality.UNCERTAIN, "warm-up"
        said = (self._wired(value), quality, reason)
        if said == self.said:
            return None
        self.said = said
        return Reading(self.point, said[0], quality, reason, now_s)

    def _wired(self, value: Value) -> Value:
        if isinstance(value, bool):
            return value != self.inverted
        if self.span is None or value is None or isinstance(value, str):
            return value
        return over_span(value, *self.span)
