"""Every kind of head, run by onnxruntime through a whole model folder: manifest, digest, self-test, picture to boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.core.errors import ModelRefused
from models.boxes import cells
from models.runner import load
from models.ssd import anchors
from tests.models.networks import SIDE, Arrays, constant_network, one_person, sized_network, write_model

WIDE = np.full((SIDE, 2 * SIDE, 3), 128, np.uint8)  # twice as wide as the input: half the size, and a bar above and below
PERSON_AND_CAR = "classes = { person = [1], vehicle = [2, 3] }"


def logit(score: float) -> float:
    return float(np.log(score / (1 - score)))


def test_nanodet(tmp_path: Path) -> None:
    count = len(cells(SIDE, SIDE, (8, 16, 32)))
    score, reg = np.zeros((1, count, 3), np.float32), np.full((1, count, 44), -50.0, np.float32)
    place = 3 * 8 + 4  # row 3, column 4 of stride 8: centre 36, 28
    score[0, place] = [0.0, 0.8, 0.4]
    for side in range(4):
        reg[0, place, side * 11 + 2] = 50.0
    network = constant_network({"score": score, "reg": reg})
    more = "classes = { person = [1], vehicle = [2] }"
    folder = write_model(tmp_path / "nano", network, 'name = "nanodet-dfl"', boxes=[[20, 12, 52, 44, 0.8]], more=more)
    detector = load(folder)
    found = detector.detect(WIDE)
    assert detector.info.kinds == ("person", "vehicle")
    assert found.boxes.tolist() == [pytest.approx([40, 0, 104, 56])] * 2  # (12 - 16) * 2 lies above the picture
    assert found.scores.tolist() == pytest.approx([0.8, 0.4])
    assert found.kinds.tolist() == [0, 1]


def test_ssd(tmp_path: Path) -> None:
    near = anchors((2, 1), 0.2, 0.95)
    assert near.shape == (2 * 2 * 3 + 6, 4)
    scores = np.full((1, len(near), 4), -9.0, np.float32)
    scores[0, 2 * 3, 1] = logit(0.7)  # row 1, column 0: centre 0.25, 0.75, side 0.1
    scores[0, 12, 3] = logit(0.6)  # the whole picture: side 0.95
    network = constant_network({"raw": np.zeros((1, len(near), 4), np.float32), "logits": scores})
    decoder = 'name = "ssd"\nboxes = "raw"\nscores = "logits"\ngrids = [2, 1]'
    person = [0.2 * SIDE, 0.7 * SIDE, 0.3 * SIDE, 0.8 * SIDE]
    folder = write_model(tmp_path / "ssd", network, decoder, boxes=[[*person, 0.7]], mode="squash", more=PERSON_AND_CAR)
    found = load_without_vehicles(folder).detect(WIDE)
    assert found.boxes[0].tolist() == pytest.approx([0.2 * 2 * SIDE, 0.7 * SIDE, 0.3 * 2 * SIDE, 0.8 * SIDE], abs=1e-3)
    assert found.boxes[1].tolist() == pytest.approx([0.025 * 2 * SIDE, 0.025 * SIDE, 0.975 * 2 * SIDE, 0.975 * SIDE], abs=1e-3)
    assert found.scores.tolist() == pytest.approx([0.7, 0.6], abs=1e-5)
    assert found.kinds.tolist() == [0, 1]


@pytest.mark.parametrize("decoded", [False, True])
def test_yolox(tmp_path: Path, decoded: bool) -> None:
    output = np.zeros((1, len(cells(SIDE, SIDE, (8, 16, 32))), 5 + 4), np.float32)
    place = 64 + 1 * 4 + 2  # row 1, column 2 of stride 16
    output[0, place] = [40, 24, 16, 32, 0.9, 0, 1.0, 0, 0] if decoded else [0.5, 0.5, 0.0, np.log(2), 0.9, 0, 1.0, 0, 0]
    network = constant_network({"output": output})
    decoder = 'name = "yolox"' + ("\ndecoded = true" if decoded else "")
    folder = write_model(tmp_path / "yolox", network, decoder, boxes=[[32, 8, 48, 40, 0.9]], mode="letterbox-topleft", more=PERSON_AND_CAR)
    found = load(folder).detect(WIDE)
    assert found.boxes.tolist() == [pytest.approx([64, 16, 96, 64], abs=1e-4)]  # twice the size, from the top left; cut at the bottom
    assert found.scores.tolist() == pytest.approx([0.9])


def test_detr(tmp_path: Path) -> None:
    logits = np.full((1, 3, 91), -9.0, np.float32)
    logits[0, 0, 1], logits[0, 2, 1], logits[0, 1, 77] = logit(0.6), logit(0.8), logit(0.95)  # class 77 is nobody's
    boxes = np.array([[[0.25, 0.5, 0.5, 1.0], [0.5, 0.5, 1.0, 1.0], [0.75, 0.5, 0.5, 0.5]]], np.float32)
    network = constant_network({"dets": boxes, "labels": logits})
    expected = [[0.5 * SIDE, 0.25 * SIDE, SIDE, 0.75 * SIDE, 0.8], [0, 0, 0.5 * SIDE, SIDE, 0.6]]
    more = "classes = { person = [1] }"
    folder = write_model(tmp_path / "detr", network, 'name = "detr-cxcywh-logits"', boxes=expected, mode="squash", more=more)
    found = load(folder).detect(WIDE)
    assert found.boxes.tolist() == [pytest.approx([SIDE, 16, 2 * SIDE, 48]), pytest.approx([0, 0, SIDE, SIDE])]
    assert found.scores.tolist() == pytest.approx([0.8, 0.6])


def test_boxes_labels_scores_with_the_size_as_an_input(tmp_path: Path) -> None:
    shares = np.array([[[0.0, 0.0, 0.5, 1.0], [0.5, 0.5, 1.0, 1.0], [0, 0, 1, 1]]], np.float32)
    network = sized_network(shares, np.array([[2, 1, 7]], np.int64), np.array([[0.45, 0.9, 0.99]], np.float32))
    expected = [[32, 32, 64, 64, 0.9]]
    folder = write_model(tmp_path / "fine", network, 'name = "boxes-labels-scores"', boxes=expected, mode="squash", more=PERSON_AND_CAR)
    found = load(folder).detect(WIDE)
    assert found.boxes.tolist() == [pytest.approx([SIDE, 32, 2 * SIDE, 64]), pytest.approx([0, 0, SIDE, SIDE])]
    assert found.kinds.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([0.9, 0.45])


def test_two_classes_of_a_kind_at_one_place_are_one_vehicle(tmp_path: Path) -> None:
    logits = np.full((1, 2, 4), -9.0, np.float32)
    logits[0, 0] = [-9, -9, logit(0.6), logit(0.7)]  # a car, or rather a lorry
    logits[0, 1, 1] = logit(0.9)
    boxes = np.array([[[0.25, 0.5, 0.5, 1.0], [0.75, 0.5, 0.5, 0.5]]], np.float32)
    network = constant_network({"dets": boxes, "labels": logits})
    person = [[32, 16, 64, 48, 0.9]]
    folder = write_model(tmp_path / "detr", network, 'name = "detr-cxcywh-logits"', boxes=person, mode="squash", more=PERSON_AND_CAR)
    found = load_without_vehicles(folder).detect(WIDE)
    assert found.kinds.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([0.9, 0.7])


@pytest.mark.parametrize(
    ("outputs", "why"),
    [
        ({"boxes": np.zeros((1, 2, 5), np.float32)}, r"output boxes is \(1, 2, 5\), expected \(1, any, 4\)"),
        ({"labels": np.zeros((1, 3), np.int64)}, r"output labels is \(1, 3\), expected \(1, 2\)"),
        ({"boxes": np.full((1, 2, 4), np.nan, np.float32)}, "no numbers"),
    ],
)
def test_outputs_that_do_not_suit_are_refused(tmp_path: Path, outputs: Arrays, why: str) -> None:
    right: Arrays = {"boxes": np.zeros((1, 2, 4), np.float32), "labels": np.zeros((1, 2), np.int64), "scores": np.ones((1, 2), np.float32)}
    folder = write_model(tmp_path / "odd", constant_network(right | outputs), 'name = "boxes-labels-scores"', boxes=[[0, 0, 1, 1, 1]])
    with pytest.raises(ModelRefused, match=why):
        load(folder)


PLACES = len(cells(SIDE, SIDE, (8, 16, 32)))
HEADS: dict[str, tuple[str, Arrays]] = {
    "nanodet-dfl": ("", {"score": np.zeros((1, PLACES, 1), np.float32), "reg": np.zeros((1, PLACES, 44), np.float32)}),
    "ssd": ("grids = [2, 1]", {"boxes": np.zeros((1, 18, 4), np.float32), "scores": np.full((1, 18, 2), -9, np.float32)}),
    "yolox": ("", {"output": np.zeros((1, PLACES, 6), np.float32)}),
    "detr-cxcywh-logits": ("", {"dets": np.zeros((1, 3, 4), np.float32), "labels": np.full((1, 3, 2), -9, np.float32)}),
    "boxes-labels-scores": (
        "",
        {"boxes": np.zeros((1, 3, 4), np.float32), "labels": np.zeros((1, 3), np.int64), "scores": np.zeros((1, 3), np.float32)},
    ),
}
FLOATS = [(head, name) for head, (_, outputs) in HEADS.items() for name, values in outputs.items() if values.dtype == np.float32]


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("head", "name"), FLOATS)
def test_what_is_no_number_never_counts_as_nobody(tmp_path: Path, head: str, name: str, number: float) -> None:
    """One such value is enough, also where no box comes of it: NaN reaches no floor, and the picture would look empty."""
    keys, outputs = HEADS[head]
    spoilt = outputs[name].copy()
    spoilt.flat[-1] = number
    folder = write_model(
        tmp_path / "spoilt", constant_network(outputs | {name: spoilt}), f'name = "{head}"\n{keys}', boxes=[[0, 0, 9, 9, 0.9]]
    )
    with pytest.raises(ModelRefused, match=f"output {name} holds values that are no numbers"):
        load(folder)


@pytest.mark.parametrize("head", HEADS)
def test_numbers_that_show_nobody_are_nobody(tmp_path: Path, head: str) -> None:
    keys, outputs = HEADS[head]
    folder = write_model(tmp_path / "blind", constant_network(outputs), f'name = "{head}"\n{keys}', boxes=[[0, 0, 9, 9, 0.9]])
    with pytest.raises(ModelRefused, match=r"should score 0\.90, scored 0\.00"):
        load(folder)


def test_a_class_that_the_network_does_not_have_is_refused(tmp_path: Path) -> None:
    output = np.zeros((1, len(cells(SIDE, SIDE, (8, 16, 32))), 5 + 1), np.float32)
    folder = write_model(
        tmp_path / "few", constant_network({"output": output}), 'name = "yolox"', boxes=[[0, 0, 9, 9, 1]], more=PERSON_AND_CAR
    )
    with pytest.raises(ModelRefused, match="has 1 classes, the manifest names class 3"):
        load(folder)


def test_a_region_is_looked_at_with_all_of_the_input(tmp_path: Path) -> None:
    found = load(one_person(tmp_path / "one")).detect(np.zeros((200, 400, 3), np.uint8), region=(0.5, 0.0, 1.0, 1.0))
    assert found.boxes.tolist() == [pytest.approx([200 + 50, 50, 200 + 150, 150])]


def load_without_vehicles(folder: Path):  # type: ignore[no-untyped-def]
    """The self-test of these folders shows a vehicle that its fixture does not name: it is told so here."""
    import json

    path = folder / "fixtures" / "expected.json"
    fixtures = json.loads(path.read_text())
    with pytest.raises(ModelRefused, match=r"it sees a vehicle in grey\.png, where none is"):
        load(folder)
    vehicle = [0.025 * SIDE, 0.025 * SIDE, 0.975 * SIDE, 0.975 * SIDE, 0.6] if folder.name == "ssd" else [0, 0, 32, 64, 0.7]
    fixtures["items"][0]["vehicles"] = [vehicle]
    path.write_text(json.dumps(fixtures))
    return load(folder)
