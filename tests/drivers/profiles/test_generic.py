"""Profiles for what has no map of its own: contacts on any module, a bollard over contacts, supervised loops, 4-20 mA."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drivers.modbus import ModbusDriver
from gateway.config.roles import ROLES
from gateway.core.reading import Quality
from tests.drivers.golden import address_of, bits, driver, point, profile, said, words

GOOD, BAD = Quality.GOOD, Quality.BAD
ON, OFF = (True, GOOD, ""), (False, GOOD, "")
Told = tuple[object, Quality, str]
BOLLARDS = ("contact-bollard", "contact-bollard-waveshare")
INPUTS = {"up_limit": 0, "down_limit": 1, "fault": 2, "loop": 3, "efo": 4, "impact": 5, "tamper": 6, "remote": 7}
AT_REST = 1 << INPUTS["fault"] | 1 << INPUTS["loop"] | 1 << INPUTS["tamper"] | 1 << INPUTS["remote"]  # nothing wrong, between limits


def test_contact_module_as_discrete_inputs_and_as_coils() -> None:
    of = profile("contact-module-8di")
    for prefix, function in (("di", 2), ("coil", 1)):
        device = driver(of, *[f"{prefix}{n}" for n in range(1, 9)])
        (block,) = device.plan()
        assert address_of(block) == (function, 0, 8)
        told = said(device.decode(block, bits(0b10000001, 8, function=function), 1.0))
        assert [name for name, (value, _, _) in told.items() if value] == [f"{prefix}1", f"{prefix}8"]


def test_contact_module_that_begins_elsewhere() -> None:
    device = ModbusDriver("dev", profile("contact-module-8di"), 1, [point("di1")], address_offset=0x20)
    assert address_of(device.plan()[0]) == (2, 0x20, 1)


# --- bollard --------------------------------------------------------------------------------


def bollard(name: str, *signals: str, inputs: int = AT_REST) -> tuple[ModbusDriver, dict[str, Told]]:
    """A bollard whose eight inputs read so, and what it then says of these signals."""
    device = driver(profile(name), *signals)
    told: dict[str, Told] = {}
    for block in device.plan():
        _, start, count = address_of(block)
        told.update(said(device.decode(block, bits(inputs >> start & (1 << count) - 1, count), 1.0)))
    return device, told


@pytest.mark.parametrize("name", BOLLARDS)
@pytest.mark.parametrize(
    ("limits", "expected"),
    [(0b01, ("up", GOOD, "")), (0b10, ("down", GOOD, "")), (0b00, ("between", GOOD, "")), (0b11, (None, BAD, "wiring fault"))],
)
def test_bollard_position_comes_from_both_limit_switches(name: str, limits: int, expected: Told) -> None:
    assert bollard(name, "position", inputs=AT_REST | limits)[1] == {"position": expected}


@pytest.mark.parametrize("name", BOLLARDS)
def test_bollard_with_every_cable_cut_is_in_fault_tampered_and_not_clear(name: str) -> None:
    names = ("fault", "tamper", "loop_clear", "vehicle_present", "efo_active", "impact", "remote_selected")
    _, told = bollard(name, *names, inputs=0)
    assert told == {
        "fault": ON,
        "tamper": ON,
        "loop-clear": OFF,
        "vehicle-present": ON,
        "efo-active": OFF,
        "impact": OFF,
        "remote-selected": OFF,
    }
    _, told = bollard(name, *names)
    assert [signal for signal, (value, _, _) in told.items() if value] == ["loop-clear", "remote-selected"]


@pytest.mark.parametrize("name", BOLLARDS)
@pytest.mark.parametrize(("signal", "coil"), [("raise", 0), ("lower", 1), ("efo", 2)])
def test_bollard_moves_only_while_its_key_switch_stands_on_remote(name: str, signal: str, coil: int) -> None:
    device, _ = bollard(name, "position")
    assert [exchange.request for exchange in device.encode(signal, True)] == [bytes([5, 0, coil, 0xFF, 0])]
    device, _ = bollard(name, "position", inputs=AT_REST & ~(1 << INPUTS["remote"]))
    with pytest.raises(ValueError, match="stands on local"):
        device.encode(signal, True)
    with pytest.raises(ValueError, match="not read yet"):
        driver(profile(name), "position").encode(signal, True)


@pytest.mark.parametrize("name", BOLLARDS)
def test_bollard_stop_is_a_relay_that_drops(name: str) -> None:
    device = driver(profile(name))
    assert [exchange.request for exchange in device.encode("stop", True)] == [bytes.fromhex("05 00 03 00 00")]
    assert [exchange.request for exchange in device.encode("stop", False)] == [bytes.fromhex("05 00 03 FF 00")]
    assert device.pulse("stop", 1.0) is None


def test_bollard_pulses_are_ended_by_the_board_that_can() -> None:
    device, _ = bollard("contact-bollard-waveshare", "position")
    for signal, relay in (("raise", 0), ("lower", 1), ("efo", 2), ("warning_light", 4)):
        (pulse,) = device.pulse(signal, 0.7) or []
        assert pulse.request == bytes([5, 2, relay, 0, 7])
    device, _ = bollard("contact-bollard", "position")
    assert device.pulse("raise", 0.7) is None


def test_bollard_signals_fit_the_roles_that_will_use_them() -> None:
    kinds = {signal.name: signal.kind for signal in profile("contact-bollard").signals}
    for signal, role in (
        ("position", "bollard_position"),
        ("fault", "bollard_fault"),
        ("loop_clear", "loop_clear"),
        ("impact", "bollard_impact"),
        ("tamper", "tamper"),
    ):
        assert kinds[signal] in ROLES[role].kinds


# --- supervised loops -----------------------------------------------------------------------


def loop_microamps(volts: float, inside_ohm: float, far_ohm: float) -> int:
    """What the module shows; it cuts off at 20 mA. far_ohm: what the cable ends in."""
    return min(20_000, round(1e6 * volts / (560 + inside_ohm + far_ohm)))


def circuits() -> Iterator[tuple[float, float]]:
    for volts in (10.8, 12.0, 13.8):  # a battery-backed 12 V supply, empty to charging
        for inside_ohm in (0.0, 50.0, 150.0):
            yield volts, inside_ohm


@pytest.mark.parametrize(
    ("far_ohm", "expected"),
    [
        (2200.0, OFF),
        (1 / (1 / 2200 + 1 / 1000), ON),
        (0.0, (None, BAD, "loop short")),
        (1e9, (None, BAD, "loop open")),
    ],
)
def test_loop_states_hold_over_supply_and_resistance(far_ohm: float, expected: Told) -> None:
    device = driver(profile("four-state-loop-8ai"), "loop1")
    told: dict[str, Told] = {}
    for volts, inside_ohm in circuits():
        told.update(said(device.decode(device.plan()[0], words(loop_microamps(volts, inside_ohm, far_ohm), function=4), 1.0)))
        assert told == {"loop1": expected}, (volts, inside_ohm)


def test_every_raw_number_is_a_state_of_the_loop() -> None:
    device = driver(profile("four-state-loop-8ai"), "loop8")
    (block,) = device.plan()
    assert address_of(block) == (4, 7, 1)
    states: list[Told] = []
    for raw in range(0x10000):
        states += said(device.decode(block, words(raw, function=4), 1.0)).values()
    assert states == [(None, BAD, "loop open"), OFF, ON, (None, BAD, "loop short")]


@pytest.mark.parametrize(
    ("pair", "expected"), [(0b10, OFF), (0b01, ON), (0b00, (None, BAD, "loop open")), (0b11, (None, BAD, "loop short"))]
)
def test_button_with_a_closing_and_an_opening_contact(pair: int, expected: Told) -> None:
    at_rest = 0b10101010
    for n in range(4):
        device = driver(profile("four-state-double-contact"), *[f"button{i}" for i in range(1, 5)])
        (block,) = device.plan()
        assert address_of(block) == (2, 0, 8)
        inputs = at_rest & ~(0b11 << 2 * n) | pair << 2 * n
        told = said(device.decode(block, bits(inputs, 8), 1.0))
        assert told == {f"button{i}": expected if i == n + 1 else OFF for i in range(1, 5)}


# --- 4-20 mA ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("microamps", "expected"),
    [
        (4000, (0.0, GOOD, "")),
        (12000, (50.0, GOOD, "")),
        (20000, (100.0, GOOD, "")),
        (3600, (-2.5, GOOD, "")),
        (3599, (None, BAD, "loop open")),
        (0, (None, BAD, "loop open")),
        (21001, (None, BAD, "loop short")),
    ],
)
def test_transmitter_of_0_to_100_percent_lel(microamps: int, expected: Told) -> None:
    device = ModbusDriver("dev", profile("transmitter-4-20ma-8ai"), 1, [point("ai2", span=(0.0, 100.0))])
    (block,) = device.plan()
    assert address_of(block) == (4, 1, 1)
    assert said(device.decode(block, words(microamps, function=4), 1.0)) == {"ai2": expected}
