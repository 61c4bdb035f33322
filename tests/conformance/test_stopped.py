"""A line that is cancelled, at whatever moment, or whose sink fails: it ends by that alone and gives everything back."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any

import pytest

from tests.conformance.ear import Defect
from tests.conformance.roads import Road
from tests.gateway.bus.wires import until

AWAITS = 10
LOOP_STEPS = 25
FRAMES = 9


@types.coroutine
def _counted(work: Coroutine[Any, Any, None], cancel_at: int, seen: list[int]) -> Generator[Any, Any, None]:
    """Runs `work`; whoever runs this is cancelled as `work` waits for the `cancel_at`th time. seen: a 1 for each wait."""
    send: Any = None
    error: BaseException | None = None
    while True:
        try:
            waits_for = work.throw(error) if error is not None else work.send(send)
        except StopIteration:
            return
        seen.append(1)
        if len(seen) == cancel_at:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        try:
            send, error = (yield waits_for), None
        except BaseException as raised:  # noqa: BLE001 - handed on into the work
            send, error = None, raised


async def _cancelled_at(work: Coroutine[Any, Any, None], cancel_at: int, seen: list[int]) -> None:
    await _counted(work, cancel_at, seen)


async def test_cancelled_at_every_await(road: Road) -> None:
    """Wires come and go meanwhile, so that the line passes all its waits."""
    await road.stop_line()
    await road.is_idle()
    reached = 0
    for cancel_at in range(1, AWAITS + 1):
        seen: list[int] = []
        task = asyncio.get_running_loop().create_task(_cancelled_at(road.make_line().run(), cancel_at, seen))
        end_s = asyncio.get_running_loop().time() + 0.15
        while not task.done() and asyncio.get_running_loop().time() < end_s:
            road.pull()
            await asyncio.wait([task], timeout=0.005)
            await road.plug()
            await asyncio.wait([task], timeout=0.02)
        reached = max(reached, len(seen))
        by_itself = task.done()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()
        await road.is_idle()
        if not by_itself:
            break  # it waits no more often than that in this time
    assert reached >= 1


async def test_cancelled_after_every_step_of_the_loop(road: Road) -> None:
    await road.stop_line()
    await road.is_idle()
    for steps in range(LOOP_STEPS):
        road.run_line()
        for _ in range(steps):
            await asyncio.sleep(0)
        await road.stop_line()
        await road.is_idle()


async def test_cancelled_after_every_frame(road: Road) -> None:
    await road.stop_line()
    await road.is_idle()
    for frames in range(1, FRAMES):
        road.run_line()
        await road.say(frames)
        await road.stop_line()
        await road.is_idle()
        road.check()


async def test_cancelled_twice_while_it_stops(road: Road) -> None:
    """A supervisor in a hurry."""
    await road.stop_line()
    await road.is_idle()
    for steps in range(4):
        road.set_value()
        road.run_line()
        await until(road.knows)
        task, road.task = road.task, None
        assert task is not None
        task.cancel()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()
        await road.is_idle()


async def test_a_stopped_line_can_be_started_anew(road: Road) -> None:
    for _ in range(3):
        await until(road.knows)
        await road.stop_line()
        road.set_value()
        road.run_line()
    await until(road.knows)


async def test_what_the_sink_raises_ends_the_line(road: Road) -> None:
    await until(road.knows)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the loop reports what its callback raised, too
    road.ear.broken = True
    road.set_value()
    task, road.task = road.task, None
    assert task is not None
    with pytest.raises(Defect):
        await asyncio.wait_for(asyncio.shield(task), 2.0)
