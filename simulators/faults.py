"""What a device can be told to do wrong, and what that makes of its bytes. Pure.

Three sorts: how it answers (one at a time: `Fault`), what one of its signals does (`SIGNAL_KINDS`), and what it says unasked (`babbling`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulators.kinds import Kind, Option

DEVICE_FAILURE = 4  # Modbus exception code "server device failure"
LONGEST_MS = 600_000
MSB_FIRST, BYTES_SWAPPED = "msb-first", "bytes-swapped"

_ONE_SIGNAL = Option("which signal", "哪个信号")
_ANY_SIGNAL = Option("which signal; left out: all", "哪个信号，不填为全部", default="")

KINDS: dict[str, Kind] = {
    "silent": Kind("answers nothing", "不应答"),
    "exception": Kind(
        "answers each request with an exception",
        "应答异常码",
        {"code": Option("exception code", "异常码", DEVICE_FAILURE, 1, 255)},
    ),
    "late": Kind("answers later than it should", "应答迟缓", {"ms": Option("milliseconds", "毫秒", 500, 0, LONGEST_MS)}),
    "wrong-unit": Kind(
        "answers under another unit's number",
        "以错误的站号应答",
        {"unit": Option("that number; 0: the next one", "站号，0 为下一个", 0, 0, 247)},
    ),
    "wrong-address": Kind(
        "its address switch stands wrong: it answers to that unit's requests and no more to its own",
        "站号拨错，应答别站的请求",
        {"unit": Option("unit that it takes itself for", "误设的站号", None, 1, 247)},
    ),
    "wrong-crc": Kind("answers with a wrong checksum (Modbus TCP: with another transaction's number)", "校验码错误"),
    "truncated": Kind("stops in the middle of its answer", "应答不完整"),
    "garbage": Kind("answers with noise of the same length", "应答为乱码"),
    "bits-swapped": Kind(
        "coils and inputs in the wrong order",
        "位序颠倒",
        {
            "order": Option(
                "highest bit first, or each two bytes exchanged", "高位在前或字节对调", MSB_FIRST, choices=(MSB_FIRST, BYTES_SWAPPED)
            )
        },
    ),
    "words-swapped": Kind("the two registers of its 32-bit values exchanged", "32 位数值字序颠倒"),
    "frozen": Kind("answers, but its heartbeat stands still", "应答正常但心跳停止"),
    "unplugged": Kind("pulled off its wire", "脱线"),
    "reboot": Kind(
        "loses its power for a while",
        "断电重启",
        {
            "off_s": Option("seconds without power", "断电秒数", 3.0, 0.0, 3600, whole=False),
            "keeps": Option("what it remembers", "断电保持", "nothing", choices=("nothing", "counters", "all")),
        },
    ),
    "babbling": Kind(
        "puts bursts of noise on its wire, unasked",
        "无请求乱发",
        {
            "ms": Option("milliseconds between bursts", "间隔毫秒", 200, 10, 60_000),
            "bytes": Option("length of a burst", "字节数", 16, 1, 256),
        },
    ),
    "stuck": Kind("what it shows stays as it is, whatever happens", "卡死，读数不再变化", {"signal": _ANY_SIGNAL}),
    "chattering": Kind(
        "a contact that goes to and fro",
        "触点抖动",
        {"signal": _ONE_SIGNAL, "per_s": Option("changes each second", "每秒次数", 10.0, 0.1, 200, whole=False)},
    ),
    "counter-reset": Kind("a counter begins anew at 0", "计数器清零", {"signal": _ANY_SIGNAL}, once=True),
}
SIGNAL_KINDS = ("stuck", "chattering", "counter-reset")
EVERY_DEVICE = ("silent", "unplugged", "reboot", "babbling", "stuck", "chattering")
ON_THE_WIRE = ("wrong-crc", "truncated", "garbage")


@dataclass(frozen=True, slots=True)
class Fault:
    """How a device answers. ms: for `late`. code: for `exception`. unit: for `wrong-unit` (0: the next) and `wrong-address`.

    ValueError for what no device does.
    """

    kind: str
    ms: int = 0
    code: int = DEVICE_FAILURE
    unit: int = 0
    order: str = MSB_FIRST

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault {self.kind!r}; there are {', '.join(KINDS)}")
        if not 0 <= self.ms <= LONGEST_MS:
            raise ValueError(f"ms is 0 to {LONGEST_MS}, not {self.ms}")
        if not 1 <= self.code <= 255:
            raise ValueError(f"code is 1 to 255, not {self.code}")

    @property
    def is_off(self) -> bool:
        """It does not even hear what is asked of it."""
        return self.kind in ("unplugged", "reboot")

    @classmethod
    def of(cls, kind: str, options: dict[str, Any]) -> Fault:
        """From the options of an order; those that concern no answer are left out."""
        return cls(kind, **{key: value for key, value in options.items() if key in ("ms", "code", "unit", "order")})


def spoil(fault: Fault | None, unit: int, pdu: bytes, frame: Callable[[int, bytes], bytes], is_rtu: bool) -> bytes:
    """Wire bytes of the answer `pdu` under this fault; empty for silence. `frame` wraps (unit, pdu) for the wire."""
    whole = frame(unit, pdu)
    match fault.kind if fault else "":
        case "silent":
            return b""
        case "wrong-unit" if fault:
            return frame(fault.unit or unit % 247 + 1, pdu)
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


def spoil_bytes(kind: str, whole: bytes) -> bytes:
    """The same for a frame whose inside is not known here."""
    match kind:
        case "wrong-crc":
            return whole[:-1] + bytes((whole[-1] ^ 0xFF,))
        case "truncated":
            return whole[: len(whole) // 2]
        case "garbage":
            return random.Random(whole).randbytes(len(whole))
        case _:
            return whole


def collide(one: bytes, other: bytes) -> bytes:
    """Two answers at the same time on one pair of wires: a 0 of either wins."""
    both = bytes(a & b for a, b in zip(one, other, strict=False))
    return both + max(one, other, key=len)[len(both) :]


def swap_bits(data: bytes, order: str) -> bytes:
    """Packed bits in the wrong order: each byte with its highest bit first, or each two bytes exchanged."""
    if order == BYTES_SWAPPED:
        return b"".join(data[i : i + 2][::-1] for i in range(0, len(data), 2))
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
