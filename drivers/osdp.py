"""The driver of an OSDP reader: what its reports mean and how its lamps and outputs are worked. Pure: no port, no clock.

Card bits and typed keys never leave this file: a card is told as `hash_card` of its number of bits (two bytes, high
first) and its bits, an entry on the keypad as the hash of `pin:` and its digits, once enter was pressed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.unasked import Unasked
from gateway.core.reader import CardShown, KeysPressed, ReaderInputs, ReaderState
from gateway.core.reading import Quality, Reading, Value
from gateway.core.wire import Exchange, WirePoint

if TYPE_CHECKING:
    from gateway.config.profile_osdp import OsdpProfile, OsdpSignal

TIMEOUT_S = 8.0  # libosdp repeats a command for so long
PULSE_MOST_S = 25.5  # its timers are 8 bits of 0.1 s
ENTER, DELETE = b"\r#", b"\x7f*"
DIGITS_MOST = 32
COLOURS = ("off", "red", "green", "amber", "blue", "magenta", "cyan", "white")


@dataclass(slots=True, eq=False)
class _Point:
    """One point: which report it follows and what was said last.

    entry: digits typed so far. seen_s, card: when the last card was read here, and its hash.
    """

    point: str
    what: str
    number: int
    reader: int
    inverted: bool
    said: tuple[Value, Quality, str] | None = None
    entry: bytes = b""
    seen_s: float = 0.0
    card: str = ""

    def say(self, value: Value, now_s: float) -> list[Reading]:
        """A contact's state, if it is new."""
        said = (bool(value) != self.inverted, Quality.GOOD, "")
        if said == self.said:
            return []
        self.said = said
        return [Reading(self.point, said[0], now_s=now_s)]


