"""Where one line reports. Decodes in the line's own thread; only readings cross to the loop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from gateway.core.reading import Reading, Value
from gateway.core.wire import Block, Driver, Outcome
from gateway.runtime.conveyor import Conveyor

CARDS_KEPT = 20


class Intake:
    """One line's sink. learned(device, facts), came_up(device): told in the line's own thread."""

    def __init__(
        self,
        drivers: Mapping[str, Driver],
        conveyor: Conveyor,
        cards: frozenset[str],
        learned: Callable[[str, Mapping[str, Value]], None],
        came_up: Callable[[str], None],
        *,
        unasked: bool = False,
    ) -> None:
        """cards: points whose values are cards. unasked: devices that speak by themselves; a dead link makes their points bad."""
        self._drivers = drivers
        self._conveyor = conveyor
        self._cards = cards
        self._learned = learned
        self._came_up = came_up
        self._unasked = unasked
        self._loop_thread = threading.get_ident()
        self.device_up: dict[str, bool] = {}
        self.shown: deque[tuple[float, str, str]] = deque(maxlen=CARDS_KEPT)  # (now_s, point, card's hash)

    def outcome(self, block: Block, outcome: Outcome) -> Sequence[Block] | None:
        """A block was tried."""
        driver = self._drivers[block.device]
        if outcome.failure is None:
            self._push(driver.decode(block, outcome.pdu, outcome.now_s))
            return None
        self._push(driver.fail(block, outcome.reason, outcome.now_s))
        blocks = driver.replan()
        if blocks is not None:
            self._learned(block.device, driver.learned)
        return blocks

    def heard(self, device: str, message: object, now_s: float) -> None:
        """A device said something unasked."""
        self._push(self._drivers[device].hear(message, now_s))

    def tick(self, now_s: float) -> None:
        """Time has passed for devices that speak unasked. In the event loop."""
        for device in self.device_up:
            self._push(self._drivers[device].tick(now_s))

    def device_link(self, device: str, up: bool, reason: str, now_s: float) -> None:
        """A device went silent, or answers again."""
        if up and not self.device_up.get(device):
            self._came_up(device)
        self.device_up[device] = up
        lost = self._drivers[device].lost(reason.partition(":")[0], now_s) if self._unasked and not up else []  # the why is the link's
        self._push([Reading(device, not up, reason=reason, now_s=now_s), *lost])

    def _push(self, readings: list[Reading]) -> None:
        if not readings:
            return
        if self._cards:
            shown = (r for r in readings if r.point in self._cards and isinstance(r.value, str) and r.value)
            self.shown.extend((r.now_s, r.point, str(r.value)) for r in shown)
        if threading.get_ident() == self._loop_thread:
            self._conveyor.push(readings)
        else:
            self._conveyor.push_from_thread(readings)
