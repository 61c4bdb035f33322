"""docs/troubleshooting.md: whatever the gateway can say about a fault has a row there, in both languages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from gateway.config.roles import ROLES, SYSTEM_ROLES
from gateway.config.roles_rules import RULE_ROLES
from gateway.console import reasons
from gateway.console.phrases import Phrase
from gateway.core.cameras import TROUBLES
from gateway.core.points import EventClass

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
HAND_WRITTEN = re.sub(r"<!-- made: .*?<!-- end -->", "", TEXT, flags=re.DOTALL)
SUBJECT = re.compile(r"gw-[a-z-]*")
FAULTY = {"fault", "tamper", "duty"}
NO_FAULTS = {"gw-", "gw-window"}  # the prefix itself; the window of the day, which is shown and never faulty


def trees(*folders: str) -> Iterator[ast.Module]:
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield ast.parse(file.read_text(encoding="utf-8"))


@cache
def subjects() -> set[str]:
    """Own faults' names in the code, `gw-path-` for each path; docstrings tell, they do not name."""
    found = set()
    for tree in trees(
        "gateway/core", "gateway/config", "gateway/uplink", "gateway/runtime", "gateway/journal", "gateway/rules", "gateway/alarm"
    ):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SUBJECT.fullmatch(node.value):
                found.add(node.value)
    return found - NO_FAULTS


def texts_of_points() -> set[tuple[str, str]]:
    """Words of the faults that a point has of its own, as gateway/config makes them; numbers in them as they are there."""
    found = set()
    for name in ("resolve_alarms.py", "resolve_doors.py", "resolve_gates.py"):
        for node in ast.walk(ast.parse((ROOT / "gateway/config" / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_fault", "_text", "_sight"):
                for each in ast.walk(node):
                    if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "Text":
                        words = [part.value for part in each.args if isinstance(part, ast.Constant)]
                        found |= {(str(words[0]), str(words[1]))} if len(words) == 2 else set()
    return found - {("数值上升过快", "Rises too fast"), ("两只探测器同时报警", "Two detectors agree")}  # alarms of danger, not faults


def pattern(said: str) -> str:
    return re.sub(r"\{\w+\}", "…", said)


def phrases() -> list[Phrase]:
    tables = (reasons._WIRE, reasons._VALUES, reasons._CAMERAS, reasons._RULES, reasons._GATEWAY, reasons.OUTPUTS)
    return [phrase for table in tables for phrase in table]


def test_the_collections_find_what_is_known() -> None:
    assert {"gw-journal", "gw-path-", "gw-centre-", "gw-tests", "gw-flood", "gw-certificate-urgent"} <= subjects()
    assert ("信号故障", "Signal fault") in texts_of_points()
    assert len(phrases()) > 150


@pytest.mark.parametrize("subject", sorted(subjects()))
def test_every_fault_of_the_gateway_itself_has_a_row(subject: str) -> None:
    assert f"`{subject}…`" in TEXT if subject.endswith("-") else f"`{subject}`" in TEXT


@pytest.mark.parametrize("role", sorted({**ROLES, **SYSTEM_ROLES, **RULE_ROLES}))
def test_every_fault_of_a_role_has_its_words(role: str) -> None:
    alarms = {**ROLES, **SYSTEM_ROLES, **RULE_ROLES}[role].alarms
    for alarm in alarms:
        if alarm.event_class is EventClass.FAULT or alarm.alarm_class in FAULTY:
            assert f"{alarm.text.zh} {alarm.text.en}" in HAND_WRITTEN


@pytest.mark.parametrize(("zh", "en"), sorted(texts_of_points()))
def test_every_fault_of_a_point_has_its_words(zh: str, en: str) -> None:
    assert f"{zh} {en}" in HAND_WRITTEN


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
def test_every_trouble_of_a_camera_has_a_row(trouble: str) -> None:
    assert f"| `{trouble}` | {TROUBLES[trouble][0]} |" in HAND_WRITTEN


@pytest.mark.parametrize("phrase", phrases(), ids=lambda phrase: phrase.said)
def test_every_reason_has_a_row(phrase: Phrase) -> None:
    rows = [row for row in HAND_WRITTEN.splitlines() if row.startswith("|") and pattern(phrase.said) in row]
    assert any(pattern(phrase.zh) in row for row in rows)


def test_what_doctor_finds_is_listed_in_both_languages() -> None:
    (made,) = re.findall(r"<!-- made: doctor -->\n(.*?)<!-- end -->", TEXT, re.DOTALL)
    assert "没有发现硬件看门狗 no hardware watchdog was found" in made
    assert len(made.splitlines()) > 40


def alerts() -> list[str]:
    files = sorted((ROOT / "deploy/prometheus/rules").glob("*.y*ml"))
    return [name for file in files for name in re.findall(r"^ *-? *alert: *\"?(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)]


def kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def test_every_alert_has_a_heading_and_no_other_has() -> None:
    _, _, part = TEXT.partition("\n## Alerts\n")
    assert sorted(re.findall(r"^### (.*)$", part, re.MULTILINE)) == sorted(map(kebab, alerts()))
