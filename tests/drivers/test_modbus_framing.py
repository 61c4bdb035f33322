"""Frames on the wire: golden ones from manuals, and everything that cabling does to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.pdu import DecodePDU

from drivers.modbus_framing import MAX_RECEIVED_BYTES, AsciiFraming, RtuFraming, TcpFraming, framing_for
from gateway.core.wire import Failure, Reply
from tests.drivers.modbus_frames import ascii_frame, fed, framed, rtu, tcp

READ_8_INPUTS = bytes.fromhex("02 00 00 00 08")
READ_10 = bytes.fromhex("03 00 00 00 0a")

# (unit, request data unit, reply bytes, request frame, reply frame, reply data unit, source)
GOLDEN = [
    (255, "02 00 00 00 08", 3, "FF 02 00 00 00 08 6C 12", "FF 02 01 01 51 A0", "02 01 01", "Novabo SQR-2 product page: OK"),
    (255, "02 00 00 00 08", 3, "FF 02 00 00 00 08 6C 12", "FF 02 01 00 90 60", "02 01 00", "Novabo SQR-2 product page: alarm"),
    (1, "03 00 08 00 02", 6, "01 03 00 08 00 02 45 C9", "01 03 04 00 00 00 D1 3A 6F", "03 04 00 00 00 D1", "RAEGuard 3 manual p. 81"),
    (1, "05 00 04 FF 00", 5, "01 05 00 04 FF 00 CD FB", "01 05 00 04 FF 00 CD FB", "05 00 04 FF 00", "Megodoor protocol V1.5: open"),
]


@pytest.mark.parametrize(("unit", "request_pdu", "size", "sent", "received", "pdu", "source"), GOLDEN)
def test_golden_frames(unit: int, request_pdu: str, size: int, sent: str, received: str, pdu: str, source: str) -> None:
    framing = RtuFraming()
    assert framing.encode(unit, bytes.fromhex(request_pdu), size) == bytes.fromhex(sent), source
    assert fed(framing, bytes.fromhex(received)) == Reply(bytes.fromhex(pdu)), source


def test_the_first_input_is_the_lowest_bit_of_the_first_byte() -> None:
    """pymodbus 3.9.0 and 3.10.0 gave input 9 for these bytes; a wrong pin fires the wrong button."""
    decoded = DecodePDU(is_server=False).decode(bytes.fromhex("02 02 01 00"))
    assert decoded is not None
    assert [n for n, on in enumerate(decoded.bits, 1) if on] == [1]


def test_printed_exception_without_the_high_bit_and_with_a_bad_crc_is_no_answer_to_anything() -> None:
    """Fisher D3's manual prints an exception frame like this one."""
    framing = RtuFraming()
    framing.encode(1, READ_10, 22)
    assert fed(framing, bytes.fromhex("01 03 02 00 00")) is None
    assert framing.give_up().failure is Failure.BAD_FRAME


@pytest.mark.parametrize("transport", ["rtu", "ascii", "tcp"])
@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 8, 0x0A, 0x0B, 99])
def test_exception_replies(transport: str, code: int) -> None:
    framing = framing_for(transport)
    framing.encode(7, READ_10, 22)
    pdu = bytes([0x83, code])
    reply = fed(framing, framed(transport, 7, pdu))
    assert reply is not None
    assert (reply.failure, reply.exception, reply.pdu) == (Failure.EXCEPTION, code, b"")
    assert f"exception {code}" in reply.detail


@given(noise=st.binary(max_size=40), pdu=st.binary(min_size=1, max_size=1))
def test_rtu_reply_is_found_behind_noise(noise: bytes, pdu: bytes) -> None:
    framing = RtuFraming()
    framing.encode(9, READ_8_INPUTS, 3)
    reply = fed(framing, noise + rtu(9, b"\x02\x01" + pdu))
    assert reply == Reply(b"\x02\x01" + pdu)


