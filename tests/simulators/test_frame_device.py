"""Simulated devices with frames of their own, from the shipped profiles."""

from __future__ import annotations

import pytest

from simulators.encode import Value
from simulators.faults import Fault
from simulators.frame_device import FrameDevice
from simulators.frame_profile import FrameProfile, parse
from simulators.library import load_any
from simulators.modbus import crc16
from simulators.profiles import OWN_FOLDER


class Played:
    """A device and what it said."""

    def __init__(self, profile: str | FrameProfile, unit: int | None = None) -> None:
        loaded = load_any(profile, [OWN_FOLDER]) if isinstance(profile, str) else profile
        assert isinstance(loaded, FrameProfile)
        self.device = FrameDevice("dut", loaded.unit if unit is None else unit, loaded)
        self.said: list[bytes] = []
        self.delays: list[float] = []
        self.device.on_frame.append(self._said)

    def _said(self, delay_s: float, data: bytes) -> None:
        self.delays.append(delay_s)
        self.said.append(data)

    def after(self, name: str, value: Value) -> list[str]:
        """What it says when a signal is set."""
        self.said.clear()
        self.device.set(name, value)
        return [data.hex(" ") for data in self.said]


def test_an_uploading_module_says_its_values_each_time() -> None:
    played = Played("winsen-ze07-co")
    assert played.after("full_range", 500) == []
    assert played.after("co", 3.7) == []
    played.device.upload()
    assert played.said[-1].hex(" ") == "ff 04 03 01 00 25 13 88 38"  # as public drivers quote it, with the manual's check
    assert (played.device.get("co"), played.device.get("full_range")) == (3.7, 500)
    assert played.device.changes["co"].first_read_ns is not None


def test_a_polled_module_speaks_when_it_is_asked() -> None:
    played = Played("winsen-mh-z19b")
    assert played.after("co2", 0x0220) == []
    for byte in bytes.fromhex("00 FF 01 86 00 00 00 00 00 79"):
        played.device.heard(bytes((byte,)))
    assert [data.hex(" ") for data in played.said] == ["ff 86 02 20 00 00 00 00 58"]  # Winsen MH-Z19B manual, page 7
    assert (played.device.traffic.requests, played.device.traffic.strange_bytes) == (1, 1)


def test_a_board_for_many_gases_tells_the_one_that_was_set() -> None:
    played = Played("dfrobot-sen0465")
    assert played.device.get("gas") == "O2"
    played.device.set("h2s", 4.5)
    played.device.upload()
    assert played.said[-1].hex(" ") == "ff 86 00 2d 03 01 00 00 49"
    assert (played.device.get("gas"), played.device.get("h2s"), played.device.get("o2")) == ("H2S", 4.5, 0)


def test_cards() -> None:
    reader = Played("rdm6300")
    assert reader.after("card", "13005D1DA5") == [b"\x0213005D1DA5F6\x03".hex(" ")]
    assert reader.after("card", "") == []
    assert reader.device.get("card") == ""
    with pytest.raises(ValueError, match="10 hex digits"):
        reader.device.set("card", "13")
    wiegand = Played("s4a-wiegand")
    assert wiegand.after("card", "0012345678") == [b"0012345678\r\n".hex(" ")]
    assert wiegand.after("key", True) == ["78"]
    assert wiegand.after("key", False) == []
    assert wiegand.device.quiet_s == 0.025


def test_a_panel_prints() -> None:
    panel = Played("gst9000-printer")
    assert panel.after("message", "首警 火警 三号楼") == [("\x1b6\x1b9首警 火警 三号楼\n\n".encode("gbk")).hex(" ")]
    assert panel.device.get("fire") is True  # what it says is what it knows
    assert panel.after("system_reset", True) == ["1b 36 1b 39 cf b5 cd b3 b8 b4 ce bb 0a 0a"]
    assert panel.device.get("fire") is False
    assert panel.after("detector", "004-004") == ["1b 36 0a 20 20 30 30 34 2d 30 30 34 0a 0a"]


def test_a_fire_transmission_device_wants_to_be_confirmed() -> None:
    panel = Played("gb26875")
    panel.device.set("component_address", 5)
    [frame] = [bytes.fromhex(text) for text in panel.after("fire", True)]
    assert (len(frame), frame[24:26], frame[26:29]) == (78, b"\x30\x00", b"\x02\x02\x01")  # 48 bytes of data, one component
    assert (frame[32:36], frame[36:38]) == (b"\x05\x00\x00\x00", b"\x02\x00")
    assert frame[-3] == sum(frame[2:-3]) & 0xFF
    answer = b"@@" + frame[2:12] + frame[18:24] + frame[12:18] + b"\x00\x00\x03"
    panel.device.heard(answer + bytes((sum(answer[2:]) & 0xFF,)) + b"##")
    assert (panel.device.traffic.answers, panel.device.traffic.strange_bytes) == (1, 0)
    assert panel.device.get("disturbed") is True
    panel.device.set("fault", True)
    panel.device.set("disturbed", True)  # it is already: nothing else changes
    assert (panel.device.get("fire"), panel.device.get("fault")) == (True, True)
    [reset] = [bytes.fromhex(text) for text in panel.after("reset", True)]
    assert reset[31:33] == b"\x00\x20"
    assert (panel.device.get("fire"), panel.device.get("disturbed")) == (False, False)
    [mains] = [bytes.fromhex(text) for text in panel.after("mains_fault", True)]
    assert mains[31:33] == b"\x00\x01"  # the reset is over


