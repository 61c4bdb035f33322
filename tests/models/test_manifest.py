"""Model descriptions: every shipped one is whole, and a wrong one is refused with the key that is wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gateway.core.errors import ModelRefused
from models.manifest import MODELS_DIR, folder_of, read_fixtures, read_manifest

SHIPPED = sorted(path.parent for path in MODELS_DIR.glob("*/manifest.toml"))


def test_the_default_model_is_shipped() -> None:
    assert MODELS_DIR / "nanodet-g-person-int8" in SHIPPED


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_a_shipped_model_is_whole(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest.id == folder.name
    assert hashlib.sha256((folder / manifest.file).read_bytes()).hexdigest() == manifest.sha256
    assert manifest.thresholds.start > manifest.thresholds.keep
    assert any(item.boxes for item in read_fixtures(folder).items), "a self-test needs a person to find"
    for name in ("CARD.md", "NOTICE"):
        assert (folder / name).stat().st_size > 500
    for item in read_fixtures(folder).items:
        assert (folder / "fixtures" / item.file).is_file()


def test_the_notice_of_the_default_model_names_both_holders_and_the_changes() -> None:
    notice = (folder_of("nanodet-g-person-int8") / "NOTICE").read_text(encoding="utf-8")
    for words in ("Copyright 2020-2021 RangiLyu. All rights reserved.", "Copyright (c) 2021 Vladimir Mandic", "Apache License", "Changes:"):
        assert words in notice


def test_the_card_says_what_is_untested() -> None:
    card = (folder_of("nanodet-g-person-int8") / "CARD.md").read_text(encoding="utf-8")
    for words in ("Children", "night", "backlight", "Raspberry Pi"):
        assert words in card


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("pad = 114", "padding = 114"), "resize.padding"),
        (('order = "BGR"', 'order = "GBR"'), "colour.order"),
        (('name = "nanodet-dfl"', 'name = "yolo"'), "decoder.name"),
        (("keep = 0.35", "keep = 35"), "thresholds.keep"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, change: tuple[str, str], key: str) -> None:
    text = (folder_of("nanodet-g-person-int8") / "manifest.toml").read_text(encoding="utf-8")
    assert change[0] in text
    (tmp_path / "manifest.toml").write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(ModelRefused, match=key.replace(".", r"\.")):
        read_manifest(tmp_path)


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ModelRefused, match="manifest"):
        folder_of("no-such-model")
