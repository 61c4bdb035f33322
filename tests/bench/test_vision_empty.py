"""Nobody is seen where nobody is: a short form of the empty hour, and the drawing of its weather."""

from __future__ import annotations

import numpy as np
import pytest

from models.runner import load
from tests.bench import vision_empty
from tests.bench.vision_tracks import WIDTH_PX
from tests.bench.vision_weather import Weather


@pytest.mark.slow
def test_two_minutes_of_nobody() -> None:
    """On the clip and photographs where they are, else on the drawn gate."""
    found = vision_empty.run(2.0, load("nanodet-g-person-int8", input_width_px=WIDTH_PX))
    assert found.pictures == 600
    assert 0 < found.looked < found.pictures
    assert found.false_alarms == []


def test_each_part_of_the_weather_is_there() -> None:
    rng, weather = np.random.default_rng(1), Weather()
    yard = np.full((360, 640, 3), (90, 110, 130), np.uint8)

    def seen(at_s: float) -> np.ndarray:
        return weather.drawn(yard, at_s, rng).astype(float)

    assert seen(5.0).mean() == pytest.approx(110, abs=2), "an empty yard by day"
    assert seen(40.0).mean() == pytest.approx(110, abs=2)
    assert seen(50.0).mean() == pytest.approx(110 * 0.45, abs=2), "the lamp is off"
    assert seen(80.0)[:, :, 1].max() > 160, "rain"
    assert 15 < seen(110.0).mean() < 30, "night"
    assert seen(123.0).max() > 180, "headlights in the night"
    infrared = seen(160.0)
    assert np.ptp(infrared, axis=2).max() <= 1
    assert np.ptp(seen(146.0), axis=2).min() > 20
