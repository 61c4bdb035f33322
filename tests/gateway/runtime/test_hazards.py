"""The ledger within the whole gateway: routing of commands, inspections that find something, the journal, what is shown."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import load_site
from gateway.core.commands import Command
from gateway.core.hazards import HAZARD_STATES
from gateway.journal.history import JournalHistory
from gateway.journal.store import JOURNAL_NAME, NO_SUM
from gateway.report.hazard_ledger import ENTRIES
from gateway.runtime.daemon import Daemon
from gateway.runtime.hazards import counts, hazards, mend, not_closed, not_closed_count, overdue
from tests.gateway.contract.published import data_problems
from tests.gateway.report.test_hazard_ledger import Events
from tests.gateway.rules.duty_day import NO_PATROL, Day
from tests.gateway.rules.ledger import chain_problem
from tests.gateway.runtime.waiting import until

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "demo-school.toml"
LEDGER: dict[str, Any] = {"hazards": {"responsible": "王建国", "place": "duty-room"}}
INSPECTION = {"id": "round", "name": "日排查", "every": "day", "responsible": "周建国", "items": [{"id": "lamp", "name": "灯"}]}


def day(add: dict[str, Any] = LEDGER) -> Day:
    return Day("2026-09-01 09:00", NO_PATROL, add)


def opened(here: Day, place: str = "east-gate", due: str = "2026-09-02") -> Any:
    return here.command("open_hazard", place, "周建国", value=due, why="门锁损坏", second="赵强")


def entries(here: Day) -> list[Any]:
    return [one.draft for one in here.gateway.said if one.draft.type.startswith("campus.hazard.")]


def test_a_command_names_a_place_or_a_hazard_and_finds_its_rule() -> None:
    here = day()
    decision = opened(here)
    assert (decision.ok, decision.reply) == (True, "hz-1 is open: 门锁损坏, 赵强, 2026-09-02")
    assert here.command("assign_hazard", "hz-1", "李明", "duty_leader").ok
    assert not here.command("close_hazard", "hz-1", "李明", "duty_leader").ok
    assert chain_problem([draft.data for draft in entries(here)]) == ""
    assert here.gateway.said[-1].draft.type == "campus.audit.command", "each is on record with its person, also a refused one"


def test_a_site_without_a_ledger_says_so() -> None:
    here = day({})
    assert opened(here).reply == "this site has nothing that takes open hazard"
    assert (hazards(here.gateway.house, here.gateway.now()), counts(here.gateway.house), overdue(here.gateway.house)) == ([], {}, 0)


def test_an_inspection_with_a_problem_opens_one() -> None:
    here = day({**LEDGER, "inspections": [INSPECTION]})
    asked = {"value": "problem", "points": ("lamp",), "why": "不亮", "second": "赵强", "for_s": 3 * 86_400.0}
    assert here.command("inspect", "round", "周建国", **asked).ok
    (row,) = hazards(here.gateway.house, here.gateway.now())
    assert (row["source"], row["responsible"], row["due"], row["steps"][0]["by"]) == ("inspection", "赵强", "2026-09-04", "周建国")
    again = here.command("inspect", "round", "周建国", **asked)
    assert again.reply == "round: problem, by 周建国, to be put right by 赵强; hz-1 stands for it already: 赵强, 2026-09-04"
    assert len(hazards(here.gateway.house, here.gateway.now())) == 1


def test_a_page_shows_the_most_urgent() -> None:
    here = day()
    for due in ("2026-09-05", "2026-09-03", "2026-09-04"):
        opened(here, due=due)
    assert [row["due"] for row in not_closed(here.gateway.house, here.gateway.now(), 2)] == ["2026-09-03", "2026-09-04"]
    assert not_closed_count(here.gateway.house) == 3


def test_an_inspection_without_a_ledger_is_done_all_the_same() -> None:
    here = day({"inspections": [INSPECTION]})
    assert here.command("inspect", "round", "周建国", value="problem", why="不亮", second="赵强", for_s=86_400.0).ok


def test_it_outlives_a_power_cut() -> None:
    here = day()
    opened(here)
    before = hazards(here.gateway.house, here.gateway.now())
    here.restart(60.0)
    assert hazards(here.gateway.house, here.gateway.now()) == before
    assert here.command("assign_hazard", "hz-1", "李明", "duty_leader").ok
    assert chain_problem([draft.data for draft in entries(here)]) == ""


def lost(here: Day, said: list[dict[str, Any]], row: Any) -> bool:
    here.gateway.house.school.restore("hazards", row)
    return mend(here.gateway.house, Events(said), set_aside=False)


@pytest.mark.parametrize("row", [{"hazards": 5}, [], {"hazards": [{"state": "strange"}], "closed": [], "number": 1}])
def test_a_damaged_ledger_is_made_anew_from_its_entries(row: Any) -> None:
    here = day()
    opened(here)
    opened(here)
    assert here.command("assign_hazard", "hz-1", "李明", "duty_leader").ok
    said, before = [draft.data for draft in entries(here)], hazards(here.gateway.house, here.gateway.now())
    assert lost(here, said, row)
    assert hazards(here.gateway.house, here.gateway.now()) == before
    here.at("09:05")
    assert here.state("hazards/alarm") == "unacknowledged", "somebody has to know of it"
    assert opened(here).reply.startswith("hz-3 is open")
    assert chain_problem([draft.data for draft in entries(here)]) == ""
    assert here.command("acknowledge", "hazards/alarm").ok
    assert here.state("hazards/alarm") == "normal"


def test_a_ledger_that_can_be_read_is_left_alone() -> None:
    here = day()
    opened(here)
    row = here.gateway.house.school.rules["hazards"].row(here.gateway.house.school.states["hazards"], here.gateway.now())
    assert not lost(here, [], row)
    assert not mend(here.gateway.house, Events([]), set_aside=True)
    assert lost(here, [], {}), "nothing to make it from: said all the same"
    assert hazards(here.gateway.house, here.gateway.now()) == []


def test_a_ledger_of_a_journal_that_was_set_aside() -> None:
    here, new = day(), day()
    opened(here)
    assert mend(new.gateway.house, Events([draft.data for draft in entries(here)]), set_aside=True)
    assert [row["hazard"] for row in hazards(new.gateway.house, new.gateway.now())] == ["hz-1"]


async def test_a_daemon_begins_with_a_ledger_that_it_cannot_read(tmp_path: Path) -> None:
    settings = load_site(EXAMPLE, state_dir=str(tmp_path))
    first = Daemon(settings, spawn_vision=False)
    first.writer.start()
    first.conveyor.start(first.writer)
    place = next(iter(settings.site.places))
    due = first.house.timetable.local_date(first.clock.now().at_ms + 86_400_000).isoformat()
    for _ in range(2):
        asked = Command("open_hazard", place, "周建国", "technician", "door", due, "门锁损坏", second="赵强")
        assert first.conveyor.stimulate(asked).ok
    await until(lambda: len(list(JournalHistory(tmp_path).events(ENTRIES))) == 2)
    first.writer.stop()
    first.reader.close()
    os.close(first._lock)
    with sqlite3.connect(tmp_path / JOURNAL_NAME) as db:
        db.execute("UPDATE latch SET state = '{\"hazards\": 5}', sum = ? WHERE key = 'rule:hazards'", (NO_SUM,))
    db.close()
    second = Daemon(settings, spawn_vision=False)
    state = second.house.school.states["hazards"]
    assert (state.number, state.entry, [hazard.id for hazard in state.hazards], state.rebuilt) == (2, 2, ["hz-1", "hz-2"], True)
    second.reader.close()
    os.close(second._lock)


def test_overdue_is_a_fault_and_a_number() -> None:
    here = day()
    opened(here)
    here.at("08:00")
    here.at("07:59")  # the next day: 3 September
    assert overdue(here.gateway.house) == 1
    assert here.state("hazards/alarm") == "unacknowledged"
    (row,) = not_closed(here.gateway.house, here.gateway.now())
    assert row["overdue"] is True
    assert "steps" not in row
    here.command("assign_hazard", "hz-1", "李明", "duty_leader", value="2026-09-09", why="等配件")
    assert (overdue(here.gateway.house), here.state("hazards/alarm")) == (0, "returned_unacknowledged")


def test_what_is_told_of_one() -> None:
    here = day()
    opened(here)
    for kind, by in (("assign", "李明"), ("fix", "赵强"), ("verify", "李明"), ("close", "李明")):
        assert here.command(f"{kind}_hazard", "hz-1", by, "technician", why="已更换").ok
    (row,) = hazards(here.gateway.house, here.gateway.now())
    assert [step["step"] for step in row["steps"]] == ["opened", "assigned", "fixed", "verified", "closed"]
    assert (row["state"], row["overdue"], row["opened_at"]) == ("closed", False, "2026-09-01T01:00:00.000Z")
    assert not_closed(here.gateway.house, here.gateway.now()) == []
    assert counts(here.gateway.house) == {**dict.fromkeys(HAZARD_STATES, 0), "closed": 1}


def test_entries_are_what_the_contract_says() -> None:
    here = day()
    opened(here)
    here.command("assign_hazard", "hz-1", "李明", "duty_leader")
    here.command("fix_hazard", "hz-1", "赵强", why="x")
    here.command("verify_hazard", "hz-1", "李明", value="no", why="仍松动")
    assert [problem for draft in entries(here) for problem in data_problems("duty", draft.type, draft.data)] == []
    assert entries(here)[-1].data["rejected"] is True
