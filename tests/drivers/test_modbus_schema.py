"""What the profile schema can say of a value, each with the device that needs it. Register facts: the devices' manuals."""

from __future__ import annotations

import pytest

from drivers.modbus import ModbusDriver
from gateway.config.plain import plain
from gateway.config.profile_modbus import ModbusProfile
from gateway.core.reading import Quality
from gateway.core.wire import WireClass
from tests.drivers.golden import address_of, bits, derived, driver, floats, point, profile, said, signal, small, words

GOOD, BAD, UNCERTAIN = Quality.GOOD, Quality.BAD, Quality.UNCERTAIN


def one(of: ModbusProfile, *registers: int, name: str = "a", function: int = 3) -> tuple[object, Quality, str]:
    """What signal a says when its block holds these registers."""
    device = driver(of, name)
    (block,) = device.plan()
    return said(device.decode(block, words(*registers, function=function), 1.0))[name]


def measurement(more: str, top: str = "") -> ModbusProfile:
    return small(signal("a", "measurement", "holding", 0, more), top)


# --- addresses ----------------------------------------------------------------------------


def test_addresses_of_a_manual_that_counts_from_one() -> None:
    """Draeger Polytron 8000: register 40507 is wire 506; 40.0 = 0x42200000, high word first."""
    of = small(signal("a", "measurement", "holding", 507, 'type = "f32"'), "address_base = 1")
    (block,) = driver(of, "a").plan()
    assert block.request == bytes.fromhex("03 01 FA 00 02")
    assert one(of, 0x4220, 0x0000) == (40.0, GOOD, "")


def test_a_base_set_on_the_device_shifts_everything() -> None:
    """MSA X3 reads "Base + n"."""
    of = small(
        signal("a", "latched", "coil", 3, "clear = { area = 'coil', address = 9 }")
        + signal("o", "output", "coil", 4)
        + signal("p", "output", "coil", 5, "pulse = { address = 0x20 }\nsafe = { area = 'coil', address = 0x30 }"),
        'address_base = 1\nstart = [{ area = "holding", address = 7, value = 2 }]\n[identity]\naddress = 11\nexpect = 1',
    )
    device = ModbusDriver("dev", of, 1, [point("a")], address_offset=0x100, configure=True)
    assert [block.request.hex(" ") for block in device.plan()] == ["01 01 02 00 01", "03 01 0a 00 01"]
    clear = device.clear("p-a")
    assert clear is not None
    assert clear.request == bytes.fromhex("05 01 08 FF 00")
    assert device.encode("o", True)[0].request == bytes.fromhex("05 01 03 FF 00")
    pulse = device.pulse("p", 0.5)
    assert pulse is not None
    assert pulse[0].request == bytes.fromhex("05 01 1F 00 05")
    assert [exchange.request.hex(" ") for exchange in device.start()] == ["05 01 2f ff 00", "06 01 06 00 02"]


@pytest.mark.parametrize("offset", [-1, 65535])
def test_an_address_off_the_wire_names_its_signal(offset: int) -> None:
    of = small(signal("a", "measurement", "holding", 0, 'type = "u32"'))
    with pytest.raises(ValueError, match='signal "a": wire address'):
        ModbusDriver("dev", of, 1, [], address_offset=offset)


def test_unit_0_is_a_real_address_and_delay_comes_from_the_profile_unless_the_site_says_otherwise() -> None:
    of = measurement('type = "u16"', "[limits]\ndelay_ms = 30")
    (block,) = driver(of, "a", unit=0).plan()
    assert (block.unit, block.delay_s) == (0, 0.03)
    (block,) = ModbusDriver("dev", of, 1, [point("a")], delay_ms=0).plan()
    assert block.delay_s == 0.0


