"""Frames from a profile's description: their bytes, their checks, the numbers in them. Pure.

The other way round from the gateway's reader: here a frame is put together, its check worked out, and only then read back to see that it
says what it should.
"""

from __future__ import annotations

import re
from dataclasses import replace

from simulators.encode import Value
from simulators.frame_profile import SIZES, Check, Form, FrameSignal, Marks
from simulators.modbus import crc16

MOST_DECIMALS = 3
_PIECE = re.compile(r"([0-9A-Fa-f]{2})|\{(\d+):(\d+)\}|\{([a-z][a-z0-9-]*)(?::(\d+))?\}")


def check_bytes(kind: str, covered: bytes) -> bytes:
    """The check over these bytes: one byte, of a CRC two, low byte first. ValueError for ASCII hex that is none."""
    if kind == "crc16-modbus":
        return crc16(covered)
    if kind.startswith("sum"):
        total = sum(covered) & 0xFF
        return bytes((total if kind == "sum" else (0x100 - total) & 0xFF,))
    value = 0
    for byte in bytes.fromhex(covered.decode("ascii")) if kind == "xor-ascii-hex" else covered:
        value ^= byte
    return bytes((value,))


def fill(template: str, unit: int, frame: bytes = b"") -> bytes:
    """The bytes of a template such as "FF01{unit}{sum:1}". ValueError when the unit, or the frame that is copied from, does not fit."""
    out = bytearray()
    for piece in _PIECE.finditer(template):
        literal, begin, end, word, number = piece.groups()
        if literal:
            out += bytes.fromhex(literal)
        elif begin:
            if len(frame) < int(end):
                raise ValueError(f"a frame of {len(frame)} bytes ends before byte {end}")
            out += frame[int(begin) : int(end)]
        elif word == "unit":
            size = int(number or 1)
            if unit >= 1 << 8 * size:
                raise ValueError(f"unit {unit} does not fit into {size} bytes")
            out += unit.to_bytes(size, "big")
        else:
            out += check_bytes(word, bytes(out[int(number or 0) :]))
    return bytes(out)


def marked(data: bytes, marks: Marks) -> bool:
    """These bytes stand at these positions, negative ones counted from the end."""
    return all(data[at if at >= 0 else len(data) + at :][: len(these)] == these for at, these in marks)


def sealed(form: Form, body: bytes) -> bytes:
    """A whole frame: the body (start included, check and end not or still empty) with length, end and check.

    ValueError when the form cannot hold it.
    """
    frame = bytearray(body)
    if form.length:
        frame += bytes(max(0, form.length - len(frame)))
    elif form.length_field:
        frame += bytes(max(len(form.end), -form.check.at if form.check and form.check.at < 0 else 0))
    elif form.end:
        overlap = next(n for n in range(len(form.end) - 1, -1, -1) if frame.endswith(form.end[:n]))
        frame += form.end[overlap:]
    if not len(form.start) + len(form.end) <= len(frame) <= (form.length or form.most):
        raise ValueError(f"a frame of {len(frame)} bytes is none of this device")
    frame[: len(form.start)] = form.start
    if form.end:
        frame[-len(form.end) :] = form.end
    if form.length_field:
        field = form.length_field
        told = (len(frame) - field.plus).to_bytes(field.size, "little" if field.order == "little" else "big")
        frame[field.at : field.at + field.size] = told
    if form.check:
        at = _from_start(form.check.at, frame)
        frame[at : at + form.check.size] = _seal(form.check, bytes(frame))
    return bytes(frame)


def spoilt(form: Form | None, frame: bytes) -> bytes:
    """The same frame with a wrong check; without one, with a wrong byte before its end."""
    out = bytearray(frame)
    at = _from_start(form.check.at, frame) if form and form.check else len(frame) - 1 - (len(form.end) if form else 0)
    out[at] ^= 0x01  # a hex character stays a character
    return bytes(out)


def proven(form: Form, frame: bytes) -> bool:
    """The frame is of this form, by start, length, end and check."""
    if not (frame.startswith(form.start) and frame.endswith(form.end)) or (form.length and len(frame) != form.length):
        return False
    if form.check is None:
        return True
    at = _from_start(form.check.at, frame)
    return frame[at : at + form.check.size] == _seal(form.check, frame)


def _seal(check: Check, frame: bytes) -> bytes:
    seal = check_bytes(check.kind, frame[check.first : _from_start(check.last, frame) + 1])
    return seal.hex().upper().encode() if check.ascii_hex else seal


def _from_start(position: int, frame: bytes | bytearray) -> int:
    return position if position >= 0 else len(frame) + position


# --- numbers in a frame ----------------------------------------------------------------------------


