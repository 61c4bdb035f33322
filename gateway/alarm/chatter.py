"""An alarm that comes and goes: after so many beginnings in a minute it is told once a minute, with a count.

Three are chattering (ISA-18.2). A highly managed alarm has thirty: a frightened hand presses again and again, and each further
press is news; only what no hand does, a loose wire, is counted instead of told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

BEGINNINGS = 3
HAND_BEGINNINGS = 30
WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Chatter:
    """How one alarm has come and gone. times: its last beginnings, monotonic seconds; held: beginnings not told since `again_s - 60`.

    again_s: the next one is told from then on. least: so many in a minute are chattering.
    """

    times: tuple[float, ...] = ()
    again_s: float = 0.0
    held: int = 0
    least: int = BEGINNINGS

    def chatters(self, now_s: float) -> bool:
        """True while its last beginnings lie within a minute of now."""
        return len(self.times) == self.least and now_s < self.times[0] + WITHIN_S

    def over_s(self) -> float:
        """When it no longer chatters if nothing more happens."""
        return self.times[0] + WITHIN_S

    def begun(self, now_s: float) -> Chatter:
        """With one more beginning, which is told unless `held` has grown."""
        after = replace(self, times=(*self.times, now_s)[-self.least :])
        if not after.chatters(now_s):
            return after
        if now_s < self.again_s:
            return replace(after, held=self.held + 1)
        return replace(after, again_s=now_s + WITHIN_S)

    def told(self, now_s: float) -> Chatter:
        """What was held back is told now."""
        return replace(self, held=0, again_s=now_s + WITHIN_S)