# --- numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "registers", "expected"),
    [
        ('type = "u16"\nbytes = "little"', (0x3412,), 0x1234),
        ('type = "u32"\nbytes = "little"', (0x3412, 0x7856), 0x12345678),
        ('type = "u32"\nbytes = "little"\nwords = "low-first"', (0x7856, 0x3412), 0x12345678),
        ('type = "f32"\nbytes = "little"', (0x4842, 0x0000), 50.0),
        ('type = "u16"\nbytes = "little"\nbit = 8\nbits = 4', (0x0700,), 0),
        ('type = "u8hi"\nbytes = "little"', (0x3412,), 0x12),
        ('type = "bcd16"', (0x2359,), 2359),
        ('type = "bcd16"\nscale = 0.1', (0x0235,), 23.5),
        ('type = "bcd32"', (0x0012, 0x3456), 123456),
        ('type = "bcd32"\nwords = "low-first"', (0x3456, 0x0012), 123456),
    ],
)
def test_numbers(settings: str, registers: tuple[int, ...], expected: float) -> None:
    value, quality, _ = one(measurement(settings), *registers)
    assert (value, quality) == (expected, GOOD)


@pytest.mark.parametrize("register", [0x00A0, 0xFFFF, 0x1F00, 0x000B])
def test_a_digit_above_nine_is_no_bcd(register: int) -> None:
    assert one(measurement('type = "bcd16"'), register) == (None, BAD, "not BCD")


def test_a_sentinel_of_a_bcd_register_is_written_as_it_stands_there() -> None:
    assert one(measurement('type = "bcd16"\nsentinels = { 0xFFFF = "no sensor" }'), 0xFFFF) == (None, BAD, "no sensor")


def test_text_of_one_character_in_each_register() -> None:
    """Bender RCMB300: strings from register 1002, low byte."""
    of = small(signal("a", "text", "holding", 1002, 'type = "text"\nlength = 5\ncharacters = 1'))
    assert one(of, 0x0052, 0x0043, 0x004D, 0x0000, 0x0058) == ("RCM", GOOD, "")


def test_text_with_swapped_bytes() -> None:
    of = small(signal("a", "text", "holding", 0, 'type = "text"\nlength = 2\nbytes = "little"'))
    assert one(of, 0x4241, 0x0043) == ("ABC", GOOD, "")


def test_sign_in_another_register() -> None:
    """RKI Beacon 410 keeps sign and decimals in a register of their own."""
    of = small(
        signal("a", "measurement", "holding", 0, 'type = "u16"\nsign_from = "sign"\nexponent_from = "dp"')
        + signal("sign", "measurement", "holding", 1, 'type = "u16"\nbit = 8')
        + signal("dp", "measurement", "holding", 1, 'type = "u16"\nbit = 0\nbits = 2')
    )
    assert one(of, 125, 0x0101) == (-12.5, GOOD, "")
    assert one(of, 125, 0x0002) == (1.25, GOOD, "")


@pytest.mark.parametrize(("exponent", "reason"), [(float("nan"), "nan"), (float("inf"), "inf"), (1.5, "1.5"), (-1.0, "-1.0")])
def test_an_exponent_that_is_none_never_gives_a_value(exponent: float, reason: str) -> None:
    of = small(
        signal("a", "measurement", "holding", 0, 'type = "u16"\nexponent_from = "dp"')
        + signal("dp", "measurement", "holding", 1, 'type = "f32"')
    )
    assert one(of, 125, *floats(exponent)) == (None, BAD, f"decimal exponent {reason} out of range")


# --- order of words, tested ---------------------------------------------------------------

BENDER = signal("a", "measurement", "holding", 8004, 'type = "f32"\nwords = "tested"\nunit = "mA"') + signal(
    "n", "counter", "holding", 8008, 'type = "u32"'
)
BENDER_TOP = "[word_order]\naddress = 1000\nexpect = 0x12345678"


def test_bender_word_order_is_found_out_before_anything_is_said() -> None:
    """RCMB300: register 1000 always reads 0x12345678; 30.5 mA = 0x41F40000."""
    device = driver(small(BENDER, BENDER_TOP), "a", "n")
    order, values = device.plan()
    assert [address_of(block) for block in (order, values)] == [(3, 1000, 2), (3, 8004, 6)]
    assert said(device.decode(values, words(0x0000, 0x41F4, 0, 0, 0, 7), 1.0)) == {"n": (7, GOOD, "")}
    assert said(device.decode(order, words(0x5678, 0x1234), 1.1)) == {"a": (30.5, GOOD, "")}
    assert said(device.decode(values, words(0x0000, 0x4248, 0, 0, 0, 7), 2.0)) == {"a": (50.0, GOOD, "")}


