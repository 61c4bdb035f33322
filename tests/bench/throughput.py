"""How many events a second: every change journalled, signed, delivered one by one."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.parts import stop
from tests.bench.rig import FIRST_WORD_S, Effort, NotMeasured, Result, Run, Say, noise, rig
from tests.bench.subjects import Gateway, Subject

DEVICES = 50
DRAIN_S = 30.0
KEPT_UP = 0.95


def events(effort: Effort, folder: Path, say: Say) -> Result:
    """50 devices with one coil that changes at each read, polled ever faster, until less than 95 % of what was asked is told."""
    runs: list[Run] = []
    for number, period_ms in enumerate(effort.event_periods_ms):
        run = _events_once(Gateway(), period_ms, effort.event_s, effort.settle_s, folder)
        if run["told_share"] < KEPT_UP:  # once more: other work on the machine must not end the ladder
            say(f"events at {period_ms} ms: {run['told_per_s']:.0f}/s told, {run['told_share']:.1%} of what was asked; once more")
            runs.append({"measure": "events", "round": number, "subject": "gateway", **run})
            run = _events_once(Gateway(), period_ms, effort.event_s, effort.settle_s, folder)
        runs.append({"measure": "events", "round": number, "subject": "gateway", **run})
        say(
            f"events at {period_ms} ms: {run['told_per_s']:.0f}/s told, {run['told_share']:.1%} of what was asked, "
            f"{run['lost']} lost, CPU {run['cpu_share']:.0%}"
        )
        if run["told_share"] < KEPT_UP:
            break
    kept = [run for run in runs if run["told_share"] >= KEPT_UP]
    best = max(kept, key=lambda run: float(run["told_per_s"]), default=None)
    most = max(runs, key=lambda run: float(run["told_per_s"]))
    how = f"polled at {best['period_ms']} ms, CPU {best['cpu_share']:.0%}" if best else "no step kept up"
    lost, repeated = (sum(run[kind] for run in runs) for kind in ("lost", "repeated"))
    note = (
        f"aim 3000; {how}; most seen {most['told_per_s']:.0f}/s at {most['period_ms']} ms; journalled and broker-acknowledged; "
        f"in all steps {lost} lost, {repeated} told twice; {noise(runs)}"
    )
    return Result([Figure("core.events_per_s", best["told_per_s"] if best else 0.0, "1/s", ">= 1500", note)], runs)


def _events_once(subject: Subject, period_ms: int, seconds: float, settle_s: float, folder: Path) -> Run:
    """One step. lost: changes that devices showed and nobody told even after the load ended."""
    with rig(subject, folder, subject.changes, coils=DEVICES, coil_period_ms=period_ms) as work:
        end_s = time.monotonic() + FIRST_WORD_S
        while min(work.farm.ask("stats")["requests"]) == 0:  # the first value is a state, not a change
            if time.monotonic() > end_s:
                raise work.lacking("poll of each device")
            time.sleep(0.02)
        work.farm.ask("toggle 1")
        time.sleep(settle_s)
        run = work.window(seconds)
        work.farm.ask("toggle 0")
        time.sleep(3 * period_ms / 1000)
        served: int = sum(work.farm.ask("stats")["changes"])
        told_so_far = 0

        def drained() -> bool:
            nonlocal told_so_far
            told_so_far += sum(1 for _ in work.news())
            return told_so_far >= served

        work.listener.wait_for(drained, DRAIN_S)
        ids = [json.loads(message.payload)["id"] for message in work.listener.messages if message.topic.endswith("/event/observation")]
        stop(work.process)
        stored, owed = _journalled(folder / "state" / "journal.db")
    asked_per_s = DEVICES * 1000 / period_ms
    told_per_s = min(run["values_per_s"], run["changes_served_per_s"])  # what was late from before the window does not count
    told = len(set(ids))
    if stored < told or owed:
        raise NotMeasured(f"{told} changes were told, but the journal holds {stored}, {owed} of them without the broker's word")
    return {
        **run,
        "period_ms": period_ms,
        "asked_per_s": round(asked_per_s, 1),
        "told_per_s": told_per_s,
        "told_share": round(told_per_s / asked_per_s, 4),
        "read_share": round(run["changes_served_per_s"] / asked_per_s, 4),
        "served": served,
        "told": told,
        "lost": served - told,
        "repeated": len(ids) - told,
    }


def _journalled(path: Path) -> tuple[int, int]:
    """(observations in the journal, how many of them are still owed), read after the daemon has ended."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as journal:
        stored = journal.execute("SELECT count(*) FROM event WHERE class = 'observation'").fetchone()[0]
        owed = journal.execute(
            "SELECT count(*) FROM outbox JOIN event ON event.row = outbox.row WHERE class = 'observation' AND state = 0"
        ).fetchone()[0]
    return stored, owed
