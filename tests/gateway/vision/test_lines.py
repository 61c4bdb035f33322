"""Who crosses, which way, and who only comes near."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vision.lines import MARGIN, Crossings, Point, Walker, Way, step

START, END = (320.0, 100.0), (320.0, 300.0)  # down the picture: whoever looks along it has the left part of the picture at the right
TALL = 100.0


def walk(path: list[Point], start: Point = START, end: Point = END, *, believed_from: int = 0) -> tuple[list[Way], Crossings]:
    state, ways = Crossings(), list[Way]()
    for i, foot in enumerate(path):
        state, crossed = step(state, {1: Walker(foot, TALL, i >= believed_from)}, start, end)
        ways += crossed.values()
    return ways, state


@pytest.mark.parametrize(("path", "way"), [([400, 360, 310, 250], Way.IN), ([250, 300, 350, 400], Way.OUT)])
def test_left_to_right_along_the_line_is_in(path: list[float], way: Way) -> None:
    ways, state = walk([(x, 200.0) for x in path])
    assert ways == [way]
    assert (state.passed(Way.IN), state.passed(Way.OUT), state.passed(None)) == (int(way is Way.IN), int(way is Way.OUT), 1)
    assert walk([(x, 200.0) for x in path], END, START)[0] == [Way.OUT if way is Way.IN else Way.IN]


def test_who_trembles_on_the_line_or_turns_back_has_not_crossed() -> None:
    near = MARGIN * TALL - 1
    assert walk([(380.0, 200.0), *[(320 + near * (-1) ** i, 200.0) for i in range(20)], (380.0, 200.0)])[0] == []


def test_who_crosses_and_comes_back_has_crossed_twice() -> None:
    assert walk([(x, 200.0) for x in (400, 340, 325, 315, 290, 325, 350)])[0] == [Way.IN, Way.OUT]


def test_who_walks_around_the_end_has_not_crossed() -> None:
    assert walk([(x, 350.0) for x in (400, 340, 300, 250)])[0] == []
    assert walk([(400.0, 200.0), (400.0, 350.0), (250.0, 350.0), (250.0, 200.0)])[0] == []


def test_a_leap_over_the_line_between_two_pictures_counts() -> None:
    assert walk([(500.0, 150.0), (150.0, 250.0)])[0] == [Way.IN]


def test_who_is_not_believed_yet_counts_as_soon_as_it_is() -> None:
    assert walk([(x, 200.0) for x in (400, 350, 290, 250)], believed_from=3)[0] == [Way.IN]
    assert walk([(x, 200.0) for x in (400, 350, 290, 250)], believed_from=9)[0] == []


def test_two_walkers_are_two_and_who_is_gone_is_forgotten() -> None:
    state, _ = step(Crossings(), {1: Walker((400, 200), TALL), 2: Walker((200, 200), TALL)}, START, END)
    state, crossed = step(state, {1: Walker((200, 200), TALL), 2: Walker((400, 200), TALL)}, START, END)
    assert crossed == {1: Way.IN, 2: Way.OUT}
    state, _ = step(state, {}, START, END)
    assert state == Crossings({}, 1, 1)


@given(st.lists(st.floats(0, 640), min_size=1, max_size=40))
def test_in_and_out_alternate_and_add_up_to_the_side(xs: list[float]) -> None:
    ways, state = walk([(x, 200.0) for x in xs])
    assert all(a is not b for a, b in pairwise(ways))
    sure = [x for x in xs if abs(x - 320) >= MARGIN * TALL]
    if sure:
        assert state.passed_in - state.passed_out == (sure[0] > 320) - (sure[-1] > 320)
