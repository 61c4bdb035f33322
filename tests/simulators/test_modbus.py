from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus import (
    AsciiReceiver,
    MbapReceiver,
    Refused,
    Request,
    RtuReceiver,
    ascii_frame,
    crc16,
    exception_reply,
    mbap_frame,
    parse_request,
    read_reply,
    rtu_frame,
    write_reply,
)

# RAEGuard 3 user manual, appendix A: a request for two registers, and its answer (209)
ASKED = bytes.fromhex("01 03 00 08 00 02 45 C9")
ANSWERED = bytes.fromhex("01 03 04 00 00 00 D1 3A 6F")


def test_the_frames_of_a_printed_manual() -> None:
    [(unit, pdu, size)] = RtuReceiver().feed(ASKED)
    assert (unit, size) == (1, 8)
    request = parse_request(pdu)
    assert request == Request(3, "holding", 8, 2)
    assert rtu_frame(unit, read_reply(request, [0, 209])) == ANSWERED


def test_crc_of_the_standards_example() -> None:
    # MODBUS over Serial Line V1.02, 6.2.2: message 02 07 has the CRC 0x1241, low byte first
    assert crc16(bytes.fromhex("02 07")) == bytes.fromhex("41 12")


@pytest.mark.parametrize(
    ("function", "area", "values", "body"),
    [
        # MODBUS Application Protocol V1.1b3, 6.1: coils 20-38; the first one asked for is the lowest bit
        (1, "coil", [1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1], "01 03 CD 6B 05"),
        (2, "discrete", [0, 0, 1], "02 01 04"),
        (3, "holding", [0x022B, 0, 0x64], "03 06 02 2B 00 00 00 64"),
        (4, "input", [10], "04 02 00 0A"),
    ],
)
def test_read_replies(function: int, area: str, values: list[int], body: str) -> None:
    assert read_reply(Request(function, area, 19, len(values)), values) == bytes.fromhex(body)


@pytest.mark.parametrize(
    ("pdu", "address", "values"),
    [
        ("05 00 AC FF 00", 0xAC, (1,)),
        ("05 00 AC 00 00", 0xAC, (0,)),
        ("06 00 01 00 03", 1, (3,)),
        ("0F 00 13 00 0A 02 CD 01", 19, (1, 0, 1, 1, 0, 0, 1, 1, 1, 0)),  # the standard's examples, 6.11 and 6.12
        ("10 00 01 00 02 04 00 0A 01 02", 1, (10, 0x0102)),
    ],
)
def test_writes(pdu: str, address: int, values: tuple[int, ...]) -> None:
    request = parse_request(bytes.fromhex(pdu))
    assert (request.address, request.values, request.writes) == (address, values, True)
    assert write_reply(bytes.fromhex(pdu)) == bytes.fromhex(pdu)[:5]


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        ("", 1),
        ("2B 0E 01 00", 1),  # a function that no simulated device has
        ("03 00 00", 3),
        ("03 00 00 00 00", 3),
        ("03 00 00 00 7E", 3),  # 126 registers
        ("01 00 00 07 D1", 3),  # 2001 bits
        ("03 FF FF 00 02", 2),
        ("10 00 00 00 01 03 00 00 00", 3),
        ("0F 00 00 00 09 01 FF", 3),
        ("03 00 00 00 01 00", 3),
    ],
)
def test_refused_requests(pdu: str, code: int) -> None:
    with pytest.raises(Refused) as refused:
        parse_request(bytes.fromhex(pdu))
    assert refused.value.code == code


def test_a_coils_word_is_kept_as_it_was_written() -> None:
    request = parse_request(bytes.fromhex("05 00 00 55 00"))
    assert (request.values, request.words) == ((0,), (0x5500,))
    assert parse_request(bytes.fromhex("0F 00 00 00 02 01 01")).words == (0xFF00, 0)
    assert parse_request(bytes.fromhex("10 00 00 00 01 02 12 34")).words == (0x1234,)


