"""Gates, doors and exits as rules see them: what must not be so, when, and for how long."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.core.points import Text
from gateway.core.reading import Quality, Reading, Value
from gateway.core.school_days import DaySpans, Window


@dataclass(frozen=True, slots=True)
class Shows:
    """A point shows one of these values; with `other`, any value but these."""

    point: str
    values: frozenset[Value]
    other: bool = False

    def holds(self, reading: Reading | None) -> bool | None:
        """Whether it is so by this reading of the point; None where that is not known."""
        if reading is None or reading.quality is not Quality.GOOD or reading.value is None:
            return None
        return (reading.value in self.values) is not self.other


@dataclass(frozen=True, slots=True)
class GateSpec:
    """A state at a gate, door or exit that must not last.

    id: of the rule, and of the point by which it says so. rule: what kind it is, as in docs/rules.md. what: the state in words.
    groups: the state is there while in each of them at least one point shows what it names. lasts_s: windows of the school day in
    which it counts, and how many seconds it may last in each. delivery: minutes of each local day at which it never counts.
    allowed_by: while one of these shows, and allowed_s after that, the time does not run. own_fault: a sensor that is not known is
    told here too, although its device is told already.
    """

    id: str
    rule: str
    name: Text
    what: Text
    groups: tuple[tuple[Shows, ...], ...]
    lasts_s: dict[Window, float]
    delivery: DaySpans = ()
    allowed_by: tuple[Shows, ...] = ()
    allowed_s: float = 0.0
    own_fault: bool = False


@dataclass(frozen=True, slots=True)
class ForcedSpec:
    """Rising posts that nobody may lower but through us. id: of the rule, and of the point by which it says so.

    posts: what shows that a post is up. lowered_by: inputs, and lowered_with: outputs of ours that lower it; lowering is expected for
    lowered_s after one of them was on. delivery: minutes of each local day at which it always is.
    """

    id: str
    name: Text
    posts: tuple[Shows, ...]
    lowered_by: frozenset[str] = frozenset()
    lowered_with: frozenset[str] = frozenset()
    lowered_s: float = 30.0
    delivery: DaySpans = ()


@dataclass(frozen=True, slots=True)
class RaiseSpec:
    """Posts and barriers that are raised when a window begins. up: what shows that there is nothing to raise."""

    id: str
    name: Text
    outputs: tuple[str, ...]
    up: tuple[Shows, ...]
    windows: frozenset[Window]


@dataclass(frozen=True, slots=True)
class WatchedZone:
    """A camera's point at a gate or fence, and when its alarms count. id: of the rule; rule: crowd, perimeter, ...

    windows: of its first alarm; empty for always. outside_hours: only while the school is closed. limit: persons, None where one is
    enough. dwell_s: how long a person must stay, 0 for the zone's own time.
    """

    id: str
    rule: str
    name: Text
    point: str
    windows: frozenset[Window] = field(default=frozenset())
    outside_hours: bool = False
    limit: float | None = None
    dwell_s: float = 0.0
