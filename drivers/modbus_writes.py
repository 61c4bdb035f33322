"""What a Modbus device is told: outputs, pulses, latches that are released, settings, a watchdog that is fed.

    05 coil       [5][address 2][FF 00 on, 00 00 off, or a word that only this board knows]
    06 register   [6][address 2][word 2]
    15 coils      [15][address 2][count 2][1][bits]
    16 registers  [16][address 2][count 2][bytes][words]

The reply of 5 and 6 is the request, that of 15 and 16 its first five bytes; a profile names what answers otherwise.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from drivers.modbus_places import Placed, address_shift, on_the_wire
from drivers.modbus_values import is_switch, to_words
from gateway.core.wire import Block, Exchange, WireClass

if TYPE_CHECKING:
    from gateway.config.profile_modbus import Feed, Write
    from gateway.config.profile_modbus import ModbusProfile as Profile

COIL, REGISTER, COILS, REGISTERS = 5, 6, 15, 16
ECHO_BYTES = 5
COIL_ON = 0xFF00
FEED = "feed"


def request_of(function: int, address: int, words: Sequence[int]) -> bytes:
    """Data unit of a write. words: one raw word for 5 and 6, one state for 15, any number of registers for 16."""
    if function in (COIL, REGISTER):
        if len(words) != 1:
            raise ValueError(f"function {function} writes one word, not {len(words)}")
        return struct.pack(">BHH", function, address, words[0])
    if function == COILS:
        return struct.pack(">BHHBB", COILS, address, 1, 1, 1 if words[0] else 0)
    return struct.pack(f">BHHB{len(words)}H", REGISTERS, address, len(words), 2 * len(words), *words)


def reply_to(request: bytes, form: str, ack: int | None = None) -> tuple[int, bytes]:
    """Length and bytes of the reply that means "done"; (0, nothing) where nobody answers."""
    if form == "none":
        return 0, b""
    if form == "request":
        return len(request), request
    if ack is not None:
        return ECHO_BYTES, request[:3] + struct.pack(">H", ack)
    return ECHO_BYTES, request[:ECHO_BYTES]


def _coil_word(value: int) -> int:
    """1 and 0 as function 5 says them; a larger word as it stands."""
    return COIL_ON if value == 1 else value


@dataclass(frozen=True, slots=True)
class Writer:
    """Makes the writes to one device. timeout_s: end of request to first reply byte."""

    device: str
    unit: int
    profile: Profile
    address_offset: int
    timeout_s: float

    def fixed(self, write: Write, index: int, name: str, wire_class: WireClass) -> Exchange:
        """A write with a fixed value; index: which of a repeat. ValueError when its address is none."""
        return self._exchange(name, self._fixed(write, index, write.value, name), write.reply, None, wire_class)

    def _fixed(self, write: Write, index: int, value: int, what: str) -> bytes:
        function: int = write.function or (COIL if write.area == "coil" else REGISTER)
        address = self._address(write.address + index * write.stride, what)
        return request_of(function, address, [_coil_word(value) if function == COIL else value, *write.further])

    def output(self, placed: Placed, value: bool | int | float | str, low_first: bool | None) -> list[Exchange]:
        """What sets an output, with what encloses it. ValueError when it cannot take this value.

        low_first: the order of words that was found out, None while it is unknown.
        """
        signal, how = placed.signal, placed.signal.write
        if signal.words == "tested" and low_first is None:
            raise ValueError("the order of words is not known yet")
        if not is_switch(signal):
            words = to_words(signal, value, bool(low_first))
        elif isinstance(value, str):
            raise ValueError("it is switched on or off")
        else:
            words = self._switch_words(placed, bool(value))
        usual = COIL if signal.area == "coil" else REGISTERS if len(words) > 1 else REGISTER
        function: int = (how.function if how else None) or usual
        if function == COIL:
            words = tuple(_coil_word(word) for word in words)
        address = placed.address
        if how is not None and how.address is not None:
            stride = (signal.repeat.stride if signal.repeat else 0) if how.stride is None else how.stride
            address = self._address(how.address + placed.index * stride, f"set {placed.name}")
        form, ack = (how.reply, how.ack) if how else ("echo", None)
        name = f"set {placed.name}"
        return self._enclosed(placed, self._exchange(name, request_of(function, address, words), form, ack, WireClass.LIFE_SAFETY))

    def pulse(self, placed: Placed, duration_s: float) -> list[Exchange] | None:
        """A pulse that the device ends; None when it has none. ValueError for a duration that it cannot count."""
        pulse = placed.signal.pulse
        if pulse is None:
            return None
        units = max(1, round(duration_s * 1000 / pulse.unit_ms))
        if duration_s <= 0 or units > pulse.most:
            raise ValueError(f"a pulse lasts at most {pulse.most * pulse.unit_ms / 1000:g} s, not {duration_s:g} s")
        name = f"pulse {placed.name}"
        address = self._address(pulse.address + placed.index * pulse.stride, name)
        function = pulse.function or (COIL if pulse.area == "coil" else REGISTER)
        request = request_of(function, address, [pulse.base + units])
        return self._enclosed(placed, self._exchange(name, request, "echo", None, WireClass.LIFE_SAFETY))

    def feed(self, feed: Feed) -> Block:
        """The write that a watchdog in the device waits for.

        `expect` is the reply to `request`; that to `alternate` is the same where it is no echo of the value, else `alternate`.
        """
        once = self.fixed(feed.write, 0, FEED, WireClass.STATE)
        second = b"" if feed.alternate is None else self._fixed(feed.write, 0, feed.alternate, FEED)
        return Block(
            device=self.device,
            name=FEED,
            unit=self.unit,
            request=once.request,
            reply_bytes=once.reply_bytes,
            period_s=feed.every_s,
            deadline_s=feed.every_s,
            wire_class=WireClass.STATE,
            timeout_s=self.timeout_s,
            points=(),
            gap_s=once.gap_s,
            late_s=once.late_s,
            alternate=second,
            expect=once.expect,
        )

    def _switch_words(self, placed: Placed, value: bool) -> tuple[int, ...]:
        """The raw word that means on or off."""
        signal, how = placed.signal, placed.signal.write
        if how is None or (how.on is None and how.off is None):
            return (1 if value != signal.invert else 0,)
        word = how.on if value else how.off
        if word is None:
            raise ValueError(f"it is a command and cannot be switched {'on' if value else 'off'}")
        return (word,)

    def _enclosed(self, placed: Placed, exchange: Exchange) -> list[Exchange]:
        how = placed.signal.write
        if how is None:
            return [exchange]
        before = [self.fixed(write, placed.index, f"before {exchange.name}", exchange.wire_class) for write in how.before]
        after = [self.fixed(write, placed.index, f"after {exchange.name}", exchange.wire_class) for write in how.after]
        sequence = [*before, exchange, *after]
        return sequence if len(sequence) == 1 else [replace(each, within_s=how.within_ms / 1000) for each in sequence]

    def _address(self, address: int, what: str) -> int:
        return on_the_wire(address + address_shift(self.profile, self.address_offset), what)

    def _exchange(self, name: str, request: bytes, form: str, ack: int | None, wire_class: WireClass) -> Exchange:
        limits = self.profile.limits
        reply_bytes, expect = reply_to(request, form, ack)
        return Exchange(
            device=self.device,
            name=name,
            unit=self.unit,
            request=request,
            reply_bytes=reply_bytes,
            timeout_s=self.timeout_s,
            wire_class=wire_class,
            gap_s=max(limits.gap_ms, limits.write_gap_ms) / 1000,
            late_s=limits.late_ms / 1000,
            expect=expect,
        )
