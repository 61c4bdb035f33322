"""`make model` without the registry: what it refuses, and how it compares."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.make.__main__ import ARCHIVE, PRODUCTS, calibration, difference, main
from models.manifest import folder_of, known_ids


def test_every_shipped_model_is_built() -> None:
    assert sorted(product.id for product in PRODUCTS) == known_ids()


def test_another_package_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ARCHIVE).write_bytes(b"another one")
    assert main(["--out", str(tmp_path)]) == 1
    assert f"{ARCHIVE}: sha256 is" in capsys.readouterr().err


def test_a_clone_alone_calibrates_on_what_it_has_and_says_so(tmp_path: Path) -> None:
    pictures, told = calibration(tmp_path)
    assert len(list(pictures)) == 3 * 2 * 4
    assert "is not the shipped file" in told


def test_two_models_are_compared_by_what_they_see() -> None:
    shipped, other = (Path(folder_of(name) / "model.onnx") for name in known_ids())
    assert difference(shipped.read_bytes(), shipped.read_bytes()) == 0.0
    assert difference(shipped.read_bytes(), other.read_bytes()) == 1.0
