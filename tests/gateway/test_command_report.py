"""campus-gateway report: list, show and a look at the period that is not over."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.core.errors import DoorRefused
from gateway.report import daily
from gateway.runtime.door import Door
from gateway.runtime.report_files import write
from tests.gateway.report.past import BEGIN_MS, END_MS, SITE, ZONE, Made, facts
from tests.gateway.runtime.waiting import until
from tests.gateway.test_command_alarms import EXAMPLE, nothing


def built() -> dict[str, Any]:
    past = Made()
    past.alarm("activated", 60)
    return {"report": "daily", "site": SITE, **daily.build(past, facts(), BEGIN_MS, END_MS, ZONE)}


def issued(folder: Path, number: int, **more: Any) -> bytes:
    told = {"number": number, "issued_at": "2026-11-22T09:30:05.000Z", "late": False} | more
    body = json.dumps(built() | told, ensure_ascii=False).encode()
    write(folder, "daily", number, body)
    return body


def said(folder: Path, *words: str) -> int:
    return main(["report", *words, "--config", str(EXAMPLE), "--state-dir", str(folder)])


def test_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(tmp_path, "list") == 0
    assert "none are issued" in capsys.readouterr().out
    issued(tmp_path, 1)
    issued(tmp_path, 2, nothing_happened=True, late=True)
    assert said(tmp_path, "list", "daily") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:4] == ["daily", "2", "2026-11-22", "17:30:05"]
    assert ("零报告" in first, "逾时" in first, "零报告" in second) == (True, True, False)
    assert said(tmp_path, "list", "--json") == 0
    assert [each["number"] for each in json.loads(capsys.readouterr().out)] == [2, 1]
    assert said(tmp_path, "list", "weekly", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_show_the_newest_or_one_by_its_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(tmp_path, "show", "daily") == 1
    assert "no daily report was issued yet" in capsys.readouterr().err
    first = issued(tmp_path, 1)
    issued(tmp_path, 2)
    assert said(tmp_path, "show", "daily") == 0
    text = capsys.readouterr().out
    assert text.startswith("日报 Daily report 第 2 号 no. 2\n实验小学")
    assert "实际报警 real alarms: 1" in text
    assert said(tmp_path, "show", "daily", "1", "--json") == 0
    assert capsys.readouterr().out.encode() == first + b"\n", "the very bytes"
    assert said(tmp_path, "show", "daily", "3") == 1
    assert "there is no daily report number 3" in capsys.readouterr().err


def test_show_a_drill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alarm: dict[str, Any] = {"name": {"zh": "一键报警", "en": "panic"}, "pressed_at": "2026-11-22T08:01:00.000Z"}
    alarm |= {"acknowledged_s": 12.5, "acknowledged_by": "赵敏"}
    totals = {"listed": 2, "pressed": 1, "real": 0, "slowest_received_s": 0.8, "slowest_acknowledged_s": None}
    drill = {
        "name": {"zh": "防暴演练", "en": "violence drill"}, "started_at": "2026-11-22T08:00:00.000Z", "lasted_s": 600.0,
        "totals": totals, "alarms": [alarm], "not_pressed": ["back"],
    }  # fmt: skip
    head = {
        "report": "drill",
        "number": 1,
        "site": SITE,
        "issued_at": "2026-11-22T08:10:05.000Z",
        "summary": {"zh": "演练结束", "en": "over"},
    }
    write(tmp_path, "drill", 1, json.dumps(head | {"drill": drill}).encode())
    assert said(tmp_path, "show", "drill") == 0
    shown = capsys.readouterr().out
    assert "防暴演练 violence drill  2026-11-22 16:00:00  600 s" in shown
    assert "2026-11-22 16:01:00  一键报警 panic  确认 acknowledged: 12.5 s 赵敏" in shown
    assert "未触发 not pressed: back" in shown


@pytest.mark.parametrize("makes", [True, False])
async def test_now_asks_the_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str], makes: bool) -> None:
    asked: list[object] = []

    async def report(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request["kind"])
        if not makes:
            raise DoorRefused("the clock was never set")
        return built()

    door = Door(tmp_path / "door.sock", frozenset(), lambda readings: None, lambda command: (True, ""), {}, nothing)
    door.report = report
    task = asyncio.get_running_loop().create_task(door.run())
    await until((tmp_path / "door.sock").exists)
    status = await asyncio.to_thread(said, tmp_path, "now", "daily")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    told = capsys.readouterr()
    assert (status, asked) == (0 if makes else 1, ["daily"])
    assert ("试算 preview" in told.out, "never set" in told.err) == (makes, not makes)
