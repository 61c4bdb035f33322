"""Values that hang on others: exponents, signs, senses, further contacts, and signals that are made from contacts."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.device import Device
from simulators.profiles import parse


def device(*signals: dict[str, Any]) -> Device:
    return Device("dut", 1, parse({"id": "x", "signals": list(signals)}))


def contact(name: str, address: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "contact", "area": "discrete", "address": address, **more}


def word(name: str, address: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "measurement", "area": "holding", "address": address, "type": "u16", **more}


def registers(dut: Device, address: int, count: int) -> str:
    return dut.answer(bytes((3, 0, address, 0, count)))[2:].hex()


def bits(dut: Device, count: int) -> str:
    return f"{dut.answer(bytes((2, 0, 0, 0, count)))[2]:0{count}b}"[::-1]


def test_the_sense_of_a_contact_lies_in_another() -> None:
    dut = device(contact("alarm1", 0, sense_from="energised1"), contact("energised1", 1))  # Detcon
    assert (dut.get("alarm1"), bits(dut, 2)) == (False, "00")
    dut.set("alarm1", True)
    assert bits(dut, 2) == "10"
    dut.set("energised1", True)
    assert dut.get("alarm1") is False
    dut.set("alarm1", True)
    assert (dut.get("alarm1"), bits(dut, 2)) == (True, "01")


def test_the_sign_lies_in_another_register() -> None:
    dut = device(word("gas", 0, sign_from="sign", scale=0.1), word("sign", 1))
    dut.set("gas", -2.5)
    assert (dut.get("gas"), registers(dut, 0, 2)) == (-2.5, "00190001")
    dut.set("gas", 2.5)
    assert registers(dut, 0, 2) == "00190000"


def test_one_fault_of_two_sources() -> None:
    dut = device(contact("fault", 0, or_with=["fault2"]), contact("fault2", 1))  # Honeywell XRL
    dut.set("fault2", True)
    assert (dut.get("fault"), bits(dut, 2)) == (True, "01")
    dut.set("fault", False)
    assert (dut.get("fault"), bits(dut, 2)) == (False, "00")
    dut.set("fault", True)
    assert bits(dut, 2) == "10"


POSITION = {
    "name": "position", "kind": "enum", "from_signals": ["up", "down"], "bad": ["wiring fault"],
    "table": {"10": "up", "01": "down", "00": "moving", "11": "wiring fault"},
}  # fmt: skip


def test_a_position_is_made_from_two_limit_switches() -> None:
    dut = device(contact("up", 0), contact("down", 1), POSITION)
    assert (dut.get("position"), bits(dut, 2)) == ("up", "10")  # the healthiest of its names
    dut.set("position", "down")
    assert (bits(dut, 2), dut.changes["position"].first_read_ns is None) == ("01", False)
    dut.set("up", True)
    assert dut.get("position") == "wiring fault"
    dut.set("position", "00")
    assert dut.get("position") == "moving"
    with pytest.raises(ValueError, match="up, down, moving, wiring fault"):
        dut.set("position", "half")


def test_a_double_contact_has_four_states() -> None:
    button = {
        "name": "button", "kind": "contact", "from_signals": ["no", "nc"],
        "table": {"01": "normal", "10": "active", "00": "open", "11": "short"},
    }  # fmt: skip
    dut = device(contact("no", 0), contact("nc", 1), button)
    assert (dut.get("button"), bits(dut, 2)) == (False, "01")
    dut.press("button")
    assert (dut.get("button"), bits(dut, 2)) == (True, "10")
    dut.release("button")
    assert bits(dut, 2) == "01"
    dut.set("button", "open")
    assert (dut.get("button"), bits(dut, 2)) == ("open", "00")


def test_an_either_in_the_table() -> None:
    state = {"name": "s", "kind": "enum", "from_signals": ["a", "b"], "table": {"1x": "on", "0x": "off", "x1": "never"}}
    dut = device(contact("a", 0), contact("b", 1), state)
    dut.set("b", True)
    dut.set("s", "on")
    assert dut.get("s") == "on"
    with pytest.raises(ValueError, match="no value 'never'"):
        dut.set("s", "never")


def test_a_loop_over_a_resistor_has_bands() -> None:
    loop = word("loop", 0, kind="contact", loop={"0-99": "short", "100-299": "active", "300-699": "normal", "700-1000": "open"})
    dut = device(loop)
    assert (dut.get("loop"), registers(dut, 0, 1)) == (False, "01f3")  # the middle of the band: 499
    dut.set("loop", True)
    assert registers(dut, 0, 1) == "00c7"
    dut.set("loop", "open")
    assert (dut.get("loop"), registers(dut, 0, 1)) == ("open", "0352")
    with pytest.raises(ValueError, match="short, active, normal, open"):
        dut.set("loop", "melted")


def test_a_current_loop_begins_at_four_milliamps() -> None:
    dut = device(word("ai1", 0, scale=0.001, unit="mA", current_loop=True))
    assert registers(dut, 0, 1) == "0fa0"
    dut.set("ai1", 12.5)
    assert registers(dut, 0, 1) == "30d4"


def test_the_order_of_words_is_shown() -> None:
    dut = Device("x", 1, parse({
        "id": "x", "word_order": {"address": 4}, "signals": [word("v", 0, type="f32", words="tested")],
    }))  # fmt: skip
    dut.set("v", 50)
    assert registers(dut, 0, 6) == "424800000000" + "0000" + "12345678"