def test_bender_high_word_first() -> None:
    device = driver(small(BENDER, BENDER_TOP), "a")
    order, values = device.plan()
    assert device.decode(order, words(0x1234, 0x5678), 1.0) == []
    assert said(device.decode(values, words(0x41F4, 0x0000), 1.1)) == {"a": (30.5, GOOD, "")}


def test_a_word_order_register_with_another_number_is_no_order() -> None:
    device = driver(small(BENDER, BENDER_TOP), "a", "n")
    order, values = device.plan()
    unknown = (None, BAD, "word order register holds 0x34127856")
    assert said(device.decode(order, words(0x3412, 0x7856), 1.0)) == {"a": unknown}
    assert said(device.decode(values, words(0x41F4, 0, 0, 0, 0, 7), 1.1)) == {"n": (7, GOOD, "")}
    assert said(device.decode(order, words(0x1234, 0x5678), 2.0)) == {"a": (30.5, GOOD, "")}


def test_a_word_order_that_cannot_be_read_is_bad_until_it_can_and_stays_known_for_a_miss() -> None:
    device = driver(small(BENDER, BENDER_TOP), "a")
    order, values = device.plan()
    assert said(device.fail(order, "no answer", 1.0)) == {"a": (None, BAD, "word order: no answer")}
    device.decode(values, words(0x41F4, 0x0000), 1.1)
    assert said(device.decode(order, words(0x1234, 0x5678), 2.0)) == {"a": (30.5, GOOD, "")}
    assert device.fail(order, "no answer", 3.0) == []
    assert said(device.decode(values, words(0x4248, 0x0000), 3.1)) == {"a": (50.0, GOOD, "")}


def test_word_order_is_found_out_anew_after_a_silence() -> None:
    """The unit may have been exchanged; no value is read in the old order."""
    device = driver(small(BENDER, BENDER_TOP), "a")
    order, values = device.plan()
    device.decode(order, words(0x1234, 0x5678), 1.0)
    device.decode(values, words(0x41F4, 0x0000), 1.1)
    device.lost("no answer", 2.0)
    assert said(device.decode(values, words(0x0000, 0x41F4), 9.0)) == {"a": (None, BAD, "word order: no answer")}
    assert said(device.decode(order, words(0x5678, 0x1234), 9.1)) == {"a": (30.5, GOOD, "")}


# --- contacts -----------------------------------------------------------------------------

DETCON = (
    signal("fault", "contact", "holding", 4, 'type = "u16"\nbit = 0\nsense_from = "fault_normal"')
    + signal("fault_normal", "contact", "holding", 4, 'type = "u16"\nbit = 2')
    + signal("a1", "contact", "holding", 4, 'type = "u16"\nbit = 3\nsense_from = "a1_normal"')
    + signal("a1_normal", "contact", "holding", 4, 'type = "u16"\nbit = 5')
    + signal("a2", "contact", "holding", 4, 'type = "u16"\nbit = 7\nsense_from = "a2_normal"')
    + signal("a2_normal", "contact", "holding", 4, 'type = "u16"\nbit = 9')
)


@pytest.mark.parametrize(
    ("register", "active"),
    [
        (0b00_0000_0101, set()),  # fault relay energised, and normally so
        (0b00_0000_0100, {"fault"}),  # it dropped out
        (0b00_0000_0001, {"fault"}),  # energised although normally not
        (0b00_0000_1101, {"a1"}),
        (0b00_0010_1101, set()),
        (0b00_0010_0101, {"a1"}),
        (0b10_0000_0101, {"a2"}),
        (0b10_1000_0101, set()),
        (0b00_1000_0101, {"a2"}),
    ],
)
def test_detcon_relay_is_active_when_it_is_not_as_it_normally_is(register: int, active: set[str]) -> None:
    device = driver(small(DETCON), "fault", "a1", "a2")
    (block,) = device.plan()
    assert address_of(block) == (3, 4, 1)
    readings = said(device.decode(block, words(register), 1.0))
    assert {name for name, (value, *_) in readings.items() if value} == active
    assert {quality for _, quality, _ in readings.values()} == {GOOD}


