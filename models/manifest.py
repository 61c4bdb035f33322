"""The description beside a model file: what the runner must know to feed it and read it.

One folder per model: `manifest.toml`, the ONNX file, `CARD.md`, `NOTICE`, `fixtures/expected.json`.
An unknown key is an error; every length is in pixels.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError

from gateway.config.profile import Strict
from gateway.core.errors import ModelRefused
from gateway.core.ids import ID_PATTERN

MODELS_DIR = Path(__file__).parent
Three = tuple[float, float, float]
Ratio = Annotated[float, Field(ge=0, le=1)]


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


class Resize(_Table):
    """How a picture becomes the input's size."""

    mode: Literal["letterbox-centre"]
    pad: int = Field(114, ge=0, le=255)


class Colour(_Table):
    """(pixel - mean) / std, in `order`; pixels 0..255."""

    order: Literal["BGR", "RGB"]
    mean: Three
    std: Annotated[Three, Field(description="none may be 0")]


class NanodetDfl(_Table):
    """Distances to four sides as distributions over bins, on a grid per stride; outputs score [N,A,1], reg [N,A,4*bins]."""

    name: Literal["nanodet-dfl"]
    score: str = "score"
    reg: str = "reg"
    strides: tuple[int, ...] = (8, 16, 32)
    bins: int = Field(11, ge=2, le=64)
    nms_iou: Ratio = 0.5


class Thresholds(_Table):
    """Scores of different models do not compare: these belong to this one."""

    start: Ratio = Field(description="a track may begin")
    keep: Ratio = Field(description="a track goes on; also the lowest score that detect() returns")


class Manifest(_Table):
    """The whole description file."""

    schema_version: Literal[1] = Field(alias="schema")
    id: Annotated[str, Field(pattern=ID_PATTERN)]
    file: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str = Field(min_length=1)
    input: Input
    resize: Resize
    colour: Colour
    decoder: NanodetDfl
    thresholds: Thresholds
    providers: tuple[str, ...] = Field(("CPUExecutionProvider",), min_length=1, description="in order of preference")


class Fixture(_Table):
    """One picture of the self-test. boxes: x1, y1, x2, y2 in pixels of the picture, then the score."""

    file: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    boxes: tuple[tuple[float, float, float, float, float], ...] = ()


class Fixtures(_Table):
    """`fixtures/expected.json`: what the model must find when it is loaded."""

    note: str
    input_width_px: int
    items: tuple[Fixture, ...] = Field(min_length=1)


def folder_of(name_or_path: str | Path) -> Path:
    """Folder of a shipped model by its id, or of any model by the path of its folder or manifest. Raises ModelRefused."""
    text = str(name_or_path)
    path = Path(text) if "/" in text or text.startswith(".") else MODELS_DIR / text
    folder = path.parent if path.name == "manifest.toml" else path
    if not (folder / "manifest.toml").is_file():
        raise ModelRefused(f"{folder} holds no manifest.toml: expected a model's folder, or the id of a shipped model")
    return folder


def read_manifest(folder: Path) -> Manifest:
    """The description in `folder`. Raises ModelRefused with file, key and what was expected."""
    path = folder / "manifest.toml"
    try:
        return Manifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelRefused(f"{path}: {error}") from error
    except ValidationError as error:
        raise ModelRefused(f"{path}: {_first(error)}") from error


def read_fixtures(folder: Path) -> Fixtures:
    """The self-test of the model in `folder`. Raises ModelRefused."""
    path = folder / "fixtures" / "expected.json"
    try:
        return Fixtures.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelRefused(f"{path}: {error}") from error
    except ValidationError as error:
        raise ModelRefused(f"{path}: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"key {'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
