"""The measures of the core benchmark. Each plays rounds, floor and gateway in turn, and returns figures and raw runs."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

from tests.bench.figures import Figure, median_ratio, percentile, span
from tests.bench.listener import Listener
from tests.bench.machine import Meter, usage
from tests.bench.parts import Broker, Farm, stop
from tests.bench.subjects import Floor, Gateway, Load, Subject

Run = dict[str, Any]
Say = Callable[[str], None]

SCANNED = 20
REGISTERS = 100
PERIOD_MS = 1000
COIL_PERIOD_MS = 50
COIL = "coil-0"
EVENT_DEVICES = 50
FIRST_WORD_S = 20.0
ANSWER_S = 5.0
DRAIN_S = 30.0
KEPT_UP = 0.95
PRESS_S = 0.1
GAP_S = (0.15, 0.45)  # between changes, at random, so that they fall anywhere in the polling cycle


@dataclass(frozen=True, slots=True)
class Effort:
    """How long it all may take. event_periods_ms: poll periods, longest first; 50 devices at 20 ms are 2500 changes/s."""

    rounds: int = 3
    settle_s: float = 3.0
    scan_s: float = 15.0
    starts: int = 5
    delay_rounds: int = 2
    changes: int = 200
    presses: int = 60
    event_s: float = 8.0
    event_periods_ms: tuple[int, ...] = (50, 40, 33, 28, 25, 22, 20, 18, 16, 14, 12, 10)


QUICK = Effort(
    rounds=1, settle_s=1.0, scan_s=6.0, starts=2, delay_rounds=1, changes=40, presses=15, event_s=4.0, event_periods_ms=(33, 25, 20, 16)
)


@dataclass(slots=True)
class Result:
    """What one measure found."""

    figures: list[Figure] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)


class NotMeasured(Exception):
    """A subject did not do what has to be measured; the message says what was missing and where its log is."""


@dataclass(slots=True)
class Rig:
    """One subject at work between a farm and a broker, all fresh, and a listener at the broker."""

    subject: Subject
    farm: Farm
    broker: Broker
    listener: Listener
    process: Popen[bytes]
    folder: Path
    started_ns: int
    seen: int = 0  # messages of the listener that were looked at

    def news(self) -> Iterator[tuple[int, dict[str, object]]]:
        """(arrival ns, values) of each message since the last call that carries values of the field."""
        messages = self.listener.messages
        while self.seen < len(messages):
            message = messages[self.seen]
            self.seen += 1
            if values := self.subject.values(message.topic, message.payload):
                yield message.ns, values

    def require(self, holds: Callable[[], bool], within_s: float, what: str) -> None:
        """Wait for a condition on the messages. Raises NotMeasured."""
        if not self.listener.wait_for(holds, within_s):
            log = (self.folder / "subject.log").read_text(errors="replace").strip().splitlines()[-5:]
            ended = "" if self.process.poll() is None else f" (it ended with status {self.process.returncode})"
            raise NotMeasured(f"{self.subject.name}: no {what} within {within_s:g} s{ended}; its last words: {log}")

    def window(self, seconds: float) -> Run:
        """CPU, memory, requests and messages over some seconds of steady work."""
        before, heard = self.farm.ask("stats"), len(self.listener.messages)
        broker_cpu_s, _ = usage(self.broker.pid)
        meter = Meter(self.process.pid)
        time.sleep(seconds)
        use, after = meter.read(), self.farm.ask("stats")
        took_s = (after["ns"] - before["ns"]) / 1e9
        messages = self.listener.messages[heard:]
        values = sum(len(self.subject.values(message.topic, message.payload)) for message in messages)
        return {
            **use,
            "requests_per_s": round((sum(after["requests"]) - sum(before["requests"])) / took_s, 2),
            "changes_served_per_s": round((sum(after["changes"]) - sum(before["changes"])) / took_s, 1),
            "messages_per_s": round(len(messages) / took_s, 2),
            "values_per_s": round(values / took_s, 1),
            "farm_cpu_share": round((after["cpu_s"] - before["cpu_s"]) / took_s, 4),
            "broker_cpu_share": round((usage(self.broker.pid)[0] - broker_cpu_s) / took_s, 4),
        }


@contextlib.contextmanager
def rig(
    subject: Subject, folder: Path, topic: str, *, scanned: int = 0, coils: int = 0, coil_period_ms: int = COIL_PERIOD_MS
) -> Iterator[Rig]:
    """Start everything in an emptied folder, and end it all again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        farm = stack.enter_context(Farm(scanned + coils, REGISTERS))
        broker = stack.enter_context(Broker(folder))
        listener = Listener(broker.port, topic)
        stack.callback(listener.close)
        load = Load(farm.ports[:scanned], farm.ports[scanned:], PERIOD_MS, coil_period_ms)
        started_ns = time.monotonic_ns()
        process = subject.start(load, broker.port, folder)
        stack.callback(stop, process)
        yield Rig(subject, farm, broker, listener, process, folder, started_ns)


