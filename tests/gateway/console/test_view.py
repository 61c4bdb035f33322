"""From the daemon's picture to HTML: order, escaping, both languages whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.console import view, words
from tests.gateway.console.pictures import PANIC, alarm, picture

TEMPLATES = Path(view.__file__).parent / "templates"
HAN = re.compile(r"[\u4e00-\u9fff]")


def parts(shown: dict[str, object] | None, role: str = "duty_leader", language: str = "zh", *, away: bool = False) -> dict[str, str]:
    return view.parts(shown, away, language, role, "Asia/Shanghai")


def test_what_nobody_has_taken_comes_first_then_the_graver_then_what_goes_on_then_the_newer() -> None:
    taken = PANIC | {"alarm": "taken", "state": "acknowledged"}
    old, new = (alarm(name, since=f"2026-11-22T00:3{n}:00.000Z") for n, name in enumerate(("old", "new")))
    gone = alarm("gone", severity="Severe", state="returned_unacknowledged")
    goes_on = alarm("goes-on", severity="Severe")
    latched = PANIC | {"alarm": "latched", "state": "latched_unacknowledged"}
    listed = sorted([taken, old, new, gone, goes_on, latched], key=view.order)
    assert [each["alarm"].partition("/")[0] for each in listed] == ["latched", "goes-on", "gone", "new", "old", "taken"]


def test_the_page_sounds_for_alarms_that_nobody_has_taken() -> None:
    assert view.sounds(picture(PANIC))
    assert not view.sounds(picture(PANIC | {"state": "acknowledged"}))
    assert not view.sounds(picture(PANIC | {"fault": True}))
    assert view.sounds(picture(PANIC | {"state": "latched_unacknowledged"}))


def test_an_alarm_is_told_with_place_time_who_what_to_do_and_how_far_it_has_got() -> None:
    html = parts(picture(PANIC))["alarms"]
    for words_ in ("一键报警：门卫室", "门卫室", "11-22 08:30:00", "张卫国", "110", "中心已收", "(police)", "未确认"):
        assert words_ in html
    assert 'data-act="acknowledge" data-target="panic-gatehouse/alarm"' in html
    assert 'data-act="shelve"' not in html, "highly managed"


@pytest.mark.parametrize(("role", "acts"), [("viewer", set()), ("guard", {"acknowledge"}), ("duty_leader", {"acknowledge", "shelve"})])
def test_each_role_is_offered_what_it_may_do(role: str, acts: set[str]) -> None:
    assert set(re.findall(r'data-act="(\w+)"', parts(picture(alarm("a")), role)["alarms"])) == acts


def test_hostile_names_stay_text() -> None:
    bad = "<script>alert(1)</script>\"'"
    shown = picture(alarm("a", zh=bad, reason=bad, responsible=bad, place=bad, alarm=bad), refusing=bad)
    shown["modes"] = [{"kind": bad, "id": bad, "state": "running", "zh": bad, "en": bad, "points": [bad], "by": bad, "why": bad}]
    shown["not_good"] = [{"point": bad, "reason": bad}]
    shown["paths"] = [{"id": bad, "up": False, "reason": bad}]
    shown["set_aside"] = [{"zh": bad, "en": bad, "state": "shelved", "why": bad, "by": bad, "until": PANIC["since"], "alarm": bad}]
    whole = "".join(parts(shown).values())
    assert "<script" not in whole
    assert whole.count("&lt;script&gt;") >= 10


def test_a_silent_daemon_is_said_with_and_without_an_older_picture() -> None:
    assert "失去联系" in parts(None, away=True)["banner"]
    assert "失去联系" in parts(picture(PANIC), away=True)["banner"]
    assert "一键报警" in parts(picture(PANIC), away=True)["alarms"], "what stood then stays to be seen"
    assert "失去联系" not in parts(picture())["banner"]


def test_a_drill_cannot_be_missed() -> None:
    drill = {
        "kind": "drill",
        "id": "d1",
        "state": "running",
        "zh": "消防应急演练",
        "en": "fire drill",
        "points": ["a", "b"],
        "by": "王主任",
    }
    banner = parts(picture(modes=[drill | {"why": "消防", "until": "2026-11-22T01:00:00.000Z"}]))["banner"]
    for word in ("演练中", "消防应急演练", "至 2026-11-22 09:00", "王主任"):
        assert word in banner
    coming = drill | {"why": "", "state": "announced", "begins_at": "2026-11-22T01:00:00.000Z"}
    assert "已预告" in parts(picture(modes=[coming]))["banner"]


def test_every_text_is_there_in_both_languages_and_used() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in (*TEMPLATES.glob("*.html"), *Path(view.__file__).parent.glob("*.py")))
    used = set(re.findall(r"(?:\bt|say)\(['\"](\w+)['\"]", code)) | set(re.findall(r"Page\(\s*\"[^\"]*\",\s*\"(\w+)\"", code))
    assert used == set(words.WORDS)
    for table in (words.WORDS, words.STATES, words.STEPS, words.MODES, words.FIRST_STEPS):
        for zh, en in table.values():
            assert zh
            assert en
            assert not HAN.search(en) or (table is words.WORDS and en == "中文")


def test_templates_hold_no_words_of_their_own() -> None:
    for file in TEMPLATES.glob("*.html"):
        bare = re.sub(r"{%.*?%}|{{.*?}}|<[^>]*>|{#.*?#}", " ", file.read_text(encoding="utf-8"), flags=re.S)
        assert not re.search(r"[A-Za-z\u4e00-\u9fff]{2,}", bare), f"{file.name}: {bare.split()}"
