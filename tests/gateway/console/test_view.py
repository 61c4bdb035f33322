"""From the daemon's picture to HTML: order, escaping, both languages whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config.roles import ROLES, SYSTEM_ROLES
from gateway.config.roles_rules import RULE_ROLES
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


def test_the_lamp_shows_what_is_missing_and_names_who() -> None:
    way = [{"step": "acknowledged", "by": "police: 李警官", "path": "", "at": "2026-11-22T00:30:09.000Z"}]
    waits = [{"what": "centre", "name": "police", "late": late, "s": 20} for late in (False, True)]
    shown = picture(PANIC | {"way": way, "waits": waits}, recipients=[{"id": "police", "zh": "区公安分局", "en": "police"}])
    lamp = parts(shown)["alarms"]
    assert '<li class="waiting">等待中心（区公安分局）确认</li>' in lamp
    assert '<li class="late">中心（区公安分局）未收到 20 秒</li>' in lamp
    assert "已确认 (区公安分局: 李警官)" in lamp
    assert "centre (police) has not had it for 20 s" in parts(shown, language="en")["alarms"]


@pytest.mark.parametrize("kind", ["drill", "test", "maintenance"])
def test_an_alarm_of_an_exercise_says_so_and_sends_nobody_to_call_the_police(kind: str) -> None:
    html = parts(picture(PANIC | {"mode": f"{kind}:d1"}))["alarms"]
    assert f">{words.MODE_NAMES[kind][0]}</span> 一键报警" in html
    assert words.EXERCISES[kind][0] in html
    assert "勿拨打 110" in html
    assert words.FIRST_STEPS["panic"][0] not in html


def test_one_whose_cause_is_gone_is_taken_first_and_reset_then() -> None:
    acts = parts(picture(PANIC | {"state": "latched_unacknowledged"}))["alarms"]
    assert re.findall(r'data-act="(\w+)"[^>]*?( disabled)?>', acts) == [("acknowledge", ""), ("reset", " disabled")]
    acts = parts(picture(PANIC | {"state": "latched_acknowledged"}))["alarms"]
    assert re.findall(r'data-act="(\w+)"[^>]*?( disabled)?>', acts) == [("reset", "")]


def test_an_alarm_at_a_place_with_a_camera_leads_to_the_cameras() -> None:
    camera = {"point": "c", "place": "gatehouse", "camera": True, "quality": "good", "states": [], "system": False, "zh": "c", "en": "c"}
    wanted = ("alarms",)
    for place, leads in (("gatehouse", True), ("gate", False)):
        shown = picture(PANIC, points=[camera | {"place": place}])
        assert ('href="/cameras"' in view.parts(shown, False, "zh", "guard", "Asia/Shanghai", wanted)["alarms"]) is leads


def test_every_class_of_alarm_has_a_first_step() -> None:
    roles = (*ROLES.values(), *SYSTEM_ROLES.values(), *RULE_ROLES.values())
    assert {alarm.alarm_class for role in roles for alarm in role.alarms} <= set(words.FIRST_STEPS)


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
    announced = parts(picture(modes=[coming]))
    assert "尚未开始：此时按下为真实报警" in announced["banner"]
    assert "演练中" not in announced["banner"] + announced["modes"], "a button that is pressed now is no exercise"


def test_every_text_is_there_in_both_languages_and_used() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in (*TEMPLATES.glob("*.html"), *Path(view.__file__).parent.glob("*.py")))
    used = set(re.findall(r"(?:\bt|say)\(['\"](\w+)['\"]", code)) | set(re.findall(r"Page\(\s*\"[^\"]*\",\s*\"(\w+)\"", code))
    assert used == set(words.WORDS)
    for table in (words.WORDS, words.STATES, words.STEPS, words.WAITS, words.MODES, words.FIRST_STEPS, words.EXERCISES):
        for zh, en in table.values():
            assert zh
            assert en
            assert not HAN.search(en) or (table is words.WORDS and en == "中文")


def test_templates_hold_no_words_of_their_own() -> None:
    for file in TEMPLATES.glob("*.html"):
        bare = re.sub(r"{%.*?%}|{{.*?}}|<[^>]*>|{#.*?#}", " ", file.read_text(encoding="utf-8"), flags=re.S)
        assert not re.search(r"[A-Za-z\u4e00-\u9fff]{2,}", bare), f"{file.name}: {bare.split()}"


def test_a_part_is_drawn_once_for_all_pages_and_anew_for_a_newer_picture() -> None:
    """And never for somebody what is another role's or another language's."""
    drawn, calm, alarmed = view.Drawn("Asia/Shanghai"), picture(), picture(PANIC)
    some = drawn.parts(calm, False, "zh", "guard", ("alarms",))
    assert drawn.parts(calm, False, "zh", "guard", ("alarms", "banner"))["alarms"] is some["alarms"]
    for shown in (calm, alarmed, None):
        for away in (False, True):
            for language in words.LANGUAGES:
                for role in ("guard", "duty_leader", "viewer"):
                    assert drawn.parts(shown, away, language, role) == view.parts(shown, away, language, role, "Asia/Shanghai")


def test_the_ledger_says_how_many_more_there_are() -> None:
    assert '<span class="count">7</span>' in parts(picture(hazards=[], hazards_more=7))["hazards"]
    assert "另有未列出： 7" in parts(picture(hazards=[], hazards_more=7))["hazards"]
    assert "另有未列出" not in parts(picture(hazards=[]))["hazards"]


def button(name: str, zh: str, **changes: object) -> dict[str, object]:
    common = {"role": "panic_button", "place": "gatehouse", "quality": "good", "camera": False, "states": [], "system": False}
    common |= {"value": False, "unit": "", "reason": ""}
    return {"point": name, "zh": zh, "en": name, **common, **changes}


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ([button("panic-2", "西侧按钮")], "东侧按钮"),
        ([button("panic-2", "东侧按钮")], "东侧按钮 (panic-gatehouse)"),
        ([button("panic-2", "西侧按钮", place="gate")], ""),
        ([button("gas-1", "燃气", role="gas_concentration")], ""),
        ([], ""),
    ],
)
def test_two_buttons_of_one_place_are_told_apart(others: list[dict[str, object]], told: str) -> None:
    html = parts(picture(PANIC, points=[button("panic-gatehouse", "东侧按钮"), *others]))["alarms"]
    assert re.findall('<b class="which">(.*?)</b>', html) == ([told] if told else [])


def test_the_banner_of_a_drill_names_the_points_whose_real_alarm_still_stands() -> None:
    mode = {
        "kind": "drill",
        "state": "running",
        "points": ["panic-gatehouse", "panic-2"],
        "by": "王主任",
        "why": "",
        "zh": "消防",
        "en": "fire",
    }
    points = [button("panic-gatehouse", "东侧按钮"), button("panic-2", "西侧按钮")]

    def banner(run: dict[str, object], **changes: object) -> str:
        shown = picture(PANIC | changes, modes=[run], points=points)
        return view.parts(shown, False, "zh", "guard", "Asia/Shanghai", ("banner",))["banner"]

    assert "不计入演练：东侧按钮</p>" in banner(mode)
    assert "不计入演练" not in banner(mode, mode="drill:d1")
    assert "不计入演练" not in banner(mode, fault=True)
    assert "不计入演练" not in banner(mode, alarm="panic-9/alarm")
    assert "不计入演练" not in banner(mode | {"kind": "test"})