def _pairs(rounds: int) -> Iterator[tuple[int, Subject]]:
    """Floor and gateway in turn, so that other work on the machine meets both."""
    for number in range(rounds):
        for subject in (Floor(), Gateway()):
            yield number, subject


def _of(runs: list[Run], name: str) -> list[Run]:
    return [run for run in runs if run["subject"] == name]


def _noise(runs: list[Run]) -> str:
    return f"machine busy {span([run['machine_busy_cores'] for run in runs])} cores in all"


# --- steady load -------------------------------------------------------------------------------


def scan(effort: Effort, folder: Path, say: Say) -> Result:
    """20 devices with 100 registers each at 1 s, with nothing changing and with everything changing."""
    runs = []
    for number, subject in _pairs(effort.rounds):
        run = _scan_once(subject, effort, folder)
        runs.append({"measure": "scan", "round": number, "subject": subject.name, **run})
        still, churn = run["still"], run["churn"]
        say(
            f"scan {number + 1}/{effort.rounds} {subject.name:8} {still['requests_per_s']:g} requests/s, CPU {still['cpu_share']:.2%}, "
            f"all changing {churn['cpu_share']:.2%}, {churn['rss_mb']:g} MB"
        )
    ours, floor = _of(runs, "gateway"), _of(runs, "floor")
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
            f"floor {statistics.median(theirs):.2%}, {len(mine)} pairs; {_noise([run[kind] for run in runs])}"
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
        _between_bursts(work.farm)
        still = work.window(effort.scan_s)
        work.farm.ask("churn 1")
        time.sleep(2 * PERIOD_MS / 1000)
        _between_bursts(work.farm)
        before = _newest(work)
        churn = work.window(effort.scan_s)
        stale = [point for point, value in _newest(work).items() if before.get(point) == value]
        if stale:
            raise NotMeasured(f"{subject.name}: {len(stale)} points keep an old value although they change, such as {stale[0]}")
    return {
        "first_value_s": round((first_ns - work.started_ns) / 1e9, 3),
        "all_points_s": round((full_ns - work.started_ns) / 1e9, 3),
        "still": still,
        "churn": churn,
    }


def _newest(work: Rig) -> dict[str, object]:
    """The newest value of each point of all messages so far."""
    newest: dict[str, object] = {}
    for message in work.listener.messages:
        newest.update(work.subject.values(message.topic, message.payload))
    return newest


def _between_bursts(farm: Farm) -> None:
    """Half a period behind a request, so that a gateway that polls in bursts has none on the edge of the window."""
    before = farm.requests()
    end_s = time.monotonic() + 2 * PERIOD_MS / 1000
    while farm.requests() == before and time.monotonic() < end_s:
        time.sleep(0.005)
    time.sleep(PERIOD_MS / 2000)


# --- start -------------------------------------------------------------------------------------


def start(effort: Effort, folder: Path, say: Say) -> Result:
    """From the process's start to the first message with a value of the field: 20 x 100 points and one coil."""
    runs = []
    for number, subject in _pairs(effort.starts):
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
        say(
            f"start {number + 1}/{effort.starts} {subject.name:8} first value {run['first_value_s']:.3f} s, first word {run['first_word_s']:.3f} s"
        )
    ours = [run["first_value_s"] for run in _of(runs, "gateway")]
    theirs = [run["first_value_s"] for run in _of(runs, "floor")]
    note = (
        f"process start to a state, telemetry or event with a value of the field, empty state folder; {span(ours)} s in {len(ours)} starts, "
        f"floor {statistics.median(theirs):.2f} s; {_noise(runs)}"
    )
    return Result([Figure("core.first_message_s", statistics.median(ours), "s", "<= 0.8", note)], runs)


# --- delay and presses -------------------------------------------------------------------------


def _wake(work: Rig) -> None:
    """Change the coil until a change is told: a gateway may say nothing about the first state."""
    on = False
    end_s = time.monotonic() + FIRST_WORD_S
    while time.monotonic() < end_s:
        on = not on
        work.farm.set_coil(SCANNED, on)
        if work.listener.wait_for(lambda on=on: any(values.get(COIL) == on for _, values in work.news()), 1.0):  # type: ignore[misc]
            return
    work.require(lambda: False, 0.0, "change of the coil")


