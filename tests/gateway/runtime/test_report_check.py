"""Was the daily report that was due issued? From a real journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.core.points import Latch
from gateway.journal.store import Batch
from gateway.runtime.report_check import overdue
from gateway.runtime.report_files import write
from gateway.runtime.reports import KEY, schedule_of
from tests.bench.journal import opened

SCHEDULE = schedule_of("Asia/Shanghai", "16:30", 0, 1)
DAY_MS = 86_400_000
DUE_MS = 1_795_077_000_000 - 1_795_077_000_000 % DAY_MS + 30_600_000  # 08:30 UTC
NOW_MS = DUE_MS + 3_600_000


def issued(folder: Path, number: int, to_ms: int) -> None:
    store = opened(folder)
    store.commit([Batch(latches=[Latch(KEY, {"kinds": {"daily": {"number": number, "to_ms": to_ms}}, "boots": []})])], [])
    store.close()


def test_the_time_that_the_test_means() -> None:
    assert SCHEDULE.due("daily", NOW_MS) == DUE_MS


def test_issued(tmp_path: Path) -> None:
    issued(tmp_path, 7, DUE_MS)
    write(tmp_path, "daily", 7, b"{}")
    missing, words = overdue(tmp_path, SCHEDULE, NOW_MS)
    assert not missing
    assert "no. 7" in words


def test_missing(tmp_path: Path) -> None:
    issued(tmp_path, 6, DUE_MS - DAY_MS)
    write(tmp_path, "daily", 6, b"{}")
    missing, words = overdue(tmp_path, SCHEDULE, NOW_MS)
    assert missing
    assert "2026-11-19 16:30" in words


def test_it_may_be_a_little_late(tmp_path: Path) -> None:
    issued(tmp_path, 6, DUE_MS - DAY_MS)
    write(tmp_path, "daily", 6, b"{}")
    assert not overdue(tmp_path, SCHEDULE, DUE_MS + 60_000)[0]


def test_a_gateway_that_began_after_it_was_due_owes_none(tmp_path: Path) -> None:
    issued(tmp_path, 0, DUE_MS + 60_000)
    assert not overdue(tmp_path, SCHEDULE, NOW_MS)[0]


@pytest.mark.parametrize("what", ["its file is gone", "never begun", "no journal"])
def test_whatever_cannot_be_shown_is_missing(tmp_path: Path, what: str) -> None:
    if what == "its file is gone":
        issued(tmp_path, 7, DUE_MS)
    elif what == "never begun":
        opened(tmp_path).close()
    assert overdue(tmp_path, SCHEDULE, NOW_MS)[0]


SITE = """schema = 1
[site]
id = "school-1"
name = "实验小学"
state_dir = "state"
[uplink]
paths = [{ url = "mqtt://127.0.0.1:1883" }]
[places]
gate = { name = "门", type = "gate" }
"""


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE)
    assert main(["report", "check", "--config", str(site)]) == 0, "a site without [reports] owes none"
    site.write_text(SITE + "[reports]\n")
    assert main(["report", "check", "--config", str(site)]) == 1
    assert "is not known" in capfd.readouterr().err
