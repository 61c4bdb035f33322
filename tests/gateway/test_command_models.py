"""campus-gateway models: list, bench, add, eval, and one clear line for what cannot be done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import pytest

from gateway.__main__ import main
from models.manifest import folder_of
from tests.models.networks import one_person

SHIPPED = "nanodet-g-person-int8"
PLACES = ["--config", "/nowhere/site.toml"]


@pytest.fixture
def labelled(tmp_path: Path) -> list[str]:
    """Two photographs of the self-test, one person and none, as arguments."""
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    for name in ("cameraman", "field"):
        shutil.copy(folder_of(SHIPPED) / "fixtures" / f"{name}.jpg", images)
    (labels / "cameraman.txt").write_text("0 0.32 0.57 0.62 0.86\n")
    (labels / "field.txt").write_text("")
    return ["--images", str(images), "--boxes", str(labels)]


def test_the_list_says_what_there_is_and_what_runs_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", *PLACES]) == 0
    text = capsys.readouterr().out
    assert f"{SHIPPED}  (default)" in text
    assert "finds person and vehicle" in text
    assert "runs on CPUExecutionProvider" in text
    assert "Run and tested: CPUExecutionProvider. All others (CUDA, TensorRT" in text


def test_models_alone_lists(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["models", "list", "--json", "--state-dir", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {row["id"]: row["kinds"] for row in told["models"]} == {SHIPPED: ["person"], "nanodet-g-campus-int8": ["person", "vehicle"]}
    assert told["tested"] == ["CPUExecutionProvider"]
    assert "CPUExecutionProvider" in told["providers"]


def test_a_model_is_added_listed_and_used(capsys: pytest.CaptureFixture[str], tmp_path: Path, labelled: list[str]) -> None:
    state = ["--state-dir", str(tmp_path / "state")]
    assert main(["models", "add", str(one_person(tmp_path / "ours")), *state]) == 0
    assert 'Use it with [vision] model = "ours"' in capsys.readouterr().out
    assert main(["models", "list", *state]) == 0
    assert "ours  (installed here)" in capsys.readouterr().out
    assert main(["models", "eval", *labelled, "--model", "ours", "--json", *state]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "ours"
    assert main(["models", "add", str(tmp_path / "ours"), *state]) == 1
    assert "--replace" in capsys.readouterr().err
    assert main(["models", "add", str(tmp_path / "ours"), "--replace", "--json", *state]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "ours"
    (tmp_path / "state" / "models" / "ours" / "net.onnx").unlink()
    assert main(["models", "list", *state]) == 1
    assert "cannot be used" in capsys.readouterr().out


def test_eval_gives_one_line_of_json(capsys: pytest.CaptureFixture[str], labelled: list[str]) -> None:
    assert main(["models", "eval", *labelled, "--json", *PLACES]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert {key: told[key] for key in ("ap50", "ap50_big", "recall", "precision", "false_per_empty")} == {
        "ap50": 1.0, "ap50_big": 1.0, "recall": 1.0, "precision": 1.0, "false_per_empty": 0.0,
    }  # fmt: skip
    assert told["latency_ms"] > 0
    assert (told["pictures"], told["people"], told["empty"]) == (2, 1, 1)


def test_eval_gives_a_table_and_takes_all_its_options(capsys: pytest.CaptureFixture[str], labelled: list[str]) -> None:
    options = ["--only", "c*", "--input", "416x320", "--two-scales", "--threads", "2", "--region", "0,0,1,1", "--every", "1"]
    assert main(["models", "eval", *labelled, *options, *PLACES]) == 0
    text = capsys.readouterr().out
    assert "1 pictures, 1 people, 0 pictures without people" in text
    assert "recall             1.000  share of the people found at the working threshold 0.50" in text
    assert "false_per_empty        -  " in text


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["eval", "--images", "/nowhere", "--boxes", "/nowhere"], "campus-gateway models: /nowhere: no such file or folder"),
        (["eval", "--images", "IMAGES", "--boxes", "IMAGES"], "no text belongs to any of the 2 pictures"),
        (["eval", "--images", "IMAGES", "--boxes", "LABELS", "--model", "none"], "no model none"),
        (["bench", "--model", "/nowhere/model"], "/nowhere/model holds no manifest.toml"),
        (["add", "/nowhere/model.zip"], "say where the state folder is with --config or --state-dir"),
        (["add", "/nowhere/model.zip", "--state-dir", "STATE"], "/nowhere/model.zip: no such file or folder"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    capsys: pytest.CaptureFixture[str], labelled: list[str], tmp_path: Path, words: list[str], why: str
) -> None:
    put = {"IMAGES": labelled[1], "LABELS": labelled[3], "STATE": str(tmp_path / "state")}
    assert main(["models", *(put.get(word, word) for word in words), *PLACES]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line


@pytest.mark.parametrize(
    "words",
    [["--input", "400"], ["--input", "416x"], ["--input", "2000"], ["--region", "0,0,1"], ["--region", "0.5,0,0.4,1"], ["--every", "0"]],
)
def test_an_option_that_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str], labelled: list[str], words: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models", "eval", *labelled, *words, *PLACES])
    assert "expected" in capsys.readouterr().err


def test_bench_says_how_many_cameras_that_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "bench", "--runs", "3", "--threads", "1", "--picture", "320x180", "--json", *PLACES]) == 0
    told = json.loads(capsys.readouterr().out)
    (one,) = told["speeds"]
    assert one["cameras"] == pytest.approx(0.8 * 1000 / one["p95_ms"] / 5, rel=0.02, abs=1)  # a whole number of them
    assert one["rss_mb"] > 10
    assert main(["models", "bench", "--runs", "3", "--threads", "2", "--fps", "1000000", *PLACES]) == 0
    assert "No camera fits" in capsys.readouterr().out


def test_a_broken_picture_is_told(capsys: pytest.CaptureFixture[str], labelled: list[str]) -> None:
    path = Path(labelled[1]) / "cameraman.jpg"
    assert cv2.imread(str(path)) is not None
    path.write_bytes(b"no picture")
    assert main(["models", "eval", *labelled, *PLACES]) == 1
    assert "cameraman.jpg: not a picture that can be read" in capsys.readouterr().err
