"""campus-gateway drill, walk-test and maintenance, against a real control socket."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.core.commands import Command
from gateway.core.wire import Exchange, Outcome
from gateway.runtime.decide_tests import is_to_do, walk_tests
from gateway.runtime.door import Door
from tests.gateway.runtime.drilled import School
from tests.gateway.runtime.waiting import until

EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "demo-school.toml"


async def nothing(bus: str, exchange: Exchange) -> Outcome | None:
    raise AssertionError("no read is asked for")


async def asked(state_dir: Path, *words: str, pictures: dict[str, Any] | None = None) -> tuple[int, list[Command]]:
    """Exit status, and what the daemon was asked for."""
    commands: list[Command] = []

    def act(command: Command) -> tuple[bool, str]:
        commands.append(command)
        return True, f"{command.kind} done"

    told = {name: (lambda value=value: value) for name, value in (pictures or {}).items()}
    door = Door(state_dir / "door.sock", frozenset(), lambda readings: None, act, told, nothing)
    task = asyncio.get_running_loop().create_task(door.run())
    await until((state_dir / "door.sock").exists)
    status = await asyncio.to_thread(main, [*words, "--config", str(EXAMPLE), "--state-dir", str(state_dir)])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return status, commands


def ordered(kind: str, target: str = "", **more: Any) -> Command:
    return Command(kind, target, "赵敏", "technician", "door", **more)


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (
            ["drill", "start", "fire", "p", "q", "--for", "30min", "--announce", "5min"],
            ordered("start_drill", "fire", value="300", for_s=1800.0, points=("p", "q")),
        ),
        (["drill", "start", "quake", "p", "--for", "1h"], ordered("start_drill", "quake", value="60", for_s=3600.0, points=("p",))),
        (["drill", "end"], ordered("end_drill")),
        (["walk-test", "start", "p", "q"], ordered("start_test", for_s=600.0, points=("p", "q"))),
        (["walk-test", "end"], ordered("end_test")),
        (["walk-test", "end", "p"], ordered("end_test", points=("p",))),
        (
            ["maintenance", "start", "p", "--for", "2h", "--reason", "sensor"],
            ordered("start_maintenance", why="sensor", for_s=7200.0, points=("p",)),
        ),
        (["maintenance", "end", "p"], ordered("end_maintenance", points=("p",))),
    ],
)
async def test_what_is_sent(tmp_path: Path, words: list[str], command: Command) -> None:
    assert await asked(tmp_path, *words, "--by", "赵敏") == (0, [command])


def drilled() -> School:
    school = School()
    school.drill("panic", "hall")
    school.pass_time(12)
    school.press()
    school.settle("panic")
    school.ask("end_drill")
    return school


async def test_the_report_of_a_drill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, commands = await asked(tmp_path, "drill", "report", pictures={"drills": list(drilled().house.modes.reports)})
    told = capsys.readouterr().out
    assert (status, commands) == (0, [])
    assert "消防应急演练 fire drill" in told
    assert "panic/alarm  after 12.1 s; received: police 0 s; acknowledged: 李强 0 s; reset: 李强 0 s" in told
    assert "not pressed 未触发: hall" in told


async def test_no_drill_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (await asked(tmp_path, "drill", "report", pictures={"drills": []}))[0] == 0
    assert capsys.readouterr().out == "no drill was held yet\n"


async def test_which_tests_are_due_and_how_the_last_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    school = School()
    school.ask("start_test", "panic")
    school.press()
    school.settle("panic")
    school.restart(80 * 86_400.0)
    soon = walk_tests(school.house, school.now())
    school.restart(13 * 86_400.0)
    late = walk_tests(school.house, school.now())
    await asked(tmp_path, "walk-test", "--due", pictures={"walk_tests": soon})
    assert "panic  due in 12 days" in capsys.readouterr().out
    await asked(tmp_path, "walk-test", "--due", pictures={"walk_tests": late})
    assert "hall  OVERDUE for 1 days" in capsys.readouterr().out
    await asked(tmp_path, "walk-test", "--results", pictures={"walk_tests": late})
    assert capsys.readouterr().out.splitlines() == ["2026-11-20  panic  passed, by 李强  点  point"]


async def test_dates_are_those_of_the_school(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever this computer thinks it is: 16:30 UTC is the next day at the school."""
    at_ms = round(datetime(2027, 11, 22, 16, 30, tzinfo=UTC).timestamp() * 1000)
    row = {"point": "p", "zh": "x", "en": "x", "due": "soon", "in_days": 3, "due_ms": at_ms, "at_ms": at_ms, "passed_ms": at_ms,
           "result": "passed", "by": "y"}  # fmt: skip
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    try:
        for words in ("--due", "--results"):
            await asked(tmp_path, "walk-test", words, pictures={"walk_tests": [row]})
            assert capsys.readouterr().out.startswith("2027-11-23  p  ")
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_what_was_never_passed_is_listed_long_before_it_is_due(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    school = School()
    school.ask("start_test", "panic")
    school.press()
    school.settle("panic")
    rows = walk_tests(school.house, school.now())
    assert {row["point"]: row["due"] for row in rows} == {"panic": "later", "hall": "later"}
    assert [row["point"] for row in rows if is_to_do(row)] == ["hall"]
    await asked(tmp_path, "walk-test", "--due", pictures={"walk_tests": rows})
    (told,) = capsys.readouterr().out.splitlines()
    assert "hall  due in 92 days, not yet tested" in told
    await asked(tmp_path, "walk-test", "--due", pictures={"walk_tests": [row | {"result": "failed", "passed_ms": 0} for row in rows]})
    assert capsys.readouterr().out.count("last test failed") == 2
    await asked(tmp_path, "walk-test", "--due", pictures={"walk_tests": [row for row in rows if not is_to_do(row)]})
    assert capsys.readouterr().out.startswith("no walk test is due")


@pytest.mark.parametrize(
    "words",
    [["drill"], ["drill", "start", "dance", "p", "--for", "1h"], ["drill", "start", "fire", "--for", "1h"], ["maintenance", "start", "p"]],
)
def test_what_is_missing_is_asked_for(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(words)


def test_walk_test_alone_shows_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["walk-test"]) == 2
    assert "--due" in capsys.readouterr().out
