"""A coil changes at its device: how long until a subscriber has it, and whether short presses are told."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.bench.figures import Figure, percentile
from tests.bench.machine import Meter
from tests.bench.rig import FIRST_WORD_S, SCANNED, Effort, NotMeasured, Result, Rig, Run, Say, newest, noise, pairs, rig, runs_of
from tests.bench.subjects import Gateway, Subject

COIL = "coil-0"
ANSWER_S = 5.0
PRESS_S = 0.1
GAP_S = (0.15, 0.45)  # between changes, at random, so that they fall anywhere in the polling cycle


def _wake(work: Rig) -> None:
    """Change the coil until a change is told: a gateway may say nothing about the first state."""
    on = False
    end_s = time.monotonic() + FIRST_WORD_S
    while time.monotonic() < end_s:
        on = not on
        work.farm.set_coil(SCANNED, on)
        if work.listener.wait_for(lambda on=on: any(values.get(COIL) == on for _, values in work.news()), 1.0):  # type: ignore[misc]
            return
    raise work.lacking("change of the coil")


def delay(effort: Effort, folder: Path, say: Say) -> Result:
    """A coil changes at its device: how long until a subscriber has it, polled at 50 ms beside the scan."""
    runs: list[Run] = []
    for number, subject in pairs(effort.delay_rounds):
        run = _delay_once(subject, effort.changes, effort.settle_s, folder, random.Random(number))
        runs.append({"measure": "delay", "round": number, "subject": subject.name, **run})
        say(
            f"delay {number + 1}/{effort.delay_rounds} {subject.name:8} p50 {percentile(run['delay_ms'], 50):.1f}, "
            f"p99 {percentile(run['delay_ms'], 99):.1f} ms, inside p50 {percentile(run['inside_ms'], 50):.2f}, "
            f"p99 {percentile(run['inside_ms'], 99):.2f} ms, lost {run['lost']}"
        )
    pooled = {name: [ms for run in runs_of(runs, name) for ms in run["delay_ms"]] for name in ("gateway", "floor")}
    inside = {name: [ms for run in runs_of(runs, name) for ms in run["inside_ms"]] for name in ("gateway", "floor")}
    over_ms = percentile(pooled["gateway"], 99) - percentile(pooled["floor"], 99)
    notes = [
        f"{name} p50 {percentile(pooled[name], 50):.1f} p99 {percentile(pooled[name], 99):.1f} ms, "
        f"of it after the device was read p50 {percentile(inside[name], 50):.1f} p99 {percentile(inside[name], 99):.1f} ms"
        for name in ("gateway", "floor")
    ]
    lost = sum(run["lost"] for run in runs_of(runs, "gateway"))
    note = f"{'; '.join(notes)}; {len(pooled['gateway'])} changes each, {lost} of ours lost; {noise(runs)}"
    return Result([Figure("core.delay_p99_over_floor_ms", round(over_ms, 2), "ms", "<= 5", note)], runs)


def _delay_once(subject: Subject, changes: int, settle_s: float, folder: Path, chance: random.Random) -> Run:
    delay_ms, inside_ms, lost = [], [], 0
    with rig(subject, folder, subject.changes, scanned=SCANNED, coils=1) as work:
        _wake(work)
        time.sleep(settle_s)
        on = bool(newest(work)[COIL])
        meter = Meter(work.process.pid)
        for _ in range(changes):
            time.sleep(chance.uniform(*GAP_S))
            on = not on
            list(work.news())
            arrived: list[int] = []

            def told(on: bool = on, arrived: list[int] = arrived) -> bool:
                arrived.extend(ns for ns, values in work.news() if values.get(COIL) == on)
                return bool(arrived)

            set_ns = work.farm.set_coil(SCANNED, on)
            if not work.listener.wait_for(told, ANSWER_S):
                lost += 1
                continue
            delay_ms.append(round((arrived[0] - set_ns) / 1e6, 3))
            inside_ms.append(round((arrived[0] - int(work.farm.ask("served")["ns"])) / 1e6, 3))
        use = meter.read()
    if not delay_ms:
        raise NotMeasured(f"{subject.name}: none of {changes} changes arrived")
    return {"delay_ms": delay_ms, "inside_ms": inside_ms, "lost": lost, **use}


def press(effort: Effort, folder: Path, say: Say) -> Result:
    """Presses of 100 ms on a coil polled at 50 ms beside the scan: the share of which both edges are told, in order."""
    subject, chance = Gateway(), random.Random(1)
    seen = served = 0
    with rig(subject, folder, subject.changes, scanned=SCANNED, coils=1) as work:
        _wake(work)
        work.farm.set_coil(SCANNED, False)
        time.sleep(effort.settle_s)
        meter = Meter(work.process.pid)
        for _ in range(effort.presses):
            time.sleep(chance.uniform(0.05, 0.25))
            list(work.news())
            before = work.farm.ask("stats")["changes"][SCANNED]
            edges: list[object] = []

            def both(edges: list[object] = edges) -> bool:
                edges.extend(values[COIL] for _, values in work.news() if COIL in values)
                return edges == [True, False]

            work.farm.set_coil(SCANNED, True)
            time.sleep(PRESS_S)
            work.farm.set_coil(SCANNED, False)
            seen += work.listener.wait_for(both, 1.0)
            served += work.farm.ask("stats")["changes"][SCANNED] - before == 2
        run = {
            "measure": "press",
            "round": 0,
            "subject": subject.name,
            "presses": effort.presses,
            "seen": seen,
            "served": served,
            **meter.read(),
        }
    say(f"press: {seen} of {effort.presses} told with both edges")
    note = f"{seen} of {effort.presses} presses, beside the scan; the device was read in time for {served}; {noise([run])}"
    return Result([Figure("core.press_100ms_seen_share", round(seen / effort.presses, 4), "share", ">= 1.0", note)], [run])
