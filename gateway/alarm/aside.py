"""Why an alarm is set aside (shelved, suppressed by design, out of service), by whom and until when."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.alarm.machine import ASIDE, State
from gateway.core.deadline import Deadline, utc_ms
from gateway.core.reading import Now, Value

KEEP_AGAIN_S = 600.0  # what is left is stored anew so often: a run without a clock can lengthen it by no more


@dataclass(frozen=True, slots=True)
class Aside:
    """state: one of G, H, I. by, second: persons; of a suppression none. recorded: activations that were not announced.

    deadline: None for a suppression, which lasts while its cause holds. kept_s: when it was last stored.
    """

    state: State
    by: str = ""
    second: str = ""
    why: str = ""
    since_ms: int = 0
    recorded: int = 0
    deadline: Deadline | None = None
    kept_s: float = 0.0

    def over(self, now_s: float) -> bool:
        """True when its time has run out."""
        return self.deadline is not None and now_s >= self.deadline.until_s

    def wake_s(self) -> float:
        """When to look at it again: its end, or the next storing. Call it on a `kept` one with a deadline."""
        assert self.deadline is not None
        return min(self.deadline.until_s, self.kept_s + KEEP_AGAIN_S)

    def kept(self, now: Now) -> Aside:
        """As it is to be stored now."""
        return replace(self, deadline=self.deadline and self.deadline.kept(now), kept_s=now.now_s)

    def resumed(self, now: Now) -> Aside:
        """After a restart: the same end in this run."""
        return replace(self, deadline=self.deadline and self.deadline.resumed(now))

    def row(self) -> dict[str, Value]:
        """For the journal."""
        words: dict[str, Value] = {
            "aside": str(self.state),
            "aside_by": self.by,
            "aside_second": self.second,
            "aside_why": self.why,
            "aside_since_ms": self.since_ms,
            "aside_recorded": self.recorded,
        }
        return words | (self.deadline.row() if self.deadline else {})

    @classmethod
    def read(cls, row: dict[str, Value]) -> Aside | None:
        """From the journal; None where the row names none. Raises KeyError, ValueError or TypeError for a damaged row."""
        if not row.get("aside"):
            return None
        state = State(str(row["aside"]))
        if state not in ASIDE:
            raise ValueError(f"{state} sets no alarm aside")
        return cls(
            state,
            str(row["aside_by"]),
            str(row["aside_second"]),
            str(row["aside_why"]),
            utc_ms(row["aside_since_ms"]),
            int(row["aside_recorded"] or 0),
            None if state is State.SUPPRESSED else Deadline.read(row),
        )
