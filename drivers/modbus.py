"""The Modbus driver: which registers to read how often, and what the answers mean. Pure: no port, no clock.

A profile says where each signal lies; the site says which signals are points. From both come the blocks
(neighbours in one request, holes bridged, urgent points never behind slower ones) and, for each block, closures
that turn words into readings. Only what changed is looked at, and only a changed value, quality or reason is said.

A device that answers a block with "illegal data address" because of the holes in it is asked without bridging from
then on: `replan` gives the new blocks, `learned` is what to remember. Its points keep what they said meanwhile.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from drivers.modbus_blocks import BIT_AREAS, READ, Plan, Stretch, fold, spans_holes, stretches
from drivers.modbus_cells import Cells, Group
from drivers.modbus_meaning import Cell, Condition, State
from drivers.modbus_places import Placed, address_shift, on_the_wire, placed_signals
from drivers.modbus_writes import Writer
from gateway.core.reading import Reading, Value
from gateway.core.wire import Block, Exchange, WireClass, WirePoint

if TYPE_CHECKING:
    from gateway.config.profile_modbus import ModbusProfile as Profile
    from gateway.config.profile_modbus import Signal

DEADLINE_S = 1.0  # how late a block below PANIC may be before it overtakes: the lag limit of wb-mqtt-serial's poller
SILENCE_S = 3.0  # a device that was away for so long may have lost power, and warms up again
UNSEEN_S = float("inf")
UNKNOWN_IDENTITY = "identity not read yet"  # nothing is said until then
ILLEGAL_ADDRESS = "exception 2:"  # how the reason begins that modbus_framing gives
NO_BRIDGING = "no_bridging"


class ModbusDriver:
    """One Modbus device of the site."""

    def __init__(
        self,
        device_id: str,
        profile: Profile,
        unit: int,
        points: Sequence[WirePoint],
        timeout_ms: int | None = None,
        *,
        delay_ms: int | None = None,
        address_offset: int = 0,
        configure: bool = False,
        learned: Mapping[str, object] | None = None,
    ) -> None:
        """unit: 0..255. timeout_ms, delay_ms: end of request to first reply byte, at most and at worst; the profile's when None.

        address_offset: added to every address. configure: `start` writes the profile's settings. learned: what `learned`
        gave in an earlier run. ValueError when a point or the profile itself names a signal that the profile does not
        have, or a signal has no address on the wire.
        """
        self._device = device_id
        self._profile = profile
        self._unit = unit
        self._timeout_s = (timeout_ms or profile.limits.timeout_ms) / 1000
        self._delay_s = (profile.limits.delay_ms if delay_ms is None else delay_ms) / 1000
        self._shift = address_shift(profile, address_offset)
        self._configure = configure
        self._writer = Writer(device_id, unit, profile, address_offset, self._timeout_s)
        self._signals = {placed.name: placed for placed in placed_signals(profile, address_offset)}
        self._wire_points = {point.point: point for point in points}
        self._cells = Cells(device_id, profile.id, self._signals)
        self._states = [self._cells.state(point) for point in points]
        self._again: set[str] = set()  # points to be told anew
        self._identity, self._heartbeat, self._order = self._device_cells(points)
        self._remote = self._remote_conditions(points)
        self._low_first: bool | None = None  # of the words that the profile calls tested
        self._order_doubt = ""
        self._bridging = not (learned or {}).get(NO_BRIDGING, False)
        self._new_plan = False
        self._plans: dict[str, Plan] = {}
        self._plan_all()
        self._distrust = ""
        self._warming = False
        self._warm_until_s = 0.0
        self._failed_s: float | None = -UNSEEN_S  # first failure since the last answer; at start, always
        self._beat_s = UNSEEN_S
        self._look_s = 0.0  # until then time alone changes nothing

    # --- what to ask ------------------------------------------------------------------

    def plan(self) -> list[Block]:
        """The blocks that together read every point and feed the device's watchdog, most urgent first."""
        blocks = [plan.block for plan in self._plans.values()]
        if self._profile.feed is not None:
            blocks.append(replace(self._writer.feed(self._profile.feed), delay_s=self._delay_s))
        return sorted(blocks, key=lambda block: (block.wire_class, block.period_s))

    def replan(self) -> list[Block] | None:
        """All blocks anew, once, after the device turned out not to allow holes; else None."""
        if not self._new_plan:
            return None
        self._new_plan = False
        return self.plan()

    @property
    def learned(self) -> dict[str, Value]:
        """What to hand to the next driver of this device as `learned`."""
        return {} if self._bridging else {NO_BRIDGING: True}

    def _device_group(self, points: Sequence[WirePoint]) -> Group:
        """Where the device's own cells are read: with the most urgent points, but never among panic points."""
        slower = [(point.wire_class, point.period_s) for point in points if point.wire_class is not WireClass.PANIC]
        return min(slower, default=(WireClass.STATE, 1.0))

    def _device_cells(self, points: Sequence[WirePoint]) -> tuple[Cell | None, Cell | None, Cell | None]:
        """Cells of identity, heartbeat and word order."""
        profile, group = self._profile, self._device_group(points)
        if not points:
            return None, None, None
        tested = any(cell.placed.signal.words == "tested" for cell in self._cells)
        identity = self._own_cell(group, "(identity)", profile.identity.signal) if profile.identity else None
        heartbeat = self._cells.cell(group, self._cells.placed(profile.heartbeat.signal)) if profile.heartbeat else None
        order = self._own_cell(group, "(word order)", profile.word_order.signal) if profile.word_order and tested else None
        return identity, heartbeat, order

    def _own_cell(self, group: Group, name: str, signal: Signal) -> Cell:
        placed = Placed(name, signal, (signal.address or 0) + self._shift)
        on_the_wire(placed.address, name, placed.size)
        return self._cells.cell(group, placed)

    def _remote_conditions(self, points: Sequence[WirePoint]) -> dict[str, Condition]:
        """Output -> what must hold before it is commanded."""
        group = self._device_group(points)
        found = {}
        for placed in self._signals.values():
            if placed.signal.write is not None and placed.signal.write.remote_when is not None:
                found[placed.name] = self._cells.condition(group, placed, placed.signal.write.remote_when)
        return found

    def _plan_all(self) -> None:
        """Blocks of all groups. What was read and said stays in the cells and states."""
        self._plans = {}
        for area in READ:
            planned: list[tuple[Group, list[Stretch]]] = []
            for group in self._cells.groups():  # most urgent first
                cells = self._cells.of(group, area)
                if area in BIT_AREAS:
                    for (_, period_s), into in planned:
                        if period_s <= group[1]:
                            cells = fold(into, cells, self._profile, self._bridging)
                planned.append((group, stretches(self._profile, area, cells, self._shift, self._bridging)))
            for group, found in planned:
                for stretch in found:
                    block = self._block(group, area, stretch)
                    self._plans[block.name] = Plan(block, stretch[0], stretch[2], self._low_first)

    def _block(self, group: Group, area: str, stretch: Stretch) -> Block:
        wire_class, period_s = group
        start, count, members = stretch
        limits = self._profile.limits
        payload = (count + 7) // 8 if area in BIT_AREAS else 2 * count
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
            delay_s=self._delay_s,
            spanning=spans_holes(self._profile, area, stretch),
        )

    # --- what the answers mean ----------------------------------------------------------

    def decode(self, block: Block, pdu: bytes, now_s: float) -> list[Reading]:
        """Readings of this reply that differ from what was said before; a wrong shape makes the block bad."""
        plan = self._plans.get(block.name)
        if plan is None:
            return []  # the echo of a write, or a block that was planned away meanwhile
        while self._again:
            self._forget(self._again.pop())
        if pdu == plan.pdu and self._failed_s is None and now_s < self._look_s:
            return []
        if not plan.fits(pdu):
            return self.fail(block, "bad frame", now_s)
        if self._failed_s is not None:
            if now_s - self._failed_s >= SILENCE_S:
                self._back_after_silence(now_s)
            self._failed_s = None
        if plan.fault:
            self._recover(plan, now_s)
        changed = plan.take(pdu)
        if self._judge_device(changed, now_s):
            states: Iterable[State] = self._states
        else:
            states = dict.fromkeys(state for cell in changed for state in cell.users)
        return self._look(states, now_s)

    def hear(self, message: object, now_s: float) -> list[Reading]:
        """Nothing: a Modbus device speaks only when asked."""
        return []

    def fail(self, block: Block, reason: str, now_s: float) -> list[Reading]:
        """Bad readings, once per reason, for the points that hang on a block that brought no usable answer.

        None for "illegal data address" to a block that read over holes: it is planned anew without them first.
        """
        plan = self._plans.get(block.name)
        if plan is None:
            return []
        if block.spanning and self._bridging and f"{reason}:".startswith(ILLEGAL_ADDRESS):
            self._bridging, self._new_plan = False, True
            self._plan_all()
            return []
        return self._failed([plan], reason, now_s)

    def lost(self, reason: str, now_s: float) -> list[Reading]:
        """Bad readings for all points: the device is silent."""
        return self._failed(self._plans.values(), reason, now_s)

    def tick(self, now_s: float) -> list[Reading]:
        """Readings that time alone changes: a heartbeat stands still, the warm-up is over."""
        if self._failed_s is not None or now_s < self._look_s or not self._judge_device((), now_s):
            return []
        return self._look(self._states, now_s)

    def _failed(self, plans: Iterable[Plan], reason: str, now_s: float) -> list[Reading]:
        cells = []
        for plan in plans:
            if plan.fault != reason:
                plan.fault, plan.pdu = reason, b""
                cells += plan.cells
        if not cells:
            return []
        if self._failed_s is None:
            self._failed_s = now_s
        for cell in cells:
            cell.fault = reason
        if self._judge_device((), now_s):
            return self._look(self._states, now_s)
        return self._look(dict.fromkeys(state for cell in cells for state in cell.users), now_s)

    def _look(self, states: Iterable[State], now_s: float) -> list[Reading]:
        distrust, warming = self._distrust, self._warming
        if distrust is UNKNOWN_IDENTITY:
            return []
        return [reading for state in states if (reading := state.look(now_s, distrust, warming)) is not None]

    def _back_after_silence(self, now_s: float) -> None:
        """It may have lost power, or be another one of its kind."""
        self._warm_until_s = now_s + self._profile.warm_up_s
        if self._order is None:
            return
        self._low_first, self._order.raw = None, None
        for plan in self._plans.values():
            plan.reorder(None)
            if self._order in plan.cells:
                plan.pdu = b""

    def _recover(self, plan: Plan, now_s: float) -> None:
        """A block that failed has answered again."""
        plan.fault = ""
        for cell in plan.cells:
            cell.fault = ""
        if self._heartbeat in plan.cells:
            self._beat_s = now_s

    def _judge_device(self, changed: Iterable[Cell], now_s: float) -> bool:
        """Weigh what concerns all points: identity, heartbeat, warm-up, word order. True when that verdict changed."""
        before = self._distrust, self._warming
        self._warming = now_s < self._warm_until_s
        self._look_s = self._warm_until_s if self._warming else UNSEEN_S
        self._distrust = self._identity_fault() or self._heartbeat_fault(changed, now_s)
        reordered = self._order is not None and self._judge_order(self._order)
        return reordered or before != (self._distrust, self._warming)

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

    def _heartbeat_fault(self, changed: Iterable[Cell], now_s: float) -> str:
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

    def _judge_order(self, cell: Cell) -> bool:
        """Find out the order of words. True when that changed; a known one stays while the register is not read."""
        wanted = self._profile.word_order.expect if self._profile.word_order else 0
        low_first, doubt = self._low_first, ""
        if cell.fault:
            doubt = f"word order: {cell.fault}" if low_first is None else ""
        elif cell.raw is None:
            doubt = self._order_doubt
        elif cell.raw == wanted:
            low_first = False
        elif cell.raw == (wanted & 0xFFFF) << 16 | wanted >> 16:
            low_first = True
        else:
            low_first, doubt = None, f"word order register holds 0x{int(cell.raw):08X}"
        if (low_first, doubt) == (self._low_first, self._order_doubt):
            return False
        for other in self._cells:
            if other.placed.signal.words == "tested":
                other.doubt = doubt
        if low_first is not self._low_first:
            for plan in self._plans.values():
                plan.reorder(low_first)
        self._low_first, self._order_doubt = low_first, doubt
        return True

    def say_again(self, point: str) -> None:
        """The next reply tells this point's value even if it has not changed. Safe to call from any thread."""
        self._again.add(point)

    def _forget(self, point: str) -> None:
        for state in self._states:
            if state.point == point:
                state.said = None
                cells = set(state.meaning.cells())
                for plan in self._plans.values():
                    if not cells.isdisjoint(plan.cells):
                        plan.pdu = b""

    # --- what to write ------------------------------------------------------------------

    def start(self) -> list[Exchange]:
        """What to write each time the device comes up, if the site lets it be configured: safe values, then settings."""
        if not self._configure:
            return []
        exchanges = [
            self._writer.fixed(placed.signal.safe, placed.index, f"safe value of {placed.name}", WireClass.STATE)
            for placed in self._signals.values()
            if placed.signal.safe is not None
        ]
        return exchanges + [self._writer.fixed(write, 0, "setting", WireClass.STATE) for write in self._profile.start]

    def clear(self, point: str) -> Exchange | None:
        """The write that releases this point's input latch in the device; None when it has none."""
        wired = self._wire_points[point]
        placed = self._cells.placed(wired.signal)
        write = placed.signal.clear
        return None if write is None else self._writer.fixed(write, placed.index, f"clear {placed.name}", wired.wire_class)

    def encode(self, signal: str, value: bool | int | float | str) -> list[Exchange]:
        """The writes that set one output, in order.

        ValueError for a signal that is no output, a value that it cannot take, or a device that takes no commands now.
        """
        placed = self._output(signal)
        try:
            return self._writer.output(placed, value, self._low_first)
        except ValueError as error:
            raise ValueError(f'device {self._device}: {value!r} cannot be written to "{signal}": {error}') from error

    def pulse(self, signal: str, duration_s: float) -> list[Exchange] | None:
        """A pulse that the device itself ends; None where it cannot. ValueError as for `encode`."""
        placed = self._output(signal)
        try:
            return self._writer.pulse(placed, duration_s)
        except ValueError as error:
            raise ValueError(f'device {self._device}: "{signal}": {error}') from error

    def _output(self, signal: str) -> Placed:
        placed = self._cells.placed(signal)
        if placed.signal.kind != "output":
            raise ValueError(f'device {self._device}: signal "{signal}" is no output')
        if signal in self._remote:
            cell, holds, _, reason = self._remote[signal]
            if cell.trouble or cell.raw is None:
                raise ValueError(f"device {self._device}: {cell.placed.name}: {cell.trouble or 'not read yet'}")
            if not holds(cell.raw):
                raise ValueError(f"device {self._device}: {reason}")
        return placed
