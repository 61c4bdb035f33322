"""Reads a TF.js graph model: a JSON list of nodes beside one file of weights. No TensorFlow, no JavaScript."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. inputs: names of nodes, the number of the output after a colon cut off; attrs as in the file."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attrs: dict[str, Any]

    def text(self, key: str) -> str:
        """An attribute that is a string; the file keeps them in base64."""
        return base64.b64decode(self.attrs[key]["s"]).decode("ascii")

    def numbers(self, key: str) -> list[int]:
        """An attribute that is a list of whole numbers."""
        return [int(number) for number in self.attrs[key]["list"]["i"]]


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by name; constants by name; outputs: the names that the model gives."""

    nodes: dict[str, Node]
    constants: dict[str, Array]
    outputs: tuple[str, ...]


def read(path: Path) -> Graph:
    """The graph of `path` (.json) with the weights that it names. Raises ValueError when weights are missing or too many."""
    model = json.loads(path.read_text(encoding="utf-8"))
    nodes = {}
    for each in model["modelTopology"]["node"]:
        inputs = tuple(name.split(":")[0] for name in each.get("input", ()))
        nodes[each["name"]] = Node(each["name"], each["op"], inputs, each.get("attr", {}))
    constants: dict[str, Array] = {}
    for group in model["weightsManifest"]:
        content = b"".join((path.parent / part).read_bytes() for part in group["paths"])
        constants |= _weights(group["weights"], content)
    return Graph(nodes, constants, tuple(name.split(":")[0] for name in model["signature"]["outputs"]))


def _weights(entries: list[dict[str, Any]], content: bytes) -> dict[str, Array]:
    """Weights kept as float16 are told as such and become float32 again, which loses nothing more."""
    found: dict[str, Array] = {}
    place = 0
    for entry in entries:
        stored = np.dtype(entry.get("quantization", entry)["dtype"]).newbyteorder("<")
        if "scale" in entry.get("quantization", {}):
            raise ValueError(f"{entry['name']}: weights of scale and offset are not read, only float16")
        size = prod(entry["shape"]) * stored.itemsize
        if place + size > len(content):
            raise ValueError(f"{entry['name']}: the file of weights ends too early")
        values = np.frombuffer(content[place : place + size], stored).reshape(entry["shape"])
        found[entry["name"]] = values.astype(entry["dtype"])
        place += size
    if place != len(content):
        raise ValueError(f"the file of weights has {len(content) - place} bytes too many")
    return found
