"""Finding frames: noise, half frames, false starts, lengths that lie, silence, checks."""

from __future__ import annotations

import pytest

from drivers.frames_checks import check, compose, crc16
from drivers.frames_split import Splitter
from tests.drivers.frames_golden import (
    CH2O,
    CO,
    CO_MISPRINTED,
    DOOYA,
    GST_FIRST,
    GST_FURTHER,
    GST_RESET,
    MH_Z19B,
    RDM6300,
    S4A,
    TURNSTILE,
    TURNSTILE_MISPRINTED,
    component,
    components,
    gb26875,
    load,
    small,
    system,
)

WHOLE = {
    "winsen-mh-z19b": [MH_Z19B],
    "winsen-ze07-ch2o": [CH2O],
    "winsen-ze07-co": [CO],
    "rdm6300": [RDM6300],
    "gst9000-printer": [GST_FIRST, GST_FURTHER, GST_RESET],
    "machpower-ac-atri-018": list(TURNSTILE.values()),
    "dooya-rs485": [DOOYA],
    "gb26875": [components(component(0x0003)), system(0x2000)],
    "s4a-wiegand": [S4A],
}
PAIRS = [pytest.param(name, frame, id=f"{name}-{n}") for name, frames in WHOLE.items() for n, frame in enumerate(frames)]
CHECKED = [pair for pair in PAIRS if pair.values[0] not in ("gst9000-printer", "s4a-wiegand")]


def splitter(name: str) -> Splitter:
    return Splitter(load(name))


@pytest.mark.parametrize(("name", "frame"), PAIRS)
def test_a_published_frame_is_found_whole_and_byte_by_byte(name: str, frame: bytes) -> None:
    assert splitter(name).feed(frame) == [frame]
    slow = splitter(name)
    assert [slow.feed(bytes([byte])) for byte in frame] == [[]] * (len(frame) - 1) + [[frame]]
    assert (slow.pending, slow.rejected_bytes, slow.rejected_frames) == (False, 0, 0)


