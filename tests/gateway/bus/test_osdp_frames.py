"""OSDP frames: a real one from the field, broken ones, and bytes as they come."""

from __future__ import annotations

import random

import pytest

from gateway.bus.osdp_frames import Code, Cutter, Frame, is_proved

# "ID request to address 0", seen on a real line (libosdp issues 287 and 244); FF is a mark outside the check
ID_REQUEST = bytes.fromhex("FF 53 00 09 00 04 61 00 C0 66")
# The reader's NAK 4 (sequence error), address 1, sum instead of CRC: 53 81 08 00 01 41 04 and the two's complement of its sum
NAK_BY_SUM = bytes.fromhex("53 81 08 00 01 41 04 DE")


def test_a_frame_from_the_field_is_read() -> None:
    (frame,) = Cutter().feed(ID_REQUEST)
    assert (frame.address, frame.is_reply, frame.code) == (0, False, 0x61)


def test_a_nak_with_a_sum_is_read() -> None:
    (frame,) = Cutter().feed(NAK_BY_SUM)
    assert (frame.address, frame.is_reply, frame.code, frame.nak_code) == (1, True, Code.NAK, 4)


def test_an_encrypted_nak_tells_no_reason() -> None:
    assert Frame(bytes.fromhex("53 81 0F 00 0E 02 18 41 99 00 00 00 00 00 00")).nak_code == 0
    assert Frame(bytes.fromhex("53 81 0F 00 0E 02 16 41 03 00 00 00 00 00 00")).nak_code == 3


def test_bytes_come_one_at_a_time_between_noise() -> None:
    cutter, frames = Cutter(), []
    for byte in b"\x00\x53\xff" + ID_REQUEST + b"\x53\x53" + NAK_BY_SUM + b"\x01":
        frames += cutter.feed(bytes([byte]))
    assert [frame.raw for frame in frames] == [ID_REQUEST[1:], NAK_BY_SUM]
    assert cutter.missing_bytes == 0


def test_what_is_missing_is_known_once_the_length_is() -> None:
    cutter = Cutter()
    cutter.feed(ID_REQUEST[:6])
    assert cutter.missing_bytes == 4


@pytest.mark.parametrize("frame", [ID_REQUEST[1:], NAK_BY_SUM])
def test_no_frame_with_a_changed_bit_is_taken(frame: bytes) -> None:
    for at in range(8 * len(frame)):
        changed = (int.from_bytes(frame, "big") ^ 1 << at).to_bytes(len(frame), "big")
        assert not is_proved(changed), f"bit {at}"


def test_random_bytes_neither_hang_nor_pass_for_frames() -> None:
    source = random.Random(5)
    cutter, held = Cutter(), 0
    for _ in range(10_000):
        assert not [frame for frame in cutter.feed(source.choice((b"\x53", b"\x53\x81", source.randbytes(9)))) if not is_proved(frame.raw)]
        held = max(held, len(cutter._held))
    assert held <= 1440
