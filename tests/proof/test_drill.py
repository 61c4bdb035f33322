"""A drill from its announcement to its report, with the daemon, a broker and the centre that signs: what is an exercise, what is real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.proof.rig import Rig, wait_for
from tests.proof.school_rig import (
    all_received,
    all_told,
    centre_begins,
    data_of,
    journalled,
    killed_and_begun_anew,
    on_site,
    point,
    press,
    school,
    state,
    status,
    told,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

LEADER = ("--by", "赵敏")


def announce(here: Rig, kind: str, *words: str) -> None:
    """The duty leader announces a drill that begins a second later, at the earliest."""
    on_site(here, "drill", "start", kind, *words, "--announce", "1s", *LEADER)


def presses(here: Rig, button: str) -> list[tuple[str, str]]:
    """(CAP status, drill to which it belongs) of every press of this button that the centre has."""
    found = data_of(here, "alarm.activated", subject=button)
    return [(data["status"], data.get("mode", {}).get("kind", "")) for data in found]


def taken_and_reset(here: Rig, button: str) -> None:
    """The button is let go, somebody takes the alarm and resets it."""
    wait_for(lambda: state(here, f"{button}/alarm") == "latched_unacknowledged", f"{button} is let go")
    for word in ("acknowledge", "reset"):
        on_site(here, word, button, *LEADER)


def running(here: Rig) -> list[tuple[str, str]]:
    """(drill, state) of each mode there is now."""
    return [(row["drill"], row["state"]) for row in status(here)["modes"]]


def test_a_drill_from_announcement_to_report(tmp_path: Path) -> None:
    with school(tmp_path, point("fire-panel", "fire_alarm", "gate", "module", "di4"), centre=("--no-receipts",)) as (here, broker):
        nobody_signs_so_all_is_real(here)
        announce(here, "fire", "panic-gate", "panic-office", "fire-panel", "--for", "10min")
        due_and_not_begun(here, "fire")
        centre_begins(here, broker)
        wait_for(lambda: data_of(here, "mode.drill_started"), "the centre has signed, and the drill begins")
        assert running(here) == [("fire", "running")]
        assert "模式 mode: 演练 / drill" in on_site(here, "rules", "explain", "panic-gate")
        assert "模式 mode: 正常 / normal" in on_site(here, "rules", "explain", "panic-store")
        a_listed_press_is_an_exercise_once(here)

        killed_and_begun_anew(here)
        assert running(here) == [("fire", "running")], "the drill goes on"
        what_was_pressed_before_the_kill_is_known(here)
        on_site(here, "drill", "end", *LEADER)
        the_report(here)
        one_that_ends_by_itself(here)
        all_told(here)


def nobody_signs_so_all_is_real(here: Rig) -> None:
    """A drill whose announcement the centre has not signed does not begin, however long it has been due."""
    announce(here, "ram", "panic-store", "--for", "10min")
    due_and_not_begun(here, "ram")
    press(here, "panic-store")
    wait_for(lambda: presses(here, "panic-store") == [("Actual", "")], "a press before the centre has signed is real")
    on_site(here, "drill", "end", *LEADER)
    assert told(here, "mode.drill_called_off")["status"] == "Exercise"
    assert not journalled(here, "mode.drill_started")
    assert "no drill was held yet" in on_site(here, "drill", "report")
    taken_and_reset(here, "panic-store")


def due_and_not_begun(here: Rig, kind: str) -> None:
    def row() -> dict[str, Any]:
        return next((row for row in status(here)["modes"] if row["drill"] == kind), {})

    wait_for(lambda: row().get("left_s") == 0, "the time for which it was announced has come")
    assert row()["state"] == "announced"


def a_listed_press_is_an_exercise_once(here: Rig) -> None:
    """And a press that is not on the list never is."""
    on_list, off_list = "panic-gate", "panic-store"
    press(here, on_list)
    wait_for(lambda: presses(here, on_list) == [("Exercise", "drill")], "the first press of a listed button")
    incident = told(here, "incident.opened", status="Exercise")
    taken_and_reset(here, on_list)
    press(here, on_list)
    wait_for(lambda: presses(here, on_list)[1:] == [("Actual", "")], "the second one")
    press(here, off_list)
    wait_for(lambda: presses(here, off_list)[1:] == [("Actual", "")], "one that is not on the list")
    all_received(here)
    real = [data["incident"] for data in data_of(here, "incident.opened", status="Actual")]
    assert len(real) == 3
    assert incident["incident"] not in real


def what_was_pressed_before_the_kill_is_known(here: Rig) -> None:
    press(here, "panic-office")
    wait_for(lambda: presses(here, "panic-office") == [("Exercise", "drill")], "the other listed button, for the first time")
    wait_for(lambda: state(here, "panic-office/alarm") == "latched_unacknowledged", "it is let go")
    press(here, "panic-office")
    wait_for(lambda: presses(here, "panic-office")[1:] == [("Actual", "")], "the second press, while the exercise still stands")
    taken_and_reset(here, "panic-gate")
    press(here, "panic-gate")
    wait_for(lambda: presses(here, "panic-gate")[2:] == [("Actual", "")], "one that was pressed before the kill")
    all_received(here)


def the_report(here: Rig) -> None:
    """As the head of the school reads it, and as the centre has it."""
    ended = told(here, "mode.drill_ended")
    assert (ended["ended"], ended["not_pressed"]) == ("by 赵敏", ["fire-panel"])
    totals = ended["totals"]
    assert (totals["listed"], totals["pressed"], totals["received"], totals["acknowledged"], totals["real"]) == (3, 2, 2, 1, 3)
    printed = on_site(here, "drill", "report")
    assert "消防应急演练 fire drill" in printed
    assert "opened by 赵敏; ended: by 赵敏; persons: 赵敏" in printed
    assert "pressed 2 of 3, received 2, acknowledged 1, real alarms meanwhile 3" in printed
    (gate,) = (line for line in printed.splitlines() if "panic-gate/alarm" in line)
    assert "received: police " in gate
    assert "acknowledged: 赵敏 " in gate
    assert "reset: 赵敏 " in gate
    assert "not pressed 未触发: fire-panel" in printed


def one_that_ends_by_itself(here: Rig) -> None:
    """The daemon is killed while it runs: whoever runs when its time is over ends it."""
    announce(here, "quake", "panic-store", "--for", "3s")
    wait_for(lambda: len(data_of(here, "mode.drill_started")) == 2, "the second drill begins")
    killed_and_begun_anew(here)
    wait_for(lambda: len(data_of(here, "mode.drill_ended")) == 2, "it is over")
    assert running(here) == []
    assert data_of(here, "mode.drill_ended")[-1]["ended"] == "its time is over"
    every = on_site(here, "drill", "report", "--all")
    assert every.index("fire drill") < every.index("earthquake drill")
