"""Modbus frames written from the standard's definitions, without the product's code."""

from __future__ import annotations

import struct

from gateway.core.wire import Framing, Reply


def crc(frame: bytes) -> bytes:
    """CRC-16/Modbus written from its definition, low byte first."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


def rtu(unit: int, pdu: bytes) -> bytes:
    return bytes([unit]) + pdu + crc(bytes([unit]) + pdu)


def ascii_frame(unit: int, pdu: bytes) -> bytes:
    """Colon, hex digits, LRC (two's complement of the sum), CR LF."""
    body = bytes([unit]) + pdu
    return b":" + (body + bytes([-sum(body) & 0xFF])).hex().upper().encode() + b"\r\n"


def tcp(transaction: int, unit: int, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def framed(transport: str, unit: int, pdu: bytes) -> bytes:
    """The first frame of a new connection."""
    return {"rtu": rtu, "ascii": ascii_frame}[transport](unit, pdu) if transport != "tcp" else tcp(1, unit, pdu)


def fed(framing: Framing, received: bytes, size: int = 1) -> Reply | None:
    """The first result when the bytes come in pieces of `size`."""
    for at in range(0, len(received), size):
        reply = framing.feed(received[at : at + size])
        if reply is not None:
            return reply
    return None
