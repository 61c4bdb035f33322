"""Electrical fire monitors and meters: no sensor is never "no current"."""

from __future__ import annotations

import pytest

from gateway.core.reading import Quality
from gateway.core.wire import WireClass
from tests.drivers.golden import address_of, bits, driver, floats, profile, said, words
from tests.drivers.profiles.answers import from_frames, told, written

GOOD, BAD, UNCERTAIN = Quality.GOOD, Quality.BAD, Quality.UNCERTAIN

# --- Acrel AIM-R100 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "said_of_it"),
    [
        ("00 00", [(False, GOOD, "")] * 4),
        ("10 C0", [(True, GOOD, ""), (False, GOOD, ""), (False, GOOD, ""), (False, GOOD, "")]),
        ("10 1B", [(False, GOOD, ""), (None, BAD, "loop short"), (None, BAD, "loop open"), (True, GOOD, "")]),
    ],
)
def test_aim_r100_judges_a_loop_in_two_bits_loop_1_in_the_highest(states: str, said_of_it: list[tuple[object, Quality, str]]) -> None:
    device = driver(profile("acrel-aim-r100"), *[f"loop{n}_alarm" for n in range(1, 5)])
    (block,) = device.plan()
    readings = said(device.decode(block, bytes.fromhex("03 02" + states), 1.0))
    assert [readings[f"loop{n}-alarm"] for n in range(1, 5)] == said_of_it


def test_aim_r100_overload_is_a_value_and_an_alarm_and_no_fault() -> None:
    device = driver(profile("acrel-aim-r100"), "residual1", "loop1_state", "loop1_alarm")
    assert told(device, {0x0B: words(0x10C0), 0x4A: words(620)}) == {
        "residual1": (620, GOOD, ""),
        "loop1-state": ("overload", GOOD, ""),
        "loop1-alarm": (True, GOOD, ""),
    }


def test_aim_r100_register_1_holds_two_numbers() -> None:
    device = driver(profile("acrel-aim-r100"), "own_unit", "own_baud", "device_type")
    assert told(device, {0x01: bytes.fromhex("03 02 05 02"), 0x0B: bytes.fromhex("03 02 10 00")}) == {
        "own-unit": (5, GOOD, ""),
        "own-baud": ("9600", GOOD, ""),
        "device-type": ("residual current monitor", GOOD, ""),
    }


# --- Schneider Vigirex RHU ----------------------------------------------------------------

VALID, CLEAR = 1, 0


def vigirex(*registers: int, leakage: int = 0) -> dict[int, bytes]:
    """Registers 201-208 (wire 200-207) and 401 (wire 400)."""
    return {200: words(*registers), 400: words(leakage), 206: words(*registers[6:])}


def test_vigirex_bits_count_while_they_are_valid() -> None:
    names = ("alarm", "pre_alarm", "alarm_memorised", "no_toroid")
    device = driver(profile("schneider-vigirex-rhu"), *names)
    assert told(device, vigirex(VALID, 0, VALID, 1, VALID, 1, VALID, 1)) == {
        "alarm": (False, GOOD, ""),
        "pre-alarm": (True, GOOD, ""),
        "alarm-memorised": (True, GOOD, ""),
        "no-toroid": (False, GOOD, ""),
    }
    assert told(device, vigirex(0, 1, 0, 1, 0, 1, 0, 1), 2.0) == {
        "alarm": (None, BAD, "alarm bit not valid"),
        "pre-alarm": (None, BAD, "pre-alarm bit not valid"),
        "alarm-memorised": (None, BAD, "memorised alarm bit not valid"),
        "no-toroid": (None, BAD, "toroid status not valid"),
    }


@pytest.mark.parametrize(
    ("toroid_valid", "toroid", "leakage", "expected"),
    [
        (1, 1, 320, (320, GOOD, "")),
        (1, 0, 0, (None, BAD, "no toroid connected")),
        (0, 1, 0, (None, BAD, "toroid status not valid")),
        (1, 1, 60001, (None, BAD, "out of range")),
    ],
)
def test_vigirex_measures_nothing_without_a_toroid(
    toroid_valid: int, toroid: int, leakage: int, expected: tuple[object, Quality, str]
) -> None:
    device = driver(profile("schneider-vigirex-rhu"), "leakage")
    assert told(device, vigirex(1, 0, 1, 0, 1, 0, toroid_valid, toroid, leakage=leakage)) == {"leakage": expected}


def test_vigirex_toroid_bit_0_means_that_none_is_connected() -> None:
    device = driver(profile("schneider-vigirex-rhu"), "no_toroid")
    assert told(device, vigirex(1, 0, 1, 0, 1, 0, 1, 0)) == {"no-toroid": (True, GOOD, "")}


