"""`doctor`: what it finds by the daemon's word, in the files, and without a daemon."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.__main__ import main
from gateway.config.load import load_site
from gateway.config.settings import Settings
from gateway.runtime.board_facts import Files, look
from gateway.runtime.doctor import Heard, judge, lines
from gateway.runtime.doctor_daemon import judge_daemon, judge_hazards, judge_tests, parse_metrics
from gateway.runtime.doctor_files import judge_files, judge_open_files
from gateway.runtime.findings import GRADES, SOON, WRONG, Finding
from tests.gateway.config.test_load import site
from tests.gateway.runtime.computer import computer
from tests.gateway.runtime.test_page import pair

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The demo's school, with its line and its state folder in place."""
    folder = tmp_path / "site"
    shutil.copytree(EXAMPLES, folder)
    (folder / "field-line.pty").touch()
    (folder / "state").mkdir()
    return load_site(folder / "demo-school.toml")


def status(**parts: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "faults": [], "set_aside": [], "modes": [], "not_good": [], "pid": os.getpid(), "metrics": "",
        "paths": [{"id": "main", "up": True, "broker": "mqtt://b", "reason": ""}], "devices": {"gas-kitchen": True},
        "outbox": {"depth": 0, "held_topics": []}, "journal": {"refusing": ""},
    }  # fmt: skip
    return told | parts


def grades(findings: Iterator[Finding]) -> dict[str, str]:
    return {finding.where: finding.grade for finding in findings}


def fault(alarm: str, state: str = "unacknowledged") -> dict[str, Any]:
    return {"alarm": alarm, "state": state, "zh": "故障", "en": "fault", "reason": "why"}


def test_a_daemon_on_which_all_is_well(settings: Settings) -> None:
    assert grades(judge_daemon(settings, status(), {})) == {}


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({"faults": [fault("gw-path-main/fault")], "paths": [{"id": "main", "up": False, "broker": "b", "reason": "r"}]},
         {"gw-path-main/fault": WRONG}),
        ({"faults": [fault("gw-journal/fault", "latched_unacknowledged")]}, {"gw-journal/fault": SOON}),
        ({"faults": [fault("gw-path-main/fault", "returned_unacknowledged")]}, {"gw-path-main/fault": SOON}),
        ({"faults": [fault("gw-path-main/fault", "acknowledged")]}, {"gw-path-main/fault": WRONG}),
        ({"paths": [{"id": "main", "up": False, "broker": "b", "reason": "r"}]}, {"path main": WRONG}),
        ({"devices": {"gas-kitchen": False}, "not_good": [{"point": "gas-kitchen-lel", "reason": "bad: silent"}]}, {"gas-kitchen": WRONG}),
        ({"not_good": [{"point": "gas-kitchen-lel", "reason": "bad: warm-up"}]}, {"gas-kitchen-lel": WRONG}),
        ({"journal": {"refusing": "disk full"}}, {"journal": WRONG}),
        ({"outbox": {"depth": 3, "held_topics": ["a/b"]}}, {"delivery": WRONG}),
        ({"modes": [{"kind": "maintenance", "points": ["panic-duty"]}]}, {"panic-duty": SOON}),
        ({"set_aside": [{"alarm": "p/a", "zh": "x", "en": "x", "state": "shelved"}]}, {"p/a": SOON}),
    ],
)  # fmt: skip
def test_by_the_daemons_word(settings: Settings, parts: dict[str, Any], found: dict[str, str]) -> None:
    assert grades(judge_daemon(settings, status(**parts), {})) == found


def test_why_something_is_wrong_is_told_in_both_languages(settings: Settings) -> None:
    """What drivers say in English is in Chinese where the line is."""
    parts = {
        "faults": [fault("gw-centre-police/fault") | {"reason": "no answer"}],
        "not_good": [{"point": "gas-kitchen-lel", "reason": "bad: warm-up"}],
        "paths": [{"id": "main", "up": False, "broker": "b", "reason": "Connection refused"}],
    }
    found = {each.where: each.what for each in judge_daemon(settings, status(**parts), {})}
    assert found["gw-centre-police/fault"].zh == "故障（无应答）"
    assert found["gas-kitchen-lel"].zh == "读数不可信：异常：预热中"
    assert found["path main"].zh == "未连接 b：对方拒绝连接"
    assert [found[where].en.rpartition(": ")[2] for where in ("gas-kitchen-lel", "path main")] == ["warm-up", "Connection refused"]


