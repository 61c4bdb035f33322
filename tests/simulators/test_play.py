"""Every shipped profile is played, and read by an outside Modbus master and a decoder of this test's own."""

from __future__ import annotations

import contextlib
import struct
import tomllib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from simulators.device import Device
from simulators.encode import Value, choices, fault_of, is_bool, to_raw
from simulators.frame_device import FrameDevice
from simulators.library import read_any
from simulators.profiles import OWN_FOLDER, read
from simulators.reader_device import ReaderProfile
from simulators.signals import Signal
from simulators.wires import TcpWire
from tests.simulators.own_decoder import Map

UNIT = 5
NUMBERS = (1, 20, 7.5, 42)


def protocol(path: Path) -> str:
    return str(tomllib.loads(path.read_text(encoding="utf-8")).get("protocol", "modbus"))


LIBRARY = sorted(OWN_FOLDER.glob("*.toml"))
MODBUS = [path for path in LIBRARY if protocol(path) == "modbus"]
FRAMES = [path for path in LIBRARY if protocol(path) == "frames"]
READERS = [path for path in LIBRARY if protocol(path) == "osdp"]


@contextlib.asynccontextmanager
async def played(path: Path) -> AsyncIterator[tuple[Device, Map]]:
    """A device of this profile on a real TCP wire, and the profile as the outside master sees it."""
    dut = Device(path.stem, UNIT, read(path))
    wire = TcpWire("127.0.0.1", 0, "tcp", {UNIT: dut})
    await wire.start()
    client = AsyncModbusTcpClient("127.0.0.1", port=wire.port, retries=0)
    try:
        assert await client.connect()
        yield dut, Map(path, client, UNIT)
    finally:
        client.close()
        await wire.stop()


def test_the_library_is_there() -> None:
    assert len(MODBUS) > 20
    assert len(FRAMES) > 5


@pytest.mark.parametrize("path", MODBUS, ids=lambda path: path.stem)
async def test_what_is_set_is_what_an_outside_master_reads(path: Path) -> None:
    async with played(path) as (dut, outside):
        assert list(dut.profile.signals) == list(outside.signals)
        for name, entry in outside.signals.items():
            if not entry["first_or_last"]:
                continue
            if "area" in entry:
                await outside.words(entry)
            if entry["kind"] in ("contact", "latched", "measurement", "counter", "enum"):
                await check(dut, outside, name)
        assert dut.traffic.exceptions == 0


async def check(dut: Device, outside: Map, name: str) -> None:
    """Sets some values of a signal, reads each of them back from outside."""
    signal = dut.profile.signals[name]
    for value in values(dut, signal):
        dut.set(name, value)
        assert dut.get(name) == pytest.approx(value, abs=resolution(dut, signal)), name
        assert await outside.value(name) == pytest.approx(value, abs=resolution(dut, signal)), name


def values(dut: Device, signal: Signal) -> list[Value]:
    """What to try: both states, all names, or some numbers that the signal can hold and that are no fault."""
    if signal.made_from:
        names = list(dict.fromkeys(word for _, word in signal.table))
        return [word for word in names if word not in ("normal", "active")] + ([True, False] if signal.kind == "contact" else [])
    if signal.loop:
        return [True, False, *(word for word in choices(signal) if word in ("open", "short"))]
    if is_bool(signal):
        return [True, False]
    if signal.enum:
        return [*dict.fromkeys(word for _, _, word in signal.enum)]
    good: list[Value] = [number for number in (*NUMBERS, 0.01, 25, 100, 300) if fits(signal, number)][: len(NUMBERS)]
    assert good, f"{signal.name} holds none of the numbers"
    return good


def fits(signal: Signal, number: float) -> bool:
    try:
        return fault_of(signal, to_raw(signal, number)) is None
    except ValueError:
        return False


def resolution(dut: Device, signal: Signal) -> float:
    """Half a step of the signal's number, and a little for its arithmetic."""
    if is_bool(signal) or signal.enum or signal.loop or signal.made_from:
        return 0
    exponent = dut.get(signal.exponent_from) if signal.exponent_from else 0
    step = abs(signal.scale) / 10 ** (exponent if isinstance(exponent, int) else 0)
    return 1e-4 if signal.type == "f32" else step / 2 + 1e-9


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_every_profile_begins_healthy(path: Path) -> None:
    if protocol(path) == "gpio":
        pytest.skip("a board's own contacts hang on no wire")
    profile = read_any(path)
    if isinstance(profile, ReaderProfile):
        assert profile.signals
        return
    dut = FrameDevice("x", profile.unit, profile) if path in FRAMES else Device("x", 1, read(path))  # type: ignore[arg-type]
    for name, signal in dut.profile.signals.items():
        bad = {text for _, _, text in (signal.faults if isinstance(signal, Signal) else signal.sentinels)}
        bad |= signal.bad if isinstance(signal, Signal) else set()
        assert dut.get(name) not in bad, f"{path.stem}: {name} begins as {dut.get(name)}"
        assert signal.kind != "contact" or isinstance(dut.get(name), bool), f"{path.stem}: {name} begins as {dut.get(name)}"


@pytest.mark.parametrize("path", MODBUS, ids=lambda path: path.stem)
def test_every_switch_follows_the_writes_of_its_profile(path: Path) -> None:
    dut = Device(path.stem, UNIT, read(path))
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    for entry in data["signals"]:
        name = entry["name"].replace("{n}", str(entry.get("repeat", {}).get("first", 1)))
        how = entry.get("write", {})
        is_switch = "on" in how or "off" in how or entry.get("type", "bool") == "bool"
        if entry["kind"] != "output" or not is_switch or entry.get("enum"):
            continue
        for state in ("on", "off"):
            if (how.keys() & {"on", "off"}) and state not in how:
                continue
            for before in how.get("before", ()):
                asked = request(before, before.get("value", 1), before.get("further", ()), data)
                assert dut.answer(asked)[0] < 0x80, f"{name}: {before}"
            plain = int((state == "on") != entry.get("invert", False))
            asked = request({"area": entry["area"], "address": entry["address"], **how}, how.get(state, plain), (), data)
            assert dut.answer(asked) == expected(asked, how), f"{name} {state}"
            assert dut.get(name) is (state == "on"), f"{name} {state}"


def request(write: dict[str, Any], value: int, further: Sequence[int], data: dict[str, Any]) -> bytes:
    """Data unit of one write, put together from the profile's text."""
    function = write.get("function") or (5 if write["area"] == "coil" else 6)
    address = write["address"] - data.get("address_base", 0)
    if function == 5:
        return struct.pack(">BHH", 5, address, 0xFF00 if value == 1 else value)
    if function == 15:
        return struct.pack(">BHHBB", 15, address, 1, 1, value)
    if function == 16:
        words = (value, *further)
        return struct.pack(f">BHHB{len(words)}H", 16, address, len(words), 2 * len(words), *words)
    return struct.pack(">BHH", 6, address, value)


def expected(asked: bytes, how: dict[str, Any]) -> bytes:
    """The answer that the profile announces."""
    if how.get("reply") == "none":
        return b""
    if "ack" in how:
        return asked[:3] + struct.pack(">H", how["ack"])
    return asked if how.get("reply") == "request" else asked[:5]
