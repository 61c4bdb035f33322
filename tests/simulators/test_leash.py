from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from simulators.leash import Leashed

PATIENT = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print("tidied up", flush=True), sys.exit()))
print("there", flush=True)
signal.pause()
"""


def patient(log: Path) -> Leashed:
    """A child that is ready for its SIGTERM."""
    child = Leashed([sys.executable, "-c", PATIENT], log)
    while "there" not in log.read_text():
        assert child.running
    return child


def test_stop_lets_the_child_tidy_up_and_waits_for_it(tmp_path: Path) -> None:
    child = patient(tmp_path / "log")
    child.stop()
    assert not child.running
    assert not Path(f"/proc/{child.pid}").exists()
    assert "tidied up" in (tmp_path / "log").read_text()


def test_kill_gives_it_no_time(tmp_path: Path) -> None:
    child = patient(tmp_path / "log")
    child.kill()
    assert not Path(f"/proc/{child.pid}").exists()
    assert "tidied up" not in (tmp_path / "log").read_text()


def test_a_child_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    child = Leashed([sys.executable, "-c", "pass"], tmp_path / "log")
    while child.running:
        os.sched_yield()
    child.stop()
    child.stop()


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot start /nowhere/broker"):
        Leashed(["/nowhere/broker"], tmp_path / "log")
