"""Pace: how many polls a second a master gets out of a paced line of 16 devices, and what CPU a poll costs it.

Requests are counted by the devices, at the moment at which they look at their inputs; CPU is that of the master's process.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.serial_line import exchange_s
from tests.bench.bus_field import DELAY_S
from tests.bench.bus_rig import STOP_S, Effort, LineField, c_master
from tests.bench.figures import Figure, median_ratio, span
from tests.bench.machine import Meter
from tests.bench.parts import stop
from tests.bench.rig import FIRST_WORD_S, NotMeasured, Result, Run, Say, noise
from tests.bench.subjects import REPOSITORY

BAUDS = (9600, 19200, 115200)
GOALS = {9600: ">= 0.98", 19200: ">= 0.97", 115200: ">= 0.95"}
UNITS = 16
OURS, PEER, C = "gateway", "pymodbus", "libmodbus"


@dataclass(frozen=True, slots=True)
class Poll:
    """One kind of request. Bytes are those on the wire."""

    name: str
    profile: str
    function: int
    count: int
    request_bytes: int
    reply_bytes: int

    def limit_per_s(self, baud: int) -> float:
        """Polls a second that arithmetic allows: characters, two silences, the device's delay."""
        return 1 / exchange_s(baud, self.request_bytes, self.reply_bytes, DELAY_S)


POLLS = (
    Poll("di", "bench-inputs", 2, 8, 8, 6),
    Poll("registers", "bench-meter", 3, 10, 8, 25),
)


Command = Callable[[Path, int, Poll], list[str]]


def commands() -> dict[str, Command]:
    """Master -> its command on a line; the C master only where it can be built."""

    def ours(link: Path, baud: int, poll: Poll) -> list[str]:
        return [sys.executable, "-m", "tests.bench.bus_ours", str(link), str(baud), str(UNITS), poll.profile]

    def peer(link: Path, baud: int, poll: Poll) -> list[str]:
        return [sys.executable, "-m", "tests.bench.bus_pymodbus", str(link), *_numbers(baud, poll)]

    found: dict[str, Command] = {OURS: ours, PEER: peer}
    if (built := c_master()) is not None:
        found[C] = lambda link, baud, poll: [str(built), str(link), *_numbers(baud, poll)]
    return found


def _numbers(baud: int, poll: Poll) -> list[str]:
    return [str(number) for number in (baud, UNITS, poll.function, poll.count)]


def pace(effort: Effort, folder: Path, say: Say) -> Result:
    """All masters at all rates, in turn, so that other work on the machine meets all of them."""
    runs: list[Run] = []
    masters = commands()
    for number in range(effort.rounds):
        for baud in BAUDS:
            for poll in POLLS:
                for name, command in masters.items():
                    run = pace_once(command, baud, poll, effort, folder)
                    runs.append({"measure": "pace", "round": number, "subject": name, **run})
                    say(
                        f"pace {number + 1}/{effort.rounds} {baud:6} {poll.name:9} {name:9} {run['polls_per_s']:6.2f} polls/s, "
                        f"{run['share']:.2%} of the limit, {run['cpu_ms_a_poll']:.3f} ms CPU a poll, {run['short_silence']} short, "
                        f"{run['errors']} errors"
                    )
    return Result(pace_figures(runs), runs)


