"""The alarm benchmark: readings through `decide` on one core, with every rule of a whole school on.

`make bench-alarm`, or `python -m tests.bench.alarm --out build/bench/alarm.json`. Needs nothing but Python. About a minute;
--quick some seconds. Time is virtual: each scan of all points is one second of the school's morning, one reading in a hundred
has changed, looks that fall due are played as the daemon would, and every decision is applied.
"""

from __future__ import annotations

import gc
import heapq
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway.alarm.machine import STANDING
from gateway.config.load import load_site
from gateway.config.settings import Settings
from gateway.core.commands import Command, Tick
from gateway.core.ids import EventIds
from gateway.core.outputs import OutputDone
from gateway.core.points import Point
from gateway.core.reading import Now, Reading, Value
from gateway.runtime.decide import Decision, House, decide
from gateway.runtime.houses import calendar_of, first_looks, house_of
from tests.bench.alarm_site import site_text
from tests.bench.figures import Figure, percentile
from tests.bench.program import run
from tests.bench.rig import Result, Say

GOAL_PER_S = 20_000
CHANGING = 0.01
BEGINS = datetime.fromisoformat("2026-09-01T07:00:00+08:00")
PEOPLE_EVERY_S = 300.0  # somebody acknowledges and resets what stands


@dataclass(frozen=True, slots=True)
class Effort:
    """rounds: how often it is measured. readings: in each."""

    rounds: int
    readings: int


@dataclass(slots=True)
class Morning:
    """A school in virtual time. took_s: seconds of each decision, where they are wanted."""

    house: House
    now_s: float = 1000.0
    ids: EventIds = field(default_factory=EventIds)
    wakes: list[tuple[float, str]] = field(default_factory=list)
    events: int = 0
    decisions: int = 0

    def now(self) -> Now:
        """The school's clock."""
        return Now(self.now_s, round((BEGINS.timestamp() + self.now_s - 1000.0) * 1000))

    def take(self, stimulus: Reading | Tick | Command | OutputDone) -> Decision:
        """One decision, applied; its outputs obey at once."""
        decision = decide(self.house, stimulus, self.now(), self.ids)
        self.house.apply(decision)
        self.decisions += 1
        self.events += len(decision.drafts)
        for wake in decision.wake:
            heapq.heappush(self.wakes, wake)
        for order in decision.outputs:
            self.take(OutputDone(order.output, order.number))
        return decision

    def tick(self) -> None:
        """Play the looks that are due; several asked for by one name are one."""
        due: set[str] = set()
        while self.wakes and self.wakes[0][0] <= self.now_s:
            due.add(heapq.heappop(self.wakes)[1])
        for name in sorted(due):
            self.take(Tick(name))

    def people(self) -> None:
        """Take and reset everything that stands."""
        for kind in ("acknowledge", "reset"):
            for key in [key for key, alarm in self.house.alarms.items() if alarm.live in STANDING]:
                self.take(Command(kind, key, "王强", "technician", "page"))


def readings(points: list[Point], rng: random.Random) -> Iterator[Reading]:
    """Scan after scan of all points; one in a hundred readings differs from the last of its point."""
    values: dict[str, Value] = {point.id: _rest(point, rng) for point in points}
    away: dict[str, Value] = {}
    while True:
        for point in points:
            if rng.random() < CHANGING:
                if point.id in away:
                    values[point.id] = away.pop(point.id)
                else:
                    away[point.id], values[point.id] = values[point.id], _other(point, values[point.id], rng)
            yield Reading(point.id, values[point.id])


def _rest(point: Point, rng: random.Random) -> Value:
    if point.kind == "measurement":
        return rng.uniform(1.0, 20.0)
    if point.kind == "counter":
        return 0
    return "up" if point.kind == "enum" else False


def _other(point: Point, value: Value, rng: random.Random) -> Value:
    if point.kind == "measurement":
        return rng.choice((rng.uniform(1.0, 24.0), rng.uniform(25.0, 120.0)))
    if point.kind == "counter":
        assert isinstance(value, int)
        return value + 1
    return "down" if point.kind == "enum" else not value


def rate(effort: Effort, folder: Path, say: Say) -> Result:
    """Readings a second, decided and applied, and how long the slowest decisions take."""
    with tempfile.TemporaryDirectory() as site:
        file = Path(site) / "site.toml"
        file.write_text(site_text(), encoding="utf-8")
        settings = load_site(file)
    figures, runs = [], []
    rates: list[float] = []
    for number in range(effort.rounds):
        say(f"round {number + 1} of {effort.rounds}")
        morning, points = _school(settings), [p for p in settings.points.values() if not p.quiet and not p.system and p.kind in _READ]
        rng = random.Random(number)
        flow = readings(points, rng)
        for _ in range(3 * len(points)):
            morning.take(next(flow))  # everything was read before it counts
        gc.collect()
        took_s, scans, done = 0.0, effort.readings // len(points), 0
        events = morning.events
        for scan in range(scans):
            morning.now_s += 1.0
            batch = list(itertools.islice(flow, len(points)))
            began_s = time.process_time()
            for reading in batch:
                morning.take(reading)
            morning.tick()
            took_s += time.process_time() - began_s
            done += len(batch)
            if scan % PEOPLE_EVERY_S == PEOPLE_EVERY_S - 1:
                morning.people()
        rates.append(done / took_s)
        told = morning.events - events
        runs.append({"readings": done, "seconds": took_s, "events": told, "points": len(points), "rules": len(settings.rules)})
        say(f"  {rates[-1]:,.0f} readings/s, {told} events, {len(points)} points, {len(settings.rules)} rules")
    slow_ms = _slowest(settings, effort, say)
    note = f"{len(settings.rules)} rules, 1 % changing; median of {effort.rounds} rounds, {min(rates):,.0f} to {max(rates):,.0f}"
    figures.append(Figure("alarm.readings_per_s", percentile(rates, 50), "1/s", f">= {GOAL_PER_S}", note))
    figures.append(Figure("alarm.decision_p999_ms", percentile(slow_ms, 99.9), "ms", "<= 5", f"worst {max(slow_ms):.2f} ms, by wall clock"))
    return Result(figures, runs)


_READ = frozenset({"contact", "counter", "latched", "measurement", "enum"})


def _school(settings: Settings) -> Morning:
    house = house_of(settings, calendar_of(settings))
    morning = Morning(house)
    for name in first_looks(house):
        morning.take(Tick(name))
    return morning


def _slowest(settings: Settings, effort: Effort, say: Say) -> list[float]:
    """Milliseconds of each single decision on a reading."""
    say("single decisions")
    morning = _school(settings)
    points = [p for p in morning.house.points.values() if not p.quiet and not p.system and p.kind in _READ]
    took_ms = []
    for number, reading in enumerate(itertools.islice(readings(points, random.Random(7)), effort.readings // 4)):
        if number % len(points) == 0:
            morning.now_s += 1.0
            morning.tick()
        began = time.perf_counter()
        morning.take(reading)
        took_ms.append((time.perf_counter() - began) * 1000)
    return took_ms


MEASURES: dict[str, Callable[[Effort, Path, Say], Result]] = {"rate": rate}


def main(argv: list[str] | None = None) -> int:
    """As `program.run`."""
    return run("alarm", "Measure decide() with all rules on.", MEASURES, (Effort(5, 400_000), Effort(2, 60_000)), lambda: None, argv)


if __name__ == "__main__":
    sys.exit(main())
