"""From registers to values: what a profile's signal says about its number.

Two closures for each signal, made once: a reader (words of a block -> raw number) and a converter (raw number ->
value, quality, reason). Words are 16-bit registers, first one first. The raw number of a BCD register is its
pattern, so that a sentinel is written as it stands there (0xFFFF).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from drivers.modbus_places import Placed
from gateway.core.reading import Quality, Value

if TYPE_CHECKING:
    from gateway.config.profile_modbus import Signal, When

Raw = int | float | str
Reader = Callable[[Sequence[int]], Raw]
Said = tuple[Value, Quality, str]
Converter = Callable[[Raw, Raw, bool], Said]
Test = Callable[[Raw], bool]

MAX_EXPONENT = 9  # more decimals than any display has: a larger number is a misread register
LOOP_OPEN_MA = 3.6  # NAMUR NE 43: below it the transmitter or its cable has failed
LOOP_SHORT_MA = 21.0  # NAMUR NE 43: from here on as well
LOOP_DECIMALS = 6
LOOP_STATES: dict[str, Said] = {
    "normal": (False, Quality.GOOD, ""),
    "active": (True, Quality.GOOD, ""),
    "open": (None, Quality.BAD, "loop open"),
    "short": (None, Quality.BAD, "loop short"),
}
NOT_A_NUMBER: Said = (None, Quality.BAD, "not a number")
_RANGE = re.compile(r"^(-?(?:0x[0-9a-fA-F]+|\d+))(?:-(-?(?:0x[0-9a-fA-F]+|\d+)))?$")


class Meanings:
    """A profile's table from raw numbers and "low-high" ranges to words; a single number goes before a range."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._single: dict[float, str] = {}
        self._ranges: list[tuple[int, int, str]] = []
        for key, words in pairs:
            low, high = span(key)
            if low == high:
                self._single.setdefault(low, words)
            else:
                self._ranges.append((low, high + 1, words))

    def find(self, raw: Raw) -> str | None:
        """Words for this number. Fractions above a range's last whole number still belong to it."""
        if isinstance(raw, str):
            return None
        found = self._single.get(raw)
        if found is None:
            return next((words for low, end, words in self._ranges if low <= raw < end), None)
        return found


def span(text: str) -> tuple[int, int]:
    """A number (decimal or 0x..) or a "low-high" range, as its lowest and highest number."""
    found = _RANGE.match(text)
    if found is None:
        raise ValueError(f'"{text}" is neither a number nor a range such as "1000-1999"')
    low = int(found[1], 0)
    return low, low if found[2] is None else int(found[2], 0)


# --- words to raw numbers -----------------------------------------------------------------


def reader(placed: Placed, at: int, low_first: bool = False) -> Reader:
    """Closure that takes this signal's raw number out of a block's words; `at` is its first word there.

    low_first: the order of words that was found out, for signals whose order is `tested`.
    """
    signal = placed.signal
    low_first = signal.words == "low-first" or (signal.words == "tested" and low_first)
    if signal.bytes == "little":
        end, inner = at + placed.size, _number_reader(signal, 0, low_first)
        number: Reader = lambda words: inner([swapped(word) for word in words[at:end]])  # noqa: E731
    else:
        number = _number_reader(signal, at, low_first)
    if placed.bit is None:
        return number
    bit, mask = placed.bit, (1 << signal.bits) - 1
    return lambda words: (int(number(words)) >> bit) & mask


def swapped(word: int) -> int:
    """A register with its two bytes exchanged."""
    return word >> 8 | (word & 0xFF) << 8


def _number_reader(signal: Signal, at: int, low_first: bool) -> Reader:
    kind = signal.type
    high, low = (at + 1, at) if low_first else (at, at + 1)
    if kind in ("u16", "bool", "bcd16"):
        return lambda words: words[at]
    if kind == "s16":
        return lambda words: (words[at] ^ 0x8000) - 0x8000
    if kind == "u8hi":
        return lambda words: words[at] >> 8
    if kind == "u8lo":
        return lambda words: words[at] & 0xFF
    if kind in ("u32", "bcd32"):
        return lambda words: words[high] << 16 | words[low]
    if kind == "s32":
        return lambda words: ((words[high] << 16 | words[low]) ^ 0x8000_0000) - 0x8000_0000
    if kind == "f32":
        two, one = struct.Struct(">HH").pack, struct.Struct(">f").unpack
        return lambda words: float(one(two(words[high], words[low]))[0])
    return _text_reader(at, at + signal.length, signal.characters)