def test_a_fault_says_what_to_do(settings: Settings) -> None:
    (found,) = judge_daemon(settings, status(faults=[fault("gw-centre-police/fault")]), {})
    assert "linkage centre" in found.todo.en
    assert "why" in found.what.en


@pytest.mark.parametrize(
    ("page", "where"),
    [
        ("gw_outbox_oldest_seconds 301.0", "delivery"),
        ("gw_journal_reserve_held 0.0", "journal"),
        ("gw_vision_last_word_seconds 11.5", "vision"),
    ],
)
def test_by_the_metrics_page(settings: Settings, page: str, where: str) -> None:
    text = f"# HELP x y\n{page}\nodd line\n"
    assert grades(judge_daemon(settings, status(), parse_metrics(text))) == {where: WRONG}


def test_labels_of_a_metrics_page() -> None:
    assert parse_metrics('a{x="1 2"} 3\na{x="y"} 4e1\n') == {"a": {'{x="1 2"}': 3.0, '{x="y"}': 40.0}}


@pytest.mark.parametrize(("kind", "zh"), [("drill", "演练"), ("test", "报警测试"), ("maintenance", "检修")])
def test_a_mode_is_told_in_words(settings: Settings, kind: str, zh: str) -> None:
    (found,) = judge_daemon(settings, status(modes=[{"kind": kind, "points": ["panic-duty"]}]), {})
    assert zh in found.what.zh
    assert kind not in found.what.zh


def test_walk_tests_and_hazards() -> None:
    row = {"point": "p", "zh": "甲", "en": "a", "every_days": 92, "at_ms": 5, "passed_ms": 5, "result": "passed"}
    rows = [
        row | {"due": "later", "in_days": 60},
        row | {"point": "late", "due": "overdue", "in_days": -3},
        row | {"point": "bad", "result": "failed"},
        row | {"point": "never", "passed_ms": 0, "result": ""},
    ]
    zone = ZoneInfo("Asia/Shanghai")
    assert grades(judge_tests(rows, zone)) == {"late": SOON, "bad": SOON, "never": SOON}
    at_midnight_ms = 1_793_548_800_000  # 2026-11-02 in Shanghai, still the 1st in London
    (never,) = judge_tests([rows[-1] | {"due": "later", "in_days": 90, "due_ms": at_midnight_ms}], zone)
    assert (never.grade, never.what.en) == (SOON, "due by 2026-11-02, not yet tested: a")
    assert never.what.zh == "应于 2026-11-02 前测试，尚未测试：甲"
    hazards = [{"hazard": f"hz-{n}", "overdue": n != 1, "state": "closed" if n == 2 else "open", "zh": "x", "en": "x"} for n in range(3)]
    assert grades(judge_hazards(hazards)) == {"hz-0": SOON}


def test_files(settings: Settings) -> None:
    root = Path("/")
    found = grades(judge_files(settings, 0.0, "synchronised", os.getpid(), root))
    assert found == {}
    key = settings.state_dir / "event-key.pem"
    key.write_text("x")
    key.chmod(0o644)
    (settings.file.parent / "field-line.pty").unlink()
    settings.file.chmod(0o666)
    (settings.state_dir / "journal.db").write_bytes(b"no database" * 100)
    reports = settings.state_dir / "reports"
    reports.mkdir()
    (reports / "daily-000007.json").write_text(json.dumps({"issued_at": "2026-11-01T08:00:00Z"}))
    found = grades(judge_files(settings, 1_793_700_000.0, "synchronised", None, root))
    assert found == {
        str(key): WRONG, str(settings.file): WRONG, "field-line": WRONG, str(settings.state_dir / "journal.db"): WRONG, "report": SOON,
    }  # fmt: skip


def test_somebody_else_has_the_port_open(settings: Settings) -> None:
    port = settings.file.parent / "field-line.pty"
    with port.open():
        assert grades(judge_files(settings, 0.0, "synchronised", None)) == {}, "who looks does not count"
        found = list(judge_files(settings, 0.0, "synchronised", None, _with_another(settings.file.parent, port)))
    assert [(finding.where, "thief (4242)" in finding.what.en) for finding in found] == [("field-line", True)]


