"""Where a line of a road reports: drivers decode, and all that is said is remembered in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.core.reading import Quality, Reading
from gateway.core.wire import Block, Driver, Outcome


@dataclass(frozen=True)
class LinkSaid:
    device: str
    up: bool
    reason: str


class Defect(Exception):
    """What a driver with a mistake in it raises."""


@dataclass
class Ear:
    """A LineSink over real drivers. unasked: a dead link makes the device's points bad, as the gateway's own sink does it.

    broken: from now on every report raises `Defect`.
    """

    drivers: Mapping[str, Driver]
    unasked: bool
    said: list[Reading | LinkSaid] = field(default_factory=list)
    broken: bool = False

    def outcome(self, block: Block, outcome: Outcome) -> Sequence[Block] | None:
        self._break()
        driver = self.drivers[block.device]
        if outcome.failure is None:
            self.said += driver.decode(block, outcome.pdu, outcome.now_s)
            return None
        self.said += driver.fail(block, outcome.reason, outcome.now_s)
        return driver.replan()

    def heard(self, device: str, message: object, now_s: float) -> None:
        self._break()
        self.said += self.drivers[device].hear(message, now_s)

    def device_link(self, device: str, up: bool, reason: str, now_s: float) -> None:
        self._break()
        self.said.append(LinkSaid(device, up, reason))
        if self.unasked and not up:
            self.said += self.drivers[device].lost(reason, now_s)

    def _break(self) -> None:
        if self.broken:
            raise Defect

    # --- what was said ------------------------------------------------------------------

    def readings(self, point: str) -> list[Reading]:
        return [said for said in list(self.said) if isinstance(said, Reading) and said.point == point]

    def last(self, point: str) -> Reading | None:
        return next((said for said in reversed(list(self.said)) if isinstance(said, Reading) and said.point == point), None)

    def is_bad(self, point: str) -> bool:
        last = self.last(point)
        return last is not None and last.quality is Quality.BAD

    def links(self, device: str) -> list[tuple[bool, str]]:
        return [(said.up, said.reason) for said in list(self.said) if isinstance(said, LinkSaid) and said.device == device]

    def is_up(self, device: str) -> bool:
        links = self.links(device)
        return bool(links) and links[-1][0]
