"""From a signal's value to the bits in a device's memory, and back. Pure.

The inverse of what a device profile says: number types, order of words and bytes, scale and offset, decimal exponent, sign and sense,
bit fields, inverted bits, enums, loops, and the special numbers that stand for "sensor broken". Values: bool for contacts, latches and
one-bit outputs; a name (str) for enums, sentinels, faults and broken loops; int or float in the signal's unit for measurements and
counters; str for texts.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from simulators.signals import TWO_WORDS, Named, Signal

Value = bool | int | float | str

_WIDTH = {"u8hi": 8, "u8lo": 8, "u32": 32, "s32": 32, "f32": 32, "bcd32": 32}  # the others have 16 bits
_SIGNED = ("s16", "s32")
_DIGITS = {"bcd16": 4, "bcd32": 8}


def is_bool(signal: Signal) -> bool:
    """True for a signal that is on or off."""
    if signal.loop or signal.made_from:
        return False
    if signal.kind in ("contact", "latched") or signal.has_words:
        return True
    return signal.type == "bool" and signal.bits == 1 and not signal.enum


def encode(signal: Signal, value: Value, exponent: int = 0, flip: bool = False) -> list[tuple[int, int]]:
    """(mask, bits) for each register or bit from the signal's address on. ValueError for a value that it cannot hold.

    exponent: what `exponent_from` shows. flip: `sense_from` or `sign_from` shows that the sense is reversed, the number negative.
    """
    words = _words(signal, value, exponent, flip)
    return [(_swapped(mask), _swapped(bits)) for mask, bits in words] if signal.little else words


def _words(signal: Signal, value: Value, exponent: int, flip: bool) -> list[tuple[int, int]]:
    if signal.type == "text":
        return _text_registers(signal, value)
    return _placed(signal, to_raw(signal, value, exponent, flip))


def masks(signal: Signal) -> list[int]:
    """Which bits of each register (or bit) from the signal's address on are its own."""
    if signal.type == "text":
        return [0xFFFF] * signal.length
    found = [mask for mask, _ in _placed(signal, 0)]
    return [_swapped(mask) for mask in found] if signal.little else found


def _placed(signal: Signal, raw: int) -> list[tuple[int, int]]:
    if not signal.in_registers:
        return [(1, raw)]
    shift, mask = (signal.bit or 0), field_mask(signal)
    if signal.type == "u8hi":
        shift += 8
    number, mask = raw << shift, mask << shift
    if signal.type not in TWO_WORDS:
        return [(mask, number)]
    words = [(mask >> 16, number >> 16), (mask & 0xFFFF, number & 0xFFFF)]
    return words[::-1] if signal.low_first else words


def decode(signal: Signal, memory: Sequence[int], exponent: int = 0, flip: bool = False) -> Value:
    """Value of the registers (or the one bit) from the signal's address on."""
    if signal.type == "text":
        words = [_swapped(word) for word in memory] if signal.little else memory
        letters = bytes(word & 0xFF for word in words) if signal.characters == 1 else struct.pack(f">{len(words)}H", *words)
        return letters.split(b"\0")[0].decode("ascii", "replace").rstrip()
    return from_raw(signal, raw_of(signal, memory), exponent, flip)


def raw_of(signal: Signal, memory: Sequence[int]) -> int:
    """The bits of the signal's number, lowest one at 0, out of the registers (or the one bit) from its address on."""
    if not signal.in_registers:
        return memory[0]
    words = [_swapped(word) for word in memory] if signal.little else memory
    number = words[0]
    if signal.type in TWO_WORDS:
        high, low = words[::-1] if signal.low_first else words
        number = high << 16 | low
    elif signal.type == "u8hi":
        number >>= 8
    return number >> (signal.bit or 0) & field_mask(signal)


def field_mask(signal: Signal) -> int:
    """Mask of the signal's number, lowest bit at 0."""
    if not signal.in_registers:
        return 1
    return (1 << (signal.bits if signal.bit is not None else _WIDTH.get(signal.type, 16))) - 1