XRL = signal("fault", "contact", "holding", 105, 'type = "u16"\nbit = 6\nor_with = ["fault5"]') + signal("fault5", "contact", "discrete", 9)


def test_or_with_is_active_when_either_is_and_unknown_when_neither_is_and_one_is_silent() -> None:
    """XRL's manual names bit 5 and bit 6 as the fault bit."""
    device = driver(small(XRL), "fault")
    other, own = device.plan()
    assert device.decode(own, words(0x0000), 1.0) == []  # the other may still be active
    assert said(device.decode(other, bits(1, 1), 1.1)) == {"fault": (True, GOOD, "")}
    assert said(device.decode(other, bits(0, 1), 2.0)) == {"fault": (False, GOOD, "")}
    assert said(device.fail(other, "no answer", 3.0)) == {"fault": (None, BAD, "fault5: no answer")}
    assert said(device.decode(own, words(0x0040), 4.0)) == {"fault": (True, GOOD, "")}
    assert said(device.fail(own, "no answer", 5.0)) == {"fault": (None, BAD, "no answer")}
    assert said(device.decode(other, bits(1, 1), 6.0)) == {"fault": (True, GOOD, "")}


LOOP = signal(
    "a",
    "contact",
    "input",
    0,
    'type = "u16"\nbit = 0\nbits = 16\nloop = { "0-199" = "short", "200-499" = "active", "500-899" = "normal", "900-1023" = "open" }',
)


@pytest.mark.parametrize(
    ("raw", "inverted", "expected"),
    [
        (700, False, (False, GOOD, "")),
        (300, False, (True, GOOD, "")),
        (700, True, (True, GOOD, "")),
        (300, True, (False, GOOD, "")),
        (950, False, (None, BAD, "loop open")),
        (950, True, (None, BAD, "loop open")),
        (0, True, (None, BAD, "loop short")),
        (1024, False, (None, BAD, "1024 is no state of this loop")),
    ],
)
@pytest.mark.parametrize("invert", [False, True])
def test_four_states_of_a_supervised_loop(raw: int, inverted: bool, expected: tuple[object, Quality, str], invert: bool) -> None:
    of = small(LOOP + f"invert = {str(invert).lower()}\n")
    device = ModbusDriver("dev", of, 1, [point("a", inverted=inverted)])
    (block,) = device.plan()
    value, quality, reason = expected
    assert said(device.decode(block, words(raw, function=4), 1.0)) == {
        "a": (value if value is None or not invert else not value, quality, reason)
    }


def test_loop_measured_as_a_float_has_no_gaps_between_its_ranges() -> None:
    of = small(signal("a", "contact", "input", 0, 'type = "f32"\nloop = { "0-4" = "normal", "5-9" = "active" }'))
    assert one(of, *floats(4.7), function=4) == (False, GOOD, "")
    assert one(of, *floats(float("nan")), function=4)[1] is BAD


DOUBLE = (
    signal("no", "contact", "discrete", 0)
    + signal("nc", "contact", "discrete", 1, "invert = true")
    + derived("button", "contact", ["no", "nc"], {"00": "normal", "11": "active", "01": "open", "10": "short"})
)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (0b10, (False, GOOD, "")),  # at rest: the normally open one is open, the normally closed one closed
        (0b01, (True, GOOD, "")),
        (0b00, (None, BAD, "loop open")),
        (0b11, (None, BAD, "loop short")),
    ],
)
def test_double_contact_button_tells_a_cut_cable_from_a_press(inputs: int, expected: tuple[object, Quality, str]) -> None:
    device = ModbusDriver("dev", small(DOUBLE), 1, [point("button", WireClass.PANIC, 0.05)])
    (block,) = device.plan()
    assert (address_of(block), block.wire_class, block.points) == ((2, 0, 2), WireClass.PANIC, ("p-button",))
    assert said(device.decode(block, bits(inputs, 2), 1.0)) == {"button": expected}


