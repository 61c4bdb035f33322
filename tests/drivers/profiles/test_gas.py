"""Gas detectors: published figures, and above all when a concentration must not be believed: 0 is never clean air by itself."""

from __future__ import annotations

import pytest

from drivers.modbus import ModbusDriver
from gateway.core.reading import Quality
from tests.drivers.golden import address_of, driver, floats, profile, said, words
from tests.drivers.profiles.rtu import answered, heard, sent

GOOD, BAD, UNCERTAIN = Quality.GOOD, Quality.BAD, Quality.UNCERTAIN
Told = tuple[object, Quality, str]


def bad(reason: str) -> Told:
    return None, BAD, reason


def only(device: ModbusDriver, reply: bytes, now_s: float = 1.0) -> dict[str, Told]:
    """What a device that needs one block says after this reply."""
    (block,) = device.plan()
    return said(device.decode(block, reply, now_s))


# --- Honeywell: one block of registers in three variants --------------------------------------


def honeywell(
    identity: int, unit: int, gas: float = 50.0, fault: int = 0, flags: int = 0, state: int = 1, beat: int = 7, days: float = 90.0
) -> bytes:
    """Registers 1 to 11 of XNX, XCD and XRL."""
    return words(identity << 8 | 1, identity << 8 | 1, *floats(gas), fault, flags, state, beat, *floats(days), unit)


def test_xnx_fifty_percent_reads_fifty() -> None:
    device = driver(profile("honeywell-xnx"), "gas", "days_to_calibration")
    assert only(device, honeywell(0x24, unit=5)) == {"gas": (50.0, GOOD, ""), "days-to-calibration": (90.0, GOOD, "")}


@pytest.mark.parametrize(("signal", "unit"), [("gas", 5), ("gas_ppm", 4), ("gas_vol", 3)])
def test_xnx_and_xcd_share_a_unit_list_and_a_value_is_told_in_its_own_unit_alone(signal: str, unit: int) -> None:
    for name, identity in (("honeywell-xnx", 0x24), ("honeywell-xcd", 0x25)):
        device = driver(profile(name), "gas", "gas_ppm", "gas_vol")
        told = only(device, honeywell(identity, unit, gas=19.5))
        believed = [point for point, (value, _, _) in told.items() if value is not None]
        assert believed == [signal.replace("_", "-")]


@pytest.mark.parametrize("state", [2, 3, 11, 12, 8, 0])
def test_xnx_zero_in_any_state_but_measuring_is_no_clean_air(state: int) -> None:
    told = only(driver(profile("honeywell-xnx"), "gas"), honeywell(0x24, unit=5, gas=0.0, state=state))
    assert told["gas"][:2] == (None, BAD)


XCD_CASES: list[tuple[dict[str, float], Told]] = [
    ({}, (50.0, GOOD, "")),
    ({"gas": 0.0}, (0.0, GOOD, "")),
    ({"gas": 0.0, "state": 2}, bad("sensor warms up")),
    ({"gas": 0.0, "state": 3}, bad("inhibited")),
    ({"gas": 0.0, "state": 12}, bad("calibration")),
    ({"gas": 0.0, "state": 0}, bad("transmitter does not measure")),
    ({"gas": 0.0, "fault": 1101}, bad("transmitter fault")),
    ({"fault": 99}, (50.0, GOOD, "")),
    ({"gas": 0.0, "flags": 0x20}, bad("transmitter fault")),
    ({"flags": 0x40}, (50.0, GOOD, "")),
    ({"unit": 4}, bad("transmitter is not set to %LEL")),
    ({"identity": 0x24}, bad("wrong device: holding 1 holds 0x2400, expected 0x2500")),
]


@pytest.mark.parametrize(("shown", "expected"), XCD_CASES)
def test_xcd_gas_counts_only_in_its_normal_state(shown: dict[str, float], expected: Told) -> None:
    told = only(driver(profile("honeywell-xcd"), "gas"), honeywell(**{"identity": 0x25, "unit": 5, **shown}))  # type: ignore[arg-type]
    assert told == {"gas": expected}


