"""The converter on a little network of the same kinds of nodes: what ONNX gives is what the TF.js graph says."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from models.make.convert import convert
from models.make.tfjs import Graph, Node

Floats = NDArray[np.float32]
VALID = {"padding": {"s": base64.b64encode(b"VALID").decode()}}
HEAD = 124


def strides(step: int) -> dict[str, Any]:
    return {**VALID, "strides": {"list": {"i": ["1", str(step), str(step), "1"]}}}


class Making:
    """A network in TF.js's manner: picture NCHW, every convolution padded before it and turned to NHWC and back."""

    def __init__(self) -> None:
        dims = {"shape": {"shape": {"dim": [{"size": str(size)} for size in (1, 3, 32, 32)]}}}
        self.nodes = {"input": Node("input", "Placeholder", (), dims)}
        self.constants: dict[str, NDArray[Any]] = {}
        self._random = np.random.default_rng(7)

    def node(self, name: str, op: str, *inputs: str, **attrs: Any) -> str:
        self.nodes[name] = Node(name, op, inputs, attrs)
        return name

    def keep(self, name: str, values: NDArray[Any]) -> str:
        self.constants[name] = values
        self.nodes[name] = Node(name, "Const", (), {})
        return name

    def pad(self, name: str, source: str) -> str:
        around = self.keep(f"{name}_around", np.array([[0, 0], [0, 0], [1, 1], [1, 1]], np.int32))
        return self.node(f"{name}_turned", "Transpose", self.node(f"{name}_padded", "Pad", source, around))

    def conv(self, name: str, source: str, channels: tuple[int, int], size: int = 1, step: int = 1) -> str:
        kernel = self.keep(f"{name}_w", self._random.normal(0, 0.2, (size, size, *channels)).astype(np.float32))
        bias = self.keep(f"{name}_b", self._random.normal(0, 0.2, channels[1]).astype(np.float32))
        padded = self.pad(name, source) if size > 1 else self.node(f"{name}_turned", "Transpose", source)
        made = self.node(f"{name}_conv", "Conv2D", padded, kernel, **strides(step))
        return self.node(f"{name}_back", "Transpose", self.node(name, "Add", made, bias))

    def leaky(self, name: str, source: str) -> str:
        return self.node(name, "LeakyRelu", source, alpha={"f": 0.1})

    def resize(self, name: str, source: str, side: int) -> str:
        turned = self.node(f"{name}_turned", "Transpose", source)
        made = self.node(name, "ResizeBilinear", turned, self.keep(f"{name}_to", np.array([side, side], np.int32)))
        return self.node(f"{name}_back", "Transpose", made)


def little() -> Making:
    """Three levels of 4, 2 and 1 cells a side for 32 x 32, a way down and a head each."""
    made = Making()
    first = made.leaky("first", made.conv("one", "input", (3, 4), 3, 2))  # 16
    pool = made.node("pool", "MaxPool", made.pad("pool", first), ksize={"list": {"i": ["1", "3", "3", "1"]}}, **strides(2))  # 8
    fine = made.leaky("fine", made.conv("two", made.node("pool_back", "Transpose", pool), (4, 6), 3, 2))  # 4
    middle = made.leaky("middle", made.conv("three", fine, (6, 6), 3, 2))  # 2
    coarse = made.conv("four", middle, (6, 6), 3, 2)  # 1
    both = made.node("both", "AddV2", middle, made.resize("up", coarse, 2))
    joined = made.node("joined", "ConcatV2", fine, made.resize("higher", both, 4), made.keep("axis", np.array(1)))
    made.conv("head_fine", joined, (12, HEAD))
    made.conv("head_middle", both, (6, HEAD))
    made.conv("head_coarse", coarse, (6, HEAD))
    return made


def conv_reference(picture: Floats, kernel: Floats, bias: Floats, step: int) -> Floats:
    """(C, H, W) with (h, w, in, out); padded by one where the kernel is larger than one."""
    size = kernel.shape[0]
    padded = np.pad(picture, ((0, 0), *(((size // 2, size // 2),) * 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::step, ::step]
    return np.einsum("chwij,ijco->ohw", windows, kernel) + bias[:, None, None]


def test_the_coarse_head_is_what_the_graph_says() -> None:
    made = little()
    weights = made.constants
    model = convert(Graph(made.nodes, weights, ()), {"person": 0, "car": 2}, "little")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(3).normal(size=(3, 32, 32)).astype(np.float32)
    score, reg = session.run(["score", "reg"], {"image": picture[None]})
    assert score.shape == (1, 16 + 4 + 1, 2)
    assert reg.shape == (1, 16 + 4 + 1, 44)

    def level(name: str, source: Floats, step: int) -> Floats:
        return conv_reference(source, weights[f"{name}_w"], weights[f"{name}_b"], step)

    def leaky(values: Floats) -> Floats:
        return np.where(values > 0, values, 0.1 * values)

    first = leaky(level("one", picture, 2))
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(first, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf), (3, 3), axis=(1, 2)
    )
    pooled = windows[:, ::2, ::2].max(axis=(3, 4))
    coarse = level("four", leaky(level("three", leaky(level("two", pooled, 2)), 2)), 2)
    head = level("head_coarse", coarse, 1)[:, 0, 0]
    assert reg[0, -1] == pytest.approx(head[80:], abs=1e-4)
    assert score[0, -1] == pytest.approx(1 / (1 + np.exp(-head[[0, 2]])), abs=1e-4)


def test_any_size_goes_and_the_same_graph_gives_the_same_bytes() -> None:
    graph = Graph(little().nodes, little().constants, ())
    model = convert(graph, {"person": 0}, "little")
    assert model.SerializeToString() == convert(graph, {"person": 0}, "little").SerializeToString()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    score, _ = session.run(["score", "reg"], {"image": np.zeros((2, 3, 64, 96), np.float32)})
    assert score.shape == (2, 8 * 12 + 4 * 6 + 2 * 3, 1)


def test_what_is_no_nanodet_is_refused() -> None:
    made = little()
    made.nodes["first"] = Node("first", "Softplus", made.nodes["first"].inputs, {})
    with pytest.raises(ValueError, match="first: Softplus is not an operation of NanoDet-g"):
        convert(Graph(made.nodes, made.constants, ()), {"person": 0}, "little")
    del made.nodes["head_fine"]
    with pytest.raises(ValueError, match="expected three heads"):
        convert(Graph(made.nodes, made.constants, ()), {"person": 0}, "little")