class OsdpDriver(Unasked):
    """One reader of the site."""

    def __init__(
        self, device_id: str, profile: OsdpProfile, unit: int, points: Sequence[WirePoint], hash_card: Callable[[bytes], str]
    ) -> None:
        """unit: address on its line, 0..126. hash_card: the site's keyed hash, as text.

        ValueError when a point names a signal that the profile does not have, or an output.
        """
        self._device, self._profile, self._unit = device_id, profile, unit
        self._hash_card = hash_card
        self._signals = dict(_written_out(profile.signals))
        self._points = [self._point(point) for point in points]

    def _point(self, point: WirePoint) -> _Point:
        signal, number = self._signal(point.signal)
        if signal.kind == "output":
            raise ValueError(f'device {self._device}: signal "{point.signal}" is an output and cannot be read')
        return _Point(point.point, signal.what, number, signal.reader, point.inverted)

    def _signal(self, name: str) -> tuple[OsdpSignal, int]:
        if name not in self._signals:
            raise ValueError(f'device {self._device}: profile {self._profile.id} has no signal "{name}"')
        return self._signals[name]

    # --- what it says -----------------------------------------------------------------

    def hear(self, message: object, now_s: float) -> list[Reading]:
        """Readings of a reader's report. A contact speaks when it changed, a card once for each showing."""
        match message:
            case CardShown():
                return self._card(message, now_s)
            case KeysPressed():
                return self._keys(message, now_s)
            case ReaderState():
                states = {"tamper": message.tamper, "power": message.power_failed}
                told = [(point, states[point.what]) for point in self._points if point.what in states]
            case ReaderInputs():
                inputs = [point for point in self._points if point.what == "input" and point.number < len(message.active)]
                told = [(point, message.active[point.number]) for point in inputs]
            case _:
                return []
        return [reading for point, active in told for reading in point.say(active, now_s)]

    def _card(self, card: CardShown, now_s: float) -> list[Reading]:
        hashed = self._hash_card(card_bytes(card.bits, card.data))
        readings = []
        for point in self._points:
            if point.what != "card" or point.reader != card.reader:
                continue
            same = point.card == hashed and now_s - point.seen_s < self._profile.same_s
            point.card, point.seen_s = hashed, now_s
            if not same:
                readings.append(Reading(point.point, hashed, now_s=now_s))
        return readings

    def _keys(self, pressed: KeysPressed, now_s: float) -> list[Reading]:
        readings = []
        for point in self._points:
            if point.what != "keypad" or point.reader != pressed.reader:
                continue
            self._forget_entry(point, now_s)
            point.seen_s = now_s
            for key in pressed.keys:
                if key in DELETE:
                    point.entry = b""
                elif key not in ENTER:
                    point.entry = (point.entry + bytes([key]))[:DIGITS_MOST]
                elif point.entry:
                    readings.append(Reading(point.point, self._hash_card(b"pin:" + point.entry), now_s=now_s))
                    point.entry = b""
        return readings

    def _forget_entry(self, point: _Point, now_s: float) -> None:
        if now_s - point.seen_s >= self._profile.entry_s:
            point.entry = b""

    def lost(self, reason: str, now_s: float) -> list[Reading]:
        """The contacts are bad until the reader reports them again; a half-typed entry is forgotten."""
        readings = []
        said = (None, Quality.BAD, reason)
        for point in self._points:
            point.entry = b""
            if point.what not in ("card", "keypad") and point.said != said:
                point.said = said
                readings.append(Reading(point.point, None, Quality.BAD, reason, now_s))
        return readings

    def tick(self, now_s: float) -> list[Reading]:
        """No reading; digits that nobody ended with enter are forgotten."""
        for point in self._points:
            self._forget_entry(point, now_s)
        return []

    def say_again(self, point: str) -> None:
        """The next report tells this contact's state even if it has not changed."""
        for known in self._points:
            if known.point == point:
                known.said = None

    # --- what it is told --------------------------------------------------------------

    def encode(self, signal: str, value: bool | int | float | str) -> list[Exchange]:
        """Switches an output, a lamp or the buzzer on or off; a lamp takes a colour's name, too."""
        return [self._exchange(signal, value, 0.0)]

    def pulse(self, signal: str, duration_s: float) -> list[Exchange] | None:
        """On for 0.1 to 25.5 s; the reader ends it by itself. None for another duration."""
        if not 0.1 <= duration_s <= PULSE_MOST_S:
            return None
        return [self._exchange(signal, True, duration_s)]

    def _exchange(self, name: str, value: bool | int | float | str, for_s: float) -> Exchange:
        signal, number = self._signal(name)
        if signal.kind != "output":
            raise ValueError(f'device {self._device}: signal "{name}" is no output')
        wish: dict[str, object] = {"do": signal.what}
        if signal.what == "led":
            wish |= {"reader": signal.reader, "number": number, "colour": self._colour(name, signal, value)}
        elif isinstance(value, str):
            raise ValueError(f'device {self._device}: "{name}" is on or off, not "{value}"')
        else:
            wish |= {"on": bool(value)} | ({"reader": signal.reader} if signal.what == "buzzer" else {"number": number})
        if for_s:
            wish["for_s"] = for_s
        request = json.dumps(wish).encode()
        return Exchange(self._device, f"{name} {value}", self._unit, request, reply_bytes=0, timeout_s=TIMEOUT_S)

    def _colour(self, name: str, signal: OsdpSignal, value: bool | int | float | str) -> str:
        if not isinstance(value, str):
            return signal.colour if value else "off"
        if value not in COLOURS:
            raise ValueError(f'device {self._device}: "{name}" cannot be "{value}"; it knows {", ".join(COLOURS)}')
        return value


def card_bytes(bits: int, data: bytes) -> bytes:
    """What is hashed of a card: the number of bits in two bytes, high first, then the bits, padding set to 0.

    So 26 bits and 32 bits that begin alike are two cards, and what a reader leaves in the padding does not matter.
    """
    number = int.from_bytes(data, "big") >> max(0, 8 * len(data) - bits)
    size = (bits + 7) // 8
    return bits.to_bytes(2, "big") + (number << (8 * size - bits)).to_bytes(size, "big")


def _written_out(signals: Iterable[OsdpSignal]) -> Iterable[tuple[str, tuple[OsdpSignal, int]]]:
    """(name, (signal, number)) with repeats written out."""
    for signal in signals:
        if signal.repeat is None:
            yield signal.name, (signal, signal.number)
            continue
        for i in range(signal.repeat.count):
            yield signal.name.replace("{n}", str(signal.repeat.first + i)), (signal, signal.number + i * signal.repeat.stride)
