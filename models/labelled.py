"""Labelled pictures of people: a folder with YOLO texts or one COCO JSON, or a clip with boxes in MOT form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from gateway.core.errors import Permanent
from models.boxes import Floats
from models.picture import read_picture

Bytes = NDArray[np.uint8]
Boxes = dict[str, tuple[Floats, NDArray[np.bool_]]]

PICTURES = (".jpg", ".jpeg", ".png", ".bmp")
MOST_PX = 1e6  # no picture is larger
CLIPS = (".mp4", ".mkv", ".avi", ".mov", ".ts")


class LabelsRefused(Permanent):
    """Pictures or labels that cannot be used; the text says which file, which line, and what was expected."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One picture (H, W, 3) BGR and the people on it: boxes (N, 4) xyxy in pixels; left_out (N,): neither missed nor found."""

    name: str
    bgr: Bytes
    boxes: Floats
    left_out: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Set:
    """How many pictures there are, a way to go through them, and what the reader should know."""

    count: int
    pictures: Callable[[], Iterator[Labelled]]
    notes: list[str] = field(default_factory=list)


def open_set(images: Path, boxes: Path, *, only: str = "*", every: int = 1) -> Set:
    """Labelled pictures. only: pattern of file names; every: each how manieth is taken. Raises LabelsRefused."""
    for path in (images, boxes):
        if not path.exists():
            raise LabelsRefused(f"{path}: no such file or folder")
    if images.is_file():
        if images.suffix.lower() not in CLIPS:
            raise LabelsRefused(f"{images}: expected a folder of pictures, or a clip ({', '.join(CLIPS)})")
        if not boxes.is_file():
            raise LabelsRefused(f"{boxes}: boxes of a clip are expected in one file in MOT form (frame,id,left,top,width,height,...)")
        return _clip(images, boxes, every)
    files = sorted(path for path in images.iterdir() if path.suffix.lower() in PICTURES and fnmatch(path.name, only))[::every]
    if not files:
        raise LabelsRefused(f"{images}: no picture ({', '.join(PICTURES)}) whose name suits {only!r}")
    if boxes.is_dir():
        return _yolo(files, boxes)
    if boxes.suffix.lower() != ".json":
        raise LabelsRefused(f"{boxes}: expected a folder of YOLO texts or a COCO JSON (.json) for a folder of pictures")
    return _coco(files, boxes)


def _picture(path: Path) -> Bytes:
    picture = read_picture(path)
    if picture is None:
        raise LabelsRefused(f"{path}: not a picture that can be read, or too large")
    return picture


def _yolo(files: list[Path], folder: Path) -> Set:
    missing = [path for path in files if not (folder / f"{path.stem}.txt").is_file()]
    if len(missing) == len(files):
        raise LabelsRefused(f"{folder}: no text belongs to any of the {len(files)} pictures; expected {files[0].stem}.txt and so on")
    texts = {path: _yolo_text(folder / f"{path.stem}.txt") for path in files if path not in missing}

    def pictures() -> Iterator[Labelled]:
        for path in files:
            bgr = _picture(path)
            shares = texts.get(path, np.zeros((0, 4), np.float32))
            centre, half = shares[:, :2], shares[:, 2:] / 2
            boxes = np.concatenate([centre - half, centre + half], axis=1) * np.tile(bgr.shape[1::-1], 2)
            yield Labelled(path.name, bgr, boxes.astype(np.float32), np.zeros(len(boxes), np.bool_))

    notes = [f"{len(missing)} pictures have no text: they count as empty"] if missing else []
    return Set(len(files), pictures, notes)


def _yolo_text(path: Path) -> Floats:
    """Centre x, y, width, height (N, 4) in shares of the picture; lines of other classes than 0 (person) are not read."""
    rows = []
    for number, line in enumerate(_lines(path), 1):
        try:
            kind, *numbers = (float(word) for word in line.split())
            if len(numbers) != 4 or not all(-0.01 <= each <= 1.01 for each in numbers) or min(numbers[2:]) < 0:
                raise ValueError
        except ValueError:
            raise LabelsRefused(f"{path}:{number}: expected `class x y width height`, shares of the picture from 0 to 1") from None
        if kind == 0:
            rows.append(numbers)
    return np.array(rows, np.float32).reshape(-1, 4)