BOLLARD = (
    signal("up", "contact", "discrete", 0)
    + signal("down", "contact", "discrete", 1)
    + derived(
        "position", "enum", ["up", "down"], {"10": "up", "01": "down", "00": "between", "11": "both limits at once"},
        'bad = ["both limits at once"]\n',
    )
)  # fmt: skip


def test_position_of_a_bollard_from_its_limit_switches() -> None:
    device = driver(small(BOLLARD), "position")
    (block,) = device.plan()
    assert [said(device.decode(block, bits(state, 2), 1.0))["position"] for state in (0b01, 0b00, 0b10, 0b11)] == [
        ("up", GOOD, ""),
        ("between", GOOD, ""),
        ("down", GOOD, ""),
        (None, BAD, "both limits at once"),
    ]
    assert said(device.fail(block, "no answer", 2.0)) == {"position": (None, BAD, "up: no answer")}


def test_states_that_the_table_does_not_name_are_bad_and_x_stands_for_either() -> None:
    of = small(
        signal("a", "contact", "discrete", 0)
        + signal("b", "contact", "discrete", 1)
        + derived("c", "contact", ["a", "b"], {"1x": "active", "00": "normal"})
    )
    device = driver(of, "c")
    (block,) = device.plan()
    assert [said(device.decode(block, bits(state, 2), 1.0)).get("c") for state in (0b01, 0b11, 0b00, 0b10)] == [
        (True, GOOD, ""),
        None,  # 11 is active too: nothing new
        (False, GOOD, ""),
        (None, BAD, "a, b cannot be 01"),
    ]


# --- codes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (115.0, (None, BAD, "device error")),
        (420.0, ("RMS fault", GOOD, "")),
        (1000.0, ("reserved", GOOD, "")),
        (420.5, ("420.5", UNCERTAIN, "unknown code 420.5")),
        (7.0, ("7", UNCERTAIN, "unknown code 7")),
        (float("nan"), (None, BAD, "not a number")),
        (float("-inf"), (None, BAD, "not a number")),
    ],
)
def test_bender_status_code_delivered_as_a_float(raw: float, expected: tuple[object, Quality, str]) -> None:
    of = small(
        signal(
            "a", "enum", "holding", 8006,
            'type = "f32"\nenum = { 115 = "device error", 420 = "RMS fault", "900-1020" = "reserved" }\nbad = ["device error"]',
        )
    )  # fmt: skip
    assert one(of, *floats(raw)) == expected


def test_a_single_code_goes_before_the_range_around_it() -> None:
    of = small(signal("a", "enum", "holding", 0, 'type = "u16"\nenum = { "1-999" = "warning", 0 = "ok", 103 = "hot" }'))
    assert one(of, 103) == ("hot", GOOD, "")
    assert one(of, 104) == ("warning", GOOD, "")


def test_uncertain_values_stay_values() -> None:
    of = measurement('type = "u16"\nfault_values = { "1000-1999" = "fault" }\nuncertain_values = { "1-999" = "warning", 1500 = "x" }')
    assert one(of, 0) == (0, GOOD, "")
    assert one(of, 7) == (7, UNCERTAIN, "warning")
    assert one(of, 1500) == (None, BAD, "fault")


def test_condition_on_names_and_ranges_of_another_signal() -> None:
    of = small(
        signal("a", "measurement", "holding", 0, 'type = "u16"\nvalid_when = [{ signal = "s", not_in = ["fault", "7-9"], reason = "r" }]')
        + signal("s", "enum", "holding", 1, 'type = "u16"\nenum = { 0 = "ok", "100-199" = "fault", 250 = "fault" }')
    )
    for state, quality in ((0, GOOD), (99, GOOD), (100, BAD), (199, BAD), (200, GOOD), (250, BAD), (8, BAD), (10, GOOD)):
        assert one(of, 5, state)[1] is quality, state


