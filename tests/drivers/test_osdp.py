"""An OSDP reader's reports as readings, and its outputs as commands. Cards and entries are told as hashes only."""

from __future__ import annotations

import hashlib
import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.osdp import OsdpDriver, card_bytes
from gateway.config.profile_osdp import OsdpProfile
from gateway.core.reader import CardShown, KeysPressed, ReaderInputs, ReaderState
from gateway.core.reading import Quality, Reading
from gateway.core.wire import WireClass, WirePoint
from tests.drivers.golden import PROFILES

TEXT = (PROFILES / "osdp-keypad-reader.toml").read_text(encoding="utf-8")
READER = OsdpProfile.model_validate(tomllib.loads(TEXT))
CARD = CardShown(0, 26, bytes.fromhex("12345680"))


def hashed(data: bytes) -> str:
    return hashlib.sha256(b"site" + data).hexdigest()[:16]


def reader(*signals: str, inverted: bool = False) -> OsdpDriver:
    points = [WirePoint(f"p-{name}", name, WireClass.STATE, 1.0, inverted) for name in signals]
    return OsdpDriver("door", READER, 3, points, hashed)


def said(value: object, signal: str, now_s: float) -> list[Reading]:
    return [Reading(f"p-{signal}", value, now_s=now_s)]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["osdp-reader", "osdp-keypad-reader"])
def test_the_profiles_are_sound(name: str) -> None:
    profile = OsdpProfile.model_validate(tomllib.loads((PROFILES / f"{name}.toml").read_text(encoding="utf-8")))
    assert profile.id == name
    assert {signal.what for signal in profile.signals} >= {"card", "tamper", "led", "buzzer"}


def test_a_card_is_told_by_its_hash_of_length_and_bits() -> None:
    (reading,) = reader("card").hear(CARD, 1.0)
    assert reading.value == hashed(bytes.fromhex("001a 12345680"))
    assert reading.quality is Quality.GOOD


def test_what_is_left_in_the_padding_does_not_matter_and_the_number_of_bits_does() -> None:
    assert card_bytes(26, bytes.fromhex("123456BF")) == card_bytes(26, bytes.fromhex("12345680")) == bytes.fromhex("001a12345680")
    assert card_bytes(25, bytes.fromhex("12345680")) != card_bytes(26, bytes.fromhex("12345680"))
    assert card_bytes(37, bytes.fromhex("FFFFFFFFFF")) == bytes.fromhex("0025FFFFFFFFF8")


@given(st.integers(0, 1000), st.binary(max_size=125))
def test_any_report_makes_bytes_of_the_right_size(bits: int, data: bytes) -> None:
    made = card_bytes(min(bits, 8 * len(data)), data)
    assert len(made) == 2 + (min(bits, 8 * len(data)) + 7) // 8


def test_a_card_that_lies_there_is_one_showing_and_each_new_showing_is_told() -> None:
    driver = reader("card")
    shown = [len(driver.hear(CARD, now_s)) for now_s in (1.0, 1.5, 3.0, 4.9, 7.0)]
    assert shown == [1, 0, 0, 0, 1]
    other = CardShown(0, 26, bytes.fromhex("12345640"))
    assert [len(driver.hear(card, now_s)) for card, now_s in ((other, 7.1), (CARD, 7.2))] == [1, 1]


def test_a_card_of_another_reading_head_is_not_this_points() -> None:
    assert reader("card").hear(CardShown(1, 26, bytes(4)), 1.0) == []


def test_an_entry_is_told_by_its_hash_when_enter_was_pressed() -> None:
    driver = reader("keypad")
    assert driver.hear(KeysPressed(0, b"12"), 1.0) == []
    assert driver.hear(KeysPressed(0, b"34"), 2.0) == []
    assert driver.hear(KeysPressed(0, b"\r"), 3.0) == said(hashed(b"pin:1234"), "keypad", 3.0)
    assert driver.hear(KeysPressed(0, b"#"), 4.0) == []
    assert driver.hear(KeysPressed(0, b"9\x7f8*77#"), 5.0) == said(hashed(b"pin:77"), "keypad", 5.0)


def test_an_entry_that_nobody_ends_is_forgotten() -> None:
    driver = reader("keypad")
    driver.hear(KeysPressed(0, b"12"), 1.0)
    assert driver.hear(KeysPressed(0, b"34#"), 11.0) == said(hashed(b"pin:34"), "keypad", 11.0)
    driver.hear(KeysPressed(0, b"12"), 20.0)
    assert driver.tick(30.0) == []
    assert driver.hear(KeysPressed(0, b"5#"), 31.0) == said(hashed(b"pin:5"), "keypad", 31.0)
    driver.hear(KeysPressed(0, b"12"), 40.0)
    driver.lost("no answer", 41.0)
    assert driver.hear(KeysPressed(0, b"6#"), 42.0) == said(hashed(b"pin:6"), "keypad", 42.0)