def poke(signal: FrameSignal, part: bytearray, value: Value, codec: str) -> None:
    """Writes a value into a frame or record. ValueError for one that it cannot hold."""
    assert signal.at is not None
    at = _from_start(signal.at, part)
    if signal.type == "text":
        part[at : at + signal.length] = _padded(signal, str(value).encode(codec, "replace"), b"\0")
        return
    if signal.type == "ascii-hex" and signal.kind == "card":
        text = str(value).upper()
        if len(text) != signal.length or set(text) - set("0123456789ABCDEF"):
            raise ValueError(f"{signal.name} is {signal.length} hex digits, not {value!r}")
        part[at : at + signal.length] = text.encode()
        return
    raw = _raw(signal, part, value)
    if signal.bit is not None:
        mask = (1 << signal.bits) - 1
        if not 0 <= raw <= mask:
            raise ValueError(f"{signal.name} cannot hold {value}")
        present = _number(signal, part) >> signal.bit & mask
        if signal.kind == "contact" and bool(present) == bool(raw):  # some of several bits is set already
            return
        raw = _number(signal, part) & ~(mask << signal.bit) | raw << signal.bit
    part[at : at + signal.size] = _number_bytes(signal, raw, value)


def peek(signal: FrameSignal, part: bytes, codec: str) -> Value:
    """The value in a frame or record."""
    assert signal.at is not None
    at = _from_start(signal.at, part)
    cut = bytes(part[at : at + signal.size])
    if signal.type == "text" or (signal.type == "ascii-hex" and signal.kind == "card"):
        return cut.split(b"\0")[0].decode(codec, "replace").strip()
    raw = _number(signal, part)
    if signal.bit is not None:
        raw = raw >> signal.bit & (1 << signal.bits) - 1
    if signal.kind in ("contact", "latched"):
        return bool(raw) != signal.invert
    if signal.enum:
        return next((name for key, name in signal.enum if int(key, 0) == raw), raw)
    meaning = next((text for low, high, text in signal.sentinels if low <= raw <= high), None)
    if meaning is not None:
        return meaning
    decimals = part[signal.decimals_at] if signal.decimals_at is not None else 0
    if signal.scale == 1.0 and signal.offset == 0.0 and not decimals:
        return raw
    return float(round(raw / 10.0**decimals * signal.scale + signal.offset, 9))


def set_decimals(signal: FrameSignal, part: bytearray, value: Value) -> None:
    """Chooses how many decimals the number is told with: those that are there, where they do."""
    if signal.decimals_at is None or isinstance(value, str):
        return
    number = (value - signal.offset) / signal.scale
    fits = [n for n in range(MOST_DECIMALS + 1) if _holds(signal, number * 10.0**n)]
    exact = [n for n in fits if abs(number * 10.0**n - round(number * 10.0**n)) < 1e-6]
    present = part[signal.decimals_at]
    if present in exact:
        return
    part[signal.decimals_at] = exact[0] if exact else max(fits, default=0)


def _holds(signal: FrameSignal, number: float) -> bool:
    try:
        _number_bytes(replace(signal, bit=None), round(number), number)
    except ValueError:
        return False
    return True


def _raw(signal: FrameSignal, part: bytearray, value: Value) -> int:
    """The number that stands for a value."""
    if signal.kind in ("contact", "latched"):
        if value not in (0, 1):
            raise ValueError(f"{signal.name} is true or false, not {value!r}")
        return int(bool(value) != signal.invert)
    if isinstance(value, str):
        named = [int(key, 0) for key, name in signal.enum if name == value] + [low for low, _, text in signal.sentinels if text == value]
        if not named:
            names = [name for _, name in signal.enum] + [text for _, _, text in signal.sentinels]
            raise ValueError(f"{signal.name} has no value {value!r}; it takes {', '.join(names) or 'a number'}")
        return named[0]
    if signal.enum:
        return round(value)
    decimals = part[signal.decimals_at] if signal.decimals_at is not None else 0
    return round((value - signal.offset) / signal.scale * 10.0**decimals)


def _number(signal: FrameSignal, part: bytes | bytearray) -> int:
    assert signal.at is not None
    at = _from_start(signal.at, part)
    cut = bytes(part[at : at + signal.size])
    if signal.type == "bcd":
        return int(cut.hex()) if cut.hex().isdecimal() else 0
    if signal.type == "ascii-hex":
        return int(cut.replace(b"\0", b"0").decode("ascii", "replace"), 16)
    return int.from_bytes(cut, "little" if signal.type.endswith("le") else "big", signed=signal.type.startswith("s"))


def _number_bytes(signal: FrameSignal, raw: int, value: Value) -> bytes:
    try:
        if signal.type == "bcd":
            return bytes.fromhex(f"{raw:0{2 * signal.length}d}") if 0 <= raw < 100**signal.length else _refuse(signal, value)
        if signal.type in ("ascii-hex", "text"):
            return f"{raw:0{signal.length}X}".encode() if 0 <= raw < 16**signal.length else _refuse(signal, value)
        return raw.to_bytes(SIZES[signal.type], "little" if signal.type.endswith("le") else "big", signed=signal.type.startswith("s"))
    except OverflowError:
        return _refuse(signal, value)


def _refuse(signal: FrameSignal, value: Value) -> bytes:
    raise ValueError(f"{signal.name} cannot hold {value}")


def _padded(signal: FrameSignal, data: bytes, filler: bytes) -> bytes:
    if len(data) > signal.length:
        raise ValueError(f"{signal.name} holds {signal.length} bytes, not {len(data)}")
    return data.ljust(signal.length, filler)
