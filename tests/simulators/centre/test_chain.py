"""Numbers and links of one epoch in every order of arrival."""

import itertools

import pytest

from simulators.centre.chain import GENESIS, Epoch, Place


def place(number: int, previous: str, class_number: int | None = None) -> Place:
    return Place("0000000001", number, "alarm", class_number or number, previous)


WHOLE = [(place(1, GENESIS), "a"), (place(2, "a"), "b"), (place(3, "b"), "c"), (place(4, "c"), "d")]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_whole_in_any_order(order: tuple[int, ...]) -> None:
    epoch = Epoch()
    for index in order:
        assert epoch.add(*WHOLE[index]) == []
    assert (epoch.state(), epoch.holes(), epoch.class_holes()) == ("whole", [], {})


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_wrong_link_is_found_in_any_order(order: tuple[int, ...]) -> None:
    events = [*WHOLE[:2], (place(3, "x"), "c"), WHOLE[3]]
    epoch = Epoch()
    problems = [problem for index in order for problem in epoch.add(*events[index])]
    assert len(problems) == 1
    assert epoch.state() == "broken at 3"


def test_hole_then_fill() -> None:
    epoch = Epoch()
    epoch.add(*WHOLE[0])
    epoch.add(*WHOLE[3])
    assert (epoch.state(), epoch.holes()) == ("broken at 2 (missing)", [(2, 3)])
    epoch.add(*WHOLE[2])
    epoch.add(*WHOLE[1])
    assert (epoch.state(), epoch.holes()) == ("whole", [])


def test_first_event_must_begin_the_chain() -> None:
    epoch = Epoch()
    assert epoch.add(place(1, "a"), "b") == ["the first event of an epoch names a previous one"]
    assert epoch.state() == "broken at 1"


def test_a_number_used_twice() -> None:
    epoch = Epoch()
    epoch.add(*WHOLE[0])
    assert epoch.add(place(1, GENESIS), "z") == ["sequence 1 was used before"]
    assert epoch.add(place(2, "a", class_number=1), "b") == ["class sequence 1 of alarm was used before"]


def test_a_number_left_out_in_a_class_only() -> None:
    epoch = Epoch()
    epoch.add(*WHOLE[0])
    epoch.add(place(2, "a", class_number=3), "b")
    assert (epoch.state(), epoch.class_holes()) == ("whole", {"alarm": [(2, 2)]})
