"""What is wrong with this gateway and what to do, for one screen: daemon, files, computer. Works with the daemon down."""

from __future__ import annotations

import time
import tomllib
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.config.settings import DOOR_NAME, ConfigRefused, Settings, beside
from gateway.core.errors import DoorRefused
from gateway.runtime.board_facts import ROOT, BoardFacts, files_of, look
from gateway.runtime.clock import Clock
from gateway.runtime.doctor_board import judge_board
from gateway.runtime.doctor_daemon import judge_daemon, judge_hazards, judge_tests, parse_metrics
from gateway.runtime.doctor_files import judge_files, judge_open_files, serial_ports
from gateway.runtime.door import ask
from gateway.runtime.findings import GRADE_WORDS, WRONG, Finding, in_order, wrong
from gateway.runtime.unit_failures import judge_units

METRICS_WITHIN_S = 6.0
STATE_DIR = "/var/lib/campus-gateway"  # of the package, and of a site file that names none


@dataclass(frozen=True, slots=True)
class Heard:
    """What the daemon said. status: None while it does not answer, `silence` says why. metrics: the page's text."""

    status: dict[str, Any] | None = None
    silence: str = ""
    walk_tests: list[dict[str, Any]] = field(default_factory=list)
    hazards: list[dict[str, Any]] = field(default_factory=list)
    metrics: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """Findings, the worst first, and the facts of the computer. clock: quality of the wall clock."""

    findings: list[Finding]
    facts: BoardFacts
    clock: str
    daemon_up: bool

    @property
    def ok(self) -> bool:
        """Nothing is wrong; what is only soon or unknown does not count."""
        return all(finding.grade != WRONG for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "ok": self.ok,
            "daemon_up": self.daemon_up,
            "clock": self.clock,
            "findings": [finding.as_json() for finding in self.findings],
            "board": self.facts.as_json(),
        }


async def examine(settings: Settings, root: Path = ROOT) -> Examination:
    """Look at everything. root: the computer's own files."""
    heard = await hear(settings)
    return judge(settings, heard, look(settings.state_dir.resolve(), root), Clock().now().clock, time.time(), root)


async def examine_without_site(file: Path, refused: ConfigRefused, state_dir: str | None, root: Path = ROOT) -> Examination:
    """What can be said where the site file cannot be used: the computer, the system's units. state_dir: as on the command line."""
    folder = beside(file, state_dir or _state_dir_in(file))
    facts, clock, count = look(folder.resolve(), root), Clock().now().clock, len(refused.problems)
    site = wrong(
        str(file),
        f"场所文件不能使用：{count} 处错误",
        f"the site file cannot be used: {count} error{'s' if count > 1 else ''}",
        f"campus-gateway check {file}",
        f"campus-gateway check {file}",
    )
    try:
        daemon_up = bool((await ask(folder / DOOR_NAME, {"op": "status"})).get("ok"))  # with the file as it was at its start
    except DoorRefused:
        daemon_up = False
    return Examination(in_order([site, *judge_units(folder, clock, ""), *judge_board(facts, clock)]), facts, clock, daemon_up)


def _state_dir_in(file: Path) -> str:
    """As far as the file can be read."""
    with suppress(OSError, ValueError, RecursionError):
        site = tomllib.loads(file.read_text(encoding="utf-8-sig")).get("site")
        found = site.get("state_dir") if isinstance(site, dict) else None
        if isinstance(found, str) and found:
            return found
    return STATE_DIR


async def hear(settings: Settings) -> Heard:
    """Ask the daemon for all that counts; what an older one does not know is left empty."""
    try:
        answer = await ask(settings.door_path, {"op": "status"})
    except DoorRefused as refused:
        return Heard(silence=str(refused))
    status = answer.get("status")
    if not isinstance(status, dict):
        return Heard(silence=str(answer.get("error")))
    tests, hazards = [await _rows(settings, operation) for operation in ("walk_tests", "hazards")]
    return Heard(status, "", tests, hazards, metrics_page(str(status["metrics"])))


async def _rows(settings: Settings, operation: str) -> list[dict[str, Any]]:
    try:
        rows = (await ask(settings.door_path, {"op": operation})).get(operation)
    except DoorRefused:
        return []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def metrics_page(url: str) -> str:
    """The page's text; empty where there is none. It is on loopback always."""
    if not url.startswith("http://"):
        return ""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=METRICS_WITHIN_S) as page:
            return str(page.read().decode(errors="replace"))
    except OSError:
        return ""


def judge(settings: Settings, heard: Heard, facts: BoardFacts, clock: str, at_s: float, root: Path = ROOT) -> Examination:
    """All findings. at_s: Unix time."""
    findings: list[Finding] = []
    pid = None
    if heard.status is None:
        todo = (
            "systemctl status campus-gateway；journalctl -u campus-gateway",
            "systemctl status campus-gateway; journalctl -u campus-gateway",
        )
        findings.append(wrong("daemon", f"守护进程没有应答：{heard.silence}", f"the daemon does not answer: {heard.silence}", *todo))
    else:
        pid = int(heard.status["pid"])
        metrics: Mapping[str, dict[str, float]] = parse_metrics(heard.metrics)
        findings += judge_daemon(settings, heard.status, metrics)
        findings += judge_tests(heard.walk_tests, ZoneInfo(settings.site.site.timezone))
        findings += judge_hazards(heard.hazards)
        findings += judge_open_files(files_of(pid, root))
    findings += judge_files(settings, at_s, clock, pid, root)
    findings += judge_units(settings.state_dir, clock, "" if heard.status is None else str(heard.status.get("clock", "")))
    findings += judge_board(facts, clock, serial_ports(settings))
    return Examination(in_order(findings), facts, clock, heard.status is not None)


def lines(found: Examination, chinese: bool) -> list[str]:
    """As a technician reads it; with `chinese` both languages."""
    out = []
    for finding in found.findings:
        grade, what, todo = GRADE_WORDS[finding.grade], finding.what, finding.todo
        if chinese:
            out += [f"{grade.zh} {grade.en}  {finding.where}: {what.zh}", f"    {what.en}", f"    -> {todo.zh}"]
            out += [f"       {todo.en}"] if todo.en != todo.zh else []
        else:
            out += [f"{grade.en:8} {finding.where}: {what.en}", f"         -> {todo.en}"]
    counts = {grade: sum(finding.grade == grade for finding in found.findings) for grade in GRADE_WORDS}
    told = ", ".join(f"{count} {grade}" for grade, count in counts.items() if count)
    computer = f"{found.facts.model or 'computer'}, {found.facts.disk.free_bytes // 1_000_000} MB free, clock {found.clock}"
    out.append(f"{told or 'nothing'} found; {computer}")
    return out
