"""The newest report of each kind, for the broker to keep: behind everything else, one at a time, anew in each session. Pure.

Another session may be with another broker, so each gets them all. A broker that ends sessions at them must not cost the alarms their
path: then none goes out on that path for some hours. The journal's event of a report goes on telling of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TIMES_MOST = 3  # sessions in a row that may end with one on its way
CLOSED_S = 6 * 3600.0
REFUSED_FROM = 0x80


@dataclass(frozen=True, slots=True)
class Report:
    """kind: last part of the topic. body: as it was signed."""

    kind: str
    body: bytes


@dataclass(slots=True)
class _Path:
    sent: dict[str, Report] = field(default_factory=dict)
    flying: Report | None = None
    in_vain: int = 0
    closed_until_s: float = 0.0


class Retained:
    """What all paths share. now_s: monotonic seconds."""

    def __init__(self) -> None:
        self._newest: dict[str, Report] = {}
        self._paths: dict[str, _Path] = {}
        self.taken = 0

    def offer(self, kind: str, body: bytes) -> None:
        """In the place of the one before it."""
        self._newest[kind] = Report(kind, body)

    def next(self, path: str, now_s: float) -> Report | None:
        """The one that goes out on this path now; its answer, or the session's end, must be told."""
        here = self._paths.setdefault(path, _Path())
        if here.flying is not None or now_s < here.closed_until_s:
            return None
        here.flying = next((report for kind, report in self._newest.items() if here.sent.get(kind) is not report), None)
        if here.flying is not None:
            here.sent[here.flying.kind] = here.flying
        return here.flying

    def answered(self, path: str, report: Report, code: int) -> str:
        """The broker's PUBACK. Why it was not taken, or ''."""
        here = self._paths[path]
        if here.flying is not report:
            return ""  # of a session that is over
        here.flying, here.in_vain = None, 0
        if code >= REFUSED_FROM:
            return f"the broker refuses it: reason code 0x{code:02x}"
        self.taken += 1
        return ""

    def give_up(self, path: str, report: Report) -> None:
        """It does not fit on this path; the next session tries it again."""
        here = self._paths[path]
        if here.flying is report:
            here.flying = None

    def session_lost(self, path: str, now_s: float) -> str:
        """The next session gets them all. Why none goes out on this path for CLOSED_S from now on, or ''."""
        here = self._paths.setdefault(path, _Path())
        here.sent = {}
        if here.flying is None:
            return ""
        here.flying = None
        here.in_vain += 1
        if here.in_vain < TIMES_MOST:
            return ""
        here.in_vain, here.closed_until_s = 0, now_s + CLOSED_S
        return f"{TIMES_MOST} sessions in a row ended with a report on its way"
