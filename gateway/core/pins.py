"""Lines of a board's GPIO chip: what is wanted of one, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PinRequest:
    """One line of a chip that a device uses.

    line: its number on the chip. bias: as-is, disabled, pull-up, pull-down. active_low: low voltage means active.
    debounce_s: a level must stand so long to count. safe: what an output is set to at start and when it is given back.
    """

    device: str
    line: int
    output: bool = False
    bias: str = "as-is"
    active_low: bool = False
    debounce_s: float = 0.0
    safe: bool = False


@dataclass(frozen=True, slots=True)
class PinState:
    """An input line is active or not; said at start, at each reopening and at each edge."""

    line: int
    active: bool
