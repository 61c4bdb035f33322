"""From the request to commit a press until its PUBLISH has crossed a real broker, beyond what the disk itself takes to sync.

The moment at the end is that at which a subscriber on loopback has read the message, so the figure is above the truth by the broker's own
part. The disk is asked in the same folder, by a process with the same preload, with as many bytes as one press adds to SQLite's log, half
before and half after the presses.

A press that finds the journal at rest waits for one sync. One that comes while a sync runs waits for what is left of that and then for its
own, in which everything that came meanwhile goes with it: never more than two syncs, however much else is committed. Both are measured.
SQLite folds its log into the file every thousand pages; what that takes is in the samples too.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

from tests.bench.figures import Figure, percentile
from tests.bench.listener import Listener
from tests.bench.machine import busy_core_s
from tests.bench.parts import Broker
from tests.bench.prove_receipt import slow_sync
from tests.bench.rig import NotMeasured, Result, Run, Say, noise
from tests.bench.uplink_rig import EVENTS, ID, REPOSITORY, Asked, Effort, site_text

LATER_MS = (0, 30, 150)
GOAL_MS = 5
BESIDE_PER_S = 20.0
GAP_S = (0.005, 0.025)  # before each press, by chance
ARRIVE_S = 20.0


def panic(effort: Effort, folder: Path, say: Say) -> Result:
    """Three disks, the journal at rest and among other events."""
    runs: list[Run] = []
    for later_ms in LATER_MS:
        for beside in (0.0, BESIDE_PER_S):
            run = once(later_ms, beside, effort, folder / f"{later_ms}-{beside:.0f}")
            runs.append({"measure": "panic", **run})
            say(
                f"syncs {later_ms} ms later, {beside:.0f} other events/s: commit to wire p50 {run['p50_ms']:.1f}, p99 {run['p99_ms']:.1f}, "
                f"worst {run['worst_ms']:.1f} ms; sync p50 {run['sync_p50_ms']:.1f}, p99 {run['sync_p99_ms']:.1f} ms"
            )
    rest = worst("uplink.panic_commit_over_fsync_p99_ms", [run for run in runs if not run["beside_per_s"]], 1)
    busy = worst("uplink.panic_among_others_over_two_fsyncs_p99_ms", [run for run in runs if run["beside_per_s"]], 2)
    return Result([rest, busy], runs)


def worst(name: str, runs: list[Run], syncs: int) -> Figure:
    """The worst of the three disks. syncs: how many a press has to wait for at most."""
    over_ms = {run["later_ms"]: run["p99_ms"] - syncs * run["sync_p99_ms"] for run in runs}
    told = "; ".join(
        f"{run['later_ms']} ms later: {over_ms[run['later_ms']]:.2f} (p99 {run['p99_ms']:.1f}, sync p99 {run['sync_p99_ms']:.1f}, "
        f"p50 {run['p50_ms']:.1f} and {run['sync_p50_ms']:.1f})"
        for run in runs
    )
    beside = f", {runs[0]['beside_per_s']:.0f} other events/s" if runs[0]["beside_per_s"] else ", journal at rest"
    note = f"worst of three; {told}; {runs[0]['presses']} presses each{beside}; subscriber at mosquitto; {noise(runs)}"
    return Figure(name, round(max(over_ms.values()), 2), "ms", f"<= {GOAL_MS}", note)


def once(later_ms: int, beside_per_s: float, effort: Effort, folder: Path) -> Run:
    """Presses on one disk."""
    folder.mkdir(parents=True)
    environment = {"LD_PRELOAD": str(slow_sync()), "SLOW_SYNC_MS": str(later_ms)}
    presses = effort.busy_presses if beside_per_s else effort.presses
    with ExitStack() as stack:
        broker = stack.enter_context(Broker(folder))
        site = folder / "site.toml"
        site.write_text(site_text(f"mqtt://127.0.0.1:{broker.port}", "5"))
        listener = stack.enter_context(closing(Listener(broker.port, EVENTS)))
        subject = stack.enter_context(Asked(["tests.bench.uplink_subject", str(site)], folder / "subject.log", environment))
        subject.ask(op="ready")
        size = int(subject.ask(op="press", count=3, beside_per_s=0.0)["commit_bytes"])
        began_s, busy_s = time.monotonic(), busy_core_s()
        syncs_ms = _syncs(folder, environment, size, presses // 2)
        asked: dict[str, int] = subject.ask(op="press", count=presses, beside_per_s=beside_per_s)["asked"]
        syncs_ms += _syncs(folder, environment, size, presses - presses // 2)
        busy = (busy_core_s() - busy_s) / (time.monotonic() - began_s)
        arrived: dict[str, int] = {}

        def all_here() -> bool:
            for message in listener.messages[len(seen) :]:
                seen.append(message.ns)
                if found := ID.search(message.payload):
                    arrived.setdefault(found[1].decode(), message.ns)
            return asked.keys() <= arrived.keys()

        seen: list[int] = []
        if not listener.wait_for(all_here, ARRIVE_S):
            raise NotMeasured(f"{len(asked.keys() - arrived.keys())} of {presses} presses did not arrive; see {folder}/subject.log")
    took_ms = [(arrived[name] - at_ns) / 1e6 for name, at_ns in asked.items()]
    return {
        "later_ms": later_ms,
        "beside_per_s": beside_per_s,
        "presses": presses,
        "commit_bytes": size,
        "p50_ms": percentile(took_ms, 50),
        "p99_ms": percentile(took_ms, 99),
        "worst_ms": max(took_ms),
        "sync_p50_ms": percentile(syncs_ms, 50),
        "sync_p99_ms": percentile(syncs_ms, 99),
        "machine_busy_cores": round(busy, 2),
    }


def _syncs(folder: Path, environment: dict[str, str], size: int, count: int) -> list[float]:
    """Milliseconds of `count` appends with fdatasync, as often apart as the presses are."""
    command = [sys.executable, "-m", "tests.bench.uplink_panic", str(folder), str(size), str(count)]
    done = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    found: list[float] = json.loads(done.stdout)
    return found


def _sync_here(folder: Path, size: int, count: int) -> list[float]:
    block = os.urandom(size)
    times_ms = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(count):
            time.sleep(random.uniform(*GAP_S))
            began_s = time.perf_counter()
            file.write(block)
            os.fdatasync(file.fileno())
            times_ms.append((time.perf_counter() - began_s) * 1000)
    return times_ms


if __name__ == "__main__":
    print(json.dumps(_sync_here(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
