"""From a frame to a value: where a profile's signal lies in it, and what it means there. Pure.

A reader takes the raw number, text or card out of a frame (or of one record in it) and gives None when this one says
nothing of the signal; a converter makes value, quality and reason of it.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from gateway.core.reading import Quality, Value

if TYPE_CHECKING:
    from gateway.config.profile_frames import FrameSignal, FramesProfile

Raw = int | str | bytes
Reader = Callable[[bytes], Raw | None]
Said = tuple[Value, Quality, str]

MAX_DECIMALS = 9  # more than any display has: a larger number is a misread byte
RECORDS_MOST = 255
_NUMBERS = {
    "u8": (1, "big", False),
    "s8": (1, "big", True),
    "u16": (2, "big", False),
    "s16": (2, "big", True),
    "u32": (4, "big", False),
    "s32": (4, "big", True),
    "u16le": (2, "little", False),
    "s16le": (2, "little", True),
    "u32le": (4, "little", False),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """One signal with its repeat written out: own name, own position, own bit."""

    name: str
    signal: FrameSignal
    at: int | None
    bit: int | None


def placed_signals(profile: FramesProfile) -> Iterator[Placed]:
    """Every signal of a profile, repeated ones one by one."""
    for signal in profile.signals:
        repeat = signal.repeat
        for i in range(repeat.count if repeat else 1):
            n = str(repeat.first + i) if repeat else ""
            at = None if signal.at is None else signal.at + (i * repeat.stride if repeat else 0)
            bit = None if signal.bit is None else signal.bit + (i * repeat.bit_stride if repeat else 0)
            yield Placed(signal.name.replace("{n}", n), signal, at, bit)


class Places:
    """The parts of a frame that speak of one signal: the frame itself, or its records; then only those that `when` asks for."""

    def __init__(self, signal: FrameSignal, profile: FramesProfile) -> None:
        self._records = profile.records[signal.record] if signal.record else None
        self._frame_holds = condition(self._records.when if self._records else signal.when)
        self._record_holds = condition(signal.when)

    def find(self, frame: bytes) -> list[bytes]:
        """The frame or those of its records; none when it says nothing of the signal."""
        if not self._frame_holds(frame):
            return []
        records = self._records
        if records is None:
            return [frame]
        if records.count_at >= len(frame):
            return []
        parts = []
        for n in range(min(frame[records.count_at], RECORDS_MOST)):
            part = frame[records.first + n * records.size : records.first + (n + 1) * records.size]
            if len(part) < records.size:
                break  # the count says more than the frame holds
            if self._record_holds(part):
                parts.append(part)
        return parts


def condition(when: dict[str, str]) -> Callable[[bytes], bool]:
    """Closure frame or record -> True when it has these bytes at these positions."""
    wanted = [(int(position), bytes.fromhex(text)) for position, text in when.items()]
    return lambda data: all(_cut(data, at, len(these)) == these for at, these in wanted)


def _cut(data: bytes, at: int, size: int) -> bytes | None:
    """`size` bytes from `at` on (negative: from the end); None where the data has not that many."""
    begin = at if at >= 0 else len(data) + at
    return data[begin : begin + size] if begin >= 0 and begin + size <= len(data) else None


def reader(placed: Placed, codec: str) -> Reader:
    """Closure that takes this signal's raw value out of a frame or record."""
    signal, at = placed.signal, placed.at
    if signal.pattern:
        pattern = re.compile(signal.pattern, re.DOTALL)
        return lambda data: _matched(pattern, data.decode(codec, "replace"), signal.kind)
    if at is None:
        return lambda data: 1  # such a frame is the report
    if signal.type == "text":
        return lambda data: None if (cut := _cut(data, at, signal.length)) is None else _text(cut, codec, signal.kind)
    if signal.type == "ascii-hex":
        return lambda data: _from_hex(_cut(data, at, signal.length), signal.kind)
    number = _number(signal, at)
    if placed.bit is None:
        return number
    bit, mask = placed.bit, (1 << signal.bits) - 1
    return lambda data: None if (raw := number(data)) is None else raw >> bit & mask


