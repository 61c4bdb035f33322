"""TF.js graph models read from files made here."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.make.tfjs import read


def write(folder: Path, weights: list[dict[str, Any]], content: bytes) -> Path:
    path = folder / "model.json"
    node = {"name": "pool", "op": "MaxPool", "input": ["split:1", "scale"], "attr": {}}
    node["attr"] = {"padding": {"s": base64.b64encode(b"VALID").decode()}, "ksize": {"list": {"i": ["1", "3", "3", "1"]}}}
    told = {
        "modelTopology": {"node": [{"name": "split", "op": "SplitV"}, node]},
        "weightsManifest": [{"paths": ["part1.bin", "part2.bin"], "weights": weights}],
        "signature": {"outputs": {"Identity:0": {}}},
    }
    path.write_text(json.dumps(told))
    (folder / "part1.bin").write_bytes(content[:5])
    (folder / "part2.bin").write_bytes(content[5:])
    return path


HALF = {"name": "scale", "shape": [2, 2], "dtype": "float32", "quantization": {"dtype": "float16", "original_dtype": "float32"}}
WHOLE = {"name": "pads", "shape": [3], "dtype": "int32"}
CONTENT = np.array([1.5, -2, 0.25, 1000], "<f2").tobytes() + np.array([1, -2, 3], "<i4").tobytes()


def test_weights_of_half_the_width_become_float32_again(tmp_path: Path) -> None:
    graph = read(write(tmp_path, [HALF, WHOLE], CONTENT))
    assert graph.constants["scale"].tolist() == [[1.5, -2.0], [0.25, 1000.0]]
    assert graph.constants["scale"].dtype == np.float32
    assert graph.constants["pads"].tolist() == [1, -2, 3]


def test_nodes_keep_their_inputs_and_attributes(tmp_path: Path) -> None:
    graph = read(write(tmp_path, [HALF, WHOLE], CONTENT))
    node = graph.nodes["pool"]
    assert node.inputs == ("split", "scale")
    assert node.text("padding") == "VALID"
    assert node.numbers("ksize") == [1, 3, 3, 1]
    assert graph.outputs == ("Identity",)


def test_weights_that_do_not_fit_their_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 bytes too many"):
        read(write(tmp_path, [HALF, WHOLE], CONTENT + b"xx"))
    with pytest.raises(ValueError, match="pads: the file of weights ends too early"):
        read(write(tmp_path, [HALF, WHOLE], CONTENT[:-1]))


def test_weights_with_a_scale_are_refused(tmp_path: Path) -> None:
    scaled = {**HALF, "quantization": {"dtype": "uint8", "scale": 0.1, "min": 0}}
    with pytest.raises(ValueError, match="only float16"):
        read(write(tmp_path, [scaled], CONTENT))