# --- 4-20 mA ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (4000, (0.0, GOOD, "")),
        (12000, (50.0, GOOD, "")),
        (20000, (100.0, GOOD, "")),
        (3600, (-2.5, GOOD, "")),
        (21000, (106.25, GOOD, "")),
        (3599, (None, BAD, "loop open")),
        (0, (None, BAD, "loop open")),
        (21001, (None, BAD, "loop short")),
        (0xFFFF, (None, BAD, "loop short")),
    ],
)
def test_current_loop_over_the_range_of_its_point(raw: int, expected: tuple[object, Quality, str]) -> None:
    of = measurement('type = "u16"\nscale = 0.001\ncurrent_loop = true\nunit = "mA"')
    device = ModbusDriver("dev", of, 1, [point("a", span=(0.0, 100.0))])
    (block,) = device.plan()
    assert said(device.decode(block, words(raw), 1.0)) == {"a": expected}


def test_current_loop_without_a_range_is_the_current_and_a_range_may_fall() -> None:
    of = measurement('type = "u16"\nscale = 0.001\ncurrent_loop = true\nunit = "mA"')
    assert one(of, 12345) == (12.345, GOOD, "")
    device = ModbusDriver("dev", of, 1, [point("a", span=(20.0, -5.0))])
    (block,) = device.plan()
    assert said(device.decode(block, words(8000), 1.0)) == {"a": (13.75, GOOD, "")}


# --- blocks -------------------------------------------------------------------------------


def test_xilang_door_is_read_in_its_only_block_of_14_registers() -> None:
    """FC03 wire 0x0080 x 14 is the one read that the controller supports."""
    of = small(
        signal("a", "measurement", "holding", 0x83, 'type = "u16"')
        + signal("b", "measurement", "holding", 0x8D, 'type = "u16"')
        + signal("c", "contact", "discrete", 0),
        '[[exact_blocks]]\narea = "holding"\naddress = 0x80\ncount = 14',
    )
    device = driver(of, "a", "b", "c")
    contact, registers = device.plan()
    assert (registers.request, registers.reply_bytes, registers.spanning) == (bytes.fromhex("03 00 80 00 0E"), 30, False)
    assert address_of(contact) == (2, 0, 1)
    assert said(device.decode(registers, words(*range(100, 114)), 1.0)) == {"a": (103, GOOD, ""), "b": (113, GOOD, "")}


def test_a_signal_outside_the_exact_blocks_is_refused() -> None:
    of = small(
        signal("a", "measurement", "holding", 0x8D, 'type = "u32"'), '[[exact_blocks]]\narea = "holding"\naddress = 0x80\ncount = 14'
    )
    with pytest.raises(ValueError, match='signal "a" lies in none of the blocks'):
        driver(of, "a")


def test_a_board_with_one_register_a_read() -> None:
    """R421A08: FC03 must read one register."""
    relays = signal("relay{n}", "output", "holding", 1, "repeat = { count = 8 }")
    plan = driver(small(relays, "[limits]\nmax_registers = 1"), "relay1", "relay2").plan()
    assert [address_of(block) for block in plan] == [(3, 1, 1), (3, 2, 1)]


def test_came_counters_have_their_low_word_first() -> None:
    """40105-40106: 65539 operations = 0x0001_0003."""
    device = driver(profile("came-gard-ptx"), "operations")
    (block,) = device.plan()
    assert block.request == bytes.fromhex("03 00 68 00 02")
    assert said(device.decode(block, bytes.fromhex("03 04 00 03 00 01"), 1.0)) == {"operations": (65539, GOOD, "")}


def test_kb6000iii_value_is_reading_times_ten_to_the_minus_point() -> None:
    """Detector 1 at wire 502: reading 209, point 1, state normal."""
    device = driver(profile("kb6000iii"), "gas1", unit=99)
    (block,) = device.plan()
    assert block.request == bytes.fromhex("03 01 F6 00 04")
    device.decode(block, bytes.fromhex("03 08 00 D1 00 03 00 01 00 01"), 0.0)
    readings = device.decode(block, bytes.fromhex("03 08 00 D2 00 03 00 01 00 01"), 200.0)
    assert said(readings) == {"gas1": (21.0, GOOD, "")}


