"""A chip's lines behind a stand-in: this kernel has no GPIO, so the chip is written from libgpiod's documented interface.

The stand-in's file descriptor is a real pipe, and settings, values and edge types are gpiod's own.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Self

import pytest
from gpiod import EdgeEvent, LineSettings
from gpiod.line import Bias, Direction, Edge, Value

from gateway.bus import gpio_line
from gateway.bus.gpio_line import GpioLine
from gateway.core.pins import PinRequest, PinState
from gateway.core.wire import Block, Exchange, Failure, Outcome
from tests.gateway.bus.wires import until

BUTTON = PinRequest("board", 17, bias="pull-up", active_low=True, debounce_s=0.005)
TAMPER = PinRequest("board", 27)
SIREN = PinRequest("board", 12, output=True)
VALVE = PinRequest("board", 13, output=True, safe=True)
ALL = (BUTTON, TAMPER, SIREN, VALVE)


@dataclass
class Held:
    """What gpiod calls a LineRequest."""

    levels: dict[int, bool]
    config: dict[int, LineSettings]
    gone: bool = False
    released: bool = False
    events: list[EdgeEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fd, self.bell = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.released = True
        os.close(self.fd)
        os.close(self.bell)

    def edge(self, line: int, active: bool, seen: bool = True) -> None:
        """The level changes; seen: the kernel had room for the event."""
        self.levels[line] = active
        kind = EdgeEvent.Type.RISING_EDGE if active else EdgeEvent.Type.FALLING_EDGE
        if seen:
            self.events.append(EdgeEvent(kind.value, time.monotonic_ns(), line, 1, 1))
            os.write(self.bell, b"x")

    def vanish(self) -> None:
        self.gone = True
        os.write(self.bell, b"x")

    def wait_edge_events(self, timeout: float) -> bool:
        return bool(self.events) or self.gone

    def read_edge_events(self, max_events: int | None = None) -> list[EdgeEvent]:
        os.read(self.fd, 64)
        self._check()
        events, self.events = self.events, []
        return events

    def get_values(self, lines: list[int]) -> list[Value]:
        self._check()
        return [Value.ACTIVE if self.levels.get(line) else Value.INACTIVE for line in lines]

    def set_value(self, line: int, value: Value) -> None:
        self.set_values({line: value})

    def set_values(self, values: dict[int, Value]) -> None:
        self._check()
        self.levels.update({line: bool(value) for line, value in values.items()})

    def _check(self) -> None:
        if self.gone:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))


class Board:
    """Opens chips. levels: what the lines carry. taken: line -> who holds it."""

    def __init__(self) -> None:
        self.levels: dict[int, bool] = {}
        self.taken: dict[int, str] = {}
        self.missing = False
        self.held: list[Held] = []

    @property
    def now(self) -> Held:
        return self.held[-1]

    def open(self, path: str) -> Board:
        if self.missing:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def request_lines(self, config: dict[int, LineSettings], consumer: str) -> Held:
        if set(self.taken) & set(config):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        self.held.append(Held(self.levels, config))
        for line, settings in config.items():
            if settings.direction is Direction.OUTPUT:
                self.levels[line] = bool(settings.output_value)
        return self.now

    def get_line_info(self, line: int) -> Any:
        if line > 53:
            raise ValueError("line offset of out range")
        return SimpleNamespace(used=line in self.taken, consumer=self.taken.get(line, ""))


class Sink:
    def __init__(self) -> None:
        self.states: list[PinState] = []
        self.links: list[tuple[str, bool, str]] = []

    def outcome(self, block: Block, outcome: Outcome) -> None:
        raise AssertionError("a chip has no blocks")

    def heard(self, device: str, message: object, now_s: float) -> None:
        assert device == "board"
        assert isinstance(message, PinState)
        assert now_s <= time.monotonic()
        self.states.append(message)

    def device_link(self, device: str, up: bool, reason: str, now_s: float) -> None:
        self.links.append((device, up, reason))


@asynccontextmanager
async def running(
    sink: Sink, board: Board, requests: tuple[PinRequest, ...] = ALL, opener: Callable[[str], Any] | None = None
) -> AsyncIterator[GpioLine]:
    line = GpioLine("pins", "/dev/gpiochip9", requests, sink, opener or board.open)
    task = asyncio.get_running_loop().create_task(line.run())
    try:
        yield line
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()


def wish(line: int, on: bool, for_s: float = 0.0) -> Exchange:
    return Exchange("board", "test", 0, json.dumps({"line": line, "on": on, "for_s": for_s}).encode(), reply_bytes=0, timeout_s=1.0)


async def test_the_first_state_is_read_and_the_lines_are_set_up_as_asked() -> None:
    sink, board = Sink(), Board()
    board.levels[27] = True
    async with running(sink, board):
        await until(lambda: len(sink.states) == 2)
        config = board.now.config
    assert sink.states == [PinState(17, False), PinState(27, True)]
    assert sink.links == [("board", True, "")]
    assert config[17] == LineSettings(Direction.INPUT, Edge.BOTH, Bias.PULL_UP, active_low=True, debounce_period=timedelta(milliseconds=5))
    assert (config[12].direction, config[12].output_value, config[13].output_value) == (Direction.OUTPUT, Value.INACTIVE, Value.ACTIVE)
    assert config[12].edge_detection is Edge.NONE


async def test_a_press_too_short_to_be_read_is_told_by_its_edges() -> None:
    sink, board = Sink(), Board()
    async with running(sink, board):
        await until(lambda: len(sink.states) == 2)
        board.now.edge(17, True)
        board.now.edge(17, False)
        await until(lambda: len(sink.states) == 4)
    assert sink.states[2:] == [PinState(17, True), PinState(17, False)]


async def test_a_lost_edge_leaves_no_wrong_state_behind() -> None:
    sink, board = Sink(), Board()
    async with running(sink, board):
        await until(lambda: len(sink.states) == 2)
        board.now.edge(17, True, seen=False)
        board.now.edge(27, True)
        await until(lambda: PinState(17, True) in sink.states)


async def test_outputs_are_set_pulsed_and_left_safe() -> None:
    sink, board = Sink(), Board()
    async with running(sink, board) as line:
        await until(lambda: bool(sink.states))
        assert (board.levels[12], board.levels[13]) == (False, True)
        assert (await line.submit(wish(12, True))).failure is None
        assert (await line.submit(wish(13, False))).failure is None
        assert (board.levels[12], board.levels[13]) == (True, False)
        assert (await line.submit(wish(13, True, for_s=0.02))).failure is None
        assert board.levels[13]
        await until(lambda: not board.levels[13])
        assert board.levels[12]
        held = board.now
    assert (board.levels[12], board.levels[13]) == (False, True)
    assert held.released


async def test_a_new_command_ends_a_pulse() -> None:
    sink, board = Sink(), Board()
    async with running(sink, board) as line:
        await until(lambda: bool(sink.states))
        await line.submit(wish(12, True, for_s=0.02))
        await line.submit(wish(12, True))
        await line.submit(wish(13, False, for_s=0.03))
        await until(lambda: board.levels[13])
        assert board.levels[12], "the first pulse would have ended by now"


@pytest.mark.parametrize("request_bytes", [b"", b"[]", b"{}", b'{"line": 17, "on": true}', b'{"line": 40, "on": true}'])
async def test_what_is_no_output_is_refused(request_bytes: bytes) -> None:
    sink, board = Sink(), Board()
    async with running(sink, board) as line:
        await until(lambda: bool(sink.states))
        outcome = await line.submit(Exchange("board", "test", 0, request_bytes, reply_bytes=0, timeout_s=1.0))
    assert outcome.failure is Failure.REFUSED


async def test_a_taken_line_is_named_and_taken_over_when_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpio_line, "REOPEN_S", 0.005)
    sink, board = Sink(), Board()
    board.taken = {27: "fan-control"}
    async with running(sink, board) as line:
        await until(lambda: bool(sink.links))
        assert sink.links == [("board", False, "port lost: /dev/gpiochip9: line 27 is taken by fan-control")]
        assert (await line.submit(wish(12, True))).failure is Failure.PORT_LOST
        board.taken = {}
        await until(lambda: len(sink.states) == 2)
    assert sink.links[1:] == [("board", True, "")]


@pytest.mark.parametrize(("requests", "reason"), [((PinRequest("board", 99),), "has no line 99"), (ALL, "No such file")])
async def test_a_line_or_chip_that_is_not_there_is_named(requests: tuple[PinRequest, ...], reason: str) -> None:
    sink, board = Sink(), Board()
    board.missing = "file" in reason
    board.taken = {99: "nobody"}
    async with running(sink, board, requests):
        await until(lambda: bool(sink.links))
    assert not sink.links[0][1]
    assert reason in sink.links[0][2]


async def test_this_kernel_has_no_chip_and_says_so() -> None:
    sink = Sink()
    async with running(sink, Board(), opener=gpio_line._open_chip):
        await until(lambda: bool(sink.links))
    assert sink.links == [("board", False, "port lost: /dev/gpiochip9: No such file or directory")]


async def test_a_chip_that_goes_and_comes_is_read_anew_and_no_descriptor_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpio_line, "REOPEN_S", 0.001)
    sink, board = Sink(), Board()
    async with running(sink, board) as line:
        await until(lambda: len(sink.states) == 2)
        before = len(os.listdir("/proc/self/fd"))
        for cycle in range(100):
            board.levels[17] = cycle % 2 == 0
            board.now.vanish()
            await until(lambda cycle=cycle: len(sink.states) == 2 * cycle + 4)  # type: ignore[misc]
            assert sink.states[-2:] == [PinState(17, cycle % 2 == 0), PinState(27, False)]
        assert len(os.listdir("/proc/self/fd")) == before
        assert line.counters.port_losses == 100
    assert sink.links[1] == ("board", False, "port lost: /dev/gpiochip9 is gone: No such device")


async def test_one_line_cannot_serve_two() -> None:
    with pytest.raises(ValueError, match="used twice"):
        GpioLine("pins", "/dev/gpiochip9", [BUTTON, PinRequest("other", 17)], Sink())
