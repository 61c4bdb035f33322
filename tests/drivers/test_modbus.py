"""The driver: planning of blocks, values of every type, and when a value may be believed."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus import ModbusDriver
from gateway.core.reading import Quality
from gateway.core.wire import WireClass, WirePoint
from tests.drivers.golden import address_of, bits, driver, floats, point, profile, said, signal, small, words

GOOD, BAD, UNCERTAIN = Quality.GOOD, Quality.BAD, Quality.UNCERTAIN


# --- planning -----------------------------------------------------------------------------


def test_neighbours_share_a_block_and_holes_are_bridged_up_to_the_limit() -> None:
    registers = "".join(signal(f"r{n}", "measurement", "holding", n, 'type = "u16"') for n in (0, 1, 5, 20))
    plan = driver(small(registers, "[limits]\nmax_hole = 3"), "r0", "r1", "r5", "r20").plan()
    assert [address_of(block) for block in plan] == [(3, 0, 6), (3, 20, 1)]
    assert [block.reply_bytes for block in plan] == [14, 4]
    assert plan[0].points == ("p-r0", "p-r1", "p-r5")


def test_a_block_never_exceeds_the_registers_that_the_device_allows_nor_cuts_a_number() -> None:
    registers = "".join(signal(f"r{n}", "measurement", "holding", n, 'type = "u32"') for n in range(0, 12, 2))
    names = [f"r{n}" for n in range(0, 12, 2)]
    plan = driver(small(registers, "[limits]\nmax_registers = 5"), *names).plan()
    assert [address_of(block) for block in plan] == [(3, 0, 4), (3, 4, 4), (3, 8, 4)]


def test_a_board_that_answers_only_to_eight_bits_is_asked_for_eight() -> None:
    inputs = signal("di{n}", "contact", "discrete", 0, "repeat = { count = 16 }")
    plan = driver(small(inputs, "[limits]\nexact_bits = 8"), "di2", "di3", "di12").plan()
    assert [address_of(block) for block in plan] == [(2, 0, 8), (2, 8, 8)]


def test_a_slower_bit_rides_along_where_it_costs_a_few_bytes() -> None:
    """A second request would cost a whole turn of the line, and its time-out would count against the panic point."""
    points = [point("di1", WireClass.PANIC, 0.05), point("di2", WireClass.STATE, 0.25), point("di3", WireClass.PANIC, 0.05)]
    dev = ModbusDriver("dev", profile("waveshare-modbus-rtu-io-8ch"), 1, points)
    (block,) = dev.plan()
    assert (address_of(block), block.wire_class, block.points) == ((2, 0, 3), WireClass.PANIC, ("p-di1", "p-di3", "p-di2"))
    assert {r.point: r.value for r in dev.decode(block, bits(0b010, 3), 1.0)} == {"p-di1": False, "p-di2": True, "p-di3": False}


def test_a_far_bit_a_faster_bit_and_a_register_get_requests_of_their_own() -> None:
    of = small(
        signal("near", "contact", "discrete", 0)
        + signal("far", "contact", "discrete", 200)
        + signal("fast", "contact", "discrete", 1)
        + signal("value", "measurement", "holding", 0, 'type = "u16"')
    )
    points = [point("near", WireClass.PANIC, 0.1), point("far"), point("fast", WireClass.STATE, 0.05), point("value")]
    plan = ModbusDriver("dev", of, 1, points).plan()
    assert [(address_of(block), block.period_s) for block in plan] == [
        ((2, 0, 1), 0.1),
        ((2, 1, 1), 0.05),
        ((2, 200, 1), 1.0),
        ((3, 0, 1), 1.0),
    ]


def test_what_a_point_depends_on_is_read_with_it() -> None:
    plan = driver(profile("honeywell-xnx"), "gas").plan()
    assert [address_of(block) for block in plan] == [(3, 0, 11)]
    assert plan[0].points == ("p-gas",)


def test_identity_and_heartbeat_never_slow_a_panic_block() -> None:
    registers = signal("beat", "counter", "holding", 0, 'type = "u16"') + signal("di1", "contact", "discrete", 0)
    of = small(registers, '[identity]\naddress = 1\nexpect = 7\n[heartbeat]\nsignal = "beat"\nwithin_s = 5')
    plan = ModbusDriver("dev", of, 1, [point("di1", WireClass.PANIC, 0.05)]).plan()
    assert [(address_of(block), block.wire_class, block.period_s) for block in plan] == [
        ((2, 0, 1), WireClass.PANIC, 0.05),
        ((3, 0, 2), WireClass.STATE, 1.0),
    ]


def test_a_signal_that_the_profile_lacks_is_named() -> None:
    with pytest.raises(ValueError, match='has no signal "di9"'):
        driver(profile("waveshare-modbus-rtu-io-8ch"), "di9")


def test_timeout_and_pauses_come_from_the_profile_unless_the_site_says_otherwise() -> None:
    of = small(signal("a", "measurement", "holding", 0, 'type = "u16"'), "[limits]\ntimeout_ms = 400\ngap_ms = 50\nlate_ms = 150")
    block = driver(of, "a").plan()[0]
    assert (block.timeout_s, block.gap_s, block.late_s) == (0.4, 0.05, 0.15)
    assert ModbusDriver("dev", of, 1, [point("a")], timeout_ms=90).plan()[0].timeout_s == 0.09


# --- values -------------------------------------------------------------------------------


def test_bytes_02_01_01_are_input_1_and_not_9() -> None:
    of = driver(profile("waveshare-modbus-rtu-io-8ch"), *[f"di{n}" for n in range(1, 9)])
    readings = said(of.decode(of.plan()[0], bytes.fromhex("02 01 01"), 1.0))
    assert [name for name, (value, *_) in readings.items() if value] == ["di1"]
    assert len(readings) == 8


@pytest.mark.parametrize(("reply", "active"), [("02 02 01 00", 1), ("02 02 00 01", 9), ("02 02 80 00", 8), ("02 02 00 80", 16)])
def test_inputs_of_two_bytes_are_not_swapped(reply: str, active: int) -> None:
    """pymodbus 3.9.0 and 3.10.0 read the first of these as input 9."""
    of = small(signal("di{n}", "contact", "discrete", 0, "repeat = { count = 16 }"))
    device = driver(of, *[f"di{n}" for n in range(1, 17)])
    readings = said(device.decode(device.plan()[0], bytes.fromhex(reply), 1.0))
    assert [name for name, (value, *_) in readings.items() if value] == [f"di{active}"]


@pytest.mark.parametrize(
    ("settings", "registers", "value"),
    [
        ('type = "u16"', (0xFFFE,), 65534),
        ('type = "s16"', (0xFFFE,), -2),
        ('type = "u8hi"', (0x12FE,), 0x12),
        ('type = "u8lo"', (0x12FE,), 0xFE),
        ('type = "u32"', (1, 2), 65538),
        ('type = "u32"\nwords = "low-first"', (2, 1), 65538),
        ('type = "s32"', (0xFFFF, 0xFFFE), -2),
        ('type = "s32"\nwords = "low-first"', (0xFFFE, 0xFFFF), -2),
        ('type = "f32"', floats(50.0), 50.0),
        ('type = "f32"\nwords = "low-first"', floats(50.0)[::-1], 50.0),
        ('type = "u16"\nbit = 4\nbits = 3', (0b0101_0000,), 5),
        ('type = "u16"\nscale = 0.1\noffset = -10', (350,), 25.0),
        ('type = "s16"\nscale = 0.1', (23,), 2.3),
    ],
)
def test_numbers(settings: str, registers: tuple[int, ...], value: float) -> None:
    of = driver(small(signal("a", "measurement", "holding", 0, settings)), "a")
    assert said(of.decode(of.plan()[0], words(*registers), 1.0)) == {"a": (value, GOOD, "")}


def test_text_ends_at_the_first_zero() -> None:
    of = driver(small(signal("a", "text", "holding", 0, 'type = "text"\nlength = 3')), "a")
    assert said(of.decode(of.plan()[0], words(0x4142, 0x4300, 0x5858), 1.0)) == {"a": ("ABC", GOOD, "")}


@given(st.integers(0, 0xFFFF_FFFF))
def test_no_float_from_the_wire_is_ever_infinite_or_no_number(raw: int) -> None:
    of = driver(small(signal("a", "measurement", "holding", 0, 'type = "f32"')), "a")
    (reading,) = of.decode(of.plan()[0], b"\x03\x04" + struct.pack(">I", raw), 1.0)
    number = struct.unpack(">f", struct.pack(">I", raw))[0]
    if math.isfinite(number):
        assert (reading.value, reading.quality) == (number, GOOD)
    else:
        assert (reading.value, reading.quality, reading.reason) == (None, BAD, "not a number")


@pytest.mark.parametrize(("invert", "inverted", "active"), [(0, 0, True), (1, 0, False), (0, 1, False), (1, 1, True)])
def test_sense_of_a_contact(invert: int, inverted: int, active: bool) -> None:
    of = small(signal("a", "contact", "discrete", 0, f"invert = {str(bool(invert)).lower()}"))
    device = ModbusDriver("dev", of, 1, [point("a", inverted=bool(inverted))])
    assert said(device.decode(device.plan()[0], bits(1, 1), 1.0))["a"] == (active, GOOD, "")


def test_sentinels_and_fault_ranges_are_bad_and_an_unknown_code_is_marked_but_told() -> None:
    of = small(
        signal(
            "t", "measurement", "holding", 0, 'type = "s16"\nscale = 0.1\nsentinels = { 0x7FFF = "not connected", -400 = "below range" }'
        )
        + signal("f", "measurement", "holding", 1, 'type = "u16"\nfault_values = { "1000-1999" = "transmitter fault" }')
        + signal("s", "enum", "holding", 2, 'type = "u16"\nenum = { 16 = "open" }')
    )
    device = driver(of, "t", "f", "s")
    block = device.plan()[0]
    assert said(device.decode(block, words(0x7FFF, 1103, 77), 1.0)) == {
        "t": (None, BAD, "not connected"),
        "f": (None, BAD, "transmitter fault"),
        "s": ("77", UNCERTAIN, "unknown code 77"),
    }
    assert said(device.decode(block, words((-400) & 0xFFFF, 999, 16), 2.0)) == {
        "t": (None, BAD, "below range"),
        "f": (999, GOOD, ""),
        "s": ("open", GOOD, ""),
    }


# --- only what changed --------------------------------------------------------------------


def test_only_changes_are_said() -> None:
    device = driver(profile("bench-100"), *[f"r{n}" for n in range(100)])
    block = device.plan()[0]
    assert len(device.decode(block, words(*range(100)), 1.0)) == 100
    assert device.decode(block, words(*range(100)), 2.0) == []
    changed = [*range(100)]
    changed[7] = 1007
    assert said(device.decode(block, words(*changed), 3.0)) == {"r7": (1007, GOOD, "")}


@given(st.lists(st.integers(0, 0xFF), min_size=1, max_size=30))
def test_what_is_said_in_all_is_always_the_present_state(states: list[int]) -> None:
    device = driver(profile("waveshare-modbus-rtu-io-8ch"), *[f"di{n}" for n in range(1, 9)])
    block = device.plan()[0]
    known: dict[str, object] = {}
    for now_s, state in enumerate(states):
        readings = device.decode(block, bits(state, 8), float(now_s))
        assert all(known.get(reading.point) != reading.value for reading in readings)
        known.update({reading.point: reading.value for reading in readings})
        assert known == {f"p-di{n + 1}": bool(state >> n & 1) for n in range(8)}


def test_failure_is_said_once_per_reason_and_the_value_again_when_it_is_back() -> None:
    device = driver(profile("waveshare-modbus-rtu-io-8ch"), "di1", "di2")
    block = device.plan()[0]
    device.decode(block, bits(1, 2), 1.0)
    assert said(device.fail(block, "no answer", 2.0)) == {"di1": (None, BAD, "no answer"), "di2": (None, BAD, "no answer")}
    assert device.fail(block, "no answer", 3.0) == []
    assert len(device.fail(block, "port lost", 4.0)) == 2
    assert said(device.decode(block, bits(1, 2), 5.0)) == {"di1": (True, GOOD, ""), "di2": (False, GOOD, "")}


@pytest.mark.parametrize("pdu", [b"", b"\x02", b"\x02\x01", b"\x02\x02\x01\x00", b"\x01\x01\x01", b"\x02\x09\x01"])
def test_an_answer_of_another_shape_is_bad_and_never_a_value(pdu: bytes) -> None:
    device = driver(profile("waveshare-modbus-rtu-io-8ch"), "di1")
    assert said(device.decode(device.plan()[0], pdu, 1.0)) == {"di1": (None, BAD, "bad frame")}


# --- when a value may be believed ----------------------------------------------------------


def xnx(state: int = 1, fault: int = 0, gas: float = 12.5, identity: int = 0x2401, beat: int = 1, flags: int = 0, unit: int = 5) -> bytes:
    return words(identity, 0x2401, *floats(gas), fault, flags, state, beat, 0, 0, unit)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({}, (12.5, GOOD, "")),
        ({"state": 7}, (12.5, GOOD, "")),
        ({"state": 2, "gas": 0.0}, (None, BAD, "sensor warms up")),
        ({"state": 3, "gas": 0.0}, (None, BAD, "inhibited: the transmitter reports 0")),
        ({"state": 11, "gas": 0.0}, (None, BAD, "inhibited: the transmitter reports 0")),
        ({"state": 10}, (None, BAD, "transmitter does not measure")),
        ({"state": 4}, (12.5, UNCERTAIN, "alarm simulation")),
        ({"fault": 1103}, (None, BAD, "transmitter fault")),
        ({"fault": 1000}, (None, BAD, "transmitter fault")),
        ({"fault": 999}, (12.5, GOOD, "")),
        ({"flags": 0x40}, (None, BAD, "transmitter fault")),
        ({"unit": 4}, (None, BAD, "transmitter is not set to %LEL")),
        ({"gas": float("nan")}, (None, BAD, "not a number")),
        ({"identity": 0x2501}, (None, BAD, "wrong device: holding 0 holds 0x2500, expected 0x2400")),
    ],
)
def test_xnx_gas_is_believed_only_while_the_transmitter_measures(shown: dict[str, float], expected: tuple[object, Quality, str]) -> None:
    device = driver(profile("honeywell-xnx"), "gas")
    assert said(device.decode(device.plan()[0], xnx(**shown), 1.0)) == {"gas": expected}  # type: ignore[arg-type]


def test_xnx_heartbeat_that_stands_still_makes_everything_bad_until_it_steps() -> None:
    device = driver(profile("honeywell-xnx"), "gas", "state")
    block = device.plan()[0]
    device.decode(block, xnx(beat=1), 0.0)
    assert device.decode(block, xnx(beat=1), 19.9) == []
    stale = (None, BAD, "heartbeat stands still")
    assert said(device.decode(block, xnx(beat=1), 20.1)) == {"gas": stale, "state": stale}
    assert device.decode(block, xnx(beat=1), 30.0) == []
    assert said(device.decode(block, xnx(beat=2), 31.0)) == {"gas": (12.5, GOOD, ""), "state": ("normal", GOOD, "")}


def test_validity_that_lies_in_another_block() -> None:
    of = small(
        signal("v", "measurement", "holding", 0, 'type = "u16"\nvalid_when = [{ signal = "ok", in = [1], reason = "not valid" }]')
        + signal("ok", "contact", "discrete", 0)
    )
    device = driver(of, "v")
    flag, value = device.plan()
    assert (address_of(flag)[0], address_of(value)[0]) == (2, 3)
    assert device.decode(value, words(9), 1.0) == []  # nothing is known of its validity yet
    assert said(device.decode(flag, bits(1, 1), 1.1)) == {"v": (9, GOOD, "")}
    assert said(device.decode(flag, bits(0, 1), 2.1)) == {"v": (None, BAD, "not valid")}
    assert said(device.fail(flag, "no answer", 3.1)) == {"v": (None, BAD, "ok: no answer")}
    assert said(device.decode(flag, bits(1, 1), 4.1)) == {"v": (9, GOOD, "")}


def kb(state: int, reading: int, decimals: int) -> bytes:
    return words(reading & 0xFFFF, 0, decimals, state)


def test_kb6000iii_exponent_states_and_warm_up() -> None:
    device = driver(profile("kb6000iii"), "gas2", unit=99)
    (block,) = device.plan()
    assert address_of(block) == (3, 513, 4)
    assert said(device.decode(block, kb(1, 235, 1), 10.0)) == {"gas2": (23.5, UNCERTAIN, "warm-up")}
    assert device.decode(block, kb(1, 235, 1), 129.9) == []
    assert said(device.decode(block, kb(1, 235, 1), 130.0)) == {"gas2": (23.5, GOOD, "")}
    assert said(device.decode(block, kb(1, -5, 2), 131.0)) == {"gas2": (-0.05, GOOD, "")}
    assert said(device.decode(block, kb(3, 0, 1), 132.0)) == {"gas2": (None, BAD, "sensor fault")}
    assert said(device.decode(block, kb(6, 60, 0), 133.0)) == {"gas2": (60.0, GOOD, "")}
    assert said(device.decode(block, kb(1, 60, 4711), 134.0)) == {"gas2": (None, BAD, "decimal exponent 4711 out of range")}


def test_warm_up_begins_again_after_a_silence_but_not_after_one_miss() -> None:
    device = driver(profile("kb6000iii"), "gas1", unit=99)
    (block,) = device.plan()
    device.decode(block, kb(1, 10, 0), 0.0)
    device.decode(block, kb(1, 10, 0), 200.0)
    device.fail(block, "no answer", 201.0)
    assert said(device.decode(block, kb(1, 10, 0), 202.0)) == {"gas1": (10.0, GOOD, "")}
    device.fail(block, "no answer", 203.0)
    assert said(device.decode(block, kb(1, 10, 0), 210.0)) == {"gas1": (10.0, UNCERTAIN, "warm-up")}


def aim(states: int, *milliamps: int) -> dict[int, bytes]:
    """Replies by first address: loop states 1-4 in the low byte of 0x000B, then the live values."""
    return {0x000B: words(0x1000 | states), 0x004A: words(*milliamps)}


def test_aim_r100_open_or_shorted_loop_is_bad_and_an_overload_is_an_alarm_value() -> None:
    device = driver(profile("acrel-aim-r100"), "residual1", "residual2", "residual3", "residual4")
    replies = aim(0b01_10_11_00, 10, 20, 5000, 40)
    readings: dict[str, tuple[object, Quality, str]] = {}
    for block in device.plan():
        readings.update(said(device.decode(block, replies[address_of(block)[1]], 1.0)))
    assert readings == {
        "residual1": (None, BAD, "short circuit in the loop"),
        "residual2": (None, BAD, "wire break in the loop"),
        "residual3": (5000, GOOD, ""),
        "residual4": (40, GOOD, ""),
    }


def test_aim_r100_loops_5_to_12_lie_in_the_next_register_and_sentinels_are_no_current() -> None:
    device = driver(profile("acrel-aim-r100"), "residual5", "residual12")
    states, values = device.plan()
    assert (address_of(states), address_of(values)) == ((3, 0x000C, 1), (3, 0x004E, 8))
    device.decode(states, words(0b10_000000_000000_01), 1.0)
    assert said(device.decode(values, words(30, 0, 0, 0, 0, 0, 0, 31), 1.0)) == {
        "residual5": (None, BAD, "wire break in the loop"),
        "residual12": (None, BAD, "short circuit in the loop"),
    }
    device.decode(states, words(0), 2.0)
    assert said(device.decode(values, words(0xE5E5, 0, 0, 0, 0, 0, 0, 0xFAFA), 3.0)) == {
        "residual5": (None, BAD, "short circuit"),
        "residual12": (None, BAD, "wire break"),
    }


def test_adam_6060_inputs_are_coils_and_counters_have_the_low_word_first() -> None:
    device = driver(profile("advantech-adam-6060"), "di1", "di6", "di2_count")
    coils, counters = device.plan()
    assert (address_of(coils), address_of(counters)) == ((1, 0, 6), (3, 2, 2))
    assert said(device.decode(coils, bits(0b100000, 6, function=1), 1.0)) == {"di1": (False, GOOD, ""), "di6": (True, GOOD, "")}
    assert said(device.decode(counters, words(5, 1), 1.0)) == {"di2-count": (65541, GOOD, "")}


def test_came_barrier_names_and_unknown_position() -> None:
    device = driver(profile("came-gard-ptx"), "state", "position", "operations", "board_temperature")
    (block,) = device.plan()
    assert address_of(block) == (3, 100, 10)
    reply = words(17, 255, 0, 0, 3, 1, 0, 0, 0, (-7) & 0xFFFF)
    assert said(device.decode(block, reply, 1.0)) == {
        "state": ("closed", GOOD, ""),
        "position": (None, BAD, "position unknown"),
        "operations": (65539, GOOD, ""),
        "board-temperature": (-7, GOOD, ""),
    }


# --- writing ------------------------------------------------------------------------------


def test_icp_das_latches_are_read_at_wire_64_and_cleared_at_wire_263() -> None:
    device = ModbusDriver("dev", profile("icp-das-tm"), 4, [point("di1_latched", WireClass.PANIC, 0.1), point("di1")])
    assert address_of(device.plan()[0]) == (1, 64, 1)
    exchange = device.clear("p-di1-latched")
    assert exchange is not None
    assert (exchange.unit, exchange.request, exchange.reply_bytes) == (4, bytes.fromhex("05 01 07 FF 00"), 5)
    assert exchange.wire_class is WireClass.PANIC
    assert device.clear("p-di1") is None


def test_outputs() -> None:
    device = driver(profile("advantech-adam-6060"), "di1")
    assert [e.request for e in device.encode("do1", True)] == [bytes.fromhex("05 00 10 FF 00")]
    assert [e.request for e in device.encode("do6", False)] == [bytes.fromhex("05 00 15 00 00")]
    with pytest.raises(ValueError, match="is no output"):
        device.encode("di1", True)
    of = small(signal("a", "output", "holding", 7, 'type = "s16"\nscale = 0.1'))
    device = ModbusDriver("dev", of, 1, [])
    assert [e.request for e in device.encode("a", -1.5)] == [bytes.fromhex("06 00 07 FF F1")]
    with pytest.raises(ValueError, match="cannot be written"):
        device.encode("a", 99999)


def test_a_driver_without_points_asks_nothing() -> None:
    assert ModbusDriver("dev", profile("honeywell-xnx"), 1, []).plan() == []


def test_two_points_may_use_one_signal_in_opposite_sense() -> None:
    both = [WirePoint("a", "di1", WireClass.STATE, 1.0), WirePoint("b", "di1", WireClass.STATE, 1.0, inverted=True)]
    device = ModbusDriver("dev", profile("waveshare-modbus-rtu-io-8ch"), 1, both)
    (block,) = device.plan()
    assert {reading.point: reading.value for reading in device.decode(block, bits(1, 1), 1.0)} == {"a": True, "b": False}
