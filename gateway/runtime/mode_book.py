"""Drills, tests and maintenance of this house, and what is kept of them: the part of the house that says what mode a point is in."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from gateway.contract.envelope import rfc3339
from gateway.core.errors import DAMAGED
from gateway.core.reading import Now
from gateway.rules.modes import MOST_REPORTS, TEST, KnownTests, Run

RUNS, TESTS, REPORTS = MODE_KEYS = (":modes", ":tests", ":drills")  # the journal's keys; no point has such a name
MODES_TICK = ":modes"


@dataclass(slots=True)
class ModeChange:
    """What one decision changes. runs: None where nothing does. keep: they must outlive the process. tested: new results by point.

    rows: what the journal keeps, once the decision is complete.
    """

    runs: tuple[Run, ...] | None = None
    keep: bool = False
    tested: dict[str, KnownTests] = field(default_factory=dict)
    reports: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class ModeBook:
    """runs: announced or begun. tested: point -> its walk tests. reports: of the last drills, newest last.

    signers: event class -> recipients that sign for it.
    """

    signers: dict[str, frozenset[str]] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    tested: dict[str, KnownTests] = field(default_factory=dict)
    reports: tuple[dict[str, Any], ...] = ()

    @classmethod
    def of(cls, recipients: Iterable[Any]) -> ModeBook:
        """A book in which nothing is written yet. recipients: those of the site file, each with `id` and `classes`."""
        signers: dict[str, frozenset[str]] = {}
        for recipient in recipients:
            for name in map(str, recipient.classes):
                signers[name] = signers.get(name, frozenset()) | {recipient.id}
        return cls(signers)

    def restore(self, key: str, row: dict[str, Any]) -> None:
        """Take over what the journal kept; what is damaged is left out: an alarm in no run is real."""
        if key == RUNS:
            runs = []
            for each in row.get("runs", ()):
                with suppress(*DAMAGED):
                    runs.append(Run.read(each))
            self.runs = tuple(runs)
        elif key == TESTS:
            for point, each in row.items():
                with suppress(*DAMAGED):
                    self.tested[point] = KnownTests.read(each)
        else:
            self.reports = tuple(each for each in row.get("reports", ()) if isinstance(each, dict))

    def apply(self, change: ModeChange) -> None:
        """Take over a change."""
        if change.runs is not None:
            self.runs = change.runs
        if change.tested:
            self.tested = self.tested | change.tested
        if change.reports:
            self.reports = self._with(change.reports)

    def rows(self, change: ModeChange, runs: tuple[Run, ...]) -> dict[str, dict[str, Any]]:
        """What the journal shall keep after this change. runs: as they are then, each `kept`."""
        rows: dict[str, dict[str, Any]] = {}
        if change.keep:
            rows[RUNS] = {"runs": [run.row() for run in runs]}
        if change.tested:
            rows[TESTS] = {point: asdict(tested) for point, tested in (self.tested | change.tested).items()}
        if change.reports:
            rows[REPORTS] = {"reports": list(self._with(change.reports))}
        return rows

    def _with(self, reports: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
        return (*self.reports, *reports)[-MOST_REPORTS:]


def resumed(runs: tuple[Run, ...], now: Now) -> tuple[Run, ...]:
    """The runs with their times as they are in this run of the daemon."""
    return tuple(run.resumed(now) for run in runs) if runs else runs


def told(runs: tuple[Run, ...], now: Now) -> list[dict[str, Any]]:
    """Every drill, test and maintenance as people and machines are told of it. No names: some of it leaves the gateway unsealed."""
    return [_told(run.resumed(now), now) for run in runs]


def _told(run: Run, now: Now) -> dict[str, Any]:
    next_s = run.ends.until_s if run.begun else run.begins.until_s
    left_s = max(round(next_s - now.now_s), 0)
    row: dict[str, Any] = {"kind": run.mode, "id": run.id, "state": "running" if run.begun else "announced", "points": list(run.points)}
    row |= {"drill": run.kind} if run.kind else {}
    row |= {"passed": run.passed} if run.mode == TEST else {}
    row["left_s"] = left_s
    if now.clock != "unknown":
        row["until" if run.begun else "begins_at"] = rfc3339(now.at_ms + left_s * 1000)
    return row
