"""The shipped model on real photographs, the traps of its input, and what load() refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from gateway.core.errors import ModelRefused
from models import runner
from models.boxes import cells, iou
from models.manifest import Colour, folder_of
from models.nanodet import decode
from models.picture import Fit, Letterbox
from models.runner import Detector, load
from simulators.camera_scene import Person, Scene
from tests.models.networks import huge_png

MODEL = "nanodet-g-person-int8"
FIXTURES = folder_of(MODEL) / "fixtures"


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load(MODEL)


def photograph(name: str) -> np.ndarray:
    picture = cv2.imread(str(FIXTURES / name))
    assert picture is not None
    return picture


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the shipped model's folder, to be spoilt."""
    folder = tmp_path / "model"
    shutil.copytree(folder_of(MODEL), folder)
    return folder


def test_what_runs_is_told(detector: Detector) -> None:
    info = detector.info
    assert (info.id, info.provider, info.threads, info.input_width_px) == (MODEL, "CPUExecutionProvider", 1, 416)
    assert (info.start, info.keep) == (0.50, 0.35)


@pytest.mark.parametrize("shape", [(360, 640), (480, 640), (720, 1280), (560, 640)])
def test_a_person_is_found_where_it_stands_in_pictures_of_any_shape(detector: Detector, shape: tuple[int, int]) -> None:
    height, width = shape
    size = height * 5 // 9
    picture = np.full((height, width, 3), 128, np.uint8)
    left, top = width // 8, height - size - 10
    picture[top : top + size, left : left + size] = cv2.resize(photograph("astronaut.jpg"), (size, size), interpolation=cv2.INTER_AREA)
    boxes, scores, _ = detector.detect(picture)
    assert boxes.dtype == scores.dtype == np.float32
    assert scores[0] >= 0.5
    wanted = np.array([left + 10 * size / 512, top + 15 * size / 512, left + 365 * size / 512, top + size])
    assert np.abs(boxes[0] - wanted).max() < size / 6


def test_nobody_is_nobody(detector: Detector) -> None:
    boxes, scores, _ = detector.detect(np.full((360, 640, 3), 100, np.uint8))
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_the_same_picture_gives_the_same_boxes_again(detector: Detector) -> None:
    first = detector.detect(photograph("cameraman.jpg"))
    detector.detect(np.zeros((360, 640, 3), np.uint8))
    again = detector.detect(photograph("cameraman.jpg"))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])


def best_scores(detector: Detector, colour: Colour, who: str) -> list[float]:
    """Best score with other colour settings, for one person at nine sizes and three places of a drawn gate."""
    other = Detector(detector._manifest.model_copy(update={"colour": colour}), detector._session, detector.info)
    scene, out = Scene((640, 360)), []
    for height_ratio in (0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8):
        for x_ratio in (0.3, 0.5, 0.7):
            rgb = scene.picture(Person(who, height_ratio, x_ratio), 1.0)
            out.append(float(other.detect(np.ascontiguousarray(rgb[:, :, ::-1]))[1].max(initial=0.0)))
    return out


def test_red_and_blue_swapped_score_measurably_worse(detector: Detector) -> None:
    """Trap 1: the wrong order still "works" on one portrait; over many pictures it does not."""
    right = detector._manifest.colour
    assert right.order == "BGR"
    swapped = right.model_copy(update={"order": "RGB"})
    assert np.mean(best_scores(detector, right, "astronaut")) > np.mean(best_scores(detector, swapped, "astronaut")) + 0.02


def test_mean_and_std_matter(detector: Detector) -> None:
    """Trap 1 again: RGB / 255, as the conversion's first user fed it."""
    naive = Colour(order="RGB", mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0))
    assert np.mean(best_scores(detector, detector._manifest.colour, "astronaut")) > np.mean(best_scores(detector, naive, "astronaut")) + 0.1


