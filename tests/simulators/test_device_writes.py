"""What a simulated device makes of writes: words of its own, pulses, keys, latches, watchdogs; and of reads in one form only."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.device import Device
from simulators.encode import Value
from simulators.profiles import parse
from tests.simulators.test_device import Clock, ask

SECOND_NS = 1_000_000_000


def device(*signals: dict[str, Any], **profile: Any) -> tuple[Device, Clock]:
    clock = Clock()
    return Device("dut", 1, parse({"id": "x", "signals": list(signals), **profile}), clock), clock


def out(name: str = "do", area: str = "coil", address: int = 0, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "output", "area": area, "address": address, **more}


RELAY = out("relay{n}", "holding", 1, repeat={"count": 2}, write={"on": 0x0100, "off": 0x0200})


def test_an_output_is_written_by_words_of_its_own_and_read_as_one_and_zero() -> None:
    dut, _ = device(RELAY)  # eletechsup N4D8B08: 0x0100 closes, 0x0200 opens, reads 1 and 0
    assert ask(dut, "06 00 02 01 00") == "06 00 02 01 00"
    assert (dut.get("relay1"), dut.get("relay2")) == (False, True)
    assert ask(dut, "03 00 01 00 02") == "03 04 00 00 00 01"
    assert ask(dut, "06 00 02 02 00") == "06 00 02 02 00"
    assert dut.get("relay2") is False
    assert ask(dut, "06 00 02 00 01") == "86 03"  # no word of this board


def test_a_coil_may_have_words_that_only_its_board_knows() -> None:
    dut, _ = device(out("do", write={"on": 1, "off": 0}), out("odd", address=1, write={"on": 0x5500, "off": 0}))
    assert ask(dut, "05 00 00 FF 00") == "05 00 00 ff 00"
    assert ask(dut, "0F 00 00 00 01 01 00") == "0f 00 00 00 01"
    assert dut.get("do") is False
    assert ask(dut, "05 00 00 55 00") == "85 03"
    assert ask(dut, "05 00 01 55 00") == "05 00 01 55 00"
    assert dut.get("odd") is True
    plain, _ = device(out())
    assert ask(plain, "05 00 00 12 34") == "85 03"


def test_only_the_function_that_the_profile_names_writes() -> None:
    dut, _ = device(out("do", "holding", 7, type="u16", write={"function": 16, "reply": "request"}))
    assert ask(dut, "06 00 07 00 01") == "86 01"
    assert ask(dut, "10 00 07 00 01 02 00 09") == "10 00 07 00 01 02 00 09"  # this board sends the whole request back
    assert dut.get("do") == 9


def test_an_answer_may_carry_a_word_of_its_own_or_be_left_out() -> None:
    dut, _ = device(out("a", "holding", 1, type="u16", write={"ack": 0x55AA}), out("b", "holding", 2, type="u16", write={"reply": "none"}))
    assert ask(dut, "06 00 01 00 07") == "06 00 01 55 aa"
    assert dut.answer(bytes.fromhex("06 00 02 00 07")) == b""
    assert (dut.get("a"), dut.get("b")) == (7, 7)


def test_an_output_is_read_back_elsewhere() -> None:
    dut, _ = device(out("do{n}", address=0x200, repeat={"count": 2}, write={"address": 0}))  # WAGO: written at 0, read at 0x200
    assert ask(dut, "05 00 01 FF 00") == "05 00 01 ff 00"
    assert ask(dut, "01 02 00 00 02") == "01 01 02"
    assert ask(dut, "05 02 01 FF 00") == "85 02"
    assert ask(dut, "01 00 00 00 02") == "81 02"


def test_a_pulse_ends_by_itself() -> None:
    pulse = {"address": 0x0200, "stride": 1, "unit_ms": 100}
    dut, clock = device(out("relay{n}", repeat={"count": 2}, pulse=pulse))
    told: list[tuple[str, Value]] = []
    dut.on_change.append(lambda _, name, value, at_ns: told.append((name, value)))
    assert ask(dut, "05 02 01 00 07") == "05 02 01 00 07"  # Waveshare flash: 0.7 s
    clock.now_ns += SECOND_NS * 7 // 10 - 1
    assert dut.get("relay2") is True
    clock.now_ns += 1
    assert dut.get("relay2") is False
    assert told == [("relay2", True), ("relay2", False)]
    assert ask(dut, "05 02 01 01 00") == "85 03"  # 256 units are too many


def test_a_written_state_overrides_a_pulse() -> None:
    dut, clock = device(out(pulse={"address": 0x0200}))
    ask(dut, "05 02 00 00 07")
    ask(dut, "05 00 00 FF 00")
    clock.now_ns += 10 * SECOND_NS
    assert dut.get("do") is True


def test_a_momentary_command_falls_back() -> None:
    dut, clock = device(out("reset", "holding", 9, type="u16", write={"on": 234}))
    ask(dut, "06 00 09 00 EA")
    assert dut.get("reset") is True
    clock.now_ns += SECOND_NS
    assert dut.get("reset") is False


KEYED = out(
    "baud",
    "holding",
    4,
    type="u16",
    write={
        "before": [{"area": "holding", "address": 0x69, "value": 0xB588}],
        "after": [{"area": "holding", "address": 0, "value": 0}],
        "within_ms": 10_000,
    },
)


def test_a_locked_output_answers_and_does_nothing() -> None:
    dut, clock = device(KEYED)  # WitMotion: unlock, write within 10 s, save
    assert ask(dut, "06 00 04 00 06") == "06 00 04 00 06"
    assert (dut.get("baud"), dut.traffic.ignored) == (0, 1)
    ask(dut, "06 00 69 12 34")  # a wrong key
    ask(dut, "06 00 04 00 06")
    assert dut.get("baud") == 0
    ask(dut, "06 00 69 B5 88")
    clock.now_ns += 10 * SECOND_NS + 1
    ask(dut, "06 00 04 00 06")
    assert dut.get("baud") == 0
    ask(dut, "06 00 69 B5 88")
    ask(dut, "06 00 04 00 06")
    assert ask(dut, "06 00 00 00 00") == "06 00 00 00 00"
    assert dut.get("baud") == 6


def test_a_key_of_two_words() -> None:
    unlock = {"area": "holding", "address": 20, "value": 0x015E, "further": [0x3626], "function": 16}
    dut, _ = device(out("do", "holding", 1, type="u16", write={"before": [unlock]}))
    assert ask(dut, "10 00 14 00 02 04 01 5E 36 27") == "10 00 14 00 02"
    ask(dut, "06 00 01 00 01")
    assert dut.get("do") == 0
    ask(dut, "10 00 14 00 02 04 01 5E 36 26")
    ask(dut, "06 00 01 00 01")
    assert dut.get("do") == 1


def test_a_command_needs_remote_mode() -> None:
    remote = {"name": "remote", "kind": "contact", "area": "discrete", "address": 5}
    dut, _ = device(remote, out(write={"remote_when": {"signal": "remote", "in": [1], "reason": "local"}}))
    assert dut.get("remote") is True  # healthy
    dut.set("remote", False)
    assert ask(dut, "05 00 00 FF 00") == "05 00 00 ff 00"
    assert dut.get("do") is False
    dut.set("remote", True)
    ask(dut, "05 00 00 FF 00")
    assert dut.get("do") is True


def test_one_write_may_clear_every_latch() -> None:
    clear = {"area": "coil", "address": 263, "whole_device": True}
    latches = {"name": "a{n}", "kind": "latched", "area": "coil", "address": 64, "repeat": {"count": 2}, "clear": clear}
    other = {
        "name": "b", "kind": "latched", "area": "holding", "address": 3, "type": "u16", "bit": 4,
        "clear": {"area": "holding", "address": 3, "value": 16},
    }  # fmt: skip
    dut, _ = device(latches, other)
    for name in ("a1", "a2", "b"):
        dut.set(name, True)
    assert ask(dut, "06 00 03 00 10") == "06 00 03 00 10"
    assert [dut.get(name) for name in ("a1", "a2", "b")] == [True, True, False]
    dut.set("b", True)
    ask(dut, "05 01 07 FF 00")
    assert [dut.get(name) for name in ("a1", "a2", "b")] == [False, False, False]


def test_reading_may_clear() -> None:
    most = {"name": "max", "kind": "measurement", "area": "holding", "address": 8, "type": "u16", "read_clears": True}
    dut, _ = device(most)
    dut.set("max", 300)
    assert ask(dut, "03 00 08 00 01") == "03 02 01 2c"
    assert ask(dut, "03 00 08 00 01") == "03 02 00 00"


FEED = {"write": {"area": "holding", "address": 50, "value": 0}, "every_s": 2, "alternate": 0x80}
SAFE = {"area": "coil", "address": 128, "value": 1}


def test_a_watchdog_that_is_not_fed_makes_the_outputs_safe() -> None:
    dut, clock = device(out("siren"), out("valve", address=1, safe=SAFE), feed=FEED)
    ask(dut, "05 00 80 FF 00")  # the valve's safe state: on
    for i in range(5):
        assert ask(dut, f"06 00 32 00 {0x80 if i % 2 else 0:02X}")[:2] == "06"
        ask(dut, "05 00 00 FF 00")
        clock.now_ns += 2 * SECOND_NS
    assert (dut.get("siren"), dut.get("valve")) == (True, False)
    clock.now_ns += 4 * SECOND_NS + 1
    assert (dut.get("siren"), dut.get("valve")) == (False, True)
    ask(dut, "05 00 00 FF 00")
    assert dut.get("siren") is True


def test_a_toggle_that_stands_still_feeds_nobody() -> None:
    dut, clock = device(out("siren"), feed=FEED)
    ask(dut, "05 00 00 FF 00")
    for _ in range(4):
        ask(dut, "06 00 32 00 80")
        clock.now_ns += 2 * SECOND_NS
    assert dut.get("siren") is False


def test_start_settings_are_taken() -> None:
    dut, _ = device(out(), start=[{"area": "holding", "address": 488, "value": 100}, {"area": "coil", "address": 259}])
    assert ask(dut, "06 01 E8 00 64") == "06 01 e8 00 64"
    assert ask(dut, "05 01 03 FF 00") == "05 01 03 ff 00"


def test_exact_blocks_are_the_only_reads() -> None:
    one = {"name": "state", "kind": "measurement", "area": "holding", "address": 3, "type": "u16"}
    dut, _ = device(one, exact_blocks=[{"area": "holding", "address": 0, "count": 14}])  # Xilang: 14 registers, nothing else
    assert ask(dut, "03 00 00 00 0E")[:5] == "03 1c"
    assert ask(dut, "03 00 00 00 0D") == "83 03"
    assert ask(dut, "03 00 03 00 01") == "83 02"


@pytest.mark.parametrize(("base", "offset", "wire"), [(0, 0, 100), (1, 0, 99), (0, 1000, 1100), (1, 1000, 1099)])
def test_address_base_and_offset_move_the_whole_map(base: int, offset: int, wire: int) -> None:
    signals = [
        {"name": "v", "kind": "measurement", "area": "holding", "address": 100, "type": "u16"},
        out("do", "coil", 100, write={"address": 200}, safe={"area": "coil", "address": 300}, pulse={"address": 400}),
    ]
    data = {
        "id": "x", "address_base": base, "signals": signals, "identity": {"address": 101, "expect": 7},
        "word_order": {"address": 102}, "start": [{"area": "holding", "address": 500}],
    }  # fmt: skip
    dut = Device("x", 1, parse(data, offset))
    dut.set("v", 5)
    assert ask(dut, f"03 {wire:04x} 00 04") == "03 08 00 05 00 07 12 34 56 78"
    for asked in (f"05 {wire + 100:04x} FF 00", f"05 {wire + 200:04x} 00 00", f"05 {wire + 300:04x} 00 02", f"06 {wire + 400:04x} 00 01"):
        assert ask(dut, asked)[:2] == asked[:2]
    assert dut.get("do") is True