def _coco(files: list[Path], path: Path) -> Set:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        by_name = _coco_boxes(told)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise LabelsRefused(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise LabelsRefused(f"{path}: expected COCO's `images`, `categories` with a person, and `annotations`: {error!r}") from error
    known = [each for each in files if each.name in by_name]
    if not known:
        raise LabelsRefused(f"{path}: names none of the {len(files)} pictures, for example not {files[0].name}")

    def pictures() -> Iterator[Labelled]:
        for each in known:
            yield Labelled(each.name, _picture(each), *by_name[each.name])

    unknown = len(files) - len(known)
    return Set(len(known), pictures, [f"{unknown} pictures are not in {path.name}: left out"] if unknown else [])


def _coco_boxes(told: dict[str, Any]) -> Boxes:
    """Boxes of people by file name; those marked `iscrowd` are left out of the judgement."""
    person = [each["id"] for each in told["categories"] if each["name"] == "person"]
    if not person:
        raise ValueError("no category is named person")
    rows: dict[Any, list[tuple[list[float], bool]]] = {each["id"]: [] for each in told["images"]}
    for number, each in enumerate(told["annotations"]):
        if each["category_id"] in person and each["image_id"] in rows:
            try:
                box = _corners(*(float(side) for side in each["bbox"]))
            except (TypeError, ValueError, OverflowError) as error:
                raise ValueError(
                    f"annotations[{number}]: bbox: expected left, top, width, height in pixels, given {each['bbox']!r:.60}"
                ) from error
            rows[each["image_id"]].append((box, bool(each.get("iscrowd"))))
    return {
        Path(each["file_name"]).name: (
            np.array([box for box, _ in rows[each["id"]]], np.float32).reshape(-1, 4),
            np.array([crowd for _, crowd in rows[each["id"]]], np.bool_),
        )
        for each in told["images"]
    }


def _clip(clip: Path, boxes: Path, every: int) -> Set:
    by_frame: dict[int, list[list[float]]] = {}
    for number, line in enumerate(_lines(boxes), 1):
        try:
            frame, _, *sides = (float(word) for word in line.split(",")[:6])
            if not (frame >= 1 and frame.is_integer()):
                raise ValueError
            box = _corners(*sides)
        except (TypeError, ValueError):
            raise LabelsRefused(f"{boxes}:{number}: expected `frame,id,left,top,width,height,...` in pixels, frames from 1") from None
        by_frame.setdefault(int(frame), []).append(box)
    try:
        with av.open(str(clip)) as container:
            total = sum(packet.size > 0 for packet in container.demux(video=0))
    except (av.FFmpegError, IndexError) as error:
        raise LabelsRefused(f"{clip}: not a clip that can be read: {error}") from error
    if not total or max(by_frame, default=0) > total:
        raise LabelsRefused(f"{boxes}: names frame {max(by_frame, default=0)}, but {clip} has {total}: they do not belong together")

    def pictures() -> Iterator[Labelled]:
        with av.open(str(clip)) as container:
            for number, frame in enumerate(container.decode(video=0), 1):
                if (number - 1) % every == 0:
                    truth = np.array(by_frame.get(number, []), np.float32).reshape(-1, 4)
                    bgr = frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
                    yield Labelled(f"{clip.name}#{number}", bgr, truth, np.zeros(len(truth), np.bool_))

    return Set(len(range(0, total, every)), pictures)


def _corners(left: float, top: float, width: float, height: float) -> list[float]:
    """The box xyxy. Raises ValueError where it is none."""
    if not all(abs(side) <= MOST_PX for side in (left, top, width, height)) or min(width, height) < 0:  # also false for NaN
        raise ValueError("no box")
    return [left, top, left + width, top + height]


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsRefused(f"{path}: {error}") from error
