"""Each scenario comes out as it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.grammar import files
from tests.scenarios.player import played


@pytest.mark.parametrize("file", files(), ids=lambda file: file.stem)
def test_scenario(file: Path) -> None:
    outcome = played(file)
    if outcome.wrong:
        pytest.fail(outcome.report(file), pytrace=False)
