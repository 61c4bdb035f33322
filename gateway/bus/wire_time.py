"""Arithmetic of a serial line: how long characters and silences take. All times in seconds.

A character is 11 bits on the wire (start, 8 data, parity or second stop, stop): the Modbus serial line
specification V1.02, 2.5.1. A line set to 8N1 sends 10; counting 11 errs on the silent side.
"""

from __future__ import annotations

BITS_PER_CHARACTER = 11
SILENCE_CHARACTERS = 3.5
FIXED_SILENCE_ABOVE_BAUD = 19200
FIXED_SILENCE_S = 0.00175  # above 19200 baud, Modbus serial line V1.02, 2.5.1.1


def character_s(baud: int) -> float:
    """Time of one character."""
    return BITS_PER_CHARACTER / baud


def silence_s(baud: int) -> float:
    """t3.5: silence that must lie between two frames."""
    return SILENCE_CHARACTERS * character_s(baud) if baud <= FIXED_SILENCE_ABOVE_BAUD else FIXED_SILENCE_S


def frame_bytes(transport: str, pdu_bytes: int) -> int:
    """Characters on the wire that carry a Modbus data unit of so many bytes: RTU adds unit and CRC, TCP its header, ASCII writes hex."""
    if transport == "ascii":
        return 2 * (pdu_bytes + 2) + 3  # ':', unit, LRC, CR LF
    return pdu_bytes + (7 if transport == "tcp" else 3)


def transaction_s(baud: int, request_bytes: int, reply_bytes: int, device_delay_s: float = 0.0) -> float:
    """One request and its reply with both silences; bytes include unit and checksum."""
    return (request_bytes + reply_bytes) * character_s(baud) + 2 * silence_s(baud) + device_delay_s