def test_fonrich_arc_bits_of_24_channels_and_the_bus_bar() -> None:
    """0x0041 bits 0-15 are channels 1-16; 0x0042 bits 0-7 are 17-24 and bit 15 is the bus-bar; 0x0079 = 1 clears."""
    clear = 'clear = { area = "holding", address = 0x79, value = 1, whole_device = true }'
    of = small(
        signal(
            "arc{n}", "latched", "holding", 0x41,
            f'type = "u16"\nbit = 0\nrepeat = {{ count = 16, stride = 0, bit_stride = 1 }}\n{clear}',
        )
        + signal(
            "arc_b{n}", "latched", "holding", 0x42,
            f'type = "u16"\nbit = 0\nrepeat = {{ count = 8, first = 17, stride = 0, bit_stride = 1 }}\n{clear}',
        )
        + signal("bar", "contact", "holding", 0x42, 'type = "u16"\nbit = 15')
    )  # fmt: skip
    names = [*(f"arc{n}" for n in range(1, 17)), *(f"arc_b{n}" for n in range(17, 25)), "bar"]
    device = driver(of, *names)
    (block,) = device.plan()
    assert block.request == bytes.fromhex("03 00 41 00 02")
    readings = said(device.decode(block, bytes.fromhex("03 04 80 01 80 80"), 1.0))
    assert {name for name, (value, *_) in readings.items() if value} == {"arc1", "arc16", "arc-b24", "bar"}
    cleared = device.clear("p-arc16")
    assert cleared is not None
    assert (cleared.request, cleared.expect) == (bytes.fromhex("06 00 79 00 01"), bytes.fromhex("06 00 79 00 01"))


def test_a_reading_that_clears_the_device_needs_no_write() -> None:
    """Bender RCMB300 8016: maxima since the last read."""
    of = small(signal("a", "latched", "holding", 8016, 'type = "u16"\nbit = 0\nread_clears = true'))
    device = driver(of, "a")
    (block,) = device.plan()
    assert [reading.value for reading in device.decode(block, words(1), 1.0)] == [True]
    assert [reading.value for reading in device.decode(block, words(0), 2.0)] == [False]
    assert device.clear("p-a") is None


# --- time and link ------------------------------------------------------------------------


def test_lost_says_every_point_bad_once() -> None:
    device = driver(small(BENDER, BENDER_TOP), "a", "n")
    assert said(device.lost("no answer", 1.0)) == {"a": (None, BAD, "no answer"), "n": (None, BAD, "no answer")}
    assert device.lost("no answer", 2.0) == []


def test_tick_ends_the_warm_up_and_sees_a_heartbeat_that_stands_still() -> None:
    of = small(
        signal("a", "measurement", "holding", 0, 'type = "u16"') + signal("beat", "counter", "holding", 1, 'type = "u16"'),
        'warm_up_s = 10.0\n[heartbeat]\nsignal = "beat"\nwithin_s = 30.0',
    )
    device = driver(of, "a")
    (block,) = device.plan()
    assert device.tick(0.5) == []
    assert said(device.decode(block, words(5, 1), 1.0)) == {"a": (5, UNCERTAIN, "warm-up")}
    assert device.tick(10.9) == []
    assert said(device.tick(11.0)) == {"a": (5, GOOD, "")}
    assert device.tick(31.0) == []
    assert said(device.tick(31.1)) == {"a": (None, BAD, "beat stands still")}
    assert device.tick(32.0) == []


def test_nothing_is_said_unasked() -> None:
    assert driver(small(BENDER, BENDER_TOP), "a").hear(b"\x01\x02", 1.0) == []


def test_the_driver_runs_on_plain_records() -> None:
    """The daemon carries no validator: it gets the same attributes without the models."""
    record = plain(small(BENDER + DOUBLE, BENDER_TOP))
    device = ModbusDriver("dev", record, 1, [point("a"), point("button")])
    contacts, order, values = device.plan()
    device.decode(order, words(0x1234, 0x5678), 1.0)
    assert said(device.decode(values, words(0x41F4, 0), 1.0)) == {"a": (30.5, GOOD, "")}
    assert said(device.decode(contacts, bits(0b10, 2), 1.0)) == {"button": (False, GOOD, "")}
