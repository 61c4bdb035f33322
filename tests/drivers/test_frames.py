"""The frames driver: what is said once, what goes back by time, what is known before a frame and after a loss."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.frames import FramesDriver
from gateway.alarm.condition import judge
from gateway.core.points import Stale
from gateway.core.reading import Quality
from gateway.core.wire import WireClass, WirePoint
from tests.drivers.frames_golden import GST_FIRST, GST_RESET, MH_Z19B, RDM6300, load, point, small, told

OTHER_CARD = b"\x02130067A9E13C\x03"
FORM = '[[frames]]\nstart = "AA"\nlength = 4\n'


def signal(name: str, kind: str, more: str) -> str:
    return f'[[signals]]\nname = "{name}"\nkind = "{kind}"\n{more}\n'


def driver(name: str, *signals: str) -> FramesDriver:
    return FramesDriver("dev", load(name), 1, [point(one) for one in signals], lambda card: card.hex()[::-1])


def made(body: str, *signals: str, top: str = "", inverted: bool = False) -> FramesDriver:
    return FramesDriver("dev", small(FORM + body, top), 1, [point(one, inverted=inverted) for one in signals])


def test_a_value_is_said_once_and_again_only_when_it_changed() -> None:
    device = driver("winsen-mh-z19b", "co2")
    assert told(device.hear(MH_Z19B, 1.0)) == {"co2": (544, "good")}
    assert device.hear(MH_Z19B, 2.0) == []
    device.say_again("co2")
    assert told(device.hear(MH_Z19B, 3.0)) == {"co2": (544, "good")}


def test_a_reading_has_the_time_of_its_frame() -> None:
    (reading,) = driver("winsen-mh-z19b", "co2").hear(MH_Z19B, 12.5)
    assert reading.now_s == 12.5


def test_a_card_that_stays_is_one_showing_and_a_later_one_is_a_new_value() -> None:
    device = driver("rdm6300", "card")
    assert told(device.hear(None, 0.0)) == {"card": ("", "good")}
    first = device.hear(RDM6300, 1.0)
    assert [reading.value for reading in first] == ["5ad1d50031"]
    for n in range(1, 30):  # it stays for 3 s and is repeated all the time
        assert device.hear(RDM6300, 1.0 + n / 10) == []
        assert device.tick(1.0 + n / 10) == []
    assert told(device.tick(5.95)) == {"card": ("", "good")}
    assert [reading.value for reading in device.hear(RDM6300, 6.0)] == ["5ad1d50031"]


def test_a_card_shown_again_is_new_even_if_nobody_looked_at_the_time_between() -> None:
    device = driver("rdm6300", "card")
    device.hear(RDM6300, 1.0)
    assert [reading.value for reading in device.hear(RDM6300, 4.0)] == ["", "5ad1d50031"]


def test_another_card_is_told_at_once() -> None:
    device = driver("rdm6300", "card")
    device.hear(RDM6300, 1.0)
    assert [reading.value for reading in device.hear(OTHER_CARD, 1.1)] == [bytes.fromhex("130067A9E1").hex()[::-1]]
    assert [reading.value for reading in device.hear(RDM6300, 1.2)] == ["5ad1d50031"]


def test_a_card_point_without_a_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="never told in clear"):
        FramesDriver("dev", load("rdm6300"), 1, [point("card")])


def test_a_reported_contact_goes_back_after_its_time() -> None:
    device = made(signal("bell", "contact", 'when = { 1 = "07" }\nhold_s = 2'), "bell")
    assert told(device.hear(None, 0.0)) == {"bell": (False, "good")}
    assert told(device.hear(b"\xaa\x07\x00\x00", 1.0)) == {"bell": (True, "good")}
    assert device.hear(b"\xaa\x07\x00\x00", 2.0) == []
    assert device.hear(b"\xaa\x08\x00\x00", 2.5) == []
    assert device.tick(3.9) == []
    assert told(device.tick(4.0)) == {"bell": (False, "good")}


def test_a_reported_contact_without_a_time_is_unknown_until_it_is_reported_and_then_stays() -> None:
    device = driver("gst9000-printer", "fire")
    (first,) = device.hear(None, 0.0)
    assert (first.value, first.quality) == (False, Quality.UNCERTAIN)
    assert told(device.hear(GST_FIRST, 1.0)) == {"fire": (True, "good")}
    assert device.tick(10_000.0) == []
    assert told(device.hear(GST_RESET, 10_001.0)) == {"fire": (False, "good")}


def test_a_fire_is_not_forgotten_when_the_line_was_lost() -> None:
    device = driver("gst9000-printer", "fire")
    device.hear(GST_FIRST, 1.0)
    assert told(device.lost("port lost: cannot open /dev/x", 2.0)) == {"fire": (None, "port lost")}
    assert told(device.hear(None, 3.0)) == {"fire": (True, "not reported yet")}


def test_a_lost_device_is_said_once_and_its_values_come_back() -> None:
    device = driver("winsen-mh-z19b", "co2")
    device.hear(MH_Z19B, 1.0)
    assert told(device.lost("no answer", 20.0)) == {"co2": (None, "no answer")}
    assert device.lost("no answer", 21.0) == []
    assert device.tick(22.0) == []
    assert told(device.lost("port lost", 23.0)) == {"co2": (None, "port lost")}
    assert told(device.hear(MH_Z19B, 24.0)) == {"co2": (544, "good")}


def test_values_are_uncertain_while_the_device_warms_up_and_not_after_a_short_loss() -> None:
    body = signal("gas", "measurement", "at = 1")
    device = made(body, "gas", top="warm_up_s = 30")
    assert told(device.hear(b"\xaa\x05\x00\x00", 100.0)) == {"gas": (5, "warm-up")}
    assert told(device.tick(130.0)) == {"gas": (5, "good")}
    device.lost("no answer", 140.0)
    assert told(device.hear(b"\xaa\x05\x00\x00", 141.0)) == {"gas": (5, "good")}
    device.lost("no answer", 150.0)
    assert told(device.hear(b"\xaa\x05\x00\x00", 160.0)) == {"gas": (5, "warm-up")}


def test_a_value_that_no_frame_repeats_grows_stale() -> None:
    body = signal("gas", "measurement", 'at = 2\nwhen = { 1 = "01" }\nstale_s = 5')
    device = made(body, "gas")
    assert device.hear(b"\xaa\x02\x09\x00", 0.0) == [], "another report"
    assert told(device.tick(5.0)) == {"gas": (None, "stale")}
    assert told(device.hear(b"\xaa\x01\x09\x00", 6.0)) == {"gas": (9, "good")}
    assert device.hear(b"\xaa\x02\x09\x00", 10.9) == []
    (stale,) = device.hear(b"\xaa\x02\x09\x00", 11.0)
    assert judge(Stale(), stale, False) is True, "the word that the alarm waits for"


@pytest.mark.parametrize(("of_profile", "of_site", "seconds"), [(5, 60.0, 60.0), (0, 60.0, 60.0), (60, 5.0, 5.0)])
def test_the_site_knows_better_how_often_it_is_repeated(of_profile: int, of_site: float, seconds: float) -> None:
    profile = small(FORM + signal("gas", "measurement", f"at = 2\nstale_s = {of_profile}"))
    device = FramesDriver("dev", profile, 1, [replace(point("gas"), stale_s=of_site)])
    assert told(device.hear(b"\xaa\x01\x09\x00", 0.0)) == {"gas": (9, "good")}
    assert device.tick(seconds - 0.1) == []
    assert told(device.tick(seconds)) == {"gas": (None, "stale")}


def test_bits_enums_sentinels_scales_and_the_wiring_of_the_site() -> None:
    body = (
        signal("door", "contact", "at = 1\nbit = 3")
        + signal("idle", "contact", "at = 1\nbit = 4\nbits = 2\ninvert = true")
        + signal("state", "enum", "at = 2\nenum = { 1 = 'on', 0x02 = 'off' }")
        + signal(
            "level",
            "measurement",
            'at = -2\ntype = "s16"\nscale = 0.1\noffset = -10\nsentinels = { 32767 = "broken", "-5" = "low", "1-3" = "cold" }',
        )
        + signal("meter{n}", "counter", "at = 1\nrepeat = { count = 2 }")
    )
    names = ["door", "idle", "state", "level", "meter1", "meter2"]
    device = made(body, *names)
    assert told(device.hear(b"\xaa\x08\x01\xf4", 0.0)) == {
        "door": (True, "good"),
        "idle": (True, "good"),
        "state": ("on", "good"),
        "level": (40.0, "good"),
        "meter1": (8, "good"),
        "meter2": (1, "good"),
    }
    assert told(device.hear(b"\xaa\x10\x7f\xff", 1.0))["level"] == (None, "broken")
    assert told(device.hear(b"\xaa\x10\xff\xfb", 2.0))["level"] == (None, "low")
    assert told(device.hear(b"\xaa\x10\x00\x02", 3.0))["level"] == (None, "cold")
    last = told(device.hear(b"\xaa\x20\x09\x00", 4.0))
    assert (last["state"], last["level"]) == (("9", "unknown code 9"), (220.4, "good"))
    opened = made(body, "door", "idle", inverted=True)
    assert told(opened.hear(b"\xaa\x08\x00\x00", 0.0)) == {"door": (False, "good"), "idle": (False, "good")}


@pytest.mark.parametrize(
    ("settings", "frame", "value"),
    [
        ('type = "bcd"\nlength = 2', b"\xaa\x12\x34\x00", 1234),
        ('type = "bcd"\nlength = 2', b"\xaa\x1f\x34\x00", None),
        ('type = "ascii-hex"\nlength = 2', b"\xaa1F\x00", 31),
        ('type = "ascii-hex"\nlength = 2', b"\xaa+F\x00", None),
        ('type = "u16le"', b"\xaa\x01\x02\x00", 513),
        ('type = "u32"', b"\xaa\x01\x02\x00", None),
    ],
)
def test_numbers_in_other_writings(settings: str, frame: bytes, value: int | None) -> None:
    readings = made(signal("x", "measurement", f"at = 1\n{settings}"), "x").hear(frame, 0.0)
    assert [reading.value for reading in readings] == ([] if value is None else [value])


def test_a_number_and_a_word_in_text() -> None:
    form = '[[frames]]\nend = "0A"\n'
    body = signal("t", "measurement", "pattern = 'T=(-?[0-9]+)'\nscale = 0.1") + signal(
        "s", "enum", "pattern = 'S=(\\w+)'\nenum = { OK = 'normal' }"
    )
    device = FramesDriver("dev", small(form + body), 1, [point("t"), point("s")])
    assert told(device.hear(b"T=-53 S=OK\n", 0.0)) == {"t": (-5.3, "good"), "s": ("normal", "good")}
    assert told(device.hear(b"T=x S=??\n", 1.0)) == {}


def test_polls_have_the_urgency_of_the_points() -> None:
    points = [WirePoint("a", "co2", WireClass.LIFE_SAFETY, 1.0), WirePoint("b", "co2", WireClass.STATE, 1.0)]
    (block,) = FramesDriver("dev", load("winsen-mh-z19b"), 1, points).plan()
    assert (block.wire_class, block.period_s, block.reply_bytes, block.points) == (WireClass.LIFE_SAFETY, 5.0, 9, ("a", "b"))


def test_what_cannot_be_set_is_refused() -> None:
    device = driver("machpower-ac-atri-018")
    for name, value in (("left", "sideways"), ("arm", 2), ("arm", 0.5)):
        with pytest.raises(ValueError, match="cannot be set"):
            device.encode(name, value)
    with pytest.raises(ValueError, match="is no output"):
        driver("rdm6300").encode("card", True)
    with pytest.raises(ValueError, match='has no signal "lamp"'):
        device.encode("lamp", True)
    assert device.pulse("left", 1.0) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('[[frames]]\nstart = "AA"\n', "where a frame ends"),
        ('[[frames]]\nstart = "A"\nlength = 4\n', "not bytes in hex"),
        ('[[frames]]\nlength = 4\nchecksum = { kind = "sum", first = 1, last = 2, at = 4 }\n', "not within 4 bytes"),
        ('[[frames]]\nlength = 4\nchecksum = { kind = "sum", first = 3, last = 2, at = 3 }\n', "covers nothing"),
        (FORM + '[[polls]]\nbytes = "AA"\nevery_s = 1\n', "silent_s"),
        (FORM + signal("c", "card", 'at = 1\ntype = "text"'), "same_s"),
        (FORM + signal("c", "card", "at = 1\nsame_s = 1"), "a card number is"),
        (FORM + signal("c", "contact", 'record = "none"\nat = 1'), "not in `records`"),
        (FORM + signal("c", "contact", 'at = 1\nreset_by = "r"'), "not another contact"),
        (FORM + signal("c", "text", "pattern = '('"), "no regular expression"),
        (FORM + signal("c", "measurement", ""), "say where the measurement lies"),
        (FORM + signal("c", "output", 'send = { on = "{crc}" }'), "neither hex"),
        (FORM + signal("c", "contact", 'when = { one = "AA" }'), "not a byte position"),
    ],
)
def test_a_profile_that_cannot_work_is_refused_with_the_reason(body: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        small(body + signal("x", "contact", "at = 1"))