def test_the_half_cell_matters(detector: Detector) -> None:
    """Trap 2: boxes without it lie off by half a stride up and left."""
    picture = photograph("cameraman.jpg")
    fit = Fit.of(512, 512, 416, 32)
    score, reg = detector._session.run(["score", "reg"], {"image": Letterbox(fit, detector._manifest.colour, 114)(picture)})
    grid = cells(416, 416, (8, 16, 32))
    shifted = grid - grid[:, 2:] * np.array([0.5, 0.5, 0.0], np.float32)
    expected = json.loads((FIXTURES / "expected.json").read_text())["items"][1]["boxes"][0][:4]
    best = slice(place := int(score[0, :, 0].argmax()), place + 1)
    right = fit.to_source(decode(reg[0, best], grid[best]))[0]
    wrong = fit.to_source(decode(reg[0, best], shifted[best]))[0]
    assert np.abs(right - expected).max() < 12
    assert (right - wrong)[:2].min() >= 0
    assert np.abs(wrong - expected).max() > np.abs(right - expected).max() + 4


def test_another_digest_is_refused(copy: Path) -> None:
    content = bytearray((copy / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "model.onnx").write_bytes(bytes(content))
    with pytest.raises(ModelRefused, match="sha256"):
        load(copy)


def test_a_missing_file_is_refused(copy: Path) -> None:
    (copy / "model.onnx").unlink()
    with pytest.raises(ModelRefused, match=r"model\.onnx"):
        load(copy)


def test_a_file_that_is_no_network_is_refused(copy: Path) -> None:
    _put(copy, b"not a network at all")
    with pytest.raises(ModelRefused, match="not an ONNX file"):
        load(copy)


def test_an_empty_network_is_refused(copy: Path) -> None:
    _put(copy, b"")
    with pytest.raises(ModelRefused, match="onnxruntime refuses"):
        load(copy)


def test_weights_in_another_file_are_refused(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime takes them from the current folder, whatever the digest of the network says."""
    network = onnx.load(copy / "model.onnx")
    onnx.save(network, copy / "model.onnx", save_as_external_data=True, location="w.bin", size_threshold=1024)
    _put(copy, (copy / "model.onnx").read_bytes())
    monkeypatch.chdir(copy)
    with pytest.raises(ModelRefused, match=r"model\.onnx: its weights lie in another file"):
        load(copy)


def test_a_picture_larger_than_can_be_read_is_refused(copy: Path) -> None:
    (copy / "fixtures" / "astronaut.jpg").write_bytes(huge_png())
    with pytest.raises(ModelRefused, match=r"astronaut\.jpg: the picture of the self-test cannot be read"):
        load(copy)


def test_deeply_nested_expectations_are_refused(copy: Path) -> None:
    for text in ("[" * 100_000, '{"note": ' + "9" * 5000 + "}"):
        (copy / "fixtures" / "expected.json").write_text(text)
        with pytest.raises(ModelRefused, match=r"expected\.json: "):
            load(copy)


def test_a_network_that_finds_nobody_is_refused(copy: Path) -> None:
    """It loads, its digest holds, its outputs have the right shapes: and it is blind."""
    _put(copy, _blind_network())
    with pytest.raises(ModelRefused, match=r"self-test: the person in astronaut\.jpg"):
        load(copy)


def test_a_network_that_sees_people_everywhere_is_refused(copy: Path) -> None:
    expected = json.loads((copy / "fixtures" / "expected.json").read_text())
    expected["items"][1]["boxes"] = []
    (copy / "fixtures" / "expected.json").write_text(json.dumps(expected))
    with pytest.raises(ModelRefused, match=r"sees a person in cameraman\.jpg, where none is"):
        load(copy)


def test_a_self_test_without_anybody_to_find_is_refused(copy: Path) -> None:
    expected = json.loads((copy / "fixtures" / "expected.json").read_text())
    expected["items"] = [{"file": "field.jpg", "boxes": []}]
    (copy / "fixtures" / "expected.json").write_text(json.dumps(expected))
    with pytest.raises(ModelRefused, match=r"expected\.json: a self-test needs a person to find"):
        load(copy)


def test_a_vehicle_to_find_needs_a_class_of_vehicles(copy: Path) -> None:
    expected = json.loads((copy / "fixtures" / "expected.json").read_text())
    expected["items"][2]["vehicles"] = [[0, 0, 9, 9, 0.9]]
    (copy / "fixtures" / "expected.json").write_text(json.dumps(expected))
    with pytest.raises(ModelRefused, match="names no classes of a vehicle"):
        load(copy)


def test_an_input_of_a_given_size_and_a_low_floor(detector: Detector) -> None:
    picture = photograph("astronaut.jpg")
    assert len(detector.detect(picture, floor=0.01).scores) > len(detector.detect(picture).scores)
    assert detector.detect(picture, input_width_px=416, input_height_px=320).scores[0] >= 0.5
    with pytest.raises(ModelRefused, match="nanodet-g-person-int8"):
        detector.detect(picture, input_width_px=400)  # no multiple of 32: the runtime's refusal is told, not an empty picture


def test_two_scales_find_what_both_find_once(detector: Detector) -> None:
    picture = photograph("astronaut.jpg")
    once, twice = detector.detect(picture), detector.detect(picture, two_scales=True)
    assert twice.scores[0] >= once.scores[0]
    assert iou(twice.boxes[0], twice.boxes[1:]).max(initial=0.0) <= 0.5
    assert {(fit.input_width, fit.input_height) for fit in detector._letterboxes} >= {(416, 416), (512, 512)}


def test_a_region_is_found_where_it_lies_in_the_picture(detector: Detector) -> None:
    """A person too small for the whole picture is found when only the part around the gate is looked at."""
    picture = np.full((720, 1280, 3), 128, np.uint8)
    picture[500:560, 900:960] = cv2.resize(photograph("cameraman.jpg"), (60, 60), interpolation=cv2.INTER_AREA)
    assert detector.detect(picture).scores.max(initial=0.0) < 0.35
    found = detector.detect(picture, region=(0.6, 0.55, 0.85, 0.85))
    assert found.scores[0] >= 0.5
    box = found.boxes[0]
    assert np.all(box[:2] >= [890, 490])
    assert np.all(box[2:] <= [970, 570])


def test_a_network_with_other_outputs_is_refused(copy: Path) -> None:
    manifest = copy / "manifest.toml"
    manifest.write_text(manifest.read_text().replace('reg = "reg"', 'reg = "boxes"'))
    with pytest.raises(ModelRefused, match="boxes"):
        load(copy)


def test_pictures_of_many_sizes_do_not_fill_the_memory(detector: Detector) -> None:
    for width in range(320, 320 + 40 * 2, 2):
        detector.detect(np.zeros((180, width, 3), np.uint8))
    assert len(detector._letterboxes) <= 16
    assert len(detector._decoder._grid._made) <= 16


def _put(folder: Path, content: bytes) -> None:
    """Replaces the network, with a manifest whose digest holds."""
    (folder / "model.onnx").write_bytes(content)
    manifest = folder / "manifest.toml"
    before = hashlib.sha256((folder_of(MODEL) / "model.onnx").read_bytes()).hexdigest()
    assert before in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(before, hashlib.sha256(content).hexdigest()))


def _blind_network() -> bytes:
    """For 416 x 416: every score 0.01."""
    count = len(cells(416, 416, (8, 16, 32)))
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["top"], keepdims=0),
        helper.make_node("Mul", ["top", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "low"], ["score"]),
        helper.make_node("Add", ["zero", "flat"], ["reg"]),
    ]
    constants = [
        helper.make_tensor("nothing", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("low", TensorProto.FLOAT, [1, count, 1], [0.01] * count),
        helper.make_tensor("flat", TensorProto.FLOAT, [1, count, 44], [0.0] * count * 44),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 416, 416])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, count, last]) for name, last in (("score", 1), ("reg", 44))]
    graph = helper.make_graph(nodes, "blind", [image], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def test_the_self_test_tolerance_is_tight_enough_to_notice_the_wrong_mean(detector: Detector) -> None:
    spoilt = detector._manifest.model_copy(update={"colour": Colour(order="RGB", mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0))})
    with pytest.raises(ModelRefused, match="self-test"):
        runner.self_test(Detector(spoilt, detector._session, detector.info), folder_of(MODEL))
