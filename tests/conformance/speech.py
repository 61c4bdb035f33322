"""What the devices of the roads say, written from the specifications; shares no code with the product.

A tongue cuts requests out of what it hears and puts an answer into a frame. `values` reads all whole and proven
frames out of a stream, as somebody would who knows nothing of who asked what: so it is known beforehand which noise
nobody could tell from the truth.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tests.drivers.modbus_frames import ascii_frame, crc, rtu, tcp

READ_HOLDING = 3
TWO_WORDS = 4  # bytes of every value on the polled roads


@dataclass(frozen=True)
class Asked:
    """One request. tag: what the answer must carry along (a transaction id)."""

    unit: int
    pdu: bytes
    tag: int = 0


class Tongue(Protocol):
    """How a polled device speaks."""

    def cut(self, heard: bytearray) -> Iterator[Asked]:
        """Take the whole requests out of what was heard."""
        ...

    def frame(self, asked: Asked, unit: int, pdu: bytes) -> bytes: ...

    def oversize(self, asked: Asked, pdu: bytes) -> bytes:
        """A sound answer, but for the length that it states."""
        ...

    def values(self, stream: bytes) -> set[int]: ...


class Rtu:
    def cut(self, heard: bytearray) -> Iterator[Asked]:
        while len(heard) >= 8:
            frame = bytes(heard[:8])
            if crc(frame[:6]) == frame[6:]:
                del heard[:8]
                yield Asked(frame[0], frame[1:6])
            else:
                del heard[:1]

    def frame(self, asked: Asked, unit: int, pdu: bytes) -> bytes:
        return rtu(unit, pdu)

    def oversize(self, asked: Asked, pdu: bytes) -> bytes:
        return rtu(asked.unit, pdu[:1] + b"\xff" + pdu[2:])

    def values(self, stream: bytes) -> set[int]:
        size = 1 + 2 + TWO_WORDS + 2
        windows = (stream[at : at + size] for at in range(len(stream) - size + 1))
        return {int.from_bytes(frame[3:7], "big") for frame in windows if frame[1:3] == b"\x03\x04" and crc(frame[:-2]) == frame[-2:]}


class Ascii:
    def cut(self, heard: bytearray) -> Iterator[Asked]:
        while (end := heard.find(b"\r\n")) >= 0:
            text = bytes(heard[:end])
            del heard[: end + 2]
            if (body := _ascii_body(text[text.rfind(b":") :])) is not None:
                yield Asked(body[0], body[1:])

    def frame(self, asked: Asked, unit: int, pdu: bytes) -> bytes:
        return ascii_frame(unit, pdu)

    def oversize(self, asked: Asked, pdu: bytes) -> bytes:
        return ascii_frame(asked.unit, pdu[:1] + b"\xff" + pdu[2:])

    def values(self, stream: bytes) -> set[int]:
        bodies = (_ascii_body(text) for text in re.findall(rb":[^:\r]*(?=\r\n)", stream))
        return {int.from_bytes(body[3:], "big") for body in bodies if body is not None and body[1:3] == b"\x03\x04" and len(body) == 7}


def _ascii_body(text: bytes) -> bytes | None:
    """Unit and data unit of a line ":..." whose LRC holds."""
    if not re.fullmatch(rb":([0-9A-Fa-f]{2}){4,}", text):
        return None
    body = bytes.fromhex(text[1:].decode("ascii"))
    return body[:-1] if sum(body) & 0xFF == 0 else None


class ModbusTcp:
    def cut(self, heard: bytearray) -> Iterator[Asked]:
        while len(heard) >= 12:
            frame = bytes(heard[:12])
            del heard[:12]
            yield Asked(frame[6], frame[7:], int.from_bytes(frame[:2], "big"))

    def frame(self, asked: Asked, unit: int, pdu: bytes) -> bytes:
        return tcp(asked.tag, unit, pdu)

    def oversize(self, asked: Asked, pdu: bytes) -> bytes:
        return struct.pack(">HHHB", asked.tag, 0, 0xFFFF, asked.unit) + pdu

    def values(self, stream: bytes) -> set[int]:
        found = re.finditer(rb"(?=\x00\x00\x00\x07[\x00-\xff]\x03\x04([\x00-\xff]{4}))", stream)
        return {int.from_bytes(match[1], "big") for match in found}


class PushTongue(Protocol):
    """How a device speaks that nobody asks. largest: of its values."""

    largest: int
    profile: str

    def frame(self, value: int) -> bytes: ...

    def oversize(self, value: int) -> bytes: ...

    def values(self, stream: bytes) -> set[int]: ...


class Winsen:
    """The carbon monoxide module: FF 04 03, decimals, value, full range, two's complement of the sum."""

    profile = "winsen-ze07-co"
    largest = 0x7FFF

    def frame(self, value: int) -> bytes:
        body = b"\x04\x03\x00" + value.to_bytes(2, "big") + b"\x13\x88"
        return b"\xff" + body + bytes([-sum(body) & 0xFF])

    def oversize(self, value: int) -> bytes:
        raise NotImplementedError("its frames state no length")

    def values(self, stream: bytes) -> set[int]:
        windows = (stream[at : at + 9] for at in range(len(stream) - 8))
        return {
            int.from_bytes(frame[4:6], "big")
            for frame in windows
            if frame[:3] == b"\xff\x04\x03" and sum(frame[1:]) & 0xFF == 0 and frame[3] <= 9
        }


class Stated:
    """A device of our own whose frames state their length: AA 55, length of the value, value, CRC."""

    profile = """
        schema = 1
        protocol = "frames"
        id = "stated"
        vendor = "v"
        model = "m"
        summary = "s"
        summary_zh = "s"
        transports = ["raw-tcp"]
        source = "test"
        confidence = "code"
        [[frames]]
        start = "AA55"
        length_field = { at = 2, plus = 5 }
        most = 64
        checksum = { kind = "crc16-modbus", first = 0, last = -3, at = -2 }
        [[signals]]
        name = "co"
        kind = "measurement"
        when = { 2 = "04" }
        at = 3
        type = "u32"
    """
    largest = 0x7FFFFFFF

    def frame(self, value: int) -> bytes:
        head = b"\xaa\x55\x04" + value.to_bytes(4, "big")
        return head + crc(head)

    def oversize(self, value: int) -> bytes:
        head = b"\xaa\x55\xff" + value.to_bytes(4, "big")
        return head + crc(head)

    def values(self, stream: bytes) -> set[int]:
        windows = (stream[at : at + 9] for at in range(len(stream) - 8))
        return {int.from_bytes(frame[3:7], "big") for frame in windows if frame[:3] == b"\xaa\x55\x04" and crc(frame[:7]) == frame[7:]}