def test_xcd_addresses_count_from_one() -> None:
    device = driver(profile("honeywell-xcd"), "gas_name", "supply", "temperature", "peak")
    registers = {0: 0x2501, 7: 1, 11: 0x4248, 12: 0, 16: 0xFFFB, 45: 0x4348, 46: 0x3400, 56: 0x41C0, 57: 0}  # wire address -> word
    told: dict[str, Told] = {}
    for block in device.plan():
        _, start, count = address_of(block)
        told.update(said(device.decode(block, words(*[registers.get(start + i, 0) for i in range(count)]), 1.0)))
    assert told == {
        "gas-name": ("CH4", GOOD, ""),
        "supply": (24.0, GOOD, ""),
        "temperature": (-5, GOOD, ""),
        "peak": (50.0, GOOD, ""),
    }


XRL_CASES: list[tuple[dict[str, float], Told]] = [
    ({}, (50.0, GOOD, "")),
    ({"state": 3}, bad("inhibited: the detector holds the last reading")),
    ({"gas": 0.0, "state": 2}, bad("sensor warms up")),
    ({"gas": 0.0, "flags": 0x20}, bad("detector fault")),
    ({"gas": 0.0, "flags": 0x40}, bad("detector fault")),
    ({"gas": 0.0, "fault": 1203}, bad("detector fault")),
    ({"fault": 12}, (50.0, GOOD, "")),
    ({"unit": 5}, bad("transmitter is not set to %LEL")),
    ({"identity": 0x25}, bad("wrong device: holding 101 holds 0x2500, expected 0x2600")),
]


@pytest.mark.parametrize(("shown", "expected"), XRL_CASES)
def test_xrl_holds_its_last_reading_and_has_another_unit_list(shown: dict[str, float], expected: Told) -> None:
    told = only(driver(profile("honeywell-xrl"), "gas"), honeywell(**{"identity": 0x26, "unit": 1, **shown}))  # type: ignore[arg-type]
    assert told == {"gas": expected}


@pytest.mark.parametrize(("flags", "fault"), [(0, False), (0x20, True), (0x40, True), (0x60, True), (0x03, False)])
def test_xrl_fault_is_either_of_the_two_bits_that_the_manual_prints(flags: int, fault: bool) -> None:
    device = driver(profile("honeywell-xrl"), "flag_fault")
    assert {address_of(block)[:2] for block in device.plan()} == {(3, 100)}
    assert only(device, words(0x2601, 0x2601, 0, 0, 0, flags, 1, 1))["flag-fault"] == (fault, GOOD, "")


def test_xrl_relays_and_alarm_directions_are_nibbles() -> None:
    device = driver(profile("honeywell-xrl"), "relay1", "relay2", "alarm1_type", "alarm2_type")
    first, second = sorted(device.plan(), key=address_of)
    assert said(device.decode(first, words(0x2601, 0, 0, 0, 0, 0, 0, 1), 1.0)) == {}
    assert address_of(second) == (3, 155, 5)
    assert said(device.decode(second, words(0x0021, 0, 0, 0, 0x0012), 1.0)) == {
        "relay1": (1, GOOD, ""),
        "relay2": (2, GOOD, ""),
        "alarm1-type": ("falling", GOOD, ""),
        "alarm2-type": ("rising", GOOD, ""),
    }


def test_honeywell_values_are_stale_when_the_heartbeat_stands_still() -> None:
    for name, identity, unit in (("honeywell-xcd", 0x25, 5), ("honeywell-xrl", 0x26, 1)):
        device = driver(profile(name), "gas")
        only(device, honeywell(identity, unit), now_s=0.0)
        assert only(device, honeywell(identity, unit), now_s=21.0) == {"gas": bad("heartbeat stands still")}
        assert only(device, honeywell(identity, unit, beat=8), now_s=22.0) == {"gas": (50.0, GOOD, "")}


def test_raeguard_published_frame() -> None:
    device = driver(profile("honeywell-raeguard3"), "gas")
    (block,) = device.plan()
    assert sent(block) == "01 03 00 08 00 02 45 C9"
    assert heard(device, block, "01 03 04 00 00 00 D1 3A 6F") == {"gas": (209, GOOD, "")}


# --- KB6000III ----------------------------------------------------------------------------


def kb(state: int, reading: int = 0, decimals: int = 0) -> bytes:
    """Registers +2 to +5 of a detector."""
    return words(reading & 0xFFFF, 0, decimals, state)


