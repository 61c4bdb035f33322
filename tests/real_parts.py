"""Real programs that some tests need; missing ones skip with the package's name, or fail where they are required."""

from __future__ import annotations

import os
import shutil

import pytest

REQUIRED = os.environ.get("REQUIRE_REAL_PARTS") == "1"
_SBIN = "/usr/sbin:/sbin:/usr/local/sbin"


def need(program: str, *, package: str) -> str:
    """Path of a system program. Without it the test is skipped; with REQUIRE_REAL_PARTS=1 it fails."""
    path = shutil.which(program) or shutil.which(program, path=_SBIN)
    if path:
        return path
    missing(f"{program} is not installed: apt-get install {package}")
    raise AssertionError("unreachable")


def missing(line: str) -> None:
    """Skip with this line, or fail where real parts are required."""
    if REQUIRED:
        pytest.fail(f"REQUIRE_REAL_PARTS=1, but {line}")
    pytest.skip(line)
