"""Barriers, fast doors, and the vibration sensor of a bollard."""

from __future__ import annotations

import pytest

from gateway.core.reading import Quality
from tests.drivers.golden import address_of, driver, profile, said, words
from tests.drivers.profiles.answers import wire, written

GOOD, BAD = Quality.GOOD, Quality.BAD

# --- CAME GARD PTX ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (16, ("open", GOOD, "")),
        (17, ("closed", GOOD, "")),
        (34, ("partly opening", GOOD, "")),
        (0, (None, BAD, "unknown")),
        (77, ("77", Quality.UNCERTAIN, "unknown code 77")),
    ],
)
def test_came_state_unknown_is_no_state(raw: int, expected: tuple[object, Quality, str]) -> None:
    device = driver(profile("came-gard-ptx"), "state")
    (block,) = device.plan()
    assert address_of(block) == (3, 100, 1)
    assert said(device.decode(block, words(raw), 1.0)) == {"state": expected}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(0, (0, GOOD, "")), (100, (100, GOOD, "")), (101, (None, BAD, "out of range")), (255, (None, BAD, "position unknown"))],
)
def test_came_position_255_is_unknown_and_not_wide_open(raw: int, expected: tuple[object, Quality, str]) -> None:
    device = driver(profile("came-gard-ptx"), "position")
    (block,) = device.plan()
    assert said(device.decode(block, words(raw), 1.0)) == {"position": expected}


def test_came_counters_have_the_low_word_first_and_the_serial_number_two_letters_a_register() -> None:
    device = driver(profile("came-gard-ptx"), "operations", "operations_since_service", "serial_number", "board_class", "board_id")
    device_information, counters = device.plan()
    assert (address_of(device_information), address_of(counters)) == ((3, 0, 11), (3, 104, 4))
    reply = bytes.fromhex("03 16 12 34 00 01 00 02 00 03") + b"CAME0123456789"
    assert said(device.decode(device_information, reply, 1.0)) == {
        "serial-number": ("CAME0123456789", GOOD, ""),
        "board-class": (0x12, GOOD, ""),
        "board-id": (0x34, GOOD, ""),
    }
    assert said(device.decode(counters, bytes.fromhex("03 08 00 02 00 01 00 07 00 00"), 1.0)) == {
        "operations": (65538, GOOD, ""),
        "operations-since-service": (7, GOOD, ""),
    }


def test_came_commands_are_single_words_and_none_depends_on_the_present_state() -> None:
    of = profile("came-gard-ptx")
    device = driver(of)
    outputs = {signal.name: written(device, signal.name) for signal in of.signals if signal.kind == "output"}
    assert outputs == {
        "stop": ["05 00 00 FF 00"],
        "open": ["05 00 01 FF 00"],
        "open_partly": ["05 00 02 FF 00"],
        "close": ["05 00 03 FF 00"],
    }
    with pytest.raises(ValueError, match="cannot be switched off"):
        device.encode("open", False)


# --- Xilang fast door ---------------------------------------------------------------------


def test_xilang_open_is_the_published_frame() -> None:
    (exchange,) = driver(profile("xilang-fast-door")).encode("open", True)
    assert wire(exchange) == "01 05 00 04 FF 00 CD FB"
    assert exchange.expect == bytes.fromhex("05 00 04 FF 00")


def test_xilang_stop_is_a_latch_that_is_written_off_again() -> None:
    device = driver(profile("xilang-fast-door"))
    assert written(device, "stop", True) == ["05 00 0A FF 00"]
    assert written(device, "stop", False) == ["05 00 0A 00 00"]
    assert written(device, "close") == ["05 00 05 FF 00"]
    with pytest.raises(ValueError, match="cannot be switched off"):
        device.encode("close", False)


@pytest.mark.parametrize("names", [("status1",), ("status14",), ("status2", "status9")])
def test_xilang_status_is_read_in_exactly_14_registers(names: tuple[str, ...]) -> None:
    device = driver(profile("xilang-fast-door"), *names)
    (block,) = device.plan()
    assert block.request == bytes.fromhex("03 00 80 00 0E")
    assert not block.spanning, "an answer of exception 2 must not split it"
    readings = said(device.decode(block, words(*range(1, 15)), 1.0))
    assert readings == {name: (int(name.removeprefix("status")), GOOD, "") for name in names}


# --- WitMotion WTVB01-485 -----------------------------------------------------------------


def test_wtvb01_values_are_signed_and_scaled() -> None:
    names = ("acceleration_x", "acceleration_z", "velocity_y", "temperature", "displacement_x", "frequency_z")
    device = driver(profile("witmotion-wtvb01-485"), *names, unit=80)
    (block,) = device.plan()
    assert address_of(block) == (3, 0x34, 19)
    registers = {0x34: 0x0800, 0x36: 0xF800, 0x3B: 12, 0x40: 2371, 0x41: 0xFFFE, 0x46: 501}
    readings = said(device.decode(block, words(*[registers.get(register, 0) for register in range(0x34, 0x47)]), 1.0))
    assert readings == {
        "acceleration-x": (1.0, GOOD, ""),
        "acceleration-z": (-1.0, GOOD, ""),
        "velocity-y": (12, GOOD, ""),
        "temperature": (23.71, GOOD, ""),
        "displacement-x": (-2, GOOD, ""),
        "frequency-z": (50.1, GOOD, ""),
    }


def test_wtvb01_registers_are_those_of_the_manual() -> None:
    """A public driver reads invented ones from 0x3400 on (trap 10)."""
    addresses = [signal.address for signal in profile("witmotion-wtvb01-485").signals if signal.address is not None]
    assert max(addresses) == 0x65


def test_wtvb01_change_is_unlocked_before_and_saved_after() -> None:
    device = driver(profile("witmotion-wtvb01-485"), unit=80)
    exchanges = device.encode("fast_detection", True)
    assert wire(exchanges[0]) == "50 06 00 69 B5 88 22 A1", "the unlock frame as the manual prints it"
    assert [exchange.request.hex(" ").upper() for exchange in exchanges[1:]] == ["06 00 65 00 C8", "06 00 00 00 00"]
    assert written(device, "fast_detection", False)[1] == "06 00 65 00 64"


def test_wtvb01_never_writes_the_register_that_blocks_the_bus() -> None:
    of = profile("witmotion-wtvb01-485")
    device = driver(of, unit=80)
    targets = {
        exchange.request[1:3]
        for signal in of.signals
        if signal.kind == "output"
        for value in (True, False)
        for exchange in device.encode(signal.name, value)
    }
    assert targets == {b"\x00\x69", b"\x00\x65", b"\x00\x00"}
    assert not of.start
