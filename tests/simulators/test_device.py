from __future__ import annotations

from simulators.device import Device
from simulators.encode import Value
from simulators.faults import Fault
from simulators.profiles import Profile, parse
from tests.simulators.field import profile


class Clock:
    """Nanoseconds that are handed in."""

    def __init__(self) -> None:
        self.now_ns = 1_000

    def __call__(self) -> int:
        return self.now_ns


def device(profile_id: str = "bench-io", unit: int = 7) -> tuple[Device, Clock]:
    clock = Clock()
    return Device("dut", unit, profile(profile_id), clock), clock


def ask(dut: Device, pdu: str) -> str:
    return dut.answer(bytes.fromhex(pdu)).hex(" ")


def test_a_healthy_device_meets_its_own_conditions() -> None:
    dut, _ = device("bench-gas", unit=2)
    assert (dut.get("state"), dut.get("gas"), dut.get("fault_number"), dut.get("fault_bit")) == ("normal", 0.0, 0, False)
    assert ask(dut, "03 00 00 00 02") == "03 04 24 02 00 00"  # XNX: 0x24, unit


def test_a_press_is_seen_by_contact_counter_and_latch_of_the_same_input_only() -> None:
    dut, _ = device()
    dut.press("di2")
    assert [dut.get(name) for name in ("di2", "di2_count", "di2_latched")] == [True, 1, True]
    assert [dut.get(name) for name in ("di1", "di1_count", "di1_latched")] == [False, 0, False]
    assert ask(dut, "02 00 00 00 04") == "02 01 02"
    dut.release("di2")
    assert [dut.get(name) for name in ("di2", "di2_count", "di2_latched")] == [False, 1, True]
    dut.press("di2_count")
    dut.release("di2_count")
    assert [dut.get(name) for name in ("di2", "di2_count")] == [False, 2]
    assert ask(dut, "04 00 02 00 02") == "04 04 00 02 00 00"  # low word first


def test_a_normally_closed_contact_counts_when_it_opens() -> None:
    dut, _ = device()
    dut.rest("di1", True)
    assert (dut.get("di1"), dut.get("di1_count")) == (True, 0)
    dut.set("di1", False)
    assert dut.get("di1_count") == 1
    dut.set("di1", True)
    assert dut.get("di1_count") == 1


def test_a_latch_holds_until_the_clear_write() -> None:
    dut, _ = device()
    dut.press("di3_latched")
    dut.release("di3_latched")
    assert ask(dut, "01 00 40 00 04") == "01 01 04"
    assert ask(dut, "05 01 07 00 00") == "05 01 07 00 00"  # not the value that clears
    assert dut.get("di3_latched") is True
    assert ask(dut, "05 01 07 FF 00") == "05 01 07 ff 00"
    assert dut.get("di3_latched") is False
    assert ask(dut, "01 01 07 00 01") == "01 01 00"  # it reads as 0 again


def test_outputs_follow_writes() -> None:
    dut, _ = device()
    told: list[tuple[str, Value]] = []
    dut.on_change.append(lambda _, name, value, at_ns: told.append((name, value)))
    assert ask(dut, "0F 00 10 00 02 01 02") == "0f 00 10 00 02"
    assert ask(dut, "06 00 64 01 F4") == "06 00 64 01 f4"
    assert ask(dut, "10 00 64 00 01 02 00 07") == "10 00 64 00 01"
    assert told == [("do1", False), ("do2", True), ("level", 500), ("level", 7)]


def test_refusals() -> None:
    dut, _ = device()
    assert ask(dut, "03 00 00 00 01") == "83 02"  # nothing lies there
    assert ask(dut, "02 00 00 00 05") == "82 02"  # one past the map
    assert ask(dut, "05 00 40 FF 00") == "85 02"  # a latch is not an output
    assert ask(dut, "04 00 00 00 15") == "84 03"  # 21 registers, the model takes 20
    assert ask(dut, "2B 0E 01 00") == "ab 01"
    assert dut.traffic.exceptions == 5
    dut.fault = Fault("exception", code=6)
    assert ask(dut, "02 00 00 00 04") == "82 06"


