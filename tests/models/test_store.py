"""Installing a model: what is taken, what is refused, and that a refusal changes nothing."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from gateway.core.errors import ModelRefused
from models import store
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


@pytest.mark.parametrize("name", ["CARD.md", "manifest.toml", "net.onnx", "fixtures", "fixtures/grey.png"])
def test_no_link_is_followed(ours: Path, installed: Path, tmp_path: Path, name: str) -> None:
    """Whoever made the folder would read through it what only the technician may read: what is installed, all may."""
    elsewhere = tmp_path / "elsewhere"
    if (ours / name).exists():
        (ours / name).rename(elsewhere)
    else:
        elsewhere.write_text("a secret")
    (ours / name).symlink_to(elsewhere)
    with pytest.raises(ModelRefused, match=f"ours/{name}.*: is a link"):
        add(ours, installed)
    assert list(installed.iterdir()) == []


def test_what_is_no_plain_file_is_refused(ours: Path, installed: Path) -> None:
    os.mkfifo(ours / "NOTICE")
    with pytest.raises(ModelRefused, match="ours/NOTICE: not a plain file"):
        add(ours, installed)
    os.remove(ours / "NOTICE")
    (ours / "NOTICE").mkdir()
    with pytest.raises(ModelRefused, match="ours/NOTICE: not a plain file"):
        add(ours, installed)
    assert list(installed.iterdir()) == []


def test_a_link_to_the_whole_folder_is_the_technicians_own(ours: Path, installed: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(ours)
    assert add(tmp_path / "link", installed)[0].id == "ours"


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(
    ("name", "size", "why"), [("CARD.md", 1_000_001, "more than 1 MB"), ("fixtures/grey.png", 10_000_001, "more than 10 MB")]
)
def test_a_file_that_is_too_large_is_refused(ours: Path, installed: Path, packed: bool, name: str, size: int, why: str) -> None:
    (ours / name).write_bytes(bytes(size))
    with pytest.raises(ModelRefused, match=f"{name}: {why}"):
        add(zipped(ours) if packed else ours, installed)
    assert list(installed.iterdir()) == []


def test_too_many_pictures_are_refused(ours: Path, installed: Path) -> None:
    path = ours / "fixtures" / "expected.json"
    told = json.loads(path.read_text())
    told["items"] += [{"file": f"{number}.png", "boxes": []} for number in range(20)]
    path.write_text(json.dumps(told))
    with pytest.raises(ModelRefused, match=r"expected\.json: at most 20 pictures, given 21"):
        add(ours, installed)


@pytest.mark.parametrize(
    ("limit", "value", "why"),
    [
        ("NETWORK_MOST_BYTES", 100, r"net\.onnx: more than"),
        ("ALL_MOST_BYTES", 600, "ours: all files together have more than"),
        ("LEFT_FREE_BYTES", 1 << 60, r"manifest\.toml: the disk of the state folder would have less"),
    ],
)
def test_the_limits_of_all_together_and_of_the_disk_hold(
    ours: Path, installed: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, why: str
) -> None:
    monkeypatch.setattr(store, limit, value)
    with pytest.raises(ModelRefused, match=why):
        add(ours, installed)
    assert list(installed.iterdir()) == []


def test_a_file_that_is_longer_than_was_said_is_refused(tmp_path: Path) -> None:
    copy = store._Copy(lambda name: (io.BytesIO(bytes(3_000_000)), 1_000_000), tmp_path)
    with pytest.raises(ModelRefused, match="big: it is longer than was said"):
        copy.file("big", 2_000_000)
    assert (tmp_path / "big").stat().st_size <= 1_000_000


def test_a_damaged_zip_is_refused(ours: Path, installed: Path) -> None:
    path = ours.parent / "model.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in content(ours):
            archive.write(ours / name, name)
        at = archive.getinfo("net.onnx").header_offset + 30 + len("net.onnx")
    body = bytearray(path.read_bytes())
    body[at : at + 20] = b"\xff" * 20
    path.write_bytes(body)
    with pytest.raises(ModelRefused, match=r"model\.zip: expected a model's folder or a zip of it: Error -3"):
        add(path, installed)
    assert list(installed.iterdir()) == []


def test_a_zip_that_is_packed_in_an_unusual_way_is_refused(ours: Path, installed: Path) -> None:
    """Some ways unpack a small piece to gigabytes in memory before anything can count them."""
    path = ours.parent / "model.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        for name in content(ours):
            archive.write(ours / name, name)
    with pytest.raises(ModelRefused, match=r"manifest\.toml is packed in another way"):
        add(path, installed)


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
