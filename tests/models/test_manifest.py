"""Model descriptions: every shipped one is whole, and a wrong one is refused with the key that is wrong."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from gateway.core.errors import ModelRefused
from models.manifest import DECODERS, MODELS_DIR, folder_of, read_fixtures, read_manifest
from tests.models.networks import one_person

SHIPPED = sorted(path.parent for path in MODELS_DIR.glob("*/manifest.toml"))


def test_the_default_model_is_shipped_and_one_that_knows_vehicles() -> None:
    assert [folder.name for folder in SHIPPED] == ["nanodet-g-campus-int8", "nanodet-g-person-int8"]
    assert read_manifest(SHIPPED[0]).classes.kinds == ("person", "vehicle")


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_a_shipped_model_is_whole(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest.id == folder.name
    assert hashlib.sha256((folder / manifest.file).read_bytes()).hexdigest() == manifest.sha256
    assert (folder / manifest.file).stat().st_size <= 4_000_000
    assert any(item.boxes for item in read_fixtures(folder).items), "a self-test needs a person to find"
    for name in ("CARD.md", "NOTICE"):
        assert (folder / name).stat().st_size > 500
    for item in read_fixtures(folder).items:
        assert (folder / "fixtures" / item.file).is_file()


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_the_notice_names_both_holders_and_the_changes(folder: Path) -> None:
    notice = (folder / "NOTICE").read_text(encoding="utf-8")
    for words in ("Copyright 2020-2021 RangiLyu. All rights reserved.", "Copyright (c) 2021 Vladimir Mandic", "Apache License", "Changes:"):
        assert words in notice


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_the_card_says_what_is_untested(folder: Path) -> None:
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    for words in ("Children", "night", "backlight", "Raspberry Pi"):
        assert words in card


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("pad = 114", "padding = 114"), "resize.padding"),
        (('order = "BGR"', 'order = "GBR"'), "colour.order"),
        (('name = "nanodet-dfl"', 'name = "yolo"'), "decoder.name"),
        (('name = "nanodet-dfl"', ""), "decoder.name: expected one of nanodet-dfl, ssd, yolox, detr-cxcywh-logits, boxes-labels-scores"),
        (("bins = 11", "bin = 11"), "decoder.bin: unknown key"),
        (("bins = 11", 'bins = "11 of them"'), "decoder.bins"),
        (('mode = "letterbox-centre"', 'mode = "letterbox"'), "resize.mode"),
        (("std = [57.375, 57.12, 58.395]", "std = [57.375, 0.0, 58.395]"), "colour: no std may be 0"),
        (("keep = 0.35", "keep = 35"), "thresholds.keep"),
        (("keep = 0.35", "keep = 0.6"), "thresholds: keep must be above 0 and below start"),
        (("start = 0.50", ""), "thresholds.start: is missing"),
        (('file = "model.onnx"', 'file = ".."'), "file: "),
        (('file = "model.onnx"', 'file = "../model.onnx"'), "file: "),
        (("schema = 1", "schema = 1\nclasses = { person = [] }"), "classes.person"),
        (("schema = 1", "schema = 1\nclasses = { dog = [16] }"), "classes.dog: unknown key"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, change: tuple[str, str], key: str) -> None:
    text = (folder_of("nanodet-g-person-int8") / "manifest.toml").read_text(encoding="utf-8")
    assert change[0] in text
    (tmp_path / "manifest.toml").write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(ModelRefused, match=re.escape(f"{tmp_path}/manifest.toml: key {key}")):
        read_manifest(tmp_path)


def test_an_unknown_model_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    one_person(tmp_path / "ours")
    with pytest.raises(ModelRefused, match=r"no model no-such-model: .* hold no .*nanodet-g-person-int8, ours"):
        folder_of("no-such-model", tmp_path)


def test_an_installed_model_is_found_by_its_id_and_a_shipped_one_first(tmp_path: Path) -> None:
    one_person(tmp_path / "ours")
    one_person(tmp_path / "nanodet-g-person-int8")
    assert folder_of("ours", tmp_path) == tmp_path / "ours"
    assert folder_of("nanodet-g-person-int8", tmp_path) == MODELS_DIR / "nanodet-g-person-int8"
    assert folder_of(str(tmp_path / "ours" / "manifest.toml")) == tmp_path / "ours"


def test_a_model_without_classes_finds_people_only() -> None:
    assert read_manifest(folder_of("nanodet-g-person-int8")).classes.by_kind == ((0,),)


def test_the_manifests_of_the_page_are_right(tmp_path: Path) -> None:
    page = (MODELS_DIR.parent / "docs" / "models.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    ids = []
    for text in shown:
        (tmp_path / "manifest.toml").write_text(text, encoding="utf-8")
        ids.append(read_manifest(tmp_path).id)
    assert ids == ["yolox-tiny-gate", "d-fine-gate"]
    (fixtures,) = re.findall(r"^```json\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "fixtures").mkdir()
    (tmp_path / "fixtures" / "expected.json").write_text(fixtures, encoding="utf-8")
    assert len(read_fixtures(tmp_path).items) == 2


def test_the_page_names_every_decoder() -> None:
    page = (MODELS_DIR.parent / "docs" / "models.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in DECODERS)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "schema = " + "9" * 5000], ids=["nested", "digits"])
def test_a_manifest_that_overstrains_the_reader_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.toml").write_text(text)
    with pytest.raises(ModelRefused, match=r"manifest\.toml: "):
        read_manifest(tmp_path)