def _matched(pattern: re.Pattern[str], text: str, kind: str) -> Raw | None:
    found = pattern.search(text)
    if found is None:
        return None
    if kind in ("contact", "latched"):
        return 1
    value = found[1] if pattern.groups else found[0]
    if kind == "card":
        return value.encode()
    if kind in ("measurement", "counter"):
        return int(value) if re.fullmatch(r"[+-]?[0-9]{1,18}", value) else None
    return value.strip()


def _text(cut: bytes, codec: str, kind: str) -> Raw:
    return cut if kind == "card" else cut.split(b"\0", 1)[0].decode(codec, "replace").strip()


def _from_hex(cut: bytes | None, kind: str) -> Raw | None:
    try:
        value = unhexlify(cut or b"")
    except ValueError:
        return None
    if not value:
        return None
    return value if kind == "card" else int.from_bytes(value, "big")


def _number(signal: FrameSignal, at: int) -> Callable[[bytes], int | None]:
    if signal.type == "bcd":
        return lambda data: _bcd(_cut(data, at, signal.length))
    size, order, signed = _NUMBERS[signal.type]
    big = order == "big"

    def number(data: bytes) -> int | None:
        cut = _cut(data, at, size)
        return None if cut is None else int.from_bytes(cut, "big" if big else "little", signed=signed)

    return number


def _bcd(cut: bytes | None) -> int | None:
    digits = "" if cut is None else cut.hex()
    return int(digits) if digits.isdecimal() else None


def converter(signal: FrameSignal, inverted: bool, hash_card: Callable[[bytes], str] | None) -> Callable[[Raw, bytes], Said]:
    """Closure (raw, the frame or record it is from) -> value, quality, reason. A card's number leaves only as its hash."""
    if signal.kind in ("contact", "latched"):
        rest = signal.invert != inverted
        return lambda raw, _: (bool(raw) != rest, Quality.GOOD, "")
    if signal.kind == "card":
        if hash_card is None:
            raise ValueError("a card's number is never told in clear: the driver needs a hash for it")
        return lambda raw, _: (hash_card(raw if isinstance(raw, bytes) else str(raw).encode()), Quality.GOOD, "")
    if signal.kind == "text":
        return lambda raw, _: (str(raw), Quality.GOOD, "")
    if signal.kind == "enum":
        return _names(signal)
    return _scaled(signal)


def _names(signal: FrameSignal) -> Callable[[Raw, bytes], Said]:
    words = signal.enum if signal.pattern or signal.type == "text" else {str(int(key, 0)): name for key, name in signal.enum.items()}

    def name_of(raw: Raw, _: bytes) -> Said:
        name = words.get(str(raw))
        return (str(raw), Quality.UNCERTAIN, f"unknown code {raw!s}") if name is None else (name, Quality.GOOD, "")

    return name_of


def _scaled(signal: FrameSignal) -> Callable[[Raw, bytes], Said]:
    scale, offset, decimals_at = signal.scale, signal.offset, signal.decimals_at
    plain = scale == 1.0 and offset == 0.0
    places = max(_places(scale), _places(offset))
    sentinels = [(*_span(key), meaning) for key, meaning in signal.sentinels.items()]

    def scaled(raw: Raw, data: bytes) -> Said:
        if not isinstance(raw, int):
            return None, Quality.BAD, "not a number"
        for low, high, meaning in sentinels:
            if low <= raw <= high:
                return None, Quality.BAD, meaning
        decimals = 0
        if decimals_at is not None:
            told = _cut(data, decimals_at, 1)
            if told is None or told[0] > MAX_DECIMALS:
                return None, Quality.BAD, f"number of decimals out of range (byte {decimals_at})"
            decimals = told[0]
        if plain and not decimals:
            return raw, Quality.GOOD, ""
        return round(raw / 10**decimals * scale + offset, places + decimals), Quality.GOOD, ""

    return scaled


def _places(number: float) -> int:
    exponent = Decimal(str(number)).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _span(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-") if not text.startswith("-") else (text, "", "")
    return int(low, 0), int(high or low, 0)
