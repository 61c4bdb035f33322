"""The road of a contact on the board's own pins; the chip is the stand-in of the line's own tests."""

from __future__ import annotations

from drivers.gpio import GpioDriver
from gateway.bus.gpio_line import GpioLine
from gateway.core.wire import WireClass, WirePoint
from tests.conformance.ear import Ear
from tests.conformance.roads import Line, Road
from tests.drivers.test_gpio import BOARD
from tests.gateway.bus.test_gpio_line import Board
from tests.gateway.bus.wires import until

SIGNAL, PIN = "gpio17", 17


class GpioRoad(Road):
    """One contact that opens and closes."""

    name = "gpio"
    frames = can_be_silent = False

    def __init__(self) -> None:
        super().__init__()
        self._board = Board()
        self.set_value()

    def set_value(self, device: str = "one") -> None:
        told = self.truth.setdefault("one-contact", [])
        told.append(not told[-1] if told else True)
        self._board.levels[PIN] = told[-1]
        if self._is_held():
            self.counted += 1
            self._board.now.edge(PIN, told[-1])

    def _is_held(self) -> bool:
        return bool(self._board.held) and not self._board.now.released and not self._board.now.gone

    async def say(self, frames: int) -> None:
        for _ in range(frames):
            await until(self._is_held)
            self.set_value()

    async def plug(self) -> None:
        self._board.missing = False

    def pull(self) -> None:
        self._board.missing = True
        if self._is_held():
            self._board.now.vanish()

    def babble(self) -> None:
        raise NotImplementedError("a pin has no frames")

    def make_line(self) -> Line:
        driver = GpioDriver("one", BOARD, 0, [WirePoint("one-contact", SIGNAL, WireClass.PANIC, 1.0)])
        self.ear = Ear({"one": driver}, self.unasked)
        return GpioLine("wire", "/dev/gpiochip0", driver.pins(), self.ear, self._board.open)
