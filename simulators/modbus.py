"""A Modbus server's codec: requests in, replies out, in the three wire formats.

MBAP (Modbus TCP)   transaction 2 | protocol 2 (= 0) | length 2 | unit 1 | data unit
RTU                 unit 1 | data unit | CRC-16 2 (low byte first)
ASCII               ":" | unit, data unit and LRC 1 in hex, two characters each | CR LF
data unit           function 1 | data; an exception reply is function + 0x80 | code

Source: MODBUS Application Protocol V1.1b3, MODBUS over Serial Line V1.02. Written for the simulators alone, without the
library that the gateway uses, so that one bug cannot hide in both ends.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Protocol

READ_COILS, READ_DISCRETES, READ_HOLDINGS, READ_INPUTS = 1, 2, 3, 4
WRITE_COIL, WRITE_HOLDING, WRITE_COILS, WRITE_HOLDINGS = 5, 6, 15, 16
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, NO_TARGET = 1, 2, 3, 11

AREA_OF = {
    READ_COILS: "coil",
    READ_DISCRETES: "discrete",
    READ_HOLDINGS: "holding",
    READ_INPUTS: "input",
    WRITE_COIL: "coil",
    WRITE_COILS: "coil",
    WRITE_HOLDING: "holding",
    WRITE_HOLDINGS: "holding",
}
MAX_COUNT = {READ_COILS: 2000, READ_DISCRETES: 2000, READ_HOLDINGS: 125, READ_INPUTS: 125, WRITE_COILS: 1968, WRITE_HOLDINGS: 123}
MBAP_BYTES = 7
RTU_MAX_BYTES = 256
ASCII_MAX_BYTES = 513
COIL_ON = 0xFF00


class Refused(Exception):
    """The server answers with this exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """What a master asks. values: bits (0, 1) or registers to write; empty for a read.

    word: of function 5: what was written raw, FF00 for on, 0 for off, or a word that only this board knows.
    """

    function: int
    area: str
    address: int
    count: int
    values: tuple[int, ...] = ()
    word: int | None = None

    @property
    def writes(self) -> bool:
        return bool(self.values)

    @property
    def words(self) -> tuple[int, ...]:
        """What is written as raw words: registers, or FF00 and 0 (or the raw word of function 5) for coils."""
        if self.word is not None:
            return (self.word,)
        return tuple(bit * COIL_ON for bit in self.values) if self.area == "coil" else self.values


def parse_request(pdu: bytes) -> Request:
    """The request in a data unit. Refused with code 1 (function unknown), 2 (past 65535) or 3 (counts that do not fit)."""
    function = pdu[0] if pdu else 0
    area = AREA_OF.get(function)
    if area is None:
        raise Refused(ILLEGAL_FUNCTION)
    if len(pdu) < 5:
        raise Refused(ILLEGAL_VALUE)
    address, second = struct.unpack_from(">HH", pdu, 1)
    if function in (WRITE_COIL, WRITE_HOLDING):
        if len(pdu) != 5:
            raise Refused(ILLEGAL_VALUE)
        if function == WRITE_COIL:
            return Request(function, area, address, 1, (int(second == COIL_ON),), word=second)
        return Request(function, area, address, 1, (second,))
    if not 1 <= second <= MAX_COUNT[function]:
        raise Refused(ILLEGAL_VALUE)
    if address + second > 0x10000:
        raise Refused(ILLEGAL_ADDRESS)
    if function in (WRITE_COILS, WRITE_HOLDINGS):
        return Request(function, area, address, second, _many(function, second, pdu))
    if len(pdu) != 5:
        raise Refused(ILLEGAL_VALUE)
    return Request(function, area, address, second)


def _many(function: int, count: int, pdu: bytes) -> tuple[int, ...]:
    data = pdu[6:]
    wanted = (count + 7) // 8 if function == WRITE_COILS else 2 * count
    if len(pdu) < 6 or pdu[5] != wanted or len(data) != wanted:
        raise Refused(ILLEGAL_VALUE)
    if function == WRITE_COILS:
        return unpack_bits(data, count)
    return struct.unpack(f">{count}H", data)


