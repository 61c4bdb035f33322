"""The frames profiles against published frames: each value by the manual's own words, each trap of the sources refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drivers.frames import FramesDriver
from drivers.frames_split import Splitter
from drivers.frames_values import placed_signals
from gateway.config.load import load_profile
from gateway.config.plain import plain
from gateway.config.profile_frames import FramesProfile
from gateway.core.wire import WireClass, WirePoint
from tests.drivers.frames_golden import (
    CH2O,
    CO,
    CO_MISPRINTED,
    FOLDER,
    GST_FIRST,
    GST_FURTHER,
    GST_RESET,
    MH_Z19B,
    MODE_SET,
    RDM6300,
    S4A,
    TURNSTILE,
    component,
    components,
    gb26875,
    load,
    point,
    system,
    told,
)

NAMES = sorted(
    file.stem for file in FOLDER.glob("*.toml") if any(line == 'protocol = "frames"' for line in file.read_text("utf-8").splitlines())
)


def no_secret(card: bytes) -> str:
    return f"<{len(card)} bytes>"


class Device:
    """Splitter and driver as the gateway joins them, with plain records instead of models."""

    def __init__(self, name: str, *signals: str, unit: int = 1, hash_card: Callable[[bytes], str] = no_secret) -> None:
        profile: FramesProfile = plain(load(name))
        self.splitter = Splitter(profile)
        self.driver = FramesDriver("dev", profile, unit, [point(signal) for signal in signals], hash_card)
        self.now_s = 100.0

    def says(self, data: bytes) -> dict[str, tuple[object, str]]:
        """What the points show after these bytes."""
        self.now_s += 0.01
        return told([reading for frame in self.splitter.feed(data) for reading in self.driver.hear(frame, self.now_s)])


@pytest.mark.parametrize("name", NAMES)
def test_profile_is_sound(name: str) -> None:
    profile = load_profile(FOLDER / f"{name}.toml")
    assert isinstance(profile, FramesProfile)
    assert profile.id == name
    assert any("\u4e00" <= letter <= "\u9fff" for letter in profile.summary_zh)
    placed = list(placed_signals(profile))
    assert len({one.name for one in placed}) == len(placed), "a signal name occurs twice"
    points = [WirePoint(f"p{n}", one.name, WireClass.STATE, 1.0) for n, one in enumerate(placed) if one.signal.kind != "output"]
    driver = FramesDriver("dev", profile, profile.serial.unit, points, no_secret)
    assert len(driver.plan()) == len(profile.polls)
    for one in placed:
        for state in one.signal.send:
            (exchange,) = driver.encode(one.name, state)
            assert exchange.request
            if profile.frames:
                assert Splitter(profile).feed(exchange.request) == [exchange.request], "its own form must take what it sends"


def test_the_library_has_them() -> None:
    assert len(NAMES) >= 10


def test_mh_z19b_example_of_the_manual() -> None:
    device = Device("winsen-mh-z19b", "co2")
    assert device.says(MH_Z19B) == {"co2": (544, "good")}
    assert [block.request for block in device.driver.plan()] == [bytes.fromhex("FF0186000000000079")]


def test_ze07_ch2o_example_of_the_manual() -> None:
    device = Device("winsen-ze07-ch2o", "ch2o", "ch2o_ppb")
    assert device.says(CH2O) == {"ch2o": (42, "good"), "ch2o_ppb": (32, "good")}
    assert device.driver.opening == (bytes.fromhex("FF0178410000000046"),)


def test_ze07_co_upload_and_neither_the_misprint_nor_the_damaged_answer() -> None:
    device = Device("winsen-ze07-co", "co", "full_range")
    assert device.says(CO_MISPRINTED) == {}
    assert device.says(CH2O) == {}, "an answer in the other mode, whose formula is damaged in the manual, is no value"
    assert device.says(CO) == {"co": (3.7, "good"), "full_range": (500.0, "good")}


def test_sen0465_says_for_which_gas_its_number_is() -> None:
    device = Device("dfrobot-sen0465", "o2", "co", "gas")
    assert device.driver.opening == (bytes.fromhex("FF0178040000000083"),)
    assert device.says(MODE_SET) == {}
    oxygen = bytes.fromhex("FF8600D105010000")  # by the maker's library: 0x00D1, gas 05, one decimal
    assert device.says(oxygen + bytes([-sum(oxygen[1:]) & 0xFF])) == {"o2": (20.9, "good"), "gas": ("O2", "good")}
    silly = bytes.fromhex("FF8600D105630000")
    assert device.says(silly + bytes([-sum(silly[1:]) & 0xFF])) == {"o2": (None, "number of decimals out of range (byte 5)")}


def test_rdm6300_card_leaves_only_as_a_hash_over_its_five_bytes() -> None:
    seen: list[bytes] = []

    def hashed(card: bytes) -> str:
        seen.append(card)
        return "h"

    assert Device("rdm6300", "card", hash_card=hashed).says(RDM6300) == {"card": ("h", "good")}
    assert seen == [bytes.fromhex("13005D1DA5")]


def test_rdm6300_with_a_wrong_check_is_no_card() -> None:
    assert Device("rdm6300", "card").says(RDM6300.replace(b"F6", b"F7")) == {}


def test_s4a_card_and_key() -> None:
    seen: list[bytes] = []

    def hashed(card: bytes) -> str:
        seen.append(card)
        return "h"

    device = Device("s4a-wiegand", "card", "key", hash_card=hashed)
    assert device.says(S4A) == {"card": ("h", "good"), "key": (False, "good")}
    assert seen == [b"0012345678"]
    assert device.says(b"5") == {}
    readings = [reading for frame in device.splitter.flush() for reading in device.driver.hear(frame, device.now_s)]
    assert told(readings) == {"key": (True, "good")}, "that a key was pressed, never which"
    assert told(device.driver.tick(device.now_s + 0.5)) == {"key": (False, "good")}


def test_gst9000_examples_of_the_page() -> None:
    device = Device("gst9000-printer", "fire", "system_reset", "message", "detector", "place", "detector_type")
    assert device.says(GST_FIRST) == {
        "fire": (True, "good"),
        "system_reset": (False, "good"),
        "message": ("首次火警", "good"),
        "detector": ("004-004", "good"),
        "place": ("裙楼一层上空", "good"),
        "detector_type": ("感烟探测器", "good"),
    }
    assert device.says(GST_FURTHER) == {
        "message": ("火警后续", "good"),
        "detector": ("006-007", "good"),
        "place": ("中烟六层计划部", "good"),
    }
    assert device.says(GST_RESET) == {"fire": (False, "good"), "system_reset": (True, "good"), "message": ("系统复位", "good")}


def test_gst9000_fire_mark_is_found_by_its_text_where_the_published_offset_fails() -> None:
    mark = "火警".encode("gbk")
    assert (GST_FIRST[34:38], GST_FURTHER[34:38]) == (mark, "后续".encode("gbk")), "the page's rule misses its second example"
    for frame in (GST_FIRST, GST_FURTHER):
        assert Device("gst9000-printer", "fire").says(frame) == {"fire": (True, "good")}


def test_gst9000_place_that_names_the_word_fire_is_no_fire() -> None:
    frame = b"\x1b608/12/02  17:25\n  001-002\n\x1b9" + "反馈\n火警值班室\n模块\n\n".encode("gbk")
    device = Device("gst9000-printer", "fire", "message")
    assert device.says(frame) == {"fire": (False, "not reported yet"), "message": ("反馈", "good")}


def test_gb26875_fire_is_over_when_every_component_that_reported_it_says_so() -> None:
    device = Device("gb26875", "fire", "disturbed", "component_address", "component_place", "component_type")
    assert device.says(components(component(0x0003, address=5, place="一号楼二层"), component(0x0003, address=6, place="食堂"))) == {
        "fire": (True, "good"),
        "disturbed": (True, "good"),
        "component_address": (6, "good"),
        "component_place": ("食堂", "good"),
        "component_type": (42, "good"),
    }
    assert device.says(components(component(0x0001, address=5))) == {"component_address": (5, "good"), "component_place": ("", "good")}
    assert device.says(components(component(0x0001, address=6)))["fire"] == (False, "good")


def test_gb26875_normal_of_the_simulator_is_normal_although_bit_0_says_test() -> None:
    device = Device("gb26875", "fire", "fault", "disturbed")
    assert device.says(components(component(0x0000))) == {"fire": (False, "good"), "fault": (False, "good"), "disturbed": (False, "good")}
    assert device.says(components(component(0x0001))) == {}
    assert device.says(components(component(0x0005))) == {"fault": (True, "good"), "disturbed": (True, "good")}


def test_gb26875_reset_of_the_system_ends_what_components_reported() -> None:
    device = Device("gb26875", "fire", "reset", "system_fire")
    assert device.says(components(component(0x0002)))["fire"] == (True, "good")
    assert device.says(system(0x0002)) == {"system_fire": (True, "good")}
    assert device.says(system(0x2000)) == {"fire": (False, "good"), "reset": (True, "good"), "system_fire": (False, "good")}


def test_gb26875_analogue_values() -> None:
    record = "0101" + "11" + "05000000" + "{kind:02x}" + "{value}" + "1E150A160B19"
    device = Device("gb26875", "temperature", "gas")
    assert device.says(gb26875("0301" + record.format(kind=3, value="86FF"))) == {"temperature": (-12.2, "good")}
    assert device.says(gb26875("0301" + record.format(kind=6, value="FA00"))) == {"gas": (25.0, "good")}


def test_gb26875_count_that_says_more_than_the_frame_holds() -> None:
    assert Device("gb26875", "fire").says(gb26875("02ff" + component(0x0002)))["fire"] == (True, "good")
    assert Device("gb26875", "fire").says(gb26875("02")) == {"fire": (False, "not reported yet")}


def test_gb26875_message_is_confirmed_with_its_serial_and_exchanged_addresses() -> None:
    device = Device("gb26875")
    sent = gb26875("0101" + "0101" + "0200" + "1E150A160B19", serial=0x1234)
    answer = device.driver.answer(sent)
    assert answer == bytes.fromhex("4040" + "3412" + "0100" + "1E150A160B19" + "A1A2A3A4A5A6" + "010203040506" + "0000" + "03") + bytes(
        [sum(answer[2:-3]) & 0xFF, 0x23, 0x23]
    )
    assert Splitter(load("gb26875")).feed(answer) == [answer]
    assert device.driver.answer(answer) == b"", "a confirmation is not confirmed"


def test_turnstile_commands_have_the_checks_of_the_rule() -> None:
    driver = Device("machpower-ac-atri-018").driver
    assert driver.encode("left", True)[0].request == TURNSTILE[0x40]
    assert driver.encode("right", True)[0].request == TURNSTILE[0x41]
    assert driver.encode("arm", False)[0].request == bytes.fromhex("EB014200A8")
    assert driver.encode("arm", True)[0].request == bytes.fromhex("EB014300A9")
    assert driver.encode("ban", "on")[0].request == bytes.fromhex("EB014A00A0")
    with pytest.raises(ValueError, match="it knows on"):
        driver.encode("left", False)


def test_stack_light_and_motor_commands() -> None:
    light = Device("usb-stack-light").driver
    assert light.encode("red", True)[0].request == bytes.fromhex("A00101A2")
    assert light.encode("red", False)[0].request == bytes.fromhex("A00100A1")
    motor = Device("dooya-rs485", unit=0).driver
    (exchange,) = motor.encode("move", "stop")
    assert exchange.request[:5] == bytes.fromhex("5500000303")
    assert exchange.reply_bytes == 0
