"""A board's contacts: which lines are wanted, what their states mean, how outputs are worked."""

from __future__ import annotations

import json
import tomllib

import pytest
from pydantic import ValidationError

from drivers.gpio import GpioDriver
from gateway.config.profile_gpio import GpioProfile
from gateway.core.pins import PinRequest, PinState
from gateway.core.reading import Quality, Reading
from gateway.core.wire import WireClass, WirePoint
from tests.drivers.golden import PROFILES

TEXT = (PROFILES / "gpio-raspberry-pi.toml").read_text(encoding="utf-8")
BOARD = GpioProfile.model_validate(tomllib.loads(TEXT))


def point(signal: str, inverted: bool = False) -> WirePoint:
    return WirePoint(f"p-{signal}", signal, WireClass.PANIC, 0.1, inverted)


def board(*points: WirePoint, outputs: tuple[str, ...] = ()) -> GpioDriver:
    return GpioDriver("board", BOARD, 0, points, outputs)


def test_only_the_lines_in_use_are_wanted() -> None:
    driver = board(point("gpio17"), outputs=("relay12",))
    assert driver.pins() == [
        PinRequest("board", 17, bias="pull-up", active_low=True, debounce_s=0.005),
        PinRequest("board", 12, output=True),
    ]
    assert driver.plan() == []


def test_a_contact_speaks_when_it_changed_and_knows_its_sense() -> None:
    driver = board(point("gpio17"), point("gpio27", inverted=True))
    assert driver.hear(PinState(17, False), 1.0) == [Reading("p-gpio17", False, now_s=1.0)]
    assert driver.hear(PinState(27, False), 1.0) == [Reading("p-gpio27", True, now_s=1.0)]
    assert driver.hear(PinState(17, False), 2.0) == []
    assert driver.hear(PinState(17, True), 3.0) == [Reading("p-gpio17", True, now_s=3.0)]
    assert driver.hear(PinState(4, True), 3.0) == []
    assert driver.hear(b"noise", 3.0) == []


def test_a_lost_chip_makes_contacts_bad_once_and_a_new_state_makes_them_good() -> None:
    driver = board(point("gpio17"))
    driver.hear(PinState(17, True), 1.0)
    assert driver.lost("port lost", 2.0) == [Reading("p-gpio17", None, Quality.BAD, "port lost", 2.0)]
    assert driver.lost("port lost", 3.0) == []
    assert driver.hear(PinState(17, True), 4.0) == [Reading("p-gpio17", True, now_s=4.0)]


def test_a_state_is_told_again_when_wanted() -> None:
    driver = board(point("gpio17"))
    driver.hear(PinState(17, True), 1.0)
    driver.say_again("p-gpio17")
    assert len(driver.hear(PinState(17, True), 2.0)) == 1


def test_outputs_are_set_and_pulsed() -> None:
    driver = board(outputs=("relay12",))
    (on,) = driver.encode("relay12", True)
    assert json.loads(on.request) == {"line": 12, "on": True, "for_s": 0.0}
    (pulse,) = driver.pulse("relay12", 0.5) or []
    assert json.loads(pulse.request) == {"line": 12, "on": True, "for_s": 0.5}
    assert driver.pulse("relay12", 61.0) is None


@pytest.mark.parametrize(("signal", "value"), [("relay12", "on"), ("relay13", True), ("gpio17", True), ("gpio99", True)])
def test_what_is_no_output_of_this_site_is_refused(signal: str, value: bool | str) -> None:
    with pytest.raises(ValueError, match=signal):
        board(point("gpio17"), outputs=("relay12",)).encode(signal, value)


@pytest.mark.parametrize("signal", ["relay12", "gpio99"])
def test_a_point_needs_a_contact_of_the_profile(signal: str) -> None:
    with pytest.raises(ValueError, match=signal):
        board(point(signal))


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ("line = 27", "line = 17", "line 17"),
        ('kind = "output"\nline = 12', 'kind = "counter"\nline = 12', "contact or an output"),
        ("line = 17\n", "line = 17\nsafe = true\n", "safe is for outputs"),
    ],
)
def test_a_profile_that_cannot_be_is_refused(before: str, after: str, word: str) -> None:
    assert before in TEXT
    with pytest.raises(ValidationError, match=word):
        GpioProfile.model_validate(tomllib.loads(TEXT.replace(before, after, 1)))
