"""Weights in another file are found wherever a network can hold a tensor, and nothing else is taken for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.manifest import MODELS_DIR
from models.onnx_file import has_external_data
from tests.models.networks import constant_network


def tensor() -> onnx.TensorProto:
    return numpy_helper.from_array(np.arange(6, dtype=np.float32), "kept")


def outside() -> onnx.TensorProto:
    moved = tensor()
    moved.ClearField("raw_data")
    moved.data_location = TensorProto.EXTERNAL
    moved.external_data.add(key="location", value="w.bin")
    return moved


def graph(*nodes: onnx.NodeProto, kept: list[onnx.TensorProto] | None = None) -> onnx.GraphProto:
    return helper.make_graph(nodes, "made", [], [], kept or [])


def model(inside: onnx.GraphProto) -> onnx.ModelProto:
    return helper.make_model(inside)


def sparse(values: onnx.TensorProto) -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=values, indices=tensor(), dims=[9])


def with_sparse_weights(one: onnx.TensorProto) -> onnx.ModelProto:
    made = model(graph())
    made.graph.sparse_initializer.append(sparse(one))
    return made


def with_training(one: onnx.TensorProto) -> onnx.ModelProto:
    made = model(graph())
    made.training_info.add().algorithm.CopyFrom(graph(kept=[one]))
    return made


def with_function(one: onnx.TensorProto) -> onnx.ModelProto:
    made = model(graph())
    node = helper.make_node("Constant", [], ["c"], value=one)
    made.functions.append(helper.make_function("ours", "F", [], ["c"], [node], [helper.make_opsetid("", 13)]))
    return made


def with_branch(one: onnx.TensorProto) -> onnx.ModelProto:
    inner = graph(helper.make_node("Constant", [], ["c"], value=one))
    for _ in range(5):
        inner = graph(helper.make_node("If", ["x"], ["y"], then_branch=graph(), else_branch=inner))
    return model(inner)


PLACES: dict[str, Callable[[onnx.TensorProto], onnx.ModelProto]] = {
    "weights": lambda one: model(graph(kept=[tensor(), one])),
    "sparse weights": with_sparse_weights,
    "constant": lambda one: model(graph(helper.make_node("Constant", [], ["c"], value=one))),
    "sparse constant": lambda one: model(graph(helper.make_node("Constant", [], ["c"], sparse_value=sparse(one)))),
    "list of tensors": lambda one: model(graph(helper.make_node("F", [], ["c"], many=[tensor(), one]))),
    "list of graphs": lambda one: model(graph(helper.make_node("F", [], ["c"], many=[graph(), graph(kept=[one])]))),
    "branch": with_branch,
    "function": with_function,
    "training": with_training,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_tensor_of_another_file_is_found_wherever_it_is(place: str) -> None:
    assert has_external_data(PLACES[place](outside()).SerializeToString())
    assert not has_external_data(PLACES[place](tensor()).SerializeToString())


def test_either_mark_is_enough() -> None:
    for field in ("data_location", "external_data"):
        marked = outside()
        marked.ClearField(field)
        assert has_external_data(model(graph(kept=[marked])).SerializeToString())


def test_a_tensor_that_says_it_is_here_is_here() -> None:
    here = tensor()
    here.data_location = TensorProto.DEFAULT
    assert not has_external_data(model(graph(kept=[here])).SerializeToString())


def test_numbers_and_names_that_look_like_the_marks_are_none() -> None:
    lookalike = numpy_helper.from_array(np.frombuffer(outside().SerializeToString() * 2, np.uint8), "external_data")
    floats = helper.make_tensor("data_location", TensorProto.FLOAT, [2], [1.0, 14.0])
    assert not has_external_data(model(graph(kept=[lookalike, floats])).SerializeToString())


def test_whole_networks_pass() -> None:
    shipped = sorted(MODELS_DIR.glob("*/*.onnx"))
    assert shipped
    assert not any(has_external_data(path.read_bytes()) for path in shipped)
    assert not has_external_data(constant_network({"boxes": np.zeros((1, 2, 4), np.float32)}))


@pytest.mark.parametrize(
    "content",
    [
        model(graph(kept=[tensor()])).SerializeToString()[:-40],  # cut off
        b"\x3a\x7f",  # a graph that is longer than the file
        b"\x3a" + b"\xff" * 11,  # a number that does not end
        b"\x3b\x08",  # a form that protobuf has given up
        b"\x02\x00",  # field 0
        b"\x3a\x03\x2a\x04\x70\x01\x70\x01",  # a tensor that is longer than its graph
    ],
)
def test_what_is_no_message_is_told(content: bytes) -> None:
    with pytest.raises(ValueError, match="byte"):
        has_external_data(content)