def pace_once(command: Command, baud: int, poll: Poll, effort: Effort, folder: Path) -> Run:
    """One master on a fresh line."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with LineField(folder, baud, [f"1-{UNITS}:{poll.profile}"]) as field:
        with (folder / "master.log").open("wb") as log:
            process = subprocess.Popen(
                command(field.link, baud, poll), cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        try:
            _await_polls(field, process, folder)
            time.sleep(effort.settle_s)
            before, meter = field.ask("stats"), Meter(process.pid)
            time.sleep(effort.pace_s)
            after, use = field.ask("stats"), meter.read()
            said = _said(process)
            end = field.ask("stats")
        finally:
            stop(process)
    polls = after["requests"] - before["requests"]
    took_s = (after["last_ns"] - before["last_ns"]) / 1e9
    limit_per_s = poll.limit_per_s(baud)
    return {
        "baud": baud,
        "poll": poll.name,
        **use,
        "polls": polls,
        "polls_per_s": round(polls / took_s, 3),
        "limit_per_s": round(limit_per_s, 3),
        "share": round(polls / took_s / limit_per_s, 5),
        "cpu_ms_a_poll": round(use["cpu_s"] * 1000 / polls, 4),
        "short_silence": end["short_silence"],
        "bad_frames": end["bad_frames"],
        "errors": said["errors"],
    }


def _await_polls(field: LineField, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Until every unit was asked twice. NotMeasured when that takes too long."""
    end_s = time.monotonic() + FIRST_WORD_S
    while field.ask("stats")["requests"] < 2 * UNITS:
        if process.poll() is not None or time.monotonic() > end_s:
            words = (folder / "master.log").read_text(errors="replace").strip().splitlines()[-5:]
            raise NotMeasured(f"a master does not poll; its last words: {words}")
        time.sleep(0.05)


def _said(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """End a master, and what it then says."""
    process.terminate()
    out, _ = process.communicate(timeout=STOP_S)
    if not out:
        raise NotMeasured(f"a master ended with status {process.returncode} and said nothing")
    said: dict[str, Any] = json.loads(out)
    return said


def pace_figures(runs: list[Run]) -> list[Figure]:
    """The figures of these runs."""
    figures = []
    for baud in BAUDS:
        for poll in POLLS:
            shares = {name: _column(runs, name, baud, poll.name, "share") for name in (OURS, PEER, C)}
            others = ", ".join(f"{name} {statistics.median(found):.4f}" for name, found in shares.items() if name != OURS and found)
            note = (
                f"limit {poll.limit_per_s(baud):.1f} polls/s; {span(shares[OURS], 4)} in {len(shares[OURS])} rounds; {others}; "
                f"{noise([run for run in runs if run['baud'] == baud and run['poll'] == poll.name])}"
            )
            figures.append(
                Figure(f"bus.share_of_limit.{baud}.{poll.name}", round(statistics.median(shares[OURS]), 4), "share", GOALS[baud], note)
            )
    ours = [run for run in runs if run["subject"] == OURS]
    short = ", ".join(f"{name} {sum(run['short_silence'] for run in runs if run['subject'] == name)}" for name in (PEER, C))
    errors = sum(run["errors"] for run in ours)
    note = f"requests sooner than 3.5 characters after a reply, in {len(ours)} runs with {errors} errors; {short}"
    figures.append(Figure("bus.short_silence", sum(run["short_silence"] for run in ours), "requests", "= 0", note))
    figures.append(_cpu_figure(runs))
    return figures


def _cpu_figure(runs: list[Run]) -> Figure:
    ratios = {}
    for baud in BAUDS:
        for poll in POLLS:
            ours, peer = (_column(runs, name, baud, poll.name, "cpu_ms_a_poll") for name in (OURS, PEER))
            ratios[f"{baud} {poll.name}"] = median_ratio(ours, peer)
    worst = max(ratios, key=lambda setting: ratios[setting])
    costs = {name: [run["cpu_ms_a_poll"] for run in runs if run["subject"] == name] for name in (OURS, PEER, C)}
    each = ", ".join(f"{name} {span(found)}" for name, found in costs.items() if found)
    note = (
        f"CPU a poll, median of {len(ratios)} settings; worst {ratios[worst]:.2f} at {worst}; nothing changing, "
        f"ours decodes as the daemon does; ms a poll: {each}; {noise(runs)}"
    )
    return Figure("bus.cpu_over_pymodbus", round(statistics.median(ratios.values()), 3), "ratio", "<= 0.5", note)


def _column(runs: list[Run], subject: str, baud: int, poll: str, key: str) -> list[float]:
    return [run[key] for run in runs if (run["subject"], run["baud"], run["poll"]) == (subject, baud, poll)]
