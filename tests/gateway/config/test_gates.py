"""What the rules at gates and doors become: their points, defaults, and where they look of their own accord."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import load_site
from gateway.config.settings import Settings
from gateway.core.gates import ForcedSpec, GateSpec, RaiseSpec, Shows, WatchedZone
from gateway.core.points import Above
from gateway.core.school_days import Window

SITE = Path(__file__).parents[2] / "scenarios" / "sites" / "gates.toml"
WINDOWS = frozenset({Window.ARRIVAL, Window.DISMISSAL})


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_site(SITE)


def changed(tmp_path: Path, *changes: tuple[str, str]) -> Settings:
    text = SITE.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file = tmp_path / "site.toml"
    file.write_text(text, encoding="utf-8")
    return load_site(file)


def rules(settings: Settings, kind: type) -> dict[str, Any]:
    return {rule.id: rule for rule in settings.rules if isinstance(rule, kind)}


def test_each_layer_is_a_rule_and_a_point(settings: Settings) -> None:
    layer = rules(settings, GateSpec)["south-ram-layer-2"]
    assert layer.groups == ((Shows("barrier", frozenset({False}), other=True),),)
    assert layer.lasts_s == {Window.ARRIVAL: 60.0, Window.DISMISSAL: 60.0}
    assert layer.own_fault
    point = settings.points["south-ram-layer-2"]
    assert [spec.name for spec in point.alarms] == ["alarm", "signal"]
    assert point.alarms[0].text.zh == "防冲撞设施未到位：南门防冲撞内层道闸"
    assert settings.points["post"].watched
    assert settings.points["post-key"].watched


def test_a_fixed_layer_is_an_asset_only(tmp_path: Path) -> None:
    fixed = changed(tmp_path, ('points = ["barrier"] }', "fixed = true }"), ("one_always_up = true\n", ""))
    assert "south-ram-layer-1" in fixed.points
    assert "south-ram-layer-2" not in fixed.points
    assert "south-ram-open" not in fixed.points


def test_one_layer_alone_is_warned_of(tmp_path: Path) -> None:
    alone = changed(tmp_path, (', { name = "内层道闸", name_en = "barrier", points = ["barrier"] }', ""), ("one_always_up = true\n", ""))
    assert [warning.key for warning in alone.warnings if "两道防撞设施" in warning.text] == ["anti_ram[0].layers"]


def test_fixed_posts_answer_the_question_for_anti_ram(tmp_path: Path) -> None:
    """A place of type gate is asked for anti-ram; posts without a sensor are an answer."""
    second = '[places]\neast = { name = "东门", type = "gate" }\n'
    lacking = [w.key for w in changed(tmp_path, ("[places]\n", second)).warnings if "anti-ram" in w.text]
    assert lacking == ["places.east"]
    posts = '[[anti_ram]]\nid = "east-ram"\nplace = "east"\nlayers = [{ fixed = true }, { fixed = true }]\n\n[[lanes]]'
    assert not [w for w in changed(tmp_path, ("[places]\n", second), ("[[lanes]]", posts)).warnings if "anti-ram" in w.text]


def test_what_lowers_the_posts(settings: Settings, tmp_path: Path) -> None:
    forced = rules(settings, ForcedSpec)["south-ram-forced"]
    assert (forced.lowered_by, forced.lowered_with) == ({"post-key"}, {"post-lower"})
    assert [post.point for post in forced.posts] == ["post"], "a barrier goes up and down all day"
    alone = changed(tmp_path, ('lowered_by = ["post-lower", "post-key"]\n', ""))
    assert rules(alone, ForcedSpec)["south-ram-forced"].lowered_with == {"post-lower"}, "without what raises"


def test_raising_is_off_by_default(settings: Settings, tmp_path: Path) -> None:
    raised = rules(settings, RaiseSpec)["south-ram-raise"]
    assert (raised.outputs, raised.windows, [up.point for up in raised.up]) == (("post-raise",), WINDOWS, ["post"])
    assert rules(changed(tmp_path, ('raise_with = ["post-raise"]\n', "")), RaiseSpec) == {}


def test_a_lane_takes_points_and_doors(settings: Settings) -> None:
    lane = rules(settings, GateSpec)["south-lanes"]
    assert lane.groups == (
        (Shows("barrier", frozenset({False}), other=True),),
        (Shows("pupil-contact", frozenset({False}), other=True),),
    )


def test_exits_of_a_boarding_school_count_at_night(settings: Settings, tmp_path: Path) -> None:
    assert set(rules(settings, GateSpec)["hall-exit"].lasts_s) == {*WINDOWS, Window.LESSON}
    boards = ('dismissal.daily = ["11:50-12:20", "17:00-17:40"]\n', 'dismissal.daily = ["11:50-12:20"]\nboarding.night = "22:00-06:00"\n')
    assert {Window.NIGHT, Window.BOARDING} <= set(rules(changed(tmp_path, boards), GateSpec)["hall-exit"].lasts_s)


def test_a_lock_of_ours_is_locked_while_it_is_off(tmp_path: Path) -> None:
    lock = '[[outputs]]\nid = "hall-lock"\nkind = "lock"\nplace = "hall"\ndevice = "door-module"\nsignal = "do1"\n\n[[lanes]]'
    locked = changed(tmp_path, ("[[lanes]]", lock), ('points = ["hall-bolt"]', 'points = ["hall-bolt", "hall-lock"]'))
    (group,) = rules(locked, GateSpec)["hall-exit"].groups
    assert group == (Shows("hall-bolt", frozenset({True})), Shows("hall-lock", frozenset({False})))


def test_closed_campus_looks_at_gates_and_fences(settings: Settings, tmp_path: Path) -> None:
    left_open = {name for name, rule in rules(settings, GateSpec).items() if rule.rule == "closed-campus"}
    assert left_open == {"barrier-left-open", "pupils-left-open", "fence-door-left-open"}, "not the door of a house"
    pupils = rules(settings, GateSpec)["pupils-left-open"]
    assert pupils.lasts_s == {Window.LESSON: 120.0, Window.NIGHT: 60.0, Window.BOARDING: 60.0, Window.NONE: 60.0}
    assert (pupils.allowed_by, pupils.allowed_s) == ((Shows("pupil-exit", frozenset({True})),), 30.0)
    assert [spec.name for spec in settings.points["pupils-left-open"].alarms] == ["alarm"], "the door tells of its contact itself"
    named = changed(tmp_path, ("[rules.closed_campus]\n", '[rules.closed_campus]\ngates = ["hall-contact"]\nnight_windows = []\n'))
    only = {name: rule for name, rule in rules(named, GateSpec).items() if rule.rule == "closed-campus"}
    assert {name: set(rule.lasts_s) for name, rule in only.items()} == {"hall-contact-left-open": {Window.LESSON}}


def test_roles_at_the_gate_and_their_windows(settings: Settings, tmp_path: Path) -> None:
    alarms = {name: settings.points[name].alarms[0] for name in ("crowd", "loiterer", "climber", "bather")}
    assert (alarms["crowd"].windows, alarms["crowd"].condition) == (WINDOWS, Above(20.0, 5.0))
    assert alarms["loiterer"].windows == {Window.LESSON}
    assert alarms["climber"].outside_hours
    assert (alarms["bather"].windows, alarms["bather"].outside_hours, alarms["bather"].severity) == (frozenset(), False, "Severe")
    assert (settings.points["crowd"].kind, settings.points["crowd"].unit) == ("measurement", "person")
    watched = rules(settings, WatchedZone)
    assert (watched["watch:crowd"].limit, watched["watch:loiterer"].dwell_s) == (20.0, 120.0)
    always = changed(tmp_path, ('role = "person_at_perimeter"\n', 'role = "person_at_perimeter"\nwindows = []\n'))
    alarm = always.points["climber"].alarms[0]
    assert (alarm.outside_hours, alarm.windows) == (False, frozenset()), "an empty list is always"
