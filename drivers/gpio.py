"""The driver of a board's own contacts: which lines of the chip are wanted, and what their edges mean. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.unasked import Unasked
from gateway.core.pins import PinRequest, PinState
from gateway.core.reading import Quality, Reading, Value
from gateway.core.wire import Exchange, WirePoint

if TYPE_CHECKING:
    from gateway.config.profile_gpio import GpioProfile, GpioSignal

TIMEOUT_S = 1.0
PULSE_MOST_S = 60.0


@dataclass(slots=True, eq=False)
class _Point:
    """One point: its line and what was said last."""

    point: str
    line: int
    inverted: bool
    said: tuple[Value, Quality, str] | None = None


class GpioDriver(Unasked):
    """One board of the site."""

    def __init__(self, device_id: str, profile: GpioProfile, unit: int, points: Sequence[WirePoint], outputs: Sequence[str] = ()) -> None:
        """unit: not used, a chip has one board. outputs: names of the output signals that the site uses.

        ValueError when a point names a signal that the profile does not have, or an output, or an output is none.
        """
        self._device, self._profile = device_id, profile
        self._signals = dict(_written_out(profile.signals))
        self._points = [_Point(point.point, self._line(point.signal, "contact"), point.inverted) for point in points]
        wanted = {point.signal for point in points} | {name for name in outputs if self._line(name, "output") >= 0}
        self._wanted = sorted(wanted)

    def _line(self, name: str, kind: str) -> int:
        if name not in self._signals:
            raise ValueError(f'device {self._device}: profile {self._profile.id} has no signal "{name}"')
        signal, line = self._signals[name]
        if signal.kind != kind:
            raise ValueError(f'device {self._device}: signal "{name}" is {"an output" if signal.kind == "output" else "no output"}')
        return line

    def pins(self) -> list[PinRequest]:
        """The lines that the site uses, and no others: the rest of the header stays free for other programs."""
        requests = []
        for name in self._wanted:
            signal, line = self._signals[name]
            output = signal.kind == "output"
            debounce_s = 0.0 if output else signal.debounce_ms / 1000
            requests.append(PinRequest(self._device, line, output, signal.bias, signal.active_low, debounce_s, signal.safe))
        return requests

    # --- what it says -----------------------------------------------------------------

    def hear(self, message: object, now_s: float) -> list[Reading]:
        """The contact on this line, if its state is new."""
        if not isinstance(message, PinState):
            return []
        readings = []
        for point in self._points:
            said = (message.active != point.inverted, Quality.GOOD, "")
            if point.line == message.line and point.said != said:
                point.said = said
                readings.append(Reading(point.point, said[0], now_s=now_s))
        return readings

    def lost(self, reason: str, now_s: float) -> list[Reading]:
        """All contacts are bad until the chip is read again."""
        readings = []
        said = (None, Quality.BAD, reason)
        for point in self._points:
            if point.said != said:
                point.said = said
                readings.append(Reading(point.point, None, Quality.BAD, reason, now_s))
        return readings

    def say_again(self, point: str) -> None:
        """The next report of this line is told even if it has not changed."""
        for known in self._points:
            if known.point == point:
                known.said = None

    # --- what it is told --------------------------------------------------------------

    def encode(self, signal: str, value: bool | int | float | str) -> list[Exchange]:
        """Sets an output line."""
        return [self._exchange(signal, value, 0.0)]

    def pulse(self, signal: str, duration_s: float) -> list[Exchange] | None:
        """Active for 1 ms to 60 s; ended by the line's owner in this process, or by the kernel when the process ends."""
        if not 0.001 <= duration_s <= PULSE_MOST_S:
            return None
        return [self._exchange(signal, True, duration_s)]

    def _exchange(self, name: str, value: bool | int | float | str, for_s: float) -> Exchange:
        line = self._line(name, "output")
        unused, words = name not in self._wanted, isinstance(value, str)
        if unused or words:
            raise ValueError(f'device {self._device}: output "{name}" {"is not put to use at this site" if unused else "is on or off"}')
        request = json.dumps({"line": line, "on": bool(value), "for_s": for_s}).encode()
        return Exchange(self._device, f"{name} {value}", 0, request, reply_bytes=0, timeout_s=TIMEOUT_S)


def _written_out(signals: Iterable[GpioSignal]) -> Iterable[tuple[str, tuple[GpioSignal, int]]]:
    """(name, (signal, line)) with repeats written out."""
    for signal in signals:
        if signal.repeat is None:
            yield signal.name, (signal, signal.line)
            continue
        for i in range(signal.repeat.count):
            yield signal.name.replace("{n}", str(signal.repeat.first + i)), (signal, signal.line + i * signal.repeat.stride)
