"""What the drivers of devices that speak unasked have in common: nothing is asked, so nothing is planned or decoded."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.reading import Reading, Value
from gateway.core.wire import Block, Exchange


class Unasked:
    """The part of `gateway.core.wire.Driver` that is about requests, for devices without any."""

    def plan(self) -> list[Block]:
        """Nothing: the device reports by itself."""
        return []

    def decode(self, block: Block, pdu: bytes, now_s: float) -> list[Reading]:
        """Nothing: there are no blocks; what is said comes to `hear`."""
        return []

    def fail(self, block: Block, reason: str, now_s: float) -> list[Reading]:
        """Nothing: there are no blocks; silence is told by `lost`."""
        return []

    def replan(self) -> list[Block] | None:
        """None: there is no plan."""
        return None

    @property
    def learned(self) -> Mapping[str, Value]:
        """Nothing is found out that must be remembered."""
        return {}

    def tick(self, now_s: float) -> list[Reading]:
        """Nothing changes by time alone."""
        return []

    def start(self) -> list[Exchange]:
        """Nothing: the line itself sends what opens a conversation."""
        return []

    def clear(self, point: str) -> Exchange | None:
        """None: no input is latched."""
        return None
