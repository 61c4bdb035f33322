"""A laptop at the gate: read one device live, find the units on a line. For `campus-gateway devices probe` and `scan`.

Where a daemon owns the line, the questions go through it as errands of the lowest class, so that nobody is disturbed.
Otherwise the line is opened here, with nothing else on it. Only reads are ever sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from drivers.modbus import ModbusDriver
from drivers.modbus_framing import framing_for
from gateway.bus.line import Line
from gateway.bus.serial_line import SerialLine, SerialSettings, open_port
from gateway.bus.tcp_line import TcpLine
from gateway.config.settings import Settings
from gateway.core.errors import DoorRefused, GatewayError, PortLost
from gateway.core.reading import Quality, Reading
from gateway.core.wire import Block, Driver, Exchange, Failure, Outcome, WireClass, WirePoint
from gateway.runtime.door import ask

if TYPE_CHECKING:
    from gateway.config.profile_frames import FramesProfile
    from gateway.config.profile_modbus import ModbusProfile

READS = frozenset({1, 2, 3, 4})
REPLY_BYTES = {1: 3, 2: 3, 3: 4, 4: 4}  # of a read of one bit or register
CONNECT_S = 3.0
SCAN_TIMEOUT_S = 0.1
TRIES = 3  # of a probed block


class ProbeRefused(GatewayError):
    """The line cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to ask: a serial port, or host and port. transport: rtu, ascii, tcp or rtu-tcp."""

    transport: str
    path: str = ""
    host: str = ""
    port: int = 502
    serial: SerialSettings = field(default_factory=SerialSettings)

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


class Asker(Protocol):
    """Sends one read and gives its outcome. through: who holds the line."""

    through: str

    async def ask(self, exchange: Exchange) -> Outcome:
        """Never raises for a silent device: that is an outcome."""
        ...


class _Own:
    """The line is ours alone."""

    through = "opened directly"

    def __init__(self, line: Line) -> None:
        self._line = line

    async def ask(self, exchange: Exchange) -> Outcome:
        return await self._line.submit(exchange)


class _Daemons:
    """The line belongs to a running daemon."""

    def __init__(self, door: Path, bus: str) -> None:
        self._door, self._bus = door, bus
        self.through = f"through the running daemon, bus {bus}"

    async def ask(self, exchange: Exchange) -> Outcome:
        request = {
            "op": "read",
            "bus": self._bus,
            "unit": exchange.unit,
            "request": exchange.request.hex(),
            "reply_bytes": exchange.reply_bytes,
            "timeout_ms": round(exchange.timeout_s * 1000),
        }
        answer = await ask(self._door, request, timeout_s=exchange.timeout_s + 60.0)
        if not answer.get("ok"):
            raise DoorRefused(str(answer.get("error")))
        return outcome_of(answer)


def outcome_of(answer: dict[str, Any]) -> Outcome:
    """The outcome that the daemon's answer to a `read` tells of."""
    failure = Failure(answer["failure"]) if answer["failure"] else None
    pdu = bytes.fromhex(answer["pdu"])
    return Outcome(pdu, failure, time.monotonic(), answer["took_ms"] / 1000, answer["exception"], answer["detail"])


@asynccontextmanager
async def asker(target: Target, settings: Settings | None) -> AsyncIterator[Asker]:
    """Open the line, or find the daemon that owns it. settings: the site file of a daemon that may be running.

    Raises ProbeRefused.
    """
    bus = "" if settings is None else _bus_of(settings, target)
    if settings is not None and bus and await _is_served(settings.door_path):
        yield _Daemons(settings.door_path, bus)  # what the daemon then refuses is said as such, and the port left alone
        return
    if target.path:
        try:
            open_port(target.path, target.serial).close()
        except PortLost as error:
            raise ProbeRefused(f"{error}; a port that a daemon owns is asked through it: give --config SITE.toml") from error
    line = _line(target)
    running = asyncio.get_running_loop().create_task(line.run())
    try:
        try:
            async with asyncio.timeout(CONNECT_S):
                await line.connected.wait()
        except TimeoutError:
            raise ProbeRefused(f"{target} does not accept a connection within {CONNECT_S:g} s") from None
        yield _Own(line)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _is_served(door: Path) -> bool:
    """A daemon answers there; behind an old socket nobody does."""
    try:
        return door.exists() and bool((await ask(door, {"op": "hello", "who": "probe"})).get("ok"))
    except DoorRefused:
        return False


