"""A simulated Modbus device: a memory shaped by a profile, values in it, and answers out of it.

No wire and no task in here: `answer()` takes a request's data unit and gives the reply's. Time is the monotonic clock in ns; it is only
used to note when something changed and was read, to step the heartbeat, and to end pulses and starve watchdogs: what time alone changes
is seen at the next look at the device. Calls from several threads are safe.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from simulators import encode, modbus
from simulators.device_writes import Hit, Rules, coil_word
from simulators.encode import Value
from simulators.faults import KINDS, Fault, swap_bits
from simulators.healthy import healthy
from simulators.memory import Memory, spans
from simulators.profiles import Profile
from simulators.signals import TWO_WORDS, Signal, Write

BEATS_PER_LIMIT = 3  # a heartbeat steps three times in the time that its profile allows (XNX: 5 s)
FEEDS_MISSED = 3  # a watchdog trips after three times the period in which it wants to be fed
MOMENTARY_MS = 1000  # how long an output that has no "off" stays on

OnChange = Callable[["Device", str, Value, int], None]


@dataclass(slots=True)
class Change:
    """When a signal was last set from outside, and when a master first read it then. Monotonic ns."""

    at_ns: int
    first_read_ns: int | None = None


@dataclass(slots=True)
class Traffic:
    """What masters asked of a device. ignored: writes that it took without effect, for it is locked or not in remote mode."""

    requests: int = 0
    exceptions: int = 0
    writes: int = 0
    by_function: dict[int, int] = field(default_factory=dict)
    last_request_ns: int | None = None
    ignored: int = 0


class Device:
    """One address on a wire.

    on_change: called with (device, signal, value, at_ns) after each change, also one that a master wrote; in the thread that made it.
    fault: what it does wrong at present, or None. can: the kinds of `faults.KINDS` that it can have.
    """

    can: tuple[str, ...] = tuple(KINDS)

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
        self._memory = Memory(profile, unit)
        self._healthy = healthy(profile)
        self._rules = Rules(profile)
        self._readable = {area: spans(profile, area) for area in ("coil", "discrete", "holding", "input")}
        self._exact = {(block.area, block.address, block.count) for block in profile.exact_blocks}
        self._exact_areas = {block.area for block in profile.exact_blocks}
        self._followers: dict[str, list[Signal]] = {}  # counters and latches by the contact of their input
        for signal in profile.signals.values():
            contact = self._contact(signal)
            if contact is not None and contact is not signal:
                self._followers.setdefault(contact.name, []).append(signal)
        self._read_clears = [signal for signal in profile.signals.values() if signal.read_clears]
        self._outputs = [signal for signal in profile.signals.values() if signal.kind == "output"]
        self._at_rest: dict[str, bool] = {}
        self._unread: set[str] = set()
        self._safe_words: dict[str, int] = {}
        self._power_on(clock_ns())

    def _power_on(self, at_ns: int) -> None:
        self._begin_ns = self._fed_ns = at_ns
        self._fed_word: int | None = None
        self._starved = False
        self._ends_ns: dict[str, int] = {}  # when an output goes back by itself
        self._written_ns: dict[Write, int] = {}  # when a key was last written
        self._memory.power_on(self._healthy)

    # --- values ------------------------------------------------------------------------------------

    def get(self, name: str) -> Value:
        """Present value of a signal. KeyError when there is none of that name."""
        with self._lock:
            self._pass_time()
            return self._memory.get(name)

    def set(self, name: str, value: Value) -> int:
        """Sets a signal, as its sensor would; returns when. ValueError for a value that it cannot hold.

        A contact that leaves its rest also steps the counter and sets the latch of the same input (di1, di1_count, di1_latched).
        A signal that is made from others sets those.
        """
        with self._lock:
            at_ns = self._clock_ns()
            signals = self.profile.signals
            changed = self._memory.meant(name, value)
            for each, new in list(changed.items()):
                rest = self._rest(each)
                is_moved = signals[each].kind == "contact" and not isinstance(new, str) and bool(new) != rest and self.get(each) == rest
                if is_moved and not self._memory.is_held(each):
                    changed |= self._counted(signals[each])
            if self.profile.heartbeat and name == self.profile.heartbeat.signal:
                self._begin_ns = at_ns
            for each, new in changed.items():
                self._ends_ns.pop(each, None)
                self._memory.store(each, new)
                self._mark(each, at_ns)
            if name not in changed:
                changed[name] = value
                self._mark(name, at_ns)
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
            rested = self._memory.meant(contact.name, self._rest(contact.name))
            for each, value in rested.items():
                self._memory.store(each, value)
                self._unread.discard(each)  # what nobody has read by now, nobody will
            self._unread.discard(contact.name)
        self._tell({contact.name: self._rest(contact.name)} | rested, at_ns)
        return at_ns

    def rest(self, name: str, closed: bool) -> None:
        """How a contact stands when nothing happens: closed where the site wires it normally closed."""
        with self._lock:
            self._at_rest[name] = closed
            self._to_rest(name)

    def restart(self, keeps: str = "nothing") -> int:
        """Power off and on: contacts at rest, outputs off; counters at 0 and latches released, unless it keeps them. Returns when.

        keeps: `nothing`, `counters` (in a memory of their own), or `all` (counters, latches and outputs).
        """
        kept = {"nothing": (), "counters": ("counter",), "all": ("counter", "latched", "output")}[keeps]
        with self._lock:
            at_ns = self._clock_ns()
            values = {name: self.get(name) for name, signal in self.profile.signals.items() if signal.kind in kept and not signal.made_from}
            self._power_on(at_ns)
            for name in self._at_rest:
                self._to_rest(name)
            for name, value in values.items():
                self._memory.store(name, value)
        return at_ns

    # --- what goes wrong with signals --------------------------------------------------------------

    def hold(self, name: str = "") -> None:
        """A signal is stuck; without a name all are. What is set from now on is seen when it is let go; nothing is counted meanwhile."""
        with self._lock:
            self._memory.hold(self._places(name))

    def let_go(self, name: str = "") -> None:
        """It moves again. A contact that has left its rest meanwhile counts one and sets its latch now."""
        with self._lock:
            at_ns = self._clock_ns()
            held = [each for each in self._places(name) if self._memory.is_held(each)]
            before = {each: self._memory.get(each) for each in held}
            self._memory.let_go(held)
            changed = {each: new for each in held if (new := self._memory.get(each)) != before[each]}
            for each, new in list(changed.items()):
                rest = self._rest(each)
                if self.profile.signals[each].kind == "contact" and not isinstance(new, str) and bool(new) != rest == before[each]:
                    changed |= self._counted(self.profile.signals[each])
            for each, new in changed.items():
                self._memory.store(each, new)
                self._mark(each, at_ns)
        self._tell(changed, at_ns)

    def reset_counters(self, name: str = "") -> int:
        """A counter begins anew; without a name all do. Returns when. ValueError when there is none."""
        signals = self.profile.signals
        names = [name] if name else [each for each, signal in signals.items() if signal.kind == "counter"]
        if not names or any(signals[each].kind != "counter" for each in names):
            raise ValueError(f"{name} is a {signals[name].kind}, no counter" if name else f"device {self.id} has no counters")
        return max(self.set(each, 0) for each in names)

    def _places(self, name: str) -> list[str]:
        """What lies in the memory of a signal, or of all that can move."""
        return self._memory.sources(name) if name else [each for each, signal in self.profile.signals.items() if not signal.made_from]

    # --- the wire's side ---------------------------------------------------------------------------

    def answer(self, pdu: bytes) -> bytes:
        """Reply data unit to a request's data unit; an exception reply where the real device would refuse; empty for no answer."""
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
                request = modbus.parse_request(self._bits(pdu, 6) if function == modbus.WRITE_COILS else pdu)
                if request.writes:
                    written, form, ack = self._write(request, at_ns)
                    reply = modbus.write_reply(pdu, form, ack)
                else:
                    reply = self._read(request, at_ns)
                    reply = self._bits(reply, 2) if request.area in ("coil", "discrete") else reply
            except modbus.Refused as refused:
                self.traffic.exceptions += 1
                return modbus.exception_reply(function, refused.code)
        self._tell(written, at_ns)
        return reply

    def _read(self, request: modbus.Request, at_ns: int) -> bytes:
        self._check_limits(request)
        begin, end = request.address, request.address + request.count
        if request.area in self._exact_areas:
            self._check_exact(request)
        elif not any(low <= begin and end <= high for low, high in self._readable[request.area]):
            raise modbus.Refused(modbus.ILLEGAL_ADDRESS)
        self._pass_time()
        for name in [name for name in self._unread if self._lies_in(name, request.area, begin, end)]:
            self._unread.discard(name)
            self.changes[name].first_read_ns = at_ns
        reply = modbus.read_reply(request, self._words(request.area, begin, request.count))
        for signal in self._read_clears:
            if self._lies_in(signal.name, request.area, begin, end):
                self._memory.store(signal.name, self._healthy[signal.name])
        return reply

    def _words(self, area: str, begin: int, count: int) -> list[int]:
        """What is read there; with the registers of 32-bit values exchanged where that is the fault."""
        words = self._memory.words(area, begin, count)
        if self.fault and self.fault.kind == "words-swapped":
            for at in {s.address - begin for s in self.profile.signals.values() if s.area == area and s.type in TWO_WORDS}:
                if 0 <= at < count - 1:
                    words[at], words[at + 1] = words[at + 1], words[at]
        return words

    def _bits(self, pdu: bytes, begin: int) -> bytes:
        """A data unit whose packed bits begin there, in the order that this device has for them."""
        if self.fault and self.fault.kind == "bits-swapped":
            return pdu[:begin] + swap_bits(pdu[begin:], self.fault.order)
        return pdu

    def _check_limits(self, request: modbus.Request) -> None:
        limits = self.profile
        if request.area in ("coil", "discrete"):
            refused = request.count > limits.max_bits or (limits.exact_bits and request.count != limits.exact_bits)
        else:
            refused = request.count > limits.max_registers
        if refused:
            raise modbus.Refused(modbus.ILLEGAL_VALUE)

    def _check_exact(self, request: modbus.Request) -> None:
        if (request.area, request.address, request.count) in self._exact:
            return
        starts = any((area, address) == (request.area, request.address) for area, address, _ in self._exact)
        raise modbus.Refused(modbus.ILLEGAL_VALUE if starts else modbus.ILLEGAL_ADDRESS)

    def _write(self, request: modbus.Request, at_ns: int) -> tuple[dict[str, Value], str, int | None]:
        """Takes a write. Returns the signals that changed, and the form of the answer with the word that it carries."""
        hits = self._rules.hits(request)
        self._pass_time()
        self.traffic.writes += 1
        acting = [hit for hit in hits if hit.rule.acts(hit.words)]
        touched: list[str] = []
        for hit in acting:
            touched += self._do(hit, request.address, at_ns)
        form, ack = (acting or hits)[0].rule.reply
        return {name: self._memory.get(name) for name in touched}, form, ack

    def _do(self, hit: Hit, begin: int, at_ns: int) -> list[str]:
        """What one rule does with its part of a write that begins at this address. Returns the signals that it touched."""
        rule, signal = hit.rule, hit.rule.signal
        if rule.write is not None:
            return self._fixed(hit, at_ns)
        assert signal is not None
        assert rule.how is not None
        if not self._obeys(signal, at_ns):
            self.traffic.ignored += 1
            return []
        self._ends_ns.pop(signal.name, None)
        if rule.does == "value":
            first = signal.address + max(0, begin - rule.address)
            for i, word in enumerate(hit.words):
                self._memory.put(signal.area, first + i, int(word == modbus.COIL_ON) if rule.area == "coil" else word)
            return [signal.name]
        if rule.pulse is not None:
            self._ends_ns[signal.name] = at_ns + (hit.words[0] - rule.pulse.base) * rule.pulse.unit_ms * 1_000_000
            self._memory.store(signal.name, True)
            return [signal.name]
        on = rule.how.on if rule.area != "coil" or rule.how.on is None else coil_word(rule.how.on)
        self._memory.store(signal.name, hit.words[0] == on)
        if rule.how.off is None:
            self._ends_ns[signal.name] = at_ns + MOMENTARY_MS * 1_000_000
        return [signal.name]

    def _fixed(self, hit: Hit, at_ns: int) -> list[str]:
        """A write with a fixed meaning."""
        rule = hit.rule
        assert rule.write is not None
        self._written_ns[rule.write] = at_ns
        if rule.does == "feed" and (rule.alternate is None or hit.words[0] != self._fed_word):
            self._fed_word = hit.words[0]
            self._fed_ns, self._starved = at_ns, False
        if rule.does == "safe" and rule.signal is not None:
            self._safe_words[rule.signal.name] = hit.words[0]
        if rule.does != "clear" or rule.signal is None:
            return []
        released = [rule.signal.name]
        if rule.write.whole_device:
            released = [signal.name for signal in self.profile.signals.values() if signal.kind == "latched"]
        for name in released:
            self._memory.store(name, self._healthy[name])
        return released

    def _obeys(self, signal: Signal, at_ns: int) -> bool:
        """False while it is not in remote mode, or was not unlocked in time and in order."""
        how = signal.write
        if how is None:
            return True
        if how.remote_when is not None and not self._memory.holds(how.remote_when):
            return False
        keys = [self._written_ns.get(write) for write in how.before]
        times = [key for key in keys if key is not None]
        return len(times) == len(keys) and times == sorted(times) and all(at_ns - each <= how.within_ms * 1_000_000 for each in times)

    # --- inside ------------------------------------------------------------------------------------

    def _mark(self, name: str, at_ns: int) -> None:
        self.changes[name] = Change(at_ns)
        self._unread.add(name)

    def _tell(self, changed: dict[str, Value], at_ns: int) -> None:
        for name, value in changed.items():
            for call in self.on_change:
                call(self, name, value, at_ns)

    def _rest(self, name: str) -> bool:
        if self.profile.signals[name].kind != "contact":
            return False
        return self._at_rest.get(name, False)

    def _to_rest(self, name: str) -> None:
        for each, value in self._memory.meant(name, self._at_rest[name]).items():
            self._memory.store(each, value)

    def _contact(self, signal: Signal) -> Signal | None:
        """The contact of the input that a signal belongs to: di1 for di1_count and di1_latched."""
        contact = self.profile.signals.get(signal.name.partition("_")[0]) if signal.kind in ("counter", "latched") else signal
        return contact if contact and contact.kind == "contact" else None

    def _counted(self, contact: Signal) -> dict[str, Value]:
        """What the counters and latches of this input show after one more edge."""
        followers = self._followers.get(contact.name, ())
        return {signal.name: True if signal.kind == "latched" else self._next_count(signal) for signal in followers}

    def _next_count(self, signal: Signal) -> Value:
        """A counter's next value; it wraps to 0 as a real one does."""
        value = self.get(signal.name)
        if encode.is_bool(signal) or signal.scale != 1.0 or signal.type == "f32" or not isinstance(value, int):
            return value
        most = 10 ** (4 * signal.size) - 1 if signal.type in ("bcd16", "bcd32") else encode.field_mask(signal)
        return 0 if value >= most else value + 1

    def _pass_time(self) -> None:
        """Brings what time alone changes up to the present: the heartbeat, pulses, a watchdog that nobody feeds."""
        if self._ends_ns:
            now_ns = self._clock_ns()
            for name in [name for name, end_ns in self._ends_ns.items() if now_ns >= end_ns]:
                del self._ends_ns[name]
                self._memory.store(name, False)
                self._tell({name: False}, now_ns)
        if self.profile.feed is not None:
            self._starve(self.profile.feed.every_s)
        if self.profile.heartbeat is not None:
            self._beat(self.profile.signals[self.profile.heartbeat.signal], self.profile.heartbeat.within_s)

    def _starve(self, every_s: float) -> None:
        """Sets all outputs to their safe values when the watchdog was not fed; they stay until it is fed and they are written."""
        now_ns = self._clock_ns()
        if self._starved or now_ns - self._fed_ns <= FEEDS_MISSED * every_s * 1e9:
            return
        self._starved = True
        for signal in self._outputs:
            word = self._safe_words.get(signal.name)
            value = self._healthy[signal.name] if word is None else bool(word) if encode.is_bool(signal) else word
            self._ends_ns.pop(signal.name, None)
            self._memory.store(signal.name, value)
            self._tell({signal.name: value}, now_ns)

    def _beat(self, signal: Signal, within_s: float) -> None:
        if (self.fault and self.fault.kind == "frozen") or signal.type in ("f32", "text"):
            return
        period_ns = int(within_s * 1e9 / BEATS_PER_LIMIT)
        steps = (self._clock_ns() - self._begin_ns) // period_ns
        if not steps:
            return
        self._begin_ns += steps * period_ns
        value = self._memory.get(signal.name)
        if encode.is_bool(signal):
            self._memory.store(signal.name, bool(value) != bool(steps % 2))
        elif isinstance(value, int):
            self._memory.store(signal.name, (value + steps) & encode.field_mask(signal) & 0x7FFF)

    def _lies_in(self, name: str, area: str, begin: int, end: int) -> bool:
        signal = self.profile.signals[name]
        if signal.made_from:
            return any(self._lies_in(source, area, begin, end) for source in signal.made_from)
        return signal.area == area and begin <= signal.address and signal.address + signal.size <= end