def delay(effort: Effort, folder: Path, say: Say) -> Result:
    """A coil changes at its device: how long until a subscriber has it, polled at 50 ms beside the scan."""
    runs: list[Run] = []
    for number, subject in _pairs(effort.delay_rounds):
        run = _delay_once(subject, effort.changes, effort.settle_s, folder, random.Random(number))
        runs.append({"measure": "delay", "round": number, "subject": subject.name, **run})
        say(
            f"delay {number + 1}/{effort.delay_rounds} {subject.name:8} p50 {percentile(run['delay_ms'], 50):.1f}, "
            f"p99 {percentile(run['delay_ms'], 99):.1f} ms, inside p50 {percentile(run['inside_ms'], 50):.2f}, "
            f"p99 {percentile(run['inside_ms'], 99):.2f} ms, lost {run['lost']}"
        )
    pooled = {name: [ms for run in _of(runs, name) for ms in run["delay_ms"]] for name in ("gateway", "floor")}
    inside = {name: [ms for run in _of(runs, name) for ms in run["inside_ms"]] for name in ("gateway", "floor")}
    over_ms = percentile(pooled["gateway"], 99) - percentile(pooled["floor"], 99)
    notes = [
        f"{name} p50 {percentile(pooled[name], 50):.1f} p99 {percentile(pooled[name], 99):.1f} ms, "
        f"of it after the device was read p50 {percentile(inside[name], 50):.1f} p99 {percentile(inside[name], 99):.1f} ms"
        for name in ("gateway", "floor")
    ]
    lost = sum(run["lost"] for run in _of(runs, "gateway"))
    note = f"{'; '.join(notes)}; {len(pooled['gateway'])} changes each, {lost} of ours lost; {_noise(runs)}"
    return Result([Figure("core.delay_p99_over_floor_ms", round(over_ms, 2), "ms", "<= 5", note)], runs)


def _delay_once(subject: Subject, changes: int, settle_s: float, folder: Path, chance: random.Random) -> Run:
    delay_ms, inside_ms, lost = [], [], 0
    with rig(subject, folder, subject.changes, scanned=SCANNED, coils=1) as work:
        _wake(work)
        time.sleep(settle_s)
        on = bool(_newest(work)[COIL])
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
    note = f"{seen} of {effort.presses} presses, beside the scan; the device was read in time for {served}; {_noise([run])}"
    return Result([Figure("core.press_100ms_seen_share", round(seen / effort.presses, 4), "share", ">= 1.0", note)], [run])


# --- events a second ---------------------------------------------------------------------------


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
    note = (
        f"aim 3000; {how}; most seen {most['told_per_s']:.0f}/s at {most['period_ms']} ms; journalled, broker-acknowledged; lost in all steps "
        f"{sum(run['lost'] for run in runs)}, told twice {sum(run['repeated'] for run in runs)}; {_noise(runs)}"
    )
    return Result([Figure("core.events_per_s", best["told_per_s"] if best else 0.0, "1/s", ">= 1500", note)], runs)


def _events_once(subject: Subject, period_ms: int, seconds: float, settle_s: float, folder: Path) -> Run:
    """One step. lost: changes that devices showed and nobody told even after the load ended."""
    with rig(subject, folder, subject.changes, coils=EVENT_DEVICES, coil_period_ms=period_ms) as work:
        end_s = time.monotonic() + FIRST_WORD_S
        while min(work.farm.ask("stats")["requests"]) == 0:  # the first value is a state, not a change
            if time.monotonic() > end_s:
                work.require(lambda: False, 0.0, "poll of each device")
            time.sleep(0.02)
        work.farm.ask("toggle 1")
        time.sleep(settle_s)
        run = work.window(seconds)
        work.farm.ask("toggle 0")
        time.sleep(3 * period_ms / 1000)
        served = sum(work.farm.ask("stats")["changes"])
        work.listener.wait_for(lambda: _changes_told(work) >= served, DRAIN_S)
        ids = [json.loads(message.payload)["id"] for message in work.listener.messages if _is_change(message.topic)]
        stop(work.process)
        stored, owed = _journalled(folder / "state" / "journal.db")
    asked_per_s = EVENT_DEVICES * 1000 / period_ms
    told = len(set(ids))
    if stored < told or owed:
        raise NotMeasured(f"{told} changes were told, but the journal holds {stored}, {owed} of them without the broker's word")
    return {
        **run,
        "period_ms": period_ms,
        "asked_per_s": round(asked_per_s, 1),
        "told_per_s": run["values_per_s"],
        "told_share": round(run["values_per_s"] / asked_per_s, 4),
        "read_share": round(run["changes_served_per_s"] / asked_per_s, 4),
        "served": served,
        "told": told,
        "lost": served - told,
        "repeated": len(ids) - told,
    }


def _is_change(topic: str) -> bool:
    return topic.endswith("/event/observation")


def _changes_told(work: Rig) -> int:
    return sum(_is_change(message.topic) for message in work.listener.messages)


def _journalled(path: Path) -> tuple[int, int]:
    """(observations in the journal, how many of them are still owed), read after the daemon has ended."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as journal:
        stored = journal.execute("SELECT count(*) FROM event WHERE class = 'observation'").fetchone()[0]
        owed = journal.execute(
            "SELECT count(*) FROM outbox JOIN event ON event.row = outbox.row WHERE class = 'observation' AND state = 0"
        ).fetchone()[0]
    return stored, owed


MEASURES: dict[str, Callable[[Effort, Path, Say], Result]] = {
    "scan": scan,
    "start": start,
    "delay": delay,
    "press": press,
    "events": events,
}
