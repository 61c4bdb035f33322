"""2,000 points on 20 TCP devices each second, with holes in their maps: requests and CPU beside a peer that asks tag by tag.

Both tell every value each second by MQTT. The daemon does all it does in a school. The peer is thingsboard-gateway where it
is installed, else the least that asks so (bus_tags.py), which reads and tells and does nothing else.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.bus_rig import Effort
from tests.bench.bus_site import holes_site
from tests.bench.bus_thingsboard import Platform, Thingsboard, installed
from tests.bench.figures import Figure, median_ratio, span
from tests.bench.listener import Listener
from tests.bench.parts import Broker, Farm, stop
from tests.bench.rig import FIRST_WORD_S, SCANNED, NotMeasured, Result, Rig, Run, Say, newest, noise, runs_of
from tests.bench.steady import between_bursts
from tests.bench.subjects import REPOSITORY, Gateway, Load, Subject

MAP_REGISTERS = 286
POINTS = 100  # a device
CHURN_S = 2.5  # until what was read before the change is told


class Blocks(Gateway):
    """The daemon with a site of devices whose maps have holes."""

    def start(self, load: Load, broker_port: int, folder: Path) -> subprocess.Popen[bytes]:
        """Write the site file and start the daemon on an empty state folder."""
        site = folder / "site.toml"
        site.write_text(holes_site(load.scan_ports, broker_port))
        return _start([sys.executable, "-m", "gateway", "run", "--config", str(site), "--no-vision"], folder)


class Tags:
    """One request a tag (bus_tags.py)."""

    name = "tags"
    everything = "tags/#"
    changes = "tags/#"

    def start(self, load: Load, broker_port: int, folder: Path) -> subprocess.Popen[bytes]:
        """Start the loop."""
        return _start([sys.executable, "-m", "tests.bench.bus_tags", "--broker", str(broker_port), *map(str, load.scan_ports)], folder)

    def values(self, topic: str, payload: bytes) -> dict[str, object]:
        """Numbers as scan-N-rM."""
        number = topic.rpartition("/")[2]
        return {f"scan-{number}-{name}": value for name, value in json.loads(payload)["values"].items()}


def peer_here() -> Subject:
    """The peer that this machine has."""
    program = installed()
    return Thingsboard(program) if program else Tags()


def holes(effort: Effort, folder: Path, say: Say) -> Result:
    """Peer and daemon in turn, so that other work on the machine meets both; first nothing changes, then everything."""
    runs: list[Run] = []
    peer = peer_here()
    for number in range(effort.rounds):
        for subject in (peer, Blocks()):
            run = _once(subject, effort, folder)
            runs.append({"measure": "holes", "round": number, "subject": subject.name, **run})
            still, churn = run["still"], run["churn"]
            say(
                f"holes {number + 1}/{effort.rounds} {subject.name:11} {still['requests_per_s']:g} requests/s, {still['values_per_s']:g} "
                f"values/s, CPU {still['cpu_share']:.2%}, all changing {churn['cpu_share']:.2%}, {churn['rss_mb']:g} MB"
            )
    return Result(holes_figures(runs), runs)


def holes_figures(runs: list[Run]) -> list[Figure]:
    """The figures of these runs. The CPU ratio is that of everything changing, which costs us more and the peer nothing."""
    ours = runs_of(runs, Blocks.name)
    peer = [run for run in runs if run not in ours]

    def ratio(kind: str, key: str) -> float:
        return median_ratio([run[kind][key] for run in peer], [run[kind][key] for run in ours])

    def middle(found: list[Run], kind: str, key: str) -> float:
        return float(statistics.median(run[kind][key] for run in found))

    told = ", peer ".join(span([run["churn"]["values_per_s"] for run in found], 0) for found in (ours, peer))
    requests = (
        f"{SCANNED} TCP devices x {POINTS} numbers with holes, each second; peer {peer[0]['subject']} asks tag by tag, {len(ours)} rounds; "
        f"requests/s: {middle(ours, 'churn', 'requests_per_s'):g}, peer {middle(peer, 'churn', 'requests_per_s'):g}; "
        f"values told a second: {told}"
    )
    cpu = (
        f"whole processes, everything changing: peer {middle(peer, 'churn', 'cpu_share'):.2%} of a core, ours "
        f"{middle(ours, 'churn', 'cpu_share'):.2%}; nothing changing {ratio('still', 'cpu_share'):.2f} "
        f"({middle(peer, 'still', 'cpu_share'):.2%} and {middle(ours, 'still', 'cpu_share'):.2%}); "
        f"{noise([run[kind] for run in runs for kind in ('still', 'churn')])}"
    )
    return [
        Figure("bus.requests_ratio", round(ratio("churn", "requests_per_s"), 2), "ratio", ">= 8", requests),
        Figure("bus.cpu_ratio", round(ratio("churn", "cpu_share"), 2), "ratio", ">= 4", cpu),
    ]


def _once(subject: Subject, effort: Effort, folder: Path) -> Run:
    known: set[str] = set()

    def complete() -> bool:
        for _, values in work.news():
            known.update(values)
        return len(known) >= SCANNED * POINTS

    with _rig(subject, folder) as work:
        work.require(complete, FIRST_WORD_S, f"value of each of {SCANNED * POINTS} points")
        time.sleep(effort.settle_s)
        between_bursts(work.farm)
        still = work.window(effort.holes_s)
        work.farm.ask("churn 1")
        time.sleep(CHURN_S)
        between_bursts(work.farm)
        before = newest(work)
        churn = work.window(effort.holes_s)
        stale = [point for point, value in newest(work).items() if before.get(point) == value]
        if stale:
            raise NotMeasured(f"{subject.name}: {len(stale)} points keep an old value although they change, such as {stale[0]}")
    return {"still": still, "churn": churn}


@contextlib.contextmanager
def _rig(subject: Subject, folder: Path) -> Iterator[Rig]:
    """Start everything in an emptied folder, and end it all again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        farm = stack.enter_context(Farm(SCANNED, MAP_REGISTERS))
        broker = stack.enter_context(Broker(folder))
        listener = Listener(broker.port, subject.everything)
        stack.callback(listener.close)
        started_ns = time.monotonic_ns()
        if isinstance(subject, Thingsboard):
            stack.callback(Platform(broker.port).close)
        process = subject.start(Load(farm.ports), broker.port, folder)
        stack.callback(stop, process)
        yield Rig(subject, farm, broker, listener, process, folder, started_ns)


def _start(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start from the repository's root; what it says goes to subject.log."""
    with (folder / "subject.log").open("wb") as log:
        return subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
