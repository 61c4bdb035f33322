"""Smoke detectors and fire panels: a head that is off, a device that is not installed, is never "no fire"."""

from __future__ import annotations

import pytest

from gateway.core.reading import Quality
from tests.drivers.golden import address_of, bits, driver, profile, said, words
from tests.drivers.profiles.answers import from_frames, wire, written

GOOD, BAD = Quality.GOOD, Quality.BAD

# --- Calectro UG-3 ------------------------------------------------------------------------

MOUNTED, SERVICE, SMOKE, RELAY = 1, 2, 4, 8


@pytest.mark.parametrize(
    ("inputs", "smoke", "head_off"),
    [
        (MOUNTED, (False, GOOD, ""), False),
        (MOUNTED | SERVICE, (False, GOOD, ""), False),
        (MOUNTED | SMOKE | RELAY, (True, GOOD, ""), False),
        (0, (None, BAD, "loop open"), True),
        (SMOKE, (True, GOOD, ""), True),
    ],
)
def test_ug3_without_its_head_does_not_say_no_smoke(inputs: int, smoke: tuple[object, Quality, str], head_off: bool) -> None:
    device = driver(profile("calectro-ug3"), "smoke", "head_off", "service")
    (block,) = device.plan()
    assert address_of(block) == (2, 0, 3)
    readings = said(device.decode(block, bits(inputs & 7, 3), 1.0))
    assert readings == {
        "smoke": smoke,
        "head-off": (head_off, GOOD, ""),
        "service": (bool(inputs & SERVICE), GOOD, ""),
    }


def test_ug3_is_reset_by_its_code_and_its_relay_is_never_forced() -> None:
    device = driver(profile("calectro-ug3"), "smoke", unit=7)
    assert written(device, "reset") == ["06 00 00 00 EA"]
    assert [signal.name for signal in profile("calectro-ug3").signals if signal.kind == "output"] == ["reset"]


# --- Notifier MODBUS-GW -------------------------------------------------------------------

ACTIVE, TROUBLE, DISABLED, ENABLED = 0x0800, 0x2000, 0x0200, 0x0400


@pytest.mark.parametrize(
    ("register", "fire"),
    [
        (0x0000, (False, GOOD, "")),
        (ENABLED, (False, GOOD, "")),
        (ACTIVE | 0x10, (True, GOOD, "")),
        (ACTIVE | ENABLED | 0x10, (True, GOOD, "")),
        (0x8000 | 0x4000 | ACTIVE | 0x0100 | 0x10, (True, GOOD, "")),  # acknowledged, pre-alarm: still a fire
        (0x10, (False, GOOD, "")),  # the type of event counts only while the device is active
        (ACTIVE | 0x14, (False, GOOD, "")),  # CO
        (ACTIVE | 0x30, (False, GOOD, "")),  # supervisory
        (0x00FF, (None, BAD, "loop open")),
        (ACTIVE | 0x00FF, (None, BAD, "loop open")),
        (DISABLED, (None, BAD, "loop open")),
        (DISABLED | ACTIVE | 0x10, (True, GOOD, "")),
        (TROUBLE, (None, BAD, "loop open")),
        (TROUBLE | ACTIVE | 0x10, (True, GOOD, "")),  # an uncertain value would raise no alarm
    ],
)
def test_modbus_gw_fire_is_bit_11_with_type_0x10(register: int, fire: tuple[object, Quality, str]) -> None:
    device = driver(profile("notifier-modbus-gw"), "loop1_detector1_fire")
    (block,) = device.plan()
    assert said(device.decode(block, words(register), 1.0)) == {"loop1-detector1-fire": fire}


def test_modbus_gw_one_register_says_all_of_a_device() -> None:
    names = [f"loop1_module3_{what}" for what in ("active", "absent", "event", "prealarm", "trouble", "disabled")]
    device = driver(profile("notifier-modbus-gw"), *names)
    (block,) = device.plan()
    assert said(device.decode(block, words(0x6840), 1.0)) == {
        "loop1-module3-active": (True, GOOD, ""),
        "loop1-module3-absent": (False, GOOD, ""),
        "loop1-module3-event": (0x40, GOOD, ""),
        "loop1-module3-prealarm": (True, GOOD, ""),
        "loop1-module3-trouble": (True, GOOD, ""),
        "loop1-module3-disabled": (False, GOOD, ""),
    }


