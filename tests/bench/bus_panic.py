"""Panic at 9600 baud among 31 meters, one of them dead and one late: what `check` promises, and what a subscriber sees.

The real daemon on a paced line. Time runs from the change at the simulated device until the event, journalled and signed,
is at a subscriber of a real broker: more than the promise covers, which ends with the reading.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bus_rig import Effort, LineField
from tests.bench.bus_site import BUTTONS, DEAD_UNIT, LATE_MS, LATE_UNIT, METERS, panic_site
from tests.bench.figures import Figure, percentile
from tests.bench.listener import Listener
from tests.bench.machine import Meter
from tests.bench.parts import Broker, stop
from tests.bench.rig import NotMeasured, Result, Run, Say, noise
from tests.bench.subjects import REPOSITORY, ROOT

BAUD = 9600
HELD_S = 1.0
RELEASED_S = (1.0, 1.25)  # at random, so that presses fall anywhere in the line's cycle
ANSWER_S = 5.0  # a press that is not told in this time counts as told then
STEADY_S = 60.0  # within this the dead meter must have been found dead
PROBES = 4  # unanswered requests after which it is: three misses and a probe
BEGINS = ("campus.alarm.activated", "campus.alarm.repeated")


def panic(effort: Effort, folder: Path, say: Say) -> Result:
    """Presses at random moments."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with _bench(folder) as bench:
        promised_ms = promised(folder / "site.toml")
        say(f"panic: {promised_ms:.1f} ms promised; waiting until the dead meter is known to be dead")
        bench.await_steady()
        before, meter = bench.field.ask("stats"), Meter(bench.process.pid)
        delays_ms = _presses(bench, effort.presses, random.Random(1), say)
        after, use = bench.field.ask("stats"), meter.read()
    run: Run = {
        "measure": "panic",
        "round": 0,
        "subject": "gateway",
        "promised_ms": promised_ms,
        "delay_ms": delays_ms,
        **use,
        **{key: after[key] - before[key] for key in ("requests", "strangers", "bad_frames")},
        "short_silence": after["short_silence"],
    }
    return Result(panic_figures(run), [run])


def panic_figures(run: Run) -> list[Figure]:
    """The figures of one run."""
    promised_ms, delays_ms = run["promised_ms"], run["delay_ms"]
    about = f"panic module and {METERS} meters at {BAUD} baud, one dead, one {LATE_MS} ms late"
    note = f"as `check` prints it; {about}"
    worst_ms, median_ms = max(delays_ms), statistics.median(delays_ms)
    lost = sum(delay_ms >= ANSWER_S * 1000 for delay_ms in delays_ms)
    measured = (
        f"{len(delays_ms)} presses, {lost} lost; from the change at the device to the event at a subscriber: worst {worst_ms:.1f}, "
        f"p90 {percentile(delays_ms, 90):.1f}, median {median_ms:.1f} ms ({median_ms / promised_ms:.2f}); {run['requests']} requests "
        f"answered meanwhile, {run['strangers']} to the dead meter, {run['short_silence']} short silences; "
        f"CPU {run['cpu_share']:.1%}; {noise([run])}"
    )
    return [
        Figure(f"bus.panic_promised_ms.{BAUD}", promised_ms, "ms", "<= 250", note),
        Figure("bus.panic_measured_over_promised", round(worst_ms / promised_ms, 3), "ratio", "<= 1.0", measured),
    ]


def promised(site: Path) -> float:
    """The worst promise of a panic point in milliseconds, as `campus-gateway check` gives it. NotMeasured when the site is refused."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "check", "--json", str(site)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    try:
        said = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise NotMeasured(f"check ended with status {done.returncode}: {done.stderr.strip()[-300:]}") from None
    if not said["ok"]:
        raise NotMeasured(f"check refuses the site: {said['errors'][0]['text']}")
    found = [point["promised_ms"] for point in said["promises"] if point["class"] == "panic"]
    if len(found) != BUTTONS or None in found:
        raise NotMeasured(f"check promises nothing for some of {BUTTONS} panic points: {found}")
    return float(max(found))


@dataclass(slots=True)
class _Bench:
    """The daemon at work between a line and a broker."""

    field: LineField
    listener: Listener
    process: subprocess.Popen[bytes]
    folder: Path

    def await_steady(self) -> None:
        """Until each living meter was read and the dead one is only probed. NotMeasured when that takes too long."""
        end_s = time.monotonic() + STEADY_S
        while self.field.ask("stats")["strangers"] < PROBES:
            if self.process.poll() is not None or time.monotonic() > end_s:
                words = (self.folder / "subject.log").read_text(errors="replace").strip().splitlines()[-5:]
                raise NotMeasured(f"the daemon does not poll all meters; its last words: {words}")
            time.sleep(0.1)

    def told_ns(self, point: str, since: int) -> int | None:
        """When the press of this point was told, in the messages from number `since` on."""
        for message in self.listener.messages[since:]:
            event = json.loads(message.payload)
            if event["type"] in BEGINS and event["data"]["point"] == point:
                return message.ns
        return None


@contextlib.contextmanager
def _bench(folder: Path) -> Iterator[_Bench]:
    units = ["1:bench-inputs", *(f"{unit}:bench-meter" for unit in range(2, METERS + 2) if unit != DEAD_UNIT)]
    with contextlib.ExitStack() as stack:
        field = stack.enter_context(LineField(folder, BAUD, units, (f"{LATE_UNIT}:{LATE_MS}",)))
        broker = stack.enter_context(Broker(folder))
        listener = Listener(broker.port, f"{ROOT}/event/alarm")
        stack.callback(listener.close)
        site = folder / "site.toml"
        site.write_text(panic_site(field.link, BAUD, broker.port))
        with (folder / "subject.log").open("wb") as log:
            command = [sys.executable, "-m", "gateway", "run", "--config", str(site), "--no-vision"]
            process = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        stack.callback(stop, process)
        yield _Bench(field, listener, process, folder)


def _presses(bench: _Bench, count: int, chance: random.Random, say: Say) -> list[float]:
    """Milliseconds from each press to its event."""
    delays_ms: list[float] = []
    for number in range(1, count + 1):
        button = chance.randint(1, BUTTONS)
        since = len(bench.listener.messages)
        set_ns = bench.field.ask(f"set 1 di{button} 1")["ns"]
        bench.listener.wait_for(lambda button=button, since=since: bench.told_ns(f"panic-{button}", since) is not None, ANSWER_S)  # type: ignore[misc]
        told_ns = bench.told_ns(f"panic-{button}", since)
        delays_ms.append(ANSWER_S * 1000 if told_ns is None else round((told_ns - set_ns) / 1e6, 3))
        time.sleep(max(0.0, HELD_S - (time.monotonic_ns() - set_ns) / 1e9))
        bench.field.ask(f"set 1 di{button} 0")
        time.sleep(chance.uniform(*RELEASED_S))
        if number % 20 == 0 or number == count:
            say(f"panic: {number}/{count} presses, worst {max(delays_ms):.1f}, median {statistics.median(delays_ms):.1f} ms")
    return delays_ms
