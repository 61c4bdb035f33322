"""The house of a site file knows its points, outputs, doors, power supply and school days."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from gateway.config.load import load_site
from gateway.core.school_days import Window
from gateway.runtime.houses import calendar_of, house_of

SITE = Path(__file__).parents[2] / "scenarios" / "sites" / "school.toml"


def test_the_house_of_a_site_file() -> None:
    settings = load_site(SITE)
    calendar = calendar_of(settings)
    house = house_of(settings, calendar)
    assert house.timetable is calendar
    assert house.points == settings.points
    assert set(house.fittings.outputs) == set(settings.outputs)
    assert set(house.fittings.doors) == {"side", "dorm"}
    assert house.fittings.power is settings.power is not None
    morning_ms = round(datetime.fromisoformat("2026-09-01T07:30:00+08:00").timestamp() * 1000)
    assert calendar.window(morning_ms) is Window.ARRIVAL
