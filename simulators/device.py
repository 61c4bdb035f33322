"""A simulated Modbus device: a memory shaped by a profile, values in it, and answers out of it.

No wire and no task in here: `answer()` takes a request's data unit and gives the reply's. Time is the monotonic clock in ns; it is only
used to note when something changed and was read, and to step the heartbeat. Calls from several threads are safe.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from simulators import encode, modbus
from simulators.encode import Value
from simulators.faults import Fault
from simulators.healthy import healthy
from simulators.profiles import Profile, Signal

BEATS_PER_LIMIT = 3  # a heartbeat steps three times in the time that its profile allows (XNX: 5 s)

OnChange = Callable[["Device", str, Value, int], None]


@dataclass(slots=True)
class Change:
    """When a signal was last set from outside, and when a master first read it then. Monotonic ns."""

    at_ns: int
    first_read_ns: int | None = None


@dataclass(slots=True)
class Traffic:
    """What masters asked of a device."""

    requests: int = 0
    exceptions: int = 0
    writes: int = 0
    by_function: dict[int, int] = field(default_factory=dict)
    last_request_ns: int | None = None


class Device:
    """One address on a wire.

    on_change: called with (device, signal, value, at_ns) after each change, also one that a master wrote; in the thread that made it.
    fault: what it does wrong at present, or None.
    """

    def __init__(self, device_id: str, unit: int, profile: Profile, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.id = device_id
        self.unit = unit
        self.profile = profile
        self.on_change: list[OnChange] = []
        self.fault: Fault | None = None
        self.traffic = Traffic()
        self.changes: dict[str, Change] = {}
        self._clock_ns = clock_ns
        self._lock = threading.RLock()
        self._memory: dict[str, dict[int, int]] = {"coil": {}, "discrete": {}, "holding": {}, "input": {}}
        self._unread: set[str] = set()
        self._at_rest: dict[str, bool] = {}
        self._clears: dict[tuple[str, int], list[Signal]] = {}
        for signal in profile.signals.values():
            if signal.clear:
                self._clears.setdefault((signal.clear.area, signal.clear.address), []).append(signal)
        self._writable = {
            (s.area, s.address + i) for s in profile.signals.values() if s.kind == "output" and s.area in ("coil", "holding")
            for i in range(s.size)
        } | set(self._clears)  # fmt: skip
        self._readable = {area: _spans(profile, area, self._writable) for area in self._memory}
        self._begin_ns = clock_ns()
        for name, value in _exponents_first(profile, healthy(profile)):
            self._store(profile.signals[name], value)
        self._show_identity()

    # --- values ------------------------------------------------------------------------------------

    def get(self, name: str) -> Value:
        """Present value of a signal. KeyError when there is none of that name."""
        with self._lock:
            self._beat()
            signal = self.profile.signals[name]
            memory = self._memory[signal.area]
            return encode.decode(signal, [memory.get(signal.address + i, 0) for i in range(signal.size)], self._exponent(signal))

    def set(self, name: str, value: Value) -> int:
        """Sets a signal, as its sensor would; returns when. ValueError for a value that it cannot hold.

        A contact that leaves its rest also steps the counter and sets the latch of the same input (di1, di1_count, di1_latched).
        """
        with self._lock:
            at_ns = self._clock_ns()
            signal = self.profile.signals[name]
            changed = {name: value}
            if signal.kind == "contact" and bool(value) != self._rest(name) and self.get(name) == self._rest(name):
                changed |= self._counted(signal)
            if self.profile.heartbeat and name == self.profile.heartbeat.signal:
                self._begin_ns = at_ns
            for each, new in changed.items():
                self._store(self.profile.signals[each], new)
                self._mark(each, at_ns)
        self._tell(changed, at_ns)
        return at_ns

    def press(self, name: str) -> int:
        """Presses the input that a contact, counter or latch belongs to; returns when."""
        signal = self.profile.signals[name]
        contact = self._contact(signal)
        if contact is not None:
            return self.set(contact.name, not self._rest(contact.name))
        if signal.kind == "latched":
            return self.set(name, True)
        if signal.kind == "counter":
            return self.set(name, self._next_count(signal))
        raise ValueError(f"{name} is a {signal.kind}: only a contact, counter or latched input can be pressed")

    def release(self, name: str) -> int:
        """Lets go of a pressed input; counters and latches keep what they saw. Returns when."""
        with self._lock:
            at_ns = self._clock_ns()
            contact = self._contact(self.profile.signals[name])
            if contact is None:
                return at_ns
            self._store(contact, self._rest(contact.name))
            self._unread.discard(contact.name)  # what nobody has read by now, nobody will
        self._tell({contact.name: self._rest(contact.name)}, at_ns)
        return at_ns

    def rest(self, name: str, closed: bool) -> None:
        """How a contact stands when nothing happens: closed where the site wires it normally closed."""
        with self._lock:
            self._at_rest[name] = closed
            self._store(self.profile.signals[name], closed)

    def restart(self) -> int:
        """Power off and on: counters at 0, latches released, contacts at rest. Returns when."""
        with self._lock:
            at_ns = self._begin_ns = self._clock_ns()
            for name, value in _exponents_first(self.profile, healthy(self.profile)):
                self._store(self.profile.signals[name], self._at_rest.get(name, value))
            self._show_identity()
        return at_ns

    # --- the wire's side ---------------------------------------------------------------------------

    def answer(self, pdu: bytes) -> bytes:
        """Reply data unit to a request's data unit; an exception reply where the real device would refuse."""
        written: dict[str, Value] = {}
        with self._lock:
            at_ns = self._clock_ns()
            function = pdu[0] if pdu else 0
            self.traffic.requests += 1
            self.traffic.by_function[function] = self.traffic.by_function.get(function, 0) + 1
            self.traffic.last_request_ns = at_ns
            try:
                if self.fault and self.fault.kind == "exception":
                    raise modbus.Refused(self.fault.code)
                request = modbus.parse_request(pdu)
                if request.writes:
                    written = self._write(request)
                    reply = modbus.write_reply(pdu)
                else:
                    reply = self._read(request, at_ns)
            except modbus.Refused as refused:
                self.traffic.exceptions += 1
                return modbus.exception_reply(function, refused.code)
        self._tell(written, at_ns)
        return reply

    def _read(self, request: modbus.Request, at_ns: int) -> bytes:
        self._check_limits(request)
        begin, end = request.address, request.address + request.count
        if not any(low <= begin and end <= high for low, high in self._readable[request.area]):
            raise modbus.Refused(modbus.ILLEGAL_ADDRESS)
        self._beat()
        for name in [name for name in self._unread if self._lies_in(name, request.area, begin, end)]:
            self._unread.discard(name)
            self.changes[name].first_read_ns = at_ns
        memory = self._memory[request.area]
        return modbus.read_reply(request, [memory.get(address, 0) for address in range(begin, end)])

    def _check_limits(self, request: modbus.Request) -> None:
        limits = self.profile
        if request.area in ("coil", "discrete"):
            refused = request.count > limits.max_bits or (limits.exact_bits and request.count != limits.exact_bits)
        else:
            refused = request.count > limits.max_registers
        if refused:
            raise modbus.Refused(modbus.ILLEGAL_VALUE)

    def _write(self, request: modbus.Request) -> dict[str, Value]:
        """Takes a write: outputs follow it, latches are released by it. Returns the signals that changed."""
        targets = range(request.address, request.address + request.count)
        if not all((request.area, address) in self._writable for address in targets):
            raise modbus.Refused(modbus.ILLEGAL_ADDRESS)
        self.traffic.writes += 1
        outputs = [s for s in self.profile.signals.values() if s.kind == "output" and s.area == request.area]
        touched = [s.name for s in outputs if s.address < targets.stop and targets.start < s.address + s.size]
        memory = self._memory[request.area]
        for address, value in zip(targets, request.values, strict=True):
            for signal in self._clears.get((request.area, address), ()):
                if signal.clear and (value == signal.clear.value if request.area == "holding" else value == bool(signal.clear.value)):
                    self._store(signal, False)
                    touched.append(signal.name)
            if any(s.address <= address < s.address + s.size for s in outputs):
                memory[address] = value
        return {name: self.get(name) for name in touched}

    # --- inside ------------------------------------------------------------------------------------

    def _store(self, signal: Signal, value: Value) -> None:
        memory = self._memory[signal.area]
        for i, (mask, bits) in enumerate(encode.encode(signal, value, self._exponent(signal))):
            address = signal.address + i
            memory[address] = memory.get(address, 0) & ~mask | bits

    def _exponent(self, signal: Signal) -> int:
        if not signal.exponent_from:
            return 0
        value = self.get(signal.exponent_from)
        return int(value) if isinstance(value, int | float) else 0

    def _mark(self, name: str, at_ns: int) -> None:
        self.changes[name] = Change(at_ns)
        self._unread.add(name)

    def _tell(self, changed: dict[str, Value], at_ns: int) -> None:
        for name, value in changed.items():
            for call in self.on_change:
                call(self, name, value, at_ns)

    def _rest(self, name: str) -> bool:
        return self._at_rest.get(name, False)

    def _contact(self, signal: Signal) -> Signal | None:
        """The contact of the input that a signal belongs to: di1 for di1_count and di1_latched."""
        contact = self.profile.signals.get(signal.name.partition("_")[0]) if signal.kind in ("counter", "latched") else signal
        return contact if contact and contact.kind == "contact" else None

    def _counted(self, contact: Signal) -> dict[str, Value]:
        """What the counters and latches of this input show after one more edge."""
        counted: dict[str, Value] = {}
        for signal in self.profile.signals.values():
            if signal is not contact and self._contact(signal) is contact:
                counted[signal.name] = True if signal.kind == "latched" else self._next_count(signal)
        return counted

    def _next_count(self, signal: Signal) -> int:
        """A counter's next value; it wraps to 0 as a real one does."""
        value = self.get(signal.name)
        count = int(value) if isinstance(value, int | float) else 0
        return (count + 1) & encode.field_mask(signal)

    def _beat(self) -> None:
        """Brings the heartbeat up to the present."""
        heartbeat = self.profile.heartbeat
        if heartbeat is None or (self.fault and self.fault.kind == "frozen"):
            return
        signal = self.profile.signals[heartbeat.signal]
        if encode.is_bool(signal) or signal.type in ("f32", "text"):
            return
        period_ns = int(heartbeat.within_s * 1e9 / BEATS_PER_LIMIT)
        steps = (self._clock_ns() - self._begin_ns) // period_ns
        if steps:
            self._begin_ns += steps * period_ns
            memory = self._memory[signal.area]
            raw = encode.to_raw(signal, encode.decode(signal, [memory.get(signal.address + i, 0) for i in range(signal.size)]))
            self._store(signal, (raw + steps) & encode.field_mask(signal) & 0x7FFF)

    def _show_identity(self) -> None:
        """The register that says what this is; where its low byte is free, it holds the unit id (XNX: 0x24, unit)."""
        identity = self.profile.identity
        if identity is None:
            return
        memory = self._memory[identity.area]
        rest = self.unit if identity.mask == 0xFF00 else memory.get(identity.address, 0)
        memory[identity.address] = identity.expect & identity.mask | rest & ~identity.mask & 0xFFFF

    def _lies_in(self, name: str, area: str, begin: int, end: int) -> bool:
        signal = self.profile.signals[name]
        return signal.area == area and begin <= signal.address and signal.address + signal.size <= end


def _exponents_first(profile: Profile, values: dict[str, Value]) -> list[tuple[str, Value]]:
    """The values in an order in which each one's exponent is there before it."""
    return sorted(values.items(), key=lambda item: bool(profile.signals[item[0]].exponent_from))


def _spans(profile: Profile, area: str, writable: set[tuple[str, int]]) -> list[tuple[int, int]]:
    """Address ranges (first, one past the last) that may be read: the profile's map, with the holes that one request may bridge."""
    taken = [(s.address, s.address + s.size) for s in profile.signals.values() if s.area == area]
    taken += [(address, address + 1) for where, address in writable if where == area]
    if profile.identity and profile.identity.area == area:
        taken.append((profile.identity.address, profile.identity.address + 1))
    spans: list[tuple[int, int]] = []
    for low, high in sorted(taken):
        if spans and low - spans[-1][1] <= profile.max_hole:
            spans[-1] = (spans[-1][0], max(spans[-1][1], high))
        else:
            spans.append((low, high))
    if (exact := profile.exact_bits) and area in ("coil", "discrete"):
        return [(low // exact * exact, -(-high // exact) * exact) for low, high in spans]
    return spans
