"""campus-gateway duty: what is sent, and what is shown."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.core.commands import Command
from gateway.runtime.door import Door
from gateway.runtime.duties import duties
from tests.gateway.rules.duty_day import Day
from tests.gateway.runtime.waiting import until
from tests.gateway.test_command_alarms import EXAMPLE, asked, nothing


def sent(kind: str, target: str = "", value: str = "", second: str = "") -> Command:
    return Command(kind, target, "李明", "technician", "door", value, second=second)


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["check-in", "east-post"], sent("check_in", "east-post")),
        (["check-in"], sent("check_in")),
        (["patrol", "boiler"], sent("patrol", value="boiler")),
        (["patrol", "boiler", "--of", "night"], sent("patrol", "night", "boiler")),
        (["answer"], sent("answer")),
        (["open-shift", "--taken-from", "周建国"], sent("open_shift", second="周建国")),
    ],
)
async def test_what_is_sent(tmp_path: Path, words: list[str], command: Command) -> None:
    assert await asked(tmp_path, "duty", *words, "--by", "李明") == (0, [command])


async def listed(state_dir: Path, rows: list[dict[str, object]], *words: str) -> int:
    """Exit status of `duty list`, where the daemon has these duties."""

    def status() -> dict[str, object]:
        return {"duties": rows}

    door = Door(state_dir / "door.sock", frozenset(), lambda readings: None, lambda command: (True, ""), {"status": status}, nothing)
    task = asyncio.get_running_loop().create_task(door.run())
    await until((state_dir / "door.sock").exists)
    code = await asyncio.to_thread(main, ["duty", "list", *words, "--config", str(EXAMPLE), "--state-dir", str(state_dir)])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return code


async def test_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = Day("2026-09-01 07:26")
    rows = duties(day.gateway.house, day.gateway.now())
    assert await listed(tmp_path, rows) == 0
    assert capsys.readouterr().out.splitlines() == [
        "DUTIES (2)",
        "  east-post  awaited  东门：等待到岗，最迟 07:31  east gate: awaited until 07:31",
        "  patrol  not due, today 0 of 5  校园巡逻：现在没有巡逻任务  school grounds: no round runs now",
    ]


async def test_the_list_as_json_and_of_a_site_without_duties(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await listed(tmp_path, [], "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    (tmp_path / "door.sock").unlink(missing_ok=True)
    assert await listed(tmp_path, []) == 0
    assert "the site file has no duties" in capsys.readouterr().out


def test_what_is_missing_is_asked_for() -> None:
    for words in (["duty"], ["duty", "patrol"], ["duty", "sleep"]):
        with pytest.raises(SystemExit):
            main(words)
