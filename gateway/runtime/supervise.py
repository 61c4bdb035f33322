"""Tasks have a parent: long-lived ones are started here, restarted alone, and parked loudly if they keep crashing."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.core.said import about

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
    """Parent of all long-lived tasks.

    fault(name, active, reason) is told when a task is parked, and when the last parked one has run for `within_s` again.
    """

    def __init__(
        self, fault: Callable[[str, bool, str], None], *, within_s: float = WITHIN_S, parked_retry_s: float = PARKED_RETRY_S
    ) -> None:
        self._fault = fault
        self._within_s = within_s
        self._parked_retry_s = parked_retry_s
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
            health.reason = await self._run_once(name, body)
            health.crashes += 1
            recent.append(time.monotonic())
            if len(recent) == CRASHES_UNTIL_PARKED and recent[-1] - recent[0] < self._within_s and not health.parked:
                health.parked = True
                log.error(
                    "task %s crashed %d times: parked, tried again each %.0f s",
                    name,
                    len(recent),
                    self._parked_retry_s,
                    extra=about(task=name),
                )
                self._fault(name, True, f"{name}: {health.reason}")
            await asyncio.sleep(self._parked_retry_s if health.parked else random.uniform(0, back_off_s))

    async def _run_once(self, name: str, body: Callable[[], Awaitable[None]]) -> str:
        """Why the task has ended this time."""
        steady = asyncio.get_running_loop().call_later(self._within_s, self._steady, name)
        try:
            await body()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return "cancelled from within"  # by something that it waited for: a crash like any other
        except Exception as error:
            log.exception("task %s crashed", name, extra=about(task=name))
            return f"{type(error).__name__}: {error}"
        finally:
            steady.cancel()
        return "ended by itself"

    def _steady(self, name: str) -> None:
        """The task has run long enough to be called well again."""
        health = self.health[name]
        if health.parked:
            health.parked = False
            log.info("task %s runs again", name, extra=about(task=name))
            if not any(other.parked for other in self.health.values()):
                self._fault(name, False, "")
