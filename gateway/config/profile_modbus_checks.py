"""Checks of a Modbus profile that look at more than one signal: references, addresses, tables of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gateway.config.problems import unknown
from gateway.config.profile_modbus import ModbusProfile, Signal, When, Write
from gateway.config.toml_lines import KeyPath

Error = tuple[KeyPath, str]

LAST_ADDRESS = 0xFFFF
_NUMBER = re.compile(r"^-?(?:0x[0-9a-fA-F]+|\d+)(?:-(-?(?:0x[0-9a-fA-F]+|\d+)))?$")
_TABLES = ("sentinels", "enum", "fault_values", "uncertain_values", "loop")
_RAW = {
    "bool": (0, 1),
    "u8hi": (0, 0xFF),
    "u8lo": (0, 0xFF),
    "u16": (0, 0xFFFF),
    "s16": (-0x8000, 0x7FFF),
    "u32": (0, 0xFFFF_FFFF),
    "s32": (-0x8000_0000, 0x7FFF_FFFF),
    "bcd16": (0, 9999),
    "bcd32": (0, 99_999_999),
}
_TWO_WORDS = ("u32", "s32", "f32", "bcd32")


def modbus_errors(profile: ModbusProfile) -> list[Error]:
    """Key path and words of everything that does not fit together."""
    named: dict[str, Signal] = {}
    errors: list[Error] = []
    for index, signal in enumerate(profile.signals):
        for name in _names(signal, signal.name):
            if name in named:
                errors.append((("signals", index, "name"), f'"{name}" is the name of another signal too'))
            named[name] = signal
    for index, signal in enumerate(profile.signals):
        errors += [(("signals", index, *key), words) for key, words in _signal_errors(profile, signal, named)]
    if profile.heartbeat and (words := _no_number(profile.heartbeat.signal, named)):
        errors.append((("heartbeat", "signal"), words))
    return errors + list(_device_errors(profile))


def _names(signal: Signal, text: str) -> Iterator[str]:
    """The text for each n of a repeated signal."""
    repeat = signal.repeat
    for n in range(repeat.first, repeat.first + repeat.count) if repeat else ("",):
        yield text.replace("{n}", str(n))


def _signal_errors(profile: ModbusProfile, signal: Signal, named: dict[str, Signal]) -> Iterator[Error]:
    for key in ("exponent_from", "sign_from", "sense_from"):
        reference = getattr(signal, key)
        if reference and (words := _first(_no_number(name, named) for name in _names(signal, reference))):
            yield (key,), words
    for key in ("or_with", "from_signals"):
        for i, reference in enumerate(getattr(signal, key)):
            if words := _first(_no_contact(name, named) for name in _names(signal, reference)):
                yield (key, i), words
    for i, when in enumerate(signal.valid_when):
        yield from _when_errors(("valid_when", i), signal, when, named)
    if signal.write and signal.write.remote_when:
        yield from _when_errors(("write", "remote_when"), signal, signal.write.remote_when, named)
    for key in _TABLES:
        for raw in getattr(signal, key):
            if words := _no_range(raw) or _never_read(raw, signal):
                yield (key, raw), words
    if signal.words == "tested" and profile.word_order is None:
        yield ("words",), "tested needs [word_order], the register that shows the order"
    if signal.area is not None:
        yield from _place_errors(profile, signal)
    yield from _write_errors(profile, signal)


def _first(words: Iterable[str]) -> str:
    return next((some for some in words if some), "")


def _no_number(name: str, named: dict[str, Signal]) -> str:
    """Why this signal has no raw number to look at."""
    if name not in named:
        return unknown("a signal of this profile", name, named)
    return f'"{name}" is made from other signals; name one of those' if named[name].from_signals else ""


def _no_contact(name: str, named: dict[str, Signal]) -> str:
    if words := _no_number(name, named):
        return words
    return "" if named[name].kind in ("contact", "latched") else f'"{name}" is no contact'


def _when_errors(key: KeyPath, signal: Signal, when: When, named: dict[str, Signal]) -> Iterator[Error]:
    names = list(_names(signal, when.signal))
    if words := _first(_no_number(name, named) for name in names):
        yield (*key, "signal"), words
        return
    watched = named[names[0]]
    list_key = "in" if when.is_in else "not_in"
    for item in when.is_in or when.not_in:
        if isinstance(item, str) and item in watched.enum.values():
            continue
        if isinstance(item, str) and _no_range(item):
            words = f'"{item}" is neither a number, a range such as "1000-1999", nor a name that "{names[0]}" shows'
            yield (*key, list_key), words
        elif words := _never_read(str(item), watched):
            yield (*key, list_key), words


def _no_range(text: str) -> str:
    found = _NUMBER.match(text)
    if found is None:
        return f'"{text}" is neither a raw number (decimal or 0x..) nor a range such as "1000-1999"'
    if found[1] is not None and int(text[: found.start(1) - 1], 0) > int(found[1], 0):
        return f'"{text}" is a range whose low end comes last'
    return ""


def _never_read(text: str, signal: Signal) -> str:
    """Why a raw number could never come from this signal: a fault code that does not match is a fault that is not told."""
    if signal.bit is not None:
        low, high = 0, (1 << signal.bits) - 1
    elif signal.type in _RAW:
        low, high = _RAW[signal.type]
    else:
        return ""
    found = _NUMBER.match(text)
    assert found is not None
    first = int(text if found[1] is None else text[: found.start(1) - 1], 0)
    last = first if found[1] is None else int(found[1], 0)
    if low <= first and last <= high:
        return ""
    words = f"{text} is never read: a {signal.type}{f' field of {signal.bits} bits' if signal.bit is not None else ''} is {low} to {high}"
    if signal.type in ("s16", "s32") and high < first <= 2 * high + 1:
        words += f"; as a signed number it is {first - 2 * (high + 1)}"
    return words


def _place_errors(profile: ModbusProfile, signal: Signal) -> Iterator[Error]:
    assert signal.address is not None
    size = signal.length if signal.type == "text" else 2 if signal.type in _TWO_WORDS else 1
    repeat = signal.repeat
    last = signal.address + ((repeat.count - 1) * repeat.stride if repeat else 0)
    for address in (signal.address, last):
        if words := _no_address(profile, address, size):
            yield ("address",), words
            return
    if signal.bit is not None:
        width = 32 if signal.type in _TWO_WORDS else 8 if signal.type in ("u8hi", "u8lo") else 16
        ends = (signal.bit, signal.bit + ((repeat.count - 1) * repeat.bit_stride if repeat else 0))
        if min(ends) < 0 or max(ends) + signal.bits > width:
            yield ("bit",), f"the field does not lie within the {width} bits of a {signal.type}"
    exact = [(block.address, block.address + block.count) for block in profile.exact_blocks if block.area == signal.area]
    strides = [signal.address + i * repeat.stride for i in range(repeat.count)] if repeat else [signal.address]
    if exact and not all(any(start <= at and at + size <= end for start, end in exact) for at in strides):
        yield ("address",), f"lies in none of the exact_blocks of the {signal.area} area"


def _no_address(profile: ModbusProfile, address: int, size: int = 1) -> str:
    wire = address - profile.address_base
    if wire < 0:
        return f"{address} is no address where they count from {profile.address_base}"
    return f"{address} ends beyond wire address {LAST_ADDRESS}" if wire + size - 1 > LAST_ADDRESS else ""


def _write_errors(profile: ModbusProfile, signal: Signal) -> Iterator[Error]:
    writes: list[tuple[KeyPath, Write | None]] = [(("clear",), signal.clear), (("safe",), signal.safe)]
    how, repeat = signal.write, signal.repeat
    if how is not None:
        writes += [(("write", "before", i), write) for i, write in enumerate(how.before)]
        writes += [(("write", "after", i), write) for i, write in enumerate(how.after)]
    last = repeat.count - 1 if repeat else 0
    for key, write in writes:
        if write and (words := _first(_no_address(profile, write.address + i * write.stride) for i in (0, last))):
            yield (*key, "address"), words
    if how is not None and how.address is not None:
        stride = (repeat.stride if repeat else 0) if how.stride is None else how.stride
        if words := _first(_no_address(profile, how.address + i * stride) for i in (0, last)):
            yield ("write", "address"), words
    pulse = signal.pulse
    if pulse and (words := _first(_no_address(profile, pulse.address + i * pulse.stride) for i in (0, last))):
        yield ("pulse", "address"), words


def _device_errors(profile: ModbusProfile) -> Iterator[Error]:
    for i, block in enumerate(profile.exact_blocks):
        if words := _no_address(profile, block.address, block.count):
            yield ("exact_blocks", i, "address"), words
        most = 125 if block.area in ("holding", "input") else 2000
        if block.count > most:
            yield ("exact_blocks", i, "count"), f"one request reads at most {most} of the {block.area} area"
    for key, place, size in (("identity", profile.identity, 1), ("word_order", profile.word_order, 2)):
        if place is None:
            continue
        if words := _no_address(profile, place.address, size):
            yield (key, "address"), words
    for i, write in enumerate(profile.start):
        if words := _no_address(profile, write.address):
            yield ("start", i, "address"), words
    if profile.feed and (words := _no_address(profile, profile.feed.write.address)):
        yield ("feed", "write", "address"), words
