"""Input and relay modules: published frames, and replies built by hand from the published maps."""

from __future__ import annotations

import pytest

from drivers.modbus import ModbusDriver
from gateway.core.reading import Quality
from gateway.core.wire import WireClass
from tests.drivers.golden import PROFILES, address_of, bits, driver, point, profile, said, words
from tests.drivers.profiles.rtu import answered, heard, sent

GOOD, BAD = Quality.GOOD, Quality.BAD
ON, OFF = (True, GOOD, ""), (False, GOOD, "")


def requests(device: ModbusDriver, signal: str, value: bool | float | str) -> list[str]:
    """Data units that set an output, in hexadecimal."""
    return [exchange.request.hex(" ").upper() for exchange in device.encode(signal, value)]


def frames(device: ModbusDriver, signal: str, value: bool | float | str) -> list[str]:
    return [sent(exchange) for exchange in device.encode(signal, value)]


# --- Waveshare: frames of the maker's wiki ------------------------------------------------


def test_waveshare_io_inputs() -> None:
    device = driver(profile("waveshare-modbus-rtu-io-8ch"), *[f"di{n}" for n in range(1, 9)])
    (block,) = device.plan()
    assert sent(block) == "01 02 00 00 00 08 79 CC"
    assert heard(device, block, "01 02 01 20 A0 50")["di6"] == ON
    assert heard(device, block, "01 02 01 00 A1 88") == {"di6": OFF}


def test_waveshare_io_outputs_and_modes() -> None:
    device = driver(profile("waveshare-modbus-rtu-io-8ch"), *[f"do{n}_mode" for n in range(1, 9)])
    (block,) = device.plan()
    assert sent(block) == "01 03 10 00 00 08 40 CC"
    assert said(device.decode(block, words(0, 1, 0, 0, 0, 0, 0, 3), 1.0))["do2-mode"] == ("linked to the input", GOOD, "")
    assert frames(device, "do1", True) == ["01 05 00 00 FF 00 8C 3A"]
    assert frames(device, "do1", False) == ["01 05 00 00 00 00 CD CA"]


def test_waveshare_relay_pulses_are_ended_by_the_board() -> None:
    device = driver(profile("waveshare-modbus-rtu-relay"))
    assert [sent(exchange) for exchange in device.pulse("do1", 0.7) or []] == ["01 05 02 00 00 07 8D B0"]
    assert [sent(exchange) for exchange in device.pulse("do2", 0.8) or []] == ["01 05 02 01 00 08 9C 74"]
    (released,) = device.pulse("do8_inverted", 5.0) or []
    assert released.request == bytes.fromhex("05 04 07 00 32")
    assert answered(device.encode("do1", True)[0], "01 05 00 00 FF 00 8C 3A")
    with pytest.raises(ValueError, match=r"at most 25\.5 s"):
        device.pulse("do1", 26.0)


def test_waveshare_relay_held_at_rest_is_released_by_switching_on() -> None:
    device = driver(profile("waveshare-modbus-rtu-relay"), "do3_inverted")
    assert requests(device, "do3_inverted", True) == ["05 00 02 00 00"]
    assert requests(device, "do3_inverted", False) == ["05 00 02 FF 00"]
    assert said(device.decode(device.plan()[0], bits(0, 1, function=1), 1.0)) == {"do3-inverted": ON}


def test_waveshare_relay_offers_all_off_but_neither_all_on_nor_a_toggle() -> None:
    of = profile("waveshare-modbus-rtu-relay")
    device = driver(of)
    assert requests(device, "all_off", True) == ["05 00 FF 00 00"]
    with pytest.raises(ValueError, match="command and cannot be switched off"):
        device.encode("all_off", False)
    everything = {word for n in range(1, 9) for value in (True, False) for word in requests(device, f"do{n}", value)}
    assert not [word for word in everything if word.startswith(("05 01 FF", "05 00 FF")) or word.endswith("55 00")]


