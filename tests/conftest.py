"""Order and hygiene of the whole suite."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("any machine", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first; what is marked slow runs last."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
