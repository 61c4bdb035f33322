from __future__ import annotations

from functools import partial

import pytest

from simulators.faults import KINDS, Fault, spoil
from simulators.modbus import crc16, mbap_frame, rtu_frame

PDU = bytes.fromhex("03 02 00 07")
HEALTHY = rtu_frame(5, PDU)


def rtu(kind: str) -> bytes:
    return spoil(Fault(kind), 5, PDU, rtu_frame, is_rtu=True)


def test_each_fault_on_a_serial_line() -> None:
    assert spoil(None, 5, PDU, rtu_frame, is_rtu=True) == HEALTHY
    assert rtu("late") == rtu("frozen") == rtu("exception") == HEALTHY
    assert rtu("silent") == b""
    assert rtu("wrong-unit") == rtu_frame(6, PDU)
    assert rtu("truncated") == HEALTHY[:3]
    wrong = rtu("wrong-crc")
    assert wrong[:-2] == HEALTHY[:-2]
    assert crc16(wrong[:-2]) != wrong[-2:]
    noise = rtu("garbage")
    assert len(noise) == len(HEALTHY)
    assert noise != HEALTHY


def test_over_tcp_the_transaction_is_wrong_instead_of_the_checksum() -> None:
    data = spoil(Fault("wrong-crc"), 5, PDU, partial(mbap_frame, 7), is_rtu=False)
    assert data[:2] != b"\x00\x07"
    assert data[2:] == mbap_frame(7, 5, PDU)[2:]


def test_the_last_unit_is_followed_by_the_first() -> None:
    assert spoil(Fault("wrong-unit"), 247, PDU, rtu_frame, is_rtu=True)[0] == 1


@pytest.mark.parametrize(
    ("kind", "ms", "code"), [("nix", 0, 4), ("late", -1, 4), ("late", 700_000, 4), ("exception", 0, 0), ("exception", 0, 256)]
)
def test_faults_that_are_none(kind: str, ms: int, code: int) -> None:
    with pytest.raises(ValueError):
        Fault(kind, ms, code)


def test_every_kind_is_explained() -> None:
    assert all(KINDS.values())
