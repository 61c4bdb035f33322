"""Hand-computed registers of real devices, and the way back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.encode import Value, decode, encode
from simulators.signals import Signal


def registers(signal: Signal, value: Value, exponent: int = 0) -> list[int]:
    return [bits for _, bits in encode(signal, value, exponent)]


XNX_GAS = Signal("gas", "measurement", "holding", 2, type="f32", unit="%LEL")
AIM_FAULTS = ((0xE5E5, 0xE5E5, "short circuit"), (0xFAFA, 0xFAFA, "wire break"))
AIM_RESIDUAL = Signal("residual1", "measurement", "holding", 0x4A, type="u16", unit="mA", faults=AIM_FAULTS)
AIM_LOOP = tuple((i, i, name) for i, name in enumerate(("normal", "short_circuit", "wire_break", "overload")))
KB6000_GAS = Signal("gas1", "measurement", "holding", 502, type="s16", exponent_from="point1")
CAME_TOTAL = Signal("operations", "counter", "holding", 104, type="u32", low_first=True)
IGD = Signal("gas", "measurement", "input", 0, type="u16", scale=0.1, offset=-10.0)


def test_xnx_50_percent_lel() -> None:
    assert registers(XNX_GAS, 50) == [0x4248, 0x0000]  # IEEE 754: 1.5625 x 2^5
    assert decode(XNX_GAS, [0x4248, 0x0000]) == 50.0


def test_aim_r100_residual_current_and_its_sentinels() -> None:
    assert registers(AIM_RESIDUAL, 300) == [0x012C]
    assert registers(AIM_RESIDUAL, "wire break") == [0xFAFA]
    assert decode(AIM_RESIDUAL, [0xE5E5]) == "short circuit"
    assert decode(AIM_RESIDUAL, [0x012C]) == 300


def test_aim_r100_loop_states_are_two_bits_each() -> None:
    loops = [Signal(f"loop{n}", "enum", "holding", 11, type="u16", bit=8 - 2 * n, bits=2, enum=AIM_LOOP) for n in range(1, 5)]
    assert encode(loops[0], "wire_break") == [(0b1100_0000, 0b1000_0000)]
    assert encode(loops[3], "overload") == [(0b0000_0011, 0b0000_0011)]
    assert [decode(loop, [0b1001_1000]) for loop in loops] == ["wire_break", "short_circuit", "wire_break", "normal"]


def test_kb6000_decimal_exponent() -> None:
    assert registers(KB6000_GAS, 12.5, exponent=1) == [125]
    assert decode(KB6000_GAS, [125], exponent=1) == 12.5
    assert registers(KB6000_GAS, -0.05, exponent=2) == [0xFFFB]
    assert decode(KB6000_GAS, [0xFFFB], exponent=2) == pytest.approx(-0.05)


def test_came_counter_has_its_low_word_first() -> None:
    assert registers(CAME_TOTAL, 70_000) == [0x1170, 0x0001]
    assert decode(CAME_TOTAL, [0x1170, 0x0001]) == 70_000


def test_scale_and_offset() -> None:
    assert registers(IGD, -10.0) == [0]
    assert registers(IGD, 110.0) == [1200]
    assert decode(IGD, [350]) == pytest.approx(25.0)


def test_inverted_bit() -> None:
    closed = Signal("intact", "contact", "discrete", 3, invert=True)
    assert encode(closed, True) == [(1, 0)]
    assert decode(closed, [0]) is True


def test_bytes_share_a_register() -> None:
    high = Signal("unit", "measurement", "holding", 1, type="u8hi")
    low = Signal("flag", "contact", "holding", 1, type="u8lo", bit=6)
    assert encode(high, 5) == [(0xFF00, 0x0500)]
    assert encode(low, True) == [(0x0040, 0x0040)]
    assert (decode(high, [0x0540]), decode(low, [0x0540])) == (5, True)


def test_text() -> None:
    text = Signal("id", "text", "holding", 17, type="text", length=3)
    assert registers(text, "XNX1") == [0x584E, 0x5831, 0]
    assert decode(text, [0x584E, 0x5831, 0]) == "XNX1"
    with pytest.raises(ValueError, match="6 characters"):
        encode(text, "seven..")


def test_a_fault_range_and_the_raw_number_of_an_enum() -> None:
    number = Signal("fault", "measurement", "holding", 4, type="u16", faults=((1000, 1999, "instrument fault"),))
    assert registers(number, "instrument fault") == [1000]
    assert registers(number, 1103) == [1103]
    assert decode(number, [1103]) == "instrument fault"
    state = Signal("state", "enum", "holding", 6, type="u16", enum=((1, 1, "normal"),))
    assert registers(state, 99) == [99]
    assert decode(state, [99]) == 99


def test_bcd() -> None:
    time = Signal("time", "measurement", "holding", 0, type="bcd16", faults=((0xFFFF, 0xFFFF, "not set"),))
    assert registers(time, 1259) == [0x1259]
    assert decode(time, [0x1259]) == 1259
    assert registers(time, "not set") == [0xFFFF]
    assert decode(time, [0xFFFF]) == "not set"
    energy = Signal("energy", "measurement", "holding", 0, type="bcd32", scale=0.01)
    assert registers(energy, 123456.78) == [0x1234, 0x5678]
    assert decode(energy, [0x1234, 0x5678]) == pytest.approx(123456.78)


def test_little_bytes() -> None:
    value = Signal("v", "measurement", "holding", 0, type="f32", little=True)
    assert registers(value, 50) == [0x4842, 0x0000]
    assert decode(value, [0x4842, 0x0000]) == 50.0
    flag = Signal("f", "contact", "holding", 0, type="u16", bit=0, little=True)
    assert encode(flag, True) == [(0x0100, 0x0100)]
    assert decode(flag, [0x0100]) is True


def test_text_of_one_character_a_register() -> None:
    text = Signal("id", "text", "holding", 0, type="text", length=3, characters=1)
    assert registers(text, "AB") == [0x41, 0x42, 0]
    assert decode(text, [0x41, 0x42, 0]) == "AB"
    with pytest.raises(ValueError, match="3 characters"):
        encode(text, "four")


def test_names_of_ranges_and_of_floats() -> None:
    code = Signal("code", "enum", "holding", 0, type="u16", enum=((0, 0, "ok"), (100, 199, "warning"), (0, 65535, "fault")))
    assert registers(code, "warning") == [149]
    assert [decode(code, [number]) for number in (0, 100, 199, 200)] == ["ok", "warning", "warning", "fault"]
    status = Signal("status", "enum", "input", 0, type="f32", enum=((1, 1, "normal"), (2, 2, "alarm")))
    assert registers(status, "alarm") == [0x4000, 0]
    assert decode(status, [0x3F80, 0]) == "normal"


def test_an_enum_of_one_bit_keeps_its_names() -> None:
    mode = Signal("mode", "enum", "coil", 0, enum=((0, 0, "local"), (1, 1, "remote")))
    assert encode(mode, "remote") == [(1, 1)]
    assert decode(mode, [0]) == "local"


def test_a_doubtful_value_stays_a_number() -> None:
    value = Signal("v", "measurement", "holding", 0, type="u16", doubts=((900, 999, "above the range"),))
    assert registers(value, "above the range") == [900]
    assert decode(value, [950]) == 950


@pytest.mark.parametrize(
    ("signal", "value", "said"),
    [
        (AIM_RESIDUAL, 65_536, "not in 0..65535"),
        (AIM_RESIDUAL, -1, "not in 0..65535"),
        (AIM_RESIDUAL, "melted", "short circuit, wire break"),
        (KB6000_GAS, 40_000, "-32768..32767"),
        (XNX_GAS, 1e39, "too large"),
        (Signal("b", "measurement", "holding", 0, type="bcd16"), 10_000, "0..9999"),
        (Signal("di1", "contact", "discrete", 0), 2, "true or false"),
        (Signal("di1", "contact", "discrete", 0), "on", "true or false"),
    ],
)
def test_values_that_do_not_fit(signal: Signal, value: Value, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        encode(signal, value)


@given(st.sampled_from(["u16", "s16", "u32", "s32", "u8hi", "u8lo"]), st.booleans(), st.integers(-(2**31), 2**32 - 1))
def test_whole_numbers_come_back_or_are_refused(kind: str, low_first: bool, value: int) -> None:
    signal = Signal("x", "measurement", "holding", 0, type=kind, low_first=low_first)
    width = {"u8hi": 8, "u8lo": 8, "u16": 16, "s16": 16, "u32": 32, "s32": 32}[kind]
    low = -(1 << width - 1) if kind.startswith("s") else 0
    fits = low <= value < low + (1 << width)
    try:
        memory = registers(signal, value)
    except ValueError:
        assert not fits
    else:
        assert fits
        assert decode(signal, memory) == value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.booleans())
def test_floats_come_back(value: float, low_first: bool) -> None:
    signal = Signal("x", "measurement", "input", 0, type="f32", low_first=low_first)
    assert decode(signal, registers(signal, value)) == value