def pack_bits(bits: list[int]) -> bytes:
    """Eight to a byte, the first one lowest."""
    out = bytearray((len(bits) + 7) // 8)
    for i, bit in enumerate(bits):
        out[i // 8] |= (bit & 1) << i % 8
    return bytes(out)


def unpack_bits(data: bytes, count: int) -> tuple[int, ...]:
    return tuple(data[i // 8] >> i % 8 & 1 for i in range(count))


def read_reply(request: Request, values: list[int]) -> bytes:
    """Reply to a read: bits or registers, as many as were asked for."""
    body = pack_bits(values) if request.area in ("coil", "discrete") else struct.pack(f">{len(values)}H", *values)
    return bytes((request.function, len(body))) + body


def write_reply(pdu: bytes, form: str = "echo", ack: int | None = None) -> bytes:
    """Reply to a write: the first five bytes of the request again ("echo"), all of it ("request"), or nothing ("none").

    ack: the word that stands in the place of the written one.
    """
    if form == "none":
        return b""
    if ack is not None:
        return pdu[:3] + struct.pack(">H", ack)
    return pdu if form == "request" else pdu[:5]


def exception_reply(function: int, code: int) -> bytes:
    return bytes((function | 0x80, code))


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC = _crc_table()


def crc16(data: bytes) -> bytes:
    """CRC-16 of Modbus (polynomial 0xA001, start 0xFFFF), low byte first as on the wire."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return struct.pack("<H", crc)


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return body + crc16(body)


def lrc(data: bytes) -> int:
    """Longitudinal check of Modbus ASCII: two's complement of the sum."""
    return -sum(data) & 0xFF


def ascii_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return b":" + (body + bytes((lrc(body),))).hex().upper().encode() + b"\r\n"


def mbap_frame(transaction: int, unit: int, pdu: bytes, protocol: int = 0) -> bytes:
    return struct.pack(">HHHB", transaction, protocol, len(pdu) + 1, unit) + pdu


@dataclass(slots=True)
class MbapReceiver:
    """Cuts a TCP stream into requests. ValueError when it is not Modbus TCP: the server then hangs up."""

    _held: bytes = b""

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """(transaction, unit, data unit) of each request that is now whole."""
        self._held += data
        found = []
        while len(self._held) >= MBAP_BYTES:
            transaction, protocol, length, unit = struct.unpack_from(">HHHB", self._held)
            if protocol != 0 or not 2 <= length <= 254:
                raise ValueError(f"not Modbus TCP: protocol {protocol}, length {length}")
            if len(self._held) < 6 + length:
                break
            found.append((transaction, unit, self._held[MBAP_BYTES : 6 + length]))
            self._held = self._held[6 + length :]
        return found


class Receiver(Protocol):
    """Finds request frames on a serial line: (unit, data unit, bytes on the wire) of each. bad: how much was thrown away."""

    bad: int
    held: bytes

    def feed(self, data: bytes) -> list[tuple[int, bytes, int]]: ...
    def silence(self) -> list[tuple[int, bytes, int]]: ...


@dataclass(slots=True)
class RtuReceiver:
    """Finds request frames on a serial line.

    A known function tells the length. What never becomes a frame (noise, an unknown function) is judged when the line
    falls silent: call `silence()` then. `bad` counts what was thrown away.
    """

    bad: int = 0
    held: bytes = field(default=b"")

    def feed(self, data: bytes) -> list[tuple[int, bytes, int]]:
        """(unit, data unit, bytes on the wire) of each request that is now whole and has a good CRC."""
        self.held += data
        found = []
        while (size := _rtu_request_bytes(self.held)) and len(self.held) >= size:
            frame, self.held = self.held[:size], self.held[size:]
            if crc16(frame[:-2]) == frame[-2:]:
                found.append((frame[0], frame[1:-2], size))
            else:
                self.bad += 1
        if len(self.held) > RTU_MAX_BYTES:
            self.held = b""
            self.bad += 1
        return found

    def silence(self) -> list[tuple[int, bytes, int]]:
        """What the silence made whole: a frame with an unknown function, or nothing."""
        frame, self.held = self.held, b""
        if not frame:
            return []
        if len(frame) >= 4 and crc16(frame[:-2]) == frame[-2:]:
            return [(frame[0], frame[1:-2], len(frame))]
        self.bad += 1
        return []


@dataclass(slots=True)
class AsciiReceiver:
    """Finds request frames between ":" and CR LF; a new ":" begins anew (MODBUS over Serial Line 2.5.2)."""

    bad: int = 0
    held: bytes = field(default=b"")

    def feed(self, data: bytes) -> list[tuple[int, bytes, int]]:
        """(unit, data unit, bytes on the wire) of each request that is now whole and has a good check."""
        self.held += data
        found = []
        while (end := self.held.find(b"\r\n")) >= 0:
            line, self.held = self.held[:end], self.held[end + 2 :]
            begin = line.rfind(b":")
            try:
                body = bytes.fromhex(line[begin + 1 :].decode("ascii")) if begin >= 0 else b""
            except ValueError:
                body = b""
            if len(body) >= 3 and lrc(body) == 0:
                found.append((body[0], body[1:-1], end + 2 - begin))
            else:
                self.bad += 1
        if len(self.held) > ASCII_MAX_BYTES:
            self.held = b""
            self.bad += 1
        return found

    def silence(self) -> list[tuple[int, bytes, int]]:
        """Half a frame that was followed by silence is given up."""
        self.bad += bool(self.held)
        self.held = b""
        return []


def _rtu_request_bytes(held: bytes) -> int:
    """Length of the request frame that begins here; 0 while it cannot be told."""
    if len(held) < 2:
        return 0
    if held[1] in (WRITE_COILS, WRITE_HOLDINGS):
        return 9 + held[6] if len(held) > 6 else 0
    return 8 if held[1] in AREA_OF else 0
