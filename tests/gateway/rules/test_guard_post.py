"""Guard post: who counts as there, from when, and for how long."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.commands import Command
from gateway.core.duties import GuardPostSpec, Signers
from gateway.core.points import Text
from gateway.core.reading import Quality, Reading
from gateway.rules.guard_post import GuardPost
from gateway.runtime.duties import duties
from gateway.runtime.status_text import duty_lines
from tests.gateway.rules.duty_day import NO_PATROL, Day, Desk

SPEC = GuardPostSpec("post", "gate", Text("东门", "east gate"), Signers(), cameras=("eye",))
ALARM = "east-post/alarm"
GUARD = "a1b2c3d4e5f60718"


def day(begin: str = "2026-09-01 07:15", **post: Any) -> Day:
    found = Day(begin, {**NO_PATROL, **{f"guard_posts.east-post.{name}": value for name, value in post.items()}})
    found.read("person-post", False)
    return found


def test_a_card_for_each_window_and_the_same_card_again() -> None:
    here = day()
    here.at("07:22")
    here.read("gate-card", GUARD)
    here.at("11:51")
    here.read("gate-card", GUARD)  # nothing was read in between: it is a showing all the same
    drafts = here.drafts()
    assert [draft.type for draft in drafts] == ["campus.duty.checked_in"] * 2
    assert drafts[0].data["by"] == "周建国"
    assert GUARD not in str([draft.data for draft in drafts] + [latch.state for latch in here.gateway._stored.values()])


def test_missing_at_the_very_second() -> None:
    here = day()
    here.at("07:24:59")
    assert here.state(ALARM) == "normal"
    here.at("07:25:00")
    assert here.state(ALARM) == "unacknowledged"


def test_a_window_that_never_ends_is_one_window() -> None:
    here = Day("2026-09-01 10:00", {**NO_PATROL, "hours": {}, "guard_posts.east-post.windows": ["none"]})
    here.at("10:04:59")
    assert here.state(ALARM) == "normal"
    here.at("10:40:00")
    here.command("check_in")
    drafts = here.drafts()
    assert [draft.type.rpartition(".")[2] for draft in drafts] == ["activated", "checked_in", "cleared"]
    assert drafts[1].data["late_s"] == 2400


def test_a_check_in_may_end_before_the_window_does() -> None:
    here = day(valid_s=900)
    here.at("07:20")
    here.command("check_in")
    here.at("07:34:59")
    assert here.words() == ["checked_in"]
    here.at("07:35:00")
    assert here.words() == ["activated"]


def test_a_check_in_of_long_before_does_not_count() -> None:
    here = day("2026-09-01 06:45")
    here.command("check_in")
    here.at("07:30")
    assert here.words() == ["checked_in", "activated"]


def test_who_is_missing_stays_missing_over_a_power_cut() -> None:
    here = day()
    here.at("07:30")
    here.restart(120)
    assert here.words() == ["activated"], "not told again"
    assert here.state(ALARM) == "unacknowledged"
    here.command("check_in")
    assert here.words() == ["checked_in", "cleared"]


def test_somebody_in_view_before_a_power_cut_is_not_missed_while_the_camera_comes_up() -> None:
    here = day()
    here.read("person-post", True)
    here.at("07:40")
    here.restart(30)
    here.at("07:43")
    assert here.words() == ["on_post"]
    here.read("person-post", True)
    here.at("07:59")
    assert here.words() == []


def test_a_window_that_ended_while_the_power_was_out() -> None:
    here = day()
    here.at("07:30")
    here.drafts()
    here.restart(3600)
    drafts = here.drafts()
    assert [draft.type.split(".")[-1] for draft in drafts] == ["unattended", "cleared"]
    assert drafts[0].data["unattended_s"] == 2400, "from 07:20 to 08:00, not longer"


def test_without_a_clock_nobody_is_missed_and_a_check_in_still_counts() -> None:
    here = day("2026-09-01 07:10")
    here.restart(60, clock="unknown")
    here.at("07:21")
    here.command("check_in")
    reading = here.gateway.house.readings["east-post"]
    assert (reading.value, reading.quality) == (None, Quality.BAD), "unknown is not normal"
    here.at("07:30")
    here.gateway.set_clock("synchronised")
    here.at("07:58")
    assert here.words() == ["checked_in"]
    assert here.gateway.house.readings["east-post"].value is False


def test_away_for_three_minutes_and_not_a_second_less() -> None:
    desk = Desk(GuardPost(SPEC), "2026-09-01 17:20")
    for sees in (True, False):
        desk.step(Reading("eye", sees))
    desk.now_s += 179
    assert desk.step().wake_s == [desk.now_s + 1]
    assert not desk.state.missing
    desk.now_s += 1
    desk.step()
    assert not desk.state.missing, "within five minutes of the beginning that this gateway has seen"
    desk.now_s += 120
    desk.step()
    assert desk.state.missing


def test_left_and_back() -> None:
    here = day()
    here.read("person-post", True)
    here.at("07:40")
    here.read("person-post", False)
    here.at("07:42:59")
    assert here.words() == ["on_post"]
    here.at("07:43:00")
    (draft,) = here.drafts()
    assert draft.data["detail"] == {"absent_s": 180}
    here.read("person-post", True)
    assert here.words() == ["cleared"]


@pytest.mark.parametrize("role", ["centre", "viewer"])
def test_who_may_check_in(role: str) -> None:
    here = day()
    assert not here.command("check_in", role=role).ok
    assert here.words() == []


def test_what_a_list_tells() -> None:
    here = day()

    def row() -> dict[str, Any]:
        return duties(here.gateway.house, here.gateway.now())[0]

    assert row()["state"] == "not due"
    here.at("07:21")
    assert (row()["state"], row()["due"]) == ("awaited", "2026-08-31T23:25:00.000Z")
    here.at("07:26")
    assert (row()["state"], row()["zh"]) == ("missing", "东门：07:20 起无人在岗")
    here.command("check_in")
    assert (row()["state"], row()["who"]) == ("on post", "周建国")
    assert duty_lines([row()])[1] == "  east-post  on post, 周建国  东门：在岗  east gate: on post"


def test_why() -> None:
    desk = Desk(GuardPost(SPEC), "2026-09-01 07:21")
    desk.step()
    assert [why.acts for why in desk.rule.explain(desk.state, "eye", desk.view())] == [True]
    assert list(desk.rule.explain(desk.state, "elsewhere", desk.view())) == []
    desk.clock = "unknown"
    assert next(desk.rule.explain(GuardPost(SPEC).begin(None), "post", desk.view())).text.zh == "东门：时钟未同步，不判断在岗"


WAITS = st.sampled_from([1, 60, 150, 179, 180, 181, 300]) | st.integers(1, 400)
ACTS = st.lists(st.tuples(WAITS, st.sampled_from(["seen", "gone", "blind", "check in", "wait", "restart"])), max_size=25)


@settings(max_examples=60, deadline=None)
@given(ACTS)
def test_missing_is_what_a_simple_look_says(acts: list[tuple[int, str]]) -> None:
    """Dismissal is from 17:00 to 17:40. The oracle knows only when the last check-in and the last sight were."""
    desk = Desk(GuardPost(SPEC), "2026-09-01 16:55")
    desk.step()
    begin_s = 1000.0 + 300
    checked_s = seen_s = -1e9
    sees = False
    for wait_s, act in acts:
        before_s = desk.now_s
        desk.now_s += wait_s
        if sees:
            seen_s = desk.now_s
        if before_s < begin_s <= desk.now_s:
            desk.now_s = begin_s  # the window's change is a step of its own
            desk.step()
            desk.now_s = before_s + wait_s
        if act in ("seen", "gone", "blind"):
            sees = act == "seen"
            seen_s = desk.now_s if sees else seen_s
            desk.step(Reading("eye", sees) if act != "blind" else Reading("eye", None, Quality.BAD, "camera blind"))
        elif act == "check in":
            checked_s = desk.now_s
            desk.step(Command("check_in", "post", "周建国", "guard", "door"))
        else:
            desk.step()
        if act == "restart":
            seen_s = desk.now_s if desk.state.on_camera else -1e9  # what a camera saw is not kept to the second
            desk.restart()
            desk.step()
        inside = begin_s <= desk.now_s < begin_s + 2400
        there = desk.now_s < seen_s + SPEC.away_s or checked_s >= begin_s - SPEC.early_s
        late = desk.now_s >= begin_s + SPEC.grace_s
        assert desk.state.missing is (inside and late and not there)
