"""Looks through an ONNX file for weights that lie in another file: no digest covers those.

An ONNX file is a protobuf message. Only the messages that can hold a tensor are walked, by the numbers of their fields;
the package `onnx`, which could do the same, is not there where a gateway runs.
"""

from __future__ import annotations

EXTERNAL_DATA, DATA_LOCATION = 13, 14  # fields of a tensor: where its numbers lie, and 1 for "in another file"
VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5  # how a field is written

# message: {number of a field: the message that it holds}
_HOLDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}


def has_external_data(content: bytes) -> bool:
    """Whether any tensor of the network wants its numbers from another file. Raises ValueError where this is no protobuf message."""
    waiting = [("model", 0, len(content))]  # not by recursion: a file may be nested as deep as it likes
    while waiting:
        message, at, end = waiting.pop()
        holds = _HOLDS[message]
        while at < end:
            tag, at = _varint(content, at, end)
            field, form = tag >> 3, tag & 7
            value, size = 0, {FIXED_64: 8, FIXED_32: 4}.get(form, 0)
            if form in (VARINT, LENGTH):
                value, at = _varint(content, at, end)
            elif not size:
                raise ValueError(f"byte {at}: no field is written in form {form}")
            if form == LENGTH:
                size = value
                if field in holds:
                    waiting.append((holds[field], at, at + size))
            if at + size > end or not 0 < field < 1 << 29:
                raise ValueError(f"byte {at}: field {field} of {size} bytes does not fit")
            if message == "tensor" and (field == EXTERNAL_DATA or (field == DATA_LOCATION and value)):
                return True
            at += size
    return False


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    """The number that begins at a byte, seven bits in each, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"byte {at}: a number does not end")
