"""Arithmetic against the table of the serial line specification's figures."""

from __future__ import annotations

import pytest

from gateway.bus.wire_time import character_s, silence_s, transaction_s


@pytest.mark.parametrize(("baud", "milliseconds"), [(9600, 1.146), (19200, 0.573), (115200, 0.095)])
def test_a_character_is_eleven_bits(baud: int, milliseconds: float) -> None:
    assert character_s(baud) * 1000 == pytest.approx(milliseconds, abs=0.0006)


@pytest.mark.parametrize(("baud", "milliseconds"), [(9600, 4.010), (19200, 2.005), (38400, 1.75), (115200, 1.75)])
def test_silence_is_three_and_a_half_characters_up_to_19200_and_fixed_above(baud: int, milliseconds: float) -> None:
    assert silence_s(baud) * 1000 == pytest.approx(milliseconds, abs=0.001)


@pytest.mark.parametrize(
    ("baud", "request_bytes", "reply_bytes", "delay_s", "milliseconds"),
    [
        (9600, 8, 6, 0.0, 24.1),
        (9600, 8, 6, 0.005, 29.1),
        (19200, 8, 25, 0.005, 27.9),
        (38400, 8, 255, 0.0, 78.8),
        (115200, 8, 25, 0.0, 6.6),
    ],
)
def test_transactions(baud: int, request_bytes: int, reply_bytes: int, delay_s: float, milliseconds: float) -> None:
    assert transaction_s(baud, request_bytes, reply_bytes, delay_s) * 1000 == pytest.approx(milliseconds, abs=0.06)
