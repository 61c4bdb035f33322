"""What the measures of the uplink share: the site of the gateway, its journal filled beforehand, and the processes around it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.contract.envelope import Origin
from gateway.core.ids import EventIds
from gateway.core.points import EventClass
from gateway.journal.store import Batch, open_store
from gateway.runtime.clock import Clock
from gateway.runtime.journal_care import JournalWords
from gateway.runtime.keys import load_signer
from simulators.broker import Kind, find
from simulators.errors import SimError
from tests.bench.journal import MIX, draft
from tests.bench.machine import PAGE_BYTES, usage
from tests.bench.parts import MissingPart, stop
from tests.bench.rig import NotMeasured

REPOSITORY = Path(__file__).resolve().parents[2]
PROFILES = Path(__file__).with_name("profiles")
SOURCE = "/sites/bench/gateways/gate"
ROOT = "campus/v1/bench/gate"
EVENTS = f"{ROOT}/event/#"
PROTOCOL: dict[Kind, str] = {"mosquitto": "5", "nats": "3.1.1"}
FILL_STEP = 1000
READY_S = 30.0
ANSWER_S = 180.0
QUIET_CORE = 0.05  # of a core: the daemon has nothing left to do
ID = re.compile(rb'"id":"([0-9a-f-]{36})"')


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done. backlog: events; presses: on each disk, busy_presses: among other events; cost_events: in each round."""

    backlog: int = 100_000
    presses: int = 150
    busy_presses: int = 60
    cost_rounds: int = 7
    cost_events: int = 2000


QUICK = Effort(backlog=6000, presses=25, busy_presses=10, cost_rounds=3, cost_events=400)


def need(*kinds: Kind) -> None:
    """Raises MissingPart when one of these brokers is not installed."""
    for kind in kinds:
        try:
            find(kind)
        except SimError as error:
            raise MissingPart(str(error)) from error


def site_text(url: str, protocol: str, key: dict[str, str] | None = None, field: str = "") -> str:
    """The site file. key: of the centre that must confirm everything, None where a PUBACK ends delivery; field: buses and points."""
    recipients = "" if key is None else f'[[uplink.recipients]]\nid = "police"\nkeys = [{{ kid = "{key["kid"]}", x = "{key["x"]}" }}]'
    return f"""schema = 1
profile_dirs = [{json.dumps(str(PROFILES))}]
[site]
id = "bench"
gateway = "gate"
name = "压力测试"
name_en = "Benchmark"
state_dir = "state"
[uplink]
paths = [{{ url = "{url}", protocol = "{protocol}" }}]
{recipients}
[places]
gate = {{ name = "校门", name_en = "main gate", type = "gate" }}
[metrics]
port = 0
{field}
"""


def fill(state: Path, events: int, recipient: str) -> dict[str, str]:
    """A journal with so many sealed events that this recipient has not confirmed; the gateway's public key."""
    state.mkdir(parents=True)
    signer, ids = load_signer(state), EventIds()
    origin = Origin(SOURCE, "00000000-0000-4000-8000-000000000000", 0.0)
    words = JournalWords(Clock()).opened
    store, _ = open_store(state, origin, signer, {recipient: frozenset(EventClass)}, words, time.time_ns() // 1_000_000)
    for at in range(0, events, FILL_STEP):
        store.commit([Batch([draft(ids, MIX[n % len(MIX)]) for n in range(at, min(at + FILL_STEP, events))])], [])
    store.close()
    return signer.public()


@contextlib.contextmanager
def process(command: list[str], log: Path, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program of this repository (`-m` and the rest of its command line) with what it says in a file."""
    with log.open("wb") as said:
        started = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment
        )
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.send_signal(signal.SIGCONT)
        stop(started)


def wait_for(holds: Callable[[], bool], what: str, within_s: float = READY_S, look_s: float = 0.05) -> None:
    """Look until the condition holds. Raises NotMeasured."""
    end_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end_s:
            raise NotMeasured(f"not within {within_s:g} s: {what}")
        time.sleep(look_s)


def wait_quiet(pid: int) -> None:
    """Until the process has done almost nothing for a second."""

    def quiet() -> bool:
        before, _ = usage(pid)
        time.sleep(1.0)
        return usage(pid)[0] - before < QUIET_CORE

    wait_for(quiet, "the gateway has started and rests", 120)


def rss_mb(pid: int) -> float:
    """Resident megabytes of one process; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / 1e6
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0.0


class Debt:
    """What a journal still owes, looked up beside the gateway that writes it. last_row: of the backlog."""

    def __init__(self, state: Path) -> None:
        self._db = sqlite3.connect(f"file:{state}/journal.db?mode=ro", uri=True, timeout=10, isolation_level=None)
        self.last_row = int(self._db.execute("SELECT max(row) FROM event").fetchone()[0])

    def owed(self) -> int:
        """Events of the backlog that somebody has not confirmed, on the disk."""
        return int(self._db.execute("SELECT count(*) FROM outbox WHERE state = 0 AND row <= ?", (self.last_row,)).fetchone()[0])

    def owes(self) -> bool:
        """True while there is one."""
        return self._db.execute("SELECT 1 FROM outbox WHERE state = 0 AND row <= ? LIMIT 1", (self.last_row,)).fetchone() is not None

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


class Asked:
    """A Python program of this repository that takes orders, one line of JSON each, and answers each with one."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self._log = log
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env={**os.environ, **(environment or {})},
            )

    def ask(self, **order: object) -> dict[str, Any]:
        """Its answer. Raises NotMeasured when it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            answered, _, _ = select.select([self._process.stdout], [], [], ANSWER_S)
            line = self._process.stdout.readline() if answered else b"?"
        except BrokenPipeError:
            line = b""
        if line == b"?":
            raise NotMeasured(f"a subject has not answered {order} for {ANSWER_S:g} s; see {self._log}")
        if not line:
            words = self._log.read_text(errors="replace").strip().splitlines()[-5:]
            raise NotMeasured(f"a subject ended with status {self._process.wait()}; its last words: {words}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # the end of its orders
        stop(self._process)
