"""The bus benchmark's arithmetic and site files, its field and masters on a real pty, and one very short run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import load_site
from gateway.runtime.equipment import drivers_of, plans_of
from simulators import profiles
from simulators.modbus import rtu_frame
from tests.bench.bus_field import PROFILES, devices_of
from tests.bench.bus_holes import MAP_REGISTERS, POINTS, Blocks, Tags, holes_figures, peer_here
from tests.bench.bus_pace import BAUDS, OURS, PEER, POLLS, C, commands, pace_figures, pace_once
from tests.bench.bus_panic import ANSWER_S, panic_figures, promised
from tests.bench.bus_rig import Effort, LineField
from tests.bench.bus_site import BUTTONS, LATE_UNIT, METERS, holes_site, panic_site
from tests.bench.bus_thingsboard import configuration
from tests.bench.rig import NotMeasured
from tests.bench.subjects import REPOSITORY
from tests.real_parts import missing, need

LIMITS = {"di": (34.4, 58.7, 101.7), "registers": (19.7, 35.8, 85.8)}  # polls a second, worked out beforehand at 5 ms
HOLES = (2, 40)
GROUPS = (4, 16)


@pytest.fixture
def parts() -> None:
    """All system programs that a run needs."""
    need("mosquitto", package="mosquitto")
    need("gcc", package="gcc")
    pkg_config = need("pkg-config", package="pkg-config")
    if subprocess.run([pkg_config, "--exists", "libmodbus"], check=False).returncode:
        missing("libmodbus is not installed: apt-get install libmodbus-dev")


# --- arithmetic ----------------------------------------------------------------------------------


def test_the_limit_is_that_of_the_wire() -> None:
    for poll in POLLS:
        assert tuple(round(poll.limit_per_s(baud), 1) for baud in BAUDS) == LIMITS[poll.name]


def _pace_run(subject: str, baud: int, poll: str, **figures: Any) -> dict[str, Any]:
    usual = {"share": 0.97, "cpu_ms_a_poll": 1.0, "short_silence": 0, "errors": 0, "machine_busy_cores": 0.5}
    return {"subject": subject, "baud": baud, "poll": poll, **usual, **figures}


def test_pace_takes_the_median_share_and_sums_only_our_short_silences() -> None:
    runs = []
    for baud in BAUDS:
        for poll in POLLS:
            runs += [_pace_run(OURS, baud, poll.name, share=share, cpu_ms_a_poll=0.4) for share in (0.90, 0.985, 0.99)]
            runs += [_pace_run(PEER, baud, poll.name, short_silence=7)] * 3
    runs[0]["short_silence"] = 2
    worst = next(run for run in runs if (run["subject"], run["baud"], run["poll"]) == (OURS, 115200, "di"))
    worst["cpu_ms_a_poll"] = 0.9  # one round of three: the median of that setting stays
    found = {figure.name: figure for figure in pace_figures(runs)}
    assert len(found) == 8
    assert found["bus.share_of_limit.9600.di"].value == 0.985
    assert [found[f"bus.share_of_limit.{baud}.registers"].goal for baud in BAUDS] == [">= 0.98", ">= 0.97", ">= 0.95"]
    assert found["bus.short_silence"].value == 2
    assert not found["bus.short_silence"].met
    assert found["bus.cpu_over_pymodbus"].value == 0.4
    assert "pymodbus 0.9700" in found["bus.share_of_limit.9600.di"].note
    assert C not in found["bus.share_of_limit.9600.di"].note


def test_the_worst_setting_is_named() -> None:
    runs = [_pace_run(name, baud, poll.name) for name in (OURS, PEER) for baud in BAUDS for poll in POLLS]
    for run in runs:
        if run["subject"] == OURS:
            run["cpu_ms_a_poll"] = 0.75 if (run["baud"], run["poll"]) == (19200, "di") else 0.25
    figure = pace_figures(runs)[-1]
    assert (figure.name, figure.value) == ("bus.cpu_over_pymodbus", 0.25)
    assert "worst 0.75 at 19200 di" in figure.note


def test_panic_is_judged_by_the_worst_press() -> None:
    run = {"promised_ms": 200.0, "delay_ms": [50.0, 190.0, 60.0], "requests": 9, "strangers": 1, "short_silence": 0}
    use = {"cpu_share": 0.01, "machine_busy_cores": 0.2}
    promise, ratio = panic_figures({**run, **use})
    assert (promise.name, promise.value, promise.met) == ("bus.panic_promised_ms.9600", 200.0, True)
    assert (ratio.value, ratio.met) == (0.95, True)
    assert "0 lost" in ratio.note
    lost = panic_figures({**run, **use, "delay_ms": [50.0, ANSWER_S * 1000]})[1]
    assert not lost.met
    assert "1 lost" in lost.note


def _scan_run(subject: str, requests_per_s: float, still: float, churn: float) -> dict[str, Any]:
    usual = {"requests_per_s": requests_per_s, "values_per_s": 2000.0, "machine_busy_cores": 0.4}
    return {"subject": subject, "still": {**usual, "cpu_share": still}, "churn": {**usual, "cpu_share": churn}}


def test_the_ratios_are_peer_over_ours() -> None:
    runs = [_scan_run("tags", 2000.0, 0.2, 0.3), _scan_run("gateway", 160.0, 0.02, 0.05)]
    requests, cpu = holes_figures(runs)
    assert (requests.name, requests.value) == ("bus.requests_ratio", 12.5)
    assert (cpu.name, cpu.value) == ("bus.cpu_ratio", 6.0)
    assert "nothing changing 10.00" in cpu.note


# --- profiles and site files ---------------------------------------------------------------------


def test_the_map_has_holes_as_it_says() -> None:
    entries = tomllib.loads((PROFILES / "bench-holes.toml").read_text())["signals"]
    words = [2 if entry["type"] == "u32" else 1 for entry in entries]
    spans = [(entry["address"], entry["address"] + entry["repeat"]["count"] * size) for entry, size in zip(entries, words, strict=True)]
    holes = [later[0] - earlier[1] for earlier, later in pairwise(spans)]
    assert (min(holes), max(holes)) == HOLES
    assert all(GROUPS[0] <= end - begin <= GROUPS[1] for begin, end in spans)
    assert spans[-1][1] == MAP_REGISTERS
    assert len(profiles.load("bench-holes", [PROFILES]).signals) == POINTS


def test_the_holes_site_asks_in_few_blocks(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(holes_site(range(2000, 2020), 1883))
    settings = load_site(file)
    plans = plans_of(settings, drivers_of(settings))
    assert len(plans) == 20
    for blocks in plans.values():
        assert sum(len(block.points) for block in blocks) == POINTS
        assert {block.period_s for block in blocks} == {1.0}
        assert len(blocks) <= POINTS / 8


def test_the_panic_site_is_promised_in_time(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(panic_site(tmp_path / "line", 9600, 1883))
    blocks = plans_of(load_site(file), drivers_of(load_site(file)))["line"]
    assert len(blocks) == METERS + 1
    assert [(block.timeout_s, block.delay_s) for block in blocks if block.unit == LATE_UNIT] == [(0.1, 0.09)]
    assert len({point for block in blocks if block.wire_class == 0 for point in block.points}) == BUTTONS
    assert 60 < promised(file) <= 250


def test_a_site_that_check_refuses_is_not_measured(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(panic_site(tmp_path / "line", 1200, 1883))
    with pytest.raises(NotMeasured, match="check refuses the site: would be used at"):
        promised(file)


def test_values_of_both_subjects_have_the_same_names() -> None:
    theirs = Tags().values("tags/scan/3", b'{"device": 3, "at_ms": 1, "values": {"r99": 7}}')
    ours = Blocks().values("campus/v1/bench/gate/telemetry", b'{"values": {"scan-3-r99": 7}}')
    assert theirs == ours == {"scan-3-r99": 7}


def test_the_peer_is_thingsboard_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert peer_here().name == "tags"
    program = tmp_path / "thingsboard-gateway"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    peer = peer_here()
    assert peer.name == "thingsboard"
    told = b'{"scan-3": [{"ts": 5, "values": {"r99": 7}}], "scan-4": [{"ts": 5, "r0": 1}]}'
    assert peer.values("v1/gateway/telemetry", told) == {"scan-3-r99": 7, "scan-4-r0": 1}


def test_thingsboard_is_asked_for_every_number() -> None:
    files: dict[str, Any] = configuration(range(2000, 2020), 1000, 1883)
    slaves = files["modbus.json"]["master"]["slaves"]
    assert [slave["port"] for slave in slaves] == list(range(2000, 2020))
    assert {len(slave["timeseries"]) for slave in slaves} == {POINTS}
    assert {(tag["type"], tag["objectsCount"]) for tag in slaves[0]["timeseries"]} == {("16uint", 1), ("32uint", 2)}


# --- the field -----------------------------------------------------------------------------------


def test_units_and_the_late_one() -> None:
    devices = devices_of(["1:bench-inputs", "5-7:bench-meter"], ["6:90"])
    assert list(devices) == [1, 5, 6, 7]
    assert {unit: device.fault.ms for unit, device in devices.items() if device.fault} == {6: 85}


def test_the_field_counts_answers_strangers_and_short_silences(tmp_path: Path) -> None:
    def ask(unit: int) -> bytes:
        os.write(port, rtu_frame(unit, bytes.fromhex("0200000008")))
        received = b""
        while unit == 1 and len(received) < 6:
            received += os.read(port, 64)
        return received

    with LineField(tmp_path, 9600, ["1:bench-inputs"]) as field:
        port = os.open(field.link, os.O_RDWR | os.O_NOCTTY)
        try:
            assert field.ask("stats")["requests"] == 0
            assert ask(1)[3] == 0
            set_ns = field.ask("set 1 di3 1")["ns"]
            assert ask(1)[3] == 0b100  # at once: far sooner than the 4 ms of silence
            ask(2)
            while (stats := field.ask("stats"))["strangers"] == 0:
                pass
            assert (stats["requests"], stats["answers"]) == (2, 2)
            assert stats["short_silence"] >= 1
            assert set_ns < stats["last_ns"] < time.monotonic_ns()
            with pytest.raises(ValueError, match="unknown command"):
                field.ask("dance")
        finally:
            os.close(port)
    assert not field.link.is_symlink()


def test_a_field_that_does_not_come_up_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotMeasured, match="status"):
        LineField(tmp_path / "no-such-folder", 9600, ["1:bench-inputs"])


# --- real parts ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", [OURS, PEER, C])
def test_each_master_keeps_the_line_busy(parts: None, tmp_path: Path, name: str) -> None:
    run = pace_once(commands()[name], 19200, POLLS[1], Effort(settle_s=0.0, pace_s=0.5), tmp_path / "pace")
    assert run["polls"] > 5
    assert 0.3 < run["share"] <= 1.05
    assert run["cpu_ms_a_poll"] > 0
    assert run["errors"] <= 1  # a request may be on the wire when the master is ended
    assert run["bad_frames"] == 0


@pytest.mark.slow
def test_a_master_that_says_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotMeasured, match=r"does not poll; its last words: .*no such thing"):
        pace_once(lambda *_: [sys.executable, "-c", "raise SystemExit('no such thing')"], 9600, POLLS[0], Effort(), tmp_path / "pace")


@pytest.mark.slow
def test_a_short_run_of_one_measure_writes_its_file(parts: None, tmp_path: Path) -> None:
    out = tmp_path / "bench" / "bus.json"
    command = [sys.executable, "-m", "tests.bench.bus", "--quick", "--only", "holes", "--out", str(out)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert set(report) == {"machine", "figures", "runs"}
    assert [figure["name"] for figure in report["figures"]] == ["bus.requests_ratio", "bus.cpu_ratio"]
    assert report["figures"][0]["value"] > 1
    assert {run["subject"] for run in report["runs"]} == {"tags", "gateway"}
    assert "bus.requests_ratio" in done.stdout
    assert [file.name for file in out.parent.iterdir()] == ["bus.json"]


@pytest.mark.slow
def test_the_end_of_a_benchmark_ends_its_field(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.bench.bus", "--quick", "--only", "pace", "--out", str(tmp_path / "bus.json")]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        words = process.stderr.readline().decode()
        if "is not installed" in words:
            missing(words)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 143
    assert list(tmp_path.iterdir()) == []
