"""All that is wrong in a school at present: how it is begun, how it ends by itself, and how it is healed.

Each trouble has a place (a device's answers, one signal of it, a cable, a camera, a way to the broker, ...); a new one at the same place
takes the place of the old. One task for each trouble, all with one parent.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from simulators.errors import SimError
from simulators.kinds import Order

Place = tuple[str, str, str]  # sort of thing, its id, what of it
Act = Callable[[], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Trouble:
    """One that is there. begin, end: do and undo it. work: what it does meanwhile; it is over when that ends."""

    place: Place
    order: Order
    begin: Act
    end: Act
    work: Act | None = None
    at_ns: int = 0
    task: asyncio.Task[None] | None = None

    def as_json(self) -> dict[str, Any]:
        """For those who look."""
        sort, name, what = self.place
        ends = {"for_s": self.order.for_s} if self.order.for_s else {}
        return {"of": sort, "id": name, "what": what, "kind": self.order.kind, **self.order.options, **ends, "at_ns": self.at_ns}


class Troubles:
    """Those that are there. `async with` before the first; at its end all are over, without being undone."""

    def __init__(self) -> None:
        self._there: dict[Place, Trouble] = {}
        self._tasks = asyncio.TaskGroup()
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Troubles:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for trouble in self._there.values():
            if trouble.task is not None:
                trouble.task.cancel()
        self._there.clear()
        await self._tasks.__aexit__(None, None, None)

    def list(self) -> list[dict[str, Any]]:
        """What is wrong at present, the oldest first."""
        return [trouble.as_json() for trouble in self._there.values()]

    async def begin(self, trouble: Trouble) -> int:
        """Begins one; what was wrong at its place is healed before. Returns when (monotonic ns). What begin() raises goes on."""
        async with self._turn:
            await self._heal(trouble.place)
            await trouble.begin()
            trouble.at_ns = time.monotonic_ns()
            self._there[trouble.place] = trouble
            trouble.task = self._tasks.create_task(self._live(trouble), name=f"trouble {' '.join(trouble.place)}")
        return trouble.at_ns

    async def heal(self, sort: str = "", name: str = "", what: str = "") -> int:
        """Ends all at this place, or all of this thing, or all of this sort, or all. Returns when (monotonic ns)."""
        async with self._turn:
            wanted = (sort, name, what)
            for place in list(self._there):
                if all(not want or want == each for want, each in zip(wanted, place, strict=True)):
                    await self._heal(place)
        return time.monotonic_ns()

    async def _heal(self, place: Place) -> None:
        trouble = self._there.pop(place, None)
        if trouble is not None:
            if trouble.task is not None:
                trouble.task.cancel()
            await trouble.end()

    async def _live(self, trouble: Trouble) -> None:
        """Until it is over by itself."""
        try:
            async with asyncio.timeout(trouble.order.for_s):
                await (trouble.work() if trouble.work else asyncio.Event().wait())
        except TimeoutError:
            pass
        async with self._turn:
            if self._there.get(trouble.place) is trouble:
                del self._there[trouble.place]
                try:
                    await trouble.end()
                except (SimError, ValueError, OSError) as error:
                    print(f"campus-sim: {trouble.order.kind} of {trouble.place[1]} did not end well: {error}", file=sys.stderr, flush=True)
