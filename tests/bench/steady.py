"""Steady load and start: requests, CPU, memory, first message. Floor and gateway in turn."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from tests.bench.figures import Figure, median_ratio, span
from tests.bench.machine import Meter
from tests.bench.parts import Farm
from tests.bench.rig import (
    FIRST_WORD_S,
    PERIOD_MS,
    REGISTERS,
    SCANNED,
    Effort,
    NotMeasured,
    Result,
    Rig,
    Run,
    Say,
    newest,
    noise,
    pairs,
    rig,
    runs_of,
)
from tests.bench.subjects import Subject


def scan(effort: Effort, folder: Path, say: Say) -> Result:
    """20 devices with 100 registers each at 1 s, with nothing changing and with everything changing."""
    runs = []
    for number, subject in pairs(effort.rounds):
        run = _scan_once(subject, effort, folder)
        runs.append({"measure": "scan", "round": number, "subject": subject.name, **run})
        still, churn = run["still"], run["churn"]
        say(
            f"scan {number + 1}/{effort.rounds} {subject.name:8} {still['requests_per_s']:g} requests/s, CPU {still['cpu_share']:.2%}, "
            f"all changing {churn['cpu_share']:.2%}, {churn['rss_mb']:g} MB"
        )
    ours, floor = runs_of(runs, "gateway"), runs_of(runs, "floor")
    figures = [
        Figure(
            "core.requests_per_s",
            statistics.median(run["still"]["requests_per_s"] for run in ours),
            "1/s",
            f"= {SCANNED}",
            f"{SCANNED} devices x {REGISTERS} points at {PERIOD_MS / 1000:g} s; values told a second "
            f"{span([run['still']['values_per_s'] for run in ours], 0)}",
        )
    ]
    for name, goal, kind in (("core.cpu_over_floor", "<= 1.5", "still"), ("core.cpu_over_floor_churn", "<= 2.5", "churn")):
        mine, theirs = [run[kind]["cpu_share"] for run in ours], [run[kind]["cpu_share"] for run in floor]
        note = (
            f"{'nothing' if kind == 'still' else 'every register'} changing; gateway {statistics.median(mine):.2%} of a core, "
            f"floor {statistics.median(theirs):.2%}, {len(mine)} pairs; {noise([run[kind] for run in runs])}"
        )
        figures.append(Figure(name, round(median_ratio(mine, theirs), 2), "ratio", goal, note))
    note = f"after {effort.scan_s:g} s of all changing; floor {statistics.median(run['churn']['rss_mb'] for run in floor):g} MB"
    figures.append(Figure("core.rss_mb", statistics.median(run["churn"]["rss_mb"] for run in ours), "MB", "<= 60", note))
    return Result(figures, runs)


def _scan_once(subject: Subject, effort: Effort, folder: Path) -> Run:
    known: set[str] = set()
    first_ns = full_ns = 0

    def complete() -> bool:
        nonlocal first_ns, full_ns
        for ns, values in work.news():
            first_ns = first_ns or ns
            known.update(values)
            full_ns = ns
        return len(known) >= SCANNED * REGISTERS

    with rig(subject, folder, subject.everything, scanned=SCANNED) as work:
        work.require(complete, FIRST_WORD_S, f"value of each of {SCANNED * REGISTERS} points")
        time.sleep(effort.settle_s)
        between_bursts(work.farm)
        still = work.window(effort.scan_s)
        work.farm.ask("churn 1")
        time.sleep(2 * PERIOD_MS / 1000)
        between_bursts(work.farm)
        before = newest(work)
        churn = work.window(effort.scan_s)
        stale = [point for point, value in newest(work).items() if before.get(point) == value]
        if stale:
            raise NotMeasured(f"{subject.name}: {len(stale)} points keep an old value although they change, such as {stale[0]}")
    return {
        "first_value_s": round((first_ns - work.started_ns) / 1e9, 3),
        "all_points_s": round((full_ns - work.started_ns) / 1e9, 3),
        "still": still,
        "churn": churn,
    }


def between_bursts(farm: Farm) -> None:
    """Half a period behind a request, so that a gateway that polls in bursts has none on the edge of the window."""
    before = farm.requests()
    end_s = time.monotonic() + 2 * PERIOD_MS / 1000
    while farm.requests() == before and time.monotonic() < end_s:
        time.sleep(0.005)
    time.sleep(PERIOD_MS / 2000)


def start(effort: Effort, folder: Path, say: Say) -> Result:
    """From the process's start to the first message with a value of the field: 20 x 100 points and one coil."""
    runs = []
    for number, subject in pairs(effort.starts):
        with rig(subject, folder, subject.everything, scanned=SCANNED, coils=1) as work:
            meter = Meter(work.process.pid)
            first: list[int] = []

            def spoke(work: Rig = work, first: list[int] = first) -> bool:
                first.extend(ns for ns, _ in work.news())
                return bool(first)

            work.require(spoke, FIRST_WORD_S, "message with a value")
            heard = work.listener.messages[0]
            run = {
                "measure": "start",
                "round": number,
                "subject": subject.name,
                "first_value_s": round((first[0] - work.started_ns) / 1e9, 3),
                "first_word_s": round((heard.ns - work.started_ns) / 1e9, 3),
                "first_word": heard.topic,
                **meter.read(),
            }
        runs.append(run)
        words = f"first value {run['first_value_s']:.3f} s, first word {run['first_word_s']:.3f} s, CPU {run['cpu_s']:.2f} s"
        say(f"start {number + 1}/{effort.starts} {subject.name:8} {words}")
    ours = [run["first_value_s"] for run in runs_of(runs, "gateway")]
    theirs = [run["first_value_s"] for run in runs_of(runs, "floor")]
    cpu_s = statistics.median(run["cpu_s"] for run in runs_of(runs, "gateway"))
    note = (
        f"process start to a state, telemetry or event with a value of the field, empty state folder; {span(ours)} s "
        f"in {len(ours)} starts, {cpu_s:.2f} s of it CPU; floor {statistics.median(theirs):.2f} s; {noise(runs)}"
    )
    return Result([Figure("core.first_message_s", statistics.median(ours), "s", "<= 0.8", note)], runs)
