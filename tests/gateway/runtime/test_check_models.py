"""`check` knows the models: one that is not there is refused, one that cannot see what a point wants is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.config.load import load_site
from gateway.runtime.check_models import judge_model
from tests.models.networks import one_person

CAMERA = """
schema = 1
[site]
id = "s"
name = "学校"
state_dir = "state"
[uplink]
paths = [{ url = "mqtt://127.0.0.1:1883" }]
[places.gate]
name = "校门"
[[cameras]]
id = "eye"
url = "rtsp://127.0.0.1:554/gate"
place = "gate"
zones = [{ id = "lane", polygon = [[0.1, 0.3], [0.9, 0.3], [0.9, 1.0]] }]
[[points]]
id = "lane-vehicle"
role = "vehicle_in_lane"
place = "gate"
camera = "eye"
zone = "lane"
responsible = "张卫国"
[vision]
model = "MODEL"
"""


def site(folder: Path, model: str) -> Path:
    path = folder / "site.toml"
    path.write_text(CAMERA.replace("MODEL", model), encoding="utf-8")
    return path


def test_an_unknown_model_is_refused_at_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = site(tmp_path, "yolo")
    assert main(["check", str(path), "--json"]) == 1
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert (error["key"], error["line"]) == ("vision.model", path.read_text().splitlines().index('model = "yolo"') + 1)
    assert "no model yolo" in error["text"]
    assert "nanodet-g-campus-int8" in error["text"]


def test_a_model_that_finds_no_vehicles_is_told_at_the_point_that_wants_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(site(tmp_path, "nanodet-g-person-int8")), "--json"]) == 0
    warnings = json.loads(capsys.readouterr().out)["warnings"]
    assert [(each["key"], "finds none" in each["text"]) for each in warnings if "vehicles" in each["text"]] == [("points[0].role", True)]
    assert judge_model(load_site(site(tmp_path, "nanodet-g-campus-int8"))) == ([], [])


def test_a_model_that_was_added_is_known(tmp_path: Path) -> None:
    one_person(tmp_path / "state" / "models" / "ours")
    problems, warnings = judge_model(load_site(site(tmp_path, "ours")))
    assert problems == []
    assert len(warnings) == 1


def test_a_site_without_cameras_wants_no_model(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    before, after = CAMERA.split("[[cameras]]")
    path.write_text(before + "[vision]" + after.split("[vision]")[1].replace("MODEL", "none"), encoding="utf-8")
    assert judge_model(load_site(path)) == ([], [])
