"""Where a profile's signals lie on one device: repeats written out, addresses as they go on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.config.profile_modbus import ModbusProfile as Profile
    from gateway.config.profile_modbus import Signal

TWO_WORDS = frozenset({"u32", "s32", "f32", "bcd32"})
LAST_ADDRESS = 0xFFFF


@dataclass(frozen=True, slots=True)
class Placed:
    """One signal with its repeat written out.

    address: on the wire; -1 for a signal that is made from others. index: 0 for the first of a repeat. n: what stands
    for {n} in it and in all that it refers to.
    """

    name: str
    signal: Signal
    address: int = -1
    bit: int | None = None
    index: int = 0
    n: str = ""

    @property
    def size(self) -> int:
        """Registers, or bits in the bit areas."""
        if self.signal.type == "text":
            return self.signal.length
        return 2 if self.signal.type in TWO_WORDS else 1

    def named(self, reference: str) -> str:
        """Name of the signal that this one refers to."""
        return reference.replace("{n}", self.n)


def address_shift(profile: Profile, address_offset: int) -> int:
    """What turns an address of the profile into one on the wire."""
    return address_offset - profile.address_base


def on_the_wire(address: int, what: str, size: int = 1) -> int:
    """The address itself. ValueError with `what` when it or its last register is none."""
    if not 0 <= address <= LAST_ADDRESS + 1 - size:
        raise ValueError(f"{what}: wire address {address} is outside 0..{LAST_ADDRESS}")
    return address


def placed_signals(profile: Profile, address_offset: int = 0) -> Iterator[Placed]:
    """Every signal of a profile, repeated ones one by one. ValueError names a signal that has no address on the wire."""
    shift = address_shift(profile, address_offset)
    for signal in profile.signals:
        repeat = signal.repeat
        for index in range(repeat.count if repeat else 1):
            n = str(repeat.first + index) if repeat else ""
            placed = Placed(
                name=signal.name.replace("{n}", n),
                signal=signal,
                address=-1 if signal.address is None else signal.address + shift + (index * repeat.stride if repeat else 0),
                bit=None if signal.bit is None else signal.bit + (index * repeat.bit_stride if repeat else 0),
                index=index,
                n=n,
            )
            if signal.area is not None:
                on_the_wire(placed.address, f'signal "{placed.name}"', placed.size)
            yield placed
