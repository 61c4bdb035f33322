"""Checksums of frames, and the bytes that are sent, made from a profile's text. Pure."""

from __future__ import annotations

import re
from binascii import unhexlify

_PIECE = re.compile(r"[0-9A-Fa-f]{2}|\{([a-z0-9-]+)(?::(\d+))?\}")


def check(kind: str, covered: bytes) -> bytes:
    """The check over these bytes: one byte, or two (low byte first) for crc16-modbus.

    ValueError: xor-ascii-hex over something that is not pairs of hex digits.
    """
    if kind == "crc16-modbus":
        return crc16(covered).to_bytes(2, "little")
    if kind in ("sum", "sum-complement"):
        total = sum(covered)
        return bytes([(total if kind == "sum" else -total) & 0xFF])
    if kind == "xor-ascii-hex":
        covered = unhexlify(covered)
    value = 0
    for byte in covered:
        value ^= byte
    return bytes([value])


def crc16(covered: bytes) -> int:
    """CRC-16/Modbus: polynomial 0xA001 reflected, starts with 0xFFFF."""
    value = 0xFFFF
    for byte in covered:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value


def compose(template: str, unit: int = 0, frame: bytes = b"") -> bytes:
    """The bytes that a profile's text stands for (grammar: gateway.config.profile_frames). unit: 0..2^32-1.

    ValueError: the frame is shorter than what is copied from it, or the unit needs more bytes than it gets.
    """
    out = b""
    for piece in _PIECE.finditer(template):
        word, number = piece[1], int(piece[2] or 0)
        if word is None:
            out += bytes.fromhex(piece[0])
        elif word == "unit":
            out += _unit_bytes(unit, number or 1)
        elif word.isdigit():
            copied = frame[int(word) : number]
            if len(copied) != number - int(word):
                raise ValueError(f"a frame of {len(frame)} bytes has no bytes {word} to {number}")
            out += copied
        else:
            out += check(word, out[number:])
    return out


def _unit_bytes(unit: int, size: int) -> bytes:
    if unit >= 1 << 8 * size:
        raise ValueError(f"unit {unit} does not fit into {size} byte{'s' * (size > 1)}")
    return unit.to_bytes(size, "big")
