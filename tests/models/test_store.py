"""Installing a model: what is taken, what is refused, and that a refusal changes nothing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from gateway.core.errors import ModelRefused
from models.runner import load
from models.store import add, known
from tests.models.networks import one_person


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return one_person(tmp_path / "ours")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    return tmp_path / "state" / "models"


def zipped(folder: Path, inside: str = "") -> Path:
    path = folder.parent / "model.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            archive.write(file, inside + str(file.relative_to(folder)))
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_installed_and_found_by_its_id(ours: Path, installed: Path) -> None:
    (ours / "CARD.md").write_text("what it is")
    (ours / "notes.txt").write_text("stays behind")
    info, folder = add(ours, installed)
    assert (info.id, folder) == ("ours", installed / "ours")
    assert set(content(folder)) == {"manifest.toml", "net.onnx", "CARD.md", "fixtures/expected.json", "fixtures/grey.png"}
    assert [path.name for path in installed.iterdir()] == ["ours"], "nothing is left of the work"
    assert load("ours", installed=installed).info.id == "ours"
    assert [(row.id, row.shipped, row.problem) for row in known(installed)][-1] == ("ours", False, "")


@pytest.mark.parametrize("inside", ["", "ours/", "a/b/"])
def test_a_zip_is_installed(ours: Path, installed: Path, inside: str) -> None:
    _, folder = add(zipped(ours, inside), installed)
    assert content(folder) == content(ours)


def test_nothing_else_in_an_archive_is_unpacked(ours: Path, installed: Path) -> None:
    path = zipped(ours)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../escaped", "out of the folder")
        archive.writestr("/tmp/escaped", "to a place of its own")
    _, folder = add(path, installed)
    assert content(folder) == content(ours)
    assert not list(installed.parent.parent.rglob("escaped"))


def spoil(folder: Path, before: str, after: str) -> None:
    path = folder / "manifest.toml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ('id = "ours"', 'id = "nanodet-g-person-int8"', "is the id of a shipped model"),
        ('id = "ours"', 'id = "../ours"', r"ours/manifest\.toml: key id"),
        ('file = "net.onnx"', 'file = "../net.onnx"', r"ours/manifest\.toml: key file"),
        ('file = "net.onnx"', 'file = "other.onnx"', r"ours/other\.onnx is missing"),
        ('name = "boxes-labels-scores"', 'name = "yolo"', r"ours/manifest\.toml: key decoder\.name"),
        ('sha256 = "', 'sha256 = "0', r"ours/manifest\.toml: key sha256"),
        ("start = 0.5", "start = 0.95", "self-test"),
    ],
)
def test_a_model_that_is_not_right_is_refused_and_nothing_changes(ours: Path, installed: Path, before: str, after: str, why: str) -> None:
    spoil(ours, before, after)
    if why == "self-test":
        expected = ours / "fixtures" / "expected.json"
        expected.write_text(expected.read_text().replace("0.9", "0.5"))
    with pytest.raises(ModelRefused, match=why):
        add(ours, installed)
    assert list(installed.iterdir()) == []


def test_a_missing_picture_and_another_digest_are_refused(ours: Path, installed: Path) -> None:
    (ours / "net.onnx").write_bytes((ours / "net.onnx").read_bytes() + b" ")
    with pytest.raises(ModelRefused, match="sha256 is"):
        add(ours, installed)
    (ours / "fixtures" / "grey.png").unlink()
    with pytest.raises(ModelRefused, match=r"ours/fixtures/grey\.png is missing"):
        add(ours, installed)


def test_what_is_no_model_is_refused(tmp_path: Path, installed: Path) -> None:
    (tmp_path / "text.zip").write_text("no archive")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    for name, why in (("none", "no such file"), ("text.zip", "expected a model's folder or a zip"), ("empty.zip", "expected one manifest")):
        with pytest.raises(ModelRefused, match=why):
            add(tmp_path / name, installed)


def test_an_installed_one_goes_only_when_that_is_said(ours: Path, installed: Path) -> None:
    add(ours, installed)
    (ours / "CARD.md").write_text("the second")
    with pytest.raises(ModelRefused, match="--replace"):
        add(ours, installed)
    assert "CARD.md" not in content(installed / "ours")
    add(ours, installed, replace=True)
    assert "CARD.md" in content(installed / "ours")
    assert [path.name for path in installed.iterdir()] == ["ours"]


def test_the_list_names_what_cannot_be_used(ours: Path, installed: Path) -> None:
    add(ours, installed)
    (installed / "ours" / "net.onnx").unlink()
    one_person(installed / "moved")
    spoil(installed / "moved", 'id = "moved"', 'id = "other"')
    problems = {row.id: row.problem for row in known(installed)}
    assert "No such file" in problems["ours"]
    assert "expected moved as its folder says" in problems["moved"]
    assert problems["nanodet-g-person-int8"] == ""
