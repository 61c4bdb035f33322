"""The duty room: when it is asked, what counts as an answer, what becomes of it in a power cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.commands import Command
from gateway.core.duties import DutyRoomSpec, Signers
from gateway.core.points import Text
from gateway.core.reading import Reading
from gateway.rules.dead_man import DutyRoom
from gateway.runtime.duties import duties
from tests.gateway.rules.duty_day import NO_PATROL, Day, Desk

SPEC = DutyRoomSpec("duty-room", "duty-room", Text("值班室", "duty room"), Signers(("button",)), "school/gate")
ANSWER = Command("answer", "", "周建国", "guard", "door")
ROOM: dict[str, Any] = {
    "place": "duty-room", "buttons": ["answer-button"], "lamp": "duty-lamp", "min_interval_min": 60, "max_interval_min": 180,
}  # fmt: skip


def desk(begin: str = "2026-09-01 00:00", **changes: Any) -> Desk:
    spec = DutyRoomSpec(**{name: changes.get(name, getattr(SPEC, name)) for name in SPEC.__slots__})
    found = Desk(DutyRoom(spec), begin)
    found.step()
    return found


def until_asked(here: Desk) -> float:
    """On to the next question, by the rule's own wakes; seconds that it took."""
    begin_s, asked = here.now_s, here.said.count("duty.asked")
    while here.said.count("duty.asked") == asked:
        out = here.step()
        here.now_s = min([at_s for at_s in out.wake_s if at_s > here.now_s], default=here.now_s + 60)
    return here.now_s - begin_s


def room(begin: str = "2026-09-05 10:00", **more: Any) -> Day:
    found = Day(begin, NO_PATROL, {"rules": {"duty_room": ROOM | more}})
    found.read("answer-button", False)
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3_000_000), st.integers(1, 40))
def test_the_next_question_lies_between_the_two_intervals(start_s: int, answer_after_s: int) -> None:
    here = desk()
    here.now_s += start_s / 100
    until_asked(here)
    here.now_s += answer_after_s
    here.step(ANSWER)
    assert here.state.next is not None
    assert SPEC.min_interval_s <= here.state.next.until_s - here.now_s <= SPEC.max_interval_s


def test_moments_cannot_be_foreseen_from_those_before_and_are_the_same_for_the_same_history() -> None:
    def moments(seed: str, count: int) -> list[float]:
        here = desk(seed=seed)
        found = []
        for _ in range(count):
            found.append(until_asked(here))
            here.now_s += 20
            here.step(ANSWER)
        return found

    first, again, other = moments("a", 40), moments("a", 40), moments("b", 40)
    assert first == again
    assert not set(first) & set(other)
    waits = first[1:]
    middle = (SPEC.min_interval_s + SPEC.max_interval_s) / 2
    assert 8 < sum(wait_s < middle for wait_s in waits) < 32, "they are spread over the whole span"
    assert len({round(wait_s, 3) for wait_s in waits}) == len(waits)


def test_an_answer_before_the_question_or_by_a_taped_button_does_not_count() -> None:
    here = desk()
    here.step(Reading("button", False))
    here.step(Reading("button", True))  # held down from now on
    until_asked(here)
    assert here.step(Reading("button", True)).said == []
    here.now_s += 301
    here.step()
    assert here.state.unanswered
    here.step(Reading("button", False))
    here.step(Reading("button", True))
    assert not here.state.unanswered
    assert here.said[-1] == "duty.answered"


def test_only_in_its_hours() -> None:
    here = desk("2026-09-01 07:00", hours=((480, 720),))
    assert here.state.next is None
    here.now_s += 3600
    here.step()
    assert here.state.next is not None
    here.now_s += 4 * 3600 + 1  # past noon: the question that was due does not come
    here.step()
    assert here.state.next is None
    assert here.said == []


def test_lamp_and_buzzer_go_on_until_the_answer() -> None:
    here = desk(lamp="lamp", buzzer="buzzer")
    until_asked(here)
    here.now_s = here.state.answer_by.until_s - SPEC.within_s  # the moment of the question
    beeps = 1
    for _ in range(4):
        here.now_s += 30
        beeps += sum(asked.output == "buzzer" for asked in here.step().asks)
    assert beeps == 5
    assert [(asked.output, asked.on) for asked in here.step(ANSWER).asks] == [("lamp", False)]
    here.now_s += 30
    assert here.step().asks == []


def test_a_question_that_ran_out_in_a_power_cut_is_put_again() -> None:
    here = desk(lamp="lamp")
    until_asked(here)
    here.restart()
    here.now_s += 3600
    out = here.step()
    assert not here.state.unanswered
    assert here.state.answer_by.until_s == here.now_s + SPEC.within_s
    assert [(asked.output, asked.on) for asked in out.asks] == [("lamp", True)]
    here.now_s += 301
    here.step()
    assert here.state.unanswered
    here.restart()
    here.now_s += 3600
    here.step()
    assert here.state.unanswered, "what was not answered stays so"


def test_a_power_cut_does_not_bring_the_next_question_forward() -> None:
    here = desk()
    until_s = here.state.next.until_s
    here.restart()
    here.now_s += 600
    here.step()
    assert here.state.next.until_s == pytest.approx(until_s, abs=0.01)


def test_without_a_clock_nobody_is_asked() -> None:
    here = Desk(DutyRoom(SPEC), "2026-09-01 00:00")
    here.clock = "unknown"
    for _ in range(5):
        here.now_s += 10_000
        here.step()
    assert here.said == []
    assert here.step(ANSWER).refused


def test_in_the_house_the_moment_is_told_to_nobody() -> None:
    here = room()
    (row,) = [row for row in duties(here.gateway.house, here.gateway.now()) if row["rule"] == "duty-room"]
    assert row["state"] == "not asked"
    assert "due" not in row


def test_in_the_house() -> None:
    here = room()
    while "asked" not in (words := here.words()):
        assert words == []
        here.gateway.advance(here.gateway.t_s + 60)
    here.gateway.advance(here.gateway.t_s + 301)
    assert here.words() == ["activated"]
    here.read("answer-button", True)
    drafts = here.drafts()
    assert [draft.type.split(".")[-1] for draft in drafts] == ["answered", "cleared"]
    assert drafts[0].data["in_time"] is False
    here.gateway.advance(here.gateway.t_s + 1)
    assert [(output, on) for output, on, _ in here.switched if output == "duty-lamp"][-2:] == [("duty-lamp", True), ("duty-lamp", False)]
    assert here.command("answer").reply == "no question is open: an answer counts when the duty room was asked"
    (row,) = [row for row in duties(here.gateway.house, here.gateway.now()) if row["rule"] == "duty-room"]
    assert row["done"] == 1


def test_why() -> None:
    here = desk()
    assert [why.acts for why in here.rule.explain(here.state, "button", here.view())] == [False]
    until_asked(here)
    (why,) = here.rule.explain(here.state, "button", here.view())
    assert why.acts
    assert why.text.zh.startswith("值班室：")