def test_commands_are_obeyed() -> None:
    turnstile = Played("machpower-ac-atri-018", unit=1)
    told: list[tuple[str, Value]] = []
    turnstile.device.on_change.append(lambda _, name, value, at_ns: told.append((name, value)))
    turnstile.device.heard(bytes.fromhex("EB 01 40 00 AA EB 01 43 00 A9 EB 02 43 00 AA EB 01 42 00 A8"))
    assert told == [("left", True), ("arm", True), ("arm", False)]
    assert turnstile.device.traffic.strange_bytes == 5  # for another unit
    motor = Played("dooya-rs485", unit=0x1234)
    motor.device.heard(bytes.fromhex("55 12 34 03 01 AD 8A"))
    assert motor.device.get("move") is True
    motor.device.heard(bytes.fromhex("55 12 34 03 03") + crc16(bytes.fromhex("55 12 34 03 03")))
    assert (motor.device.get("move"), motor.device.get("stop")) == ("stop", True)  # two names for the same bytes
    assert motor.after("move", "stop") == []
    with pytest.raises(ValueError, match="no state 'sideways'"):
        motor.device.set("move", "sideways")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("silent"), []),
        (Fault("wrong-crc"), ["02 31 33 30 30 35 44 31 44 41 35 47 36 03"]),
        (Fault("truncated"), ["02 31 33 30 30 35 44"]),
        (Fault("late", ms=200), ["02 31 33 30 30 35 44 31 44 41 35 46 36 03"]),
    ],
)
def test_faults(fault: Fault, said: list[str]) -> None:
    reader = Played("rdm6300")
    reader.device.fault = fault
    assert reader.after("card", "13005D1DA5") == said
    assert reader.delays == ([0.2] if fault.kind == "late" else [0.0] * len(said))


def test_a_garbage_burst() -> None:
    reader = Played("rdm6300")
    reader.device.fault = Fault("garbage")
    [noise] = reader.after("card", "13005D1DA5")
    assert (len(noise), noise[:2] == "02") == (3 * 14 - 1, False)


def test_a_restart_forgets() -> None:
    module = Played("winsen-mh-z19b")
    module.device.set("co2", 900)
    module.device.restart()
    assert module.device.get("co2") == 0


SMALL = {"id": "x", "protocol": "frames", "frames": [{"start": "AA", "length": 4}]}


def test_a_contact_that_a_frame_alone_reports() -> None:
    profile = parse(
        {**SMALL, "signals": [{"name": "pass{n}", "kind": "contact", "when": {"1": "07"}, "hold_s": 1, "repeat": {"count": 1}}]}
    )
    gate = Played(profile)
    assert gate.after("pass1", True) == ["aa 07 00 00"]
    assert gate.after("pass1", False) == []
    assert gate.device.press("pass1")
    assert gate.device.get("pass1") is True


def test_names_and_sentinels() -> None:
    state = {"name": "state", "kind": "enum", "at": 1, "enum": {"1": "fault", "2": "normal"}}
    level = {"name": "level", "kind": "measurement", "at": 2, "sentinels": {"255": "broken"}}
    probe = Played(parse({**SMALL, "signals": [state, level]}))
    assert probe.after("level", 3) == ["aa 02 03 00"]  # it begins normal
    assert probe.after("level", "broken") == ["aa 02 ff 00"]
    assert probe.device.get("level") == "broken"
    with pytest.raises(ValueError, match="fault, normal"):
        probe.device.set("state", "odd")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"frames": [{"start": "AA", "lenght": 4}]}, "frames: lenght"),
        ({"frames": [{"checksum": {"kind": "crc9", "first": 0, "last": 1, "at": 2}}]}, "'crc9' is unknown"),
        ({"poll": []}, "profile: poll"),
        ({"signals": [{"name": "a", "kind": "contact", "record": "r"}]}, "there are no records r"),
        ({"signals": [{"name": "a", "kind": "measurement", "at": 1, "type": "u24"}]}, "'u24' is unknown"),
    ],
)
def test_a_profile_that_cannot_be_played(more: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse({"signals": [], **SMALL, **more})