def _text_reader(at: int, end: int, characters: int) -> Reader:
    def text(words: Sequence[int]) -> Raw:
        some = words[at:end]
        read = bytes(word & 0xFF for word in some) if characters == 1 else struct.pack(f">{len(some)}H", *some)
        return read.split(b"\0", 1)[0].decode("ascii", "replace").strip()

    return text


# --- raw numbers to values ----------------------------------------------------------------


def converter(signal: Signal) -> Converter:
    """Closure (raw, exponent, flip) -> (value, quality, reason); faults and sentinels first, then what the kind asks for.

    exponent: the number that `exponent_from` shows, else 0. flip: what `sense_from` or `sign_from` shows: a contact's
    sense is reversed, a measurement is negative.
    """
    convert = _kind_converter(signal)
    if not (signal.fault_values or signal.sentinels or signal.uncertain_values):
        return convert
    faults = Meanings((*signal.fault_values.items(), *signal.sentinels.items()))
    doubts = Meanings(signal.uncertain_values.items())

    def checked(raw: Raw, exponent: Raw, flip: bool) -> Said:
        fault = faults.find(raw)
        if fault is not None:
            return None, Quality.BAD, fault
        value, quality, reason = convert(raw, exponent, flip)
        doubt = doubts.find(raw) if quality is Quality.GOOD else None
        return (value, quality, reason) if doubt is None else (value, Quality.UNCERTAIN, doubt)

    return checked


def is_switch(signal: Signal) -> bool:
    """True for an output that is on or off; other outputs take a number or a name."""
    if signal.kind != "output":
        return False
    words = signal.write is not None and (signal.write.on is not None or signal.write.off is not None)
    return words or signal.area == "coil" or (signal.type == "bool" and not signal.enum)


def _kind_converter(signal: Signal) -> Converter:
    if signal.loop:
        return _loop(signal)
    if signal.kind in ("contact", "latched") or is_switch(signal):
        rest = signal.invert  # the raw state that means "not active"
        return lambda raw, _, flip: (bool(raw) != (rest != flip), Quality.GOOD, "")
    if signal.type == "text":
        return lambda raw, _, __: (str(raw), Quality.GOOD, "")
    if signal.enum:
        return _names(signal)
    return _loop_current(_scaler(signal)) if signal.current_loop else _scaler(signal)


def _loop(signal: Signal) -> Converter:
    states, invert = Meanings(signal.loop.items()), signal.invert

    def four(raw: Raw, _: Raw, flip: bool) -> Said:
        state = states.find(raw)
        if state is None:
            return None, Quality.BAD, f"{raw} is no state of this loop"
        value, quality, reason = LOOP_STATES[state]
        return value if value is None else value != (invert != flip), quality, reason

    return four


def _names(signal: Signal) -> Converter:
    names, bad = Meanings(signal.enum.items()), frozenset(signal.bad)

    def named(raw: Raw, _: Raw, __: bool) -> Said:
        if isinstance(raw, float):
            if not math.isfinite(raw):
                return NOT_A_NUMBER
            raw = int(raw) if raw.is_integer() else str(raw)
        name = names.find(raw)
        if name is None:
            return str(raw), Quality.UNCERTAIN, f"unknown code {raw}"
        return (None, Quality.BAD, name) if name in bad else (name, Quality.GOOD, "")

    return named


def _scaler(signal: Signal) -> Converter:
    scale, offset = signal.scale, signal.offset
    plain = scale == 1.0 and offset == 0.0
    is_bcd = signal.type in ("bcd16", "bcd32")
    whole = signal.type != "f32" and not signal.exponent_from
    if plain and whole and not is_bcd and not signal.sign_from:
        return lambda raw, _, __: (raw, Quality.GOOD, "")
    decimals = max(_decimals(scale), _decimals(offset))

    def measured(raw: Raw, exponent: Raw, negative: bool) -> Said:
        number = _from_bcd(int(raw)) if is_bcd else float(raw)
        if number is None:
            return None, Quality.BAD, "not BCD"
        if not math.isfinite(number):
            return NOT_A_NUMBER
        if negative:
            number = -number
        if exponent:
            if isinstance(exponent, str) or not 0 < exponent <= MAX_EXPONENT or exponent != int(exponent):
                return None, Quality.BAD, f"decimal exponent {exponent} out of range"
            number = round(number / 10 ** int(exponent), int(exponent))
        if plain:
            return int(number) if whole else number, Quality.GOOD, ""
        number = number * scale + offset
        return round(number, decimals) if whole else number, Quality.GOOD, ""

    return measured


