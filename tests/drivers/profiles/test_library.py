"""What holds for every profile that is shipped."""

from __future__ import annotations

import re

import pytest

from drivers.modbus import ModbusDriver
from drivers.modbus_places import placed_signals
from gateway.config.load import load_profile
from gateway.config.profile_modbus import ModbusProfile
from gateway.core.reading import Quality
from gateway.core.wire import Block, WireClass, WirePoint
from tests.drivers.golden import PROFILES
from tests.drivers.test_profiles import is_modbus

NAMES = sorted(file.stem for file in PROFILES.glob("*.toml"))
MODBUS = [name for name in NAMES if is_modbus(PROFILES / f"{name}.toml")]
HAN = re.compile("[\u4e00-\u9fff]")


def modbus(name: str) -> ModbusProfile:
    of = load_profile(PROFILES / f"{name}.toml")
    assert isinstance(of, ModbusProfile)
    return of


@pytest.mark.parametrize("name", NAMES)
def test_profile_says_what_it_is_and_where_its_facts_come_from(name: str) -> None:
    of = load_profile(PROFILES / f"{name}.toml")
    assert of.id == name
    assert of.source.strip()
    assert of.summary.strip()
    assert not HAN.search(of.summary)
    assert HAN.search(of.summary_zh)


def zeros(block: Block) -> bytes:
    size = block.reply_bytes - 2
    return bytes([block.request[0], size]) + bytes(size)


@pytest.mark.parametrize("name", MODBUS)
def test_no_register_map_is_from_memory(name: str) -> None:
    of = modbus(name)
    assert of.confidence != "recalled"
    assert all(signal.confidence != "recalled" for signal in of.signals)


@pytest.mark.parametrize("name", MODBUS)
def test_every_signal_can_be_read_and_zeros_do_no_harm(name: str) -> None:
    of = modbus(name)
    names = [placed.name for placed in placed_signals(of)]
    device = ModbusDriver("dev", of, of.serial.unit, [WirePoint(signal, signal, WireClass.STATE, 1.0) for signal in names])
    reading_blocks = [block for block in device.plan() if block.points]
    assert {point for block in reading_blocks for point in block.points} == set(names)
    said = {reading.point for block in reading_blocks for reading in device.decode(block, zeros(block), 1.0)}
    assert said == set(names), "each point has a value or a reason why not"


GAS = [name for name in MODBUS if (PROFILES / f"{name}.toml").read_text(encoding="utf-8").count('"%LEL"')]


@pytest.mark.parametrize("name", GAS)
def test_a_gas_detector_that_answers_zeros_never_says_clean_air(name: str) -> None:
    of = modbus(name)
    gases = [placed.name for placed in placed_signals(of) if placed.signal.unit == "%LEL" and placed.signal.kind == "measurement"]
    device = ModbusDriver("dev", of, of.serial.unit, [WirePoint(gas, gas, WireClass.LIFE_SAFETY, 1.0) for gas in gases])
    readings = [reading for block in device.plan() for reading in device.decode(block, zeros(block), 1.0)]
    assert {reading.point for reading in readings} == set(gases)
    assert not [reading for reading in readings if reading.quality is Quality.GOOD and reading.value == 0]