def test_forms_of_write_replies() -> None:
    asked = bytes.fromhex("10 00 01 00 01 02 00 0A")
    assert write_reply(asked, "request") == asked
    assert write_reply(asked, "none") == b""
    assert write_reply(bytes.fromhex("06 00 01 00 03"), ack=0xAA55) == bytes.fromhex("06 00 01 AA 55")


# MODBUS over Serial Line V1.02, 2.5.2: ":" in hex characters, LRC = two's complement of the sum: 0x02 + 0x01 + 0x03 + 0xFA = 0x100
ASCII_ASKED = b":020100000003FA\r\n"


def test_ascii_frames() -> None:
    assert ascii_frame(2, bytes.fromhex("01 00 00 00 03")) == ASCII_ASKED
    receiver = AsciiReceiver()
    found = [frame for byte in b"noise:02" + ASCII_ASKED.lower() for frame in receiver.feed(bytes((byte,)))]
    assert found == [(2, bytes.fromhex("01 00 00 00 03"), 17)]
    assert receiver.feed(b":020100000003FB\r\n:0G\r\n\r\n") == []
    assert receiver.bad == 3
    receiver.feed(b":0201")
    assert receiver.silence() == []
    assert (receiver.held, receiver.bad) == (b"", 4)


@given(st.lists(st.binary(max_size=600), max_size=5))
def test_no_bytes_break_the_ascii_receiver(chunks: list[bytes]) -> None:
    receiver = AsciiReceiver()
    for chunk in chunks:
        for unit, pdu, _ in receiver.feed(chunk):
            assert ascii_frame(unit, pdu)
        assert len(receiver.held) <= 513


def test_exception_reply() -> None:
    assert exception_reply(3, 2) == bytes.fromhex("83 02")


def test_mbap_one_byte_at_a_time() -> None:
    receiver = MbapReceiver()
    stream = mbap_frame(7, 1, bytes.fromhex("03 00 08 00 02")) + mbap_frame(8, 255, bytes.fromhex("01 00 00 00 08"))
    assert stream[:7] == bytes.fromhex("00 07 00 00 00 06 01")
    found = [frame for byte in stream for frame in receiver.feed(bytes((byte,)))]
    assert found == [(7, 1, bytes.fromhex("03 00 08 00 02")), (8, 255, bytes.fromhex("01 00 00 00 08"))]


@pytest.mark.parametrize("header", ["00 01 00 01 00 06 01", "00 01 00 00 00 01 01", "00 01 00 00 01 00 01", "47 45 54 20 2F 20 48"])
def test_what_is_not_modbus_tcp(header: str) -> None:
    with pytest.raises(ValueError, match="not Modbus TCP"):
        MbapReceiver().feed(bytes.fromhex(header))


def test_a_bad_checksum_is_counted_and_the_next_request_is_heard() -> None:
    receiver = RtuReceiver()
    assert receiver.feed(ASKED[:-1] + b"\x00") == []
    assert receiver.bad == 1
    assert len(receiver.feed(ASKED)) == 1


def test_noise_is_gone_after_silence() -> None:
    receiver = RtuReceiver()
    assert receiver.feed(b"\xff\x00\xff") == []
    assert receiver.silence() == []
    assert receiver.bad == 1
    assert len(receiver.feed(ASKED)) == 1


def test_an_unknown_function_is_a_frame_once_the_line_is_silent() -> None:
    receiver = RtuReceiver()
    assert receiver.feed(rtu_frame(3, b"\x2b\x0e\x01\x00")) == []
    assert receiver.silence() == [(3, b"\x2b\x0e\x01\x00", 7)]


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_no_bytes_break_the_receivers(chunks: list[bytes]) -> None:
    rtu, mbap = RtuReceiver(), MbapReceiver()
    for chunk in chunks:
        for _, pdu, _ in rtu.feed(chunk) + rtu.silence():
            assert pdu
        assert len(rtu.held) == 0
        try:
            mbap.feed(chunk)
        except ValueError:
            mbap = MbapReceiver()


@given(st.binary(max_size=260))
def test_any_data_unit_is_parsed_or_refused(pdu: bytes) -> None:
    with contextlib.suppress(Refused):
        request = parse_request(pdu)
        assert request.address + request.count <= 0x10000
        assert len(request.values) in (0, request.count)
