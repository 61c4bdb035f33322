"""What a card reader reports unasked. Card bits and typed keys are secrets: they never show in a log (`repr`)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CardShown:
    """A card was read. bits: number of bits; data: those bits, the first one highest, the last byte padded at its end.

    reader: number of the reading head in the device, from 0.
    """

    reader: int
    bits: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeysPressed:
    """Keys were typed: ASCII digits, 0x0D (or #) for enter, 0x7F (or *) for delete."""

    reader: int
    keys: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReaderState:
    """State of the device itself."""

    tamper: bool
    power_failed: bool


@dataclass(frozen=True, slots=True)
class ReaderInputs:
    """State of all contacts wired to the device, from number 0."""

    active: tuple[bool, ...]
