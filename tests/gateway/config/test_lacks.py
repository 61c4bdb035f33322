"""check says what a school lacks, by the policy's own term, and takes an answer only where it is true."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from gateway.__main__ import main
from gateway.config.lacks import LACKS, ZONES
from gateway.config.load import load_site
from gateway.config.roles import ROLES
from gateway.config.settings import ConfigRefused, Problem
from gateway.config.site import Answer

HEAD = """
schema = 1
[site]
id = "school"
name = "学校"
[uplink]
paths = [{ url = "mqtt://[::1]:1883" }]
recipients = [{ id = "police", keys = [{ kid = "k", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] }]
[[buses]]
id = "net"
transport = "tcp"
host = "192.0.2.1"
[[devices]]
id = "module"
bus = "net"
profile = "advantech-adam-6060"
[places]
guards = { name = "门卫室", type = "gatehouse" }
"""
BUTTON = '[[points]]\nid = "panic"\nrole = "panic_button"\nplace = "guards"\ndevice = "module"\nsignal = "di1"\n'
CAMERA = '[[cameras]]\nid = "eye"\nurl = "rtsp://192.0.2.2/1"\nplace = "x"\n'
ZONE = 'zones = [{ id = "apron", polygon = [[0, 0], [1, 0], [1, 1]] }]\n'


def place(kind: str, more: str = "") -> str:
    return f'x = {{ name = "地点", type = "{kind}"{more} }}\n'


def without(*names: str) -> str:
    return f', without = {list(names)}, why = "另有系统"'


def point(role: str, at: str = "x") -> str:
    return f'[[points]]\nid = "it"\nrole = "{role}"\nplace = "{at}"\ndevice = "module"\nsignal = "di2"\n'


def warnings(folder: Path, text: str, points: str = BUTTON) -> list[Problem]:
    file = folder / "site.toml"
    file.write_text(HEAD + text + points, encoding="utf-8")
    return load_site(file).warnings


def errors(folder: Path, text: str, points: str = BUTTON) -> list[tuple[str, str]]:
    with pytest.raises(ConfigRefused) as refused:
        warnings(folder, text, points)
    return [(problem.key, problem.text) for problem in refused.value.problems]


ASKED = [
    ("kitchen", "gas", "燃气报警器", "gas_alarm"),
    ("boiler-room", "gas", "燃气报警器", "gas_alarm"),
    ("laboratory", "gas", "燃气报警器", "gas_alarm"),
    ("power-room", "electrical-fire", "电气火灾智慧监控系统", "arc_fault"),
    ("exit", "door", "安全出口", "door_contact"),
    ("exit", "door", "安全出口", "door_forced"),
]


@pytest.mark.parametrize(("kind", "name", "term", "role"), ASKED)
def test_a_place_without(tmp_path: Path, kind: str, name: str, term: str, role: str) -> None:
    (warning,) = warnings(tmp_path, place(kind))
    assert (warning.key, warning.line) == ("places.x", HEAD.count("\n") + 1)
    assert term in warning.text
    assert f'without = ["{name}"]' in warning.text
    assert role in warning.text
    assert "\n" not in warning.text
    assert warnings(tmp_path, place(kind), BUTTON + point(role)) == []
    assert warnings(tmp_path, place(kind, without(name))) == []
    elsewhere = place(kind) + 'y = { name = "别处" }\n'
    assert [found.key for found in warnings(tmp_path, elsewhere, BUTTON + point(role, "y"))] == ["places.x"]


@pytest.mark.parametrize(("kind", "name", "term", "role"), ASKED)
def test_an_answer_against_what_is_there(tmp_path: Path, kind: str, name: str, term: str, role: str) -> None:
    ((key, words),) = errors(tmp_path, place(kind, without(name)), BUTTON + point(role))
    assert key == "places.x.without[0]"
    assert '"it" is here' in words


@pytest.mark.parametrize("role", ["bollard_position", "bollard_impact", "bollard_fault", "barrier_position"])
def test_a_gate(tmp_path: Path, role: str) -> None:
    camera, ram = warnings(tmp_path, place("gate"))
    assert ("重点部位视频监控" in camera.text, "硬质防冲撞设施" in ram.text) == (True, True)
    assert warnings(tmp_path, place("gate"), BUTTON + point(role) + CAMERA + ZONE) == []
    assert warnings(tmp_path, place("gate", without("camera", "anti-ram"))) == []


def test_a_camera_counts_where_its_points_are(tmp_path: Path) -> None:
    eye = CAMERA.replace('"x"', '"guards"') + ZONE
    seen = '[[points]]\nid = "person"\nrole = "person_in_zone"\nplace = "x"\ncamera = "eye"\nzone = "apron"\n'
    assert [found.key for found in warnings(tmp_path, place("perimeter"), BUTTON + eye)] == ["places.x"]
    assert warnings(tmp_path, place("perimeter"), BUTTON + eye + seen) == []


def test_a_door_of_the_file_is_a_door_point(tmp_path: Path) -> None:
    contact = point("door_contact", "guards") + '[[doors]]\nid = "back"\nplace = "x"\ncontact = "it"\n'
    assert warnings(tmp_path, place("exit"), BUTTON + contact) == []


def test_a_button_where_somebody_always_is(tmp_path: Path) -> None:
    elsewhere = BUTTON.replace("guards", "x")
    (warning,) = warnings(tmp_path, place("office"), elsewhere)
    assert (warning.key, warning.line) == ("places", HEAD[: HEAD.index("[places]")].count("\n") + 1)
    assert "一键式紧急报警" in warning.text
    for kind in ("duty-room", "monitoring-room"):
        assert warnings(tmp_path, place(kind), elsewhere) == [], "one of them is enough"
    assert warnings(tmp_path, place("duty-room", without("button")), "") == []
    assert [key for key, _ in errors(tmp_path, place("duty-room", without("button")), elsewhere)] == ["places.x.without[0]"]


def test_a_boarding_school(tmp_path: Path) -> None:
    boards = BUTTON + "[calendar.boarding]\n"
    (warning,) = warnings(tmp_path, "", boards)
    assert (warning.key, "寄宿制" in warning.text) == ("calendar.boarding", True)
    (warning,) = warnings(tmp_path, place("dormitory"), boards)
    assert (warning.key, "寄宿制" in warning.text) == ("places.x", True)
    assert warnings(tmp_path, place("dormitory"), boards + point("panic_button")) == []
    assert warnings(tmp_path, place("dormitory", without("button")), boards) == []
    assert warnings(tmp_path, place("dormitory")) == [], "a day school"


def test_a_camera_without_zones(tmp_path: Path) -> None:
    (warning,) = warnings(tmp_path, place("other"), BUTTON + CAMERA)
    assert (warning.key, "detects nobody" in warning.text) == ("cameras[0]", True)
    assert warnings(tmp_path, place("other", without("zones")), BUTTON + CAMERA) == []
    ((key, words),) = errors(tmp_path, place("other", without("zones")), BUTTON + CAMERA + ZONE)
    assert (key, words) == ("places.x.without[0]", "no camera of this place is without zones")


@pytest.mark.parametrize(
    ("answer", "key", "words"),
    [
        (', without = ["gass"], why = "电厨房"', "places.x.without[0]", 'did you mean "gas"?'),
        (', without = ["gas"]', "places.x", "go together"),
        (', without = ["gas"], why = "  "', "places.x", "go together"),
        (', why = "电厨房"', "places.x", "go together"),
        (', without = ["anti-ram"], why = "x"', "places.x.without[0]", 'kitchen is not asked for "anti-ram"; asked are: gate'),
    ],
)
def test_an_answer_that_says_nothing(tmp_path: Path, answer: str, key: str, words: str) -> None:
    ((found, text),) = errors(tmp_path, place("kitchen", answer))
    assert found == key
    assert words in text


def test_names_of_answers_and_roles_are_known() -> None:
    assert {lack.name for lack in LACKS} | {ZONES} == set(get_args(Answer))
    assert {role for lack in LACKS for role in lack.roles} - set(ROLES) == {"camera"}


def test_check_says_each_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    warnings(tmp_path, place("gate"))
    assert main(["check", str(tmp_path / "site.toml")]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    assert len(said) == 2
    assert all(len(line) - len(str(tmp_path)) < 250 for line in said)
