"""Shut-off valves and dampers: what is commanded is no proof; the limit is."""

from __future__ import annotations

import pytest

from drivers.modbus import ModbusDriver
from drivers.modbus_framing import framing_for
from gateway.core.reading import Quality
from gateway.core.wire import Failure
from tests.drivers.golden import address_of, bits, driver, point, profile, said, words
from tests.drivers.modbus_frames import rtu
from tests.drivers.profiles.answers import from_frames, told, written

GOOD, BAD, UNCERTAIN = Quality.GOOD, Quality.BAD, Quality.UNCERTAIN

# --- Rotork IQ ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (0b010, ("closed", GOOD, "")),
        (0b100, ("open", GOOD, "")),
        (0b000, ("between", GOOD, "")),
        (0b110, (None, BAD, "both limits at once")),
    ],
)
def test_rotork_both_limits_at_once_are_no_position(inputs: int, expected: tuple[object, Quality, str]) -> None:
    device = driver(profile("rotork-iq"), "position_state")
    (block,) = device.plan()
    assert address_of(block) == (2, 1, 5), "the limits and, for commands, the selector"
    assert said(device.decode(block, bits(inputs >> 1, 5), 1.0)) == {"position-state": expected}


def test_rotork_inputs_and_registers() -> None:
    device = driver(profile("rotork-iq"), "closed", "remote", "jammed", "restarted", "di4", "position", "torque")
    inputs, registers = device.plan()
    assert (address_of(inputs), address_of(registers)) == ((2, 1, 22), (4, 2, 2))
    states = said(device.decode(inputs, bits((1 << 1 | 1 << 5 | 1 << 15) >> 1, 22), 1.0))
    assert {name for name, (value, *_) in states.items() if value} == {"closed", "remote", "restarted"}
    assert said(device.decode(registers, bytes.fromhex("04 04 00 78 01 F4"), 1.0)) == {
        "torque": (120, GOOD, ""),
        "position": (50.0, GOOD, ""),
    }
    assert said(device.decode(registers, words(0, 1001, function=4), 2.0))["position"] == (None, BAD, "out of range")


def test_rotork_is_commanded_only_while_its_selector_is_in_remote() -> None:
    device = driver(profile("rotork-iq"), "closed")
    with pytest.raises(ValueError, match="not read yet"):
        device.encode("close_valve", True)
    blocks = device.plan()
    assert [address_of(block) for block in blocks] == [(2, 1, 5)], "the selector is read although no point asks for it"
    device.decode(blocks[0], bits(0, 5), 1.0)
    with pytest.raises(ValueError, match="the selector is not in Remote"):
        device.encode("close_valve", True)
    device.decode(blocks[0], bits(0b10000, 5), 2.0)
    assert written(device, "close_valve") == ["05 00 01 FF 00"]
    assert written(device, "open_valve") == ["05 00 02 FF 00"]
    assert written(device, "stop_valve") == ["05 00 00 FF 00"]
    device.fail(blocks[0], "no answer", 3.0)
    with pytest.raises(ValueError, match="no answer"):
        device.encode("open_valve", True)


def test_rotork_emergency_shut_down_is_tried_in_any_case() -> None:
    assert written(driver(profile("rotork-iq"), "closed"), "emergency_shut_down") == ["05 00 03 FF 00"]


def test_rotork_commands_are_not_taken_back_by_writing_0() -> None:
    """Page 51: the actuator keeps a command; so there is no "off" to send."""
    with pytest.raises(ValueError, match="cannot be switched off"):
        driver(profile("rotork-iq"), "closed").encode("emergency_shut_down", False)


# --- Valpes ER+ ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position", "fault", "expected"),
    [(2, 0, ("closed", "none", False)), (17, 0, ("opening", "none", False)), (3, 1, ("between", "over-torque", True))],
)
def test_valpes_position_and_fault(position: int, fault: int, expected: tuple[str, str, bool]) -> None:
    device = driver(profile("valpes-er-plus"), "position", "fault_kind", "fault")
    (block,) = device.plan()
    assert address_of(block) == (3, 103, 4)
    readings = said(device.decode(block, words(position, 0, 0, fault), 1.0))
    assert tuple(readings[name][0] for name in ("position", "fault-kind", "fault")) == expected


def test_valpes_commands_are_numbers_in_one_register() -> None:
    device = driver(profile("valpes-er-plus"))
    commands = [written(device, f"{command}_valve") for command in ("open", "close", "stop")]
    assert commands == [["06 00 65 00 01"], ["06 00 65 00 02"], ["06 00 65 00 04"]]


# --- Siemens GBB/GMA ----------------------------------------------------------------------


def test_siemens_position_is_in_hundredths_and_status_is_bits() -> None:
    device = driver(profile("siemens-gbb-mo"), "position", "override", "backup_active", "jammed", "type_name")
    replies = {1: words(2, 5000), 768: words(0b1_0010), 1408: bytes.fromhex("03 10") + b"GMA161.1E/MO\0\0\0\0"}
    assert told(device, replies) == {
        "position": (50.0, GOOD, ""),
        "override": ("close", GOOD, ""),
        "backup-active": (True, GOOD, ""),
        "jammed": (True, GOOD, ""),
        "type-name": ("GMA161.1E/MO", GOOD, ""),
    }


def test_siemens_takes_its_own_action_when_the_bus_is_lost_where_the_site_lets_it_be_set() -> None:
    of = profile("siemens-gbb-mo")
    device = ModbusDriver("dev", of, 1, [point("position")], configure=True)
    assert [exchange.request.hex(" ").upper() for exchange in device.start()] == [
        "06 02 00 00 00",  # 513: go to the backup position
        "06 02 01 00 00",  # 514: which is 0 %
        "06 02 02 00 1E",  # 515: after 30 s
    ]
    assert driver(of, "position").start() == []
    assert written(device, "hold_closed", True) == ["06 00 01 00 02"]
    assert written(device, "hold_closed", False) == ["06 00 01 00 00"]