@given(data=st.data())
def test_rtu_damaged_frame_never_becomes_a_value(data: st.DataObject) -> None:
    """Up to three changed bits anywhere: CRC-16/Modbus finds every one of them in frames this short."""
    pdu = b"\x03\x14" + data.draw(st.binary(min_size=20, max_size=20))
    frame = bytearray(rtu(3, pdu))
    for bit in data.draw(st.sets(st.integers(0, len(frame) * 8 - 1), min_size=1, max_size=3)):
        frame[bit // 8] ^= 1 << bit % 8
    framing = RtuFraming()
    framing.encode(3, READ_10, 22)
    reply = fed(framing, bytes(frame), data.draw(st.integers(1, 30)))
    assert reply is None or reply.pdu == b""
    assert framing.give_up().failure in (Failure.BAD_FRAME, Failure.WRONG_UNIT, Failure.NO_ANSWER)


@given(cut=st.integers(0, 24))
def test_rtu_truncated_frame_waits(cut: int) -> None:
    framing = RtuFraming()
    framing.encode(3, READ_10, 22)
    assert fed(framing, rtu(3, b"\x03\x14" + bytes(20))[:cut]) is None
    assert framing.missing_bytes == 25 - cut
    assert framing.give_up().failure is (Failure.BAD_FRAME if cut else Failure.NO_ANSWER)


@given(st.binary(max_size=3000), st.integers(1, 700))
def test_rtu_garbage_never_grows_the_buffer_nor_raises(garbage: bytes, size: int) -> None:
    framing = RtuFraming()
    framing.encode(3, READ_10, 22)
    fed(framing, garbage, size)
    assert len(framing._received) <= MAX_RECEIVED_BYTES
    framing.give_up()


def test_rtu_late_answer_of_another_unit_is_stepped_over() -> None:
    framing = RtuFraming()
    framing.encode(2, READ_8_INPUTS, 3)
    assert fed(framing, rtu(1, b"\x02\x01\xff")) is None
    assert framing.give_up().failure is Failure.WRONG_UNIT
    assert fed(framing, rtu(2, b"\x02\x01\x04")) == Reply(b"\x02\x01\x04")


def test_rtu_a_new_request_forgets_what_came_before() -> None:
    framing = RtuFraming()
    framing.encode(2, READ_8_INPUTS, 3)
    frame = rtu(2, b"\x02\x01\xff")
    fed(framing, frame[:-1])
    framing.encode(2, READ_8_INPUTS, 3)
    assert fed(framing, frame[-1:]) is None


def test_rtu_adapter_that_echoes_the_request() -> None:
    framing = RtuFraming()
    sent = framing.encode(2, READ_8_INPUTS, 3)
    assert fed(framing, sent + rtu(2, b"\x02\x01\x04")) == Reply(b"\x02\x01\x04")


@pytest.mark.parametrize("transport", ["rtu", "ascii", "tcp"])
@pytest.mark.parametrize("count", [0, 1, 9, 11, 125])
def test_an_answer_of_another_length_is_a_bad_frame(transport: str, count: int) -> None:
    framing = framing_for(transport)
    framing.encode(1, READ_10, 22)
    pdu = bytes([3, 2 * count]) + bytes(2 * count)
    reply = fed(framing, framed(transport, 1, pdu))
    assert reply is not None
    assert reply.failure is Failure.BAD_FRAME
    assert "expected" in reply.detail


def test_tcp_transaction_ids_count_up_and_wrap_past_zero() -> None:
    framing = TcpFraming()
    ids = [int.from_bytes(framing.encode(1, READ_10, 22)[:2], "big") for _ in range(0xFFFF + 2)]
    assert ids[:2] == [1, 2]
    assert ids[0xFFFE:] == [0xFFFF, 1, 2]


def test_tcp_late_answer_is_stepped_over_by_its_transaction_id() -> None:
    framing = TcpFraming()
    framing.encode(1, READ_8_INPUTS, 3)
    framing.encode(1, READ_8_INPUTS, 3)
    assert fed(framing, tcp(1, 1, b"\x02\x01\xff")) is None
    assert framing.give_up().failure is Failure.BAD_FRAME
    assert fed(framing, tcp(2, 1, b"\x02\x01\x01")) == Reply(b"\x02\x01\x01")


def test_tcp_half_a_late_answer_and_then_the_awaited_one() -> None:
    framing = TcpFraming()
    framing.encode(1, READ_8_INPUTS, 3)
    late = tcp(1, 1, b"\x02\x01\xff")
    fed(framing, late[:5])
    framing.encode(1, READ_8_INPUTS, 3)
    assert fed(framing, late[5:] + tcp(2, 1, b"\x02\x01\x01")) == Reply(b"\x02\x01\x01")


def test_tcp_wrong_unit_is_said() -> None:
    framing = TcpFraming()
    framing.encode(1, READ_8_INPUTS, 3)
    reply = fed(framing, tcp(1, 2, b"\x02\x01\xff"))
    assert reply is not None
    assert reply.failure is Failure.WRONG_UNIT


@pytest.mark.parametrize(
    "header",
    ["00 01 00 01 00 03 01 02", "00 01 00 00 00 00 01 02", "00 01 00 00 00 01 01 02", "00 01 00 00 00 ff 01 02", "48 54 54 50 2f 31 2e 31"],
    ids=["protocol id", "no length", "no function", "oversize", "web server"],
)
def test_tcp_peer_that_speaks_something_else_is_out_of_step(header: str) -> None:
    framing = TcpFraming()
    framing.encode(1, READ_8_INPUTS, 3)
    reply = fed(framing, bytes.fromhex(header))
    assert reply is not None
    assert (reply.failure, reply.out_of_step) == (Failure.BAD_FRAME, True)


@given(st.binary(max_size=600), st.integers(1, 300))
def test_tcp_garbage_never_raises_and_never_becomes_a_value(garbage: bytes, size: int) -> None:
    framing = TcpFraming()
    framing.encode(0xAB, READ_10, 22)
    reply = fed(framing, garbage, size)
    assert reply is None or reply.failure is not None or garbage.find(b"\x00\x01\x00\x00\x00\x17\xab\x03\x14") >= 0
    assert len(framing._received) <= 600


@given(st.lists(st.binary(min_size=1, max_size=1), min_size=1, max_size=5), st.integers(1, 40))
def test_tcp_any_cutting_of_the_stream_gives_the_same_replies(values: list[bytes], size: int) -> None:
    framing = TcpFraming()
    seen = []
    for n, value in enumerate(values, 1):
        framing.encode(1, READ_8_INPUTS, 3)
        reply = fed(framing, tcp(n, 1, b"\x02\x01" + value), size)
        assert reply is not None
        seen.append(reply.pdu[2:])
    assert seen == values


# --- ASCII --------------------------------------------------------------------------------


def test_ascii_frames_with_an_lrc_worked_out_by_hand() -> None:
    """0x100 - (0x11 + 0x03 + 0x6B + 0x03) = 0x7E; 0x100 - (0x11 + 0x03 + 0x06 + 0x02 + 0x2B + 0x64) = 0x55."""
    framing = AsciiFraming()
    assert framing.encode(0x11, bytes.fromhex("03 00 6B 00 03"), 8) == b":1103006B00037E\r\n"
    assert framing.missing_bytes == 23
    assert fed(framing, b":110306022B0000006455\r\n") == Reply(bytes.fromhex("03 06 02 2B 00 00 00 64"))


def test_ascii_lower_case_digits_are_read() -> None:
    framing = AsciiFraming()
    framing.encode(9, READ_8_INPUTS, 3)
    assert fed(framing, ascii_frame(9, b"\x02\x01\xab").lower()) == Reply(b"\x02\x01\xab")


@pytest.mark.parametrize(
    "noise",
    [
        b"noise",
        b"\xff\x00\xfe",
        b":0902",
        b":",
        b":::",
        b"\r\n",
        b":\r\n",
        b":0g0201AB49\r\n",
        b":+90201AB49\r\n",
        b":09 0201AB49\r\n",
        b":0902\n",
    ],
)
def test_ascii_reply_is_found_behind_noise(noise: bytes) -> None:
    framing = AsciiFraming()
    framing.encode(9, READ_8_INPUTS, 3)
    assert fed(framing, noise + ascii_frame(9, b"\x02\x01\xab")) == Reply(b"\x02\x01\xab")


def test_ascii_a_wrong_lrc_half_a_frame_and_silence_are_told_apart() -> None:
    framing = AsciiFraming()
    framing.encode(9, READ_8_INPUTS, 3)
    assert framing.give_up().failure is Failure.NO_ANSWER
    assert fed(framing, b":090201AB48\r\n") is None
    assert framing.give_up().failure is Failure.BAD_FRAME
    framing.encode(9, READ_8_INPUTS, 3)
    assert fed(framing, ascii_frame(9, b"\x02\x01\xab")[:-1]) is None
    assert framing.missing_bytes == 1
    assert fed(framing, ascii_frame(8, b"\x02\x01\xab")) is None
    assert framing.give_up().failure is Failure.WRONG_UNIT


@given(st.binary(max_size=3000), st.integers(1, 700))
def test_ascii_garbage_never_grows_the_buffer_nor_raises(garbage: bytes, size: int) -> None:
    framing = AsciiFraming()
    framing.encode(3, READ_10, 22)
    fed(framing, garbage, size)
    assert len(framing._received) <= MAX_RECEIVED_BYTES
    framing.give_up()


# --- writes -------------------------------------------------------------------------------

WRITES = [
    ("05 02 00 00 07", "05 02 00 00 07", "Waveshare pulse"),
    ("06 00 79 00 01", "06 00 79 00 01", "Fonrich, arc alarms cleared"),
    ("0F 00 04 00 01 01 01", "0F 00 04 00 01", "coils"),
    ("10 00 00 00 01 02 00 05", "10 00 00 00 01", "registers, standard reply"),
    ("10 00 00 00 01 02 00 05", "10 00 00 00 01 02 00 05", "bestep: the whole request comes back"),
    ("05 00 00 FF 00", "05 00 00 00 01", "IGD: a code in place of the echo"),
]


@pytest.mark.parametrize("unit", [0, 1, 255])
@pytest.mark.parametrize("transport", ["rtu", "ascii", "tcp"])
@pytest.mark.parametrize(("request_pdu", "reply_pdu", "what"), WRITES, ids=[what for *_, what in WRITES])
def test_replies_to_writes(unit: int, transport: str, request_pdu: str, reply_pdu: str, what: str) -> None:
    asked, answered = bytes.fromhex(request_pdu), bytes.fromhex(reply_pdu)
    framing = framing_for(transport)
    assert framing.encode(unit, asked, len(answered)) == framed(transport, unit, asked)
    assert fed(framing, framed(transport, unit, answered)) == Reply(answered), what


@pytest.mark.parametrize("transport", ["rtu", "ascii", "tcp"])
@pytest.mark.parametrize(("awaited", "answered"), [(5, 8), (8, 5)], ids=["whole echo for a short one", "short reply for a whole echo"])
def test_an_echo_of_another_form_is_no_success(transport: str, awaited: int, answered: int) -> None:
    framing = framing_for(transport)
    asked = bytes.fromhex("10 00 00 00 01 02 00 05")
    framing.encode(1, asked, awaited)
    reply = fed(framing, framed(transport, 1, asked[:answered])) or framing.give_up()
    assert reply.failure is Failure.BAD_FRAME
