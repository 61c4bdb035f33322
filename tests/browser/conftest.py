"""One browser and one school for each file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.desk import chromium
from tests.browser.school import School, school


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ended with its file: as long as it lives, its event loop counts as running, and no asynchronous test can begin one."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def campus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    with school(tmp_path_factory.mktemp("school")) as found:
        yield found
