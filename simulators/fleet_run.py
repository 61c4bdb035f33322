"""`campus-sim fleet`: many gateways at one bus, a node of it killed meanwhile, and what became of every event."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from simulators.errors import SimError
from simulators.fleet import FleetGateway
from simulators.fleet_cluster import Cluster
from simulators.fleet_far_end import PREFIX, RECIPIENT, Centre, Ear, FarEnd
from simulators.quiet import hush

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
LOOK_S = 0.1
TOLD_EACH = 100  # sessions
FILES_EACH, FILES_BESIDE = 2, 200  # open files of a session, and of everything else
CONNECTING_THREADS = 32
TOLD_EACH_S = 10.0
NOTICED_WITHIN_S = 10.0  # the end of a session, by a busy process


@dataclass(slots=True)
class Figures:
    """What is told at the end. Delays are from the press; lost: never arrived; owed: arrived, but the gateway does not know it.

    connected: sessions that were up at the same time; connect_s: until they were; fewest: while a node was away; again_s: from the kill
    until all were up again; node_back_s: until the node took sessions again. per_s: events received each second of pressing.
    cpu_s, memory_mb: of this process, all gateways in it; nodes_...: of the cluster, the memory of each node, largest moment.
    """

    gateways: int = 0
    connected: int = 0
    connect_s: float = 0.0
    caused: int = 0
    sent: int = 0
    resent: int = 0
    received: int = 0
    duplicated: int = 0
    lost: int = 0
    owed: int = 0
    sessions_lost: int = 0
    fewest: int | None = None
    again_s: float | None = None
    node_back_s: float | None = None
    drain_s: float = 0.0
    arrival_ms: dict[str, float] = field(default_factory=dict)
    receipt_ms: dict[str, float] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)
    per_s: float = 0.0
    cpu_s: float = 0.0
    memory_mb: float = 0.0
    nodes_cpu_s: float = 0.0
    nodes_memory_mb: list[str] = field(default_factory=list)


class Fleet:
    """gateways at these nodes; far: who listens. pressed: id -> CLOCK_MONOTONIC in ns."""

    def __init__(self, gateways: list[FleetGateway], far: FarEnd, say: Callable[[str], None]) -> None:
        self.gateways = gateways
        self.pressed: dict[str, int] = {}
        self.figures = Figures(gateways=len(gateways))
        self._far = far
        self._say = say

    @property
    def up(self) -> int:
        """Sessions that are up now."""
        return sum(gateway.up for gateway in self.gateways)

    async def connect(self, tasks: asyncio.TaskGroup, per_s: float, opening: int, within_s: float) -> list[asyncio.Task[None]]:
        """Open all sessions: so many each second at most, and no more than `opening` that are on their way at the same time.

        A bus that is asked for more than it can do answers nobody in time. Goes on without those that are not up in time. Gives the
        sessions' tasks.
        """
        began_s = time.monotonic()
        running = []
        waiting: list[FleetGateway] = []

        def room() -> bool:
            waiting[:] = [gateway for gateway in waiting if not gateway.up]
            return len(waiting) < opening

        for number, gateway in enumerate(self.gateways):
            await asyncio.sleep(began_s + number / per_s - time.monotonic())
            await self._until(room, began_s + within_s - time.monotonic(), self._sessions, LOOK_S / 5)
            if number % TOLD_EACH == 0:
                self._say(self._sessions())
            running.append(tasks.create_task(gateway.run(), name=gateway.source))
            waiting.append(gateway)
        await self._until(lambda: self.up == len(self.gateways), began_s + within_s - time.monotonic(), self._sessions)
        self.figures.connected = self.up
        self.figures.connect_s = time.monotonic() - began_s
        return running

    def _sessions(self) -> str:
        return f"{self.up} of {len(self.gateways)} sessions are up"

    async def press(self, per_minute: float, seconds: float, burst: int) -> None:
        """Press buttons at an even pace, whoever's turn it is by chance; per_minute: of each gateway; burst: so many at once half way."""
        total = round(len(self.gateways) * per_minute * seconds / 60)
        began_s = time.monotonic()
        for number in range(total):
            await asyncio.sleep(began_s + number * seconds / total - time.monotonic())
            if number == total // 2:
                self._press(burst)
            self._press(1)
        await asyncio.sleep(began_s + seconds - time.monotonic())

    def _press(self, times: int) -> None:
        for _ in range(times):
            name, at_ns = random.choice(self.gateways).press()
            self.pressed[name] = at_ns

    async def drain(self, within_s: float) -> None:
        """Wait until everything has arrived and every gateway knows it."""
        began_s = time.monotonic()
        await self._until(lambda: not self.lost and not self.owed, within_s, lambda: f"{self.lost} to arrive, {self.owed} owed")
        self.figures.drain_s = time.monotonic() - began_s

    @property
    def lost(self) -> int:
        """Events that have not arrived."""
        return len(self.pressed.keys() - self._far.arrived.keys())

    @property
    def owed(self) -> int:
        """Events of which a gateway does not know that they have."""
        return sum(len(gateway.outbox) for gateway in self.gateways)

    async def break_node(self, cluster: Cluster, number: int, after_s: float, down_s: float, within_s: float) -> None:
        """Kill one node, start it again, and measure how the sessions fare."""
        await asyncio.sleep(after_s)
        cluster.kill_node(number)
        killed_s = time.monotonic()
        self._say(f"node {number} killed; {self.up} of {len(self.gateways)} sessions are left")
        fewest = self.up

        def all_up() -> bool:
            nonlocal fewest
            fewest = min(fewest, self.up)
            return self.up == len(self.gateways)

        async def restart() -> None:
            await asyncio.sleep(down_s)
            cluster.start_node(number)
            await cluster.ready(number)
            self.figures.node_back_s = time.monotonic() - killed_s
            self._say(f"node {number} is back after {self.figures.node_back_s:.1f} s")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(restart(), name="restart")
            await self._until(lambda: not all_up(), NOTICED_WITHIN_S, self._sessions)
            await self._until(all_up, within_s, self._sessions)
            self.figures.again_s = time.monotonic() - killed_s
        self.figures.fewest = fewest

    def sum_up(self, cluster: Cluster | None, seconds: float) -> Figures:
        """All figures, once everything has come to rest. seconds: how long buttons were pressed."""
        figures, far = self.figures, self._far
        counts = [gateway.outbox.counts for gateway in self.gateways]
        figures.caused = len(self.pressed)
        figures.sent = sum(count.sent for count in counts)
        figures.resent = sum(count.resent for count in counts)
        figures.received = len(self.pressed.keys() & far.arrived.keys())
        figures.duplicated, figures.lost, figures.owed = far.repeats, self.lost, self.owed
        figures.sessions_lost = sum(gateway.losses for gateway in self.gateways)
        figures.bad = far.bad[:10]
        figures.arrival_ms = spread([(far.arrived[name] - at_ns) / 1e6 for name, at_ns in self.pressed.items() if name in far.arrived])
        figures.receipt_ms = spread([1000 * seconds for gateway in self.gateways for seconds in gateway.receipt_s])
        figures.per_s = round(figures.received / seconds, 1)
        if cluster is not None:
            figures.nodes_cpu_s = round(cluster.cpu_s, 1)
            figures.nodes_memory_mb = [f"{number}: {size_mb:g}" for number, size_mb in cluster.memory_mb.items()]
        used = resource.getrusage(resource.RUSAGE_SELF)
        figures.cpu_s, figures.memory_mb = round(used.ru_utime + used.ru_stime, 1), round(used.ru_maxrss / 1024, 1)
        return figures

    async def _until(self, holds: Callable[[], bool], within_s: float, words: Callable[[], str], look_s: float = LOOK_S) -> None:
        end_s, tell_s = time.monotonic() + within_s, time.monotonic() + TOLD_EACH_S
        while not holds() and time.monotonic() < end_s:
            await asyncio.sleep(look_s)
            if time.monotonic() > tell_s:
                tell_s += TOLD_EACH_S
                self._say(words())


