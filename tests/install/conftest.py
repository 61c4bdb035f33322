"""These take minutes and a Debian archive: they run only when asked for, by `make test-install` or by naming this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--arm64", action="store_true", help="also unpack and import the arm64 package, under qemu-user (minutes more)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`pytest` and `pytest tests` leave this folder out."""
    named = any((config.invocation_params.dir / word.split("::")[0]).resolve().is_relative_to(HERE) for word in config.args)
    return None if named or not collection_path.is_relative_to(HERE) else True
