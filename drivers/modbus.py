"""The Modbus driver: which registers to read how often, and what the answers mean. Pure: no port, no clock.

A profile says where each signal lies; the site says which signals are points. From both come the blocks
(neighbours in one request, holes bridged, urgent points never behind slower ones) and, for each block, closures
that turn words into readings. Only what changed is looked at, and only a changed value, quality or reason is said.

A signal that another one depends on (`valid_when`, `exponent_from`) is read in the same group as its user, so
that both come from one reply wherever they are neighbours.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drivers.modbus_values import Converter, Placed, Raw, Reader, Test, condition, converter, placed_signals, reader
from gateway.core.reading import Quality, Reading, Value
from gateway.core.wire import Block, Exchange, WireClass, WirePoint

if TYPE_CHECKING:
    from gateway.config.profile import Profile

READ = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
WRITE_COIL, WRITE_REGISTER = 5, 6
WRITE_REPLY_BYTES = 5
DEADLINE_S = 1.0  # how late a block below PANIC may be before it overtakes: the lag limit of wb-mqtt-serial's poller
SILENCE_S = 3.0  # a device that was away for so long may have lost power, and warms up again
UNSEEN_S = float("inf")
UNKNOWN_IDENTITY = "identity not read yet"  # nothing is said until then

Group = tuple[WireClass, float]


@dataclass(slots=True, eq=False)
class _Cell:
    """One signal in one block: its raw number as last read."""

    placed: Placed
    read: Reader | None = None
    raw: Raw | None = None
    fault: str = ""
    users: list[_State] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _State:
    """One point: where it comes from, what it depends on, what was said last."""

    point: str
    cell: _Cell
    convert: Converter
    conditions: list[tuple[_Cell, Test, Quality, str]]
    exponent: _Cell | None
    said: tuple[Value, Quality, str] | None = None

    def look(self, now_s: float, distrust: str, warming: bool) -> Reading | None:
        """The new reading, or None when nothing changed or not everything that it needs was read yet."""
        said = self._judge(distrust, warming)
        if said is None or said == self.said:
            return None
        self.said = said
        return Reading(self.point, said[0], said[1], said[2], now_s)

    def _judge(self, distrust: str, warming: bool) -> tuple[Value, Quality, str] | None:
        cell = self.cell
        if cell.fault or distrust:
            return None, Quality.BAD, cell.fault or distrust
        if cell.raw is None:
            return None
        mark, mark_reason = (Quality.UNCERTAIN, "warm-up") if warming else (Quality.GOOD, "")
        for other, holds, quality, reason in self.conditions:
            if other.fault:
                return None, Quality.BAD, f"{other.placed.name}: {other.fault}"
            if other.raw is None:
                return None
            if not holds(other.raw):
                if quality is Quality.BAD:
                    return None, Quality.BAD, reason
                mark, mark_reason = quality, reason
        exponent = 0
        if self.exponent is not None:
            if self.exponent.fault:
                return None, Quality.BAD, f"{self.exponent.placed.name}: {self.exponent.fault}"
            if self.exponent.raw is None:
                return None
            exponent = int(self.exponent.raw)
        value, quality, reason = self.convert(cell.raw, exponent)
        if quality is Quality.GOOD and mark is not Quality.GOOD:
            return value, mark, mark_reason
        return value, quality, reason


class _Plan:
    """One block with its cells: takes a reply apart and tells which cells changed."""

    def __init__(self, block: Block, start: int, cells: list[_Cell]) -> None:
        self.block = block
        self.cells = cells
        self.fault = ""
        self.pdu = b""
        self._bits = block.request[0] in (READ["coil"], READ["discrete"])
        count = int.from_bytes(block.request[3:5], "big")
        self._words = struct.Struct(f">{count}H")
        self._last: tuple[int, ...] = ()
        self._last_bits = 0
        self._masks = [(1 << (cell.placed.address - start), cell) for cell in cells]
        self._by_word: list[list[_Cell]] = [[] for _ in range(count)]
        if not self._bits:
            for cell in cells:
                at = cell.placed.address - start
                cell.read = reader(cell.placed, at)
                for word in range(at, at + cell.placed.size):
                    self._by_word[word].append(cell)

    def take(self, pdu: bytes) -> Iterable[_Cell]:
        """Cells whose raw number is new; all of them after a failure."""
        every = not self.pdu
        self.pdu = pdu
        return self._take_bits(pdu, every) if self._bits else self._take_words(pdu, every)

    def _take_bits(self, pdu: bytes, every: bool) -> list[_Cell]:
        bits = int.from_bytes(pdu[2:], "little")  # the first input is bit 0 of the first byte
        changed = bits ^ self._last_bits
        self._last_bits = bits
        cells = []
        for mask, cell in self._masks:
            if every or changed & mask:
                cell.raw = 1 if bits & mask else 0
                cells.append(cell)
        return cells

    def _take_words(self, pdu: bytes, every: bool) -> Iterable[_Cell]:
        words = self._words.unpack_from(pdu, 2)
        touched: dict[_Cell, None] = {}
        if every:
            touched = dict.fromkeys(self.cells)
        else:
            for at, (new, old) in enumerate(zip(words, self._last, strict=True)):
                if new != old:
                    for cell in self._by_word[at]:
                        touched[cell] = None
        self._last = words
        for cell in touched:
            if cell.read is not None:
                cell.raw = cell.read(words)
        return touched


class ModbusDriver:
    """One Modbus device of the site."""

    def __init__(self, device_id: str, profile: Profile, unit: int, points: Sequence[WirePoint], timeout_ms: int | None = None) -> None:
        """unit: 0..255. timeout_ms: end of request to first reply byte; the profile's when None.

        ValueError when a point or the profile itself names a signal that the profile does not have.
        """
        self._device = device_id
        self._profile = profile
        self._unit = unit
        self._timeout_s = (timeout_ms or profile.limits.timeout_ms) / 1000
        self._signals = {placed.name: placed for placed in placed_signals(profile)}
        self._wire_points = {point.point: point for point in points}
        self._cells: dict[tuple[Group, str], _Cell] = {}
        self._states = [self._state(point) for point in points]
        self._again: set[str] = set()  # points to be told anew
        self._identity, self._heartbeat = self._device_cells(points)
        self._plans: dict[str, _Plan] = {}
        for group in sorted({group for group, _ in self._cells}):
            self._plan_group(group)
        self._distrust = ""
        self._warming = False
        self._warm_until_s = 0.0
        self._failed_s: float | None = -UNSEEN_S  # first failure since the last answer; at start, always
        self._beat_s = UNSEEN_S
        self._look_s = 0.0  # until then time alone changes nothing

    # --- what to ask ------------------------------------------------------------------

    def plan(self) -> list[Block]:
        """The blocks that together read every point, most urgent first."""
        return [plan.block for plan in self._plans.values()]

    def _placed(self, name: str) -> Placed:
        placed = self._signals.get(name)
        if placed is None:
            raise ValueError(f'device {self._device}: profile {self._profile.id} has no signal "{name}"')
        return placed

    def _cell(self, group: Group, placed: Placed) -> _Cell:
        return self._cells.setdefault((group, placed.name), _Cell(placed))

    def _state(self, point: WirePoint) -> _State:
        group = (point.wire_class, point.period_s)
        placed = self._placed(point.signal)
        conditions = []
        for name, when in placed.valid_when:
            watched = self._placed(name)
            conditions.append((self._cell(group, watched), condition(when, watched.signal), Quality(when.quality), when.reason))
        exponent = self._cell(group, self._placed(placed.exponent_from)) if placed.exponent_from else None
        state = _State(point.point, self._cell(group, placed), converter(placed.signal, point.inverted), conditions, exponent)
        for cell in {state.cell, *(cell for cell, *_ in conditions)} | ({exponent} if exponent else set()):
            cell.users.append(state)
        return state

    def _device_cells(self, points: Sequence[WirePoint]) -> tuple[_Cell | None, _Cell | None]:
        """Cells of identity and heartbeat: with the most urgent points, but never among panic points."""
        profile = self._profile
        if not points or not (profile.identity or profile.heartbeat):
            return None, None
        slower = [(point.wire_class, point.period_s) for point in points if point.wire_class is not WireClass.PANIC]
        group = min(slower, default=(WireClass.STATE, 1.0))
        identity = heartbeat = None
        if profile.identity:
            identity = self._cell(group, Placed("(identity)", profile.identity.signal, profile.identity.address, None, "", (), None))
        if profile.heartbeat:
            heartbeat = self._cell(group, self._placed(profile.heartbeat.signal))
        return identity, heartbeat

    def _plan_group(self, group: Group) -> None:
        for area in READ:
            cells = [cell for (of, _), cell in self._cells.items() if of == group and cell.placed.signal.area == area]
            cells.sort(key=lambda cell: cell.placed.address)
            for start, count, members in self._spans(area, cells):
                block = self._block(group, area, start, count, members)
                self._plans[block.name] = _Plan(block, start, members)

    def _spans(self, area: str, cells: list[_Cell]) -> list[tuple[int, int, list[_Cell]]]:
        """Neighbours joined into (first address, count, cells), within the device's limits."""
        limits = self._profile.limits
        is_bits = area in ("coil", "discrete")
        most = limits.max_bits if is_bits else limits.max_registers
        exact = limits.exact_bits if is_bits else 0
        spans: list[tuple[int, int, list[_Cell]]] = []
        for cell in cells:
            first = cell.placed.address - (cell.placed.address % exact if exact else 0)
            end = first + exact if exact else first + cell.placed.size
            if spans:
                start, count, members = spans[-1]
                hole, whole = first - (start + count), max(end, start + count) - start
                if (first == start and exact) or (not exact and hole <= limits.max_hole and whole <= most):
                    spans[-1] = (start, whole, [*members, cell])
                    continue
            spans.append((first, end - first, [cell]))
        return spans

    def _block(self, group: Group, area: str, start: int, count: int, members: list[_Cell]) -> Block:
        wire_class, period_s = group
        limits = self._profile.limits
        payload = (count + 7) // 8 if area in ("coil", "discrete") else 2 * count
        return Block(
            device=self._device,
            name=f"{area} {start}+{count} {wire_class.name.lower()} {period_s * 1000:g}ms",
            unit=self._unit,
            request=struct.pack(">BHH", READ[area], start, count),
            reply_bytes=2 + payload,
            period_s=period_s,
            deadline_s=period_s if wire_class is WireClass.PANIC else max(period_s, DEADLINE_S),
            wire_class=wire_class,
            timeout_s=self._timeout_s,
            points=tuple(dict.fromkeys(state.point for cell in members for state in cell.users)),
            gap_s=limits.gap_ms / 1000,
            late_s=limits.late_ms / 1000,
        )

    # --- what the answers mean ----------------------------------------------------------

    def decode(self, block: Block, pdu: bytes, now_s: float) -> list[Reading]:
        """Readings of this reply that differ from what was said before; a wrong length makes the block bad."""
        plan = self._plans[block.name]
        while self._again:
            self._forget(self._again.pop())
        if pdu == plan.pdu and self._failed_s is None and now_s < self._look_s:
            return []
        if len(pdu) != block.reply_bytes or pdu[0] != block.request[0] or pdu[1] != len(pdu) - 2:
            return self.fail(block, "bad frame", now_s)
        if self._failed_s is not None:
            if now_s - self._failed_s >= SILENCE_S:
                self._warm_until_s = now_s + self._profile.warm_up_s
            self._failed_s = None
        if plan.fault:
            self._recover(plan, now_s)
        changed = plan.take(pdu)
        if self._judge_device(changed, now_s):
            states: Iterable[_State] = self._states
        else:
            states = dict.fromkeys(state for cell in changed for state in cell.users)
        return self._look(states, now_s)

    def fail(self, block: Block, reason: str, now_s: float) -> list[Reading]:
        """Bad readings, once per reason, for the points that hang on a block that brought no usable answer."""
        plan = self._plans[block.name]
        if plan.fault == reason:
            return []
        plan.fault = reason
        plan.pdu = b""
        if self._failed_s is None:
            self._failed_s = now_s
        for cell in plan.cells:
            cell.fault = reason
        if self._judge_device((), now_s):
            return self._look(self._states, now_s)
        return self._look(dict.fromkeys(state for cell in plan.cells for state in cell.users), now_s)

    def _look(self, states: Iterable[_State], now_s: float) -> list[Reading]:
        distrust, warming = self._distrust, self._warming
        if distrust is UNKNOWN_IDENTITY:
            return []
        return [reading for state in states if (reading := state.look(now_s, distrust, warming)) is not None]

    def _recover(self, plan: _Plan, now_s: float) -> None:
        """A block that failed has answered again."""
        plan.fault = ""
        for cell in plan.cells:
            cell.fault = ""
        if self._heartbeat in plan.cells:
            self._beat_s = now_s

    def _judge_device(self, changed: Iterable[_Cell], now_s: float) -> bool:
        """Weigh what concerns all points: identity, heartbeat, warm-up. True when that verdict changed."""
        before = self._distrust, self._warming
        self._warming = now_s < self._warm_until_s
        self._look_s = self._warm_until_s if self._warming else UNSEEN_S
        self._distrust = self._identity_fault() or self._heartbeat_fault(changed, now_s)
        return before != (self._distrust, self._warming)

    def _identity_fault(self) -> str:
        cell, identity = self._identity, self._profile.identity
        if cell is None or identity is None:
            return ""
        if cell.fault:
            return f"identity: {cell.fault}"
        if cell.raw is None:
            return UNKNOWN_IDENTITY
        number = int(cell.raw) & identity.mask
        if number == identity.expect:
            return ""
        return f"wrong device: {identity.area} {identity.address} holds 0x{number:04x}, expected 0x{identity.expect:04x}"

    def _heartbeat_fault(self, changed: Iterable[_Cell], now_s: float) -> str:
        cell, heartbeat = self._heartbeat, self._profile.heartbeat
        if cell is None or heartbeat is None:
            return ""
        if cell.fault:
            return f"{heartbeat.signal}: {cell.fault}"
        if cell in changed or self._beat_s == UNSEEN_S:
            self._beat_s = now_s
        if now_s - self._beat_s > heartbeat.within_s:
            return f"{heartbeat.signal} stands still"
        self._look_s = min(self._look_s, self._beat_s + heartbeat.within_s)
        return ""

    def say_again(self, point: str) -> None:
        """The next reply tells this point's value even if it has not changed. Safe to call from any thread."""
        self._again.add(point)

    def _forget(self, point: str) -> None:
        for state in self._states:
            if state.point == point:
                state.said = None
                for plan in self._plans.values():
                    if state.cell in plan.cells:
                        plan.pdu = b""

    # --- what to write ------------------------------------------------------------------

    def clear(self, point: str) -> Exchange | None:
        """The write that releases this point's input latch in the device; None when it has none."""
        wired = self._wire_points[point]
        placed = self._placed(wired.signal)
        write = placed.signal.clear
        if write is None or placed.clear_address is None:
            return None
        number = (0xFF00 if write.value else 0) if write.area == "coil" else write.value
        return self._write(f"clear {placed.name}", write.area, placed.clear_address, number, wired.wire_class)

    def encode(self, signal: str, value: bool | int | float) -> Exchange:
        """The write of one output signal. ValueError for a signal that is no output, or a number out of range."""
        placed = self._placed(signal)
        settings = placed.signal
        if settings.kind != "output" or settings.area not in ("coil", "holding"):
            raise ValueError(f'device {self._device}: signal "{signal}" is no output')
        if settings.area == "coil":
            number = 0xFF00 if bool(value) != settings.invert else 0
        else:
            number = round((float(value) - settings.offset) / settings.scale)
            low, high = (-0x8000, 0x7FFF) if settings.type == "s16" else (0, 0xFFFF)
            if settings.type not in ("u16", "s16") or settings.bit is not None or not low <= number <= high:
                raise ValueError(f'device {self._device}: {value!r} cannot be written to "{signal}"')
        return self._write(f"set {signal}", settings.area, placed.address, number & 0xFFFF, WireClass.LIFE_SAFETY)

    def _write(self, name: str, area: str, address: int, number: int, wire_class: WireClass) -> Exchange:
        function = WRITE_COIL if area == "coil" else WRITE_REGISTER
        limits = self._profile.limits
        return Exchange(
            device=self._device,
            name=name,
            unit=self._unit,
            request=struct.pack(">BHH", function, address, number),
            reply_bytes=WRITE_REPLY_BYTES,
            timeout_s=self._timeout_s,
            wire_class=wire_class,
            gap_s=limits.gap_ms / 1000,
            late_s=limits.late_ms / 1000,
        )
