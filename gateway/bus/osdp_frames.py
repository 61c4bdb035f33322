"""OSDP frames as they pass on the wire: found, proved, and read as far as they are in clear. Pure.

    [FF] 53 address length-low length-high control [security block: size type ...] code data ... check

`length` counts everything from 53 to the end. The address of a reply has its top bit set. Control: bit 2 says that the
check is a CRC-16 (poly 0x1021, start 0x1D0F, low byte first) and not an 8-bit sum, bit 3 that a security block follows.
On real cabling the leading FF is missing or doubled, an adapter echoes the request, other readers' late answers
and noise come in between: what proves itself is a frame, everything else is dropped byte by byte.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field

START = 0x53
CRC_START = 0x1D0F
HEAD_BYTES = 5
FRAME_BYTES_MOST = 1440  # longest packet of the standard; a longer length is noise
FRAME_BYTES_LEAST = 7
MAC_ONLY = (0x15, 0x16)  # security block types whose data stays in clear


class Code:
    """Commands and replies that the line must tell apart (IEC 60839-11-5, tables of commands and replies)."""

    POLL = 0x60
    CAPABILITIES = 0x62
    CHALLENGE = 0x76  # the reply to it has the same number
    CRYPTOGRAM = 0x77
    NAK = 0x41


NAK_WORDS = {
    1: "bad checksum",
    2: "bad command length",
    3: "unknown command",
    4: "sequence error",
    5: "secure channel not supported",
    6: "secure channel needed",
    7: "biometry type not supported",
    8: "biometry format not supported",
    9: "command could not be done",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One proved frame; `raw` begins with 53."""

    raw: bytes = field(repr=False)  # without secure channel it shows card bits

    @property
    def address(self) -> int:
        """0..127, without the bit that marks a reply."""
        return self.raw[1] & 0x7F

    @property
    def is_reply(self) -> bool:
        return bool(self.raw[1] & 0x80)

    @property
    def _body(self) -> int:
        return HEAD_BYTES + (self.raw[5] if self.raw[4] & 0x08 else 0)

    @property
    def code(self) -> int:
        """Command or reply code; -1 when the security block leaves no room for one."""
        return self.raw[self._body] if self._body < len(self.raw) else -1

    @property
    def nak_code(self) -> int:
        """Why a NAK was given; 0 when this is none, or its reason is encrypted."""
        secured = self.raw[4] & 0x08 and self.raw[6] not in MAC_ONLY
        at = self._body + 1
        return 0 if self.code != Code.NAK or secured or at >= len(self.raw) else self.raw[at]


class Cutter:
    """Cuts received bytes into frames."""

    def __init__(self) -> None:
        self._held = b""

    def reset(self) -> None:
        self._held = b""

    @property
    def missing_bytes(self) -> int:
        """Bytes that the frame under way still needs at least; 0 when none is under way."""
        return max(1, _length(self._held) - len(self._held)) if self._held else 0

    def feed(self, received: bytes) -> list[Frame]:
        """Take what arrived, in pieces of any size; the whole frames in it."""
        held, frames = self._held + received, []
        while (at := held.find(START)) >= 0:
            held = held[at:]
            length = _length(held)
            if FRAME_BYTES_LEAST <= length <= FRAME_BYTES_MOST and len(held) < length:
                break
            if is_proved(held[:length]):
                frames.append(Frame(held[:length]))
                held = held[length:]
            else:
                held = held[1:]
        self._held = held if at >= 0 else b""
        return frames


def _length(held: bytes) -> int:
    """What the frame says of its length; the least one while its head is not whole."""
    return int.from_bytes(held[2:4], "little") if len(held) >= 4 else FRAME_BYTES_LEAST


def is_proved(frame: bytes) -> bool:
    """True when this is one whole frame, from 53 on, whose check holds."""
    if not FRAME_BYTES_LEAST <= len(frame) <= FRAME_BYTES_MOST or frame[0] != START or _length(frame) != len(frame):
        return False
    if frame[4] & 0x04:
        return binascii.crc_hqx(frame[:-2], CRC_START) == int.from_bytes(frame[-2:], "little")
    return sum(frame) & 0xFF == 0
