"""Records of units that failed: read, told, and over in time."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gateway.runtime.findings import SOON, WRONG
from gateway.runtime.unit_failures import FOLDER, STANDS_S, Failure, failures, judge_units, standing, watch

AT_S = 1_795_000_000.0


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    (tmp_path / FOLDER).mkdir()
    return tmp_path


def record(state_dir: Path, unit: str, text: str = "1795000000 watchdog killed ABRT\n", at_s: float = AT_S) -> Path:
    path = state_dir / FOLDER / unit
    path.write_text(text)
    os.utime(path, (at_s, at_s))
    return path


def test_as_the_units_write_them(state_dir: Path) -> None:
    record(state_dir, "campus-gateway")
    record(state_dir, "campus-backup", "1795000000 exit-code exited 1\n")
    assert failures(state_dir) == [
        Failure("campus-backup", AT_S, "exit-code exited 1"),
        Failure("campus-gateway", AT_S, "watchdog killed ABRT"),
    ]


def test_nothing_there_is_no_failure(tmp_path: Path) -> None:
    assert failures(tmp_path) == []
    assert standing(tmp_path, AT_S) == []


@pytest.mark.parametrize("text", ["", "\n", "1795000000", "\udcff" * 3, "x" * 5000])
def test_an_odd_record_is_a_failure_all_the_same(state_dir: Path, text: str) -> None:
    (state_dir / FOLDER / "campus-gateway").write_text(text, errors="surrogateescape")
    (found,) = failures(state_dir)
    assert found.unit == "campus-gateway"
    assert len(found.words) <= 80


def test_what_runs_for_ever_is_well_after_an_hour(state_dir: Path) -> None:
    path = record(state_dir, "campus-gateway")
    record(state_dir, "campus-backup")
    assert [failure.unit for failure in standing(state_dir, AT_S + STANDS_S - 1)] == ["campus-backup", "campus-gateway"]
    assert path.exists()
    assert [failure.unit for failure in standing(state_dir, AT_S + STANDS_S + 1)] == ["campus-backup"], "only its success ends a job's"
    assert not path.exists()


def test_the_daemon_tells_each_change_once(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.runtime.unit_failures.LOOK_S", 0.001)
    told: list[tuple[bool, str]] = []
    steps = iter([lambda: record(state_dir, "campus-backup"), lambda: (state_dir / FOLDER / "campus-backup").unlink()])

    async def play() -> None:
        over = asyncio.Event()

        def fault(active: bool, reason: str) -> None:
            told.append((active, reason))
            step = next(steps, None)
            over.set() if step is None else step()

        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch(state_dir, fault))
            await over.wait()
            watching.cancel()

    asyncio.run(asyncio.wait_for(play(), 20))
    assert [active for active, _ in told] == [False, True, False]
    assert told[1][1].startswith("campus-backup: ")


def test_doctor_names_them(state_dir: Path) -> None:
    record(state_dir, "campus-gateway")
    record(state_dir, "campus-backup")
    grades = {finding.where: finding.grade for finding in judge_units(state_dir, "holdover", "holdover")}
    assert grades == {"campus-backup": WRONG, "campus-gateway": SOON}, "the daemon is there again"
    assert {finding.grade for finding in judge_units(state_dir, "holdover", "")} == {WRONG}


def test_doctor_names_a_time_service_that_the_daemon_cannot_know(tmp_path: Path) -> None:
    assert [finding.where for finding in judge_units(tmp_path, "synchronised", "holdover")] == ["clock"]
    for clocks in (("synchronised", "synchronised"), ("holdover", "holdover"), ("synchronised", "")):
        assert list(judge_units(tmp_path, *clocks)) == []
