"""What an event costs in CPU seconds, from draft to the broker's PUBACK, beside a plain loop that signs, stores once and publishes."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack, closing
from pathlib import Path

from tests.bench.figures import Figure, median_ratio, span
from tests.bench.listener import Listener
from tests.bench.machine import busy_core_s
from tests.bench.parts import Broker
from tests.bench.rig import Result, Run, Say, noise
from tests.bench.uplink_rig import Asked, Effort, site_text

BURSTS = (1, 10)  # a single press, ten at once
GOAL = 2


def cost(effort: Effort, folder: Path, say: Say) -> Result:
    """Rounds of ours and the loop in turn at the same broker, in bursts of one and of ten; the worse of the two medians counts."""
    folder.mkdir(parents=True)
    runs: list[Run] = []
    with ExitStack() as stack:
        broker = stack.enter_context(Broker(folder))
        stack.enter_context(closing(Listener(broker.port, "#")))  # MQTT 5: what nobody subscribes to is no delivery
        site = folder / "site.toml"
        site.write_text(site_text(f"mqtt://127.0.0.1:{broker.port}", "5"))
        ours = stack.enter_context(Asked(["tests.bench.uplink_subject", str(site)], folder / "subject.log"))
        ours.ask(op="ready")
        words = ["tests.bench.uplink_loop", "--port", str(broker.port), "--file", str(folder / "loop.db")]
        loop = stack.enter_context(Asked(words, folder / "loop.log"))
        for number in range(-1, effort.cost_rounds):  # the first one warms both up and does not count
            for size in BURSTS:
                run = _round(ours, loop, size, max(1, effort.cost_events // size))
                say(f"cost in bursts of {size}: {run['ours_us']:.0f} us, the loop {run['loop_us']:.0f} us")
                if number >= 0:
                    runs.append({"measure": "cost", "round": number, **run})
    return Result([_figure(runs)], runs)


def _round(ours: Asked, loop: Asked, size: int, bursts: int) -> Run:
    began_s, busy_s = time.monotonic(), busy_core_s()
    ours_s = ours.ask(op="events", bursts=bursts, size=size)["cpu_s"]
    loop_s = loop.ask(bursts=bursts, size=size)["cpu_s"]
    busy = (busy_core_s() - busy_s) / (time.monotonic() - began_s)
    each = 1e6 / (bursts * size)
    return {"burst": size, "ours_us": ours_s * each, "loop_us": loop_s * each, "machine_busy_cores": round(busy, 2)}


def _figure(runs: list[Run]) -> Figure:
    ratios: dict[int, float] = {}
    told = []
    for size in BURSTS:
        ours, loop = ([run[name] for run in runs if run["burst"] == size] for name in ("ours_us", "loop_us"))
        ratios[size] = median_ratio(ours, loop)
        each = [mine / theirs for mine, theirs in zip(ours, loop, strict=True)]
        told.append(
            f"bursts of {size}: {ratios[size]:.2f} ({span(each)}), "
            f"{statistics.median(ours):.0f} and {statistics.median(loop):.0f} us an event"
        )
    note = f"{'; '.join(told)}; the loop neither chains, nor notes who has it, nor resends; {noise(runs)}"
    return Figure("uplink.cost_over_signed_stored_loop", round(max(ratios.values()), 2), "ratio", f"<= {GOAL}", note)
