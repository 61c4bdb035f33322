"""An end of waiting that outlives the process."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.core.reading import Now, Value

LONGEST_S = 366 * 86_400.0  # of anything that ends by itself
LAST_MS = 253_402_300_799_999  # 9999-12-31


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
        """From the journal; to be resumed. Raises one of errors.DAMAGED where the row holds none."""
        left_s = float(row["left_s"] or 0.0)
        if not 0 <= left_s <= LONGEST_S:
            raise ValueError(f"{left_s} s are no time that is left")
        return cls(0.0, utc_ms(row["end_ms"]), left_s)


def utc_ms(value: Value) -> int:
    """UTC milliseconds from the journal, 0 for none. Raises ValueError or TypeError for what is no time up to the year 9999."""
    at_ms = int(value or 0)
    if not 0 <= at_ms <= LAST_MS:
        raise ValueError(f"{at_ms} ms is no time")
    return at_ms
