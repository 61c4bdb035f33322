"""campus-gateway hazard: what is sent, what is shown, what is written out of a real journal, and what is proved."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from gateway.__main__ import main
from gateway.core.commands import Command
from gateway.core.points import Draft, EventClass, Latch
from gateway.journal.store import JOURNAL_NAME, Batch
from gateway.report.hazard_ledger import entries
from gateway.runtime.door import Door
from tests.gateway.journal.journals import draft, open_at
from tests.gateway.report.test_hazard_ledger import Events, a_year
from tests.gateway.runtime.waiting import until
from tests.gateway.test_command_alarms import EXAMPLE, asked, nothing


def sent(kind: str, target: str = "hz-1", value: str = "", why: str = "", second: str = "") -> Command:
    return Command(f"{kind}_hazard", target, "李明", "technician", "door", value, why, second=second)


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (
            ["open", "kitchen", "--what", "漏气", "--responsible", "赵强", "--due", "2026-12-01"],
            sent("open", "kitchen", "2026-12-01", "漏气", "赵强"),
        ),
        (["assign", "hz-1", "--responsible", "赵强", "--due", "2026-12-05"], sent("assign", value="2026-12-05", second="赵强")),
        (["assign", "hz-1"], sent("assign")),
        (["fix", "hz-1", "--what", "已更换"], sent("fix", why="已更换")),
        (["verify", "hz-1"], sent("verify")),
        (["verify", "hz-1", "--not-right", "--what", "仍漏气"], sent("verify", value="no", why="仍漏气")),
        (["close", "hz-1"], sent("close")),
    ],
)
async def test_what_is_sent(tmp_path: Path, words: list[str], command: Command) -> None:
    assert await asked(tmp_path, "hazard", *words, "--by", "李明") == (0, [command])


ROW: dict[str, Any] = {
    "hazard": "hz-1", "number": 1, "state": "open", "place": "kitchen", "zh": "漏气", "en": "漏气", "responsible": "赵强",
    "due": "2026-12-01", "overdue": False, "recurrences": 0, "steps": [],
}  # fmt: skip
ROWS = [
    ROW,
    ROW | {"hazard": "hz-2", "number": 2, "overdue": True, "state": "assigned", "en": "leak", "recurrences": 2},
    ROW | {"hazard": "hz-3", "number": 3, "state": "closed"},
]


async def listed(state_dir: Path, rows: list[dict[str, Any]], *words: str) -> int:
    """Exit status of `hazard list`, where the daemon has these."""
    door = Door(state_dir / "door.sock", frozenset(), lambda readings: None, lambda command: (True, ""), {"hazards": lambda: rows}, nothing)
    task = asyncio.get_running_loop().create_task(door.run())
    await until((state_dir / "door.sock").exists)
    code = await asyncio.to_thread(main, ["hazard", "list", *words, "--config", str(EXAMPLE), "--state-dir", str(state_dir)])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return code


async def test_the_list_begins_with_what_is_overdue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await listed(tmp_path, ROWS) == 0
    assert capsys.readouterr().out.splitlines() == [
        "hz-2  assigned  OVERDUE 逾期  due 2026-12-01  赵强",
        "    kitchen: 漏气  leak, came again 2 x",
        "hz-1  open  due 2026-12-01  赵强",
        "    kitchen: 漏气",
    ]


async def test_the_list_with_closed_ones_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await listed(tmp_path, ROWS, "--all", "--json") == 0
    assert json.loads(capsys.readouterr().out) == ROWS


async def test_nothing_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await listed(tmp_path, []) == 0
    assert "no hazard is open" in capsys.readouterr().out


# --- out of a journal ---------------------------------------------------------------------------


def event(data: dict[str, Any]) -> Draft:
    kind = f"campus.hazard.{data['step']}"
    return replace(draft(EventClass.DUTY), type=kind, subject=data["hazard"], data={"status": "Actual", **data})


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    store, _ = open_at(tmp_path)
    said = a_year()
    last = {"entry": len(said), "sha256": entries(Events(said))[-1].sha256}
    store.commit([Batch([event(data) for data in said], [Latch("rule:hazards", last)])], [])
    store.close()
    return tmp_path


def on(folder: Path, *words: str) -> int:
    return main(["hazard", *words, "--config", str(EXAMPLE), "--state-dir", str(folder)])


def test_export_and_proof(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = len(a_year())
    assert on(journal, "export", str(journal / "ledger.xlsx")) == 0
    assert on(journal, "export", str(journal / "ledger.CSV")) == 0
    assert f"2 hazards, {count} entries" in capsys.readouterr().out
    book = openpyxl.load_workbook(journal / "ledger.xlsx")
    assert (book.worksheets[0].max_row, book.worksheets[1].max_row) == (3, count + 1)
    assert (journal / "ledger.CSV").read_text(encoding="utf-8-sig").count("\n") == 3
    assert on(journal, "verify-ledger") == 0
    assert capsys.readouterr().out.startswith(f"whole: entries 1 to {count}\nsha-256 of the last: ")


def test_a_changed_entry_is_named(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(journal / JOURNAL_NAME) as db:
        db.execute("UPDATE event SET body = CAST(replace(body, '王建国', '某某某') AS BLOB) WHERE row = (SELECT min(row) + 2 FROM event)")
    db.close()
    assert on(journal, "verify-ledger") == 1
    assert "does not hold the sha-256 of entry 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "status", "words"),
    [
        ("max", 1, "broken: entry {count} is missing: the daemon has written it"),
        ("min", 0, "the beginning is missing: entries 1 to 1 are not in the journal any more"),
    ],
)
def test_a_cut_off_end_is_named_and_a_missing_beginning_is_said(
    journal: Path, capsys: pytest.CaptureFixture[str], row: str, status: int, words: str
) -> None:
    with sqlite3.connect(journal / JOURNAL_NAME) as db:
        db.execute(f"DELETE FROM event WHERE row = (SELECT {row}(row) FROM event WHERE type LIKE 'campus.hazard.%')")
    db.close()
    assert on(journal, "verify-ledger") == status
    assert words.format(count=len(a_year())) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ("UPDATE latch SET state = '{}'", 1, "cannot be read"),
        ("""UPDATE latch SET state = replace(state, '"sha256": "', '"sha256": "0')""", 1, "is not the one that the daemon has written"),
        ("DELETE FROM latch", 0, "keeps no state of the ledger"),
    ],
)
def test_what_the_daemon_keeps_is_compared(journal: Path, capsys: pytest.CaptureFixture[str], change: str, status: int, words: str) -> None:
    with sqlite3.connect(journal / JOURNAL_NAME) as db:
        db.execute(change)
    db.close()
    assert on(journal, "verify-ledger") == status
    assert words in capsys.readouterr().out


def test_other_endings_and_no_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert on(tmp_path, "export", str(tmp_path / "ledger.pdf")) == 2
    assert "ends neither in .xlsx nor in .csv" in capsys.readouterr().err
    assert on(tmp_path, "verify-ledger") == 0
    assert "no entries" in capsys.readouterr().out


def test_a_file_that_is_no_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / JOURNAL_NAME).write_bytes(b"no database" * 1000)
    assert on(tmp_path, "verify-ledger") == 2
    assert on(tmp_path, "export", str(tmp_path / "ledger.csv")) == 1
    assert "the journal cannot be read" in capsys.readouterr().err


async def test_what_somebody_wrote_does_not_command_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = "漏气\x1b]0;owned\x07\x9b2J"

    def act(command: Command) -> tuple[bool, str]:
        return command.target != "no", f"hz-1 is open: {command.why}"

    rows = [ROW | {"zh": bad, "en": bad, "responsible": bad}]
    door = Door(tmp_path / "door.sock", frozenset(), lambda readings: None, act, {"hazards": lambda: rows}, nothing)
    where = ["--config", str(EXAMPLE), "--state-dir", str(tmp_path)]
    written = ["--what", bad, "--responsible", "赵强", "--due", "2026-12-01"]
    task = asyncio.get_running_loop().create_task(door.run())
    await until((tmp_path / "door.sock").exists)
    statuses = [
        await asyncio.to_thread(main, ["hazard", *words, *where])
        for words in (["open", "kitchen", *written], ["open", "no", *written], ["list"])
    ]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    said = capsys.readouterr()
    assert statuses == [0, 1, 0]
    assert not {"\x1b", "\x07", "\x9b"} & set(said.out + said.err)
    assert said.out.count("漏气\\x1b]0;owned\\x07\\x9b2J") == 3
    assert "\\x1b" in said.err