def test_vigirex_register_209_does_not_share_the_address_of_207() -> None:
    """The guide prints 0x00CE for both (trap 4); by its number 209 is 0x00D0."""
    device = driver(profile("schneider-vigirex-rhu"), "toroid_valid", "reset_mode")
    (block,) = device.plan()
    assert address_of(block) == (3, 0x00CE, 3)
    assert said(device.decode(block, words(1, 1, 0), 1.0)) == {"toroid-valid": (True, GOOD, ""), "reset-mode": ("manual", GOOD, "")}


# --- Bender -------------------------------------------------------------------------------

AC_30_MA = "3C F5 C2 8F"  # 0.03 as a float
DEVICE_ERROR = "42 E6 00 00"  # 115.0


@pytest.mark.parametrize(
    ("test_register", "current", "code"),
    [("12 34 56 78", AC_30_MA, DEVICE_ERROR), ("56 78 12 34", "C2 8F 3C F5", "00 00 42 E6")],
)
def test_rcmb300_words_stand_as_its_test_register_shows(test_register: str, current: str, code: str) -> None:
    device = driver(profile("bender-rcmb300"), "ac", "status_code")
    replies = {1000: "03 04" + test_register, 8000: "03 04" + current, 8006: "03 04" + code}
    readings = told(device, {at: bytes.fromhex(reply) for at, reply in replies.items()})
    assert readings["ac"][:2] == (pytest.approx(30.0), GOOD)
    assert readings["status-code"] == (115.0, GOOD, "")


def test_rcmb300_says_nothing_while_the_order_of_words_is_in_doubt() -> None:
    device = driver(profile("bender-rcmb300"), "ac")
    readings = told(device, {1000: bytes.fromhex("03 04 00 00 00 00"), 8000: bytes.fromhex("03 04" + AC_30_MA)})
    assert readings == {"ac": (None, BAD, "word order register holds 0x00000000")}


def test_rcmb300_relay_causes_lie_in_the_two_halves_of_one_number() -> None:
    device = driver(profile("bender-rcmb300"), "relay1_ac_alarm", "relay1_dc_alarm", "relay2_device_error", "alarms")
    replies = {1000: "03 04 12 34 56 78", 8008: "03 04 00 01 00 02", 8014: "03 04 00 02 00 08"}
    assert told(device, {at: bytes.fromhex(reply) for at, reply in replies.items()}) == {
        "relay1-ac-alarm": (True, GOOD, ""),
        "relay1-dc-alarm": (False, GOOD, ""),
        "relay2-device-error": (True, GOOD, ""),
        "alarms": (65538, GOOD, ""),
    }


def test_rcmb300_texts_have_one_character_in_each_register() -> None:
    device = driver(profile("bender-rcmb300"), "device_name")
    (block,) = device.plan()
    assert address_of(block) == (3, 1002, 32)
    reply = words(*b"RCMB301", *[0] * 25)
    assert said(device.decode(block, reply, 1.0)) == {"device-name": ("RCMB301", GOOD, "")}


def test_rcmb300_reading_present_values_never_reads_the_maxima_that_reading_clears() -> None:
    of = profile("bender-rcmb300")
    device = driver(of, "ac", "rms_unfiltered", "relay1_ac_alarm", "relay2_rms_alarm")
    asked = {register for block in device.plan() for register in range(address_of(block)[1], sum(address_of(block)[1:]))}
    assert asked.isdisjoint(range(8016, 8032))
    assert {signal.name for signal in of.signals if signal.read_clears} == {"ac_max", "dc_max", "rms_max"}


def test_rcms410_channels_of_three_kinds() -> None:
    names = [f"{what}{n}" for what in ("ac", "dc", "rms") for n in (1, 2, 3, 4)]
    device = driver(profile("bender-rcms410"), *names)
    (block,) = device.plan()
    assert address_of(block) == (3, 1048, 24)
    amperes = (0.006, 0.0, 0.0, 0.03, -0.002, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3)
    readings = said(device.decode(block, words(*[word for number in amperes for word in floats(number)]), 1.0))
    assert [readings[name][0] for name in names] == [pytest.approx(1000 * number) for number in amperes]


def test_rcms410_measured_value_block_is_a_float_a_status_and_a_range() -> None:
    device = driver(profile("bender-rcms410"), "rms2_max", "rms2_status", "rms2_alarm", "rms2_range")
    (block,) = device.plan()
    assert address_of(block) == (3, 1036, 4)
    readings = said(device.decode(block, words(*floats(0.5), 2, 2), 1.0))
    assert readings.pop("rms2-max")[:2] == (pytest.approx(500.0), GOOD)
    assert readings == {"rms2-status": ("alarm", GOOD, ""), "rms2-alarm": (True, GOOD, ""), "rms2-range": ("above range", GOOD, "")}
    assert said(device.decode(block, words(*floats(0.5), 1, 0), 2.0))["rms2-alarm"] == (False, GOOD, "")