def test_exact_bits_and_holes() -> None:
    spec = {
        "id": "x",
        "limits": {"exact_bits": 8, "max_hole": 2},
        "signals": [
            {"name": "di1", "kind": "contact", "area": "discrete", "address": 2},
            {"name": "a", "kind": "measurement", "area": "holding", "address": 0, "type": "u16"},
            {"name": "b", "kind": "measurement", "area": "holding", "address": 3, "type": "u16"},
            {"name": "c", "kind": "measurement", "area": "holding", "address": 7, "type": "u16"},
        ],
    }
    dut = Device("x", 1, parse(spec))
    assert ask(dut, "02 00 00 00 08") == "02 01 00"
    assert ask(dut, "02 00 02 00 01") == "82 03"
    assert ask(dut, "03 00 00 00 04")[:5] == "03 08"  # bridges two
    assert ask(dut, "03 00 03 00 05") == "83 02"  # three are too many


def test_heartbeat_steps_by_itself_and_can_freeze() -> None:
    dut, clock = device("bench-gas")
    clock.now_ns += 4_999_000_000
    assert dut.get("heartbeat") == 0
    clock.now_ns += 1_001_000_000
    assert dut.get("heartbeat") == 1
    clock.now_ns += 14_000_000_000
    assert ask(dut, "03 00 07 00 01") == "03 02 00 04"
    dut.fault = Fault("frozen")
    clock.now_ns += 60_000_000_000
    assert dut.get("heartbeat") == 4


def test_when_a_value_was_set_and_first_read() -> None:
    dut, clock = device()
    clock.now_ns = 5_000
    assert dut.press("di1") == 5_000
    clock.now_ns = 6_000
    ask(dut, "02 00 02 00 02")  # other inputs
    assert dut.changes["di1"].first_read_ns is None
    clock.now_ns = 7_000
    ask(dut, "02 00 00 00 02")
    clock.now_ns = 8_000
    ask(dut, "02 00 00 00 02")
    assert (dut.changes["di1"].at_ns, dut.changes["di1"].first_read_ns) == (5_000, 7_000)
    dut.release("di1")
    assert dut.changes["di1"].first_read_ns == 7_000


def test_a_press_that_nobody_saw_was_never_read() -> None:
    dut, _ = device()
    dut.press("di1")
    dut.release("di1")
    ask(dut, "02 00 00 00 02")
    assert dut.changes["di1"].first_read_ns is None
    ask(dut, "04 00 00 00 02")
    assert dut.changes["di1_count"].first_read_ns is not None


def test_counters_wrap() -> None:
    dut, _ = device()
    dut.set("di1_count", 0xFFFFFFFF)
    dut.press("di1")
    assert dut.get("di1_count") == 0


def test_restart_forgets_what_a_power_cut_forgets() -> None:
    dut, _ = device()
    dut.rest("di4", True)
    dut.press("di1")
    dut.restart()
    assert [dut.get(name) for name in ("di1", "di4", "di1_count", "di1_latched")] == [False, True, 0, False]


def kb6000() -> Profile:
    return parse(
        {
            "id": "kb",
            "signals": [
                {"name": "gas{n}", "kind": "measurement", "area": "holding", "address": 502, "type": "s16", "exponent_from": "point{n}",
                 "repeat": {"count": 2, "stride": 11}, "valid_when": [{"signal": "state{n}", "not_in": ["warm_up"]}]},
                {"name": "point{n}", "kind": "measurement", "area": "holding", "address": 504, "type": "u16",
                 "repeat": {"count": 2, "stride": 11}},
                {"name": "state{n}", "kind": "enum", "area": "holding", "address": 505, "type": "u16",
                 "enum": {"0": "warm_up", "1": "normal"}, "repeat": {"count": 2, "stride": 11}},
            ],
        }
    )  # fmt: skip


def test_kb6000_second_detector() -> None:
    dut = Device("kb", 99, kb6000())
    assert dut.get("state2") == "normal"
    dut.set("gas2", 12.5)
    assert ask(dut, "03 02 01 00 04") == "03 08 00 7d 00 00 00 01 00 01"  # 0x201 = 500 + 11 + 2: 125, unit, one decimal, normal
    dut.set("point2", 2)
    assert dut.get("gas2") == 1.25
