"""A serial line over real ptys: silences, faults, unplugging, outputs from the event loop."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from drivers.modbus_framing import RtuFraming
from gateway.bus.line import line_for
from gateway.bus.serial_line import SerialLine, SerialSettings, open_port
from gateway.bus.tcp_line import TcpLine
from gateway.bus.wire_time import silence_s, transaction_s
from gateway.config.profile import SerialDefaults
from gateway.config.site import SerialBus, TcpBus
from gateway.core.errors import PortLost
from gateway.core.wire import Block, Exchange, Failure, Outcome, WireClass
from tests.gateway.bus.wires import Device, Sink, Units, block, pty_wire, running, until, write_coil

FAST = SerialSettings(115200)


def line_on(link: Path, blocks: Sequence[Block], sink: Sink, settings: SerialSettings = FAST) -> SerialLine:
    return SerialLine("field-line", str(link), settings, RtuFraming(), blocks, sink)


async def test_values_come_and_the_link_is_up(tmp_path: Path) -> None:
    sink = Sink()
    with pty_wire(tmp_path / "port", Units({1: Device(inputs=0b1)})) as wire:
        async with running(line_on(wire.link, [block()], sink)) as line:
            await until(lambda: sink.good("a") >= 5)
    assert sink.outcomes[0][1].pdu == b"\x02\x01\x01"
    assert sink.links == [("a", True, "")]
    assert line.counters.transactions["ok"] >= 5
    assert wire.bad_requests == 0


@pytest.mark.parametrize("baud", [9600, 115200])
async def test_the_silence_before_each_request_is_kept(tmp_path: Path, baud: int) -> None:
    sink = Sink()
    blocks = [block("a", 1, 0.001), block("b", 2, 0.001, function=3, count=10)]
    with pty_wire(tmp_path / "port", Units({1: Device(), 2: Device()})) as wire:
        async with running(line_on(wire.link, blocks, sink, SerialSettings(baud))):
            await until(lambda: len(wire.gaps_s) >= 60, 10.0)
    assert min(wire.gaps_s) >= silence_s(baud)


async def test_a_reply_ends_with_its_last_byte_and_not_with_a_timeout(tmp_path: Path) -> None:
    sink = Sink()
    with pty_wire(tmp_path / "port", Units({1: Device()})) as wire:
        async with running(line_on(wire.link, [block(timeout_s=1.0, function=3, count=100)], sink)):
            await until(lambda: sink.good("a") >= 10)
    allowed_s = transaction_s(115200, 8, 205) + 0.02
    took_s = sorted(outcome.took_s for _, outcome in sink.outcomes)
    assert took_s[len(took_s) // 2] < allowed_s


@pytest.mark.parametrize(
    ("fault", "failure", "detail"),
    [
        ({"silent": True}, Failure.NO_ANSWER, "unit 1 is silent"),
        ({"exception": 1}, Failure.EXCEPTION, "exception 1: illegal function"),
        ({"short": True}, Failure.BAD_FRAME, "expected"),
        ({"answers_as": 9}, Failure.WRONG_UNIT, "unit 9 answered"),
        ({"garble": True}, Failure.BAD_FRAME, "without a valid frame"),
    ],
)
async def test_each_fault_is_an_outcome_with_its_reason_and_then_a_dead_link(
    tmp_path: Path, fault: dict[str, int], failure: Failure, detail: str
) -> None:
    sink, device = Sink(), Device(**fault)  # type: ignore[arg-type]
    with pty_wire(tmp_path / "port", Units({1: device})) as wire:
        async with running(line_on(wire.link, [block(count=16)], sink)):
            await until(lambda: sink.link("a"))
    outcome = sink.outcomes[0][1]
    assert (outcome.failure, outcome.pdu) == (failure, b"")
    assert detail in outcome.detail
    assert sink.link("a") != (True, "")
    assert not sink.good("a")


async def test_noise_before_a_reply_and_on_the_idle_line_is_stepped_over(tmp_path: Path) -> None:
    sink = Sink()
    with pty_wire(tmp_path / "port", Units({1: Device(inputs=5, noise=b"\x00\xff\x01\x02")})) as wire:
        async with running(line_on(wire.link, [block(period_s=0.05)], sink)):
            await until(lambda: sink.good("a") >= 2)
            wire.babble(b"\x01\x02\x01\x07" * 5)
            await until(lambda: sink.good("a") >= 6)
    assert {outcome.pdu for _, outcome in sink.outcomes if outcome.failure is None} == {b"\x02\x01\x05"}


async def test_a_late_answer_never_answers_the_next_request(tmp_path: Path) -> None:
    """The unit answers 60 ms after the request, the line waits 30 ms: nothing may be taken for good."""
    sink = Sink()
    device = Device(inputs=7, delay_s=0.06)
    with pty_wire(tmp_path / "port", Units({1: device})) as wire:
        async with running(line_on(wire.link, [block(timeout_s=0.03, late_s=0.2)], sink)):
            await until(lambda: len(sink.outcomes) >= 3)
    assert sink.good("a") == 0
    starts = [at for at, _ in device.requests]
    assert min(b - a for a, b in itertools.pairwise(starts)) >= 0.2


async def test_an_answer_that_comes_twice_answers_one_request_only(tmp_path: Path) -> None:
    sink = Sink()
    twice, other = Device(inputs=1, twice=True), Device(inputs=6)
    with pty_wire(tmp_path / "port", Units({1: twice, 2: other})) as wire:
        async with running(line_on(wire.link, [block(), block("b", 2)], sink)):
            await until(lambda: sink.good("a") >= 5 and sink.good("b") >= 5)
    assert {outcome.pdu for name, outcome in sink.outcomes if name == "a" and outcome.failure is None} == {b"\x02\x01\x01"}
    assert {outcome.pdu for name, outcome in sink.outcomes if name == "b" and outcome.failure is None} == {b"\x02\x01\x06"}


async def test_a_write_that_is_answered_with_another_echo_is_refused(tmp_path: Path) -> None:
    sink = Sink()
    with pty_wire(tmp_path / "port", Units({1: Device()})) as wire:
        async with running(line_on(wire.link, [block()], sink)) as line:
            await until(lambda: sink.good("a"))
            right = write_coil("a", 1, 3)
            done = await line.submit(replace(right, expect=right.request))
            refused = await line.submit(replace(right, expect=b"\x05\x00\x07\xff\x00"))
    assert done.failure is None
    assert refused.failure is Failure.REFUSED
    assert refused.detail == "answered 05 00 03 ff 00, expected 05 00 07 ff 00"


@dataclass
class Replanning(Sink):
    """Answers a refused block with two smaller ones, as a driver does that has learned."""

    device: Device = field(default_factory=Device)

    def outcome(self, block: Block, outcome: Outcome) -> list[Block] | None:
        super().outcome(block, outcome)
        if outcome.exception != 2:
            return None
        self.device.exception = 0
        return [replace(block, name=f"half {n}", request=bytes([2, 0, 8 * n, 0, 8]), reply_bytes=3) for n in range(2)]


async def test_a_sink_that_plans_anew_is_asked_in_the_new_way(tmp_path: Path) -> None:
    device = Device(inputs=0x0102, exception=2)
    sink = Replanning(device=device)
    whole = replace(block(), request=bytes([2, 0, 0, 0, 16]), reply_bytes=4)
    with pty_wire(tmp_path / "port", Units({1: device})) as wire:
        async with running(line_on(wire.link, [whole], sink)):
            await until(lambda: sink.good("a") >= 4)
    assert {outcome.pdu for _, outcome in sink.outcomes if outcome.failure is None} == {b"\x02\x01\x02", b"\x02\x01\x01"}
    assert sink.failures("a")[Failure.EXCEPTION] == 1
    assert sink.links == [("a", True, "")]


@pytest.mark.slow
async def test_a_silent_unit_does_not_slow_the_others(tmp_path: Path) -> None:
    sink = Sink()
    blocks = [block("alive", 1, 0.02, WireClass.PANIC), block("dead", 2, 0.02)]
    with pty_wire(tmp_path / "port", Units({1: Device(), 2: Device(silent=True)})) as wire:
        async with running(line_on(wire.link, blocks, sink)):
            await until(lambda: sink.link("dead"))
            before, begin_s = sink.good("alive"), time.monotonic()
            await until(lambda: time.monotonic() - begin_s >= 2.0)
            polls = sink.good("alive") - before
    assert polls >= 0.75 * 2.0 / 0.02 * 0.8
    assert sink.links.count(("dead", False, "no answer")) == 1


@pytest.mark.slow
async def test_unplugged_and_plugged_in_again_under_the_same_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway.bus")
    sink, units, link = Sink(), Units({1: Device(), 2: Device()}), tmp_path / "port"
    with pty_wire(link, units) as wire:
        async with running(line_on(link, [block(), block("b", 2)], sink)) as line:
            await until(lambda: sink.good("a") and sink.good("b"))
            wire.unplug()
            await until(lambda: line.counters.transactions["port lost"] >= 2)
            assert [outcome.failure for _, outcome in sink.outcomes[-2:]] == [Failure.PORT_LOST] * 2
            assert sink.failures("a")[Failure.PORT_LOST] == 1
            refused = await line.submit(write_coil("a", 1, 0))
            assert refused.failure is Failure.PORT_LOST
            with pty_wire(link, units):
                await until(lambda: sink.link("a") == (True, "") and sink.link("b") == (True, ""))
                assert [up for name, up, _ in sink.links if name == "a"] == [True, False, True]
                said = [record.message for record in caplog.records if record.name.startswith("gateway.bus")]
                assert sum("trying again" in line for line in said) == 1
                assert sum("is back after" in line for line in said) == 1


async def test_a_port_that_is_not_there_is_named(tmp_path: Path) -> None:
    sink = Sink()
    async with running(line_on(tmp_path / "nothing", [block()], sink)):
        await until(lambda: sink.outcomes)
    assert "cannot open" in sink.outcomes[0][1].detail
    assert "nothing" in sink.outcomes[0][1].detail


def test_parity_on_a_pseudo_terminal_is_a_port_error_that_says_so(tmp_path: Path) -> None:
    """The kernel takes the setting once without keeping it, and refuses it the second time."""
    with pty_wire(tmp_path / "port", Units({})) as wire:
        for _ in range(2):
            with pytest.raises(PortLost, match="does not accept 9600 baud 8E1"):
                open_port(str(wire.link), SerialSettings(9600, "E"))


def test_a_port_has_one_owner(tmp_path: Path) -> None:
    with pty_wire(tmp_path / "port", Units({})) as wire, open_port(str(wire.link), FAST), pytest.raises(PortLost, match="cannot open"):
        open_port(str(wire.link), FAST)


async def test_a_line_that_waits_for_a_slow_device_still_stops_soon(tmp_path: Path) -> None:
    device = Device(silent=True)
    with pty_wire(tmp_path / "port", Units({1: device})) as wire:
        async with running(line_on(wire.link, [block(timeout_s=30.0)], Sink())):
            await until(lambda: device.requests)
            begin_s = time.monotonic()
        assert time.monotonic() - begin_s < 2.0


async def test_outputs_come_from_the_event_loop(tmp_path: Path) -> None:
    sink, device = Sink(), Device()
    with pty_wire(tmp_path / "port", Units({1: device})) as wire:
        line = line_on(wire.link, [block(period_s=30.0)], sink)
        assert (await line.submit(write_coil("a", 1, 3))).failure is Failure.PORT_LOST, "the line does not run yet"
        async with running(line):
            await until(lambda: sink.good("a"))
            begin_s = time.monotonic()
            outcome = await line.submit(write_coil("a", 1, 3))
            assert time.monotonic() - begin_s < 0.3, "an output wakes the idle line"
            assert (outcome.failure, device.coils) == (None, 0b1000)
            assert (await line.submit(Exchange("a", "all", 0, b"\x05\x00\x00\x00\x00", 0, 0.1))).failure is None
            device.silent = True
            assert (await line.submit(write_coil("a", 1, 3))).failure is Failure.NO_ANSWER


@pytest.mark.slow
async def test_an_endless_babble_is_a_bad_frame_and_not_a_hang(tmp_path: Path) -> None:
    sink, units, loop = Sink(), Units({1: Device(silent=True)}), asyncio.get_running_loop()
    with pty_wire(tmp_path / "port", units) as wire:
        async with running(line_on(wire.link, [block(timeout_s=0.05)], sink)) as line:
            end_s = time.monotonic() + 1.5
            while time.monotonic() < end_s:
                await loop.run_in_executor(None, wire.babble, b"\x55" * 64)
                await asyncio.sleep(0.001)
            await until(lambda: line.counters.transactions["bad frame"] >= 1)
    assert sink.good("a") == 0


async def test_what_the_sink_raises_ends_the_line(tmp_path: Path) -> None:
    class Broken(Sink):
        def outcome(self, block: Block, outcome: Outcome) -> None:
            raise RuntimeError("sink")

    with pty_wire(tmp_path / "port", Units({1: Device()})) as wire, pytest.raises(RuntimeError, match="sink"):
        await asyncio.wait_for(line_on(wire.link, [block()], Broken()).run(), 5.0)


def test_lines_are_made_from_the_site_file(tmp_path: Path) -> None:
    bus = SerialBus(id="f", transport="rtu", device="x.pty", baud=4800)
    serial = line_for(bus, RtuFraming(), [], Sink(), SerialDefaults(parity="E"), tmp_path)
    assert isinstance(serial, SerialLine)
    assert serial._settings == SerialSettings(4800, "E", 1)
    assert serial._path == str(tmp_path / "x.pty")
    other = line_for(TcpBus(id="t", transport="rtu-tcp", host="h"), RtuFraming(), [], Sink(), SerialDefaults(), tmp_path)
    assert isinstance(other, TcpLine)