@pytest.mark.parametrize(
    ("state", "gas", "alarm"),
    [
        (0, bad("sensor warms up"), bad("sensor warms up")),
        (1, (0, GOOD, ""), (False, GOOD, "")),
        (2, bad("data error"), bad("data error")),
        (3, bad("sensor fault"), bad("sensor fault")),
        (4, (0, GOOD, ""), (False, GOOD, "")),
        (5, (0, GOOD, ""), (True, GOOD, "")),
        (6, (0, GOOD, ""), (True, GOOD, "")),
        (7, bad("the controller does not reach the detector"), bad("the controller does not reach the detector")),
        (8, (0, GOOD, ""), (True, GOOD, "")),
        (9, (0, UNCERTAIN, "needs calibration"), (False, GOOD, "")),
        (10, bad("the controller does not reach the detector"), bad("the controller does not reach the detector")),
        (11, (0, GOOD, ""), (True, GOOD, "")),
        (12, (0, GOOD, ""), (True, GOOD, "")),
    ],
)
def test_kb6000iii_every_state(state: int, gas: Told, alarm: Told) -> None:
    device = driver(profile("kb6000iii"), "gas1", "alarm1", unit=99)
    (block,) = device.plan()
    assert address_of(block) == (3, 502, 4)
    told = said(device.decode(block, kb(state), 0.0))  # the first two minutes: good values are uncertain
    told.update(said(device.tick(120.0)))
    assert told == {"gas1": gas, "alarm1": alarm}


# --- controllers and detectors whose bits need reading together ------------------------------


@pytest.mark.parametrize(("raw", "gas"), [(1, -9.9), (100, 0.0), (350, 25.0), (600, 50.0), (1200, 110.0)])
def test_igd_scale_and_offset(raw: int, gas: float) -> None:
    device = driver(profile("igd-toc-635"), "gas3")
    value, status = sorted(device.plan(), key=address_of)
    assert (address_of(value), address_of(status)) == ((4, 2, 1), (4, 3002, 1))
    assert said(device.decode(value, words(raw, function=4), 1.0)) == {}, "nothing is said before its status is known"
    assert said(device.decode(status, words(0, function=4), 1.0)) == {"gas3": (gas, GOOD, "")}


def test_igd_ends_of_its_range() -> None:
    device = driver(profile("igd-toc-635"), "gas1")
    value, status = sorted(device.plan(), key=address_of)
    device.decode(status, words(0, function=4), 1.0)
    assert said(device.decode(value, words(0, function=4), 1.0)) == {"gas1": (-10.0, UNCERTAIN, "at the low end of its range")}
    assert said(device.decode(value, words(1201, function=4), 2.0)) == {"gas1": bad("out of range")}


@pytest.mark.parametrize(
    ("bit", "expected"),
    [
        (3, bad("sensor fault")),
        (4, bad("sensor switched off")),
        (5, bad("sensor fault")),
        (6, bad("under-range")),
        (7, (0.0, GOOD, "")),
        (8, bad("the controller does not reach the sensor")),
        (0, (0.0, GOOD, "")),
    ],
)
def test_igd_clean_air_is_not_believed_with_a_fault_bit(bit: int, expected: Told) -> None:
    device = driver(profile("igd-toc-635"), "gas1")
    value, status = sorted(device.plan(), key=address_of)
    device.decode(value, words(100, function=4), 1.0)
    assert said(device.decode(status, words(1 << bit, function=4), 1.0)) == {"gas1": expected}


@pytest.mark.parametrize(("bit", "fault"), [(3, True), (5, True), (8, True), (4, False), (0, False)])
def test_igd_fault_of_any_kind(bit: int, fault: bool) -> None:
    assert only(driver(profile("igd-toc-635"), "sensor1_fault"), words(1 << bit, function=4)) == {"sensor1-fault": (fault, GOOD, "")}


def test_igd_answers_a_command_with_a_code_instead_of_an_echo() -> None:
    (mute,) = driver(profile("igd-toc-635")).encode("mute_all", True)
    (reset,) = driver(profile("igd-toc-635")).encode("reset_all", True)
    assert (mute.request, reset.request) == (bytes.fromhex("05 00 00 FF 00"), bytes.fromhex("05 00 01 FF 00"))
    assert mute.expect == bytes.fromhex("05 00 00 00 00")
    assert answered(mute, "01 05 00 00 00 00 CD CA")
    assert not answered(mute, "01 05 00 00 00 01 0C 0A"), "1 means refused"


