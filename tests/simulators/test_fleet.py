"""Fleets of a few gateways on real brokers; the far end counts by id."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.broker import find
from simulators.errors import SimError
from simulators.fleet_cluster import Cluster
from simulators.fleet_run import main, spread
from tests.real_parts import missing

WITHIN_S = 60.0


@pytest.fixture(autouse=True)
def _a_broker_is_there() -> None:
    try:
        find("nats")
    except SimError as error:
        missing(str(error))


def fleet(*words: str, status: int = 0) -> dict[str, object]:
    """The figures of one run that must end with `status`."""
    done = subprocess.run(
        [sys.executable, "-m", "simulators", "fleet", "--json", "--within", "40", *words],
        capture_output=True, text=True, timeout=2 * WITHIN_S, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    ready, figures = done.stdout.splitlines()
    assert ready.startswith("ready ")
    return dict(json.loads(figures))


def nothing_lost(figures: dict[str, object], gateways: int, caused: int) -> None:
    assert figures["gateways"] == figures["connected"] == gateways
    assert figures["caused"] == figures["received"] == caused
    assert (figures["lost"], figures["owed"], figures["bad"]) == (0, 0, [])


def test_one_broker_and_an_ear() -> None:
    figures = fleet("--nodes", "1", "--gateways", "4", "--seconds", "1", "--events-per-minute", "300")
    nothing_lost(figures, 4, 20)
    assert figures["receipt_ms"] == {}, "nobody answers"


def test_one_broker_and_the_centre() -> None:
    figures = fleet("--nodes", "1", "--gateways", "4", "--seconds", "1", "--events-per-minute", "300", "--receipts")
    nothing_lost(figures, 4, 20)
    assert set(dict(figures["receipt_ms"])) == {"p50", "p99", "max"}  # type: ignore[call-overload]


@pytest.mark.slow
def test_a_node_of_three_is_killed() -> None:
    words = ("--gateways", "10", "--seconds", "4", "--events-per-minute", "300", "--kill-node-after", "1", "--down", "1", "--receipts")
    figures = fleet(*words)
    nothing_lost(figures, 10, 200)
    assert isinstance(figures["fewest"], int)
    assert figures["fewest"] < 10
    assert isinstance(figures["sessions_lost"], int)
    assert figures["sessions_lost"] > 0


def test_what_does_not_arrive_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An ear that drops every third event: the count must not come out even."""
    from simulators.fleet_far_end import Ear

    take, heard = Ear._take, []

    def forgetful(ear: Ear, payload: object) -> None:
        heard.append(payload)
        if len(heard) % 3:
            take(ear, payload)

    monkeypatch.setattr(Ear, "_take", forgetful)
    words = "--nodes 1 --gateways 2 --seconds 1 --events-per-minute 270 --within 1 --json"
    assert main(words.split()) == 1
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figures["caused"], figures["received"], figures["lost"]) == (9, 6, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--broker mqtt://bus.example:1883", "on loopback only"),
        ("--broker mqtts://127.0.0.1:8883", "on loopback only"),
        ("--broker mqtt://127.0.0.1:1 --kill-node-after 1", "leave --broker out"),
        ("--kill-node-after 1 --kill-node 4", "nodes 1 to 3"),
        ("--nodes 2", "1, 3 or 5"),
        ("--gateways 100000000", "ulimit -n"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    assert said in capsys.readouterr().err


def test_spread() -> None:
    assert spread([]) == {}
    assert spread([3.0]) == {"p50": 3.0, "p99": 3.0, "max": 3.0}
    assert spread(range(1000)) == {"p50": 500, "p99": 990, "max": 999}


def test_the_table_of_the_readme_is_what_the_arithmetic_prints() -> None:
    centre = Path(__file__).parents[2] / "deploy" / "centre"
    printed = subprocess.run(
        [sys.executable, str(centre / "sizing.py")], capture_output=True, text=True, check=True, timeout=WITHIN_S
    ).stdout
    assert printed.count("| busiest day: stored messages |") == 2
    assert printed.strip() in (centre / "README.md").read_text(encoding="utf-8")


def test_the_cluster_of_the_fleet_is_made_as_the_shipped_one(tmp_path: Path) -> None:
    cluster = Cluster(3, tmp_path)
    shipped = (Path(__file__).parents[2] / "deploy" / "centre" / "campus-bus.conf").read_text()
    made = (tmp_path / "node-1.conf").read_text()
    for setting in ("sync_interval: always", "stream_replicas: 3", "max_ack_pending: 1000", "default_max_consumers: 10000"):
        assert setting in made
        assert setting in shipped
    assert len(cluster.urls) == 3