def test_waveshare_relay_d_is_unlinked_only_where_the_site_lets_it_be_configured() -> None:
    of = profile("waveshare-modbus-rtu-relay-d")
    assert ModbusDriver("dev", of, 1, [point("di1")]).start() == []
    (unlink,) = ModbusDriver("dev", of, 1, [point("di1")], configure=True).start()
    assert unlink.request == bytes.fromhex("10 10 00 00 08 10") + bytes(16)
    assert unlink.expect == bytes.fromhex("10 10 00 00 08")
    device = driver(of, "di8", "do1_mode")
    inputs, modes = device.plan()
    assert (address_of(inputs), address_of(modes)) == ((2, 7, 1), (3, 0x1000, 1))
    assert said(device.decode(inputs, bits(1, 1), 1.0)) == {"di8": ON}
    assert said(device.decode(modes, words(1), 1.0)) == {"do1-mode": ("linked to the input", GOOD, "")}


def test_waveshare_poe_relay_speaks_rtu_over_tcp_as_delivered() -> None:
    of = profile("waveshare-poe-eth-relay")
    assert of.transports[0] == "rtu-tcp"
    device = driver(of, "do1")
    assert sent(device.plan()[0]) == "01 01 00 00 00 01 FD CA"
    assert heard(device, device.plan()[0], "01 01 01 01 90 48") == {"do1": ON}
    assert [sent(exchange) for exchange in device.pulse("do1", 0.7) or []] == ["01 05 02 00 00 07 8D B0"]


WAVESHARE = sorted(file.stem for file in PROFILES.glob("*waveshare*.toml"))


@pytest.mark.parametrize("name", WAVESHARE)
def test_waveshare_serial_settings_are_left_alone(name: str) -> None:
    """The parity codes of register 0x2000 are printed in two orders: nothing reads or writes them, nor the unit id at 0x4000."""
    of = profile(name)
    touched = [signal.address for signal in of.signals] + [write.address for write in of.start]
    assert not {0x2000, 0x4000} & set(touched)


# --- ICP DAS, Advantech, Moxa, WAGO --------------------------------------------------------


def test_icp_das_clearing_is_known_to_clear_the_whole_module() -> None:
    of = profile("icp-das-tm")
    for signal in of.signals:
        assert signal.kind != "latched" or (signal.clear is not None and signal.clear.whole_device)
    device = ModbusDriver("dev", of, 4, [point("di1_latched", WireClass.PANIC, 0.1), point("di2_latched_low", WireClass.PANIC, 0.1)])
    low, high = device.plan()[1], device.plan()[0]
    assert (address_of(high), address_of(low)) == ((1, 64, 1), (1, 97, 1))
    assert said(device.decode(high, bits(1, 1, function=1), 1.0)) == {"di1-latched": ON}
    assert said(device.decode(low, bits(1, 1, function=1), 1.0)) == {"di2-latched-low": ON}
    clearing = device.clear("p-di2-latched-low")
    assert clearing is not None
    assert clearing.request == bytes.fromhex("05 01 07 FF 00")


def test_icp_das_safe_values_come_before_its_host_watchdog() -> None:
    device = ModbusDriver("dev", profile("icp-das-tm"), 4, [point("di1")], configure=True)
    written = [exchange.request.hex(" ").upper() for exchange in device.start()]
    assert written[:5] == [f"05 00 {0x80 + n:02X} 00 00" for n in range(5)]
    assert written[5:] == ["06 01 E8 00 64", "05 01 03 FF 00", "05 01 04 FF 00"]


@pytest.mark.parametrize(("name", "inputs"), [("advantech-adam-4051", 16), ("advantech-adam-4055", 8), ("advantech-adam-6051", 14)])
def test_advantech_inputs_are_coils_not_discrete_inputs(name: str, inputs: int) -> None:
    device = driver(profile(name), *[f"di{n}" for n in range(1, inputs + 1)])
    (block,) = device.plan()
    assert address_of(block) == (1, 0, inputs)
    readings = said(device.decode(block, bits(1 << inputs - 1, inputs, function=1), 1.0))
    assert readings[f"di{inputs}"] == ON
    assert sum(value is True for value, _, _ in readings.values()) == 1


