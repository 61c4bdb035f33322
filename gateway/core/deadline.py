"""An end of waiting that outlives the process."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.core.reading import Now, Value


@dataclass(frozen=True, slots=True)
class Deadline:
    """When something that a person asked for is over.

    until_s: monotonic seconds; 0 after a restart, until `resumed`. end_ms, left_s: the same as UTC milliseconds (0 when the clock was
    unknown) and as seconds that were left, both as of `kept`.
    """

    until_s: float
    end_ms: int = 0
    left_s: float = 0.0

    def kept(self, now: Now) -> Deadline:
        """As it is to be stored now."""
        left_s = max(self.until_s - now.now_s, 0.0)
        return replace(self, end_ms=0 if now.clock == "unknown" else now.at_ms + round(left_s * 1000), left_s=left_s)

    def resumed(self, now: Now) -> Deadline:
        """The same end in this run. With an unknown clock, then or now, the seconds that were left count; they are never exceeded."""
        if self.until_s:
            return self
        left_s = self.left_s
        if self.end_ms and now.clock != "unknown":
            left_s = min(max((self.end_ms - now.at_ms) / 1000, 0.0), left_s)
        return replace(self, until_s=now.now_s + left_s)

    def row(self) -> dict[str, Value]:
        """For the journal."""
        return {"end_ms": self.end_ms, "left_s": self.left_s}

    @classmethod
    def read(cls, row: dict[str, Value]) -> Deadline:
        """From the journal; to be resumed. Raises KeyError, ValueError or TypeError where the row holds none."""
        return cls(0.0, int(row["end_ms"] or 0), float(row["left_s"] or 0.0))
