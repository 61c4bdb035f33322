"""Mutated frames: nothing on the wire raises, hangs or becomes a value that no peer sent.

10,000 frames a framing in the ordinary run; FUZZ_FRAMES=200000 by hand. The seed is fixed, so that a find can be
looked at again. A reply counts as sent when the bytes that were fed hold a whole frame around it, checksum included:
that leaves room for nothing but a checksum that meets by chance.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from drivers.modbus import ModbusDriver
from drivers.modbus_framing import framing_for
from gateway.core.reading import Quality
from gateway.core.wire import Block
from tests.drivers.golden import point, signal, small
from tests.drivers.modbus_frames import framed, tcp

FRAMES = int(os.environ.get("FUZZ_FRAMES", "10000"))
SIZES = (1, 2, 7, 64, 600)

ASKED = [  # (request, reply)
    (bytes.fromhex("02 00 00 00 08"), bytes.fromhex("02 01 5A")),
    (bytes.fromhex("03 00 00 00 0a"), b"\x03\x14" + bytes(range(20))),
    (bytes.fromhex("04 00 10 00 02"), bytes.fromhex("04 04 42 20 00 00")),
    (bytes.fromhex("05 00 04 ff 00"), bytes.fromhex("05 00 04 ff 00")),
    (bytes.fromhex("10 00 00 00 01 02 00 05"), bytes.fromhex("10 00 00 00 01")),
]


def changed_bytes(frame: bytes, dice: random.Random) -> bytes:
    out = bytearray(frame)
    for _ in range(dice.randint(1, 4)):
        out[dice.randrange(len(out))] = dice.randrange(256)
    return bytes(out)


def flipped_bit(frame: bytes, dice: random.Random) -> bytes:
    out = bytearray(frame)
    out[dice.randrange(len(out))] ^= 1 << dice.randrange(8)
    return bytes(out)


def truncated(frame: bytes, dice: random.Random) -> bytes:
    return frame[: dice.randrange(len(frame))]


def lost_bytes(frame: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(frame))
    return frame[:at] + frame[at + dice.randint(1, 3) :]


def noise_before(frame: bytes, dice: random.Random) -> bytes:
    return dice.randbytes(dice.randint(1, 40)) + frame


def stated_length(frame: bytes, dice: random.Random) -> bytes:
    """The bytes in which RTU, ASCII and TCP state a length."""
    out = bytearray(frame)
    for at in (2, 4, 5, 8):
        if at < len(out) and dice.random() < 0.5:
            out[at] = dice.choice((0, 1, 2, 0x7F, 0xFA, 0xFF))
    return bytes(out)


def doubled(frame: bytes, dice: random.Random) -> bytes:
    return truncated(frame, dice) + frame + frame


def garbage(frame: bytes, dice: random.Random) -> bytes:
    return dice.randbytes(dice.randint(0, 300))


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [
    changed_bytes, flipped_bit, truncated, lost_bytes, noise_before, stated_length, doubled, garbage,
]  # fmt: skip


def sent(transport: str, transaction: int, unit: int, pdu: bytes, received: bytes) -> bool:
    """True when the bytes hold a whole frame around this data unit."""
    if transport == "tcp":
        return tcp(transaction, unit, pdu) in received
    frame = framed(transport, unit, pdu)
    return frame in received or (transport == "ascii" and frame.upper() in received.upper())


@pytest.mark.parametrize("transport", ["rtu", "ascii", "tcp"])
def test_mutated_frames(transport: str) -> None:
    dice = random.Random(26875)
    framing = framing_for(transport)
    whole = 0
    for _ in range(FRAMES):
        asked, answered = dice.choice(ASKED)
        unit, replying = dice.choice((0, 1, 17, 255)), 0
        sent_bytes = framing.encode(unit, asked, len(answered))
        replying = unit if dice.random() < 0.9 else dice.randrange(256)
        transaction = int.from_bytes(sent_bytes[:2], "big")
        frame = tcp(transaction, replying, answered) if transport == "tcp" else framed(transport, replying, answered)
        received = dice.choice(MUTATIONS)(frame, dice)
        size = dice.choice(SIZES)
        reply = None
        for at in range(0, len(received), size):
            reply = framing.feed(received[at : at + size])
            if reply is not None:
                break
        if reply is None:
            reply = framing.give_up()
        assert (reply.failure is None) == bool(reply.pdu)
        if reply.pdu:
            whole += 1
            assert len(reply.pdu) == len(answered)
            assert sent(transport, transaction, unit, reply.pdu, received), (asked.hex(), received.hex(" "))
        framing.reset()
    assert whole > FRAMES // 20, "noise and doubled frames are read in spite of it"


def test_mutated_data_units_never_raise_nor_become_a_value_of_another_shape() -> None:
    """What a driver is handed when a peer or a framing errs."""
    dice = random.Random(4)
    of = small(
        signal("f", "measurement", "holding", 0, 'type = "f32"\nexponent_from = "e"\nsign_from = "e"')
        + signal("e", "measurement", "holding", 2, 'type = "f32"')
        + signal("b", "measurement", "holding", 4, 'type = "bcd32"\nscale = 0.1')
        + signal("t", "text", "holding", 6, 'type = "text"\nlength = 2')
        + signal("s", "enum", "holding", 8, 'type = "f32"\nenum = { 1 = "on", "2-9" = "off" }\nbad = ["off"]')
        + signal("c", "contact", "holding", 10, 'type = "u16"\nbit = 0\nbits = 4\nloop = { 0 = "normal", 15 = "active" }')
        + signal("m", "measurement", "holding", 11, 'type = "f32"\ncurrent_loop = true')
    )
    names = ("f", "b", "t", "s", "c", "m")
    device = ModbusDriver("dev", of, 1, [point(name, span=(0.0, 100.0)) for name in names])
    (block,) = device.plan()
    for now in range(FRAMES):
        pdu = b"\x03\x1a" + dice.choice((dice.randbytes(26), bytes(26), b"\xff" * 26, dice.choice((b"\x7f\x80", b"\x7f\xc0")) * 13))
        if dice.random() < 0.3:
            pdu = dice.choice(MUTATIONS)(pdu, dice)
        check(device, block, pdu, float(now))


def check(device: ModbusDriver, block: Block, pdu: bytes, now_s: float) -> None:
    for reading in device.decode(block, pdu, now_s):
        assert (reading.quality is Quality.GOOD) == (not reading.reason)
        if len(pdu) != block.reply_bytes or pdu[:2] != b"\x03\x1a":
            assert (reading.value, reading.quality, reading.reason) == (None, Quality.BAD, "bad frame")
        elif reading.quality is Quality.BAD:
            assert reading.value is None
        else:
            assert reading.value is not None
            assert reading.value == reading.value, "never NaN"
