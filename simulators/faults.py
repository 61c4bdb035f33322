"""What a device can be told to do wrong on the wire. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

KINDS = {
    "silent": "answers nothing",
    "exception": "answers each request with the exception `code`",
    "late": "answers `ms` later than it should",
    "wrong-unit": "answers as the next unit",
    "wrong-crc": "answers with a wrong checksum (Modbus TCP: with another transaction's number)",
    "truncated": "stops in the middle of its answer",
    "garbage": "answers with noise of the same length",
    "frozen": "answers, but its heartbeat stands still",
}
DEVICE_FAILURE = 4  # Modbus exception code "server device failure"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ms: for `late`. code: for `exception`, 1..255."""

    kind: str
    ms: int = 0
    code: int = DEVICE_FAILURE

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault {self.kind!r}; there are {', '.join(KINDS)}")
        if not 0 <= self.ms <= 600_000:
            raise ValueError(f"ms is 0 to 600000, not {self.ms}")
        if not 1 <= self.code <= 255:
            raise ValueError(f"code is 1 to 255, not {self.code}")


def spoil(fault: Fault | None, unit: int, pdu: bytes, frame: Callable[[int, bytes], bytes], is_rtu: bool) -> bytes:
    """Wire bytes of the answer `pdu` under this fault; empty for silence. `frame` wraps (unit, pdu) for the wire."""
    whole = frame(unit, pdu)
    match fault.kind if fault else "":
        case "silent":
            return b""
        case "wrong-unit":
            return frame(unit % 247 + 1, pdu)
        case "wrong-crc" if is_rtu:
            return whole[:-1] + bytes((whole[-1] ^ 0xFF,))
        case "wrong-crc":
            return bytes((whole[0] ^ 0x55,)) + whole[1:]
        case "truncated":
            return whole[: len(whole) // 2]
        case "garbage":
            return random.Random(whole).randbytes(len(whole))
        case _:
            return whole
