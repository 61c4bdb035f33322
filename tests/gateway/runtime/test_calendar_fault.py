"""A calendar that runs out is a fault of the gateway, with the day in its words; one that does not, is none."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.config.load import load_site
from gateway.core.reading import Now
from gateway.core.school_days import CALENDAR_POINT
from gateway.runtime import telling
from gateway.runtime.clock import Clock
from gateway.runtime.daemon import Daemon
from tests.gateway.runtime.waiting import until

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "demo-school.toml"
TERM = '\n[calendar]\nholidays = "none"\nterms = [{{ name = "学期", first = 2020-02-01, last = {last} }}]\n'


class NeverSet(Clock):
    """The clock of a board that has just started and has heard of no time."""

    def now(self) -> Now:
        """1970, and known not to be believed."""
        return Now(super().now().now_s, 0, "unknown")


@asynccontextmanager
async def looking(folder: Path, last: str, clock: Clock | None = None) -> AsyncIterator[Daemon]:
    """A daemon of which only the look at the calendar runs."""
    file = folder / "site.toml"
    shutil.copy(EXAMPLE.with_name("demo-plan.svg"), folder)
    file.write_text(EXAMPLE.read_text(encoding="utf-8") + TERM.format(last=last), encoding="utf-8")
    daemon = Daemon(load_site(file, state_dir=str(folder)), spawn_vision=False)
    daemon.clock = clock or daemon.clock
    daemon.writer.start()
    daemon.conveyor.start(daemon.writer)
    try:
        async with asyncio.TaskGroup() as group:
            look = group.create_task(daemon._watch_calendar())
            yield daemon
            look.cancel()
    finally:
        await asyncio.to_thread(daemon.writer.stop)
        daemon.reader.close()


async def test_a_term_that_is_over_is_told_with_its_day(tmp_path: Path) -> None:
    async with looking(tmp_path, "2020-07-10") as daemon:
        await until(lambda: telling.status(daemon)["faults"])
        (fault,) = telling.status(daemon)["faults"]
    assert fault["alarm"] == f"{CALENDAR_POINT}/fault"
    assert fault["zh"] == "校历只到 2020-07-10，之后没有学期"
    assert fault["en"] == "The calendar ends on 2020-07-10, no term is known beyond it"
    assert fault["reason"] == "no term is known after 2020-07-10"


async def test_a_term_far_ahead_is_no_fault(tmp_path: Path) -> None:
    async with looking(tmp_path, "2100-07-10") as daemon:
        await until(lambda: CALENDAR_POINT in daemon.house.readings)
        assert telling.status(daemon)["faults"] == []


async def test_a_clock_that_was_never_set_tells_nothing_about_days(tmp_path: Path) -> None:
    async with looking(tmp_path, "2020-07-10", NeverSet()) as daemon:
        for _ in range(5):
            await asyncio.sleep(0)
        assert CALENDAR_POINT not in daemon.house.readings
