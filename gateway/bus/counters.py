"""What a line counts; read by metrics and by the watchdog, written by the line alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.core.wire import Failure, Outcome

OK = "ok"


@dataclass(slots=True)
class LineCounters:
    """Plain numbers; a reader in another thread may see one a transaction old.

    transactions: by result, `ok` or a Failure's words. last_attempt_s: monotonic time at which the line last
    completed an attempt of any kind (answer, timeout, port error), for the watchdog. cycle_s: time between the
    last two turns of the line's most urgent block. busy_s: total time spent in transactions. late_s: how late
    the last turn was after its due time. queue_depth: exchanges that wait. port_losses: times the port or peer
    was lost.
    """

    transactions: dict[str, int] = field(default_factory=lambda: {OK: 0} | {str(failure): 0 for failure in Failure})
    last_attempt_s: float = 0.0
    cycle_s: float = 0.0
    busy_s: float = 0.0
    late_s: float = 0.0
    queue_depth: int = 0
    port_losses: int = 0

    def count(self, outcome: Outcome) -> None:
        """One transaction ended so."""
        self.transactions[OK if outcome.failure is None else outcome.failure] += 1
        self.last_attempt_s = outcome.now_s
        self.busy_s += outcome.took_s