# --- Fisher D3 ----------------------------------------------------------------------------

IDENTITY = "B3 8C"


def test_fisher_position_frames_of_the_manual() -> None:
    """D103460X012 p. 36: the read of 40010, and 0 % as the answer."""
    device = ModbusDriver("dev", profile("fisher-d3").model_copy(update={"identity": None}), 1, [point("position")])
    (block,) = device.plan()
    assert from_frames(device, block, "01 03 00 09 00 01 54 08", "01 03 02 00 00 B8 44") == {"position": (0, GOOD, "")}


def test_fisher_counts_as_one_only_with_its_test_register() -> None:
    device = driver(profile("fisher-d3"), "position", "movements")
    (block,) = device.plan()
    assert address_of(block) == (3, 8, 6)
    reply = bytes.fromhex("03 0C" + IDENTITY + "00 2A 00 2A 00 00 00 05 00 01")
    assert said(device.decode(block, reply, 1.0)) == {"position": (42, GOOD, ""), "movements": (65541, GOOD, "")}
    wrong = said(device.decode(block, bytes.fromhex("03 0C 00 00 00 2A 00 2A 00 00 00 05 00 01"), 2.0))
    assert {quality for _, quality, _ in wrong.values()} == {BAD}
    assert wrong["position"][2].startswith("wrong device")


def test_fisher_exception_frame_of_the_manual_is_not_taken_for_success() -> None:
    """It lacks the 0x80 and its CRC is wrong (trap 12); the device is taken to answer as Modbus asks."""
    device = driver(profile("fisher-d3"))
    (exchange,) = device.encode("valve_open", True)
    framing = framing_for("rtu")
    framing.encode(exchange.unit, exchange.request, exchange.reply_bytes)
    assert framing.feed(bytes.fromhex("01 06 00 18 21")) is None
    assert framing.give_up().failure is Failure.BAD_FRAME
    framing.encode(exchange.unit, exchange.request, exchange.reply_bytes)
    refused = framing.feed(rtu(1, b"\x86\x04"))
    assert refused is not None
    assert (refused.failure, refused.exception) == (Failure.EXCEPTION, 4)


def test_fisher_off_demands_0_percent_and_the_reset_is_not_offered() -> None:
    """Trap 12: text and table disagree where the reset register lies."""
    of = profile("fisher-d3")
    device = ModbusDriver("dev", of, 1, [point("position")], configure=True)
    assert written(device, "valve_open", True) == ["06 00 00 00 64"]
    assert written(device, "valve_open", False) == ["06 00 00 00 00"]
    assert [exchange.request.hex(" ").upper() for exchange in device.start()] == ["06 00 22 00 00", "06 00 25 00 3C"]
    assert [signal.name for signal in of.signals if signal.kind == "output"] == ["valve_open"]


# --- Schiebel ACTUSMART -------------------------------------------------------------------


def test_schiebel_watchdog_bit_toggles_and_a_feed_carries_no_command() -> None:
    (feed,) = driver(profile("schiebel-actusmart")).plan()
    assert (feed.request, feed.alternate) == (bytes.fromhex("06 00 01 00 80"), bytes.fromhex("06 00 01 00 00"))
    assert (feed.period_s, feed.points) == (1.0, ())


def test_schiebel_commands_are_latched_ones_that_the_next_feed_does_not_take_back() -> None:
    of = profile("schiebel-actusmart")
    device = driver(of)
    commands = {signal.name: written(device, signal.name) for signal in of.signals if signal.kind == "output"}
    assert commands == {"open_valve": ["06 00 01 01 00"], "close_valve": ["06 00 01 02 00"], "stop_valve": ["06 00 01 00 04"]}


def test_schiebel_is_read_one_register_at_a_time() -> None:
    device = driver(profile("schiebel-actusmart"), "position", "position_state", "not_ready", "motor_hot")
    blocks = [block for block in device.plan() if block.points]
    assert [address_of(block) for block in blocks] == [(3, 0x0100, 1), (3, 0x0101, 1)]
    readings = said(device.decode(blocks[0], words(1023), 1.0)) | said(device.decode(blocks[1], words(0b1000_0100), 1.0))
    assert readings.pop("position")[0] == pytest.approx(100.0)
    assert readings == {
        "position-state": ("closed", GOOD, ""),
        "not-ready": (True, GOOD, ""),
        "motor-hot": (True, GOOD, ""),
    }


# --- Samson 3374 --------------------------------------------------------------------------


def test_samson_proves_itself_by_its_type_number() -> None:
    device = driver(profile("samson-3374"), "positioning_value")
    identity, value = device.plan()
    assert (address_of(identity), address_of(value)) == ((3, 0, 1), (3, 11, 1))
    assert said(device.decode(value, words(755), 1.0)) == {}
    assert said(device.decode(identity, words(3374), 1.0)) == {"positioning-value": (75.5, GOOD, "")}


def test_samson_busy_is_an_exception_that_is_asked_again() -> None:
    device = driver(profile("samson-3374"), "positioning_value")
    block = device.plan()[0]
    framing = framing_for("rtu")
    framing.encode(1, block.request, block.reply_bytes)
    busy = framing.feed(rtu(1, b"\x83\x06"))
    assert busy is not None
    assert (busy.failure, busy.exception) == (Failure.EXCEPTION, 6)
