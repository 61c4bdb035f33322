"""Average precision and its neighbours, against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluate import Judged, average_precision, figures, match

Box = tuple[float, float, float, float]


def picture(found: list[tuple[Box, float]], truth: list[Box], *, left_out: list[bool] | None = None, height_px: int = 100) -> Judged:
    return Judged(
        np.array([box for box, _ in found], np.float32).reshape(-1, 4),
        np.array([score for _, score in found], np.float32),
        np.array(truth, np.float32).reshape(-1, 4),
        np.array(left_out or [False] * len(truth), np.bool_),
        height_px,
    )


A: Box = (0, 0, 10, 20)
B: Box = (50, 0, 60, 20)
NOWHERE: Box = (80, 80, 90, 100)
LOW: Box = (30, 30, 33, 36)


def test_all_found_and_nothing_else() -> None:
    got = figures([picture([(A, 0.9), (B, 0.8)], [A, B])], 0.5)
    assert (got.ap50, got.recall, got.precision, got.people) == (1.0, 1.0, 1.0, 2)
    assert got.false_per_empty is None


def test_a_false_box_between_two_right_ones() -> None:
    """Precision 1 up to the first person, then 2 of 3: half of 1 and half of 2/3."""
    got = figures([picture([(A, 0.9), (NOWHERE, 0.8), (B, 0.7)], [A, B])], 0.75)
    assert got.ap50 == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert (got.recall, got.precision) == (0.5, 0.5)


def test_a_dent_in_the_curve_is_filled() -> None:
    """False, right, right: precision 1/2 at the first person is filled up to 2/3, which the second still has."""
    got = figures([picture([(NOWHERE, 0.9), (A, 0.8), (B, 0.7)], [A, B])], 0.5)
    assert got.ap50 == pytest.approx(2 / 3)


def test_a_second_box_on_the_same_person_is_wrong() -> None:
    assert match(picture([(A, 0.9), (A, 0.8)], [A])).tolist() == [1, 0]


def test_the_better_box_gets_the_person_whatever_the_order() -> None:
    assert match(picture([(A, 0.6), (A, 0.9)], [A])).tolist() == [0, 1]


def test_half_an_overlap_is_right_and_less_is_wrong() -> None:
    assert match(picture([((0, 0, 10, 10), 0.9)], [A])).tolist() == [1]
    assert match(picture([((0, 0, 10, 9.9), 0.9)], [A])).tolist() == [0]


def test_low_people_count_only_in_the_figure_of_all() -> None:
    got = figures([picture([(A, 0.9)], [A, LOW])], 0.5)
    assert got.ap50 == 0.5
    assert got.ap50_big == 1.0


def test_a_low_person_found_is_no_false_alarm_of_the_big_ones() -> None:
    got = figures([picture([(LOW, 0.9), ((70, 0, 72, 5), 0.85), (A, 0.8)], [A, LOW])], 0.5)
    assert got.ap50_big == 1.0


def test_crowds_are_left_out() -> None:
    got = figures([picture([(A, 0.9), (B, 0.8)], [A, B], left_out=[True, False])], 0.5)
    assert (got.people, got.recall, got.precision, got.ap50) == (1, 1.0, 1.0, 1.0)


def test_pictures_without_people() -> None:
    judged = [picture([(A, 0.6)], []), picture([(A, 0.4)], []), picture([], []), picture([], [A])]
    got = figures(judged, 0.5)
    assert (got.empty, got.pictures, got.false_per_empty) == (3, 4, pytest.approx(1 / 3))
    assert (got.recall, got.precision) == (0.0, 0.0)


def test_nothing_at_all_has_no_figures() -> None:
    got = figures([], 0.5)
    assert (got.ap50, got.ap50_big, got.recall, got.precision, got.false_per_empty) == (None,) * 5


@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=1, max_size=40), st.integers(0, 10))
def test_the_area_is_that_of_the_filled_curve(found: list[tuple[int, bool]], missed: int) -> None:
    """Against the definition: for each person the best precision at this or any higher recall."""
    people = sum(right for _, right in found) + missed
    score = np.array([score for score, _ in found], np.float32)
    right = np.array([right for _, right in found])
    got = average_precision(score, right, people, np.ones(len(found), np.bool_))
    if not people:
        assert got is None
        return
    ordered = [right for _, _, right in sorted((-score, place, right) for place, (score, right) in enumerate(found))]
    hits = [place for place, each in enumerate(ordered) if each]
    precision = [(number + 1) / (place + 1) for number, place in enumerate(hits)]
    assert got == pytest.approx(sum(max(precision[number:]) for number in range(len(hits))) / people)
