"""What a camera's point at a gate means now, in words."""

from __future__ import annotations

import pytest

from gateway.core.gates import WatchedZone
from gateway.core.points import Text
from gateway.core.reading import Quality, Reading
from gateway.core.school_days import Window
from tests.gateway.rules.gate_site import GateSite

NAME = Text("南门", "South gate")
CROWD = WatchedZone("watch:crowd", "crowd", NAME, "crowd", frozenset({Window.ARRIVAL}), limit=20.0)
FENCE = WatchedZone("watch:fence", "perimeter", NAME, "fence", outside_hours=True)
LOITERER = WatchedZone("watch:loiterer", "loitering", NAME, "loiterer", dwell_s=120.0)


@pytest.mark.parametrize(
    ("begin", "point", "acts", "words"),
    [
        ("07:30:00", "crowd", True, "20 persons or more in the zone -> alarm"),
        ("10:00:00", "crowd", False, "20 persons or more in the zone: no alarm now, it is lessons, and it counts in arrival"),
        ("10:00:00", "fence", False, "a person in the zone: no alarm now, the school is open"),
        ("22:00:00", "fence", True, "a person in the zone -> alarm"),
        ("22:00:00", "loiterer", True, "a person who stays 120 s -> alarm"),
    ],
)
def test_in_words(begin: str, point: str, acts: bool, words: str) -> None:
    site = GateSite((CROWD, FENCE, LOITERER), {}, begin)
    assert [(why.acts, why.text.en) for why in site.why(point)] == [(acts, words)]


def test_a_blind_camera_is_said() -> None:
    site = GateSite((CROWD,), {}, "07:30:00")
    site.house.readings["crowd"] = Reading("crowd", None, Quality.BAD, "camera blind")
    assert [(why.acts, why.text.zh) for why in site.why("crowd")] == [(False, "区域内 20 人及以上：现在不报警，看不到（camera blind）")]


def test_it_never_acts() -> None:
    site = GateSite((CROWD, FENCE), {}, "07:10:00")
    site.until("08:30:00")
    assert (site.told, site.orders, site.stored) == ([], [], {})
