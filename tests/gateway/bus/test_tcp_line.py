"""A TCP line against real sockets: faults, reconnects, outputs."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Sequence

import pytest

from drivers.modbus_framing import framing_for
from gateway.bus.schedule import QUEUE_MOST
from gateway.bus.tcp_line import TcpLine
from gateway.core.wire import Block, Exchange, Failure, Outcome
from tests.gateway.bus.wires import Device, Sink, Units, block, running, tcp_wire, until, write_coil


def line_to(port: int, blocks: Sequence[Block], sink: Sink) -> TcpLine:
    return TcpLine("gate-io", "127.0.0.1", port, framing_for("tcp"), blocks, sink, connect_timeout_s=0.5)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def test_values_come_and_the_link_is_up() -> None:
    sink, device = Sink(), Device(inputs=0b1)
    with tcp_wire(Units({1: device})) as wire:
        async with running(line_to(wire.port, [block()], sink)) as line:
            await until(lambda: sink.good("a") >= 5)
    outcome = sink.outcomes[0][1]
    assert outcome.pdu == b"\x02\x01\x01"
    assert sink.links == [("a", True, "")]
    assert line.counters.transactions["ok"] >= 5
    assert 0.0 < line.counters.cycle_s < 1.0
    assert line.counters.last_attempt_s == pytest.approx(time.monotonic(), abs=5.0)


async def test_the_first_poll_comes_at_once() -> None:
    sink = Sink()
    with tcp_wire(Units({1: Device()})) as wire:
        begin_s = time.monotonic()
        async with running(line_to(wire.port, [block(period_s=60.0)], sink)):
            await until(lambda: sink.good("a"))
        assert time.monotonic() - begin_s < 0.5


@pytest.mark.parametrize(
    ("fault", "failure", "detail"),
    [
        ({"silent": True}, Failure.NO_ANSWER, "unit 1 is silent"),
        ({"exception": 2}, Failure.EXCEPTION, "exception 2: illegal data address"),
        pytest.param({"exception": 4}, Failure.EXCEPTION, "exception 4: device failure", marks=pytest.mark.slow),
        ({"short": True}, Failure.BAD_FRAME, "expected"),
        ({"answers_as": 9}, Failure.WRONG_UNIT, "unit 9 answered"),
    ],
)
async def test_each_fault_is_an_outcome_with_its_reason_and_then_a_dead_link(fault: dict[str, int], failure: Failure, detail: str) -> None:
    sink, device = Sink(), Device(**fault)  # type: ignore[arg-type]
    blocks = [block(count=16)]
    with tcp_wire(Units({1: device})) as wire:
        async with running(line_to(wire.port, blocks, sink)):
            await until(lambda: sink.link("a"))
    outcome = sink.outcomes[0][1]
    assert (outcome.failure, outcome.pdu) == (failure, b"")
    assert detail in outcome.detail
    link = sink.link("a")
    assert link is not None
    assert not link[0]
    assert not sink.good("a")


async def test_an_answer_to_another_request_is_never_taken() -> None:
    sink = Sink()
    with tcp_wire(Units({1: Device(inputs=1)})) as wire:
        wire.stale = True
        async with running(line_to(wire.port, [block()], sink)):
            await until(lambda: len(sink.outcomes) >= 3)
    assert sink.failures("a")[None] == 0
    assert sink.outcomes[0][1].failure is Failure.BAD_FRAME


async def test_a_peer_that_speaks_something_else_is_left_and_tried_again() -> None:
    sink = Sink()
    with tcp_wire(Units({1: Device()})) as wire:
        wire.raw = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        async with running(line_to(wire.port, [block()], sink)):
            await until(lambda: wire.connections >= 2)
            assert sink.good("a") == 0
            wire.raw = b""
            await until(lambda: sink.good("a"), 10.0)


@pytest.mark.slow
async def test_a_silent_unit_does_not_slow_the_others() -> None:
    sink = Sink()
    alive, dead = Device(), Device(silent=True)
    blocks = [block("alive", 1, 0.02), block("dead", 2, 0.02)]
    with tcp_wire(Units({1: alive, 2: dead})) as wire:
        async with running(line_to(wire.port, blocks, sink)):
            await until(lambda: sink.link("dead"))
            before, begin_s = sink.good("alive"), time.monotonic()
            await until(lambda: time.monotonic() - begin_s >= 2.0)
            polls = sink.good("alive") - before
    assert polls >= 0.75 * 2.0 / 0.02 * 0.8
    assert sink.links.count(("dead", False, "no answer")) == 1
    assert wire.connections == 1, "others answered, so the connection was good"


async def test_a_refused_port_is_said_once_and_found_later(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway.bus")
    sink, port = Sink(), free_port()
    async with running(line_to(port, [block(), block("b", 2)], sink)) as line:
        await until(lambda: line.counters.transactions["port lost"] >= 3)
        assert [(name, outcome.failure) for name, outcome in sink.outcomes] == [("a", Failure.PORT_LOST), ("b", Failure.PORT_LOST)]
        assert [(name, up) for name, up, _ in sink.links] == [("a", False), ("b", False)]
        assert "cannot connect" in sink.links[0][2]
        with tcp_wire(Units({1: Device(), 2: Device()}), port):
            await until(lambda: sink.good("a") and sink.good("b"), 10.0)
    said = [record.message for record in caplog.records if record.name.startswith("gateway.bus")]
    assert sum("trying again" in line for line in said) == 1
    assert sum("is back after" in line for line in said) == 1


async def test_a_peer_that_hangs_up_is_port_lost_and_then_back() -> None:
    sink = Sink()
    with tcp_wire(Units({1: Device()})) as wire:
        async with running(line_to(wire.port, [block()], sink)):
            await until(lambda: sink.good("a"))
            wire.hang_up()
            await until(lambda: sink.failures("a")[Failure.PORT_LOST])
            await until(lambda: sink.link("a") == (True, ""))
    assert [up for _, up, _ in sink.links] == [True, False, True]
    assert sink.failures("a")[Failure.PORT_LOST] == 1


async def test_a_half_open_connection_is_replaced_after_three_timeouts() -> None:
    sink, device = Sink(), Device()
    with tcp_wire(Units({1: device})) as wire:
        async with running(line_to(wire.port, [block()], sink)):
            await until(lambda: sink.good("a"))
            device.silent = True
            await until(lambda: wire.connections >= 2)
            device.silent = False
            await until(lambda: sink.link("a") == (True, ""), 10.0)
    assert sink.failures("a")[Failure.PORT_LOST] == 0


async def test_outputs() -> None:
    sink, device = Sink(), Device()
    with tcp_wire(Units({1: device})) as wire:
        async with running(line_to(wire.port, [block()], sink)) as line:
            assert (await line.submit(write_coil("a", 1, 3))).failure is Failure.PORT_LOST, "there is no connection yet"
            await until(lambda: sink.good("a"))
            outcome = await line.submit(write_coil("a", 1, 3))
            assert (outcome.failure, device.coils) == (None, 0b1000)
            device.exception = 3
            outcome = await line.submit(write_coil("a", 1, 3))
            assert (outcome.failure, outcome.exception) == (Failure.EXCEPTION, 3)
            assert outcome.reason == "exception 3: illegal data value"
            device.exception, device.silent = 0, True
            assert (await line.submit(write_coil("a", 1, 3))).failure is Failure.NO_ANSWER


async def test_an_output_that_is_ordered_while_a_reply_is_taken_in_waits_for_its_turn() -> None:
    """What a reply says may lead to an order at once. Of two requests in flight one would never be answered."""
    orders: list[asyncio.Future[Outcome]] = []

    class Ordering(Sink):
        def device_link(self, device: str, up: bool, reason: str, now_s: float) -> None:
            super().device_link(device, up, reason, now_s)
            orders.extend(line.submit(write_coil(device, unit, number)) for unit, number in ((1, 2), (2, 4)))

    devices = {1: Device(delay_s=0.01), 2: Device(delay_s=0.01)}
    with tcp_wire(Units(devices)) as wire:
        line = line_to(wire.port, [block("a", 1), block("b", 2)], Ordering())
        async with running(line):
            await until(lambda: len(orders) == 4)
            outcomes = await asyncio.wait_for(asyncio.gather(*orders), 10.0)
    assert [outcome.failure for outcome in outcomes] == [None] * 4
    assert wire.ahead == 0
    assert (devices[1].coils, devices[2].coils) == (1 << 2, 1 << 4)


async def test_a_broadcast_expects_no_answer() -> None:
    with tcp_wire(Units({1: Device()})) as wire:
        async with running(line_to(wire.port, [block()], Sink())) as line:
            await until(lambda: wire.connections)
            await until(lambda: line.counters.transactions["ok"])
            outcome = await line.submit(Exchange("a", "all off", 0, b"\x05\x00\x00\x00\x00", 0, 0.1))
            assert outcome.failure is None


async def test_a_full_queue_refuses_and_a_stopped_line_answers_all_that_wait() -> None:
    device = Device(silent=True)
    sink = Sink()
    with tcp_wire(Units({1: device})) as wire:
        async with running(line_to(wire.port, [block(timeout_s=5.0)], sink)) as line:
            await until(lambda: device.requests)
            asked = [line.submit(write_coil("a", 1, 0)) for _ in range(QUEUE_MOST + 1)]
            assert line.counters.queue_depth == QUEUE_MOST
            assert (await asked[-1]).failure is Failure.QUEUE_FULL
        done: list[Outcome] = await asyncio.gather(*asked[:-1])
    assert {outcome.failure for outcome in done} == {Failure.PORT_LOST}


async def test_what_the_sink_raises_ends_the_line() -> None:
    class Broken(Sink):
        def outcome(self, block: Block, outcome: Outcome) -> None:
            raise RuntimeError("sink")

    heard: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    for device in (Device(), Device(silent=True)):
        with tcp_wire(Units({1: device})) as wire, pytest.raises(RuntimeError, match="sink"):
            await asyncio.wait_for(line_to(wire.port, [block()], Broken()).run(), 5.0)
    assert len(heard) == 2


async def test_fifty_lines_start_together() -> None:
    sinks = [Sink() for _ in range(50)]
    with tcp_wire(Units({1: Device()})) as wire:
        async with asyncio.TaskGroup() as group:
            begin_s = time.monotonic()
            tasks = [group.create_task(line_to(wire.port, [block(period_s=0.5)], sink).run()) for sink in sinks]
            await until(lambda: all(sink.good("a") for sink in sinks))
            assert time.monotonic() - begin_s < 2.0
            for task in tasks:
                task.cancel()
