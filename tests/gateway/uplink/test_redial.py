"""A session that is to be replaced: in a quiet moment, and at last also without one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.uplink import link
from tests.gateway.uplink.test_outbox import entry
from tests.gateway.uplink.test_uplink import School, make  # noqa: F401 - a fixture


class Line:
    """A broker that acknowledges everything, events only when it is asked to, and a dialler to it. why: its session is stale."""

    where = "here"
    can_refuse = True
    receive_maximum = 65_535
    maximum_packet_bytes = None

    def __init__(self, *, quiet: bool) -> None:
        self.taken: dict[str, int] = {}
        self.quiet = quiet
        self.why = ""
        self.dialled = 0
        self.acknowledge: Callable[[int], None] | None = None
        self.again = asyncio.Event()

    def stale(self) -> str:
        if self.dialled > 1 or not self.why:
            return ""
        if self.quiet and self.acknowledge is not None:
            asyncio.get_running_loop().call_soon(self.acknowledge, 0)
        return self.why

    @asynccontextmanager
    async def dial(self, will_topic: str, will: bytes) -> AsyncIterator[Line]:
        self.dialled += 1
        if self.dialled > 1:
            self.again.set()
        yield self

    async def subscribe(self, topic: str, *, fresh_only: bool = False) -> None:
        pass

    def publish(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, on_ack: Callable[[int], None] | None = None, expiry_s: int = 0
    ) -> None:
        if on_ack is not None:
            asyncio.get_running_loop().call_soon(on_ack, 0)

    def publish_event(self, topic: str, payload: bytes, on_ack: Callable[[int], None]) -> None:
        self.why = "the clock is known now"
        self.acknowledge = on_ack

    def unacknowledged(self) -> list[tuple[str, int]]:
        return []

    def drop(self) -> None:
        pass

    async def messages(self) -> AsyncIterator[tuple[str, bytes, bool]]:
        await asyncio.Event().wait()
        yield "", b"", False


@pytest.mark.parametrize("quiet", [True, False])
async def test_in_a_quiet_moment_and_at_last_without_one(
    make: Callable[[], School],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    quiet: bool,
) -> None:
    """A broker whose dates nobody has checked could hold a session open by never acknowledging the last event."""
    monkeypatch.setattr(link, "TICK_S", 0.01)
    monkeypatch.setattr(link, "REDIAL_WITHIN_S", 1e9 if quiet else 0.0)
    school, line = make(), Line(quiet=quiet)
    lan = school.uplink.links["lan"]
    monkeypatch.setattr(lan, "_dialler", line)
    school.box.offer(entry(1))
    async with asyncio.timeout(10.0), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lan.run())
        await line.again.wait()
        running.cancel()
    assert sum(lan.counts.ends.values()) == 0, "no trouble of the path"
