"""Ports and peers that go away and come back, again and again: nothing is leaked, and the line finds them each time.

RETURN_CYCLES=500 for the long form.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from gateway.bus import serial_line, tcp_line
from tests.gateway.bus.test_serial_line import line_on
from tests.gateway.bus.test_tcp_line import free_port, line_to
from tests.gateway.bus.wires import Device, Sink, Units, block, pty_wire, running, tcp_wire, until

CYCLES = int(os.environ.get("RETURN_CYCLES", "40"))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_converter_pulled_out_many_times_leaks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_line, "REOPEN_S", 0.01)
    sink, units, link = Sink(), Units({1: Device()}), tmp_path / "port"
    async with running(line_on(link, [block()], sink)) as line:
        counts = []
        for _ in range(CYCLES):
            good = sink.good("a")
            with pty_wire(link, units):
                await until(lambda good=good: sink.good("a") > good)
            losses = line.counters.port_losses
            await until(lambda losses=losses: line.counters.port_losses > losses or sink.link("a")[0] is False)
            counts.append(descriptors())
            sink.outcomes.clear()
        await until(lambda: descriptors() <= min(counts[:3]))  # an attempt to connect holds one for a moment, a leak holds it for ever
    assert [up for _, up, _ in sink.links] == [True, False] * CYCLES
    assert threading.active_count() < 10


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_peer_that_restarts_many_times_leaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_line, "BACKOFF_MOST_S", 0.02)
    monkeypatch.setattr(tcp_line, "BACKOFF_FIRST_S", 0.01)
    sink, units, port = Sink(), Units({1: Device()}), free_port()
    async with running(line_to(port, [block()], sink)):
        counts = []
        for _ in range(CYCLES):
            good = sink.good("a")
            with tcp_wire(units, port):
                await until(lambda good=good: sink.good("a") > good)
            await until(lambda: sink.link("a")[0] is False)
            counts.append(descriptors())
            sink.outcomes.clear()
        await until(lambda: descriptors() <= min(counts[:3]))  # an attempt to connect holds one for a moment, a leak holds it for ever
    assert [up for _, up, _ in sink.links] == [True, False] * CYCLES
