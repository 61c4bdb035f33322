"""OSDP readers as devices of a school. The other side of the cable is libosdp's control panel."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulators.encode import Value
from simulators.library import load_any
from simulators.profiles import OWN_FOLDER
from simulators.reader_device import ReaderDevice, ReaderProfile, ReaderWire
from simulators.school import School, lone_device
from simulators.site import BusPlan
from tests.simulators.field import eventually

osdp_sys = pytest.importorskip("osdp_sys", reason="libosdp is not installed")


def reader(key_file: Path | None = None) -> ReaderDevice:
    profile = load_any("osdp-keypad-reader", [OWN_FOLDER])
    assert isinstance(profile, ReaderProfile)
    return ReaderDevice("reader", 3, profile, key_file)


def test_what_it_takes() -> None:
    dut = reader()
    told: list[tuple[str, Value]] = []
    dut.on_change.append(lambda _, name, value, at_ns: told.append((name, value)))
    for name, value in (("card", "26 00C0FFEE"), ("keypad", "1234#"), ("tamper", True), ("input1", True)):
        dut.set(name, value)
        assert dut.get(name) == value
    assert len(told) == 4
    for name, value, said in (("card", "26 xyz", "hex digits"), ("tamper", "on", "true or false"), ("led", True, "control panel")):
        with pytest.raises(ValueError, match=said):
            dut.set(name, value)
    with pytest.raises(ValueError, match="only a contact"):
        dut.press("card")


class Cable:
    """What libosdp's control panel writes to and reads from."""

    def __init__(self) -> None:
        self.to_reader = self.to_panel = b""

    def read(self, most: int) -> bytes:
        data, self.to_panel = self.to_panel[:most], self.to_panel[most:]
        return data

    def write(self, data: bytes) -> int:
        self.to_reader += data
        return len(data)

    def flush(self) -> None:
        self.to_panel = b""


async def test_a_control_panel_hears_it_and_works_its_lamps() -> None:
    dut, cable, events = reader(), Cable(), list[dict[str, Any]]()
    panel = osdp_sys.ControlPanel([{"name": "reader", "address": 3, "flags": 0, "scbk": None, "channel": cable}])
    panel.set_event_callback(lambda _, event: events.append(event) or 0)

    def talked(holds: Callable[[], bool]) -> Callable[[], bool]:
        def turn() -> bool:
            panel.refresh()
            heard, cable.to_reader = cable.to_reader, b""
            cable.to_panel += dut.reader.serve(heard)
            return holds()

        return turn

    dut.set("card", "26 00C0FFEE")
    await eventually(talked(lambda: bool(events)))
    assert (events[0]["length"], events[0]["data"]) == (26, bytes.fromhex("00C0FFEE"))
    lamp = {"command": osdp_sys.CMD_LED, "reader": 0, "led_number": 0, "temporary": False, "control_code": 1}
    for colour, on in ((2, True), (0, False)):
        panel.submit_command(0, lamp | {"on_color": colour, "off_color": colour, "on_count": 1, "off_count": 1})
        panel.submit_command(0, {"command": osdp_sys.CMD_OUTPUT, "output_no": 1, "control_code": 2 if on else 1, "timer_count": 0})
        buzzer = {"command": osdp_sys.CMD_BUZZER, "reader": 0, "control_code": 2 if on else 1}
        panel.submit_command(0, buzzer | {"on_count": 1, "off_count": 0, "rep_count": 1})
        wanted = dut.traffic.requests + 3
        await eventually(talked(lambda wanted=wanted: dut.traffic.requests >= wanted))  # type: ignore[misc]
        assert [dut.get(name) for name in ("led", "buzzer", "output1", "output2")] == [on, on, False, on]


async def test_a_line_is_plugged_and_pulled(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("00112233445566778899aabbccddeeff")
    bus = BusPlan("bench", "osdp", link=tmp_path / "osdp")
    profile = load_any("osdp-reader", [OWN_FOLDER])
    before_ns = time.monotonic_ns()
    async with School(lone_device(profile, 0, bus, key)) as school:
        wire = school.wire("bench")
        assert isinstance(wire, ReaderWire)
        assert (wire.plugged, wire.address, (tmp_path / "osdp").is_symlink()) == (True, str(tmp_path / "osdp"), True)
        assert school.set_point("card", "26 00C0FFEE") >= before_ns
        await school.unplug("bench")
        assert not (tmp_path / "osdp").is_symlink()
        await school.plug("bench")
        assert (tmp_path / "osdp").is_symlink()
    assert not (tmp_path / "osdp").is_symlink()