@pytest.mark.parametrize(("name", "frame"), PAIRS)
def test_noise_and_half_frames_cost_no_later_frame(name: str, frame: bytes) -> None:
    finder = splitter(name)
    assert finder.feed(b"\x00\x7f" + frame + b"\x00") == [frame]
    assert finder.feed(frame[: len(frame) // 2]) == []
    assert finder.flush() == []
    assert finder.feed(frame) == [frame]
    assert finder.rejected_bytes == 3 + len(frame) // 2


@pytest.mark.parametrize(("name", "frame"), CHECKED)
def test_every_flipped_bit_is_refused_where_there_is_a_check(name: str, frame: bytes) -> None:
    for at in range(len(frame)):
        for bit in range(8):
            hurt = bytearray(frame)
            hurt[at] ^= 1 << bit
            if name == "rdm6300" and 0 < at < 13 and hurt.upper() == frame.upper():
                continue  # hex digits may be small letters
            finder = splitter(name)
            assert finder.feed(bytes(hurt)) + finder.flush() == [], (at, bit)


@pytest.mark.parametrize("frame", TURNSTILE_MISPRINTED)
def test_the_turnstile_checks_that_the_manual_misprints_are_refused(frame: bytes) -> None:
    finder = splitter("machpower-ac-atri-018")
    assert finder.feed(frame) == []
    assert finder.rejected_frames == 1


def test_the_co_frame_with_the_check_that_drivers_misprint_is_refused() -> None:
    finder = splitter("winsen-ze07-co")
    assert finder.feed(CO_MISPRINTED + CO) == [CO]
    assert finder.rejected_frames == 1


def test_the_length_decides_where_a_frame_ends_and_not_the_mark_inside_its_data() -> None:
    frame = components(component(0x0002, address=0x23232323, place="##2323##"))
    assert frame.count(b"\x23\x23") > 2
    assert splitter("gb26875").feed(frame + frame) == [frame, frame]


def test_a_stated_length_is_not_believed_beyond_the_longest_frame() -> None:
    frame = system(0x0002)
    liar = frame[:24] + b"\xff\xff" + frame[26:]
    finder = splitter("gb26875")
    assert finder.feed(liar + frame) == [frame], "it would wait for 65 kB and hide the frame behind it"


def test_a_stated_length_that_nothing_follows_is_given_up_after_silence() -> None:
    frame = system(0x0002)
    liar = frame[:24] + b"\xff\x03" + frame[26:]
    finder = splitter("gb26875")
    assert finder.feed(liar + frame) == []
    assert finder.pending
    assert finder.flush() == [frame]
    assert not finder.pending


def test_sum_and_xor_are_both_taken_where_the_field_uses_both() -> None:
    data = "0101" + "0101" + "0200" + "1E150A160B19"
    assert len(splitter("gb26875").feed(gb26875(data) + gb26875(data, check="xor"))) == 2


def test_a_text_frame_that_was_cut_off_does_not_swallow_the_next() -> None:
    finder = splitter("gst9000-printer")
    assert finder.feed(GST_FIRST[:40] + GST_FURTHER) == [GST_FURTHER]
    assert finder.feed(GST_FIRST[:40]) == []
    assert finder.feed(GST_RESET) == [GST_RESET]


def test_text_without_an_end_is_dropped_at_the_longest_frame() -> None:
    finder = splitter("gst9000-printer")
    assert finder.feed(b"\x1b6" + b"x" * 5000) == []
    assert not finder.pending
    assert finder.feed(GST_FIRST) == [GST_FIRST]


def test_a_single_byte_is_a_key_only_between_two_silences() -> None:
    finder = splitter("s4a-wiegand")
    assert finder.quiet_s == 0.025
    assert finder.feed(b"5") == []
    assert finder.flush() == [b"5"]
    assert finder.feed(b"12") == []
    assert finder.flush() == [], "two bytes are neither a key nor two keys"
    assert finder.feed(b"7" + S4A) == [S4A], "a byte that touches a card is noise"
    assert finder.feed(S4A[:5]) == []
    assert finder.flush() == []
    assert finder.feed(S4A) == [S4A]


def test_a_card_of_anything_but_digits_is_none() -> None:
    finder = splitter("s4a-wiegand")
    assert finder.feed(b"00123A5678\r\n") == []
    assert finder.rejected_frames == 1


def test_what_only_silence_ends() -> None:
    finder = Splitter(small('[[frames]]\nquiet_ms = 20\nmost = 8\n[[signals]]\nname = "t"\nkind = "text"\npattern = ".+"\n'))
    assert finder.feed(b"ab") + finder.feed(b"cd") == []
    assert finder.flush() == [b"abcd"]
    assert finder.feed(b"123456789") + finder.flush() == []


def test_a_device_without_frames_says_nothing() -> None:
    finder = splitter("usb-stack-light")
    assert finder.feed(b"anything") == []
    assert finder.rejected_bytes == 8
    assert not finder.pending


def test_a_new_connection_forgets_the_old_one() -> None:
    finder = splitter("winsen-mh-z19b")
    finder.feed(MH_Z19B[:5])
    finder.reset()
    assert not finder.pending
    assert finder.feed(MH_Z19B) == [MH_Z19B]


def test_checks() -> None:
    assert crc16(bytes.fromhex("5512340301")).to_bytes(2, "little") == bytes.fromhex("AD8A")
    assert check("sum-complement", MH_Z19B[1:8]) == b"\x58"
    assert check("xor-ascii-hex", b"13005D1DA5") == b"\xf6"
    with pytest.raises(ValueError):
        check("xor-ascii-hex", b"1300+D1DA5")


def test_what_is_sent_is_made_from_text() -> None:
    assert compose("55{unit:2}0301{crc16-modbus}", 0x1234) == DOOYA
    assert compose("FF01860000000000{sum-complement:1}") == bytes.fromhex("FF0186000000000079")
    assert compose("A00101{sum}") == bytes.fromhex("A00101A2")
    assert compose("{2:4}AA{0:1}", frame=b"\x01\x02\x03\x04") == b"\x03\x04\xaa\x01"
    with pytest.raises(ValueError, match="no bytes 2 to 4"):
        compose("{2:4}", frame=b"abc")
    with pytest.raises(ValueError, match="does not fit"):
        compose("{unit}", 256)
