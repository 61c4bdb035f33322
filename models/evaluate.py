"""How good a model is on labelled pictures. Pure arithmetic on boxes; what is read and run is `labelled` and `judge`.

AP@0.5 is the area under the precision/recall curve with its dents filled (each precision is the best that this or a
higher recall still has). A box is right when it overlaps a labelled one, not yet taken by a better box, by at least 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.boxes import Floats, iou

RIGHT_IOU = 0.5
BIG_RATIO = 0.1  # of the picture's height

_RIGHT, _WRONG, _LEFT_OUT = 1, 0, -1


class Judged(NamedTuple):
    """One picture: what was found (boxes (N, 4) and scores (N,), best first) and what is there (truth (M, 4)), in pixels.

    left_out: (M,) labelled boxes that count neither as missed nor as found.
    """

    boxes: Floats
    scores: Floats
    truth: Floats
    left_out: NDArray[np.bool_]
    height_px: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of a model on a set. None where the set has nothing to measure them by.

    recall, precision: at the working threshold. false_per_empty: false people for each picture without any.
    """

    ap50: float | None
    ap50_big: float | None
    recall: float | None
    precision: float | None
    false_per_empty: float | None
    people: int
    pictures: int
    empty: int


def figures(judged: list[Judged], threshold: float) -> Figures:
    """threshold: score from which a found box counts, for recall and precision."""
    score, state, people = _outcomes(judged, 0.0)
    big_score, big_state, big_people = _outcomes(judged, BIG_RATIO)
    counted = state[score >= threshold]
    right, wrong = int((counted == _RIGHT).sum()), int((counted == _WRONG).sum())
    empty = [each for each in judged if not len(each.truth)]
    false = sum(int((each.scores >= threshold).sum()) for each in empty)
    return Figures(
        ap50=average_precision(score, state == _RIGHT, people, state != _LEFT_OUT),
        ap50_big=average_precision(big_score, big_state == _RIGHT, big_people, big_state != _LEFT_OUT),
        recall=right / people if people else None,
        precision=right / (right + wrong) if right + wrong else None,
        false_per_empty=false / len(empty) if empty else None,
        people=people,
        pictures=len(judged),
        empty=len(empty),
    )


def average_precision(score: Floats, right: NDArray[np.bool_], people: int, counts: NDArray[np.bool_]) -> float | None:
    """Area under the curve. score, right, counts: (K,) of all found boxes; people: how many there are. None for nobody."""
    if not people:
        return None
    order = np.argsort(-score[counts], kind="stable")
    hits = right[counts][order]
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[hits].sum() / people)


def match(each: Judged, least_px: float = 0.0) -> NDArray[np.int_]:
    """For each found box of a picture: 1 right, 0 wrong, -1 left out (it lies on something labelled that is left out or too low)."""
    height = each.truth[:, 3] - each.truth[:, 1]
    open_, aside = ~each.left_out & (height >= least_px), each.left_out | (height < least_px)
    state = np.full(len(each.boxes), _WRONG)
    for place in np.argsort(-each.scores, kind="stable"):
        overlap = iou(each.boxes[place], each.truth)
        candidates = np.where(open_, overlap, 0.0)
        if candidates.max(initial=0.0) >= RIGHT_IOU:
            open_[candidates.argmax()] = False
            state[place] = _RIGHT
        elif np.where(aside, overlap, 0.0).max(initial=0.0) >= RIGHT_IOU:
            state[place] = _LEFT_OUT
    return state


def _outcomes(judged: list[Judged], least_ratio: float) -> tuple[Floats, NDArray[np.int_], int]:
    """Scores and states of all found boxes, and how many labelled ones count. least_ratio: height, as a share of the picture's."""
    scores, states, people = [np.zeros(0, np.float32)], [np.zeros(0, np.int_)], 0
    for each in judged:
        least_px = least_ratio * each.height_px
        state = match(each, least_px)
        low = (each.boxes[:, 3] - each.boxes[:, 1] < least_px) & (state == _WRONG)
        state[low] = _LEFT_OUT  # too low to be one of those that count
        scores.append(each.scores)
        states.append(state)
        people += int((~each.left_out & (each.truth[:, 3] - each.truth[:, 1] >= least_px)).sum())
    return np.concatenate(scores), np.concatenate(states), people
