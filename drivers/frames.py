"""The driver of devices with frames of their own: gas modules, card readers, panel printers, turnstiles. Pure: no port, no clock.

A `Splitter` (frames_split) finds the frames; this says what they mean. Frames come unasked or as the answer to a poll, which
is the same here. What a frame leaves open stays as it was: a contact that is only ever reported goes back by time
(`hold_s`), by a reset message (`reset_by`), or when every part that reported it has reported otherwise (`each`).

Card numbers never leave in clear. A showing is a new value each time: the hash, and empty again when the card is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from drivers.frames_checks import compose
from drivers.frames_values import Places, Raw, Said, condition, converter, placed_signals, reader
from drivers.unasked import Unasked
from gateway.core.reading import Quality, Reading
from gateway.core.wire import STALE, Block, Exchange, WireClass, WirePoint

if TYPE_CHECKING:
    from drivers.frames_values import Placed
    from gateway.config.profile_frames import FramesProfile

HashCard = Callable[[bytes], str]

PARTS_MOST = 4096  # reporting parts that one contact remembers: more than any panel of a school has
SILENCE_S = 3.0  # a device that was away for so long may have lost power, and warms up again
SEND_TIMEOUT_S = 0.5
NOT_YET = "not reported yet"
_NEVER_S = float("inf")


class _Signal:
    """Where one signal lies in a frame."""

    def __init__(self, placed: Placed, profile: FramesProfile) -> None:
        self._places = Places(placed.signal, profile)
        self._read = reader(placed, profile.codec)
        self._invert = placed.signal.invert

    def raws(self, frame: bytes) -> list[tuple[Raw, bytes]]:
        """(raw value, the frame or record it is from), in order; empty when the frame says nothing of it."""
        return [(raw, part) for part in self._places.find(frame) if (raw := self._read(part)) is not None]

    def active(self, frame: bytes) -> bool:
        """True when this frame reports the contact."""
        return any(bool(raw) != self._invert for raw, _ in self.raws(frame))


class _Point:
    """One point: what it shows now and what was said of it."""

    def __init__(self, wired: WirePoint, placed: Placed, profile: FramesProfile, hash_card: HashCard | None) -> None:
        settings = placed.signal
        self._wired, self._settings = wired, settings
        self._signal = _Signal(placed, profile)
        self._convert = converter(settings, wired.inverted, hash_card)
        self._passing_s = settings.hold_s or settings.same_s  # 0: what was reported stays
        self._reported = settings.kind in ("contact", "latched") and (settings.at is None or settings.each is not None)
        self._warms = settings.at is not None and not self._passing_s
        self._active: set[bytes] = set()  # names of the parts that report this contact
        self._stale_after_s = settings.stale_s if wired.stale_s is None else wired.stale_s  # 0: never
        self._back_s = self._stale_s = _NEVER_S
        self._shown: Said | None = None
        self._said: Said | None = None

    @property
    def reset_by(self) -> str:
        return self._settings.reset_by

    def come_up(self, now_s: float) -> None:
        """The device has just been heard of: what is known before it says more."""
        self._stale_s = now_s + self._stale_after_s if self._stale_after_s else _NEVER_S
        if self._passing_s:
            self._shown = self._rest()
        elif self._reported:
            self._shown = bool(self._active) != self._wired.inverted, Quality.UNCERTAIN, NOT_YET
        else:
            self._shown = None

    def go_bad(self, reason: str) -> None:
        self._back_s = self._stale_s = _NEVER_S
        self._shown = None, Quality.BAD, reason

    def pass_time(self, now_s: float) -> None:
        """What time alone changes."""
        if now_s >= self._back_s:
            self._back_s = _NEVER_S
            self._shown = self._rest()
        if now_s >= self._stale_s:
            self._stale_s = _NEVER_S
            self._shown = None, Quality.BAD, STALE

    def reset(self) -> None:
        """The device says that nothing is reported any more."""
        self._active.clear()
        self._shown = self._wired.inverted, Quality.GOOD, ""

    def take(self, frame: bytes, now_s: float, warming: bool) -> list[Reading]:
        """What the frame, or each record in it, says anew of this point."""
        told = []
        for raw, part in self._signal.raws(frame):
            self._shown = self._remember(raw, part) if self._reported and not self._passing_s else self._convert(raw, part)
            if self._stale_after_s:
                self._stale_s = now_s + self._stale_after_s
            if self._passing_s:
                self._back_s = now_s + self._passing_s
            told += self.tell(now_s, warming)
        return told

    def _rest(self) -> Said:
        return (self._wired.inverted if self._settings.kind == "contact" else ""), Quality.GOOD, ""

    def _remember(self, raw: Raw, part: bytes) -> Said:
        """The contact over all parts that have reported; without `each` there is one."""
        each = self._settings.each
        name = part[each[0] : each[0] + each[1]] if each else b""
        if bool(raw) == self._settings.invert:
            self._active.discard(name)
        elif len(self._active) < PARTS_MOST:
            self._active.add(name)
        return bool(self._active) != self._wired.inverted, Quality.GOOD, ""

    def say_again(self) -> None:
        self._said = None

    def tell(self, now_s: float, warming: bool) -> list[Reading]:
        """The reading, where it differs from what was said before."""
        said = self._shown
        if said is not None and warming and self._warms and said[1] is Quality.GOOD:
            said = said[0], Quality.UNCERTAIN, "warm-up"
        if said is None or said == self._said:
            return []
        self._said = said
        return [Reading(self._wired.point, said[0], said[1], said[2], now_s)]


class FramesDriver(Unasked):
    """One device with frames of its own."""

    def __init__(
        self, device_id: str, profile: FramesProfile, unit: int, points: Sequence[WirePoint], hash_card: HashCard | None = None
    ) -> None:
        """unit: what {unit} stands for. hash_card: card bytes -> what may be told of them; needed where a point is a card.

        ValueError when a point names a signal that the profile does not have, or the unit does not fit into its bytes.
        """
        self._device, self._profile, self._unit = device_id, profile, unit
        self._signals = {placed.name: placed for placed in placed_signals(profile)}
        self._points = {point.point: _Point(point, self._placed(point.signal), profile, hash_card) for point in points}
        resets = {point.reset_by for point in self._points.values()} - {""}
        self._resets = {name: _Signal(self._placed(name), profile) for name in resets}
        self._answers = [(condition(answer.when), answer.bytes) for answer in profile.answers]
        self._blocks = self._polls(points)
        self._up = False
        self._lost_s = -_NEVER_S
        self._warm_until_s = 0.0
        self._again: set[str] = set()  # points to be told anew

    def _placed(self, name: str) -> Placed:
        placed = self._signals.get(name)
        if placed is None:
            raise ValueError(f'device {self._device}: profile {self._profile.id} has no signal "{name}"')
        return placed

    # --- what to send -----------------------------------------------------------------

    @property
    def opening(self) -> tuple[bytes, ...]:
        """What to send when the port is opened, and again when the device fell silent."""
        return tuple(compose(text, self._unit) for text in self._profile.start)

    def plan(self) -> list[Block]:
        """The polls; empty where the device speaks unasked. Their answers are frames and come to `hear`."""
        return self._blocks

    def _polls(self, points: Sequence[WirePoint]) -> list[Block]:
        framed = self._profile.frames[0] if self._profile.frames else None
        urgency = min((point.wire_class for point in points), default=WireClass.MEASUREMENT)
        return [
            Block(
                device=self._device,
                name=f"poll {poll.bytes} {poll.every_s * 1000:g}ms",
                unit=self._unit,
                request=compose(poll.bytes, self._unit),
                reply_bytes=(framed.length if framed else None) or 0,
                period_s=poll.every_s,
                deadline_s=poll.every_s,
                wire_class=urgency,
                timeout_s=poll.timeout_ms / 1000,
                points=tuple(point.point for point in points),
            )
            for poll in self._profile.polls
        ]

    def answer(self, frame: bytes) -> bytes:
        """What this frame must be answered with at once; empty for nothing."""
        for asked, text in self._answers:
            if asked(frame):
                try:
                    return compose(text, self._unit, frame)
                except ValueError:  # shorter than what the answer copies from it
                    return b""
        return b""

    def encode(self, signal: str, value: bool | int | float | str) -> list[Exchange]:
        """The command of an output: True is "on", False is "off", a text is the state of that name.

        ValueError for a signal that is no output, or a state that it does not have. Nobody answers a command.
        """
        send = self._placed(signal).signal.send
        if not send:
            raise ValueError(f'device {self._device}: signal "{signal}" is no output')
        state = value if isinstance(value, str) else "on" if value else "off"
        if state not in send or (not isinstance(value, str) and value not in (0, 1)):
            raise ValueError(f'device {self._device}: "{signal}" cannot be set to {value!r}; it knows {", ".join(send)}')
        request = compose(send[state], self._unit)
        return [Exchange(self._device, f"set {signal} {state}", self._unit, request, 0, SEND_TIMEOUT_S)]

    def pulse(self, signal: str, duration_s: float) -> list[Exchange] | None:
        """None: no device of this kind ends a pulse by itself."""
        return None

    # --- what is said -----------------------------------------------------------------

    def hear(self, message: object, now_s: float) -> list[Reading]:
        """Readings of one frame (bytes) that differ from what was said before. None for a frame: the line is open, and the
        device may be silent for ever; what rests until it is reported is known from then on."""
        told = self.tick(now_s)
        if not self._up:
            told += self._come_up(now_s)
        if not isinstance(message, bytes):
            return told
        warming = now_s < self._warm_until_s
        reset = {name for name, signal in self._resets.items() if signal.active(message)}
        for point in self._points.values():
            if point.reset_by in reset:
                point.reset()
            told += point.take(message, now_s, warming) or point.tell(now_s, warming)
        return told

    def _come_up(self, now_s: float) -> list[Reading]:
        self._up = True
        if now_s - self._lost_s >= SILENCE_S:
            self._warm_until_s = now_s + self._profile.warm_up_s
        for point in self._points.values():
            point.come_up(now_s)
        return self._tell(now_s)

    def _tell(self, now_s: float) -> list[Reading]:
        warming = now_s < self._warm_until_s
        return [reading for point in self._points.values() for reading in point.tell(now_s, warming)]

    def lost(self, reason: str, now_s: float) -> list[Reading]:
        """Bad readings for all points, once per reason; of "port lost: why" only the first words are told."""
        if self._up:
            self._up = False
            self._lost_s = now_s
        for point in self._points.values():
            point.go_bad(reason.partition(":")[0])
        return self._tell(now_s)

    def tick(self, now_s: float) -> list[Reading]:
        """What time alone changes: contacts and cards go back, values grow stale, the warm-up ends."""
        while self._again:
            self._points[self._again.pop()].say_again()
        for point in self._points.values():
            point.pass_time(now_s)
        return self._tell(now_s)

    def say_again(self, point: str) -> None:
        """The next frame or tick tells this point anew. Safe to call from any thread."""
        if point in self._points:
            self._again.add(point)
