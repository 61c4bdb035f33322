"""The reports' benchmark: what a day, a month and a month of trends take on a running gateway, and what that costs an alarm meanwhile.

`make bench-report`, or `python -m tests.bench.report --out build/bench/report.json`. About eight minutes; --quick two.
The whole school runs on this machine. Its journal is filled with a month of alarms, faults and measured minutes before it starts; reports
are asked of the running daemon (`campus-gateway report now`), which builds them as it builds those that it issues.
"""

from __future__ import annotations

import contextlib
import math
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from gateway.core.points import Draft, EventClass
from gateway.journal.files import JOURNAL_NAME
from gateway.journal.store import Batch
from gateway.journal.trends import Trends
from tests.bench.console import EVENTS, press_to_wire, signed_in
from tests.bench.figures import Figure, percentile
from tests.bench.listener import Listener
from tests.bench.machine import Meter
from tests.bench.program import run
from tests.bench.rig import NotMeasured, Result, Run, Say, noise
from tests.browser.school import School, school
from tests.gateway.console.served import Visitor
from tests.gateway.journal.journals import draft, open_at
from tests.proof.rig import wait_for

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
DAYS = 30
TRENDS = 20
SPACE = 500  # events in one transaction
DAILY_GOAL_S, MONTHLY_GOAL_S, PAGE_GOAL_MS, RATIO_GOAL = 5, 60, 1000, 1.2
STEPS = ("activated", "acknowledged", "cleared", "reset")


@dataclass(frozen=True, slots=True)
class Effort:
    """today, a_day: events of the last hour, and of each of the 30 days before. times: each report. presses: with reports, without."""

    today: int
    a_day: int
    times: int
    presses: int


def reports(effort: Effort, folder: Path, say: Say) -> Result:
    """Seconds of a daily and a monthly report, of a month of trends on the page, and the delay of alarms beside them."""
    folder.mkdir(parents=True)
    with _filled(effort, folder, say) as campus:
        leader = signed_in(campus)
        figures, runs = [], []
        sizes = f"{effort.today} events today, {effort.a_day * DAYS} in the month, {TRENDS} measured points"
        for kind, goal_s in (("daily", DAILY_GOAL_S), ("monthly", MONTHLY_GOAL_S)):
            took_s = [_report_s(campus, kind) for _ in range(effort.times)]
            runs.append({"measure": f"{kind}", "took_s": took_s})
            say(f"{kind} report: {', '.join(f'{each:.2f}' for each in took_s)} s")
            figures.append(Figure(f"report.{kind}_s", round(max(took_s), 2), "s", f"<= {goal_s}", f"worst of {effort.times}; {sizes}"))
        page_ms = [_trends_ms(leader) for _ in range(effort.times)]
        figures.append(Figure("report.trends_page_ms", round(max(page_ms)), "ms", f"<= {PAGE_GOAL_MS}", "30 days of one point; worst"))
        result = _beside(effort, campus, leader, say)
        return Result([*figures, *result.figures], [*runs, *result.runs])


