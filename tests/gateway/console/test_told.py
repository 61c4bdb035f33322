"""Events in words: everything that the contract knows is said in both languages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway.config.roles import ROLES, SYSTEM_ROLES
from gateway.config.roles_rules import RULE_ROLES
from gateway.console import told, words
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
    assert set(MAY) <= set(told.COMMANDS)


@pytest.mark.parametrize("state", published("data-alarm.json", "state"))
def test_every_state_has_its_words(state: str) -> None:
    assert HAN.search(words.of(told._STATES, state, "zh"))


@pytest.mark.parametrize("role", sorted({*ROLES, *SYSTEM_ROLES, *RULE_ROLES, "output", "school_window", "tests_due"}))
def test_every_role_has_its_words(role: str) -> None:
    assert HAN.search(told.role_name(role, "zh"))
    assert not HAN.search(told.role_name(role, "en"))


@pytest.mark.parametrize("table", [told.DEEDS, told.CLASSES, told.COMMANDS, told.TARGETS, told._STATES])
def test_both_languages(table: dict[str, tuple[str, str]]) -> None:
    for zh, en in table.values():
        assert HAN.search(zh)
        assert en
        assert not HAN.search(en)


def test_values_are_read_with_their_unit_and_yes_and_no_are_left_to_the_text() -> None:
    assert told.value_text(27.5, "Cel", "zh") == "27.5 °C"
    assert told.value_text(0.1 + 0.2, "%LEL", "en") == "0.3 %LEL"
    assert told.value_text("covered", "", "zh") == "镜头被遮挡或喷涂"
    assert told.value_text(True, "", "en") == told.value_text(None, "mA", "en") == ""
