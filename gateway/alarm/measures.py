"""How many alarms people are asked to look at (ISA-18.2 / EEMUA 191 measures)."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

WINDOW_S = 600.0
FLOOD_FROM = 11  # alarms within ten minutes: more than ten begin a flood
FLOOD_BELOW = 5  # and fewer than five end it
STALE_S = 24 * 3600.0  # an alarm that is active for longer is stale
TOP = 10


@dataclass(slots=True)
class Measures:
    """Alarms and faults that were announced; may be read from another thread.

    recent: monotonic seconds, those of the last ten minutes. by_point: numbers since the start.
    """

    recent: deque[float] = field(default_factory=deque)
    by_point: Counter[str] = field(default_factory=Counter)

    def add(self, point: str, now_s: float) -> None:
        """One more was announced."""
        while self.recent and self.recent[0] <= now_s - WINDOW_S:
            self.recent.popleft()
        self.recent.append(now_s)
        self.by_point[point] += 1

    def rate(self, now_s: float) -> int:
        """Alarms announced in the last ten minutes."""
        return sum(at_s > now_s - WINDOW_S for at_s in tuple(self.recent))

    def falls_s(self, now_s: float) -> float:
        """When fewer than FLOOD_BELOW are left, if no more come; monotonic seconds."""
        within = [at_s for at_s in self.recent if at_s > now_s - WINDOW_S]
        return within[-FLOOD_BELOW] + WINDOW_S if len(within) >= FLOOD_BELOW else now_s

    def top(self) -> list[tuple[str, int]]:
        """The points that were announced most often, with their numbers."""
        return Counter(dict(self.by_point)).most_common(TOP)


def flood(rate: int, flooding: bool) -> bool:
    """Is this a flood? rate: alarms in ten minutes, the newest included."""
    return rate >= FLOOD_BELOW if flooding else rate >= FLOOD_FROM
