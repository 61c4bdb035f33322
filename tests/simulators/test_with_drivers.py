"""Every shipped profile: what the simulator plays is what the gateway's own driver makes of it, and the other way round.

Both read the profile with code of their own, so that one bug cannot hide in both ends.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from drivers.frames import FramesDriver
from drivers.frames_split import Splitter
from drivers.modbus import ModbusDriver
from gateway.config.profile_frames import FramesProfile
from gateway.config.profile_modbus import ModbusProfile
from gateway.config.profiles import signals_of
from gateway.core.wire import Exchange, WireClass, WirePoint
from simulators import profiles
from simulators.device import Device
from simulators.encode import Value
from simulators.frame_device import FrameDevice
from simulators.frame_profile import FrameProfile, FrameSignal
from simulators.library import read_any
from tests.simulators.test_play import FRAMES, MODBUS, UNIT


def point(name: str) -> WirePoint:
    return WirePoint(name, name, WireClass.STATE, 1.0)


@pytest.mark.parametrize("path", MODBUS, ids=lambda path: path.stem)
def test_what_the_driver_writes_is_what_the_device_does(path: Path) -> None:
    profile = ModbusProfile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    dut = Device(path.stem, UNIT, profiles.read(path))
    latches = [name for name, signal in signals_of(profile) if dut.profile.signals[name].clear and signal.kind == "latched"][:4]
    driver = ModbusDriver(path.stem, profile, UNIT, [point(name) for name in latches], configure=True)

    def carried_out(exchanges: list[Exchange]) -> None:
        for exchange in exchanges:
            reply = dut.answer(exchange.request)
            assert (len(reply), reply[: len(exchange.expect)]) == (exchange.reply_bytes, exchange.expect), exchange.name

    carried_out(driver.start())
    for name in latches:
        dut.set(name, True)
        clear = driver.clear(name)
        assert clear is not None
        carried_out([clear])
        assert dut.get(name) is False, name
    for name, signal in signals_of(profile):
        named = [word for *_, word in dut.profile.signals[name].enum]
        for value in (named or (True, False)) if signal.kind == "output" else ():
            try:
                exchanges = driver.encode(name, value)
            except ValueError:  # a command that knows no "off", or an output that takes names
                continue
            carried_out(exchanges)
            assert dut.get(name) == value, f"{name} {value}"
    assert dut.traffic.ignored == 0


def frame_values(signal: FrameSignal) -> list[Value]:
    match signal.kind:
        case "contact":
            return [True, False] if signal.at is not None and not signal.passes else [True]
        case "enum":
            return [name for _, name in signal.enum]
        case "text":
            return ["001-002" if "[0-9]" in signal.pattern else "海湾"]
        case "card":
            return ["0123456789"]
        case "output":
            return []
    return [12, 7, 0.5] if signal.scale != 1.0 or signal.decimals_at is not None else [12, 7]


@pytest.mark.parametrize("path", FRAMES, ids=lambda path: path.stem)
def test_what_the_device_says_is_what_the_driver_hears(path: Path) -> None:
    profile = FramesProfile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    played = read_any(path)
    assert isinstance(played, FrameProfile)
    dut = FrameDevice(path.stem, profile.serial.unit, played)
    names = [name for name, signal in signals_of(profile) if signal.kind != "output"]
    driver = FramesDriver(path.stem, profile, profile.serial.unit, [point(name) for name in names], hash_card=lambda card: card.hex())
    said: list[bytes] = []
    dut.on_frame.append(lambda _, data: said.append(data))
    splitter, shown = Splitter(profile), dict[str, object]()
    now_s, confirmed = 100.0, 0
    for name in names:
        for value in frame_values(dut.profile.signals[name]):
            dut.set(name, value)
            if played.uploads or played.polls:
                dut.upload()
            now_s += 10
            frames = [frame for data in said for frame in [*splitter.feed(data), *splitter.flush()]]
            assert len(frames) == len(said) == 1, f"{name} {value}: {said}"
            said.clear()
            for reading in (*driver.tick(now_s), *driver.hear(frames[0], now_s)):
                shown[reading.point] = reading.value
            if answer := driver.answer(frames[0]):
                dut.heard(answer)
                confirmed += 1
            if dut.profile.signals[name].kind == "card":
                assert shown[name] in (str(value), str(value).encode().hex())
            else:
                assert shown[name] == value, f"{name} {value}"
    assert dut.traffic.answers == confirmed
    for name, signal in signals_of(profile):
        for state in signal.send if signal.kind == "output" else ():
            for exchange in driver.encode(name, state):
                dut.heard(exchange.request)
            assert dut.get(name) in (state, {"on": True, "off": False, "open": True, "close": False}.get(state)), f"{name} {state}"
    assert dut.traffic.strange_bytes == 0