def test_detcon_reading_comes_without_its_decimals() -> None:
    device = driver(profile("detcon-1000"), "gas", "gas_tenths")
    (block,) = device.plan()
    assert address_of(block) == (3, 1, 4), "40002 is wire address 1, whatever the manual's sample reply calls it"
    assert said(device.decode(block, words(235, 0, 0, 0), 1.0)) == {"gas": (235, GOOD, ""), "gas-tenths": (23.5, GOOD, "")}


@pytest.mark.parametrize(("energised", "normally_on", "active"), [(0, 0, False), (1, 0, True), (0, 1, True), (1, 1, False)])
@pytest.mark.parametrize(("signal", "relay", "sense"), [("alarm1", 3, 5), ("alarm2", 7, 9), ("fault", 0, 2)])
def test_detcon_sense_of_a_bit_lies_in_another_bit(
    signal: str, relay: int, sense: int, energised: int, normally_on: int, active: bool
) -> None:
    device = driver(profile("detcon-1000"), signal)
    assert only(device, words(energised << relay | normally_on << sense)) == {signal: (active, GOOD, "")}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0, (0, GOOD, "")),
        (0b010, (0, GOOD, "")),
        (0b101, (0, GOOD, "")),
        (0b111, (0, GOOD, "")),
        (0b001, bad("detector fault")),
        (0b100, bad("detector fault")),
        (0b110, bad("detector fault")),
        (0b011, bad("detector fault")),
        (1 << 11, bad("calibration")),
    ],
)
def test_detcon_zero_is_not_clean_air_in_fault_or_calibration(status: int, expected: Told) -> None:
    assert only(driver(profile("detcon-1000"), "gas"), words(0, 0, 0, status)) == {"gas": expected}


def test_pemtech_reading_belongs_to_its_kind_of_sensor() -> None:
    of = profile("pemtech-pt495")
    told = only(driver(of, "gas", "gas_tenths", "gas_ppm", "sensor"), words(255, 0x0200))
    assert told == {
        "gas": (255, GOOD, ""),
        "gas-tenths": (25.5, GOOD, ""),
        "gas-ppm": bad("the sensor does not measure toxic gas"),
        "sensor": ("LEL", GOOD, ""),
    }
    doubt = (0, UNCERTAIN, "condition bits are set: look at the detector")
    assert only(driver(of, "gas"), words(0, 0x0201)) == {"gas": doubt}
    assert [exchange.request for exchange in driver(of).encode("reset_alarms", True)] == [bytes.fromhex("06 00 06 00 01")]


def test_draeger_float_high_word_first() -> None:
    of = profile("draeger-polytron-8000")
    device = driver(of, "gas", unit=of.serial.unit)
    (block,) = device.plan()
    assert (block.unit, address_of(block)) == (126, (3, 506, 2))
    assert said(device.decode(block, words(0x4220, 0x0000), 1.0)) == {"gas": (40.0, GOOD, "")}
    assert said(device.decode(block, words(0x7FC0, 0x0000), 2.0)) == {"gas": bad("not a number")}


def test_bacharach_buzzer_is_muted_by_a_zero() -> None:
    assert [exchange.request for exchange in driver(profile("bacharach-mgs-250")).encode("mute", True)] == [bytes.fromhex("06 0F A0 00 00")]


def test_senseair_status_and_value_in_one_read_of_four() -> None:
    of = profile("senseair-s8")
    device = driver(of, "co2", "meter_status", unit=of.serial.unit)
    (block,) = device.plan()
    assert sent(block) == "FE 04 00 00 00 04 E5 C6"
    assert heard(device, block, "FE 04 08 00 00 00 00 00 00 01 90 16 E6") == {"co2": (400, GOOD, ""), "meter-status": (0, GOOD, "")}
    assert said(device.decode(block, words(0x0020, 0, 0, 0, function=4), 2.0)) == {
        "co2": bad("sensor reports an error"),
        "meter-status": (32, GOOD, ""),
    }


def test_senseair_published_reply_that_carries_the_requests_checksum_is_no_value() -> None:
    device = driver(profile("senseair-s8"), "meter_status", unit=254)
    (block,) = device.plan()
    assert heard(device, block, "FE 04 02 03 88 D5 C5") == {"meter-status": bad("bad frame")}
