"""Is a zone occupied? A person counts after `dwell_s` seconds in it, by capture time, whatever the frame rate. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OFF_DELAY_S = 0.5  # a foot point that trembles on the zone's edge must not make a new visit each time
MIN_FOUND = 2  # one picture alone is not a person


@dataclass(frozen=True, slots=True)
class Standing:
    """A person whose foot point is in the zone now. seen_s: capture time at which this was last known; found: pictures."""

    seen_s: float
    score: float
    found: int


@dataclass(frozen=True, slots=True)
class Presence:
    """One zone. entered: per track when it came in and when it was last in. count, confidence: of those who count now.

    Everything is in seconds of capture time; confidence is the best score, 0..1.
    """

    occupied: bool = False
    count: int = 0
    confidence: float = 0.0
    entered: Mapping[int, tuple[float, float]] = field(default_factory=dict)


def step(before: Presence, standing: Mapping[int, Standing], at_s: float, dwell_s: float, off_delay_s: float = OFF_DELAY_S) -> Presence:
    """The zone after a picture captured at `at_s` with these tracks (by id) in it.

    A track that has left, or is gone, is held for `off_delay_s`; it counts as soon as it was *seen* in the
    zone for `dwell_s`, so a single false find that nothing confirms never fills the time.
    """
    entered: dict[int, tuple[float, float]] = {}
    for track, person in standing.items():
        first_s = before.entered[track][0] if track in before.entered else person.seen_s
        entered[track] = (first_s, person.seen_s)
    counted = {t: p for t, p in standing.items() if p.found >= MIN_FOUND and p.seen_s - entered[t][0] >= dwell_s}
    for track, (first_s, last_s) in before.entered.items():
        if track not in entered and at_s - last_s < off_delay_s:
            entered[track] = (first_s, last_s)
    held = any(last_s - first_s >= dwell_s for track, (first_s, last_s) in entered.items() if track not in standing)
    return Presence(
        occupied=bool(counted) or (before.occupied and held),
        count=len(counted),
        confidence=max((person.score for person in counted.values()), default=before.confidence if held else 0.0),
        entered=entered,
    )
