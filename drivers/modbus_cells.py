"""Which cells the points of one device need, and what each of them means: built once from profile and site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from drivers.modbus_meaning import Cell, Condition, Derived, Meaning, State
from drivers.modbus_places import Placed
from drivers.modbus_values import condition, converter
from gateway.core.reading import Quality
from gateway.core.wire import WireClass, WirePoint

if TYPE_CHECKING:
    from gateway.config.profile_modbus import When

Group = tuple[WireClass, float]  # what is read in one rhythm: class, period in seconds


class Cells:
    """The cells of one device, by group and signal. All lookups raise ValueError for a signal that the profile does not have."""

    def __init__(self, device: str, profile_id: str, signals: Mapping[str, Placed]) -> None:
        self._device = device
        self._profile_id = profile_id
        self._signals = signals
        self._cells: dict[tuple[Group, str], Cell] = {}

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._cells.values())

    def groups(self) -> list[Group]:
        """Groups with cells, most urgent first."""
        return sorted({group for group, _ in self._cells})

    def of(self, group: Group, area: str) -> list[Cell]:
        """Cells of one group that lie in one area."""
        return [cell for (its, _), cell in self._cells.items() if its == group and cell.placed.signal.area == area]

    def placed(self, name: str) -> Placed:
        """The signal of this name."""
        placed = self._signals.get(name)
        if placed is None:
            raise ValueError(f'device {self._device}: profile {self._profile_id} has no signal "{name}"')
        return placed

    def cell(self, group: Group, placed: Placed) -> Cell:
        """The cell of this signal in this group. ValueError for a signal that is made from others."""
        if placed.signal.area is None:
            raise ValueError(f'device {self._device}: signal "{placed.name}" is made from others and has no number of its own')
        return self._cells.setdefault((group, placed.name), Cell(placed))

    def state(self, point: WirePoint) -> State:
        """The point's state, with all cells that it hangs on."""
        group = (point.wire_class, point.period_s)
        placed = self.placed(point.signal)
        meaning = self._derived(group, placed) if placed.signal.from_signals else self._meaning(group, placed)
        state = State(point.point, meaning, point.inverted, point.span if placed.signal.current_loop else None)
        for cell in dict.fromkeys(meaning.cells()):
            cell.users.append(state)
        return state

    def condition(self, group: Group, placed: Placed, when: When) -> Condition:
        """What `placed` asks of another signal."""
        watched = self.placed(placed.named(when.signal))
        return self.cell(group, watched), condition(when, watched.signal), Quality(when.quality), when.reason

    def _meaning(self, group: Group, placed: Placed, alone: bool = False) -> Meaning:
        """alone: without the further contacts that may make it active."""
        signal = placed.signal
        others = () if alone else signal.or_with
        return Meaning(
            cell=self.cell(group, placed),
            convert=converter(signal),
            conditions=[self.condition(group, placed, when) for when in signal.valid_when],
            exponent=self._named(group, placed, signal.exponent_from),
            flip=self._named(group, placed, signal.sense_from or signal.sign_from),
            others=[self._meaning(group, self.placed(placed.named(name)), alone=True) for name in others],
        )

    def _named(self, group: Group, placed: Placed, reference: str) -> Cell | None:
        return self.cell(group, self.placed(placed.named(reference))) if reference else None

    def _derived(self, group: Group, placed: Placed) -> Derived:
        signal = placed.signal
        return Derived(
            name=placed.name,
            sources=[self._meaning(group, self.placed(placed.named(name))) for name in signal.from_signals],
            table=list(signal.table.items()),
            loop=signal.kind == "contact",
            bad=frozenset(signal.bad),
            flip=signal.invert,
            conditions=[self.condition(group, placed, when) for when in signal.valid_when],
        )
