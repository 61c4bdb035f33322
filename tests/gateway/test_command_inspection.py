"""campus-gateway inspection: what is sent, and what is shown."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.command_inspection import seconds_until
from gateway.runtime.door import Door
from gateway.runtime.inspections import inspections
from tests.gateway.rules.duty_day import Day, utc_ms
from tests.gateway.runtime.waiting import until
from tests.gateway.test_command_alarms import EXAMPLE, asked, nothing

LOOK = {"id": "look", "name": "日排查", "every": "day", "by": "16:30", "responsible": "周建国", "items": [{"id": "exits", "name": "出口"}]}


def school() -> Day:
    return Day("2026-09-01 06:30", add={"inspections": [LOOK]})


async def test_done(tmp_path: Path) -> None:
    status, (command,) = await asked(tmp_path, "inspection", "done", "look", "--by", "李明")
    assert (status, command.kind, command.target, command.by, command.value) == (0, "inspect", "look", "李明", "ok")


async def test_a_problem(tmp_path: Path) -> None:
    due = datetime.now(UTC).date() + timedelta(days=30)
    words = ["--problem", "exits", "--problem", "posters", "--note", "堆物", "--responsible", "王芳", "--due", due.isoformat()]
    status, (command,) = await asked(tmp_path, "inspection", "done", "look", "--by", "李明", *words)
    assert (status, command.value, command.points, command.why, command.second) == (0, "problem", ("exits", "posters"), "堆物", "王芳")
    assert (datetime.now(UTC) + timedelta(seconds=command.for_s)).date() == due
    _, (command,) = await asked(tmp_path, "inspection", "done", "look", "--by", "李明", "--problem", "--note", "堆物")
    assert (command.value, command.points, command.for_s) == ("problem", (), 0.0)


async def test_a_date_that_is_over_is_not_sent(tmp_path: Path) -> None:
    assert await asked(tmp_path, "inspection", "done", "look", "--due", "2020-01-01") == (1, [])


@pytest.mark.parametrize(("at", "expected_s"), [("2026-11-30T12:00", 86_400.0), ("2026-12-01T11:00", 3600.0), ("2026-12-01T15:00", 60.0)])
def test_until_a_date(at: str, expected_s: float) -> None:
    assert seconds_until(date(2026, 12, 1), datetime.fromisoformat(at).replace(tzinfo=UTC)) == expected_s


async def listed(state_dir: Path, rows: list[dict[str, Any]], *words: str) -> int:
    """Exit status of `inspection list`, where the daemon has these."""
    answers = {"inspections": lambda: rows}
    door = Door(state_dir / "door.sock", frozenset(), lambda readings: None, lambda command: (True, ""), answers, nothing)
    task = asyncio.get_running_loop().create_task(door.run())
    await until((state_dir / "door.sock").exists)
    code = await asyncio.to_thread(main, ["inspection", "list", *words, "--config", str(EXAMPLE), "--state-dir", str(state_dir)])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return code


async def test_the_list_of_a_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = school()
    (row,) = inspections(day.gateway.house, day.gateway.now())
    assert (row["state"], row["due"], row["done_at"], row["result"], row["place"]) == ("due", "2026-09-01T08:30:00.000Z", "", "", "")
    assert row["items"] == [{"item": "exits", "zh": "出口", "en": "出口"}]
    day.at("16:30")
    assert day.state("look/alarm") == "unacknowledged"
    decision = day.command("inspect", "look", "李明", value="problem", points=("exits",), why="堆物", for_s=86_400.0)
    assert decision.ok, decision.reply
    rows = inspections(day.gateway.house, day.gateway.now())
    assert (rows[0]["state"], rows[0]["by"], rows[0]["result"], rows[0]["wrong"]) == ("done", "李明", "problem", ["exits"])
    assert rows[0]["done_at"] == "2026-09-01T08:30:00.000Z"
    assert await listed(tmp_path, rows) == 0
    assert capsys.readouterr().out.strip() == (
        "look  done  each day  last 2026-09-01T08:30:00.000Z by 李明: problem: exits  日排查  日排查"
    )
    assert await listed(tmp_path, rows, "--json") == 0
    assert json.loads(capsys.readouterr().out) == rows
    assert await listed(tmp_path, []) == 0
    assert "[[inspections]]" in capsys.readouterr().out


def test_the_whole_gateway_through_a_power_cut() -> None:
    day = school()
    day.at("16:30")
    day.restart(60.0)
    day.at("16:40")
    assert day.state("look/alarm") == "unacknowledged"
    assert day.command("inspect", "", "李明", value="ok").ok, "there is only one"
    day.restart(60.0)
    (row,) = inspections(day.gateway.house, day.gateway.now())
    assert (row["state"], row["by"]) == ("done", "李明")
    types = [one.draft.type for one in day.gateway.said if one.draft.subject == "look"]
    assert types.count("campus.inspection.overdue") == types.count("campus.inspection.done") == 1
    assert day.gateway.now().at_ms > utc_ms("2026-09-01 16:40")


def test_a_refused_one_leaves_an_audit_event() -> None:
    day = school()
    decision = day.command("inspect", "look", "李明", value="problem")
    assert (decision.ok, decision.reply) == (False, "a problem needs a note: what is wrong, and where")
    assert [draft.type for draft in decision.drafts] == ["campus.audit.command"]


def test_a_problem_stands_in_the_ledger() -> None:
    day = Day("2026-09-01 06:30", add={"inspections": [LOOK], "hazards": {"responsible": "校长"}})
    decision = day.command("inspect", "look", "李明", value="problem", points=("exits",), why="二楼堆物", for_s=86_400.0)
    assert decision.ok, decision.reply
    (opened,) = [one.draft.data for one in day.gateway.said if one.draft.type == "campus.hazard.opened"]
    assert (opened["source"], opened["responsible"], opened["due"]) == ("inspection", "周建国", "2026-09-02")
    assert opened["zh"] == "日排查：出口；二楼堆物"
