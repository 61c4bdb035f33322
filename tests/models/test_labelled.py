"""Labelled pictures in their three forms, and what is wrong with those that cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from models.labelled import LabelsRefused, open_set
from tests.models.networks import huge_png


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.jpg", "b.png", "val_c.jpg"):
        cv2.imwrite(str(folder / name), np.full((100, 200, 3), 90, np.uint8))
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "a.txt").write_text("0 0.5 0.5 0.1 0.4\n2 0.1 0.1 0.1 0.1\n\n0 0.25 0.5 0.5 1.0\n")
    (folder / "val_c.txt").write_text("")
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames, each brighter than the one before."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 + 20 * number, np.uint8), format="bgr24")))
        container.mux(stream.encode(None))
    return path


def test_yolo_texts(images: Path, texts: Path) -> None:
    opened = open_set(images, texts)
    pictures = list(opened.pictures())
    assert opened.count == 3
    assert [each.name for each in pictures] == ["a.jpg", "b.png", "val_c.jpg"]
    assert pictures[0].boxes.tolist() == [pytest.approx([90, 30, 110, 70]), pytest.approx([0, 0, 100, 100])]
    assert [len(each.boxes) for each in pictures] == [2, 0, 0]
    assert opened.notes == ["1 pictures have no text: they count as empty"]


def test_only_and_every(images: Path, texts: Path) -> None:
    assert [each.name for each in open_set(images, texts, only="val_*").pictures()] == ["val_c.jpg"]
    assert [each.name for each in open_set(images, texts, every=2).pictures()] == ["a.jpg", "val_c.jpg"]


def coco(change: Callable[[dict[str, Any]], None] = lambda told: None) -> str:
    told: dict[str, Any] = {
        "images": [{"id": 7, "file_name": "sub/a.jpg"}, {"id": 8, "file_name": "b.png"}],
        "categories": [{"id": 3, "name": "car"}, {"id": 1, "name": "person"}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40]},
            {"image_id": 7, "category_id": 1, "bbox": [100, 0, 100, 50], "iscrowd": 1},
            {"image_id": 7, "category_id": 3, "bbox": [0, 0, 5, 5]},
        ],
    }
    change(told)
    return json.dumps(told)


def test_coco_json(images: Path, tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(coco())
    opened = open_set(images, path)
    first, second = opened.pictures()
    assert (first.name, second.name) == ("a.jpg", "b.png")
    assert first.boxes.tolist() == [[10, 20, 40, 60], [100, 0, 200, 50]]
    assert first.left_out.tolist() == [False, True]
    assert second.boxes.shape == (0, 4)
    assert opened.notes == ["1 pictures are not in boxes.json: left out"]


def test_a_clip_with_boxes(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "gt.txt"
    path.write_text("1,4,10,20,5,8,1,-1,-1,-1\n5,4,11,20,5,8,1,-1,-1,-1\n5,9,30,20,5,8,1,-1,-1,-1\n2,9,0,0,1,1,1\n")
    opened = open_set(clip, path, every=4)
    pictures = list(opened.pictures())
    assert opened.count == 2
    assert [each.name for each in pictures] == ["clip.mp4#1", "clip.mp4#5"]
    assert pictures[0].boxes.tolist() == [[10, 20, 15, 28]]
    assert pictures[1].boxes.tolist() == [[11, 20, 16, 28], [30, 20, 35, 28]]
    assert [round(float(each.bgr.mean()) / 20) for each in pictures] == [1, 5]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0 0.5 0.5 0.1\n", r"a\.txt:1: expected `class x y width height`"),
        ("0 0.5 0.5 0.1 0.1\n0 90 30 110 70\n", r"a\.txt:2: expected .* from 0 to 1"),
        ("person 0.5 0.5 0.1 0.1\n", r"a\.txt:1"),
        ("0 0.5 0.5 0.1 -0.005\n", r"a\.txt:1"),
        ("0 0.5 nan 0.1 0.1\n", r"a\.txt:1"),
    ],
)
def test_a_wrong_text_is_named_with_its_line(images: Path, texts: Path, text: str, why: str) -> None:
    (texts / "a.txt").write_text(text)
    with pytest.raises(LabelsRefused, match=why):
        open_set(images, texts)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", r"boxes\.json: Expecting"),
        ("[]", "expected COCO's"),
        (coco(lambda told: told.pop("annotations")), "annotations"),
        (coco(lambda told: told["categories"].pop()), "no category is named person"),
        (coco(lambda told: told["annotations"][0].update(bbox=[1, 2, 3])), "expected COCO's"),
        (
            coco(lambda told: told["annotations"][1].update(bbox=[float("nan"), 2, 3, 4])),
            r"annotations\[1\]: bbox: expected .* given \[nan",
        ),
        (coco(lambda told: told["annotations"][0].update(bbox=[1, 2, 3, float("inf")])), r"annotations\[0\]: bbox"),
        (coco(lambda told: told["annotations"][0].update(bbox=[100, 100, -50, 50])), r"annotations\[0\]: bbox"),
        (coco(lambda told: told["annotations"][0].update(bbox=[1, 2, 3, 10**400])), r"annotations\[0\]: bbox"),
        (coco(lambda told: told["annotations"][0].update(bbox=None)), r"annotations\[0\]: bbox"),
        ("[" * 100_000, r"boxes\.json: .*recursion"),
        (coco(lambda told: told["images"].clear()), "names none of the 3 pictures, for example not a.jpg"),
    ],
)
def test_a_wrong_coco_file_is_refused(images: Path, tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(content)
    with pytest.raises(LabelsRefused, match=why):
        open_set(images, path)


def test_files_that_do_not_belong_together(images: Path, texts: Path, clip: Path, tmp_path: Path) -> None:
    boxes = tmp_path / "gt.txt"
    boxes.write_text("9,1,0,0,5,5\n")
    for refused, why in (
        ((tmp_path / "none", texts), "none: no such file"),
        ((images, tmp_path / "none"), "none: no such file"),
        ((images, boxes), "expected a folder of YOLO texts or a COCO JSON"),
        ((texts, texts), r"no picture .* whose name suits '\*'"),
        ((images, images), r"no text belongs to any of the 3 pictures; expected a\.txt"),
        ((boxes, boxes), "expected a folder of pictures, or a clip"),
        ((clip, texts), "expected in one file in MOT form"),
        ((clip, boxes), "names frame 9, but .* has 8"),
    ):
        with pytest.raises(LabelsRefused, match=why):
            open_set(*refused)
    boxes.write_text("1,1,0,0\n")
    with pytest.raises(LabelsRefused, match=r"gt\.txt:1: expected `frame,id"):
        open_set(clip, boxes)
    for line in ("nan,1,1,1,1,1", "1e999,1,1,1,1,1", "0,1,1,1,1,1", "-5,1,1,1,1,1", "1.5,1,1,1,1,1", "1,1,nan,1,1,1", "1,1,1,1,-1,1"):
        boxes.write_text(f"1,1,0,0,5,5\n{line}\n")
        with pytest.raises(LabelsRefused, match=r"gt\.txt:2: expected `frame,id"):
            open_set(clip, boxes)
    (tmp_path / "broken.mp4").write_bytes(b"no clip" * 99)
    boxes.write_text("1,1,0,0,5,5\n")
    with pytest.raises(LabelsRefused, match=r"broken\.mp4: not a clip"):
        open_set(tmp_path / "broken.mp4", boxes)


@pytest.mark.parametrize("content", [b"no picture", huge_png()], ids=["text", "huge"])
def test_a_picture_that_is_none_is_named(images: Path, texts: Path, content: bytes) -> None:
    (images / "a.jpg").write_bytes(content)
    with pytest.raises(LabelsRefused, match=r"a\.jpg: not a picture"):
        list(open_set(images, texts).pictures())
