"""Modes (演练、测试、检修): what a drill, a walk test or maintenance is, and how far each has come. Pure.

A drill is announced, and begins at its time once every recipient that signs for class mode has signed for the announcement. A walk
test and maintenance belong to one point each and begin at once. Every one ends by itself. In a drill or test the first time that a
listed alarm goes off, from normal, is the exercise; everything else is real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gateway.core.deadline import Deadline, utc_ms
from gateway.core.points import Text
from gateway.core.reading import Now

DRILL, TEST, MAINTENANCE = MODES = ("drill", "test", "maintenance")
DRILL_KINDS = {
    "fire": Text("消防应急演练", "fire drill"),
    "violence": Text("防暴演练", "drill against violence"),
    "ram": Text("防冲撞演练", "anti-ram drill"),
    "quake": Text("防震演练", "earthquake drill"),
    "comprehensive": Text("综合应急演练", "comprehensive drill"),
    "other": Text("应急演练", "drill"),
}
MODE_NAMES = {
    DRILL: Text("演练", "drill"),
    TEST: Text("报警测试", "walk test"),
    MAINTENANCE: Text("检修", "maintenance"),
}
MOST_S = {DRILL: 4 * 3600.0, TEST: 1800.0, MAINTENANCE: 8 * 3600.0}
TEST_S = 600.0  # of a walk test for which nobody gave a time
ANNOUNCE_S, ANNOUNCE_MOST_S = 60.0, 3600.0
UNSIGNED_MOST_S = 600.0  # a drill whose announcement nobody has signed for by then is called off
KEEP_AGAIN_S = 600.0  # what is left is stored anew so often: a run without a clock can lengthen it by no more
MOST_POINTS = 200  # of one drill
MOST_REPORTS = 10
DAY_MS = 24 * 3_600_000
SOON_DAYS = 14  # a test that falls due within so many days is shown, not yet told
_EXERCISED = frozenset({DRILL, TEST})
_NEVER = Deadline(float("inf"))


@dataclass(frozen=True, slots=True)
class Tried:
    """What the first time of one alarm in a drill or test has led to. Times are seconds since that began; None: not yet.

    event: id of its activation. exercise: False where it was real (the alarm stood already). received_s: recipient -> when it signed.
    """

    event: str = ""
    exercise: bool = True
    at_ms: int = 0
    pressed_s: float = 0.0
    broker_s: float | None = None
    received_s: dict[str, float] = field(default_factory=dict)
    acknowledged_s: float | None = None
    acknowledged_by: str = ""
    reset_s: float | None = None
    reset_by: str = ""

    @classmethod
    def read(cls, row: dict[str, Any]) -> Tried:
        """From the journal. Raises one of errors.DAMAGED for a damaged row."""
        seconds = {name: None if row[name] is None else float(row[name]) for name in ("broker_s", "acknowledged_s", "reset_s")}
        return cls(
            event=str(row["event"]),
            exercise=bool(row["exercise"]),
            at_ms=utc_ms(row["at_ms"]),
            pressed_s=float(row["pressed_s"]),
            received_s={str(by): float(after_s) for by, after_s in row["received_s"].items()},
            acknowledged_by=str(row["acknowledged_by"]),
            reset_by=str(row["reset_by"]),
            **seconds,
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One drill, walk test or maintenance. kind: of a drill, one of DRILL_KINDS. by, role: who opened it.

    begins, called_off: of a drill that is announced and not begun; unsigned: who has still to sign for `announcement` (an event id;
    '' among them is the broker). ends: once begun. begun_ms: UTC, 0 while announced. window: of the school day in which it began.
    tried: alarm -> what became of it. real: how often a listed alarm was real meanwhile. passed: of a test. kept_s: when last stored.
    """

    id: str
    mode: str
    kind: str
    points: tuple[str, ...]
    by: str
    role: str
    why: str
    for_s: float
    ends: Deadline = _NEVER
    begins: Deadline = _NEVER
    called_off: Deadline = _NEVER
    announcement: str = ""
    unsigned: frozenset[str] = frozenset()
    asked_ms: int = 0
    begun_ms: int = 0
    window: str = ""
    tried: dict[str, Tried] = field(default_factory=dict)
    real: int = 0
    passed: bool = False
    kept_s: float = 0.0

    @property
    def tag(self) -> str:
        """What an alarm remembers of the run in which it began."""
        return f"{self.mode}:{self.id}"

    @property
    def begun(self) -> bool:
        """False for a drill that is only announced."""
        return self.begun_ms > 0

    def runs(self, now_s: float) -> bool:
        """True from its begin to its end, whether or not anybody has looked at the clock since."""
        return self.begun and now_s < self.ends.until_s

    def elapsed_s(self, now_s: float) -> float:
        """Seconds since it began, also across a restart."""
        return round(max(self.for_s - (self.ends.until_s - now_s), 0.0), 1)

    def begin(self, now: Now, window: str) -> Run:
        """It begins now."""
        ends = Deadline(now.now_s + self.for_s)
        return replace(self, ends=ends, begins=_NEVER, called_off=_NEVER, begun_ms=max(now.at_ms, 1), window=window)

    def look_s(self) -> float:
        """When to look at it again at the latest."""
        ends_s = self.ends.until_s if self.begun else self.called_off.until_s
        if not self.begun and not self.unsigned:
            ends_s = min(ends_s, self.begins.until_s)
        return min(ends_s, self.kept_s + KEEP_AGAIN_S)

    def resumed(self, now: Now) -> Run:
        """After a restart: the same times in this run of the daemon."""
        if self.begun:
            return replace(self, ends=self.ends.resumed(now), kept_s=self.kept_s or now.now_s)
        begins, called_off = self.begins.resumed(now), self.called_off.resumed(now)
        return replace(self, begins=begins, called_off=called_off, kept_s=self.kept_s or now.now_s)

    def kept(self, now: Now) -> Run:
        """As it is to be stored now."""
        if self.begun:
            return replace(self, ends=self.ends.kept(now), kept_s=now.now_s)
        return replace(self, begins=self.begins.kept(now), called_off=self.called_off.kept(now), kept_s=now.now_s)

    def row(self) -> dict[str, Any]:
        """For the journal; call it on a `kept` one."""
        row: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        row |= {"points": list(self.points), "unsigned": sorted(self.unsigned)}
        row["tried"] = {key: asdict(tried) for key, tried in self.tried.items()}
        deadlines = {"ends": self.ends} if self.begun else {"begins": self.begins, "called_off": self.called_off}
        return row | {name: deadline.row() for name, deadline in deadlines.items()}

    @classmethod
    def read(cls, row: dict[str, Any]) -> Run:
        """From the journal; to be resumed. Raises one of errors.DAMAGED for a damaged row."""
        run = cls(**{name: kind(row[name]) for name, kind in _PLAIN.items()}, points=tuple(map(str, row["points"])))
        if run.mode not in MODES or (run.kind not in DRILL_KINDS if run.mode == DRILL else run.kind) or not run.points:
            raise ValueError(f"{run.mode} {run.kind} of {run.points} is not a mode")
        if not 0 < run.for_s <= MOST_S[run.mode]:
            raise ValueError(f"a {run.mode} does not last {run.for_s} s")
        tried = {str(key): Tried.read(each) for key, each in row["tried"].items()}
        run = replace(run, unsigned=frozenset(map(str, row["unsigned"])), tried=tried)
        if run.begun:
            return replace(run, ends=Deadline.read(row["ends"]))
        return replace(run, begins=Deadline.read(row["begins"]), called_off=Deadline.read(row["called_off"]))