def _beside(effort: Effort, campus: School, leader: Visitor, say: Say) -> Result:
    """Delay of alarms while monthly reports are built one after another, over the same without."""
    assert campus.here.gateway.process is not None
    listener = Listener(campus.broker_port, EVENTS)
    delays_ms: dict[bool, list[float]] = {False: [], True: []}
    runs: list[Run] = []
    chance = random.Random(3)
    try:
        for number in range(4):
            busy = number in (1, 2)
            meter = Meter(campus.here.gateway.process.pid)
            with _building(campus) if busy else contextlib.nullcontext():
                took = [press_to_wire(campus, leader, listener, n, chance) for n in range(effort.presses // 2)]
            delays_ms[busy] += took
            runs.append({"measure": "beside", "reports": busy, "delay_ms": took, **meter.read()})
            say(f"{'with' if busy else 'without'} reports: p50 {percentile(took, 50):.0f}, p99 {percentile(took, 99):.0f} ms")
    finally:
        listener.close()
    p99 = {busy: percentile(took, 99) for busy, took in delays_ms.items()}
    note = (
        f"p99 {p99[True]:.0f} over {p99[False]:.0f} ms, "
        f"p50 {percentile(delays_ms[True], 50):.0f} and {percentile(delays_ms[False], 50):.0f}; "
        f"{len(delays_ms[True])} presses each, polled each 50 ms; monthly reports one after another; {noise(runs)}"
    )
    return Result([Figure("report.alarm_delay_ratio", round(p99[True] / p99[False], 3), "ratio", f"<= {RATIO_GOAL}", note)], runs)


@contextlib.contextmanager
def _building(campus: School) -> Iterator[None]:
    """A monthly report is being built all the while."""
    over, trouble = threading.Event(), []

    def build() -> None:
        try:
            while not over.is_set():
                _report_s(campus, "monthly")
        except NotMeasured as error:
            trouble.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if trouble:
        raise trouble[0]


def _report_s(campus: School, kind: str) -> float:
    """Seconds until the daemon has answered with it, the start of the command line included."""
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "report", "now", kind, "--config", str(campus.here.site), "--json"],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise NotMeasured(f"no {kind} report: {done.stderr.strip()[-300:]}")
    return time.monotonic() - began_s


def _trends_ms(leader: Visitor) -> float:
    began_s = time.monotonic()
    status, *_ = leader.ask("GET", f"/trends?point={quote('gas-kitchen')}&span=30d")
    if status != 200:
        raise NotMeasured(f"/trends answered {status}")
    return (time.monotonic() - began_s) * 1000


# --- a month -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _filled(effort: Effort, folder: Path, say: Say) -> Iterator[School]:
    """A school that has had its month: stopped, filled, started."""
    with school(folder) as campus:
        assert campus.here.gateway.stop() == 0, campus.here.gateway.tail()
        began_s = time.monotonic()
        count = _fill(campus.here.folder / "state", effort)
        say(f"{count} events and {DAYS} days of {TRENDS} points written in {time.monotonic() - began_s:.0f} s")
        campus.here.gateway.start()
        wait_for(campus.here.status, "the daemon is up", within_s=60)
        yield campus


def _fill(state: Path, effort: Effort) -> int:
    now_ms = time.time_ns() // 1_000_000
    store, _ = open_at(state)
    at = [now_ms - DAYS * DAY_MS + n * DAY_MS // effort.a_day for n in range(DAYS * effort.a_day)]
    at = [each for each in at if each < now_ms - HOUR_MS] + [now_ms - HOUR_MS + n * HOUR_MS // effort.today for n in range(effort.today)]
    for first in range(0, len(at), SPACE):
        store.commit([Batch([_event(first + n, each) for n, each in enumerate(at[first : first + SPACE])])], [])
    minutes = Trends()
    for minute in range(DAYS * 1440):
        values = {"gas-kitchen" if n == 0 else f"point-{n}": 5 + math.sin(minute / 300 + n) for n in range(TRENDS)}
        if rows := minutes.take(values, now_ms - (DAYS * 1440 - minute) * 60_000):
            store.commit([Batch(minutes=rows)], [])
    store.close()
    with contextlib.closing(sqlite3.connect(state / JOURNAL_NAME)) as db:
        db.execute("DELETE FROM outbox")  # received long ago
        db.commit()
    return len(at)


def _event(number: int, at_ms: int) -> Draft:
    """One step of one of 200 points' alarms and faults."""
    kind = EventClass.FAULT if number % 3 == 0 else EventClass.ALARM
    point, step = f"p{number % 200}", STEPS[number // 200 % 4]
    words = {"zh": "一键报警：教学楼二层东侧", "en": "one-key alarm, second floor"}
    made = draft(kind, point=point, alarm="alarm", role="panic_button", place="gate", alarm_class="panic", status="Actual", text=words)
    return replace(made, type=f"campus.{kind}.{step}", subject=point, at_ms=at_ms)


MEASURES: dict[str, Callable[[Effort, Path, Say], Result]] = {"reports": reports}


def main(argv: list[str] | None = None) -> int:
    """As `program.run`."""
    efforts = (Effort(8000, 2000, 5, 200), Effort(2000, 300, 2, 30))
    return run("report", "Measure the reports.", MEASURES, efforts, lambda: None, argv)


if __name__ == "__main__":
    sys.exit(main())
