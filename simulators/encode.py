"""From a signal's value to the bits in a device's memory, and back. Pure.

The inverse of what a device profile says: number types, word order, scale and offset, decimal exponent, bit fields, inverted bits,
enums, and the special numbers that stand for "sensor broken". Values: bool for contacts, latches and one-bit outputs; a name (str)
for enums, sentinels and faults; int or float in the signal's unit for measurements and counters; str for texts.
"""

from __future__ import annotations

import math
import struct

from simulators.profiles import Signal

Value = bool | int | float | str

_WIDTH = {"bool": 16, "u8hi": 8, "u8lo": 8, "u16": 16, "s16": 16, "u32": 32, "s32": 32, "f32": 32}
_SIGNED = ("s16", "s32")


def is_bool(signal: Signal) -> bool:
    """True for a signal that is on or off."""
    return (signal.type == "bool" and signal.bits == 1) or signal.kind in ("contact", "latched")


def encode(signal: Signal, value: Value, exponent: int = 0) -> list[tuple[int, int]]:
    """(mask, bits) for each register or bit from the signal's address on. ValueError for a value that it cannot hold."""
    if signal.type == "text":
        return _text_registers(signal, value)
    raw = to_raw(signal, value, exponent)
    if not signal.in_registers:
        return [(1, raw)]
    shift, mask = (signal.bit or 0), field_mask(signal)
    if signal.type == "u8hi":
        shift += 8
    number, mask = raw << shift, mask << shift
    if _WIDTH[signal.type] < 32:
        return [(mask, number)]
    words = [(mask >> 16, number >> 16), (mask & 0xFFFF, number & 0xFFFF)]
    return words[::-1] if signal.low_first else words


def decode(signal: Signal, memory: list[int], exponent: int = 0) -> Value:
    """Value of the registers (or the one bit) from the signal's address on."""
    if signal.type == "text":
        return struct.pack(f">{len(memory)}H", *memory).split(b"\0")[0].decode("ascii", "replace").rstrip()
    if not signal.in_registers:
        return from_raw(signal, memory[0], exponent)
    number = memory[0]
    if _WIDTH[signal.type] == 32:
        high, low = memory[::-1] if signal.low_first else memory
        number = high << 16 | low
    elif signal.type == "u8hi":
        number >>= 8
    return from_raw(signal, number >> (signal.bit or 0) & field_mask(signal), exponent)


def field_mask(signal: Signal) -> int:
    """Mask of the signal's number, lowest bit at 0."""
    if not signal.in_registers:
        return 1
    return (1 << (signal.bits if signal.bit is not None else _WIDTH[signal.type])) - 1


def to_raw(signal: Signal, value: Value, exponent: int = 0) -> int:
    """The bits of the number that stands for `value`, unsigned. ValueError says what would have fitted."""
    if is_bool(signal):
        if value not in (0, 1):
            raise ValueError(f"{signal.name} is true or false, not {value!r}")
        return int(bool(value) != signal.invert)
    if isinstance(value, str):
        number: float = _named(signal, value)
    else:
        number = float(value) if signal.enum else _unscaled(signal, value, exponent)
    if _is_float(signal):
        try:
            return int(struct.unpack(">I", struct.pack(">f", number))[0])
        except OverflowError:
            raise ValueError(f"{signal.name} cannot hold {value}: too large for a 32-bit float") from None
    raw = math.floor(number + 0.5)  # halves up, as a technician rounds
    mask = field_mask(signal)
    low, high = (-(mask + 1) // 2, mask // 2) if _is_signed(signal) else (0, mask)
    if low <= raw <= high or (isinstance(value, str) and 0 <= raw <= mask):
        return raw & mask
    raise ValueError(f"{signal.name} cannot hold {value}: the raw number {raw} is not in {low}..{high}")


def number_of(signal: Signal, raw: int) -> float | int:
    """The number that the raw bits are, before scale and offset."""
    if _is_float(signal):
        return float(struct.unpack(">f", struct.pack(">I", raw))[0])
    mask = field_mask(signal)
    return raw - mask - 1 if _is_signed(signal) and raw > mask // 2 else raw


def from_raw(signal: Signal, raw: int, exponent: int = 0) -> Value:
    """What the number means: a name where it has one, else the scaled value."""
    if is_bool(signal):
        return bool(raw) != signal.invert
    number = number_of(signal, raw)
    name = next((name for each, name in signal.enum if each == number), None) or fault_of(signal, raw)
    if name is not None:
        return name
    if signal.scale == 1.0 and signal.offset == 0.0 and not exponent:
        return number
    return number * 10.0**-exponent * signal.scale + signal.offset


def fault_of(signal: Signal, raw: int) -> str | None:
    """The fault that this number stands for, such as "wire break"."""
    either = (number_of(signal, raw), raw)  # a manual may print 0xFFFF of a signed register
    return next((text for low, high, text in signal.faults if any(low <= number <= high for number in either)), None)


def choices(signal: Signal) -> list[str]:
    """Names that the signal can be set to."""
    return list(dict.fromkeys([name for _, name in signal.enum] + [text for _, _, text in signal.faults]))


def _is_float(signal: Signal) -> bool:
    return signal.type == "f32" and signal.bit is None


def _is_signed(signal: Signal) -> bool:
    return signal.type in _SIGNED and signal.bit is None


def _named(signal: Signal, name: str) -> int:
    for number, text in signal.enum:
        if text == name:
            return number
    for low, _, text in signal.faults:
        if text == name:
            return low
    raise ValueError(f"{signal.name} has no value {name!r}; it takes {', '.join(choices(signal)) or 'a number'}")


def _unscaled(signal: Signal, value: float, exponent: int) -> float:
    number = (value - signal.offset) / signal.scale * 10.0**exponent
    if not math.isfinite(number):
        raise ValueError(f"{signal.name} cannot hold {value}")
    return number


def _text_registers(signal: Signal, value: Value) -> list[tuple[int, int]]:
    """Two characters to a register, the first one in the high byte, the rest filled with zeros."""
    data = str(value).encode("ascii", "replace")
    if len(data) > 2 * signal.length:
        raise ValueError(f"{signal.name} holds {2 * signal.length} characters, not {len(data)}")
    words = struct.unpack(f">{signal.length}H", data.ljust(2 * signal.length, b"\0"))
    return [(0xFFFF, word) for word in words]
