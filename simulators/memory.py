"""The registers and bits of one simulated Modbus device, and the values in them. Pure.

Some values hang on others: a decimal exponent, a sign, the sense of a contact lie in signals of their own, a contact may be active
because another one is, and a whole signal may be made from contacts. Setting such a value sets what it hangs on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

from simulators import encode
from simulators.encode import Value
from simulators.profiles import Profile
from simulators.signals import Signal, When, numbers


class Memory:
    """Words by area and address, all 0 at first."""

    def __init__(self, profile: Profile, unit: int) -> None:
        self._signals = profile.signals
        self._profile = profile
        self._unit = unit
        self._areas: dict[str, dict[int, int]] = {"coil": {}, "discrete": {}, "holding": {}, "input": {}}
        self._held: dict[str, dict[tuple[str, int], tuple[int, int]]] = {}  # of what is stuck: place -> its bits, and how they stand

    def words(self, area: str, begin: int, count: int) -> list[int]:
        """Registers, or bits in the bit areas; those that are stuck as they were."""
        memory = self._areas[area]
        found = [memory.get(address, 0) for address in range(begin, begin + count)]
        for places in self._held.values():
            for (held_area, address), (mask, bits) in places.items():
                if held_area == area and begin <= address < begin + count:
                    found[address - begin] = found[address - begin] & ~mask | bits
        return found

    def hold(self, names: Iterable[str]) -> None:
        """What these signals show stays as it is. What is stored from now on comes to light when they are let go."""
        for name in names:
            signal = self._signals[name]
            masks = encode.masks(signal)
            words = self.words(signal.area, signal.address, len(masks))
            self._held[name] = {
                (signal.area, signal.address + i): (mask, word & mask) for i, (mask, word) in enumerate(zip(masks, words, strict=True))
            }

    def let_go(self, names: Iterable[str]) -> None:
        for name in names:
            self._held.pop(name, None)

    def is_held(self, name: str) -> bool:
        return name in self._held

    def put(self, area: str, address: int, word: int) -> None:
        self._areas[area][address] = word

    def sources(self, name: str) -> list[str]:
        """The signals in the memory that this one is made from; itself when it lies there."""
        made = self._signals[name].made_from
        return [each for source in made for each in self.sources(source)] if made else [name]

    def raw(self, name: str) -> int:
        """The bits of a signal's number."""
        signal = self._signals[name]
        return encode.raw_of(signal, self.words(signal.area, signal.address, signal.size))

    def get(self, name: str) -> Value:
        """Present value of a signal. KeyError when there is none of that name."""
        signal = self._signals[name]
        if signal.made_from:
            return self._made(signal)
        value = encode.decode(signal, self.words(signal.area, signal.address, signal.size), *self._help(signal))
        return value if not signal.or_with else value is True or any(self.get(other) is True for other in signal.or_with)

    def store(self, name: str, value: Value) -> None:
        """Sets a signal that lies in the memory. ValueError for a value that it cannot hold."""
        signal = self._signals[name]
        if signal.sign_from and not isinstance(value, str):
            self._store_sign(self._signals[signal.sign_from], negative=value < 0)
        for i, (mask, bits) in enumerate(encode.encode(signal, value, *self._help(signal))):
            memory, address = self._areas[signal.area], signal.address + i
            memory[address] = memory.get(address, 0) & ~mask | bits

    def meant(self, name: str, value: Value) -> dict[str, Value]:
        """The signals in the memory that must be set so that this one shows the value."""
        signal = self._signals[name]
        if signal.made_from:
            pattern = self._pattern(signal, value)
            states = {source: bit == "1" for source, bit in zip(signal.made_from, pattern, strict=True)}
            other = {source: state for source, state in states.items() if (self.get(source) is True) != state}  # they may share a register
            return {each: new for source, state in other.items() for each, new in self.meant(source, state).items()}
        if signal.or_with and value in (0, 1) and not value:
            return {name: value, **dict.fromkeys(signal.or_with, False)}
        return {name: value}

    def holds(self, when: When) -> bool:
        """A condition on another signal."""
        value, raw = self.get(when.signal), self.raw(when.signal)
        return any(matches(item, value, raw) for item in when.is_in or when.not_in) == bool(when.is_in)

    def power_on(self, values: dict[str, Value]) -> None:
        """The values, and the numbers by which the device is known."""
        for name in self.in_order(values):
            self.store(name, values[name])
        identity, order = self._profile.identity, self._profile.word_order
        if identity is not None:  # where its low byte is free, it holds the unit id (XNX: 0x24, unit)
            memory = self._areas[identity.area]
            rest = self._unit if identity.mask == 0xFF00 else memory.get(identity.address, 0)
            memory[identity.address] = identity.expect & identity.mask | rest & ~identity.mask & 0xFFFF
        if order is not None:
            self.put(order.area, order.address, order.expect >> 16)
            self.put(order.area, order.address + 1, order.expect & 0xFFFF)

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Names in an order in which what a signal hangs on comes before it, and bare numbers before the states that share their place."""

        def rank(name: str) -> int:
            signal = self._signals[name]
            if signal.exponent_from or signal.sense_from or signal.sign_from:
                return 2
            return int(bool(signal.kind in ("contact", "latched", "enum") or signal.enum))

        return sorted(names, key=rank)

    # --- inside --------------------------------------------------------------------------------------

    def _help(self, signal: Signal) -> tuple[int, bool]:
        """(exponent, flip) that other signals show for this one."""
        exponent = 0
        if not (signal.exponent_from or signal.sense_from or signal.sign_from):
            return 0, False
        if signal.exponent_from:
            value = self.get(signal.exponent_from)
            exponent = int(value) if isinstance(value, int | float) else 0
        other = signal.sense_from or signal.sign_from
        return exponent, bool(other and self.raw(other))

    def _store_sign(self, sign: Signal, negative: bool) -> None:
        """The number that means minus: 1, or the first of an enum's that is not 0."""
        minus = next(((low, name) for low, _, name in sign.enum if low), (1, ""))[0]
        for i, (mask, bits) in enumerate(encode.encode(_plain(sign), minus if negative else 0)):
            memory, address = self._areas[sign.area], sign.address + i
            memory[address] = memory.get(address, 0) & ~mask | bits

    def _made(self, signal: Signal) -> Value:
        """What the states of its sources mean together; the states themselves where the table has no name for them."""
        states = "".join("1" if self.get(source) is True else "0" for source in signal.made_from)
        name = named(signal, states)
        if name is None:
            return states
        return encode.loop_value(signal, name) if signal.kind == "contact" else name

    def _pattern(self, signal: Signal, value: Value) -> str:
        """The states of the sources for a value: its name in the table, or the states themselves ("11") to play a broken wire."""
        if isinstance(value, str) and len(value) == len(signal.made_from) and not set(value) - set("01"):
            return value
        wanted = encode.loop_state(signal, value) if signal.kind == "contact" else value
        for states in map("".join, product("01", repeat=len(signal.made_from))):
            if named(signal, states) == wanted:
                return states
        names = dict.fromkeys(name for _, name in signal.table)
        raise ValueError(f"{signal.name} has no value {value!r}; it takes {', '.join(names)}")


