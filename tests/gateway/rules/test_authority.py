"""Who may do what, written down once more and by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from gateway.core.commands import Command
from gateway.core.outputs import OutputSpec
from gateway.core.points import HIGHLY_MANAGED, AlarmSpec, Contact, EventClass, Text
from gateway.rules.authority import MAY, ROLES, authorise, could_be_one, same_person

TEXT = Text("报警", "Alarm")
CLASSES = (*sorted(HIGHLY_MANAGED), "door", "gas_low", "electrical", "person", "tamper", "fault")
G, D, T, C = "guard", "duty_leader", "technician", "centre"


def may(kind: str, alarm_class: str) -> set[str]:
    if kind == "shelve" and alarm_class in HIGHLY_MANAGED:
        return set()
    if kind in ("reset", "shelve") and alarm_class in ("tamper", "fault"):
        return {T}
    if kind in ("learn", "start_maintenance", "commission", "log_level", "upgrade", "apply"):
        return {T}
    if kind in ("start_drill", "end_drill", "start_test", "end_test", "end_maintenance"):
        return {D, T, C}
    if kind in ("shelve", "out_of_service", "return_to_service", "whistle", "end_whistle"):
        return {D, T, C}
    if kind in ("check_in", "patrol", "answer", "inspect", "open_hazard", "fix_hazard", "verify_hazard"):
        return {G, D, T}
    if kind in ("assign_hazard", "close_hazard"):
        return {D, T}
    if kind in ("sign_in", "sign_out", "locked_out", "looked"):
        return {G, D, T, "viewer"}
    return {G, D, T, C}


def command(kind: str, role: str, by: str = "李强") -> Command:
    return Command(kind, "p", by, role, "page", why="repair", for_s=3600.0, second="王芳")


@pytest.mark.parametrize(("kind", "alarm_class"), [pair for pair in product(MAY, CLASSES) if pair[0] != "output"])
def test_alarms(kind: str, alarm_class: str) -> None:
    spec = AlarmSpec("p", "alarm", Contact(), alarm_class, EventClass.ALARM, True, TEXT)
    allowed = {role for role in (*ROLES, "root", "") if not authorise(command(kind, role), spec)}
    assert allowed == may(kind, alarm_class)


def test_outputs() -> None:
    spec = OutputSpec("siren", "siren", "gate", TEXT, "board", "do1")
    assert [role for role in ROLES if authorise(command("output", role), spec)] == ["viewer"]


@pytest.mark.parametrize("kind", [*MAY, "dance", ""])
def test_nobody_is_nobody(kind: str) -> None:
    spec = AlarmSpec("p", "alarm", Contact(), "door", EventClass.ALARM, True, TEXT)
    assert "names the person" in authorise(command(kind, T, by=" "), spec)
    assert bool(authorise(command(kind, T), spec)) is (kind not in MAY)


ONE = [
    "Wang Jianguo",
    "wang jianguo",
    "WANG, Jianguo",
    "Jianguo Wang",
    "Ｗａｎｇ Jianguo",
    "Wang-Jianguo",
    "Wang Jianguo (head)",
    "Wang Jianguo 2",
    "[a] Wang Jianguo②",
]


@pytest.mark.parametrize(("one", "other"), list(product(ONE, ONE)))
def test_one_name_in_many_spellings_is_no_second_person(one: str, other: str) -> None:
    assert could_be_one(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("王建国", "王建"), ("王建国", "王国建"), ("007", "008"), ("（王）", "（李）"), ("1号门岗", "2号门岗"), ("Wang Jian", "Wang Jianguo")],
)
def test_two_names_are_two_persons(one: str, other: str) -> None:
    assert not could_be_one(one, other)


def test_a_duty_is_not_credited_to_a_name_that_only_could_be_the_same() -> None:
    assert not same_person("保安1", "保安2")
    assert could_be_one("保安1", "保安2")


@pytest.mark.parametrize("second", ["李强.", "李强（班长）", "李强1", "李 强", ""])
def test_out_of_service_needs_another_name(second: str) -> None:
    spec = AlarmSpec("p", "alarm", Contact(), "panic", EventClass.ALARM, True, TEXT)
    asked = command("out_of_service", D)
    assert authorise(asked, spec) == ""
    assert "two different persons" in authorise(replace(asked, second=second), spec)
