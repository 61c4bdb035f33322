"""The description beside a model file: what the runner must know to feed it and read it.

One folder per model: `manifest.toml`, the ONNX file, `CARD.md`, `NOTICE`, `fixtures/expected.json`.
An unknown key is an error; every length is in pixels.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from gateway.config.profile import Strict
from gateway.core.errors import ModelRefused
from gateway.core.ids import ID_PATTERN

MODELS_DIR = Path(__file__).parent
FOLDER_NAME = "models"  # folder of the models that were added at a site, beside the journal
Three = tuple[float, float, float]
Ratio = Annotated[float, Field(ge=0, le=1)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", max_length=80)]  # never a path
OutputName = Annotated[str, Field(min_length=1)]
Overlap = Annotated[Ratio | None, Field(description="boxes of a kind that overlap more are one; absent: the network sees to it")]
Strides = Annotated[tuple[Annotated[int, Field(ge=1, le=256)], ...], Field(min_length=1)]


class _Table(Strict):
    """A table of a manifest; lists of the file become tuples here."""

    model_config = ConfigDict(strict=False)


class Input(_Table):
    """The network's input tensor. Width and height are free where both are multiples of `multiple_of_px`."""

    name: str
    layout: Literal["NCHW"] = "NCHW"
    dtype: Literal["float32"] = "float32"
    multiple_of_px: int = Field(32, ge=1)
    width_px: int = Field(416, ge=32, le=1280, description="used where the site file says nothing")
    height_px: int | None = Field(
        None, ge=32, le=1280, description="the network takes this size only; absent: as the picture's shape wants"
    )
    size_name: str = Field("", description="a second input, int64 (1, 2), that wants width and height; boxes then come in input pixels")


class Resize(_Table):
    """How a picture becomes the input's size: scaled and padded around, scaled and padded right and below, or stretched."""

    mode: Literal["letterbox-centre", "letterbox-topleft", "squash"]
    pad: int = Field(114, ge=0, le=255)


class Colour(_Table):
    """(pixel * scale - mean) / std, in `order`; pixels 0..255."""

    order: Literal["BGR", "RGB"]
    scale: Literal["1", "1/255"] = "1"
    mean: Three = (0.0, 0.0, 0.0)
    std: Annotated[Three, Field(description="none may be 0")] = (1.0, 1.0, 1.0)

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if 0.0 in self.std:
            raise ValueError("no std may be 0")
        return self


class NanodetDfl(_Table):
    """Distances to four sides as distributions over bins, on a grid per stride; outputs score [N,A,C], reg [N,A,4*bins]."""

    name: Literal["nanodet-dfl"]
    score: OutputName = "score"
    reg: OutputName = "reg"
    strides: Strides = (8, 16, 32)
    bins: int = Field(11, ge=2, le=64)
    nms_iou: Overlap = 0.5


class Ssd(_Table):
    """Codes relative to anchors: outputs boxes [N,A,4] (y, x, height, width), scores [N,A,C], class 0 the background."""

    name: Literal["ssd"]
    boxes: OutputName = "boxes"
    scores: OutputName = "scores"
    logits: bool = Field(True, description="scores still want the sigmoid")
    grids: tuple[Annotated[int, Field(ge=1, le=128)], ...] = Field((19, 10, 5, 3, 2, 1), min_length=1, description="cells a side")
    smallest: float = Field(0.2, gt=0, le=1, description="size of the first grid's anchors, as a share of the picture")
    largest: float = Field(0.95, gt=0, le=1, description="of the last grid's")
    code_scales: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)
    nms_iou: Overlap = 0.5

    @model_validator(mode="after")
    def _scales(self) -> Self:
        if min(self.code_scales) <= 0:
            raise ValueError("code_scales must be above 0")
        return self


class Yolox(_Table):
    """Output [N,A,5+C]: centre and size relative to the cell (unless `decoded`), objectness, classes."""

    name: Literal["yolox"]
    output: OutputName = "output"
    strides: Strides = (8, 16, 32)
    decoded: bool = Field(False, description="the network gives centre and size in input pixels")
    nms_iou: Overlap = 0.5


class DetrLogits(_Table):
    """Queries: boxes [N,Q,4] as centre x, y, width, height in shares of the input, logits [N,Q,C]."""

    name: Literal["detr-cxcywh-logits"]
    boxes: OutputName = "dets"
    logits: OutputName = "labels"
    nms_iou: Overlap = None


class BoxesLabelsScores(_Table):
    """Boxes [N,Q,4] xyxy, labels [N,Q], scores [N,Q], all done by the network."""

    name: Literal["boxes-labels-scores"]
    boxes: OutputName = "boxes"
    labels: OutputName = "labels"
    scores: OutputName = "scores"
    normalised: bool = Field(False, description="boxes are shares of the input, not its pixels")
    nms_iou: Overlap = None


Decoder = Annotated[NanodetDfl | Ssd | Yolox | DetrLogits | BoxesLabelsScores, Field(discriminator="name")]
DECODERS = ("nanodet-dfl", "ssd", "yolox", "detr-cxcywh-logits", "boxes-labels-scores")
ClassPlaces = tuple[Annotated[int, Field(ge=0, le=10_000)], ...]