def spread(values: Sequence[float]) -> dict[str, float]:
    """p50, p99 and max of these, in their unit; empty without any."""
    ordered = sorted(values)
    if not ordered:
        return {}
    return {
        name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }


async def play(given: argparse.Namespace, say: Callable[[str], None]) -> Figures:
    """One whole run. SimError when brokers or centre cannot be had."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(CONNECTING_THREADS))
    hush(loop)
    with ExitStack() as stack:
        folder = given.dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="campus-fleet-")))
        folder.mkdir(parents=True, exist_ok=True)
        cluster = None
        if not given.broker:
            cluster = Cluster(given.nodes, folder)
            stack.callback(cluster.close)
            await cluster.start()
        urls = given.broker if cluster is None else cluster.urls
        gateways = [FleetGateway(number, PREFIX, urls, RECIPIENT if given.receipts else "") for number in range(given.gateways)]
        far: FarEnd
        if given.receipts:
            far = centre = Centre(urls[0], folder, [gateway.enrolled for gateway in gateways])
        else:
            far, centre = Ear(urls[0]), None
        for gateway in gateways:
            gateway.trust(None if centre is None else centre.key)
        return await _story(Fleet(gateways, far, say), far, cluster, given)


async def _story(fleet: Fleet, far: FarEnd, cluster: Cluster | None, given: argparse.Namespace) -> Figures:
    async with asyncio.TaskGroup() as tasks:
        background = [tasks.create_task(far.run(), name="far end")]
        await far.ready()
        background += await fleet.connect(tasks, given.connects_per_s, given.opening, given.within)
        print(f"ready {fleet.up} of {len(fleet.gateways)} sessions after {fleet.figures.connect_s:.1f} s", flush=True)
        breaking = None
        if cluster is not None and given.kill_node_after is not None:
            breaking = tasks.create_task(fleet.break_node(cluster, given.kill_node, given.kill_node_after, given.down, given.within))
        await fleet.press(given.events_per_minute, given.seconds, given.burst)
        if breaking is not None:
            await breaking
        await fleet.drain(given.within)
        figures = fleet.sum_up(cluster, given.seconds)
        for task in background:
            task.cancel()
    return figures


def main(argv: list[str]) -> int:
    """Exit status: 0 when nothing was lost, 1 when something was, 2 for what a person can put right."""
    warnings.filterwarnings("ignore", message="EdDSA is deprecated")  # the contract's algorithm name, RFC 8037
    given = _parser().parse_args(argv)
    for name in ("gateway", "mqtt"):  # each of many would tell of each session that it loses; the figures do
        logging.getLogger(name).setLevel(logging.CRITICAL)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        _check(given)
        figures = asyncio.run(play(given, say))
    except SimError as error:
        say(f"campus-sim: {error}")
        return 2
    except ExceptionGroup as group:  # a TaskGroup's way of telling one error
        if group.split(SimError)[1] is not None:
            raise
        say(f"campus-sim: {_first(group)}")
        return 2
    print(json.dumps(asdict(figures)) if given.json else _as_text(figures))
    return 1 if figures.lost or figures.owed or figures.bad else 0


def _first(group: ExceptionGroup[Exception]) -> Exception:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first


def _check(given: argparse.Namespace) -> None:
    for url in given.broker:
        parts = urlsplit(url)
        if parts.scheme != "mqtt" or parts.hostname not in LOOPBACK_NAMES:
            raise SimError(f"{url}: a fleet speaks to brokers on loopback only, mqtt://127.0.0.1:PORT; it has no certificates")
    if given.broker and given.kill_node_after is not None:
        raise SimError("--kill-node-after is for a cluster that this program starts; leave --broker out")
    if given.kill_node_after is not None and not 1 <= given.kill_node <= given.nodes:
        raise SimError(f"--kill-node {given.kill_node}: there are nodes 1 to {given.nodes}")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if given.gateways * FILES_EACH + FILES_BESIDE > most:
        raise SimError(f"{given.gateways} sessions need more open files than the {most} that are allowed: ulimit -n 65536")


def _as_text(figures: Figures) -> str:
    """One line for each figure that there is."""
    lines = []
    for name, value in asdict(figures).items():
        if isinstance(value, dict):
            value = "  ".join(f"{share} {number:g}" for share, number in value.items())
        elif isinstance(value, list):
            value = "; ".join(value)
        elif isinstance(value, float):
            value = f"{value:.1f}"
        if value not in ("", None):
            lines.append(f"{name:13} {value}")
    return "\n".join(lines)


def _urls(text: str) -> list[str]:
    return text.split(",")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="campus-sim fleet",
        description="Many gateways at one bus: each has the real uplink and outbox, a key, a name and a session of its own, and a journal "
        "in memory. Somebody presses their buttons; what arrives is counted by id. Exit status 1 when something is lost.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--gateways", type=int, default=10, metavar="N", help="how many sessions")
    parser.add_argument("--events-per-minute", type=float, default=6.0, metavar="R", help="of each gateway")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="how long buttons are pressed")
    parser.add_argument("--burst", type=int, default=0, metavar="N", help="further presses, all at once, half way")
    parser.add_argument("--broker", type=_urls, default=[], metavar="URL,URL", help="nodes of a bus that runs; default: its own cluster")
    parser.add_argument("--nodes", type=int, default=3, help="of its own cluster: 1, 3 or 5")
    parser.add_argument("--receipts", action="store_true", help="campus-centre listens and answers; default: a mere ear")
    parser.add_argument("--kill-node-after", type=float, metavar="S", help="kill one node after so many seconds of pressing")
    parser.add_argument("--kill-node", type=int, default=2, metavar="N", help="which one; who listens does so at node 1")
    parser.add_argument("--down", type=float, default=5.0, metavar="S", help="until that node is started again")
    parser.add_argument("--connects-per-s", type=float, default=50.0, metavar="R", help="sessions opened each second at the start")
    parser.add_argument("--opening", type=int, default=8, metavar="N", help="sessions that may be on their way at the same time then")
    parser.add_argument("--within", type=float, default=120.0, metavar="S", help="patience for sessions to open, and for the last event")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="folder for all data and logs; default: a temporary one")
    parser.add_argument("--json", action="store_true", help="the figures as one JSON object")
    return parser
