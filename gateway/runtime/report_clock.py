"""When the gateway ran, as far as its clocks can be believed: what reports know of the time in which nothing was watched. Pure.

A run lasts from a start to the last touch of a file (report_files.touch_watched), both by the wall clock of that run. The clock may have
been wrong: a board without clock chip boots with an old time, and is set once there is a network; a chip may be years ahead. So nothing is
concluded at a start. Runs are kept as they were told, and from them, each time anew:

    off   = the gaps between those runs that can have followed one another; one that cannot (its clock was wrong) only counts as so much
            time watched somewhere in its gap, so that never too much is told as off
    era   = the rows that this run sealed before its clock was set: their events are dated again when they are read

A jump of the wall clock against the monotonic one says that it was set. If it was not synchronised before, or goes back though it is, it
was wrong all the time of this run: the run moves. Otherwise (a machine that was held for a while, a run of many days) a new run begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from gateway.core.errors import DAMAGED
from gateway.core.reading import Now
from gateway.report.off import Span

JUMP_MS = 60_000  # between two looks; slewing and a drifting clock stay far below
AHEAD_MS = 3_600_000  # an end so far in the future was written by a clock that was wrong; less changes no report
MOVES_MOST_S = 7 * 86_400.0  # an older run is not moved, and its reports stand: somebody would have seen
SURE_MOVES_MOST_S = 86_400.0  # and where that clock was synchronised, too
PATIENT_MS = 7 * 86_400_000  # off for longer than that: a clock that is not synchronised may be far ahead,
PATIENT_S = 900.0  # and gets so long for a first answer
BACK_S = 86_400.0  # so long a clock that nobody sets and that is behind the last report is held for wrong
WATCHED_SLACK_MS = 660_000  # the gateway may have gone on so long after the file was touched (each ten minutes)
MOST_RUNS = 200
MOST_BOOTS = 200
MOST_ERAS = 20
MOST_ENDS = 20


@dataclass(frozen=True, slots=True)
class Run:
    """UTC milliseconds by its own clock. sure: that clock was synchronised."""

    begin_ms: int
    end_ms: int
    sure: bool


@dataclass(frozen=True, slots=True)
class Era:
    """Rows above after_row up to up_to_row that a wrong clock dated, from begin_ms to until_ms (UTC) by that clock; add shift_ms."""

    after_row: int
    up_to_row: int
    shift_ms: int
    begin_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Issued:
    """How far reports of one kind have come. to_ms: end of the last one that holds, UTC.

    ends: (number, end) of the last ones that hold; number 0 is where reports began. replaces: numbers that the next one takes the place of.
    """

    number: int
    to_ms: int
    ends: tuple[tuple[int, int], ...] = ()
    replaces: tuple[int, ...] = ()

    def then(self, number: int, to_ms: int) -> Issued:
        """After the next report."""
        return Issued(number, to_ms, (*self._ends(), (number, to_ms))[-MOST_ENDS:])

    def void(self, number: int) -> Issued:
        """After a report that was begun for another period: the next one takes its place."""
        return replace(self, number=number, replaces=(*self.replaces, number)[-MOST_ENDS:])

    def _ends(self) -> tuple[tuple[int, int], ...]:
        return self.ends or ((self.number, self.to_ms),)

    def at(self, at_ms: int) -> Issued:
        """As it is at this time (UTC): a report that ends later was issued by a clock that was ahead, and does not hold."""
        return self._only([end for end in self._ends() if end[1] <= at_ms + AHEAD_MS], at_ms)

    def before(self, number: int, moved_ms: int) -> Issued:
        """Without what was issued above this number, by a clock that was wrong. moved_ms: of reports that began by it, by how much."""
        ends = self._ends()
        return self._only([(each, end + moved_ms) for each, end in ends if each <= number], min(end for _, end in ends))

    def _only(self, holding: list[tuple[int, int]], otherwise_ms: int) -> Issued:
        holding = holding or [(0, otherwise_ms)]
        gone = tuple(number for number, _ in self._ends() if number and all(number != other for other, _ in holding))
        to_ms = max(end for _, end in holding)
        return Issued(self.number, to_ms, tuple(holding), tuple(sorted({*self.replaces, *gone}))[-MOST_ENDS:])


def times_off(runs: Sequence[Run]) -> list[Span]:
    """When nothing ran, at least: in order. runs: in the order in which they happened; the last one is the present one."""
    chain = _chain(runs)
    found = []
    for one, other in pairwise(chain):
        between = sum(run.end_ms - run.begin_ms + WATCHED_SLACK_MS for run in runs[one + 1 : other])
        begin_ms, end_ms = runs[one].end_ms + WATCHED_SLACK_MS + between, runs[other].begin_ms
        if begin_ms < end_ms:
            found.append((begin_ms, end_ms))
    return found


def _chain(runs: Sequence[Run]) -> list[int]:
    """Indices of those that can have followed one another up to the last one: with the longest time by synchronised clocks, then by any."""
    ran_ms = list(accumulate((run.end_ms - run.begin_ms for run in runs), initial=0))
    best: list[tuple[int, int, int]] = []  # sure ms, ms, the one before
    for here, run in enumerate(runs):
        earlier = ((*best[n][:2], n) for n in range(here) if _may_follow(runs[n], run, ran_ms[here] - ran_ms[n + 1]))
        sure_ms, all_ms, before = max(earlier, default=(0, 0, -1))
        own_ms = run.end_ms - run.begin_ms + 1
        best.append((sure_ms + own_ms * run.sure, all_ms + own_ms, before))
    chain, here = list[int](), len(runs) - 1
    while here >= 0:
        chain.append(here)
        here = best[here][2]
    return chain[::-1]


def _may_follow(one: Run, other: Run, between_ms: int) -> bool:
    """between_ms: so long something ran between them."""
    return one.begin_ms <= other.begin_ms and one.end_ms + between_ms <= other.begin_ms + AHEAD_MS


class RunTimes:
    """Runs, starts and eras; handed the times, it reads no clock. row: what the journal kept.

    boots: starts of the daemon, UTC milliseconds. mark_ms: what the file showed when the present run was noted.
    """

    def __init__(self, row: Any, began_s: float) -> None:
        self.runs: list[Run] = []
        self.boots: list[int] = []
        self.eras: tuple[Era, ...] = ()
        with suppress(*DAMAGED):
            self.runs = [Run(int(begin), max(int(begin), int(end)), bool(sure)) for begin, end, sure in row["runs"]][-MOST_RUNS:]
        with suppress(*DAMAGED):
            self.boots = [int(at_ms) for at_ms in row["boots"]]
        with suppress(*DAMAGED):
            self.eras = tuple(Era(*(int(each) for each in era)) for era in row["eras"])
        self.mark_ms: int | None = None
        with suppress(*DAMAGED):
            self.mark_ms = int(row["mark"])
        self._own_eras = len(self.eras)
        self._began_s = self._process_s = began_s
        self._ahead_ms = 0
        self._after_row: int | None = None
        self._set = False
        self._long = False

    def row(self) -> dict[str, Any]:
        """For the journal."""
        eras = [[era.after_row, era.up_to_row, era.shift_ms, era.begin_ms, era.until_ms] for era in self.eras]
        return {
            "runs": [[run.begin_ms, run.end_ms, run.sure] for run in self.runs],
            "boots": list(self.boots),
            "eras": eras,
            "mark": self.mark_ms,
        }

    def begin(self, now: Now, mark_ms: int | None) -> None:
        """The clock says something. mark_ms: the last touch of an earlier run, by its clock; None where there was none."""
        self._ahead_ms = _ahead_ms(now)
        at_ms = round(self._began_s * 1000) + self._ahead_ms
        if mark_ms is not None and not self.runs:  # of an earlier version
            self.runs = [Run(mark_ms, mark_ms, False)]
        elif mark_ms is not None and mark_ms != self.mark_ms:  # else the last run never touched it
            self.runs[-1] = replace(self.runs[-1], end_ms=max(self.runs[-1].end_ms, mark_ms))
        self.mark_ms = mark_ms
        last_ms = max((run.end_ms for run in self.runs if run.end_ms <= at_ms), default=at_ms)
        self._long = at_ms - last_ms > PATIENT_MS
        self.runs = [*_joined(self.runs), Run(at_ms, at_ms, now.clock == "synchronised")][-MOST_RUNS:]
        self.boots = [*self.boots, at_ms][-MOST_BOOTS:]

    def sealed(self, first_row: int) -> None:
        """The first rows of this run."""
        if self._after_row is None:
            self._after_row = first_row - 1

    def waits(self, now: Now) -> bool:
        """The clock may be far ahead, and may be set soon: no report yet."""
        return self._long and not self._set and now.clock != "synchronised" and now.now_s - self._process_s < PATIENT_S

    def may_be_behind(self, now: Now) -> bool:
        """The clock may not have been set yet: what seems to lie ahead of it may have happened."""
        return not self._set and now.clock != "synchronised" and now.now_s - self._process_s < BACK_S

    def look(self, now: Now, newest_row: int) -> tuple[bool, int]:
        """Whether the journal must be told, and by how many milliseconds the present run has moved. newest_row: of what is sealed."""
        before_ms, self._ahead_ms = self._ahead_ms, _ahead_ms(now)
        moved_ms, sure, run = self._ahead_ms - before_ms, now.clock == "synchronised", self.runs[-1]
        if abs(moved_ms) <= JUMP_MS:
            self.runs[-1] = replace(run, sure=run.sure or sure)
            return self.runs[-1] != run, 0
        self._set = True
        until_ms = round(now.now_s * 1000) + before_ms
        may_move_s = MOVES_MOST_S if not run.sure else SURE_MOVES_MOST_S if moved_ms < 0 and sure else 0.0
        if now.now_s - self._began_s > may_move_s:
            self.runs[-1] = replace(run, end_ms=max(run.begin_ms, until_ms - WATCHED_SLACK_MS))
            self.runs = [*self.runs, Run(now.at_ms, now.at_ms, sure)][-MOST_RUNS:]
            self._began_s, self._after_row, self._own_eras = now.now_s, newest_row, len(self.eras)
            return True, 0
        if self._began_s == self._process_s and self.boots:
            self.boots[-1] += moved_ms
        self.runs[-1] = Run(run.begin_ms + moved_ms, run.begin_ms + moved_ms, sure)
        self._date_again(run.begin_ms, until_ms, moved_ms, newest_row)
        return True, moved_ms

    def _date_again(self, begin_ms: int, until_ms: int, moved_ms: int, newest_row: int) -> None:
        """What this run has sealed so far."""
        own = [replace(era, shift_ms=era.shift_ms + moved_ms) for era in self.eras[self._own_eras :]]
        after_row = own[-1].up_to_row if own else self._after_row
        if after_row is not None and after_row < newest_row:
            own.append(Era(after_row, newest_row, moved_ms, begin_ms, until_ms))
        eras = (*self.eras[: self._own_eras], *own)
        self._own_eras = max(0, self._own_eras - max(0, len(eras) - MOST_ERAS))
        self.eras = eras[-MOST_ERAS:]


def _joined(runs: Iterable[Run]) -> Iterator[Run]:
    """Those between which hardly a moment lies as one, so that many restarts do not push out what was long ago."""
    last: Run | None = None
    for run in runs:
        if last is not None and last.sure == run.sure and 0 <= run.begin_ms - last.end_ms <= WATCHED_SLACK_MS:
            last = Run(last.begin_ms, run.end_ms, run.sure)
            continue
        if last is not None:
            yield last
        last = run
    if last is not None:
        yield last


def _ahead_ms(now: Now) -> int:
    return now.at_ms - round(now.now_s * 1000)