class Classes(_Table):
    """Which of the network's classes are a person and which a vehicle; the others are not looked at."""

    person: ClassPlaces = Field((0,), min_length=1)
    vehicle: ClassPlaces = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the model finds: person, and vehicle where it has such classes."""
        return ("person", "vehicle") if self.vehicle else ("person",)

    @property
    def by_kind(self) -> tuple[ClassPlaces, ...]:
        """The class places of each of `kinds`."""
        return (self.person, self.vehicle) if self.vehicle else (self.person,)


class Fuse(_Table):
    """Boxes of cells that agree are made into one (`models.boxes.Fusion`); without this table the best one alone stays, by `nms_iou`."""

    limit: float = Field(0.55, gt=0, le=1, description="a weaker box that overlaps a better one by more than this goes")
    fades_from: float = Field(0.3, gt=0, lt=1, description="from this overlap on it loses some of its score")
    fades: float = Field(0.3, ge=0, le=1, description="the share that it has lost at `limit`")
    vote: float = Field(0.6, gt=0, lt=1, description="from this overlap on a box takes part in the place of the better one")
    support: float = Field(0.12, ge=0, le=1, description="added to a score for each 1.0 by which the others' scores exceed `usual`")
    usual: float = Field(0.67, ge=0, le=10)
    most: float = Field(1.0, ge=0, le=10, description="of the others' scores: large things have more cells, and are no surer for it")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.fades_from >= self.limit:
            raise ValueError("fades_from must be below limit")
        return self


class Thresholds(_Table):
    """Scores of different models do not compare: these belong to this one."""

    start: Ratio = Field(description="a track may begin")
    keep: Ratio = Field(description="a track goes on; also the lowest score that detect() returns")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if not 0 < self.keep < self.start:
            raise ValueError("keep must be above 0 and below start")
        return self


class Manifest(_Table):
    """The whole description file."""

    schema_version: Literal[1] = Field(alias="schema")
    id: Annotated[str, Field(pattern=ID_PATTERN)]
    file: FileName
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str = Field(min_length=1)
    input: Input
    resize: Resize
    colour: Colour
    decoder: Decoder
    classes: Classes = Field(default_factory=Classes)
    thresholds: Thresholds
    fuse: Fuse | None = None
    providers: tuple[str, ...] = Field(("CPUExecutionProvider",), min_length=1, description="in order of preference")


class Fixture(_Table):
    """One picture of the self-test. boxes of people, vehicles: x1, y1, x2, y2 in pixels of the picture, then the score."""

    file: FileName
    boxes: tuple[tuple[float, float, float, float, float], ...] = ()
    vehicles: tuple[tuple[float, float, float, float, float], ...] = ()


class Fixtures(_Table):
    """`fixtures/expected.json`: what the model must find when it is loaded."""

    note: str
    input_width_px: int = Field(ge=32, le=1280)
    items: tuple[Fixture, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not any(item.boxes for item in self.items):
            raise ValueError("a self-test needs a person to find: no item has a box")
        return self


def folder_of(name_or_path: str | Path, installed: Path | None = None) -> Path:
    """Folder of a shipped or installed model by its id, or of any model by the path of its folder or manifest. Raises ModelRefused.

    installed: folder of the models that were added at this site; a shipped one of the same id goes first.
    """
    text = str(name_or_path)
    if "/" in text or text.startswith("."):
        path = Path(text)
        folder = path.parent if path.name == "manifest.toml" else path
        if not (folder / "manifest.toml").is_file():
            raise ModelRefused(f"{folder} holds no manifest.toml: expected a model's folder, or the id of a model")
        return folder
    places = (MODELS_DIR,) if installed is None else (MODELS_DIR, installed)
    for place in places:
        if (place / text / "manifest.toml").is_file():
            return place / text
    known = ", ".join(known_ids(installed))
    raise ModelRefused(f"no model {text}: {' and '.join(map(str, places))} hold no {text}/manifest.toml; there is: {known}")


def known_ids(installed: Path | None = None) -> list[str]:
    """Ids of all models that can be named: the shipped ones, then those in `installed`."""
    found = []
    for place in (MODELS_DIR, installed):
        if place is not None and place.is_dir():
            found += sorted(path.parent.name for path in place.glob("*/manifest.toml") if not path.parent.name.startswith("."))
    return list(dict.fromkeys(found))


def read_manifest(folder: Path) -> Manifest:
    """The description in `folder`. Raises ModelRefused with file, key and what was expected."""
    path = folder / "manifest.toml"
    try:
        return Manifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ModelRefused(f"{path}: {_first(error)}") from error
    except (OSError, ValueError, RecursionError) as error:  # ValueError: not TOML, not UTF-8, or a number of too many digits
        raise ModelRefused(f"{path}: {error}") from error


def read_fixtures(folder: Path) -> Fixtures:
    """The self-test of the model in `folder`. Raises ModelRefused."""
    path = folder / "fixtures" / "expected.json"
    try:
        return Fixtures.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ModelRefused(f"{path}: {_first(error)}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelRefused(f"{path}: {error}") from error


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = [*problem["loc"], "name"] if problem["type"].startswith("union_tag") else problem["loc"]
    key = ".".join(str(part) for part in place if part not in DECODERS)
    return f"key {key}: {_expected(problem)}" if key else _expected(problem)


def _expected(problem: Any) -> str:
    """What was expected, in the words of a person; what was given, where it is short."""
    if problem["type"] == "extra_forbidden":
        return "unknown key"
    if problem["type"] == "missing":
        return "is missing"
    if problem["type"].startswith("union_tag"):
        return f"expected one of {', '.join(DECODERS)}"
    text = str(problem["msg"]).removeprefix("Value error, ")
    given = repr(problem["input"])
    return f"{text}, given {given}" if len(given) <= 60 else text
