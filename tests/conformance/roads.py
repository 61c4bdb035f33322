"""The roads: a device of the test, a real wire, the line and the driver of the product, and what is read in the end.

Every road has a device `one`; where a wire can carry several, a device `two` shares it, and only `one` is ever spoilt.
The truth of each point is written down by the device's side, so that a reading can be held against it.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from typing import Any, Protocol

from drivers.frames import FramesDriver
from drivers.frames_split import Splitter
from drivers.modbus import ModbusDriver
from drivers.modbus_framing import framing_for
from gateway.bus.push_line import PushDevice, PushLine, SerialPort, TcpPeer
from gateway.bus.serial_line import SerialLine, SerialSettings
from gateway.bus.tcp_line import TcpLine
from gateway.core.reading import Quality
from gateway.core.wire import WireClass, WirePoint
from tests.conformance.ear import Ear
from tests.conformance.ends import End, PtyEnd, TcpEnd
from tests.conformance.held import Held, held
from tests.conformance.speech import Asked, PushTongue, Stated, Tongue
from tests.conformance.spoils import Answer, Spoil, noise
from tests.drivers import frames_golden
from tests.drivers.golden import signal, small
from tests.gateway.bus.wires import until

BAUD = SerialSettings(115200)
TAIL_BYTES = 64  # more than the longest frame of any road


class Line(Protocol):
    async def run(self) -> None: ...


class Road(ABC):
    """One road. counted: frames that `one` has said so far, spoilt or not."""

    name = ""
    polled = False  # asked by blocks: the first miss is known as one
    unasked = True
    recovers_at_once = True  # finds its frames in a stream with noise in it
    shared = False  # a device `two` on the same wire
    has_address = has_length = False
    has_transactions = True  # an answer shows what it answers, or there is nothing to answer
    frames = True  # False: there are no bytes to spoil
    can_be_silent = True
    frame_cost = 1  # a spoilt frame takes so many times as long to get over as on the quickest road

    def __init__(self) -> None:
        self.dice = random.Random(26875)
        self.spoil: Spoil | None = None
        self.silent = False
        self.counted = 0
        self.truth: dict[str, list[Any]] = {}
        self.ear = Ear({}, self.unasked)
        self.task: asyncio.Task[None] | None = None
        self.idle: Held | None = None  # with the wire plugged in and no line

    # --- the device ---------------------------------------------------------------------

    @abstractmethod
    def set_value(self, device: str = "one") -> None:
        """A new truth for every point of this device, never told before."""

    @abstractmethod
    async def plug(self) -> None:
        """The port or peer is there."""

    @abstractmethod
    def pull(self) -> None:
        """The port or peer is gone."""

    @abstractmethod
    def babble(self) -> None:
        """Noise while nobody speaks."""

    def heal(self) -> None:
        self.spoil, self.silent = None, False

    # --- the product --------------------------------------------------------------------

    @abstractmethod
    def make_line(self) -> Line:
        """A new line with new drivers that reports to a new `ear`."""

    def run_line(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self.make_line().run())

    async def stop_line(self) -> None:
        """Cancel it; it must end by that and by nothing else."""
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled(), task.exception()

    async def is_idle(self) -> None:
        """Wait until the line has given everything back."""
        await until(lambda: held() == self.idle)

    # --- what arrived -------------------------------------------------------------------

    def points(self, device: str = "one") -> list[str]:
        return [point for point in self.truth if point.startswith(f"{device}-")]

    def steady_points(self, device: str = "one") -> list[str]:
        """Those that are bad when nothing is known of the device."""
        return self.points(device)

    def knows(self, device: str = "one") -> bool:
        """All points of the device show the truth of this moment."""
        return all(self._knows_point(point) for point in self.points(device))

    def is_bad(self, device: str = "one") -> bool:
        return all(self.ear.is_bad(point) for point in self.steady_points(device))

    def knows_or_is_bad(self) -> bool:
        return all(self.ear.is_bad(point) or self._knows_point(point) for point in self.steady_points())

    def _knows_point(self, point: str) -> bool:
        last = self.ear.last(point)
        return last is not None and last.quality is Quality.GOOD and last.value == self.truth[point][-1]

    async def tell_new_values(self, times: int = 3) -> None:
        """The truth changes again and again, and each time it arrives."""
        for _ in range(times):
            self.set_value()
            await until(self.knows, 10.0)

    async def say(self, frames: int) -> None:
        """Wait until the device has said so many frames more."""
        goal = self.counted + frames
        await until(lambda: self.counted >= goal, 20.0)

    def check(self) -> None:
        """Whatever happened: a good reading was true at some moment, and time never ran backwards (where a number never comes again)."""
        for point, truth in self.truth.items():
            reached, unique = 0, len(truth) > 2 and len(set(truth)) == len(truth)
            for reading in self.ear.readings(point):
                if reading.quality is Quality.BAD:
                    assert reading.value is None
                    assert reading.reason
                    continue
                assert reading.quality is Quality.GOOD, reading
                assert reading.value in truth, f"{point}: {reading.value!r} was never true"
                at = truth.index(reading.value)
                assert at >= reached or not unique, f"{point}: {reading.value!r} came after a newer value"
                reached = at


class _Spoken(Road):
    """A road whose device says frames."""

    def __init__(self, end: End) -> None:
        super().__init__()
        self.end = end
        self._tail = b""
        self._later: set[asyncio.TimerHandle] = set()

    async def plug(self) -> None:
        await self.end.plug()

    def pull(self) -> None:
        for handle in self._later:
            handle.cancel()
        self._later.clear()
        self.end.pull()

    def babble(self) -> None:
        self._say([(0.0, noise(self.dice))])

    @abstractmethod
    def values(self, stream: bytes) -> set[int]:
        """Values of all proven frames in the stream."""

    def true_values(self) -> set[int]:
        return {value for values in self.truth.values() for value in values}

    def send(self, answer: Answer, spoil: Spoil | None, counts: bool = True) -> None:
        """Say it, spoilt or not. Noise that makes a sound frame with a false value is no noise: the dice are thrown again."""
        self.counted += counts
        if spoil is None:
            self._say([(0.0, answer.frame)])
            return
        for _ in range(100):
            pieces = spoil(answer, self.dice)
            stream = self._tail + b"".join(data for _, data in pieces)
            if self.values(stream) <= self.true_values():
                self._say(pieces)
                return
        raise AssertionError("this spoil can make nothing but false values")

    def _say(self, pieces: list[tuple[float, bytes]]) -> None:
        after_s = 0.0
        for pause_s, data in pieces:
            self._tail = (self._tail + data)[-TAIL_BYTES:]
            after_s += pause_s
            if after_s:
                self._later = {handle for handle in self._later if not handle.cancelled() and handle.when() > _now_s()}
                self._later.add(asyncio.get_running_loop().call_later(after_s, self.end.say, data))
            else:
                self.end.say(data)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


# --- Modbus ---------------------------------------------------------------------------------

AREAS = {"a": 0, "b": 100}  # far apart: two blocks that look alike on the wire
UNITS = {"one": 1, "two": 2}
TIMEOUTS_MS = {"one": 50, "two": 1000}  # `two` never fails: a slow machine must not look like a fault
LATE_MS = 20
PERIOD_S = 0.005


class PolledRoad(_Spoken):
    """Modbus in one of its four forms; each device has two values in blocks of the same shape."""

    polled = shared = has_address = has_length = True
    unasked = False

    def __init__(self, transport: str, end: End, tongue: Tongue) -> None:
        super().__init__(end)
        self.name = transport
        self._tongue = tongue
        self._heard = bytearray()
        self._registers: dict[tuple[int, int], int] = {}
        self.late_ms = LATE_MS
        self.alone = False  # the next line asks `one` only
        end.receive = self._received
        self.recovers_at_once = transport != "tcp"
        self.has_transactions = transport == "tcp"
        for device in UNITS:
            self.set_value(device)

    def set_value(self, device: str = "one") -> None:
        for name, address in AREAS.items():
            value = self.dice.randrange(2**32)
            self._registers[UNITS[device], address] = value
            self.truth.setdefault(f"{device}-{name}", []).append(value)

    async def plug(self) -> None:
        self._heard.clear()
        await super().plug()

    def values(self, stream: bytes) -> set[int]:
        return self._tongue.values(stream)

    def _received(self, data: bytes) -> None:
        self._heard += data
        requests = list(self._tongue.cut(self._heard))
        if requests:
            self._reply(requests[-1])  # who finds two requests has slept through the first one

    def _reply(self, asked: Asked) -> None:
        address = int.from_bytes(asked.pdu[1:3], "big")
        pdu = b"\x03\x04" + self._registers[asked.unit, address].to_bytes(4, "big")
        spoilt = asked.unit == UNITS["one"]
        if not (spoilt and self.silent):
            self.send(self._answer(asked, pdu), self.spoil if spoilt else None, spoilt)

    def _answer(self, asked: Asked, pdu: bytes) -> Answer:
        return Answer(
            self._tongue.frame(asked, asked.unit, pdu),
            lambda: self._tongue.frame(asked, asked.unit + 8, pdu),
            lambda: self._tongue.oversize(asked, pdu),
        )

    def make_line(self) -> Line:
        profile = small(
            "".join(signal(name, "measurement", "holding", address, 'type = "u32"') for name, address in AREAS.items()),
            f"[limits]\nmax_hole = 0\nlate_ms = {self.late_ms}",
        )
        drivers: dict[str, ModbusDriver] = {}
        for device, unit in list(UNITS.items())[: 1 if self.alone else None]:
            points = [WirePoint(f"{device}-{name}", name, WireClass.STATE, PERIOD_S) for name in AREAS]
            drivers[device] = ModbusDriver(device, profile, unit, points, TIMEOUTS_MS[device])
        self.ear = Ear(drivers, self.unasked)
        blocks = [block for driver in drivers.values() for block in driver.plan()]
        framing = framing_for(self.name)
        if isinstance(self.end, PtyEnd):
            return SerialLine("wire", str(self.end.link), BAUD, framing, blocks, self.ear)
        assert isinstance(self.end, TcpEnd)
        late = self.name == "rtu-tcp"
        return TcpLine("wire", "127.0.0.1", self.end.port, framing, blocks, self.ear, late_answers=late)


# --- frames that come unasked -----------------------------------------------------------------

SAY_EVERY_S = 0.01
SILENT_S = 0.3


class PushRoad(_Spoken):
    """A device that says its value again and again."""

    has_length = False

    def __init__(self, name: str, end: End, tongue: PushTongue) -> None:
        super().__init__(end)
        self.name = name
        self.has_length = isinstance(tongue, Stated)
        self._tongue = tongue
        self._profile = frames_golden.parse(tongue.profile) if "\n" in tongue.profile else frames_golden.load(tongue.profile)
        self._next: asyncio.TimerHandle | None = None
        self.set_value()

    def set_value(self, device: str = "one") -> None:
        self.truth.setdefault("one-co", []).append(self.dice.randrange(self._tongue.largest))

    async def plug(self) -> None:
        await super().plug()
        self._speak()

    def pull(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None
        super().pull()

    def _speak(self) -> None:
        self._next = asyncio.get_running_loop().call_later(SAY_EVERY_S, self._speak)
        if self.silent:
            return
        value = self.truth["one-co"][-1]
        self.send(Answer(self._tongue.frame(value), None, lambda: self._tongue.oversize(value)), self.spoil)

    def values(self, stream: bytes) -> set[int]:
        return self._tongue.values(stream)

    def make_line(self) -> Line:
        driver = FramesDriver("one", self._profile, 1, [WirePoint("one-co", "co", WireClass.LIFE_SAFETY, 1.0)])
        self.ear = Ear({"one": driver}, self.unasked)
        device = PushDevice("one", Splitter(self._profile), driver.opening, driver.plan(), SILENT_S, driver.answer)
        if isinstance(self.end, PtyEnd):
            return PushLine("wire", device, SerialPort(str(self.end.link), BAUD), self.ear)
        assert isinstance(self.end, TcpEnd)
        return PushLine("wire", device, TcpPeer("127.0.0.1", self.end.port), self.ear)
