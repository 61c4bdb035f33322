"""What a device is told, byte by byte. Register facts: the devices' manuals and published drivers."""

from __future__ import annotations

import pytest

from drivers.modbus import ModbusDriver
from gateway.core.wire import Exchange, WireClass
from tests.drivers.golden import bits, driver, point, profile, signal, small


def requests(exchanges: list[Exchange] | None) -> list[str]:
    assert exchanges is not None
    return [exchange.request.hex(" ") for exchange in exchanges]


def relays(write: str, area: str = "holding", more: str = "") -> ModbusDriver:
    """A board with 8 relays from address 1."""
    return ModbusDriver("dev", small(signal("relay{n}", "output", area, 1, f"repeat = {{ count = 8 }}\n{write}\n{more}")), 1, [])


# --- forms of a write ---------------------------------------------------------------------


def test_n4d8b08_is_written_0100_and_0200_and_reads_1_and_0() -> None:
    board = small(signal("relay{n}", "output", "holding", 1, "repeat = { count = 8 }\nwrite = { on = 0x0100, off = 0x0200 }"))
    device = driver(board, "relay3")
    assert requests(device.encode("relay3", True)) == ["06 00 03 01 00"]
    assert requests(device.encode("relay3", False)) == ["06 00 03 02 00"]
    (block,) = device.plan()
    assert [reading.value for reading in device.decode(block, bytes.fromhex("03 02 00 01"), 1.0)] == [True]
    assert [reading.value for reading in device.decode(block, bytes.fromhex("03 02 00 00"), 2.0)] == [False]


def test_waveshare_pulse_is_flash_on_with_a_duration_of_100_ms_each() -> None:
    """FC05 at 0x0200-0x0207, 0x0007 = 700 ms; 0x0001 is 100 ms and not "on"."""
    device = ModbusDriver(
        "dev", small(signal("relay{n}", "output", "coil", 0, "repeat = { count = 8 }\npulse = { address = 0x0200 }")), 1, []
    )
    assert requests(device.pulse("relay1", 0.7)) == ["05 02 00 00 07"]
    assert requests(device.pulse("relay8", 0.1)) == ["05 02 07 00 01"]
    assert requests(device.pulse("relay8", 0.001)) == ["05 02 07 00 01"]
    for duration_s in (25.6, 0.0, -1.0):
        with pytest.raises(ValueError, match=r"at most 25\.5 s"):
            device.pulse("relay1", duration_s)
    assert requests(device.encode("relay2", True)) == ["05 00 01 ff 00"]


def test_a_board_without_a_pulse_says_so() -> None:
    assert relays("").pulse("relay1", 1.0) is None


def test_r421a08_has_its_command_in_the_high_byte_and_its_delay_in_the_low_one() -> None:
    """1 on, 2 off, 6 delay 0-255 s."""
    device = relays('write = { on = 0x0100, off = 0x0200 }\npulse = { area = "holding", address = 1, base = 0x0600, unit_ms = 1000 }')
    assert requests(device.encode("relay5", False)) == ["06 00 05 02 00"]
    assert requests(device.pulse("relay5", 10.0)) == ["06 00 05 06 0a"]


def test_bestep_registers_are_written_by_function_16_and_the_whole_request_comes_back() -> None:
    board = signal("unit_id", "output", "holding", 0, 'type = "u16"\nwrite = { function = 16, reply = "request" }')
    (exchange,) = ModbusDriver("dev", small(board), 255, []).encode("unit_id", 5)
    assert exchange.request == bytes.fromhex("10 00 00 00 01 02 00 05")
    assert (exchange.unit, exchange.reply_bytes, exchange.expect) == (255, 8, exchange.request)


def test_usual_reply_of_function_16_and_15_is_their_first_five_bytes() -> None:
    (exchange,) = relays("write = { function = 16 }", more='type = "u16"').encode("relay1", 258)
    assert (exchange.request, exchange.expect) == (bytes.fromhex("10 00 01 00 01 02 01 02"), bytes.fromhex("10 00 01 00 01"))
    on, off = (relays("write = { function = 15 }", area="coil").encode("relay4", value)[0] for value in (True, False))
    assert (on.request, off.request) == (bytes.fromhex("0F 00 04 00 01 01 01"), bytes.fromhex("0F 00 04 00 01 01 00"))
    assert (on.reply_bytes, on.expect) == (5, bytes.fromhex("0F 00 04 00 01"))


