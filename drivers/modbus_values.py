"""From registers and bits to values: what a profile's signal says about its number.

Two closures for each signal, made once: a reader (words or bits of a block -> raw number) and a converter
(raw number -> value, quality, reason). Words are 16-bit registers, first one first; bits of a bit block are
one number whose lowest bit is the block's first address.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from gateway.core.reading import Quality, Value

if TYPE_CHECKING:
    from gateway.config.profile import Profile, Signal, When

Raw = int | float | str
Reader = Callable[[Sequence[int]], Raw]
Said = tuple[Value, Quality, str]
Converter = Callable[[Raw, int], Said]
Test = Callable[[Raw], bool]

MAX_EXPONENT = 9  # more decimals than any display has: a larger number is a misread register
_RANGE = re.compile(r"^(-?(?:0x[0-9a-fA-F]+|\d+))(?:-(-?(?:0x[0-9a-fA-F]+|\d+)))?$")


@dataclass(frozen=True, slots=True)
class Placed:
    """One signal with its repeat written out: own name, own address, own bit."""

    name: str
    signal: Signal
    address: int
    bit: int | None
    exponent_from: str
    valid_when: tuple[tuple[str, When], ...]  # (signal, condition on it)
    clear_address: int | None

    @property
    def size(self) -> int:
        """Registers, or bits in the bit areas."""
        if self.signal.type == "text":
            return self.signal.length
        return 2 if self.signal.type in ("u32", "s32", "f32") else 1


def placed_signals(profile: Profile) -> Iterator[Placed]:
    """Every signal of a profile, repeated ones one by one; {n} in their references stands for the same n."""
    for signal in profile.signals:
        repeat = signal.repeat
        for i in range(repeat.count if repeat else 1):
            n = str(repeat.first + i) if repeat else ""
            yield Placed(
                name=signal.name.replace("{n}", n),
                signal=signal,
                address=signal.address + (i * repeat.stride if repeat else 0),
                bit=None if signal.bit is None else signal.bit + (i * repeat.bit_stride if repeat else 0),
                exponent_from=signal.exponent_from.replace("{n}", n),
                valid_when=tuple((when.signal.replace("{n}", n), when) for when in signal.valid_when),
                clear_address=None if signal.clear is None else signal.clear.address + i * signal.clear.stride,
            )


def reader(placed: Placed, at: int) -> Reader:
    """Closure that takes this signal's raw number out of a block's words; `at` is its first word there."""
    number = _number_reader(placed, at)
    if placed.bit is None:
        return number
    bit, mask = placed.bit, (1 << placed.signal.bits) - 1
    return lambda words: (int(number(words)) >> bit) & mask


def _number_reader(placed: Placed, at: int) -> Reader:
    kind = placed.signal.type
    high, low = (at, at + 1) if placed.signal.words == "high-first" else (at + 1, at)
    if kind in ("u16", "bool"):
        return lambda words: words[at]
    if kind == "s16":
        return lambda words: (words[at] ^ 0x8000) - 0x8000
    if kind == "u8hi":
        return lambda words: words[at] >> 8
    if kind == "u8lo":
        return lambda words: words[at] & 0xFF
    if kind == "u32":
        return lambda words: words[high] << 16 | words[low]
    if kind == "s32":
        return lambda words: ((words[high] << 16 | words[low]) ^ 0x8000_0000) - 0x8000_0000
    if kind == "f32":
        two, one = struct.Struct(">HH").pack, struct.Struct(">f").unpack
        return lambda words: float(one(two(words[high], words[low]))[0])
    end = at + placed.signal.length
    pack = struct.Struct(f">{placed.signal.length}H").pack
    return lambda words: pack(*words[at:end]).split(b"\0", 1)[0].decode("ascii", "replace").strip()


def converter(signal: Signal, inverted: bool) -> Converter:
    """Closure (raw, exponent) -> (value, quality, reason); faults and sentinels first, then what the kind asks for."""
    convert = _kind_converter(signal, inverted)
    faults = [(*_span(key), meaning) for key, meaning in (*signal.fault_values.items(), *signal.sentinels.items())]
    if not faults:
        return convert

    def checked(raw: Raw, exponent: int) -> Said:
        if not isinstance(raw, str):
            for low, high, meaning in faults:
                if low <= raw <= high:
                    return None, Quality.BAD, meaning
        return convert(raw, exponent)

    return checked


def _kind_converter(signal: Signal, inverted: bool) -> Converter:
    if signal.kind in ("contact", "latched", "output"):
        rest = signal.invert != inverted  # the raw state that means "not active"
        return lambda raw, _: (bool(raw) != rest, Quality.GOOD, "")
    if signal.kind == "text":
        return lambda raw, _: (str(raw), Quality.GOOD, "")
    if signal.kind == "enum":
        names = {int(key, 0): name for key, name in signal.enum.items()}

        def name_of(raw: Raw, _: int) -> Said:
            name = names.get(raw) if isinstance(raw, int) else None
            return (str(raw), Quality.UNCERTAIN, f"unknown code {raw}") if name is None else (name, Quality.GOOD, "")

        return name_of
    return _scaler(signal)


def _scaler(signal: Signal) -> Converter:
    scale, offset = signal.scale, signal.offset
    plain = scale == 1.0 and offset == 0.0
    if signal.type == "f32" or signal.exponent_from:

        def measured(raw: Raw, exponent: int) -> Said:
            number = float(raw)
            if not math.isfinite(number):
                return None, Quality.BAD, "not a number"
            if exponent:
                if not 0 < exponent <= MAX_EXPONENT:
                    return None, Quality.BAD, f"decimal exponent {exponent} out of range"
                number = round(number / 10**exponent, exponent)
            return number if plain else number * scale + offset, Quality.GOOD, ""

        return measured
    if plain:
        return lambda raw, _: (raw, Quality.GOOD, "")
    decimals = max(_decimals(scale), _decimals(offset))
    return lambda raw, _: (round(float(raw) * scale + offset, decimals), Quality.GOOD, "")


def _decimals(number: float) -> int:
    exponent = Decimal(str(number)).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _span(text: str) -> tuple[int, int]:
    """A number (decimal or 0x..) or a "low-high" range, as its lowest and highest number."""
    found = _RANGE.match(text)
    if found is None:
        raise ValueError(f'"{text}" is neither a number nor a range such as "1000-1999"')
    low = int(found[1], 0)
    return low, low if found[2] is None else int(found[2], 0)


def condition(when: When, watched: Signal) -> Test:
    """Closure raw -> True while the condition holds. ValueError names a word that `watched` cannot show."""
    names: dict[str, int] = {}
    for key, name in watched.enum.items():
        names.setdefault(name, int(key, 0))
    spans = []
    for item in when.is_in or when.not_in:
        if isinstance(item, int):
            spans.append((item, item))
        elif item in names:
            spans += [(int(key, 0), int(key, 0)) for key, name in watched.enum.items() if name == item]
        else:
            spans.append(_span(item))
    wanted = bool(when.is_in)
    return lambda raw: not isinstance(raw, str) and any(low <= raw <= high for low, high in spans) == wanted
