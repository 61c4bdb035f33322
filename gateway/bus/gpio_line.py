"""The lines of one GPIO chip (Linux character device, libgpiod 2), served from the event loop.

All wanted lines are held by one request, so that nobody else can take them. Inputs report their edges with the
kernel's own time; after each batch, and at every opening, the lines are also read, so that a lost edge (the kernel's
queue is finite) never leaves a wrong state standing. Outputs are set to their safe state when they are requested and
before they are given back.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from gateway.bus.counters import LineCounters
from gateway.core.errors import PortLost
from gateway.core.pins import PinRequest, PinState
from gateway.core.said import about
from gateway.core.wire import Exchange, Failure, LineSink, Outcome

log = logging.getLogger(__name__)

REOPEN_S = 1.0
LOOK_S = 1.0  # how often the lines are read although no edge came: shows that the chip still answers
CONSUMER = "campus-gateway"


class GpioLine:
    """One chip with all the lines that this site uses of it."""

    def __init__(
        self, bus_id: str, path: str, requests: Sequence[PinRequest], sink: LineSink, chip_factory: Callable[[str], Any] | None = None
    ) -> None:
        """chip_factory: opens the chip at a path; gpiod.Chip when None. ValueError when two requests want the same line."""
        self.bus_id = bus_id
        self.counters = LineCounters()
        self._path = path
        self._requests = {request.line: request for request in requests}
        if len(self._requests) < len(requests):
            raise ValueError(f"chip {bus_id}: a line is used twice")
        self._devices = list(dict.fromkeys(request.device for request in requests))
        self._inputs = [request.line for request in requests if not request.output]
        self._sink = sink
        self._open = chip_factory or _open_chip
        self._held: Any = None  # the request, while it is open
        self._states: dict[int, bool] = {}
        self._pulses: dict[int, asyncio.TimerHandle] = {}
        self._error: str = ""
        self._defect: BaseException | None = None  # what the sink raised, for run() to raise
        self._bell = asyncio.Event()
        self._lost_s: float | None = None

    async def run(self) -> None:
        """Own the lines until cancelled."""
        while True:
            try:
                await self._serve()
            except PortLost as error:
                self._lose(str(error))
            await asyncio.sleep(REOPEN_S)

    def worst_s(self) -> dict[tuple[str, str], float]:
        """Empty: nothing here is sampled by blocks."""
        return {}

    def submit(self, exchange: Exchange) -> asyncio.Future[Outcome]:
        """Set an output: {"line": 17, "on": true, "for_s": 0.5}, for_s 0 for good. Done at once."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        future.set_result(self._set(exchange))
        return future

    # --- open, serve, close -------------------------------------------------------------

    async def _serve(self) -> None:
        """Hold the lines until cancelled; PortLost when the chip is missing, taken or gone."""
        loop = asyncio.get_running_loop()
        try:
            with self._open(self._path) as chip:
                try:
                    held = chip.request_lines(config=_config(self._requests.values()), consumer=CONSUMER)
                except (OSError, ValueError) as error:
                    raise PortLost(self._why_refused(chip, error)) from error
                with held:
                    fd = held.fd
                    loop.add_reader(fd, self._edges)
                    try:
                        self._opened(held)
                        while not self._error:
                            await self._wait()
                            self._look(time.monotonic())
                        raise PortLost(self._error)
                    finally:
                        loop.remove_reader(fd)
                        self._give_back()
        except OSError as error:
            raise PortLost(f"{self._path}: {error.strerror or error}") from error

    async def _wait(self) -> None:
        self._bell.clear()
        try:
            async with asyncio.timeout(LOOK_S):
                await self._bell.wait()
        except TimeoutError:
            pass
        if self._defect is not None:
            raise self._defect

    def _opened(self, held: Any) -> None:
        now_s = time.monotonic()
        if self._lost_s is not None:
            log.info("chip %s: %s is back after %.1f s", self.bus_id, self._path, now_s - self._lost_s, extra=about(line=self.bus_id))
            self._lost_s = None
        self._held, self._error = held, ""
        self._states.clear()
        for device in self._devices:
            self._sink.device_link(device, True, "", now_s)
        self._look(now_s)

    def _give_back(self) -> None:
        """Outputs safe, pulses over; a chip that is gone cannot be told any more."""
        held, self._held = self._held, None
        for timer in self._pulses.values():
            timer.cancel()
        self._pulses.clear()
        try:
            if held is not None and self._values():
                held.set_values(self._values())
        except OSError as error:
            log.warning(
                "chip %s: outputs could not be set to their safe state: %s", self.bus_id, error.strerror, extra=about(line=self.bus_id)
            )

    def _values(self) -> dict[int, Any]:
        return {request.line: _value(request.safe) for request in self._requests.values() if request.output}

    def _lose(self, reason: str) -> None:
        """Say once that the chip cannot be used."""
        now_s = time.monotonic()
        self.counters.count(Outcome(b"", Failure.PORT_LOST, now_s))
        if self._lost_s is not None:
            return
        self._lost_s = now_s
        self.counters.port_losses += 1
        log.warning("chip %s: %s; trying again each %g s", self.bus_id, reason, REOPEN_S, extra=about(line=self.bus_id))
        for device in self._devices:
            self._sink.device_link(device, False, f"port lost: {reason}", now_s)

    def _why_refused(self, chip: Any, error: Exception) -> str:
        """Names the line that somebody else holds, if there is one."""
        for line in self._requests:
            try:
                info = chip.get_line_info(line)
            except (OSError, ValueError):
                return f"{self._path} has no line {line}"
            if info.used:
                return f"{self._path}: line {line} is taken by {info.consumer or 'the kernel'}"
        return f"{self._path}: {error}"

    # --- inputs -------------------------------------------------------------------------

    def _edges(self) -> None:
        """Edges have come, in their order; each one is told, so that a short press is not missed."""
        try:
            if not self._held.wait_edge_events(0):
                return  # reading would block
            events = self._held.read_edge_events()
        except OSError as error:
            self._fail(error)
            return
        rising = _rising()
        try:
            for event in events:
                self._tell(event.line_offset, event.event_type is rising, event.timestamp_ns / 1e9)
        except BaseException as error:  # noqa: BLE001 a callback's exception would only be logged: the edge must not be lost in silence
            self._defect = error
            asyncio.get_running_loop().remove_reader(self._held.fd)
        self._bell.set()  # the lines are read as soon as this batch is through

    def _look(self, now_s: float) -> None:
        """What the inputs are now."""
        if self._held is None or not self._inputs:
            self.counters.last_attempt_s = now_s
            return
        try:
            values = self._held.get_values(self._inputs)
        except OSError as error:
            self._fail(error)
            return
        self.counters.count(Outcome(b"", None, now_s))
        for line, value in zip(self._inputs, values, strict=True):
            self._tell(line, bool(value), now_s)

    def _tell(self, line: int, active: bool, now_s: float) -> None:
        """A state that is new. now_s: CLOCK_MONOTONIC, as the kernel and time.monotonic() count it."""
        if self._states.get(line) != active:
            self._states[line] = active
            self._sink.heard(self._requests[line].device, PinState(line, active), now_s)

    def _fail(self, error: OSError) -> None:
        self._error = f"{self._path} is gone: {error.strerror or error}"
        asyncio.get_running_loop().remove_reader(self._held.fd)
        self._bell.set()

    # --- outputs ------------------------------------------------------------------------

    def _set(self, exchange: Exchange) -> Outcome:
        now_s = time.monotonic()
        try:
            wish = json.loads(exchange.request)
            line, on, for_s = int(wish["line"]), bool(wish["on"]), float(wish.get("for_s", 0.0))
        except (KeyError, TypeError, ValueError) as error:
            return Outcome(b"", Failure.REFUSED, now_s, detail=f"{exchange.name}: {error!r}")
        request = self._requests.get(line)
        if request is None or not request.output:
            return Outcome(b"", Failure.REFUSED, now_s, detail=f"{exchange.name}: line {line} is no output of this site")
        if self._held is None:
            return Outcome(b"", Failure.PORT_LOST, now_s, detail=f"{self._path} is not open")
        if timer := self._pulses.pop(line, None):
            timer.cancel()
        try:
            self._held.set_value(line, _value(on))
        except OSError as error:
            self._fail(error)
            return Outcome(b"", Failure.PORT_LOST, now_s, detail=self._error)
        if for_s > 0:
            self._pulses[line] = asyncio.get_running_loop().call_later(for_s, self._end_pulse, line, not on)
        return Outcome(b"", None, time.monotonic(), time.monotonic() - now_s)

    def _end_pulse(self, line: int, on: bool) -> None:
        self._pulses.pop(line, None)
        try:
            self._held.set_value(line, _value(on))
        except OSError as error:
            self._fail(error)


def _open_chip(path: str) -> Any:
    import gpiod  # not needed where a site has no gpio

    return gpiod.Chip(path)


def _value(active: bool) -> Any:
    from gpiod.line import Value

    return Value.ACTIVE if active else Value.INACTIVE


def _rising() -> Any:
    from gpiod import EdgeEvent

    return EdgeEvent.Type.RISING_EDGE


def _config(requests: Any) -> dict[int, Any]:
    """Settings of each line, as request_lines wants them."""
    from gpiod import LineSettings
    from gpiod.line import Bias, Direction, Edge

    biases = {"as-is": Bias.AS_IS, "disabled": Bias.DISABLED, "pull-up": Bias.PULL_UP, "pull-down": Bias.PULL_DOWN}
    config: dict[int, Any] = {}
    for request in requests:
        settings = LineSettings(bias=biases[request.bias], active_low=request.active_low)
        if request.output:
            settings.direction, settings.output_value = Direction.OUTPUT, _value(request.safe)
        else:
            settings.direction, settings.edge_detection = Direction.INPUT, Edge.BOTH
            settings.debounce_period = timedelta(seconds=request.debounce_s)
        config[request.line] = settings
    return config
