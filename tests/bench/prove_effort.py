"""How much of each trouble a proof goes through."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """queued: events that wait behind a dead broker. presses: rounds of ten presses at once."""

    kills: int = 300
    power_cuts: int = 200
    broker_kills: int = 20
    queued: int = 100_000
    bad_network_s: float = 120.0
    bad_disk_s: float = 30.0
    clock_jumps: int = 12
    presses: int = 40


LONG = Effort()
SHORT = Effort(20, 10, 3, 2000, 10.0, 4.0, 4, 6)
TINY = Effort(1, 2, 1, 400, 2.0, 2.0, 2, 1)
EFFORTS = {"long": LONG, "short": SHORT, "tiny": TINY}
