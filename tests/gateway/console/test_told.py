"""Events in words: everything that the contract knows is said in both languages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway.config.roles import ROLES, SYSTEM_ROLES
from gateway.config.roles_rules import RULE_ROLES
from gateway.console import told, words
from gateway.console.pages import NoArchive, Visit
from gateway.core.history import Told
from gateway.rules.authority import MAY

CONTRACT = Path(__file__).parents[3] / "docs/contract"
HAN = re.compile(r"[\u4e00-\u9fff]")


def published(schema: str, member: str) -> list[str]:
    """The words that the contract lists for a member of some event's data."""
    found: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            inside = value.get(member)
            if isinstance(inside, dict):
                found.update(re.findall(r'"([a-z_]+)"', json.dumps([inside.get("enum"), inside.get("examples"), inside.get("anyOf")])))
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(json.loads((CONTRACT / "schemas" / schema).read_text(encoding="utf-8")))
    return sorted(found)


def types() -> list[str]:
    return sorted(set(re.findall(r'"campus\.([a-z_]+\.[a-z_]+)"', (CONTRACT / "asyncapi.json").read_text(encoding="utf-8"))))


@pytest.mark.parametrize("kind", types())
def test_every_type_of_event_has_its_words(kind: str) -> None:
    assert kind in told.DEEDS or kind.rpartition(".")[2] in told.DEEDS


def test_every_command_has_its_words() -> None:
    assert set(MAY) <= set(words.COMMANDS)


@pytest.mark.parametrize("state", published("data-alarm.json", "state"))
def test_every_state_has_its_words(state: str) -> None:
    assert HAN.search(words.of(told._STATES, state, "zh"))


@pytest.mark.parametrize("role", sorted({*ROLES, *SYSTEM_ROLES, *RULE_ROLES, "output", "school_window", "tests_due"}))
def test_every_role_has_its_words(role: str) -> None:
    assert HAN.search(told.role_name(role, "zh"))
    assert not HAN.search(told.role_name(role, "en"))


@pytest.mark.parametrize("table", [told.DEEDS, told.CLASSES, words.COMMANDS, words.ROLES, told.TARGETS, told.BY_ITSELF, told._STATES])
def test_both_languages(table: dict[str, tuple[str, str]]) -> None:
    for zh, en in table.values():
        assert HAN.search(zh)
        assert en
        assert not HAN.search(en)


def test_values_are_read_with_their_unit_and_yes_and_no_are_left_to_the_text() -> None:
    assert told.value_text(27.5, "Cel", "zh") == "27.5 °C"
    assert told.value_text(0.1 + 0.2, "%LEL", "en") == "0.3 %LEL"
    assert told.value_text("covered", "", "zh") == "镜头被遮挡或喷涂"
    assert told.value_text("open", "", "zh") == "开"
    assert told.value_text(True, "", "en") == told.value_text(None, "mA", "en") == ""


PICTURE = {
    "places": {"gate": {"zh": "校门", "en": "gate"}},
    "recipients": [],
    "points": [{"point": "panic-gate", "role": "panic_button", "zh": "校门按钮", "en": "gate button"}],
    "rules": [{"rule": "one-key", "zh": "一键报警：声光报警", "en": "one-key alarm: siren and strobe"}],
    "duties": [{"duty": "post", "zh": "护学岗", "en": "guard post"}],
}


def row(language: str, kind: str, subject: str, **data: object) -> told.Row:
    visit = Visit(PICTURE, False, language, "张三", "guard", "Asia/Shanghai", 0, {}, {}, NoArchive(), "/history")
    event_class = "audit" if kind.startswith(("audit", "output")) else "mode"
    return told.rows([Told(1, 1, 1, event_class, "e1", f"campus.{kind}", subject, 0, data, {}, frozenset())], visit)[0]


@pytest.mark.parametrize(
    ("by", "zh", "en"),
    [
        ("linkage one-key", "联动 一键报警：声光报警", "linkage one-key alarm: siren and strobe"),
        ("linkage one-that-was", "联动 one-that-was", "linkage one-that-was"),
        ("rule duty-room", "规则 duty-room", "rule duty-room"),
        ("safe value", "恢复安全状态", "safe value"),
        ("gateway", "报警主机", "gateway"),
        ("Li Qiang", "Li Qiang", "Li Qiang"),
        ("", "", ""),
    ],
)
def test_who_acts_by_itself_is_told_in_words_and_a_person_as_written(by: str, zh: str, en: str) -> None:
    assert (row("zh", "output.done", "siren", by=by).who, row("en", "output.done", "siren", by=by).who) == (zh, en)


def test_a_drill_is_told_with_its_kind_and_the_role_of_who_gave_it() -> None:
    announced = row("zh", "mode.drill_announced", "drill-fire", role="technician", by="张三")
    assert (announced.deed, announced.role, announced.subject, announced.who) == ("演练预告", "技术人员", "消防应急演练", "张三")
    assert row("en", "mode.drill_announced", "drill-fire").subject == "fire drill"
    assert row("zh", "audit.command", "fire", command="start_drill", target="fire").subject == "消防应急演练"
    assert row("zh", "mode.test_started", "drill-machine").subject == "drill-machine", "a point may be named so"


@pytest.mark.parametrize(
    ("command", "target", "zh"),
    [
        ("start_drill", "fire", "开始演练 · 消防应急演练"),
        ("acknowledge", "panic-gate/alarm", "确认报警 · 校门按钮 · 一键报警"),
        ("reset", "panic-gate", "复位 · 校门按钮"),
        ("check_in", "post", "护学岗签到 · 护学岗"),
        ("open_hazard", "gate", "登记隐患 · 校门"),
        ("sign_in", "page", "登录 · 值守页面"),
        ("fix_hazard", "hz-7", "隐患整改 · hz-7"),
    ],
)
def test_a_command_is_told_with_the_name_of_what_it_is_about(command: str, target: str, zh: str) -> None:
    assert row("zh", "audit.command", "gateway", command=command, target=target).what == zh


def test_why_a_command_was_refused_is_told_in_the_language_of_the_page() -> None:
    refused = {"command": "reset", "target": "panic-gate", "reason": "acknowledge the alarm before you reset it"}
    assert row("zh", "audit.command", "gateway", **refused).what == "复位 · 校门按钮 · 请先确认报警，再复位"
    assert row("en", "audit.command", "gateway", **refused).what == "reset · gate button · acknowledge the alarm before you reset it"