def to_raw(signal: Signal, value: Value, exponent: int = 0, flip: bool = False) -> int:
    """The bits of the number that stands for `value`, unsigned. ValueError says what would have fitted."""
    if signal.loop:
        return _loop_raw(signal, value, flip)
    if is_bool(signal):
        if value not in (0, 1):
            raise ValueError(f"{signal.name} is true or false, not {value!r}")
        return int(bool(value) != (signal.invert != flip))
    if isinstance(value, str):
        number: float = _named(signal, value)
    else:
        number = float(value) if signal.enum else _unscaled(signal, -value if flip else value, exponent)
    if _is_float(signal):
        try:
            return int(struct.unpack(">I", struct.pack(">f", number))[0])
        except OverflowError:
            raise ValueError(f"{signal.name} cannot hold {value}: too large for a 32-bit float") from None
    raw = math.floor(number + 0.5)  # halves up, as a technician rounds
    mask = field_mask(signal)
    if isinstance(value, str) and 0 <= raw <= mask:
        return raw
    low, high = (-(mask + 1) // 2, mask // 2) if _is_signed(signal) else (0, 10 ** _DIGITS[signal.type] - 1 if _is_bcd(signal) else mask)
    if not low <= raw <= high:
        raise ValueError(f"{signal.name} cannot hold {value}: the raw number {raw} is not in {low}..{high}")
    return int(str(raw), 16) if _is_bcd(signal) else raw & mask


def number_of(signal: Signal, raw: int) -> float | int:
    """The number that the raw bits are, before scale and offset; of BCD the digits."""
    if _is_float(signal):
        return float(struct.unpack(">f", struct.pack(">I", raw))[0])
    if _is_bcd(signal):
        digits = f"{raw:x}"
        return int(digits) if digits.isdecimal() else raw
    mask = field_mask(signal)
    return raw - mask - 1 if _is_signed(signal) and raw > mask // 2 else raw


def from_raw(signal: Signal, raw: int, exponent: int = 0, flip: bool = False) -> Value:
    """What the number means: a name where it has one, else the scaled value."""
    if signal.loop:
        state = meaning(signal, signal.loop, raw)
        return loop_value(signal, state or str(number_of(signal, raw)), flip)
    if is_bool(signal):
        return bool(raw) != (signal.invert != flip)
    name = meaning(signal, signal.enum, raw) or fault_of(signal, raw)
    if name is not None:
        return name
    number = -number_of(signal, raw) if flip else number_of(signal, raw)
    if signal.scale == 1.0 and signal.offset == 0.0 and not exponent:
        return number
    return number * 10.0**-exponent * signal.scale + signal.offset


def loop_value(signal: Signal, state: str, flip: bool = False) -> Value:
    """Normal and active as a contact's false and true, everything else by its name."""
    if state not in ("normal", "active"):
        return state
    return (state == "active") != (signal.invert != flip)


def loop_state(signal: Signal, value: Value, flip: bool = False) -> str:
    """The inverse of `loop_value`; a name stands for itself."""
    if isinstance(value, str):
        return value
    if value not in (0, 1):
        raise ValueError(f"{signal.name} is true, false, open or short, not {value!r}")
    return "active" if bool(value) != (signal.invert != flip) else "normal"


def fault_of(signal: Signal, raw: int) -> str | None:
    """The fault that this number stands for, such as "wire break"."""
    return meaning(signal, signal.faults, raw)


def meaning(signal: Signal, table: Sequence[Named], raw: int) -> str | None:
    """What a table says of this number. A manual may print 0xFFFF of a signed register, and prints BCD as it stands."""
    if not table:
        return None
    either = (raw,) if _is_bcd(signal) or signal.type == "bool" else (number_of(signal, raw), raw)
    numbers = either[:1] if _is_float(signal) else either
    return next((text for low, high, text in table if any(low <= number < high + 1 for number in numbers)), None)


def choices(signal: Signal) -> list[str]:
    """Names that the signal can be set to."""
    tables = (*signal.enum, *signal.faults, *signal.doubts, *signal.loop)
    return list(dict.fromkeys(text for _, _, text in tables))


def _is_float(signal: Signal) -> bool:
    return signal.type == "f32" and signal.bit is None


def _is_bcd(signal: Signal) -> bool:
    return signal.type in _DIGITS


def _is_signed(signal: Signal) -> bool:
    return signal.type in _SIGNED and signal.bit is None


def _named(signal: Signal, name: str) -> int:
    """The number of a name: inside its range; of a fault the lowest, the first of the list in the manual."""
    for low, high, text in signal.enum:
        if text == name:
            return _inside(low, high)
    for low, _, text in (*signal.faults, *signal.doubts):
        if text == name:
            return low
    raise ValueError(f"{signal.name} has no value {name!r}; it takes {', '.join(choices(signal)) or 'a number'}")


def _loop_raw(signal: Signal, value: Value, flip: bool) -> int:
    """A number inside the band of a loop's state."""
    state = loop_state(signal, value, flip)
    found = next((_inside(low, high) for low, high, text in signal.loop if text == state), None)
    if found is None:
        raise ValueError(f"{signal.name} has no state {value!r}; it takes {', '.join(choices(signal))}")
    if _is_float(signal):
        return int(struct.unpack(">I", struct.pack(">f", found))[0])
    return found & field_mask(signal)


def _inside(low: int, high: int) -> int:
    """The middle of a range; 0 where the range begins with it: a register of flags is 0 at rest."""
    return (low + high) // 2 if low else 0


def _unscaled(signal: Signal, value: float, exponent: int) -> float:
    number = (value - signal.offset) / signal.scale * 10.0**exponent
    if not math.isfinite(number):
        raise ValueError(f"{signal.name} cannot hold {value}")
    return number


def _swapped(word: int) -> int:
    """A register with its two bytes exchanged."""
    return word >> 8 & 0xFF | (word & 0xFF) << 8


def _text_registers(signal: Signal, value: Value) -> list[tuple[int, int]]:
    """Two characters to a register, the first one in the high byte, or one in the low byte; the rest filled with zeros."""
    room = signal.characters * signal.length
    data = str(value).encode("ascii", "replace")
    if len(data) > room:
        raise ValueError(f"{signal.name} holds {room} characters, not {len(data)}")
    data = data.ljust(room, b"\0")
    words = data if signal.characters == 1 else struct.unpack(f">{signal.length}H", data)
    return [(0xFFFF, word) for word in words]
