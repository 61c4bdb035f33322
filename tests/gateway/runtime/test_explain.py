"""What `rules explain` says: the real decision on a twin, with nothing of the house itself changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.core.linkage import OnState, Switch, TakeSnapshot
from gateway.core.points import Above, Point
from gateway.core.reading import Now
from gateway.core.school_days import Window
from gateway.runtime.explain import LOOKS_MOST, Asking, alarming, asked, explain, lines, twin
from tests.gateway.rules.linked import NAME, TUESDAY_7H, Linked, alarm, linkage

EARLY = linkage("early", "a", "lamp", windows=frozenset({Window.ARRIVAL}), until="reset")
LOUD = linkage("loud", "a", effects=(Switch("siren", for_s=60.0), TakeSnapshot("eye")))


def answer(house: Linked, point: str, at_s: float = 600.0, **more: Any) -> dict[str, Any]:
    """at_s: seconds after 07:00 of a school day."""
    now = Now(house.now_s, round((TUESDAY_7H + at_s) * 1000))
    return explain(twin(house.house), twin(house.house), Asking(point, **more), now)


def follows(told: dict[str, Any], kind: str) -> list[str]:
    return [row["en"] for row in told["follows"] if row["kind"] == kind]


def test_what_would_follow_and_why_not() -> None:
    house = Linked([EARLY, LOUD])
    before = str(house.house)
    told = answer(house, "a")
    assert str(house.house) == before, "the house itself is as it was"
    assert told["value"] is True
    assert told["alarms"] == {"a/alarm": "normal"}
    assert [words.partition(" (")[0] for words in follows(told, "event")][:1] == ["alarm.activated a Alarm"]
    assert follows(told, "output") == ["lamp on, by linkage early", "siren on 60 s, by linkage loud"]
    assert follows(told, "picture") == ["picture of eye"]
    assert [(row["rule"], row["acts"]) for row in told["rules"]] == [("early", True), ("loud", True)]
    late = answer(house, "a", at_s=7200.0)
    assert follows(late, "output") == ["siren on 60 s, by linkage loud"]
    assert [row["en"] for row in late["rules"] if not row["acts"]] == ["gives alarm -> lamp on: not now, it is lessons, acts in arrival"]


def test_the_present_state_counts() -> None:
    house = Linked([LOUD])
    house.press("a")
    assert any(words.startswith("alarm.repeated a") for words in follows(answer(house, "a"), "event"))
    house.leave()
    refused = [words for words in follows(answer(house, "a"), "event") if words.startswith("output.refused siren")]
    assert "device board does not answer" in refused[0]


def test_what_comes_anyway_is_left_out() -> None:
    house = Linked([linkage("always", (), "strobe", cause=OnState("key", True), windows=frozenset({Window.LESSON}))])
    house.read("key", True)
    told = answer(house, "door", at_s=3590.0)
    assert follows(told, "output") == [], "the strobe goes on at eight o'clock in any case"
    assert answer(house, "key", at_s=3590.0)["rules"] != []


@pytest.mark.parametrize(("mode", "acts"), [("", True), ("normal", True), ("drill", False), ("test", False)])
def test_as_if_in_a_mode(mode: str, acts: bool) -> None:
    house = Linked([LOUD])
    house.house.points["a"] = replace(house.points["a"], role="panic_button")
    told = answer(house, "a", mode=mode)
    assert told["mode"]["en"] == (mode or "normal")
    assert bool(follows(told, "output")) is acts
    assert [row["acts"] for row in told["rules"]] == [acts]


def test_of_an_output_it_says_who_would_switch_it() -> None:
    told = answer(Linked([EARLY, LOUD]), "siren")
    assert (told["value"], told["follows"]) == (None, [])
    assert [row["rule"] for row in told["rules"]] == ["loud"]


def test_what_makes_a_point_give_alarm() -> None:
    house = Linked([]).house
    gas = Point("gas", "gas_concentration", "gate", NAME, kind="measurement")
    levels = (alarm("gas", "level1", condition=Above(25.0)), alarm("gas", "level2", condition=Above(50.0)))
    assert alarming(house, replace(gas, alarms=levels)) == 50.0
    assert alarming(house, replace(gas, alarms=())) is True


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"point": "no-such"}, '"no-such" is not a point of this site'),
        ({"point": 7}, '"7" is not a point of this site'),
        ({"point": "a", "value": [1]}, "`value` is true, false, a number or text"),
        ({"point": "a", "mode": "party"}, '"party" is not a mode'),
    ],
)
def test_a_question_that_cannot_be(request_: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match="is") as refused:
        asked(request_, Linked([]).house)
    assert words in str(refused.value)


def test_the_cost_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LOOKS_MOST <= 5000
    monkeypatch.setattr("gateway.runtime.explain.LOOKS_MOST", 3)
    told = answer(Linked([EARLY, LOUD]), "a")
    assert told["cut"] is True
    assert any("cut short" in line for line in lines(told, "now"))


def test_the_words_for_people_are_in_both_languages() -> None:
    text = "\n".join(lines(answer(Linked([EARLY, LOUD]), "a"), "2026-09-01 07:10"))
    for words in ("时段 window: 上学时段 / arrival", "T+0", "siren on 60 s, by linkage loud", "siren 开 60 s", "报警 → lamp 开"):
        assert words in text
    assert "none looks at this point" in "\n".join(lines(answer(Linked([]), "a"), "now"))