def test_adam_4055_outputs_begin_at_coil_17() -> None:
    device = driver(profile("advantech-adam-4055"))
    assert requests(device, "do1", True) == ["05 00 10 FF 00"]
    assert requests(device, "do8", False) == ["05 00 17 00 00"]


def test_adam_6051_counts_low_word_first_and_has_its_outputs_in_one_word() -> None:
    device = driver(profile("advantech-adam-6051"), "di1_count", "di14_count")
    first, last = device.plan()
    assert (address_of(first), address_of(last)) == ((3, 0, 2), (3, 26, 2))
    assert said(device.decode(first, words(1, 2), 1.0)) == {"di1-count": (2 * 65536 + 1, GOOD, "")}
    assert requests(device, "do_word", "second on") == ["06 01 2E 00 02"]
    assert requests(device, "do_word", False) == ["06 01 2E 00 00"]


def test_adam_6060_counter_formula_of_the_manual() -> None:
    device = driver(profile("advantech-adam-6060"), "di6_count")
    (block,) = device.plan()
    assert address_of(block) == (3, 10, 2)
    assert said(device.decode(block, words(7, 3), 1.0)) == {"di6-count": (3 * 65536 + 7, GOOD, "")}


@pytest.mark.parametrize(("name", "inputs", "outputs"), [("e1213", 12, 8), ("e1214", 6, 6), ("e1211", 0, 16)])
def test_moxa_inputs_counters_and_outputs(name: str, inputs: int, outputs: int) -> None:
    last = [f"di{inputs}", f"di{inputs}_count"] if inputs else []
    device = driver(profile(f"moxa-iologik-{name}"), *last)
    for block in device.plan():
        function, start, count = address_of(block)
        if function == 2:
            assert (start, count) == (inputs - 1, 1)
            assert said(device.decode(block, bits(1, 1), 1.0)) == {f"di{inputs}": ON}
        else:
            assert (function, start, count) == (4, 0x10 + 2 * (inputs - 1), 2)
            assert said(device.decode(block, words(2, 1, function=4), 1.0)) == {f"di{inputs}-count": (131073, GOOD, "")}
    assert len(device.plan()) == len(last)
    assert requests(device, f"do{outputs}", True) == [f"05 00 {outputs - 1:02X} FF 00"]
    with pytest.raises(ValueError, match="has no signal"):
        device.encode(f"do{outputs + 1}", True)


def test_wago_reads_an_output_elsewhere_than_it_writes_it() -> None:
    device = driver(profile("wago-750"), "di1", "do3")
    plan = {address_of(block): block for block in device.plan()}
    assert set(plan) == {(2, 0, 1), (1, 0x0202, 1)}
    assert requests(device, "do3", True) == ["05 00 02 FF 00"]
    assert said(device.decode(plan[2, 0, 1], bits(1, 1), 1.0)) == {"di1": ON}
    assert said(device.decode(plan[1, 0x0202, 1], bits(0, 1, function=1), 1.0)) == {"do3": OFF}


def test_wago_module_words_as_in_the_manual() -> None:
    device = driver(profile("wago-750"), "module1_bits", "module1_kind", "module2_bits", "module2_kind", "output_bits", "input_bits")
    sizes, modules = sorted(device.plan(), key=address_of)
    assert (address_of(sizes), address_of(modules)) == ((3, 0x1024, 2), (3, 0x2031, 2))
    assert said(device.decode(modules, words(0x8401, 0x8202), 1.0)) == {
        "module1-bits": (4, GOOD, ""),
        "module1-kind": ("input", GOOD, ""),
        "module2-bits": (2, GOOD, ""),
        "module2-kind": ("output", GOOD, ""),
    }
    assert said(device.decode(sizes, words(2, 4), 1.0)) == {"output-bits": (2, GOOD, ""), "input-bits": (4, GOOD, "")}


# --- boards from China ----------------------------------------------------------------------


