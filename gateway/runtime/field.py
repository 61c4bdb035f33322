"""Joins drivers and lines: what a line hears becomes readings on the conveyor."""

from __future__ import annotations

import asyncio
import logging
import threading

from drivers import DRIVERS
from drivers.modbus import ModbusDriver
from drivers.modbus_framing import framing_for
from gateway.bus.line import Line, line_for
from gateway.config.settings import Settings
from gateway.core.commands import LatchReleased
from gateway.core.reading import Reading
from gateway.core.wire import Block, Outcome
from gateway.runtime.conveyor import Conveyor

log = logging.getLogger(__name__)

CLEAR_AGAIN_S = 0.5


class Intake:
    """Where one line reports. Decodes in the line's own thread; only readings cross to the loop."""

    def __init__(self, drivers: dict[str, ModbusDriver], conveyor: Conveyor) -> None:
        self._drivers = drivers
        self._conveyor = conveyor
        self._loop_thread = threading.get_ident()
        self.device_up: dict[str, bool] = {}

    def outcome(self, block: Block, outcome: Outcome) -> None:
        """A block was tried."""
        driver = self._drivers[block.device]
        if outcome.failure is None:
            readings = driver.decode(block, outcome.pdu, outcome.now_s)
        else:
            readings = driver.fail(block, outcome.reason, outcome.now_s)
        if readings:
            self._push(readings)

    def device_link(self, device: str, up: bool, reason: str, now_s: float) -> None:
        """A device went silent, or answers again."""
        self.device_up[device] = up
        self._push([Reading(device, not up, reason=reason, now_s=now_s)])

    def _push(self, readings: list[Reading]) -> None:
        if threading.get_ident() == self._loop_thread:
            self._conveyor.push(readings)
        else:
            self._conveyor.push_from_thread(readings)


class Field:
    """All lines and drivers of a site."""

    def __init__(self, settings: Settings, conveyor: Conveyor) -> None:
        self._conveyor = conveyor
        self._drivers: dict[str, ModbusDriver] = {}
        self._device_of: dict[str, str] = {}
        self._line_of: dict[str, Line] = {}
        self._clearing: set[str] = set()
        self.lines: dict[str, Line] = {}
        self.intakes: dict[str, Intake] = {}
        for device in settings.site.devices:
            profile = settings.profiles[device.profile]
            points = settings.wire.get(device.id, [])
            unit = profile.serial.unit if device.unit is None else device.unit
            self._drivers[device.id] = DRIVERS[profile.protocol](device.id, profile, unit, points, device.timeout_ms)
            for point in points:
                self._device_of[point.point] = device.id
        for bus in settings.site.buses:
            devices = [device for device in settings.site.devices if device.bus == bus.id]
            if not devices:
                continue
            blocks = [block for device in devices for block in self._drivers[device.id].plan()]
            intake = Intake(self._drivers, conveyor)
            factory = settings.profiles[devices[0].profile].serial
            line = line_for(bus, framing_for(bus.transport), blocks, intake, factory, settings.file.parent)
            self.lines[bus.id] = line
            self.intakes[bus.id] = intake
            for device in devices:
                self._line_of[device.id] = line

    def device_up(self) -> dict[str, bool]:
        """Device id -> answers; a device that was not heard of yet is not listed."""
        return {device: up for intake in list(self.intakes.values()) for device, up in list(intake.device_up.items())}

    def release_latch(self, point: str) -> None:
        """A press is on the disk: clear the latch in the device."""
        if point not in self._clearing and self._drivers[self._device_of[point]].clear(point) is not None:
            self._clearing.add(point)
            self._clear(point)

    def _clear(self, point: str) -> None:
        device = self._device_of[point]
        exchange = self._drivers[device].clear(point)
        assert exchange is not None
        future = self._line_of[device].submit(exchange)
        future.add_done_callback(lambda done: self._cleared(point, done))

    def _cleared(self, point: str, done: asyncio.Future[Outcome]) -> None:
        if done.cancelled():
            return
        outcome = done.result()
        if outcome.failure is None:
            self._clearing.discard(point)
            self._conveyor.stimulate(LatchReleased(point))
            self._drivers[self._device_of[point]].say_again(point)  # a press that set it anew would look unchanged
            return
        log.warning("the latch of %s could not be cleared: %s; tried again", point, outcome.reason)
        asyncio.get_running_loop().call_later(CLEAR_AGAIN_S, self._clear, point)