def test_igd_answers_a_code_in_place_of_an_echo() -> None:
    """TOC-635: 0 pass, 1 fail; coil 1 mutes all."""
    of = small(signal("mute", "output", "coil", 1, "write = { on = 1, ack = 0 }"), "address_base = 1")
    (exchange,) = ModbusDriver("dev", of, 1, []).encode("mute", True)
    assert (exchange.request, exchange.expect) == (bytes.fromhex("05 00 00 FF 00"), bytes.fromhex("05 00 00 00 00"))


def test_valpes_broadcast_is_answered_by_nobody() -> None:
    of = small(
        signal(
            "command", "output", "holding", 101, 'type = "u16"\nenum = { 1 = "open", 2 = "close", 4 = "stop" }\nwrite = { reply = "none" }'
        )
    )
    (exchange,) = ModbusDriver("dev", of, 0, []).encode("command", "close")
    assert (exchange.unit, exchange.request) == (0, bytes.fromhex("06 00 65 00 02"))
    assert (exchange.reply_bytes, exchange.expect) == (0, b"")


def test_a_word_of_function_5_that_only_this_board_knows() -> None:
    """Waveshare: 0x5500 toggles."""
    device = relays("write = { on = 0x5500 }", area="coil")
    assert requests(device.encode("relay1", True)) == ["05 00 01 55 00"]


def test_a_command_cannot_be_switched_off() -> None:
    """Megodoor: 0x0004 FF00 = open."""
    device = ModbusDriver("dev", small(signal("open", "output", "coil", 4, "write = { on = 1 }")), 1, [])
    assert requests(device.encode("open", True)) == ["05 00 04 ff 00"]
    with pytest.raises(ValueError, match="cannot be switched off"):
        device.encode("open", False)


def test_an_output_may_be_written_elsewhere_than_it_is_read() -> None:
    """WAGO 750: outputs are read back at 0x0200+ and written at 0+."""
    device = driver(small(signal("do{n}", "output", "coil", 0x200, "repeat = { count = 8 }\nwrite = { address = 0 }")), "do3")
    assert requests(device.encode("do3", True)) == ["05 00 02 ff 00"]
    (block,) = device.plan()
    assert block.request == bytes.fromhex("01 02 02 00 01")
    assert [reading.value for reading in device.decode(block, bits(1, 1, function=1), 1.0)] == [True]


def test_unlock_change_and_save_of_a_vibration_sensor() -> None:
    """WTVB01: 0x0069 = 0xB588, then the change, then 0x0000 = 0; 100 ms after each write."""
    unlock, save = ('[{ area = "holding", address = 0x69, value = 0xB588 }]', '[{ area = "holding", address = 0, value = 0 }]')
    write = f"write = {{ before = {unlock}, after = {save} }}"
    of = small(signal("rate", "output", "holding", 0x65, f'type = "u16"\n{write}'), "[limits]\nwrite_gap_ms = 100\ngap_ms = 10")
    exchanges = ModbusDriver("dev", of, 0x50, []).encode("rate", 200)
    assert requests(exchanges) == ["06 00 69 b5 88", "06 00 65 00 c8", "06 00 00 00 00"]
    assert {exchange.gap_s for exchange in exchanges} == {0.1}
    assert {exchange.wire_class for exchange in exchanges} == {WireClass.LIFE_SAFETY}


def test_a_key_of_two_words_goes_in_one_request() -> None:
    """Midas: 0x015E, 0x3626."""
    key = 'clear = { area = "holding", address = 20, value = 0x015E, further = [0x3626], function = 16 }'
    device = driver(small(signal("a", "latched", "holding", 1, f'type = "u16"\nbit = 0\n{key}')), "a")
    exchange = device.clear("p-a")
    assert exchange is not None
    assert exchange.request == bytes.fromhex("10 00 14 00 02 04 01 5E 36 26")
    assert (exchange.reply_bytes, exchange.expect) == (5, bytes.fromhex("10 00 14 00 02"))


