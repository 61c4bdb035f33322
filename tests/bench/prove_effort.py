"""How much of each trouble a proof goes through, and by which draws."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Effort:
    """queued: events that wait behind a dead broker. presses: rounds of ten presses at once.

    seed: of every draw. peer: where the peer of the comparison is installed, None to look for it.
    """

    kills: int = 300
    power_cuts: int = 200
    broker_kills: int = 20
    queued: int = 100_000
    bad_network_s: float = 120.0
    bad_disk_s: float = 30.0
    clock_jumps: int = 12
    presses: int = 40
    store_kills: int = 100
    store_cuts: int = 50
    store_stops: int = 20
    seed: int = 0
    peer: Path | None = None

    def chance(self, purpose: str) -> random.Random:
        """Draws for one purpose: the same for the same seed, whatever else is done before or beside."""
        return random.Random(f"{self.seed} {purpose}")


LONG = Effort()
SHORT = Effort(
    kills=20, power_cuts=10, broker_kills=3, queued=2000, bad_network_s=10.0, bad_disk_s=4.0, clock_jumps=4, presses=6,
    store_kills=20, store_cuts=10, store_stops=3,
)  # fmt: skip
TINY = Effort(
    kills=1, power_cuts=2, broker_kills=1, queued=400, bad_network_s=2.0, bad_disk_s=2.0, clock_jumps=2, presses=1,
    store_kills=2, store_cuts=1, store_stops=1,
)  # fmt: skip
EFFORTS = {"long": LONG, "short": SHORT, "tiny": TINY}