def named(signal: Signal, states: str) -> str | None:
    """Name of the first pattern of the table that the states fit."""
    for pattern, name in signal.table:
        if all(wanted in ("x", state) for wanted, state in zip(pattern, states, strict=True)):
            return name
    return None


def matches(item: int | str, value: Value, raw: int) -> bool:
    """`item` is a raw number, a name, or a range of raw numbers such as "0-999"."""
    if isinstance(item, int):
        return item in (raw, value)
    if item == value:
        return True
    try:
        low, high = numbers(item)
    except ValueError:
        return False
    return low <= raw <= high


def _plain(sign: Signal) -> Signal:
    """The same place as a bare number."""
    return replace(sign, kind="measurement", invert=False, enum=(), faults=(), scale=1.0, offset=0.0, sign_from="", exponent_from="")


def spans(profile: Profile, area: str) -> list[tuple[int, int]]:
    """Address ranges (first, one past the last) that may be read: the profile's map, with the holes that one request may bridge."""
    taken = [(s.address, s.address + s.size) for s in profile.signals.values() if s.area == area]
    clears = [s.clear for s in profile.signals.values() if s.clear]
    taken += [(write.address, write.address + len(write.values)) for write in clears if write.area == area]
    if profile.identity and profile.identity.area == area:
        taken.append((profile.identity.address, profile.identity.address + 1))
    if profile.word_order and profile.word_order.area == area:
        taken.append((profile.word_order.address, profile.word_order.address + 2))
    spans: list[tuple[int, int]] = []
    for low, high in sorted(taken):
        if spans and low - spans[-1][1] <= profile.max_hole:
            spans[-1] = (spans[-1][0], max(spans[-1][1], high))
        else:
            spans.append((low, high))
    if (exact := profile.exact_bits) and area in ("coil", "discrete"):
        return [(low // exact * exact, -(-high // exact) * exact) for low, high in spans]
    return spans