def test_calectro_alarm_reset_is_the_number_234() -> None:
    of = small(signal("reset", "output", "holding", 1, 'type = "u16"\nwrite = { on = 234 }'), "address_base = 1")
    assert requests(ModbusDriver("dev", of, 1, []).encode("reset", True)) == ["06 00 00 00 ea"]


# --- numbers and names --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "value", "request_pdu"),
    [
        ('type = "u32"', 0x12345678, "10 00 01 00 02 04 12 34 56 78"),
        ('type = "u32"\nwords = "low-first"', 0x12345678, "10 00 01 00 02 04 56 78 12 34"),
        ('type = "u32"\nbytes = "little"', 0x12345678, "10 00 01 00 02 04 34 12 78 56"),
        ('type = "s32"', -2, "10 00 01 00 02 04 ff ff ff fe"),
        ('type = "f32"', 40, "10 00 01 00 02 04 42 20 00 00"),
        ('type = "bcd16"', 2359, "06 00 01 23 59"),
        ('type = "bcd32"', 123456, "10 00 01 00 02 04 00 12 34 56"),
        ('type = "u16"\nscale = 0.1', 50.0, "06 00 01 01 f4"),
        ('type = "u16"\nenum = { 16 = "open", 17 = "closed" }', "closed", "06 00 01 00 11"),
        ('type = "text"\nlength = 2\nwrite = { function = 16 }', "AB1", "10 00 01 00 02 04 41 42 31 00"),
        ('type = "text"\nlength = 2\ncharacters = 1', "AB", "10 00 01 00 02 04 00 41 00 42"),
    ],
)
def test_values_are_written_as_they_are_read(settings: str, value: float | str, request_pdu: str) -> None:
    device = driver(small(signal("a", "output", "holding", 1, settings)), "a")
    (exchange,) = device.encode("a", value)
    assert exchange.request == bytes.fromhex(request_pdu)
    (block,) = device.plan()
    data = exchange.request[6:] if exchange.request[0] == 16 else exchange.request[3:]
    (reading,) = device.decode(block, bytes([3, len(data)]) + data, 1.0)
    assert reading.value == value


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ('type = "u16"', 65536),
        ('type = "u16"', -1),
        ('type = "u16"', float("nan")),
        ('type = "f32"', float("inf")),
        ('type = "f32"', 1e39),
        ('type = "bcd16"', 10000),
        ('type = "u16"', "open"),
        ('type = "u16"\nenum = { 1 = "open" }', "shut"),
        ('type = "u16"\nbit = 3', 1),
        ('type = "u8hi"', 1),
        ('type = "text"\nlength = 1', "ABC"),
        ("", "on"),
    ],
)
def test_a_value_that_an_output_cannot_take_is_refused_in_words(settings: str, value: float | str) -> None:
    device = ModbusDriver("dev", small(signal("a", "output", "holding", 1, settings)), 1, [])
    with pytest.raises(ValueError, match=r'device dev: .* cannot be written to "a": '):
        device.encode("a", value)


def test_an_output_of_tested_words_waits_for_the_order() -> None:
    both = signal("a", "output", "holding", 1, 'type = "u32"\nwords = "tested"')
    device = driver(small(both, "[word_order]\naddress = 1000\nexpect = 0x12345678"), "a")
    with pytest.raises(ValueError, match="order of words is not known yet"):
        device.encode("a", 1)
    _, order = device.plan()
    device.decode(order, bytes.fromhex("03 04 56 78 12 34"), 1.0)
    assert requests(device.encode("a", 1)) == ["10 00 01 00 02 04 00 01 00 00"]


# --- commands only in remote --------------------------------------------------------------

ROTORK = signal(
    "close",
    "output",
    "coil",
    1,
    'write = { on = 1, remote_when = { signal = "remote", in = [1], reason = "the selector is not in remote" } }',
) + signal("remote", "contact", "discrete", 5)