@pytest.mark.parametrize(
    ("signal", "address"),
    [
        ("loop1_detector1_fire", 0),
        ("loop1_detector159_fire", 158),
        ("loop1_module1_fire", 200),
        ("loop2_detector1_fire", 400),
        ("loop2_module159_fire", 758),
        ("panel_silenced", 9499),
    ],
)
def test_modbus_gw_addresses_count_from_1_and_a_loop_has_400(signal: str, address: int) -> None:
    (block,) = driver(profile("notifier-modbus-gw"), signal).plan()
    assert address_of(block) == (3, address, 1)


def test_modbus_gw_offers_no_command() -> None:
    assert not [signal.name for signal in profile("notifier-modbus-gw").signals if signal.kind == "output"]


# --- Jade Bird ----------------------------------------------------------------------------


@pytest.mark.parametrize(("signal", "register"), [("loop1_1_not_normal", 257), ("loop2_1_not_normal", 513), ("loop4_255_not_normal", 1279)])
def test_jade_bird_register_is_loop_times_256_plus_address(signal: str, register: int) -> None:
    (block,) = driver(profile("jade-bird"), signal).plan()
    assert address_of(block) == (3, register, 1)


def test_jade_bird_asks_for_50_registers_at_most() -> None:
    plan = driver(profile("jade-bird"), *[f"loop1_{n}_not_normal" for n in range(1, 126)]).plan()
    assert [address_of(block) for block in plan] == [(3, 257, 50), (3, 307, 50), (3, 357, 25)]


def test_jade_bird_every_code_but_0_is_not_normal_and_shown() -> None:
    device = driver(profile("jade-bird"), "loop1_1_not_normal", "loop1_2_not_normal", "loop1_2_code")
    (block,) = device.plan()
    assert said(device.decode(block, bytes.fromhex("03 04 00 00 00 02"), 1.0)) == {
        "loop1-1-not-normal": (False, GOOD, ""),
        "loop1-2-not-normal": (True, GOOD, ""),
        "loop1-2-code": (2, GOOD, ""),
    }


# --- beacons ------------------------------------------------------------------------------


def test_cn_sounder_is_given_50_ms_between_commands() -> None:
    device = driver(profile("cn-sounder-modbus"))
    (exchange,) = device.encode("all_off", True)
    assert wire(exchange) == "01 05 00 00 FF 00 8C 3A"
    assert exchange.gap_s == 0.05
    assert device.plan() == []


def test_la6_poe_reply_of_the_manual() -> None:
    """LA6-POE manual p. 49: first light on, second flashing, the rest off, buzzer pattern 1."""
    names = [f"tier{n}_state" for n in range(1, 6)]
    device = driver(profile("patlite-la6-poe"), *names, "buzzer_pattern", "tier2")
    (block,) = device.plan()
    request, reply = "00 01 00 00 00 06 01 03 00 00 00 06", "00 01 00 00 00 0F 01 03 0C 00 01 00 02 00 00 00 00 00 00 00 01"
    readings = from_frames(device, block, request, reply, "tcp")
    assert [readings[name.replace("_", "-")][0] for name in names] == ["on", "flashing", "off", "off", "off"]
    assert readings["buzzer-pattern"] == (1, GOOD, "")
    assert readings["tier2"] == (True, GOOD, ""), "what is read is 2, what was written 0x0102"


def test_la6_poe_inputs_of_the_manual() -> None:
    """LA6-POE manual p. 48: contact input 2 is on."""
    device = driver(profile("patlite-la6-poe"), *[f"di{n}" for n in range(1, 9)])
    (block,) = device.plan()
    assert block.request == bytes.fromhex("02 00 00 00 08")
    readings = said(device.decode(block, bytes.fromhex("02 01 02"), 1.0))
    assert [name for name, (value, *_) in readings.items() if value] == ["di2"]


@pytest.mark.parametrize(
    ("output", "value", "request_unit"),
    [
        ("tier1", True, "06 00 00 01 01"),
        ("tier1", False, "06 00 00 01 00"),
        ("tier5_flash", True, "06 00 04 01 02"),
        ("buzzer", True, "06 00 05 01 01"),
        ("buzzer", False, "06 00 05 01 00"),
        ("clear", True, "06 00 07 00 01"),
        ("mute", False, "06 00 08 00 00"),
    ],
)
def test_la6_poe_is_told_with_a_high_byte_that_says_do_it(output: str, value: bool, request_unit: str) -> None:
    assert written(driver(profile("patlite-la6-poe")), output, value) == [request_unit]
