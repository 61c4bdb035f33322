"""Which registers are asked for together, and which cells of a reply are new."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from drivers.modbus_meaning import Cell
from drivers.modbus_values import reader
from gateway.core.wire import Block

if TYPE_CHECKING:
    from gateway.config.profile_modbus import ModbusProfile as Profile

READ = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
BIT_AREAS = ("coil", "discrete")
FOLD_BYTES_MOST = 4
Stretch = tuple[int, int, list[Cell]]  # first address, count, cells


def stretches(profile: Profile, area: str, cells: Sequence[Cell], shift: int, bridging: bool) -> list[Stretch]:
    """What must be read to fill these cells of one area, within the device's limits.

    bridging: holes may be read over. ValueError for a cell outside the area's exact blocks, where it has some.
    """
    cells = sorted(cells, key=lambda cell: cell.placed.address)
    exact = [(block.address + shift, block.count) for block in profile.exact_blocks if block.area == area]
    if exact:
        return _within(exact, cells)
    limits = profile.limits
    if area not in BIT_AREAS:
        return _neighbours(cells, limits.max_hole if bridging else 0, limits.max_registers)
    if limits.exact_bits:
        size = limits.exact_bits
        starts = dict.fromkeys(cell.placed.address // size * size for cell in cells)
        return _within([(start, size) for start in starts], cells)
    return _neighbours(cells, limits.max_hole if bridging else 0, limits.max_bits)


def fold(into: list[Stretch], cells: Sequence[Cell], profile: Profile, bridging: bool) -> list[Cell]:
    """Let bits that are wanted less often ride along in blocks that are read anyway; returns the cells that found no place.

    A second request to the same unit costs a whole turn of the line, and its time-out a more urgent point's delay; some
    bytes more in a reply cost next to nothing. Registers are not moved: a value that moves would be told more often.
    """
    exact = bool(profile.limits.exact_bits) or any(
        block.area == cell.placed.signal.area for block in profile.exact_blocks for cell in cells[:1]
    )
    max_hole = profile.limits.max_hole if bridging and not exact else 0
    left = []
    for cell in sorted(cells, key=lambda cell: cell.placed.address):
        for n, (start, count, members) in enumerate(into):
            first = min(start, cell.placed.address)
            whole = max(start + count, cell.placed.address + 1) - first
            near = start - max_hole <= cell.placed.address + 1 and cell.placed.address <= start + count + max_hole
            small = (whole + 7) // 8 - (count + 7) // 8 <= FOLD_BYTES_MOST and whole <= profile.limits.max_bits
            if whole == count or (near and small and not exact):
                into[n] = (first, whole, [*members, cell])
                break
        else:
            left.append(cell)
    return left


def _neighbours(cells: Iterable[Cell], max_hole: int, most: int) -> list[Stretch]:
    joined: list[Stretch] = []
    for cell in cells:
        first, end = cell.placed.address, cell.placed.address + cell.placed.size
        if joined:
            start, count, members = joined[-1]
            whole = max(end, start + count) - start
            if first - (start + count) <= max_hole and whole <= most:
                joined[-1] = (start, whole, [*members, cell])
                continue
        joined.append((first, end - first, [cell]))
    return joined


def _within(exact: Sequence[tuple[int, int]], cells: Iterable[Cell]) -> list[Stretch]:
    found: dict[tuple[int, int], list[Cell]] = {}
    for cell in cells:
        first, end = cell.placed.address, cell.placed.address + cell.placed.size
        block = next(((start, count) for start, count in exact if start <= first and end <= start + count), None)
        if block is None:
            raise ValueError(f'signal "{cell.placed.name}" lies in none of the blocks that must be read exactly')
        found.setdefault(block, []).append(cell)
    return [(start, count, members) for (start, count), members in found.items()]


def spans_holes(profile: Profile, area: str, stretch: Stretch) -> bool:
    """True when this stretch reads addresses that no cell needs, and could do without them."""
    if (area in BIT_AREAS and profile.limits.exact_bits) or any(block.area == area for block in profile.exact_blocks):
        return False
    _, count, members = stretch
    needed = {cell.placed.address + i for cell in members for i in range(cell.placed.size)}
    return len(needed) < count


class Plan:
    """One block with its cells: takes a reply apart and tells which cells changed."""

    def __init__(self, block: Block, start: int, cells: list[Cell], low_first: bool | None) -> None:
        """low_first: the order of words that was found out, None while it is unknown."""
        self.block = block
        self.cells = cells
        self.fault = next((cell.fault for cell in cells if cell.fault), "")
        self.pdu = b""
        self._start = start
        self._bits = block.request[0] in (READ["coil"], READ["discrete"])
        count = int.from_bytes(block.request[3:5], "big")
        self._words = struct.Struct(f">{count}H")
        self._last: tuple[int, ...] = ()
        self._last_bits = 0
        self._masks = [(1 << (cell.placed.address - start), cell) for cell in cells]
        self._by_word: list[list[Cell]] = [[] for _ in range(count)]
        if not self._bits:
            for cell in cells:
                at = cell.placed.address - start
                if cell.placed.signal.words != "tested":
                    cell.read = reader(cell.placed, at)
                for word in range(at, at + cell.placed.size):
                    self._by_word[word].append(cell)
        self._order(low_first)

    def fits(self, pdu: bytes) -> bool:
        """True for a reply of the shape that was asked for."""
        return len(pdu) == self.block.reply_bytes and pdu[0] == self.block.request[0] and pdu[1] == len(pdu) - 2

    def take(self, pdu: bytes) -> Iterable[Cell]:
        """Cells whose raw number is new; all of them after a failure."""
        every = not self.pdu
        self.pdu = pdu
        return self._take_bits(pdu, every) if self._bits else self._take_words(pdu, every)

    def _take_bits(self, pdu: bytes, every: bool) -> list[Cell]:
        bits = int.from_bytes(pdu[2:], "little")  # the first input is bit 0 of the first byte
        changed = bits ^ self._last_bits
        self._last_bits = bits
        cells = []
        for mask, cell in self._masks:
            if every or changed & mask:
                cell.raw = 1 if bits & mask else 0
                cells.append(cell)
        return cells

    def _take_words(self, pdu: bytes, every: bool) -> Iterable[Cell]:
        words = self._words.unpack_from(pdu, 2)
        touched: dict[Cell, None] = {}
        if every:
            touched = dict.fromkeys(self.cells)
        else:
            for at, (new, old) in enumerate(zip(words, self._last, strict=True)):
                if new != old:
                    for cell in self._by_word[at]:
                        touched[cell] = None
        self._last = words
        for cell in touched:
            if cell.read is not None:
                cell.raw = cell.read(words)
        return touched

    def reorder(self, low_first: bool | None) -> None:
        """The order of words was found out, or is unknown again: what was read is read anew."""
        self._order(low_first)
        for cell in self.cells:
            if cell.placed.signal.words == "tested":
                cell.raw = cell.read(self._last) if cell.read is not None and self._last else None

    def _order(self, low_first: bool | None) -> None:
        for cell in self.cells:
            if cell.placed.signal.words == "tested":
                at = cell.placed.address - self._start
                cell.read = None if low_first is None else reader(cell.placed, at, low_first)
