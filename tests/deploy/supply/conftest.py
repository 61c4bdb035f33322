"""What ships, as it is installed here: read once."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from deploy.supply.shipped import Package, needed, packages


@pytest.fixture(scope="package")
def shipped() -> list[Package]:
    """Packages of this environment that a release needs."""
    return needed(packages(Path(sysconfig.get_path("purelib"))))
