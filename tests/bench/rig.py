"""One subject at work between real parts, and what the measures share: effort, rounds, windows."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

from tests.bench.figures import Figure, span
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
FIRST_WORD_S = 20.0
LOOK_S = 0.5  # how often a wait looks whether the subject still lives


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
        end_s = time.monotonic() + within_s
        while not self.listener.wait_for(holds, LOOK_S):
            if self.process.poll() is not None or time.monotonic() > end_s:
                raise self.lacking(f"{what} within {within_s:g} s")

    def lacking(self, what: str) -> NotMeasured:
        """The error that says what the subject did not do, with its last words."""
        words = (self.folder / "subject.log").read_text(errors="replace").strip().splitlines()[-5:]
        ended = "" if self.process.poll() is None else f" (it ended with status {self.process.returncode})"
        return NotMeasured(f"{self.subject.name}: no {what}{ended}; its last words: {words}")

    def window(self, seconds: float) -> Run:
        """CPU, memory, requests and messages over some seconds of steady work."""
        before, heard = self.farm.ask("stats"), len(self.listener.messages)
        broker_cpu_s, _ = usage(self.broker.pid)
        meter = Meter(self.process.pid)
        time.sleep(seconds)
        use, after = meter.read(), self.farm.ask("stats")
        messages = self.listener.messages[heard:]
        broker_cpu_s = usage(self.broker.pid)[0] - broker_cpu_s
        took_s = (after["ns"] - before["ns"]) / 1e9
        values = sum(len(self.subject.values(message.topic, message.payload)) for message in messages)
        return {
            **use,
            "requests_per_s": round((sum(after["requests"]) - sum(before["requests"])) / took_s, 2),
            "changes_served_per_s": round((sum(after["changes"]) - sum(before["changes"])) / took_s, 1),
            "messages_per_s": round(len(messages) / took_s, 2),
            "values_per_s": round(values / took_s, 1),
            "farm_cpu_share": round((after["cpu_s"] - before["cpu_s"]) / took_s, 4),
            "broker_cpu_share": round(broker_cpu_s / took_s, 4),
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


def pairs(rounds: int) -> Iterator[tuple[int, Subject]]:
    """Floor and gateway in turn, so that other work on the machine meets both."""
    for number in range(rounds):
        for subject in (Floor(), Gateway()):
            yield number, subject


def runs_of(runs: list[Run], name: str) -> list[Run]:
    """The runs of one subject."""
    return [run for run in runs if run["subject"] == name]


def noise(runs: list[Run]) -> str:
    """For notes: how busy the machine was in these runs."""
    return f"machine busy {span([run['machine_busy_cores'] for run in runs])} cores in all"


def newest(work: Rig) -> dict[str, object]:
    """The newest value of each point of all messages so far."""
    found: dict[str, object] = {}
    for message in work.listener.messages:
        found.update(work.subject.values(message.topic, message.payload))
    return found