def _with_another(folder: Path, port: Path) -> Path:
    """A computer on which a process has this file open."""
    fds = folder / "root/proc/4242/fd"
    fds.mkdir(parents=True)
    (fds / "3").symlink_to(port.resolve())
    (fds.parent / "comm").write_text("thief\n")
    return folder / "root"


def test_open_files() -> None:
    assert grades(judge_open_files(Files(900, 1024))) == {"daemon": SOON}
    assert grades(judge_open_files(Files(90, 1024))) == grades(judge_open_files(Files(None, None))) == {}


def test_without_a_daemon_the_worst_stands_first(settings: Settings, tmp_path: Path) -> None:
    root = computer(tmp_path / "root", sys__class__rtc__rtc0__name="")
    found = judge(settings, Heard(silence="no socket"), look(settings.state_dir, root), "holdover", 0.0, root)
    assert not found.ok
    assert found.findings[0].where == "daemon"
    order = [GRADES.index(finding.grade) for finding in found.findings]
    assert order == sorted(order)
    english, chinese = "\n".join(lines(found, chinese=False)), "\n".join(lines(found, chinese=True))
    assert "no socket" in english
    assert "守护进程没有应答" not in english
    assert "守护进程没有应答" in chinese
    assert json.loads(json.dumps(found.as_json()))["findings"][0]["grade"] == WRONG


def test_the_command(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["doctor", "--config", str(settings.file)]
    assert main([*words, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["daemon_up"]) == (False, False)
    assert main([*words, "--lang", "zh"]) == 1
    assert "守护进程" in capsys.readouterr().out
    assert main([*words, "--lang", "en"]) == 1
    assert "the daemon does not answer" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["schema = 2\n", "no TOML at all [", '[site]\nstate_dir = "here"\n'])
def test_without_a_site_file_the_computer_is_looked_at_all_the_same(
    settings: Settings, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    settings.file.write_text(text)
    words = ["doctor", "--config", str(settings.file), "--state-dir", str(settings.state_dir)]
    (settings.state_dir / "failures").mkdir()
    (settings.state_dir / "failures" / "campus-gateway").write_text("1795430000 exit-code exited 1\n")
    assert main([*words, "--json"]) == 2
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert f"{settings.file}:1: " in said.err
    assert told["board"]["disk"]["free_bytes"] > 0
    assert {str(settings.file), "campus-gateway"} <= {finding["where"] for finding in told["findings"]}
    assert (told["ok"], told["daemon_up"]) == (False, False)
    assert main([*words, "--lang", "zh"]) == 2
    shown = capsys.readouterr().out
    assert "场所文件不能使用" in shown
    assert "MB free, clock" in shown


def test_the_page_and_its_files(tmp_path: Path) -> None:
    console = '[console]\nhost = "0.0.0.0"\ncert_file = "page.pem"\nkey_file = "page.key"\n'
    settings = site(tmp_path, console)
    settings.state_dir.mkdir(exist_ok=True)

    def found() -> dict[str, list[str]]:
        told: dict[str, list[str]] = {}
        for finding in judge_files(settings, 0.0, "synchronised", None):
            told.setdefault(finding.where, []).append(f"{finding.grade}: {finding.what.en} {finding.what.zh}")
        return told

    nobody, missing = found()["console"]
    assert nobody.startswith(f"{WRONG}: the guard-room page cannot be opened: its host is 0.0.0.0 and it has no names")
    assert missing.startswith(f"{WRONG}: the guard-room page cannot be opened: {tmp_path / 'page.pem'} cannot be read: No such file")
    assert "值守页面打不开" in nobody
    assert f"值守页面打不开：{tmp_path / 'page.pem'} 读不出：没有这个文件或设备" in missing
    assert str(tmp_path / "page.key") in found()
    pair(tmp_path, "page")
    settings = site(tmp_path, f'{console}names = ["gate.school.example"]\n')
    assert found() == {}


def test_a_key_of_the_evidence_that_others_can_read(settings: Settings) -> None:
    key = settings.state_dir / "evidence-key"
    key.write_bytes(bytes(32))
    key.chmod(0o600)
    assert grades(judge_files(settings, 0.0, "synchronised", os.getpid())) == {}
    key.chmod(0o644)
    assert grades(judge_files(settings, 0.0, "synchronised", os.getpid())) == {str(key): WRONG}
