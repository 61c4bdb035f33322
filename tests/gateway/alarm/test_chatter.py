"""What a chattering alarm may hold back, and what not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.chatter import BEGINNINGS, WITHIN_S, Chatter


@given(st.lists(st.floats(0.0, 100.0), max_size=60))
def test_nothing_is_held_back_for_longer_than_a_minute_and_nothing_is_forgotten(gaps: list[float]) -> None:
    chatter, now_s, told, held = Chatter(), 1000.0, [], 0
    for gap in gaps:
        now_s += gap
        if chatter.held and now_s >= chatter.again_s:
            assert chatter.held == held
            chatter, held = chatter.told(chatter.again_s), 0  # the tick at that time
        before = chatter
        chatter = chatter.begun(now_s)
        if chatter.held > before.held:
            held += 1
            assert now_s < chatter.again_s <= told[-1] + WITHIN_S or chatter.again_s <= now_s + WITHIN_S
        else:
            told.append(now_s)
            held = chatter.held
    assert chatter.held == held
    for first in told:
        assert sum(first <= at_s < first + WITHIN_S for at_s in told) <= BEGINNINGS + 1, "however often it comes"


def test_three_in_a_minute() -> None:
    chatter = Chatter().begun(10.0).begun(40.0)
    assert not chatter.chatters(40.0)
    chatter = chatter.begun(69.0)
    assert (chatter.chatters(69.0), chatter.held, chatter.over_s()) == (True, 0, 70.0)
    assert not chatter.chatters(70.0)
    slow = Chatter().begun(10.0).begun(40.0).begun(70.0)
    assert not slow.chatters(70.0)
