"""A number that does not jump."""

from __future__ import annotations

from math import ceil

from gateway.vision.counting import DOWN_S, UP_S, Count, step


def run(counted: list[int], fps: float = 5.0) -> list[int]:
    count, out = Count(), []
    for i, number in enumerate(counted):
        count = step(count, number, i / fps)
        out.append(count.value)
    return out


def test_more_are_believed_sooner_than_fewer() -> None:
    numbers = run([0] * 5 + [4] * 10 + [1] * 20)
    assert numbers.index(4) == 5 + round(5 * UP_S)
    assert numbers.index(1, 10) == 15 + round(5 * DOWN_S)


def test_one_who_is_hidden_for_a_moment_does_not_count_as_gone_and_a_false_find_not_as_come() -> None:
    assert set(run([3] * 10 + [2, 3, 3, 2, 2, 3, 4, 3, 5, 4, 3] * 5)[10:]) == {3}


def test_it_rises_to_the_least_and_falls_to_the_most_that_was_seen_meanwhile() -> None:
    assert run([0, 3, 2, 5, 4])[-1] == 2
    assert run([5] * 5 + [1, 3, 2] * 4)[-1] == 3


def test_the_time_counts_not_the_pictures() -> None:
    assert [run([0, *[2] * (1 + ceil(fps * UP_S))], fps)[-1] for fps in (2.0, 5.0, 25.0)] == [2, 2, 2]
    assert run([0, *[2] * round(25 * UP_S)], 25.0)[-1] == 0
