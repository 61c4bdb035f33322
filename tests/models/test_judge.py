"""Models run over labelled pictures: the shipped ones on the study's data, where it is here, and a made one on made pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.judge import Speed, evaluate, speed
from models.labelled import Labelled, Set, open_set
from models.runner import load
from tests.models.networks import one_person
from tests.vision_data import need_data

SHIPPED = ("nanodet-g-person-int8", "nanodet-g-campus-int8")


def pictures(*boxes: list[list[float]]) -> Set:
    """Square pictures with these people on them."""

    def each() -> list[Labelled]:
        return [
            Labelled(str(n), np.zeros((64, 64, 3), np.uint8), np.array(b, np.float32).reshape(-1, 4), np.zeros(len(b), np.bool_))
            for n, b in enumerate(boxes)
        ]

    return Set(len(boxes), lambda: iter(each()))


def test_figures_of_a_model_that_always_sees_the_same(tmp_path: Path) -> None:
    told: list[int] = []
    result = evaluate(load(one_person(tmp_path / "one")), pictures([[16, 16, 48, 48]], [[0, 0, 10, 10]], []), told=told.append)
    assert told == [1, 2, 3]
    line = result.as_json()
    assert (line["recall"], line["precision"], line["false_per_empty"]) == (0.5, pytest.approx(1 / 3, abs=1e-4), 1.0)
    assert (line["model"], line["threshold"], line["people"], line["pictures"], line["empty"]) == ("one", 0.5, 2, 3, 1)
    assert line["latency_ms"] > 0


def test_below_the_working_threshold_only_the_curve_counts(tmp_path: Path) -> None:
    figures = evaluate(load(one_person(tmp_path / "shy", score=0.4)), pictures([[16, 16, 48, 48]], [])).figures
    assert figures.ap50 == 1.0
    assert (figures.recall, figures.precision, figures.false_per_empty) == (0.0, None, 0.0)


def test_with_a_region_only_people_whose_feet_are_in_it_count(tmp_path: Path) -> None:
    """The made model sees a person in the middle of whatever it looks at: here in the middle of the right half."""
    detector = load(one_person(tmp_path / "one"))
    figures = evaluate(detector, pictures([[40, 16, 56, 48], [0, 0, 10, 20]]), region=(0.5, 0.0, 1.0, 1.0)).figures
    assert (figures.people, figures.recall, figures.precision) == (1, 1.0, 1.0)


def test_speed_and_what_it_is_good_for(tmp_path: Path) -> None:
    measured = speed(load(one_person(tmp_path / "one")), np.zeros((360, 640, 3), np.uint8), 5)
    assert 0 < measured.p50_ms <= measured.p95_ms
    assert measured.rss_mb > 10
    assert Speed(1, 8.0, 10.0, 100.0).pictures_per_s == 100.0
    assert Speed(1, 8.0, 10.0, 100.0).cameras(5.0) == 16
    assert Speed(1, 8.0, 999.0, 100.0).cameras(5.0) == 0


@pytest.mark.slow
@pytest.mark.parametrize("model", SHIPPED)
def test_accuracy_on_photographs_that_it_was_not_trained_on(model: str) -> None:
    """Source of the bars: the issue; the study measured 0.629 and 0.818."""
    images, labels = need_data("dev", "coco-stills", "images"), need_data("dev", "coco-stills", "labels")
    figures = evaluate(load(model), open_set(images, labels, only="val_*"), width_px=416, height_px=320).figures
    assert figures.people == 243
    assert figures.ap50 is not None
    assert figures.ap50_big is not None
    assert figures.ap50 >= 0.62
    assert figures.ap50_big >= 0.80
    assert figures.false_per_empty == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("model", SHIPPED)
def test_accuracy_on_a_campus(model: str) -> None:
    """Source of the bars: the issue."""
    labelled = open_set(need_data("dev", "pets-s2l1", "clip.mp4"), need_data("dev", "pets-s2l1", "gt.txt"))
    figures = evaluate(load(model), labelled, width_px=416, height_px=320).figures
    assert figures.ap50 is not None
    assert figures.recall is not None
    assert figures.precision is not None
    assert figures.ap50 >= 0.90
    assert figures.recall >= 0.88
    assert figures.precision >= 0.93
