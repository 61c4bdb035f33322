"""The uplink's benchmark: its arithmetic, and very short real runs of each measure."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.broker import Kind
from tests.bench.rig import Run
from tests.bench.uplink_cost import cost
from tests.bench.uplink_drain import BROKER, Filled, once
from tests.bench.uplink_panic import once as press
from tests.bench.uplink_panic import worst
from tests.bench.uplink_rig import Effort, fill
from tests.real_parts import need

TINY = Effort(backlog=300, presses=3, busy_presses=2, cost_rounds=1, cost_events=20)


def pressed(later_ms: int, p99_ms: float, sync_p99_ms: float) -> Run:
    """What one disk gave."""
    return {
        "later_ms": later_ms, "beside_per_s": 0.0, "presses": 9, "p50_ms": 1.0, "p99_ms": p99_ms, "sync_p50_ms": 1.0,
        "sync_p99_ms": sync_p99_ms, "machine_busy_cores": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize(("syncs", "value"), [(1, 7.0), (2, 1.5)])
def test_the_worst_of_the_disks_counts(syncs: int, value: float) -> None:
    runs = [pressed(0, 2.0, 0.25), pressed(30, 38.0, 31.0), pressed(150, 155.0, 151.0)]
    assert worst("uplink.panic", runs, syncs).value == value


@pytest.mark.slow
@pytest.mark.parametrize("beside_per_s", [0.0, 50.0])
def test_presses_on_a_slow_disk(tmp_path: Path, beside_per_s: float) -> None:
    need("mosquitto", package="mosquitto")
    need("gcc", package="gcc")
    run = press(20, beside_per_s, TINY, tmp_path / "run")
    assert run["sync_p50_ms"] >= 20
    assert run["p50_ms"] >= 20  # no press is published before it is on the disk
    assert run["commit_bytes"] >= 4096


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "recipient"), [("mosquitto", BROKER), ("nats", "police")])
def test_a_small_backlog_is_drained(tmp_path: Path, kind: Kind, recipient: str) -> None:
    need("mosquitto", package="mosquitto")
    key = fill(tmp_path / "filled", TINY.backlog, recipient)
    run = once(kind, Filled(tmp_path / "filled", TINY.backlog, recipient, key), tmp_path / "run", lambda words: None)
    assert run["until"] == ("received" if recipient == "police" else "broker-acknowledged")
    assert run["lost"] == 0
    assert run["per_s"] > 0
    assert run["rss_peak_mb"] >= run["rss_before_mb"] > 10


@pytest.mark.slow
def test_the_cost_of_an_event(tmp_path: Path) -> None:
    need("mosquitto", package="mosquitto")
    result = cost(TINY, tmp_path / "run", lambda words: None)
    assert [run["burst"] for run in result.runs] == [1, 10]
    assert all(run["ours_us"] > 0 < run["loop_us"] for run in result.runs)
    assert result.figures[0].value > 0