def _line(target: Target) -> SerialLine | TcpLine:
    sink = _Nobody()
    if target.path:
        return SerialLine("probe", target.path, target.serial, framing_for(target.transport), [], sink)
    late = target.transport == "rtu-tcp"
    return TcpLine("probe", target.host, target.port, framing_for(target.transport), [], sink, CONNECT_S, late_answers=late)


class _Nobody:
    """A line without blocks reports to nobody."""

    def outcome(self, block: Block, outcome: Outcome) -> Sequence[Block] | None:
        return None

    def heard(self, device: str, message: object, now_s: float) -> None:
        pass

    def device_link(self, device: str, up: bool, reason: str, now_s: float) -> None:
        pass


def _bus_of(settings: Settings, target: Target) -> str:
    for bus in settings.site.buses:
        if target.path and bus.transport in ("rtu", "ascii"):
            if (settings.file.parent / bus.device).resolve() == Path(target.path).resolve():
                return bus.id
        elif target.host and bus.transport in ("tcp", "rtu-tcp") and (bus.host, bus.port) == (target.host, target.port):
            return bus.id
    return ""


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe found. readings: signal -> its reading; blocks: (block, why it failed or '', seconds that it took)."""

    readings: dict[str, Reading]
    blocks: list[tuple[Block, str, float]]

    @property
    def answered(self) -> bool:
        """At least one request was answered."""
        return any(not fault for _, fault, _ in self.blocks)


async def probe(of: Asker, profile: ModbusProfile, unit: int, signals: Iterable[str], timeout_s: float | None, offset: int) -> Probed:
    """Read every signal of a device once, with retries."""
    points = [WirePoint(name, name, WireClass.MEASUREMENT, 1.0) for name in signals]
    timeout_ms = None if timeout_s is None else round(timeout_s * 1000)
    driver = ModbusDriver("device", profile, unit, points, timeout_ms, address_offset=offset)
    readings: dict[str, Reading] = {}
    blocks: dict[str, tuple[Block, str, float]] = {}
    for number in range(2):  # an identity or word-order register may lie behind the values that wait for it
        plan = driver.plan()
        while plan:
            block = plan.pop(0)
            if block.request[0] not in READS:
                continue
            outcome = await _tried(of, block)
            now_s = time.monotonic()
            if outcome.failure is None:
                found = driver.decode(block, outcome.pdu, now_s)
            else:
                found = driver.fail(block, outcome.reason, now_s)
                if new := driver.replan():
                    plan, blocks = list(new), {}
                    continue
            if outcome.failure is Failure.NO_ANSWER and not readings and not blocks:
                return Probed(
                    {}, [(block, outcome.detail or outcome.reason, outcome.took_s)]
                )  # nobody is there: the others need not be tried
            blocks[block.name] = (block, outcome.reason and (outcome.detail or outcome.reason), outcome.took_s)
            for reading in found:
                readings[reading.point] = reading
        if number == 0 and all(name in readings and readings[name].quality is Quality.GOOD for name in signals):
            break
    return Probed(readings, list(blocks.values()))


async def _tried(of: Asker, block: Block) -> Outcome:
    exchange = Exchange(
        block.device,
        block.name,
        block.unit,
        block.request,
        block.reply_bytes,
        block.timeout_s,
        WireClass.DIAGNOSTICS,
        block.gap_s,
        block.late_s,
    )
    for _ in range(TRIES):
        outcome = await of.ask(exchange)
        if outcome.failure in (None, Failure.EXCEPTION, Failure.PORT_LOST):
            break
    return outcome


async def listen(target: Target, profile: FramesProfile, unit: int, signals: Sequence[str], seconds: float) -> dict[str, Reading]:
    """What a device that speaks in frames of its own says within so many seconds; ends early when every signal was heard.

    Raises ProbeRefused when the port cannot be opened.
    """
    from drivers.frames import FramesDriver
    from drivers.frames_split import Splitter
    from gateway.bus.push_line import PushDevice, PushLine, SerialPort, TcpPeer

    points = [WirePoint(name, name, WireClass.MEASUREMENT, 1.0) for name in signals]
    driver = FramesDriver("device", profile, unit, points, lambda card: f"{len(card)} bytes, not shown")
    ear = _Ear(driver, set(signals))
    opener = SerialPort(target.path, target.serial) if target.path else TcpPeer(target.host, target.port, CONNECT_S)
    known = PushDevice("device", Splitter(profile), driver.opening, driver.plan(), profile.silent_s, driver.answer)
    line = PushLine("probe", known, opener, ear)
    running = asyncio.get_running_loop().create_task(line.run())
    try:
        async with asyncio.timeout(seconds):
            await ear.done.wait()
    except TimeoutError:
        pass
    finally:
        running.cancel()
        await asyncio.wait([running])
    if ear.lost:
        raise ProbeRefused(ear.lost)
    return ear.readings


class _Ear:
    """Keeps the last reading of each signal."""

    def __init__(self, driver: Driver, wanted: set[str]) -> None:
        self._driver, self._wanted = driver, wanted
        self.readings: dict[str, Reading] = {}
        self.done = asyncio.Event()
        self.lost = ""

    def outcome(self, block: Block, outcome: Outcome) -> Sequence[Block] | None:
        return None

    def heard(self, device: str, message: object, now_s: float) -> None:
        self.lost = ""
        for reading in self._driver.hear(message, now_s):
            self.readings[reading.point] = reading
            if reading.quality is Quality.GOOD and message is not None:  # None: the port is open, nothing was said yet
                self._wanted.discard(reading.point)
        if not self._wanted:
            self.done.set()

    def device_link(self, device: str, up: bool, reason: str, now_s: float) -> None:
        if reason.startswith(str(Failure.PORT_LOST)):
            self.lost = reason.partition(": ")[2]
            self.done.set()


@dataclass(frozen=True, slots=True)
class Found:
    """One unit that answered. answers: function code -> what it said to a read of address 0."""

    unit: int
    answers: dict[int, str]


async def scan(of: Asker, units: Iterable[int], timeout_s: float, progress: Callable[[int], None]) -> AsyncIterator[Found]:
    """Ask each unit for its holding register 0; any answer, an exception too, shows that it is there."""
    for unit in units:
        progress(unit)
        answers = {}
        for function in (3, 4, 2, 1):
            outcome = await of.ask(_first(unit, function, timeout_s))
            if outcome.failure is Failure.PORT_LOST:
                raise ProbeRefused(outcome.detail or "the port is lost")
            if outcome.failure is None:
                answers[function] = outcome.pdu[2:].hex(" ")
            elif outcome.failure is Failure.EXCEPTION:
                answers[function] = outcome.detail
            elif outcome.failure is Failure.NO_ANSWER:
                break
            else:
                answers[function] = outcome.detail or str(outcome.failure)
        if answers:
            yield Found(unit, answers)


def _first(unit: int, function: int, timeout_s: float) -> Exchange:
    request = bytes([function, 0, 0, 0, 1])
    return Exchange("scan", f"unit {unit}", unit, request, REPLY_BYTES[function], timeout_s, WireClass.DIAGNOSTICS, late_s=timeout_s)
