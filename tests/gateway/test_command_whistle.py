"""campus-gateway whistle and snapshot, against a real control socket."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.core.commands import Command
from gateway.runtime.door import Door
from tests.gateway.runtime.waiting import until
from tests.gateway.test_command_alarms import EXAMPLE, asked, nothing

WHISTLE = {
    "id": "departments",
    "zh": "联合处置",
    "en": "joint action",
    "blown_s": 400.0,
    "addressees": [
        {"name": "police", "recipient": True, "deadline_s": 300.0, "reported_s": None},
        {"name": "education", "recipient": True, "deadline_s": 600.0, "reported_s": 61.0},
        {"name": "李所长", "recipient": False, "deadline_s": 600.0, "reported_s": None},
    ],
}


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["whistle", "blow", "w", "--why", "闹事", "--by", "王"], Command("whistle", "w", "王", "technician", "door", why="闹事")),
        (["whistle", "report-in", "--by", "李所长"], Command("report_in", "", "李所长", "technician", "door")),
        (["whistle", "end", "w", "--why", "误报", "--by", "王"], Command("end_whistle", "w", "王", "technician", "door", why="误报")),
        (["snapshot", "gate-camera", "--by", "王"], Command("take_snapshot", "gate-camera", "王", "technician", "door")),
    ],
)
async def test_words_become_a_command(tmp_path: Path, words: list[str], command: Command) -> None:
    assert await asked(tmp_path, *words) == (0, [command])


def test_a_whistle_needs_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["whistle", "blow", "w"])
    assert "--why" in capsys.readouterr().err


async def listed(state_dir: Path, whistles: list[dict[str, Any]], *words: str) -> int:
    door = Door(state_dir / "door.sock", frozenset(), print, lambda command: (True, ""), {"whistles": lambda: whistles}, nothing)
    task = asyncio.get_running_loop().create_task(door.run())
    await until((state_dir / "door.sock").exists)
    status = await asyncio.to_thread(main, ["whistle", "list", "--config", str(EXAMPLE), "--state-dir", str(state_dir), *words])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return status


async def test_list_names_who_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = {**WHISTLE, "id": "quiet", "blown_s": None}
    assert await listed(tmp_path, [WHISTLE, quiet]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "departments  联合处置 (joint action)  blown 400 s ago",
        "  police  OVERDUE by 100 s",
        "  education  reported in after 61 s",
        "  李所长  missing, 200 s left",
        "quiet  联合处置 (joint action)  not blown",
        "  police  within 300 s",
        "  education  within 600 s",
        "  李所长  within 600 s",
    ]
    assert await listed(tmp_path, [WHISTLE], "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"whistles": [WHISTLE]}
    assert await listed(tmp_path, []) == 0
    assert "no whistle" in capsys.readouterr().out
