"""Tasks have a parent: long-lived ones are started here, restarted alone, and parked loudly if they keep crashing."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)

CRASHES_UNTIL_PARKED = 5
WITHIN_S = 60.0
PARKED_RETRY_S = 60.0


@dataclass(slots=True)
class Health:
    """How one supervised task is doing."""

    crashes: int = 0
    parked: bool = False
    reason: str = ""


class Supervisor:
    """Parent of all long-lived tasks. fault(name, active, reason) is told when a task is parked or runs again."""

    def __init__(self, fault: Callable[[str, bool, str], None]) -> None:
        self._fault = fault
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.health: dict[str, Health] = {}

    def start(self, name: str, body: Callable[[], Awaitable[None]], *, back_off_s: float = 1.0) -> None:
        """Run `body()` for ever under this name; back_off_s: longest pause before a restart, with full jitter."""
        self.health[name] = Health()
        self._tasks[name] = asyncio.get_running_loop().create_task(self._keep(name, body, back_off_s), name=name)

    async def stop(self) -> None:
        """Cancel all tasks and wait for them."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _keep(self, name: str, body: Callable[[], Awaitable[None]], back_off_s: float) -> None:
        health = self.health[name]
        recent: deque[float] = deque(maxlen=CRASHES_UNTIL_PARKED)
        while True:
            began_s = time.monotonic()
            try:
                await body()
                health.reason = "ended by itself"
            except Exception as error:
                health.reason = f"{type(error).__name__}: {error}"
                log.exception("task %s crashed", name)
            health.crashes += 1
            now_s = time.monotonic()
            if health.parked and now_s - began_s > WITHIN_S:
                health.parked = False
                self._fault(name, False, "")
            recent.append(now_s)
            if len(recent) == CRASHES_UNTIL_PARKED and now_s - recent[0] < WITHIN_S and not health.parked:
                health.parked = True
                log.error("task %s crashed %d times within a minute: parked, tried again each %.0f s", name, len(recent), PARKED_RETRY_S)
                self._fault(name, True, f"{name}: {health.reason}")
            await asyncio.sleep(PARKED_RETRY_S if health.parked else random.uniform(0, back_off_s))