def test_no_clear_text_stands_in_readings_or_messages() -> None:
    driver = reader("card", "keypad")
    readings = driver.hear(CARD, 1.0) + driver.hear(KeysPressed(0, b"4711#"), 1.0)
    text = repr(readings) + repr(CARD) + repr(KeysPressed(0, b"4711#"))
    assert "4711" not in text
    assert "12345680" not in text
    assert repr(CARD.data)[2:-1] not in text


def test_contacts_speak_when_they_changed() -> None:
    driver = reader("tamper", "power_failed", "input2")
    state = ReaderState(tamper=True, power_failed=False)
    assert driver.hear(state, 1.0) == said(True, "tamper", 1.0) + said(False, "power_failed", 1.0)
    assert driver.hear(state, 2.0) == []
    assert driver.hear(ReaderInputs((True, False)), 3.0) == said(False, "input2", 3.0)
    assert driver.hear(ReaderInputs((False, True)), 4.0) == said(True, "input2", 4.0)
    assert driver.hear(ReaderInputs((True,)), 5.0) == []
    assert driver.hear("something else", 5.0) == []


def test_a_contact_may_be_wired_the_other_way_round() -> None:
    assert reader("input1", inverted=True).hear(ReaderInputs((False, False)), 1.0) == said(True, "input1", 1.0)


def test_a_lost_reader_makes_contacts_bad_once_until_they_are_reported_again() -> None:
    driver = reader("card", "tamper")
    driver.hear(ReaderState(tamper=False, power_failed=False), 1.0)
    assert driver.lost("no answer", 2.0) == [Reading("p-tamper", None, Quality.BAD, "no answer", 2.0)]
    assert driver.lost("no answer", 3.0) == []
    assert driver.hear(ReaderState(tamper=False, power_failed=False), 4.0) == said(False, "tamper", 4.0)


def test_a_contact_is_told_again_when_wanted() -> None:
    driver = reader("tamper")
    state = ReaderState(tamper=False, power_failed=False)
    driver.hear(state, 1.0)
    driver.say_again("p-tamper")
    assert driver.hear(state, 2.0) == said(False, "tamper", 2.0)


@pytest.mark.parametrize(
    ("signal", "value", "wish"),
    [
        ("led", True, {"do": "led", "reader": 0, "number": 0, "colour": "green"}),
        ("led", False, {"do": "led", "reader": 0, "number": 0, "colour": "off"}),
        ("led", "red", {"do": "led", "reader": 0, "number": 0, "colour": "red"}),
        ("buzzer", 1, {"do": "buzzer", "on": True, "reader": 0}),
        ("output2", False, {"do": "output", "on": False, "number": 1}),
    ],
)
def test_outputs_are_worked(signal: str, value: bool | str, wish: dict[str, object]) -> None:
    (exchange,) = reader().encode(signal, value)
    assert json.loads(exchange.request) == wish
    assert (exchange.device, exchange.unit) == ("door", 3)


def test_a_pulse_is_left_to_the_reader_where_its_timer_is_long_enough() -> None:
    (exchange,) = reader().pulse("output1", 3.0) or []
    assert json.loads(exchange.request) == {"do": "output", "on": True, "number": 0, "for_s": 3.0}
    assert reader().pulse("output1", 25.6) is None
    assert reader().pulse("output1", 0.0) is None


@pytest.mark.parametrize(("signal", "value"), [("led", "pink"), ("buzzer", "loud"), ("card", True), ("horn", True)])
def test_what_cannot_be_worked_is_an_error(signal: str, value: bool | str) -> None:
    with pytest.raises(ValueError, match=signal):
        reader().encode(signal, value)


@pytest.mark.parametrize("signal", ["horn", "led"])
def test_a_point_needs_something_that_can_be_read(signal: str) -> None:
    with pytest.raises(ValueError, match=signal):
        reader(signal)


def test_nothing_is_polled_latched_or_written_at_start() -> None:
    driver = reader("card")
    assert (driver.plan(), driver.start(), driver.replan(), driver.clear("p-card")) == ([], [], None, None)


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [('kind = "card"', 'kind = "contact"', "of kind"), ("repeat = { count = 2 }", "repeat = { count = 65 }", "end at 63")],
)
def test_a_profile_that_cannot_be_is_refused(before: str, after: str, word: str) -> None:
    assert before in TEXT
    with pytest.raises(ValidationError, match=word):
        OsdpProfile.model_validate(tomllib.loads(TEXT.replace(before, after, 1)))