def test_n4d8b08_frames_of_the_makers_command_sheet() -> None:
    device = driver(profile("eletechsup-n4d8b08"), "do1")
    (block,) = device.plan()
    assert sent(block) == "01 03 00 01 00 01 D5 CA"
    assert heard(device, block, "01 03 02 00 01 79 84") == {"do1": ON}
    assert frames(device, "all_off", True) == ["01 06 00 00 08 00 8E 0A"]


def test_n4d8b08_is_written_in_other_words_than_it_shows() -> None:
    device = driver(profile("eletechsup-n4d8b08"), "di1", "di8")
    assert requests(device, "do8", True) == ["06 00 08 01 00"]
    assert requests(device, "do8", False) == ["06 00 08 02 00"]
    (block,) = device.plan()
    assert address_of(block) == (3, 0x81, 8)
    assert said(device.decode(block, words(1, 0, 0, 0, 0, 0, 0, 0), 1.0)) == {"di1": ON, "di8": OFF}


def test_r4dif08_inputs_are_low_bytes() -> None:
    device = driver(profile("eletechsup-r4dif08"), "di2", "active_level")
    inputs, level = device.plan()
    assert (address_of(inputs), address_of(level)) == ((3, 0x82, 1), (3, 0xFC, 1))
    assert said(device.decode(inputs, words(0xFF00), 1.0)) == {"di2": OFF}
    assert said(device.decode(inputs, words(0x0001), 2.0)) == {"di2": ON}
    assert said(device.decode(level, words(1), 2.0)) == {"active-level": ("high", GOOD, "")}


def test_lc_board_is_asked_for_exactly_eight_inputs() -> None:
    of = profile("bestep-lc-8ch")
    device = driver(of, "di1", "di2", unit=of.serial.unit)
    (block,) = device.plan()
    assert sent(block) == "FF 02 00 00 00 08 6C 12"
    assert heard(device, block, "FF 02 01 01 51 A0") == {"di1": ON, "di2": OFF}
    assert requests(device, "do8", True) == ["05 00 07 FF 00"]


def test_novabo_alarm_is_the_missing_bit() -> None:
    of = profile("novabo-modbusrtu-sqr-2")
    device = driver(of, "alarm", unit=of.serial.unit)
    (block,) = device.plan()
    assert sent(block) == "FF 02 00 00 00 08 6C 12"
    assert heard(device, block, "FF 02 01 01 51 A0") == {"alarm": OFF}
    assert heard(device, block, "FF 02 01 00 90 60") == {"alarm": ON}


def test_r421a08_one_register_at_a_time_and_commands_in_the_high_byte() -> None:
    device = driver(profile("r421a08"), "do1", "do2", "do8")
    plan = device.plan()
    assert [address_of(block) for block in plan] == [(3, 1, 1), (3, 2, 1), (3, 8, 1)]
    assert said(device.decode(plan[2], words(1), 1.0)) == {"do8": ON}
    assert requests(device, "do1", True) == ["06 00 01 01 00"]
    assert requests(device, "do1", False) == ["06 00 01 02 00"]
    (pulse,) = device.pulse("do8", 20.0) or []
    assert pulse.request == bytes.fromhex("06 00 08 06 14")


@pytest.mark.parametrize("name", ["wellpro-wp8026", "wellpro-wp8028"])
def test_wellpro_input_frame_of_the_makers_page(name: str) -> None:
    device = driver(profile(name), *[f"di{n}" for n in range(1, 9)])
    (block,) = device.plan()
    assert sent(block) == "01 02 00 00 00 08 79 CC"
    readings = heard(device, block, "01 02 01 C2 20 19")
    assert [signal for signal, (value, _, _) in sorted(readings.items()) if value] == ["di2", "di7", "di8"]


def test_wellpro_sixteen_inputs_and_relays() -> None:
    device = driver(profile("wellpro-wp8026"), "di9", "di16")
    (block,) = device.plan()
    assert address_of(block) == (2, 8, 8)
    assert said(device.decode(block, bits(0x80, 8), 1.0)) == {"di9": OFF, "di16": ON}
    for name in ("wellpro-wp8025", "wellpro-wp8028"):
        assert requests(driver(profile(name)), "do8", True) == ["05 00 07 FF 00"]