def _loop_current(scaled: Converter) -> Converter:
    def current(raw: Raw, exponent: Raw, flip: bool) -> Said:
        value, quality, reason = scaled(raw, exponent, flip)
        if value is None or isinstance(value, str):
            return value, quality, reason
        if value < LOOP_OPEN_MA:
            return LOOP_STATES["open"]
        return LOOP_STATES["short"] if value > LOOP_SHORT_MA else (value, quality, reason)

    return current


def over_span(milliamps: float, at_4_ma: float, at_20_ma: float) -> float:
    """What a loop current means in the transmitter's range."""
    return round(at_4_ma + (milliamps - 4) / 16 * (at_20_ma - at_4_ma), LOOP_DECIMALS)


def _from_bcd(pattern: int) -> float | None:
    """Decimal digits, one in each four bits; None when one is above 9."""
    digits = f"{pattern:x}"
    return float(digits) if digits.isdecimal() else None


def _decimals(number: float) -> int:
    exponent = Decimal(str(number)).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def condition(when: When, watched: Signal) -> Test:
    """Closure raw -> True while the condition holds. ValueError names a word that `watched` cannot show."""
    keys: list[str] = []
    for item in when.is_in or when.not_in:
        named = [key for key, name in watched.enum.items() if name == item]
        keys += named or [str(item)]
    listed = Meanings((key, key) for key in keys)
    wanted = bool(when.is_in)
    return lambda raw: not isinstance(raw, str) and (listed.find(raw) is not None) == wanted


# --- values to raw words ------------------------------------------------------------------

_WIDTHS: Mapping[str, tuple[int, int]] = {
    "bool": (0, 1),
    "u16": (0, 0xFFFF),
    "s16": (-0x8000, 0x7FFF),
    "u32": (0, 0xFFFF_FFFF),
    "s32": (-0x8000_0000, 0x7FFF_FFFF),
    "bcd16": (0, 9_999),
    "bcd32": (0, 99_999_999),
}


def to_words(signal: Signal, value: bool | int | float | str, low_first: bool) -> tuple[int, ...]:
    """The registers that show this value. ValueError when the signal cannot."""
    if signal.type == "text":
        words = _text_words(signal, str(value))
    else:
        pattern, size = _pattern(signal, value), 2 if signal.type in ("u32", "s32", "f32", "bcd32") else 1
        words = (pattern >> 16, pattern & 0xFFFF) if size == 2 else (pattern,)
        if signal.words == "low-first" or (signal.words == "tested" and low_first):
            words = words[::-1]
    return tuple(swapped(word) for word in words) if signal.bytes == "little" else words


def _pattern(signal: Signal, value: bool | int | float | str) -> int:
    """The bits of a number, 16 or 32 of them."""
    if isinstance(value, str):
        keys = [key for key, name in signal.enum.items() if name == value]
        if not keys:
            raise ValueError(f'"{value}" is none of {", ".join(signal.enum.values()) or "its values: a number is expected"}')
        number = float(span(keys[0])[0])
    else:
        number = (float(value) - signal.offset) / signal.scale
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    if signal.type == "f32":
        return _float_pattern(number)
    low, high = _WIDTHS.get(signal.type, (0, -1))
    whole = round(number)
    if signal.bit is not None or signal.exponent_from or signal.current_loop or not low <= whole <= high:
        raise ValueError(f"its register cannot hold {whole}")
    if signal.type in ("bcd16", "bcd32"):
        return int(str(whole), 16)
    return whole & (0xFFFF_FFFF if signal.type in ("u32", "s32") else 0xFFFF)


def _float_pattern(number: float) -> int:
    try:
        return int.from_bytes(struct.pack(">f", number), "big")
    except OverflowError as error:
        raise ValueError("too large for a float of 32 bits") from error


def _text_words(signal: Signal, text: str) -> tuple[int, ...]:
    letters = text.encode("ascii", "replace")
    if len(letters) > signal.length * signal.characters:
        raise ValueError(f"longer than {signal.length * signal.characters} characters")
    letters = letters.ljust(signal.length * signal.characters, b"\0")
    return tuple(letters) if signal.characters == 1 else struct.unpack(f">{signal.length}H", letters)
