"""Wait for something that another task, thread or process brings about; never a sleep for its own sake."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    """Return once the condition holds. Fails when it does not in time."""
    try:
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110 - the condition may lie in another thread or process
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"it did not happen within {within_s:g} s") from None
