"""When the battery counts as low."""

from __future__ import annotations

import pytest

from gateway.core.doors import PowerSpec
from gateway.core.reading import Quality, Reading
from gateway.rules.power import low_since

LOW, FULL = Reading("battery", True), Reading("battery", False)
GONE, THERE = Reading("mains", True), Reading("mains", False)
ODD = Reading("any", None, Quality.BAD, "no answer")


@pytest.mark.parametrize(
    ("low", "mains", "expected"),
    [
        (LOW, GONE, True),
        (LOW, THERE, False),
        (LOW, ODD, True),
        (LOW, None, True),
        (FULL, GONE, False),
        (ODD, GONE, False),
        (None, GONE, False),
    ],
)
def test_low_and_nothing_known_to_charge_it(low: Reading | None, mains: Reading | None, expected: bool) -> None:
    spec = PowerSpec("battery", "mains")
    assert low_since(spec, 0.0, low, mains, 50.0) == (50.0 if expected else 0.0)
    assert low_since(spec, 20.0, low, mains, 50.0) == (20.0 if expected else 0.0)


def test_a_site_without_a_mains_point() -> None:
    assert low_since(PowerSpec("battery"), 0.0, LOW, None, 50.0) == 50.0