# --- CET ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("registers", "residual", "temperature"),
    [
        ("00 2A 02 BC", (42, GOOD, ""), (70.0, GOOD, "")),
        ("7F FF FF 9C", (None, BAD, "residual current sensor not connected"), (-10.0, GOOD, "")),
        ("00 00 75 30", (0, GOOD, ""), (None, BAD, "temperature sensor broken or not connected")),
        ("00 00 FE 70", (0, GOOD, ""), (None, BAD, "below -40 Cel")),
    ],
)
def test_pmc_53_sentinels_are_no_measurements(
    registers: str, residual: tuple[object, Quality, str], temperature: tuple[object, Quality, str]
) -> None:
    device = driver(profile("cet-pmc-53"), "residual", "temperature")
    (block,) = device.plan()
    assert address_of(block) == (3, 77, 2)
    reply = bytes.fromhex("03 04" + registers)
    assert said(device.decode(block, reply, 1.0)) == {"residual": residual, "temperature": temperature}


def test_pmc_53_alarm_bits_are_unknown_while_their_sensor_is_missing() -> None:
    device = driver(profile("cet-pmc-53"), "residual_alarm", "residual_trip", "temperature_alarm", "setpoint6_alarm")
    values, alarms = device.plan()
    device.decode(values, words(620, 250), 1.0)
    assert said(device.decode(alarms, words(0b1_0000_0001), 1.0)) == {
        "residual-alarm": (True, GOOD, ""),
        "residual-trip": (False, GOOD, ""),
        "temperature-alarm": (False, GOOD, ""),
        "setpoint6-alarm": (True, GOOD, ""),
    }
    assert said(device.decode(values, words(0x7FFF, 30000), 2.0)) == {
        "residual-alarm": (None, BAD, "residual current sensor not connected"),
        "residual-trip": (None, BAD, "residual current sensor not connected"),
        "temperature-alarm": (None, BAD, "temperature sensor broken or not connected"),
    }


# --- Fonrich FR-DCMG ----------------------------------------------------------------------


def test_fr_dcmg_arc_channels_17_and_on_and_the_busbar_lie_in_the_second_word() -> None:
    device = driver(profile("fonrich-fr-dcmg"), "arc1", "arc16", "arc17", "arc24", "arc_busbar")
    (block,) = device.plan()
    assert address_of(block) == (3, 0x0041, 2)
    readings = said(device.decode(block, bytes.fromhex("03 04 80 00 80 01"), 1.0))
    assert [name for name, (value, *_) in readings.items() if value] == ["arc16", "arc17", "arc-busbar"]
    assert len(readings) == 5


def test_fr_dcmg_arcs_are_cleared_by_a_person_by_writing_1() -> None:
    device = driver(profile("fonrich-fr-dcmg"), "arc1")
    assert device.clear("p-arc1") is None
    assert written(device, "clear_arc_alarms") == ["06 00 79 00 01"]
    assert written(device, "shunt_trip") == ["06 00 40 00 01"]
    with pytest.raises(ValueError, match="cannot be switched off"):
        device.encode("clear_arc_alarms", False)


def test_fr_dcmg_inputs_and_temperature_bit() -> None:
    device = driver(profile("fonrich-fr-dcmg"), "di1", "di2", "temperature_high")
    assert told(device, {0: bits(0b10, 2), 0x11: bits(1, 1)}) == {
        "di1": (False, GOOD, ""),
        "di2": (True, GOOD, ""),
        "temperature-high": (True, GOOD, ""),
    }


# --- Eastron ------------------------------------------------------------------------------


def test_sdm_frame_of_the_manual_is_230_2_volts() -> None:
    """Printed for the SDM320Y (p. 42) and by users of the SDM630: both CRCs hold."""
    device = driver(profile("eastron-sdm120"), "voltage")
    (block,) = device.plan()
    readings = from_frames(device, block, "01 04 00 00 00 02 71 CB", "01 04 04 43 66 33 34 1B 38")
    assert readings["voltage"][:2] == (pytest.approx(230.2, abs=1e-4), GOOD)
    assert block.wire_class is WireClass.STATE


def test_sdm630_values_lie_two_registers_apart() -> None:
    device = driver(profile("eastron-sdm630"), *[f"{what}{n}" for what in ("voltage", "current", "power") for n in (1, 2, 3)])
    (block,) = device.plan()
    assert address_of(block) == (4, 0, 18)
    numbers = (230.0, 231.0, 232.0, 1.5, 2.5, 3.5, 345.0, 577.5, 812.0)
    readings = said(device.decode(block, words(*[word for number in numbers for word in floats(number)], function=4), 1.0))
    assert [value for value, *_ in readings.values()] == list(numbers)


def test_a_meter_that_has_no_number_says_so() -> None:
    device = driver(profile("eastron-sdm120"), "voltage")
    (block,) = device.plan()
    assert said(device.decode(block, bytes.fromhex("04 04 7F C0 00 00"), 1.0)) == {"voltage": (None, BAD, "not a number")}
