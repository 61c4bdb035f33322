"""The whole demo: every process real, its exit status and last line, and nothing left behind after Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulators.demo_story import CAUSES

DEADLINE_S = 100.0


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "simulators.demo", "--dir", str(folder), "--json", *options]


def running(folder: Path) -> list[str]:
    """Command lines that name this run's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").replace("\0", " ")
        except OSError:
            continue
        if str(folder) in words and int(entry.name) != os.getpid():
            found.append(words)
    return found


@pytest.mark.slow
def test_every_cause_reaches_the_centre_once(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = subprocess.run(command(folder, "--seconds", "15"), capture_output=True, text=True, timeout=DEADLINE_S)
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    summary = lines[-1]["summary"]
    assert set(lines[-1]) == {"summary"}
    assert set(summary) == {"caused", "received", "lost", "duplicated", "resent", "delay_ms"}
    assert (summary["caused"], summary["received"], summary["lost"], summary["duplicated"]) == (len(CAUSES), len(CAUSES), 0, 0)
    delay = summary["delay_ms"]
    assert 0 < delay["p50"] <= delay["p99"] <= delay["max"]
    answered = {line["cause"] for line in lines if line.get("kind") == "event" and line["cause"]}
    assert answered == {cause.id for cause in CAUSES}
    assert running(folder) == []


@pytest.mark.slow
def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with (
        (tmp_path / "err").open("wb") as err,
        subprocess.Popen(command(folder, "--seconds", "300"), stdout=subprocess.PIPE, stderr=err) as demo,
    ):
        assert demo.stdout is not None
        assert json.loads(demo.stdout.readline())
        assert any("simulators.centre" in words for words in running(folder))
        demo.send_signal(signal.SIGINT)
        assert demo.wait(DEADLINE_S) == 130
    assert running(folder) == []
    assert "Traceback" not in (tmp_path / "err").read_text()


@pytest.mark.slow
def test_a_part_that_dies_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with (
        (tmp_path / "err").open("wb") as err,
        subprocess.Popen(command(folder, "--seconds", "300"), stdout=subprocess.PIPE, stderr=err) as demo,
    ):
        assert demo.stdout is not None
        assert json.loads(demo.stdout.readline())
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[1:5] == [b"-u", b"-m", b"simulators.centre", b"run"] and str(folder).encode() in b" ".join(words):
                os.kill(int(entry.name), signal.SIGKILL)
        assert demo.wait(DEADLINE_S) == 2
    assert "centre ended early" in (tmp_path / "err").read_text()
    assert running(folder) == []
