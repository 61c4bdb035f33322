"""Bytes of frames against published ones, and texts for patterns."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.frame_profile import Check, Form, FrameSignal, LengthField
from simulators.frame_text import text_for
from simulators.frames import check_bytes, fill, peek, poke, proven, sealed, set_decimals, spoilt

WINSEN = Form(start=b"\xff", length=9, check=Check("sum-complement", 1, 7, 8))
CARD = Form(start=b"\x02", length=14, end=b"\x03", check=Check("xor-ascii-hex", 1, 10, 11, ascii_hex=True))
LENGTHY = Form(start=b"@@", length_field=LengthField(4, 2, "little", 9), end=b"##", most=64, check=Check("sum", 2, -4, -3))
LINES = Form(start=b"\x1b6", end=b"\n\n", most=40)


@pytest.mark.parametrize(
    ("kind", "covered", "check"),
    [
        ("sum-complement", "04 03 01 00 25 13 88", "38"),  # Winsen ZE07-CO by the manual's rule
        ("xor", "EB 01 40 00", "AA"),  # Mach Power manual, page 12
        ("sum", "A0 01 01", "A2"),  # USB stack light
        ("crc16-modbus", "55 12 34 03 01", "AD 8A"),  # Dooya
    ],
)
def test_published_checks(kind: str, covered: str, check: str) -> None:
    assert check_bytes(kind, bytes.fromhex(covered)) == bytes.fromhex(check)


def test_a_check_in_hex_characters() -> None:
    frame = sealed(CARD, b"\x0213005D1DA5")
    assert frame == b"\x0213005D1DA5F6\x03"
    assert proven(CARD, frame)
    assert not proven(CARD, spoilt(CARD, frame))
    assert len(spoilt(CARD, frame)) == len(frame)


def test_templates() -> None:
    assert fill("FF01860000000000{sum-complement:1}", 1) == bytes.fromhex("FF 01 86 00 00 00 00 00 79")
    assert fill("EB{unit}4300{xor}", 1) == bytes.fromhex("EB 01 43 00 A9")
    assert fill("55{unit:2}0301{crc16-modbus}", 0x1234) == bytes.fromhex("55 12 34 03 01 AD 8A")
    assert fill("{2:4}00{sum:1}", 0, b"abcdef") == b"cd\x00" + bytes((ord("d"),))
    with pytest.raises(ValueError, match="does not fit"):
        fill("{unit}", 256)
    with pytest.raises(ValueError, match="ends before byte 9"):
        fill("{2:9}", 0, b"abc")


def test_a_length_field_counts_what_it_counts() -> None:
    frame = sealed(LENGTHY, b"@@\x01\x00\x00\x00abc")
    assert frame == b"@@\x01\x00\x03\x00abc" + bytes(((1 + 3 + 0x61 + 0x62 + 0x63) & 0xFF,)) + b"##"
    assert proven(LENGTHY, frame)


def test_an_end_is_not_written_twice() -> None:
    assert sealed(LINES, b"\x1b6fire\n") == b"\x1b6fire\n\n"
    assert sealed(LINES, b"\x1b6fire") == b"\x1b6fire\n\n"
    with pytest.raises(ValueError, match="is none of this device"):
        sealed(LINES, b"\x1b6" + 40 * b"x")


def signal(**more: object) -> FrameSignal:
    return FrameSignal("v", "measurement", at=2, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "value", "data"),
    [
        ({"type": "u16"}, 544, "0000 0220 0000"),
        ({"type": "s16le", "scale": 0.1}, -12.5, "0000 83FF 0000"),
        ({"type": "u32le"}, 5, "0000 0500 0000"),
        ({"type": "bcd", "length": 2}, 1234, "0000 1234 0000"),
        ({"type": "ascii-hex", "length": 4}, 0xBEEF, "0000 4245 4546"),
        ({"type": "u8", "bit": 4, "bits": 3}, 5, "0000 5000 0000"),
    ],
)
def test_numbers_come_back(spec: dict[str, object], value: float, data: str) -> None:
    part = bytearray(6)
    poke(signal(**spec), part, value, "ascii")
    assert part.hex() == bytes.fromhex(data).hex()
    assert peek(signal(**spec), bytes(part), "ascii") == value


def test_decimals_are_chosen_by_the_value() -> None:
    gas, part = signal(type="u16", decimals_at=5), bytearray(6)
    for value, decimals in ((12, 0), (12.5, 1), (0.125, 3), (2, 3), (400.5, 1)):
        set_decimals(gas, part, value)
        poke(gas, part, value, "ascii")
        assert (part[5], peek(gas, bytes(part), "ascii")) == (decimals, value)


@pytest.mark.parametrize(("spec", "value"), [({"type": "u8"}, 256), ({"type": "bcd"}, 100), ({"type": "u16"}, "many")])
def test_values_that_do_not_fit(spec: dict[str, object], value: int | str) -> None:
    with pytest.raises(ValueError, match=r"v (cannot hold|has no value)"):
        poke(signal(**spec), bytearray(6), value, "ascii")


@pytest.mark.parametrize(
    ("pattern", "value", "text"),
    [
        (r"\x1b9[^\n]*火警", None, "\x1b9火警"),
        (r"\x1b9([^\n]+)\n", "3号楼", "\x1b93号楼\n"),
        (r"^([0-9]{10})\r\n$", "0012345678", "0012345678\r\n"),
        (r"^.$", None, "x"),
        (r"(?:ab|cd)+T=([+-]?\d+)\.", "-12", "abT=-12."),
        (r"[A-F]{2,3}\*x?", None, "AA*"),
    ],
)
def test_a_text_for_a_pattern(pattern: str, value: str | None, text: str) -> None:
    assert text_for(pattern, value) == text


def test_a_value_that_the_pattern_does_not_find() -> None:
    with pytest.raises(ValueError, match="'12' is not what"):
        text_for(r"^([0-9]{10})$", "12")


@given(st.from_regex(r"[0-9]{10}", fullmatch=True))
def test_any_card_is_found_again(card: str) -> None:
    found = re.search(r"([0-9]{10})\r\n", text_for(r"([0-9]{10})\r\n", card))
    assert found is not None
    assert found[1] == card
