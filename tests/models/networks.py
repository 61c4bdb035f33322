"""Tiny networks with known answers, made here, each a whole model folder that load() takes."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIDE = 64  # of the input; the pictures of the self-test have this size as well
NUMBERS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}

Arrays = dict[str, NDArray[np.float32] | NDArray[np.int64]]


def constant_network(outputs: Arrays) -> bytes:
    """Gives the same whatever it sees; the picture is used all the same, so that the input stays an input."""
    nodes = [helper.make_node("ReduceMax", ["images"], ["top"], keepdims=0), helper.make_node("Mul", ["top", "nothing"], ["zero"])]
    kept = [helper.make_tensor("nothing", TensorProto.FLOAT, [], [0.0])]
    for name, values in outputs.items():
        kept.append(numpy_helper.from_array(values, f"{name}_is"))
        zero = "zero"
        if values.dtype == np.int64:
            nodes.append(helper.make_node("Cast", ["zero"], [zero := f"{name}_zero"], to=TensorProto.INT64))
        nodes.append(helper.make_node("Add", [f"{name}_is", zero], [name]))
    return _whole(nodes, kept, outputs, [_image()])


def sized_network(shares: NDArray[np.float32], labels: NDArray[np.int64], scores: NDArray[np.float32]) -> bytes:
    """Boxes in the pixels of the size that is handed in as a second input, as D-FINE gives them."""
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["top"], keepdims=0),
        helper.make_node("Mul", ["top", "nothing"], ["zero"]),
        helper.make_node("Cast", ["orig_target_sizes"], ["size"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["size", "size"], ["whole"], axis=1),
        helper.make_node("Mul", ["shares", "whole"], ["placed"]),
        helper.make_node("Add", ["placed", "zero"], ["boxes"]),
        helper.make_node("Identity", ["labels_is"], ["labels"]),
        helper.make_node("Identity", ["scores_is"], ["scores"]),
    ]
    kept = [
        helper.make_tensor("nothing", TensorProto.FLOAT, [], [0.0]),
        *(numpy_helper.from_array(values, name) for name, values in (("shares", shares), ("labels_is", labels), ("scores_is", scores))),
    ]
    size = helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, [1, 2])
    return _whole(nodes, kept, {"boxes": shares, "labels": labels, "scores": scores}, [_image(), size])


def write_model(
    folder: Path, network: bytes, decoder: str, *, boxes: list[list[float]], mode: str = "letterbox-centre", more: str = ""
) -> Path:
    """A model folder. decoder: body of [decoder]; boxes: what the self-test expects, with scores; more: lines before the first table."""
    (folder / "fixtures").mkdir(parents=True)
    (folder / "net.onnx").write_bytes(network)
    (folder / "manifest.toml").write_text(
        f'schema = 1\nid = "{folder.name}"\nfile = "net.onnx"\nsha256 = "{hashlib.sha256(network).hexdigest()}"\n'
        f'licence = "CC0-1.0"\n{more}\n'
        f'[input]\nname = "images"\nwidth_px = {SIDE}\nheight_px = {SIDE}\n'
        + ('size_name = "orig_target_sizes"\n' if b"orig_target_sizes" in network else "")
        + f'[resize]\nmode = "{mode}"\n[colour]\norder = "RGB"\nscale = "1/255"\n'
        f"[decoder]\n{decoder}\n[thresholds]\nstart = 0.5\nkeep = 0.3\n"
    )
    cv2.imwrite(str(folder / "fixtures" / "grey.png"), np.full((SIDE, SIDE, 3), 128, np.uint8))
    expected = {"note": "made", "input_width_px": SIDE, "items": [{"file": "grey.png", "boxes": boxes}]}
    (folder / "fixtures" / "expected.json").write_text(json.dumps(expected))
    return folder


def one_person(folder: Path, score: float = 0.9) -> Path:
    """The smallest whole model: a person at 16, 16, 48, 48 in whatever it sees."""
    outputs: Arrays = {
        "boxes": np.array([[[16, 16, 48, 48]]], np.float32),
        "labels": np.array([[0]], np.int64),
        "scores": np.array([[score]], np.float32),
    }
    return write_model(folder, constant_network(outputs), 'name = "boxes-labels-scores"', boxes=[[16, 16, 48, 48, score]])


def huge_png() -> bytes:
    """A few bytes that say of themselves that they are a picture of 60000 x 60000."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def _image() -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])


def _whole(nodes: list[onnx.NodeProto], kept: list[onnx.TensorProto], outputs: Arrays, inputs: list[onnx.ValueInfoProto]) -> bytes:
    told = [helper.make_tensor_value_info(name, NUMBERS[values.dtype], values.shape) for name, values in outputs.items()]
    model = helper.make_model(helper.make_graph(nodes, "made", inputs, told, kept), opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
