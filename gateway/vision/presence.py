"""Is a zone occupied? Somebody counts after `dwell_s` seconds in it, by capture time, whatever the frame rate. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OFF_DELAY_S = 0.5  # a foot point that trembles on the zone's edge must not make a new visit each time


@dataclass(frozen=True, slots=True)
class Standing:
    """Somebody whose foot point is in the zone. seen_s: capture time at which this was last known; score: of the last find, 0..1.

    believed: it is somebody, not a post; lost: it was not found for so long that nobody knows whether it is still there.
    """

    seen_s: float
    score: float
    believed: bool = True
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Presence:
    """One zone. entered: per track when it came in and when it was last in. count, confidence: of those who count now.

    Everything is in seconds of capture time; confidence is the best score, 0..1; best: the track that has it, 0 for none.
    """

    occupied: bool = False
    count: int = 0
    confidence: float = 0.0
    best: int = 0
    entered: Mapping[int, tuple[float, float]] = field(default_factory=dict)


def step(before: Presence, standing: Mapping[int, Standing], at_s: float, dwell_s: float, off_delay_s: float = OFF_DELAY_S) -> Presence:
    """The zone after a picture captured at `at_s` with these tracks (by id) in it.

    A track that has left, or is gone, is held for `off_delay_s`; it counts as soon as it was *seen* in the zone for `dwell_s`, so
    a single false find that nothing confirms never fills the time. One that is lost does not count, but its time goes on when
    it is found again.
    """
    entered: dict[int, tuple[float, float]] = {}
    for track, person in standing.items():
        first_s = before.entered[track][0] if track in before.entered else person.seen_s
        entered[track] = (first_s, person.seen_s)
    counted = {t: p for t, p in standing.items() if p.believed and not p.lost and p.seen_s - entered[t][0] >= dwell_s}
    for track, (first_s, last_s) in before.entered.items():
        if track not in entered and at_s - last_s < off_delay_s:
            entered[track] = (first_s, last_s)
    held = any(last_s - first_s >= dwell_s for track, (first_s, last_s) in entered.items() if track not in standing)
    best = max(counted, key=lambda track: counted[track].score, default=0)
    holding = before.occupied and held
    return Presence(
        occupied=bool(counted) or holding,
        count=len(counted),
        confidence=counted[best].score if counted else before.confidence if holding else 0.0,
        best=best if counted else before.best if holding else 0,
        entered=entered,
    )
