"""Who may do what, written down once more and by hand."""

from __future__ import annotations

from itertools import product

import pytest

from gateway.core.commands import Command
from gateway.core.outputs import OutputSpec
from gateway.core.points import HIGHLY_MANAGED, AlarmSpec, Contact, EventClass, Text
from gateway.rules.authority import MAY, ROLES, authorise

TEXT = Text("报警", "Alarm")
CLASSES = (*sorted(HIGHLY_MANAGED), "door", "gas_low", "electrical", "person", "tamper", "fault")
G, D, T, C = "guard", "duty_leader", "technician", "centre"


def may(kind: str, alarm_class: str) -> set[str]:
    if kind == "shelve" and alarm_class in HIGHLY_MANAGED:
        return set()
    if kind in ("reset", "shelve") and alarm_class in ("tamper", "fault"):
        return {T}
    if kind in ("learn", "start_maintenance", "commission"):
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