_PLAIN: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("id", "mode", "kind", "by", "role", "why", "announcement", "window"), str),
    **dict.fromkeys(("asked_ms", "begun_ms"), utc_ms),
    "for_s": float,
    "real": int,
    "passed": bool,
}


@dataclass(frozen=True, slots=True)
class KnownTests:
    """What is known of a point's walk tests. known_ms: since when the point is there; passed_ms: last passed (UTC, 0 for never).

    at_ms, result, by: of the last test, passed or failed.
    """

    known_ms: int = 0
    passed_ms: int = 0
    at_ms: int = 0
    result: str = ""
    by: str = ""

    @classmethod
    def read(cls, row: dict[str, Any]) -> KnownTests:
        """From the journal. Raises one of errors.DAMAGED for a damaged row."""
        known_ms, passed_ms, at_ms = (utc_ms(row[name]) for name in ("known_ms", "passed_ms", "at_ms"))
        return cls(known_ms, passed_ms, at_ms, str(row["result"]), str(row["by"]))

    def due_ms(self, every_days: int) -> int:
        """When the next one is due, UTC milliseconds."""
        return (self.passed_ms or self.known_ms) + every_days * DAY_MS


def at_point(runs: Iterable[Run], point: str, now_s: float) -> Run | None:
    """The run in which a point is now, or None. A point is in one at a time."""
    for run in runs:
        if point in run.points and run.runs(now_s):
            return run
    return None


def tag_mode(tag: str) -> str:
    """`normal`, or the mode of the run in which an alarm began."""
    return tag.partition(":")[0] or "normal"


def is_exercise(tag: str) -> bool:
    """True where an alarm began as the exercise of a drill or test."""
    return tag_mode(tag) in _EXERCISED


def passes(run: Run, signers: frozenset[str]) -> bool:
    """A test is passed when the news of its alarm has reached all who sign for alarms; the broker where nobody does."""
    return any(
        tried.exercise and (signers <= tried.received_s.keys() if signers else tried.broker_s is not None) for tried in run.tried.values()
    )
