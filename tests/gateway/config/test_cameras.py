"""Cameras, zones and lines in a site file, and the points that hang on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import load_site
from gateway.config.settings import ConfigRefused
from tests.gateway.config.test_load import site

SQUARE = "polygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]"
CAMERA = f"""
[[cameras]]
id = "eye"
url = "rtsp://192.0.2.2/1"
place = "gate"
zones = [{{ id = "yard", {SQUARE} }}]
lines = [{{ id = "kerb", start = [0.0, 0.5], end = [1.0, 0.5] }}]
masks = [[[0.0, 0.0], [0.2, 0.0], [0.2, 0.3]]]
"""


def point(role: str, part: str, more: str = "") -> str:
    return f'[[points]]\nid = "seen"\nrole = "{role}"\nplace = "gate"\ncamera = "eye"\n{part}\n{more}\n'


@pytest.mark.parametrize(
    ("role", "part"),
    [
        *((role, 'zone = "yard"') for role in ("guard_at_post", "pupil_lane", "vehicle_in_lane", "exit_blocked", "crowd_count")),
        *((role, 'line = "kerb"') for role in ("line_crossed", "people_passed")),
    ],
)
def test_a_point_hangs_on_its_zone_or_line(tmp_path: Path, role: str, part: str) -> None:
    settings = site(tmp_path, CAMERA + point(role, part))
    assert settings.zones == {("eye", part.split('"')[1]): ["seen"]}
    assert settings.points["seen"].kind == ("measurement" if role in ("crowd_count", "people_passed") else "vision")


def test_a_direction_is_for_a_line(tmp_path: Path) -> None:
    settings = site(tmp_path, CAMERA + point("line_crossed", 'line = "kerb"', 'direction = "in"'))
    assert settings.site.points[0].direction == "in"


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (CAMERA + point("line_crossed", 'zone = "yard"'), "points[0].zone", "is about a line of its camera"),
        (CAMERA + point("loitering", 'line = "kerb"'), "points[0].line", "is about a zone of its camera"),
        (CAMERA + point("loitering", 'zone = "kerb"'), "points[0].zone", "a zone of camera eye"),
        (CAMERA + point("line_crossed", 'line = "yard"'), "points[0].line", "a line of camera eye"),
        (CAMERA + point("loitering", 'zone = "yard"', 'direction = "in"'), "points[0].direction", "is not for a zone"),
        (CAMERA + point("line_crossed", 'line = "kerb"', "dwell_s = 3.0"), "points[0].dwell_s", "is not for a line"),
        (CAMERA + point("loitering", 'zone = "yard"\nline = "kerb"'), "points[0]", "not both"),
        (CAMERA.replace(SQUARE, "polygon = [[0.1, 0.1], [0.9, 0.9], [0.5, 0.5]]"), "cameras[0].zones[0]", "it covers 0.00% of the picture"),
        (CAMERA.replace(SQUARE, "polygon = [[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]"), "cameras[0].zones[0]", "its sides cross"),
        (CAMERA.replace('"kerb"', '"yard"'), "cameras[0].lines[0].id", "used already in this camera"),
        (CAMERA.replace("end = [1.0, 0.5]", "end = [0.0, 0.5]"), "cameras[0].lines[0]", "the same place"),
        (CAMERA.replace("[0.2, 0.3]]]", "[1.2, 0.3]]]"), "cameras[0].masks[0][2][0]", "must be at most 1"),
        (CAMERA.replace(", [0.2, 0.3]]]", "]]"), "cameras[0].masks[0]", "at least 3"),
        (CAMERA.replace('place = "gate"', 'place = "gate"\nleast_fps = 6.0'), "cameras[0].least_fps", "never be reached"),
        (CAMERA.replace('place = "gate"', 'place = "gate"\nanalysed_fps = 0.9'), "cameras[0].analysed_fps", "at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, text: str, key: str, words: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        site(tmp_path, text)
    found = [problem for problem in refused.value.problems if problem.key == key and words in problem.text]
    assert found, refused.value.problems


@pytest.mark.parametrize(("fps", "warned"), [(1.0, True), (2.9, True), (3.0, False)])
def test_few_pictures_are_warned_of(tmp_path: Path, fps: float, warned: bool) -> None:
    settings = site(tmp_path, CAMERA.replace('place = "gate"', f'place = "gate"\nanalysed_fps = {fps}'))
    assert any(problem.key == "cameras[0].analysed_fps" for problem in settings.warnings) == warned


def test_a_file_of_cameras_alone_loads_again(tmp_path: Path) -> None:
    site(tmp_path, CAMERA)
    assert load_site(tmp_path / "site.toml").site.cameras[0].masks[0][1] == (0.2, 0.0)
