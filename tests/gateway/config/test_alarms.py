"""What a site file makes of its points' alarms: what watches a point, what has to do with other points, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.settings import ConfigRefused, Settings
from gateway.core.points import (
    AlarmSpec,
    Baseline,
    Boot,
    Chattering,
    Confirmed,
    EventClass,
    LoopCut,
    NaturalAbove,
    NaturalGrown,
    NotGood,
    Rise,
    Stale,
    Stuck,
    While,
)
from tests.gateway.config.test_load import site

WIRES = """
[[buses]]
id = "line"
transport = "rtu"
device = "line.pty"
[[devices]]
id = "gas-a"
bus = "line"
profile = "honeywell-xnx"
unit = 1
[[devices]]
id = "gas-b"
bus = "line"
profile = "honeywell-xnx"
unit = 2
[[devices]]
id = "loops"
bus = "line"
profile = "four-state-loop-8ai"
unit = 3
[[buses]]
id = "own"
transport = "serial"
device = "own.pty"
[[devices]]
id = "co"
bus = "own"
profile = "dfrobot-sen0465"
"""


def load(tmp_path: Path, *points: str) -> Settings:
    return site(tmp_path, WIRES + "".join(f'[[points]]\nplace = "gate"\n{point}\n' for point in points))


def contact(name: str, role: str, more: str = "") -> str:
    return f'id = "{name}"\nrole = "{role}"\ndevice = "module"\nsignal = "{name}"\n{more}'


def gas(letter: str, more: str = "") -> str:
    return f'id = "lel-{letter}"\nrole = "gas_concentration"\ndevice = "gas-{letter}"\nsignal = "gas"\n{more}'


def specs(settings: Settings, point: str) -> dict[str, AlarmSpec]:
    return {spec.name: spec for spec in settings.points[point].alarms}


def refused(tmp_path: Path, *points: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigRefused) as problems:
        load(tmp_path, *points)
    return [(problem.key, problem.text) for problem in problems.value.problems]


def test_what_watches_a_point(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        contact("di1", "door_held"),
        contact("di2", "contact"),
        'id = "loop"\nrole = "panic_button"\ndevice = "loops"\nsignal = "loop1"\n',
        gas("a"),
    )
    held, loop = specs(settings, "di1"), specs(settings, "loop")
    assert (list(held), list(loop)) == (["alarm", "signal", "chattering"], ["alarm", "signal", "tamper", "chattering"])
    assert (held["signal"].condition, loop["signal"].condition) == (NotGood(), NotGood(loops=False))
    assert (loop["tamper"].condition, loop["tamper"].alarm_class, loop["tamper"].latching) == (LoopCut(), "tamper", True)
    assert (held["chattering"].condition, held["chattering"].auxiliary) == (Chattering(), True)
    assert (held["alarm"].boot, loop["alarm"].boot) == (Boot.STATE_IN_HOURS, Boot.ALARM)
    assert settings.points["di2"].alarms == ()
    assert list(specs(settings, "lel-a")) == ["level1", "level2", "signal", "chattering"]
    flood = settings.points["gw-flood"]
    assert (flood.system, flood.alarms[0].latching) == (True, False)


def test_faults_latch_but_not_those_of_links(tmp_path: Path) -> None:
    settings = load(tmp_path, contact("di1", "fault_contact"), contact("di2", "mains_fail"))
    assert all(spec.latching for point in ("di1", "di2") for spec in settings.points[point].alarms)
    assert not any(spec.latching for point in settings.points.values() if point.system for spec in point.alarms)


def test_a_value_that_a_frame_should_have_brought(tmp_path: Path) -> None:
    settings = load(
        tmp_path, 'id = "co"\nrole = "measurement"\ndevice = "co"\nsignal = "co"\nstuck_h = 12\n'.replace('id = "co"', 'id = "co-level"')
    )
    found = specs(settings, "co-level")
    assert (found["stuck"].condition, found["stale"].condition) == (Stuck(43_200.0), Stale())


def test_a_site_that_knows_how_often_a_value_comes(tmp_path: Path) -> None:
    co = 'id = "co-level"\nrole = "measurement"\ndevice = "co"\nsignal = "co"\nstuck_h = 12\n'
    assert [wire.stale_s for wire in load(tmp_path, co).wire["co"]] == [None], "as the profile says"
    settings = load(tmp_path, co + "stale_s = 90\n")
    assert [wire.stale_s for wire in settings.wire["co"]] == [90.0]
    assert specs(settings, "co-level")["stale"].condition == Stale()
    (own,) = refused(tmp_path, gas("a", "stale_s = 90\n"))
    assert (own[0], "report by themselves" in own[1]) == ("points[0].stale_s", True)


def test_what_a_camera_point_does_not_take(tmp_path: Path) -> None:
    camera = '[[cameras]]\nid = "eye"\nurl = "rtsp://192.0.2.2/1"\nplace = "gate"\n'
    camera += 'zones = [{ id = "apron", polygon = [[0, 0], [1, 0], [1, 1]] }]\n'
    seen = f'id = "person"\nrole = "person_in_zone"\ncamera = "eye"\nzone = "apron"\nstale_s = 9\nbaseline = "learned"\n{camera}'
    assert [key for key, _ in refused(tmp_path, seen)] == ["points[0].stale_s", "points[0].baseline"]


def test_trends_and_groups(tmp_path: Path) -> None:
    settings = load(tmp_path, gas("a", "rise_per_min = 5.5\nrise_window_s = 120\nconfirm_with = ['lel-b']\n"), gas("b"))
    found = specs(settings, "lel-a")
    assert (found["rise"].condition, found["rise"].alarm_class, found["rise"].latching) == (Rise(5.5, 120.0), "gas_low", False)
    confirmed = found["confirmed"]
    assert confirmed.condition == Confirmed(("lel-a/level2", "lel-b/level2"))
    assert (confirmed.managed, confirmed.severity) == (True, "Extreme")
    assert "confirmed" not in specs(settings, "lel-b")


def test_suppressed_while(tmp_path: Path) -> None:
    more = "suppress_while = { point = 'di2', value = true }\n"
    settings = load(tmp_path, contact("di1", "door_forced", more), contact("di2", "contact"), gas("a", more))
    assert {name: spec.suppress_while for name, spec in specs(settings, "di1").items()} == {
        "alarm": While("di2", True), "signal": None, "chattering": None
    }  # fmt: skip
    assert [name for name, spec in specs(settings, "lel-a").items() if spec.suppress_while] == ["level1"], "never a highly managed one"
    assert settings.points["di2"].watched


LEAK = 'id = "leak"\nrole = "residual_current"\ndevice = "meter"\nsignal = "residual1"\n'
METER = '[[devices]]\nid = "meter"\nbus = "line"\nprofile = "acrel-aim-r100"\nunit = 9\n'


def leak(tmp_path: Path, baseline: str) -> Settings:
    return site(tmp_path, f'{WIRES}{METER}[[points]]\nplace = "gate"\n{LEAK}baseline = {baseline}\n')


def test_a_baseline(tmp_path: Path) -> None:
    learned, measured = leak(tmp_path, '"learned"'), leak(tmp_path, "140")
    assert (learned.points["leak"].baseline, measured.points["leak"].baseline) == (Baseline(), Baseline(140.0))
    found = specs(learned, "leak")
    assert (found["baseline"].condition, found["trend"].condition) == (NaturalAbove(200.0), NaturalGrown(50.0))
    assert all(found[name].event_class is EventClass.FAULT and found[name].latching for name in ("baseline", "trend"))
    assert not {"baseline", "trend"} & specs(measured, "leak").keys()


@pytest.mark.parametrize("wrong", ["201", "-1", "true", '"120"', "nan", '"lerned"'])
def test_a_baseline_that_is_none(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigRefused, match=r'points\[0\]\.baseline: expected "learned", or .* 0 to 200'):
        leak(tmp_path, wrong)


def test_suppressed_in_a_window_of_the_day(tmp_path: Path) -> None:
    settings = load(tmp_path, contact("di1", "door_held", 'suppress_while = { window = "lesson" }\n'), contact("di2", "contact"))
    assert specs(settings, "di1")["alarm"].suppress_while == While("gw-window", "lesson")
    window = settings.points["gw-window"]
    assert (window.system, window.quiet, window.alarms) == (True, False, ())
    assert "gw-window" not in load(tmp_path, contact("di1", "door_held")).points


@pytest.mark.parametrize(
    ("more", "key", "words"),
    [
        ("suppress_while = { window = 'lessons' }\n", "suppress_while.window", 'did you mean "lesson"?'),
        ("suppress_while = { window = 'lesson', point = 'di2' }\n", "suppress_while", "either `point` or `window`"),
        ("suppress_while = { value = true }\n", "suppress_while", "either `point` or `window`"),
        ('baseline = "learned"\n', "baseline", "is for points of role residual_current"),
        ("rise_per_min = 1\n", "rise_per_min", "has no limits"),
        ("stuck_h = 1\n", "stuck_h", "may stay the same"),
        ("confirm_with = ['nobody']\n", "confirm_with[0]", '"nobody" is not another door_forced'),
        ("confirm_with = ['di1']\n", "confirm_with[0]", "the point itself"),
        ("suppress_while = { point = 'di1' }\n", "suppress_while.point", "does not suppress itself"),
        ("suppress_while = { point = 'di9' }\n", "suppress_while.point", '"di9" is not a point'),
        ("suppress_while = { point = 'di2', value = 'on' }\n", "suppress_while.value", "shows true or false"),
    ],
)
def test_refused(tmp_path: Path, more: str, key: str, words: str) -> None:
    ((at, text),) = refused(tmp_path, contact("di1", "door_forced", more), contact("di2", "contact"))
    assert at == f"points[0].{key}"
    assert words in text


def test_what_highly_managed_alarms_refuse(tmp_path: Path) -> None:
    while_open = "suppress_while = { point = 'di2' }\n"
    found = refused(tmp_path, contact("di1", "panic_button", while_open), contact("di2", "contact"), gas("a", "latching = false\n"))
    assert [at for at, _ in found] == ["points[0].suppress_while", "points[2].latching"]
    assert "never are" in found[0][1]
    assert "level2 is highly managed" in found[1][1]