def test_rotork_takes_commands_only_while_its_selector_is_in_remote() -> None:
    device = ModbusDriver("dev", small(ROTORK), 1, [])
    (block,) = device.plan()  # the selector is read although no point asks for it
    assert block.request == bytes.fromhex("02 00 05 00 01")
    with pytest.raises(ValueError, match="remote: not read yet"):
        device.encode("close", True)
    device.decode(block, bits(0, 1), 1.0)
    with pytest.raises(ValueError, match="the selector is not in remote"):
        device.encode("close", True)
    device.decode(block, bits(1, 1), 2.0)
    assert requests(device.encode("close", True)) == ["05 00 01 ff 00"]
    assert device.fail(block, "no answer", 3.0) == []
    with pytest.raises(ValueError, match="remote: no answer"):
        device.encode("close", True)


# --- settings, latches, watchdogs ---------------------------------------------------------


def test_settings_are_written_only_where_the_site_lets_them_and_safe_values_come_first() -> None:
    """ICP DAS: safe value of output n at coil 00129+, host watchdog time-out 40489, enable 00261."""
    of = small(
        signal("do{n}", "output", "coil", 1, 'repeat = { count = 2 }\nsafe = { area = "coil", address = 129, stride = 1, value = 0 }'),
        'address_base = 1\nstart = [{ area = "holding", address = 489, value = 50 }, { area = "coil", address = 261 }]',
    )
    assert ModbusDriver("dev", of, 1, []).start() == []
    exchanges = ModbusDriver("dev", of, 1, [], configure=True).start()
    assert requests(exchanges) == ["05 00 80 00 00", "05 00 81 00 00", "06 01 e8 00 32", "05 01 04 ff 00"]
    assert {exchange.wire_class for exchange in exchanges} == {WireClass.STATE}


def test_schiebel_watchdog_bit_is_toggled() -> None:
    """Command word at wire 1, bit 7."""
    feed = '[feed]\nevery_s = 2.0\nalternate = 0\nwrite = { area = "holding", address = 1, value = 0x0080 }'
    device = driver(small(signal("a", "contact", "discrete", 0), feed), "a")
    block = next(block for block in device.plan() if not block.points)
    assert (block.request, block.alternate) == (bytes.fromhex("06 00 01 00 80"), bytes.fromhex("06 00 01 00 00"))
    assert (block.expect, block.reply_bytes) == (block.request, 5)
    assert (block.wire_class, block.period_s) == (WireClass.STATE, 2.0)
    assert device.decode(block, block.request, 1.0) == []
    assert device.fail(block, "no answer", 2.0) == []


def test_a_watchdog_that_is_always_fed_the_same() -> None:
    feed = '[feed]\nevery_s = 1.0\nwrite = { area = "holding", address = 0x1003, value = 1, function = 16 }'
    (block,) = ModbusDriver("dev", small(signal("a", "contact", "discrete", 0), feed), 1, []).plan()
    assert (block.request, block.alternate) == (bytes.fromhex("10 10 03 00 01 02 00 01"), b"")
    assert block.expect == bytes.fromhex("10 10 03 00 01")


def test_a_latch_is_cleared_with_the_class_of_its_point_and_the_echo_as_proof() -> None:
    device = ModbusDriver("dev", profile("icp-das-tm"), 4, [point("di1_latched", WireClass.PANIC, 0.1)])
    exchange = device.clear("p-di1-latched")
    assert exchange is not None
    assert (exchange.wire_class, exchange.expect) == (WireClass.PANIC, bytes.fromhex("05 01 07 FF 00"))


def test_only_writes_of_a_sequence_have_a_time_in_which_they_must_be_sent() -> None:
    of = profile("witmotion-wtvb01-485")
    sequences = [name for name, signal in ((s.name, s) for s in of.signals) if signal.write and signal.write.before]
    assert sequences
    for name in sequences:
        exchanges = driver(of).encode(name, True if of.signals else 1)
        assert len(exchanges) > 1
        assert {exchange.within_s for exchange in exchanges} == {10.0}
    single = driver(profile("waveshare-modbus-rtu-io-8ch")).encode("do1", True)
    assert [exchange.within_s for exchange in single] == [0.0]
