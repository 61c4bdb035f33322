"""A press of a panic button until a subscriber has it: with the eyes at full load beside the daemon, and without eyes.

Full load: four cameras with people in them, each asked for more pictures a second than there can be, so that the vision process always
has something to look at. The daemon starts it itself, as it does at a school.
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Figure, percentile
from tests.bench.listener import Listener
from tests.bench.machine import Meter
from tests.bench.parts import Broker, Farm, stop
from tests.bench.rig import NotMeasured, Result, Run, Say, noise
from tests.bench.subjects import REPOSITORY, ROOT
from tests.bench.vision_cost import FULL_FPS
from tests.bench.vision_rig import READY_S, Effort, Player, View, apron, decoders, emptied, footprint, reels, site_text

CAMERAS = 4
PERIOD_MS = 50
BUTTONS = 8  # pressed in turn: one that is pressed each second would be told as chattering
HELD_S = 0.3
RELEASED_S = (0.4, 0.65)  # at random, so that presses fall anywhere in the polling cycle
ANSWER_S = 5.0
BEGINS = ("campus.alarm.activated", "campus.alarm.repeated")
GOAL = "<= 1.2"


def panic(effort: Effort, folder: Path, say: Say) -> Result:
    """Rounds without and with eyes in turn, so that other work on the machine meets both."""
    walking, _ = reels(emptied(folder), effort.reel_s)
    runs: list[Run] = []
    for number in range(effort.panic_rounds):
        for name in ("without", "with"):
            with contextlib.ExitStack() as stack:
                views: list[View] = []
                if name == "with":
                    player = stack.enter_context(Player(folder / "player.log"))
                    views = [apron(f"c{n}", player.mount(f"/c{n}", walking), FULL_FPS) for n in range(CAMERAS)]
                run = _presses(views, effort, emptied(folder / f"{name}-{number}"), random.Random(number))
            runs.append({"measure": "panic", "round": number, "subject": name, **run})
            say(
                f"panic {number + 1}/{effort.panic_rounds} {name:7}: p50 {percentile(run['delay_ms'], 50):.1f}, "
                f"p99 {percentile(run['delay_ms'], 99):.1f} ms, inside p99 {percentile(run['inside_ms'], 99):.1f} ms, "
                f"CPU {run['cpu_share']:.0%}, {run['processes']} processes"
            )
    return Result(panic_figures(runs), runs)


def panic_figures(runs: list[Run]) -> list[Figure]:
    """The ratio of the slowest hundredth of the presses of all rounds, and that of the part after the device was read."""
    figures = []
    for key, name, goal in (("delay_ms", "vision.panic_delay_ratio", GOAL), ("inside_ms", "vision.panic_inside_ratio", "")):
        pooled = {subject: [ms for run in runs if run["subject"] == subject for ms in run[key]] for subject in ("with", "without")}
        ratio = percentile(pooled["with"], 99) / percentile(pooled["without"], 99)
        told = "; ".join(f"{s} p50 {percentile(p, 50):.1f} p99 {percentile(p, 99):.1f} worst {max(p):.1f} ms" for s, p in pooled.items())
        load = " to ".join(f"{run['cpu_share']:.0%}" for run in runs if run["subject"] == "with")
        note = f"{told}; {len(pooled['with'])} presses each; {CAMERAS} cameras at full load, CPU of a core {load}; {noise(runs)}"
        note = note if goal else f"{told}; from the poll that read the press; its goal is the whole delay above"
        figures.append(Figure(name, round(ratio, 3), "ratio", goal, note))
    return figures


@dataclass(slots=True)
class _Press:
    """A daemon with some buttons. since: messages that were looked at; button: the last one pressed."""

    farm: Farm
    listener: Listener
    process: subprocess.Popen[bytes]
    folder: Path
    since: int = 0
    button: int = 0

    def once(self) -> tuple[float, float] | None:
        """Milliseconds from a press to its event, and from the poll that read it; None when no event comes."""
        self.since, self.button = len(self.listener.messages), (self.button + 1) % BUTTONS
        set_ns = self.farm.set_coil(self.button, True)
        told = self.listener.wait_for(lambda: self._told_ns() is not None, ANSWER_S)
        told_ns, read_ns = self._told_ns(), int(self.farm.ask("served")["ns"])
        time.sleep(max(0.0, HELD_S - (time.monotonic_ns() - set_ns) / 1e9))
        self.farm.set_coil(self.button, False)
        if not told or told_ns is None:
            return None
        return round((told_ns - set_ns) / 1e6, 3), round((told_ns - read_ns) / 1e6, 3)

    def _told_ns(self) -> int | None:
        for message in self.listener.messages[self.since :]:
            event = json.loads(message.payload)
            if event["type"] in BEGINS and event["data"]["point"] == f"panic-{self.button}":
                return message.ns
        return None


def _presses(views: Sequence[View], effort: Effort, folder: Path, chance: random.Random) -> Run:
    with _daemon(views, folder) as work:
        ready_s = time.monotonic() + READY_S
        while work.once() is None or (views and len(decoders(work.process.pid)) < len(views)):
            if work.process.poll() is not None or time.monotonic() > ready_s:
                words = (folder / "subject.log").read_text(errors="replace").strip().splitlines()[-5:]
                raise NotMeasured(f"no press is told, or there are no eyes; the daemon's last words: {words}")
            time.sleep(RELEASED_S[1])  # or the device is not read while the button is released
        time.sleep(effort.settle_s)
        meter, found = Meter(work.process.pid), []
        for _ in range(effort.presses):
            time.sleep(chance.uniform(*RELEASED_S))
            found.append(work.once() or (ANSWER_S * 1000, ANSWER_S * 1000))
        return {"delay_ms": [ms for ms, _ in found], "inside_ms": [ms for _, ms in found], **footprint(work.process.pid), **meter.read()}


@contextlib.contextmanager
def _daemon(views: Sequence[View], folder: Path) -> Iterator[_Press]:
    with contextlib.ExitStack() as stack:
        farm = stack.enter_context(Farm(BUTTONS, 1))
        broker = stack.enter_context(Broker(folder))
        listener = Listener(broker.port, f"{ROOT}/event/#")
        stack.callback(listener.close)
        site = folder / "site.toml"
        site.write_text(site_text(views, broker.port, "".join(_button(n, port) for n, port in enumerate(farm.ports))))
        with (folder / "subject.log").open("wb") as log:
            command = [sys.executable, "-m", "gateway", "run", "--config", str(site)]
            process = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        stack.callback(stop, process)
        yield _Press(farm, listener, process, folder)


def _button(number: int, port: int) -> str:
    return f"""[[buses]]
id = "gate-{number}"
transport = "tcp"
host = "127.0.0.1"
port = {port}
[[devices]]
id = "module-{number}"
bus = "gate-{number}"
profile = "bench-100"
[[points]]
id = "panic-{number}"
role = "panic_button"
place = "gate"
device = "module-{number}"
signal = "coil"
period_ms = {PERIOD_MS}
"""
