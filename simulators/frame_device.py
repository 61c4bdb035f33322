"""A simulated device that speaks in frames of its own: it reports, uploads or answers polls, and obeys commands.

No wire and no task in here: `heard()` takes received bytes, frames leave through `on_frame`. Each kind of message (same `when`, same
record) is remembered as its bytes, so that what is set stays in the frames that follow. Calls from several threads are safe.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from simulators.device import Change
from simulators.encode import Value
from simulators.faults import EVERY_DEVICE, ON_THE_WIRE, Fault
from simulators.frame_profile import Form, FrameProfile, FrameSignal, Marks
from simulators.frame_text import anchored, text_for
from simulators.frames import fill, marked, peek, poke, proven, sealed, set_decimals, spoilt
from simulators.healthy import ROOM_CEL, good_names
from simulators.sticking import Sticking

Key = tuple[str, Marks]  # record, and the bytes that say which message it is
OnChange = Callable[["FrameDevice", str, Value, int], None]
OnFrame = Callable[[float, bytes], None]


@dataclass(slots=True)
class FrameTraffic:
    """What passed. requests: polls; writes: commands; answers: confirmations of its reports; strange_bytes: heard and not understood."""

    frames: int = 0
    requests: int = 0
    writes: int = 0
    answers: int = 0
    strange_bytes: int = 0
    last_request_ns: int | None = None


class FrameDevice:
    """One device. on_frame: called with (seconds to wait, bytes) for all that it says. on_change, fault: as of a Modbus device."""

    can: tuple[str, ...] = (*EVERY_DEVICE, "late", *ON_THE_WIRE)

    def __init__(self, device_id: str, unit: int, profile: FrameProfile, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.id = device_id
        self.unit = unit
        self.profile = profile
        self.on_change: list[OnChange] = []
        self.on_frame: list[OnFrame] = []
        self.fault: Fault | None = None
        self.traffic = FrameTraffic()
        self.changes: dict[str, Change] = {}
        self._clock_ns = clock_ns
        self._lock = threading.RLock()
        self._records = dict(profile.records)
        self._heard = b""
        self._hears = self._expected()
        self._confirmations: list[bytes] = []
        self._sticking = Sticking(profile.signals)
        self._power_on()

    def _power_on(self) -> None:
        self._parts: dict[Key, bytearray] = {}
        self._values: dict[str, Value] = {}
        self._key: Key | None = None  # the message that is told at present
        self._unread: set[str] = set()
        for signal in self.profile.signals.values():
            value = _healthy(signal)
            if signal.at is None or signal.kind == "output":
                self._values[signal.name] = value
                continue
            key = (signal.record, signal.when)
            part = self._parts.setdefault(key, bytearray(self._part_bytes(signal)))
            _mark(part, signal.when)
            if signal.kind != "card":  # without a card there is nothing to tell
                self._key = self._key or key
                poke(signal, part, value, self.profile.codec)

    # --- values ------------------------------------------------------------------------------------

    def get(self, name: str) -> Value:
        """Present value of a signal; of a text or card the last one. KeyError when there is none of that name."""
        with self._lock:
            signal = self.profile.signals[name]
            if name in self._values:
                return self._values[name]
            key = (signal.record, signal.when)
            if self._key and self._key[0] == signal.record and marked(bytes(self._parts[self._key]), signal.when):
                key = self._key
            return peek(signal, bytes(self._parts[key]), self.profile.codec)

    def set(self, name: str, value: Value) -> int:
        """Sets a signal, as its sensor would; returns when. A report leaves at once; an upload or a poll tells it later.

        Nothing leaves for a contact that is only ever reported when it goes back, nor for an empty text or card. ValueError for a value
        that it cannot hold.
        """
        with self._lock:
            at_ns = self._clock_ns()
            signal = self.profile.signals[name]
            said = b""
            if self._sticking.takes(name, value):
                return at_ns
            if signal.kind == "output":
                self._values[name] = self._state(signal, value)
            elif signal.at is not None and signal.kind == "card" and value == "":
                self._parts[signal.record, signal.when] = bytearray(self._part_bytes(signal))
            elif signal.at is not None:
                said = self._poke(signal, value)
            elif signal.at is None:
                said = self._report(signal, value)
            self.changes[name] = Change(at_ns)
            self._unread.add(name)
            self._goes_back(name, value)
            waits = signal.kind == "output" or (signal.at is not None and (self.profile.uploads or self.profile.polls))
        if said and not waits:
            self._say(said, at_ns)
        self._tell(name, value, at_ns)
        return at_ns

    def press(self, name: str) -> int:
        """Makes a contact active; returns when."""
        if self.profile.signals[name].kind not in ("contact", "latched"):
            raise ValueError(f"{name} is a {self.profile.signals[name].kind}: only a contact can be pressed")
        return self.set(name, True)

    def release(self, name: str) -> int:
        """Lets a contact go; returns when."""
        return self.set(name, False)

    def rest(self, name: str, closed: bool) -> None:
        """Contacts in frames have no rest but false: nothing to do."""

    def hold(self, name: str = "") -> None:
        """A signal is stuck; without a name all are. What is set meanwhile is said when it is let go."""
        with self._lock:
            self._sticking.hold(name)

    def let_go(self, name: str = "") -> None:
        """It moves again."""
        self._sticking.let_go(name, self.set)

    def reset_counters(self, name: str = "") -> int:
        """ValueError: it counts nothing."""
        raise ValueError(f"device {self.id} has no counters")

    def restart(self, keeps: str = "nothing") -> int:
        """Power off and on. It keeps nothing, whatever `keeps` says."""
        with self._lock:
            self._power_on()
            self._heard = b""
            return self._clock_ns()

    # --- the wire's side ---------------------------------------------------------------------------

    @property
    def quiet_s(self) -> float:
        """Silence that its frames need between them."""
        return max((form.quiet_ms for form in self.profile.forms), default=0) / 1000

    def upload(self) -> None:
        """Says what it says unasked all the time."""
        with self._lock:
            said = self._frame(self._key) if self._key else b""
        if said:
            self._say(said, self._clock_ns())

    def say(self, data: bytes) -> None:
        """Says these very bytes, as a person at the keyboard wants them."""
        self._say(data, self._clock_ns())

    def heard(self, data: bytes) -> None:
        """Takes received bytes, in pieces of any size: polls are answered, commands obeyed."""
        if self.fault and self.fault.is_off:
            return
        self._heard += data
        while self._heard:
            known = [*self._hears, *self._confirmations]
            whole = max((text for text in known if self._heard.startswith(text)), key=len, default=b"")
            if whole:
                self._heard = self._heard[len(whole) :]
                self._obey(whole)
            elif any(text.startswith(self._heard) for text in known):
                return
            else:
                self._heard = self._heard[1:]
                self.traffic.strange_bytes += 1

    def _obey(self, text: bytes) -> None:
        at_ns = self._clock_ns()
        self.traffic.last_request_ns = at_ns
        if text in self._confirmations:
            self._confirmations.remove(text)
            self.traffic.answers += 1
            return
        what, commands = self._hears[text]
        if what == "poll":
            self.traffic.requests += 1
            self.upload()
        self.traffic.writes += what == "command"
        for name, state in commands.items():
            value: Value = {"on": True, "off": False}.get(state, state)
            self._values[name] = value
            self._tell(name, value, at_ns)

    def _expected(self) -> dict[bytes, tuple[str, dict[str, str]]]:
        """All that it can be told: bytes -> poll, start or command, with the outputs that it sets and their states."""
        profile = self.profile
        hears: dict[bytes, tuple[str, dict[str, str]]] = {fill(text, self.unit): ("start", {}) for text in profile.start}
        for signal in profile.signals.values():
            for state, text in signal.send:
                _, commands = hears.setdefault(fill(text, self.unit), ("command", {}))
                commands.setdefault(signal.name, state)
        return hears | {fill(text, self.unit): ("poll", {}) for text in profile.polls}

    def _say(self, data: bytes, at_ns: int) -> None:
        for name in [name for name in self._unread if self._tells(name)]:
            self._unread.discard(name)
            self.changes[name].first_read_ns = at_ns
        fault = self.fault
        form = next((form for form in self.profile.forms if proven(form, data)), None)
        match fault.kind if fault else "":
            case "silent" | "unplugged" | "reboot":
                return
            case "wrong-crc":
                data = spoilt(form, data)
            case "truncated":
                data = data[: len(data) // 2]
            case "garbage":
                data = random.Random(data).randbytes(len(data))
        self.traffic.frames += 1
        for marks, text in self.profile.answers:
            if marked(data, marks):
                self._confirmations = [*self._confirmations[-9:], fill(text, self.unit, data)]
        for call in self.on_frame:
            call(fault.ms / 1000 if fault and fault.kind == "late" else 0.0, data)

    # --- inside ------------------------------------------------------------------------------------

    def _poke(self, signal: FrameSignal, value: Value) -> bytes:
        """Writes the value into the bytes of its message, which is then the one that is told. Returns the frame."""
        key, codec = (signal.record, signal.when), self.profile.codec
        part = bytearray(self._parts[key])
        _mark(part, signal.when)
        mates = [mate for mate in self.profile.signals.values() if mate is not signal and (mate.record, mate.when) == key]
        sharers = [(mate, peek(mate, bytes(part), codec)) for mate in mates if mate.decimals_at == signal.decimals_at is not None]
        set_decimals(signal, part, value)
        for mate, its in sharers:
            poke(mate, part, its, codec)
        for mate in mates:
            if mate.passes and mate.at is not None:
                poke(mate, part, False, codec)
        poke(signal, part, value, codec)
        self._parts[key], self._key = part, key
        return self._frame(key)

    def _frame(self, key: Key) -> bytes:
        """The frame of a message. ValueError when no form of the profile can hold it."""
        record, _ = key
        body = bytearray(self._parts[key])
        if record:
            records = self._records[record]
            body = bytearray(records.first) + body
            _mark(body, records.when)
            body[records.count_at] = 1
        for form in self.profile.forms:
            try:
                return sealed(form, bytes(body))
            except ValueError:
                continue
        raise ValueError(f"{self.id}: none of its frames can hold this")

    def _report(self, signal: FrameSignal, value: Value) -> bytes:
        """The frame that reports it, made from its pattern or its marks; empty where nothing is said."""
        if signal.kind in ("contact", "latched"):
            if value not in (0, 1):
                raise ValueError(f"{signal.name} is true or false, not {value!r}")
            said = self._text_frame(signal, None) if value else b""
        else:
            said = self._text_frame(signal, str(value)) if value != "" else b""
        self._values[signal.name] = value
        text = said.decode(self.profile.codec, "replace")
        for other in self.profile.signals.values():
            if said and other.pattern and (found := re.search(other.pattern, text, re.DOTALL)):
                is_contact = other.kind in ("contact", "latched")
                self._values[other.name] = True if is_contact else (found[1] if found.re.groups else found[0]).strip()
        return said

    def _text_frame(self, signal: FrameSignal, value: str | None) -> bytes:
        """A frame in which the signal's pattern finds the value."""
        if not signal.pattern:
            body = bytearray(self._part_bytes(signal))
            _mark(body, signal.when)
            return sealed(self.profile.forms[0], bytes(body))
        text = value if value is not None and not re.compile(signal.pattern).groups else text_for(signal.pattern, value)
        data = text.encode(self.profile.codec, "replace")
        for form in self.profile.forms:
            try:
                frame = sealed(form, data if anchored(signal.pattern) else form.start + data)
            except ValueError:
                continue
            if _says(form, frame, signal.pattern, self.profile.codec):
                return frame
        raise ValueError(f"{signal.name} cannot be told as {value!r}")

    def _goes_back(self, name: str, value: Value) -> None:
        """What a reset message ends."""
        for other in self.profile.signals.values():
            if other.reset_by == name and value is True:
                if other.name in self._values:
                    self._values[other.name] = False
                else:
                    poke(other, self._parts[other.record, other.when], False, self.profile.codec)

    def _part_bytes(self, signal: FrameSignal) -> int:
        """Length of the frame's or record's bytes that signals of this message lie in."""
        if signal.record:
            return self._records[signal.record].size
        length = next((form.length for form in self.profile.forms if form.length), 0)
        if length:
            return length
        mates = [other for other in self.profile.signals.values() if (other.record, other.when) == (signal.record, signal.when)]
        ends = [mate.at + mate.size for mate in mates if mate.at is not None and mate.at >= 0]
        return max([*ends, *(at + len(these) for at, these in signal.when if at >= 0)], default=0)

    def _state(self, signal: FrameSignal, value: Value) -> Value:
        """A state that the output has."""
        states = [state for state, _ in signal.send]
        state = value if isinstance(value, str) else "on" if value else "off"
        if state not in states:
            raise ValueError(f"{signal.name} has no state {value!r}; it takes {', '.join(states)}")
        return value

    def _tells(self, name: str) -> bool:
        """The message that is told at present carries this signal."""
        signal = self.profile.signals[name]
        return signal.at is None or (signal.record, signal.when) == self._key

    def _tell(self, name: str, value: Value, at_ns: int) -> None:
        for call in self.on_change:
            call(self, name, value, at_ns)


def _mark(part: bytearray, marks: Marks) -> None:
    for at, these in marks:
        begin = at if at >= 0 else len(part) + at
        part[begin : begin + len(these)] = these


def _says(form: Form, frame: bytes, pattern: str, codec: str) -> bool:
    text = frame.decode(codec, "replace")
    return re.search(pattern, text, re.DOTALL) is not None and (not form.matches or re.fullmatch(form.matches, text, re.DOTALL) is not None)


def _healthy(signal: FrameSignal) -> Value:
    """What it says when nothing is wrong."""
    if signal.kind in ("contact", "latched", "output"):
        return False
    if signal.kind in ("card", "text"):
        return ""
    if signal.enum:
        return good_names([name for _, name in signal.enum])[0]
    return ROOM_CEL if signal.unit == "Cel" else 0
