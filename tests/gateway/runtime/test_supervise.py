"""Tasks have a parent: each is restarted alone, and parked loudly when it keeps crashing."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gateway.runtime.supervise import CRASHES_UNTIL_PARKED, Supervisor
from tests.gateway.runtime.waiting import until

Faults = list[tuple[str, bool, str]]


def supervisor(faults: Faults, *, within_s: float = 60.0, parked_retry_s: float = 0.05) -> Supervisor:
    return Supervisor(lambda name, active, reason: faults.append((name, active, reason)), within_s=within_s, parked_retry_s=parked_retry_s)


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def test_a_crash_restarts_that_task_alone() -> None:
    faults: Faults = []
    starts: list[str] = []
    parent = supervisor(faults)

    async def shaky() -> None:
        starts.append("shaky")
        if starts.count("shaky") < 3:
            raise OSError("cable cut")
        await for_ever()

    async def steady() -> None:
        starts.append("steady")
        await for_ever()

    parent.start("shaky", shaky, back_off_s=0.001)
    parent.start("steady", steady, back_off_s=0.001)
    await until(lambda: starts.count("shaky") == 3)
    assert starts.count("steady") == 1
    assert (parent.health["shaky"].crashes, parent.health["shaky"].reason) == (2, "OSError: cable cut")
    assert parent.health["steady"].crashes == 0
    assert faults == []
    await parent.stop()


@pytest.mark.parametrize("how", ["raises", "ends", "is cancelled from within"])
async def test_a_crash_loop_is_parked_told_once_and_still_tried(how: str, caplog: pytest.LogCaptureFixture) -> None:
    faults: Faults = []
    starts = 0
    parent = supervisor(faults)

    async def broken() -> None:
        nonlocal starts
        starts += 1
        if how == "raises":
            raise ZeroDivisionError("always")
        if how == "is cancelled from within":
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

    with caplog.at_level(logging.CRITICAL, "gateway.runtime.supervise"):
        parent.start("driver:gate-io", broken, back_off_s=0.001)
        await until(lambda: faults)
        assert parent.health["driver:gate-io"].parked
        assert starts == CRASHES_UNTIL_PARKED
        await until(lambda: starts >= CRASHES_UNTIL_PARKED + 3)
    reason = {"raises": "ZeroDivisionError: always", "ends": "ended by itself", "is cancelled from within": "cancelled from within"}[how]
    assert faults == [("driver:gate-io", True, f"driver:gate-io: {reason}")], "told once, not at each try"
    await parent.stop()


async def test_a_parked_task_that_runs_again_is_told_while_it_runs() -> None:
    faults: Faults = []
    starts = 0
    parent = supervisor(faults, within_s=0.2, parked_retry_s=0.01)

    async def heals() -> None:
        nonlocal starts
        starts += 1
        if starts <= CRASHES_UNTIL_PARKED + 2:
            raise OSError("no such port")
        await for_ever()

    parent.start("a", heals, back_off_s=0.001)
    await until(lambda: len(faults) == 2)
    assert faults[1] == ("a", False, "")
    assert not parent.health["a"].parked
    assert starts == CRASHES_UNTIL_PARKED + 3, "it is well, not restarted"
    await parent.stop()


async def test_the_fault_stands_as_long_as_one_task_is_parked() -> None:
    faults: Faults = []
    heal: set[str] = set()
    parent = supervisor(faults, within_s=0.1, parked_retry_s=0.01)

    def body(name: str) -> None:
        async def run() -> None:
            if name not in heal:
                raise OSError(name)
            await for_ever()

        parent.start(name, run, back_off_s=0.001)

    body("a")
    body("b")
    await until(lambda: len(faults) == 2)
    heal.add("a")
    await until(lambda: not parent.health["a"].parked)
    assert len(faults) == 2, "b is still parked"
    heal.add("b")
    await until(lambda: len(faults) == 3)
    assert faults[2] == ("b", False, "")
    await parent.stop()


async def test_stop_ends_all_tasks_wherever_they_are() -> None:
    parent = supervisor([], parked_retry_s=1000.0)
    ended = []

    async def tidy() -> None:
        try:
            await for_ever()
        finally:
            ended.append("tidy")

    async def broken() -> None:
        raise OSError

    parent.start("tidy", tidy)
    parent.start("broken", broken, back_off_s=0.001)
    await until(lambda: parent.health["broken"].parked)
    await asyncio.wait_for(parent.stop(), 5)
    assert ended == ["tidy"]
    assert not [task for task in asyncio.all_tasks() if task.get_name() in ("tidy", "broken")]
