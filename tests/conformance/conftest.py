"""Every case gets a road that runs, and every road is looked over when the case is done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.bus import gpio_line, osdp_line, osdp_reader, push_line, schedule, serial_line, tcp_line
from tests.conformance.every_road import ROADS, SLOW_ROADS
from tests.conformance.held import held
from tests.conformance.roads import Road
from tests.gateway.bus.wires import until


@pytest.fixture(autouse=True)
def quick_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The product's own pauses after a fault, shortened; who goes when and what is said stays as it is."""
    for module in (push_line, serial_line, gpio_line, osdp_line):
        monkeypatch.setattr(module, "REOPEN_S", 0.02)
    monkeypatch.setattr(tcp_line, "BACKOFF_FIRST_S", 0.01)
    monkeypatch.setattr(tcp_line, "BACKOFF_MOST_S", 0.02)
    monkeypatch.setattr(osdp_reader, "RETRY_S", 0.2)
    monkeypatch.setattr(osdp_reader, "GRACE_S", 0.1)
    for name, seconds in (("RETRY_S", 0.02), ("PROBE_FIRST_S", 0.03), ("PROBE_MOST_S", 0.1), ("PROBE_GAP_S", 0.03), ("PROBE_SHARE", 0.1)):
        monkeypatch.setattr(schedule, name, seconds)


@pytest_asyncio.fixture(params=[pytest.param(name, marks=pytest.mark.slow) if name in SLOW_ROADS else name for name in ROADS])
async def road(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Road]:
    """A road with its wire plugged in and its line running."""
    before = held()
    made = ROADS[request.param](tmp_path)
    try:
        await made.plug()
        made.idle = held()
        made.run_line()
        yield made
        await made.stop_line()
    finally:
        made.pull()
        if made.task is not None:
            made.task.cancel()
    made.check()
    await until(lambda: held() == before)
