"""Joins drivers and lines: what a line hears becomes readings on the conveyor, what is decided becomes writes."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

from gateway.bus.line import Line
from gateway.config.settings import Settings
from gateway.core.commands import LatchReleased, Learned
from gateway.core.errors import DoorRefused
from gateway.core.outputs import OutputDone, OutputOrder
from gateway.core.reading import Value
from gateway.core.said import about
from gateway.core.wire import Block, Exchange, Failure, Outcome, WireClass
from gateway.runtime.conveyor import Conveyor
from gateway.runtime.equipment import POLLED, HashCard, drivers_of, plans_of, unit_of, writing_buses
from gateway.runtime.intake import Intake
from gateway.runtime.lines import line_of
from gateway.runtime.promises import judge, wire_of
from gateway.runtime.visits import patience_s, room_s

if TYPE_CHECKING:
    from gateway.config.site import Bus, Device, SerialBus, TcpBus

log = logging.getLogger(__name__)

CLEAR_AGAIN_S = 0.5
TICK_S = 0.1


class Field:
    """All lines and drivers of a site."""

    def __init__(self, settings: Settings, conveyor: Conveyor, hash_card: HashCard, learned: Mapping[str, Mapping[str, Value]]) -> None:
        """learned: device -> what an earlier run found out. `judged` holds what its lines promise, and what they cannot keep."""
        self._settings = settings
        self._conveyor = conveyor
        self._loop = asyncio.get_running_loop()
        self._drivers = drivers_of(settings, hash_card, learned)
        self._device_of = {point.point: device for device, points in settings.wire.items() for point in points}
        self._line_of: dict[str, Line] = {}
        self._clearing: set[str] = set()
        self._orders: dict[str, deque[OutputOrder]] = {}
        self.lines: dict[str, Line] = {}
        self.intakes: dict[str, Intake] = {}
        plans = plans_of(settings, self._drivers)
        self.judged = judge(settings, plans, writing_buses(settings, self._drivers))
        cards = frozenset(point.id for point in settings.points.values() if point.kind == "card")
        for bus in settings.site.buses:
            self._add_line(bus, [device for device in settings.site.devices if device.bus == bus.id], cards)

    def _add_line(self, bus: Bus, devices: Sequence[Device], cards: frozenset[str]) -> None:
        if not devices:
            return
        intake = Intake(self._drivers, self._conveyor, cards, self._learned, self._came_up, unasked=bus.transport not in POLLED)
        line = line_of(self._settings, bus, devices, self._drivers, intake)
        self.lines[bus.id] = line
        self.intakes[bus.id] = intake
        for device in devices:
            self._line_of[device.id] = line

    def device_up(self) -> dict[str, bool]:
        """Device id -> answers; a device that was not heard of yet is not listed."""
        return {device: up for intake in list(self.intakes.values()) for device, up in list(intake.device_up.items())}

    def cards(self) -> list[tuple[float, str, str]]:
        """(monotonic seconds, point, hash) of the cards shown last, oldest first."""
        return sorted(shown for intake in self.intakes.values() for shown in list(intake.shown))

    @property
    def needs_ticks(self) -> bool:
        """True when some devices speak unasked: their held contacts go back with time alone."""
        return any(bus.transport not in POLLED for bus in self._settings.site.buses)

    async def tick_on(self) -> None:
        """Let time pass for devices that speak unasked, until cancelled."""
        unasked = [self.intakes[bus.id] for bus in self._settings.site.buses if bus.id in self.intakes and bus.transport not in POLLED]
        while True:
            await asyncio.sleep(TICK_S)
            for intake in unasked:
                intake.tick(self._loop.time())

    # --- what a line found out ------------------------------------------------------------

    def _learned(self, device: str, facts: Mapping[str, Value]) -> None:
        log.warning("device %s refuses reads that bridge holes: from now on they are read apart", device, extra=about(device=device))
        self._loop.call_soon_threadsafe(self._conveyor.stimulate, Learned(device, dict(facts)))

    def _came_up(self, device: str) -> None:
        self._loop.call_soon_threadsafe(self._begin_device, device)

    def _begin_device(self, device: str) -> None:
        """Write what the site wants written each time this device comes up."""
        for exchange in self._drivers[device].start():
            self._line_of[device].submit(exchange).add_done_callback(partial(_said, f"{device}: {exchange.name}"))

    # --- a visitor's read -----------------------------------------------------------------

    async def read(self, bus: str, exchange: Exchange) -> Outcome | None:
        """One request for a technician; None when there is no such polled bus. DoorRefused when its line cannot spare the time."""
        line = self.lines.get(bus)
        settings = next((each for each in self._settings.site.buses if each.id == bus), None)
        if line is None or settings is None or settings.transport not in POLLED:
            return None
        question = self._with_patience(settings, exchange)
        outcome = await line.submit(question)
        if outcome.failure is Failure.NO_ANSWER and question.timeout_s < exchange.timeout_s:
            words = f"{outcome.detail or outcome.reason} for {question.timeout_s * 1000:.0f} ms; this line can spare no more for a question"
            return replace(outcome, detail=words)
        return outcome

    def _with_patience(self, bus: Bus, exchange: Exchange) -> Exchange:
        if bus.id not in self.judged.lines:
            return exchange  # nothing is read on it
        first = next(device for device in self._settings.site.devices if device.bus == bus.id)
        wire = wire_of(cast("SerialBus | TcpBus", bus), self._settings.profiles[first.profile].serial)
        room = room_s(self.judged.lines[bus.id], cast("SerialBus | TcpBus", bus).panic_limit_ms / 1000)
        device, blocks = self._unit_on(bus.id, exchange.unit)
        late_s = max((block.late_s for block in blocks), default=0.0) if wire.late_answers else 0.0
        if any(block.wire_class is WireClass.PANIC for block in blocks):
            room -= late_s  # unanswered, it would be left alone for so long, with its buttons
        seconds = patience_s(exchange, wire, room)
        if not seconds:
            words = f"bus {bus.id} has panic buttons: a question may hold it for {room * 1000:.0f} ms, this one would take longer"
            raise DoorRefused(f"{words}; ask for fewer registers, or stop the daemon and ask then")
        return replace(exchange, device=device or exchange.device, timeout_s=seconds, late_s=late_s)

    def _unit_on(self, bus: str, unit: int) -> tuple[str, list[Block]]:
        """The device of this unit on a bus and what is asked of it; ("", []) for a stranger."""
        for device in self._settings.site.devices:
            if device.bus == bus and unit_of(self._settings, device) == unit:
                return device.id, self._drivers[device.id].plan()
        return "", []

    # --- latches --------------------------------------------------------------------------

    def release_latch(self, point: str, press: int) -> None:
        """This press is on the disk: clear the latch in the device."""
        if point not in self._clearing and self._drivers[self._device_of[point]].clear(point) is not None:
            self._clearing.add(point)
            self._clear(point, press)

    def _clear(self, point: str, press: int) -> None:
        device = self._device_of[point]
        exchange = self._drivers[device].clear(point)
        assert exchange is not None
        self._line_of[device].submit(exchange).add_done_callback(lambda done: self._cleared(point, press, done))

    def _cleared(self, point: str, press: int, done: asyncio.Future[Outcome]) -> None:
        if done.cancelled():
            return
        outcome = done.result()
        if outcome.failure is None:
            self._clearing.discard(point)
            self._conveyor.stimulate(LatchReleased(point, press))
            self._drivers[self._device_of[point]].say_again(point)  # a press that set it anew would look unchanged
            return
        log.warning("the latch of %s could not be cleared: %s; tried again", point, outcome.reason, extra=about(point=point))
        self._loop.call_later(CLEAR_AGAIN_S, self._look_again, point)

    def _look_again(self, point: str) -> None:
        """Perhaps the answer alone was lost: what is set now may be a newer press, so it is read, told and kept before it is cleared."""
        self._clearing.discard(point)
        self._drivers[self._device_of[point]].say_again(point)

    # --- outputs --------------------------------------------------------------------------

    def order(self, order: OutputOrder) -> None:
        """Write an output. Orders of one device are carried out one after the other, each is answered once."""
        waiting = self._orders.setdefault(order.device, deque())
        waiting.append(order)
        if len(waiting) == 1:
            self._carry_out(order)

    def _carry_out(self, order: OutputOrder) -> None:
        driver = self._drivers[order.device]
        try:
            exchanges = driver.pulse(order.signal, order.pulse_s) if order.pulse_s else driver.encode(order.signal, order.on)
        except ValueError as error:
            self._loop.call_soon(self._ordered, order, str(error))
            return
        if exchanges is None:
            self._loop.call_soon(self._ordered, order, "the device cannot end a pulse by itself")
            return
        self._send(order, deque(exchanges), self._loop.time())

    def _send(self, order: OutputOrder, exchanges: deque[Exchange], began_s: float) -> None:
        exchange = exchanges.popleft()
        if exchange.within_s and self._loop.time() > began_s + exchange.within_s:
            words = f"{exchange.name}: the sequence has not come to its end within {exchange.within_s:g} s"
            self._loop.call_soon(self._ordered, order, words)
            return
        self._line_of[order.device].submit(exchange).add_done_callback(lambda done: self._sent(order, exchanges, began_s, done))

    def _sent(self, order: OutputOrder, exchanges: deque[Exchange], began_s: float, done: asyncio.Future[Outcome]) -> None:
        outcome = Outcome(b"", Failure.PORT_LOST, 0.0) if done.cancelled() else done.result()
        if outcome.failure is None and exchanges:
            self._send(order, exchanges, began_s)
        else:
            self._ordered(order, "" if outcome.failure is None else outcome.detail or outcome.reason)

    def _ordered(self, order: OutputOrder, failure: str) -> None:
        self._conveyor.stimulate(OutputDone(order.output, order.number, failure))
        waiting = self._orders[order.device]
        waiting.popleft()
        if waiting:
            self._carry_out(waiting[0])


def _said(what: str, done: asyncio.Future[Outcome]) -> None:
    if not done.cancelled() and (outcome := done.result()).failure is not None:
        log.warning("%s failed: %s", what, outcome.detail or outcome.reason)
