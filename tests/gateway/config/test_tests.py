"""How often a site file wants its points tested, and the duty that follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.settings import ConfigRefused
from gateway.core.points import TESTS_POINT, EventClass
from tests.gateway.config.test_load import site


def point(number: int, role: str, more: str = "") -> str:
    name = f"p{number}"
    return f'\n[[points]]\nid = "{name}"\nrole = "{role}"\nplace = "gate"\ndevice = "module"\nsignal = "di{number}"\n{more}\n'


def test_defaults_by_role(tmp_path: Path) -> None:
    text = point(1, "panic_button") + point(2, "fire_alarm") + point(3, "door_held") + point(4, "contact")
    settings = site(tmp_path, text)
    assert [settings.points[f"p{number}"].test_every_days for number in (1, 2, 3, 4)] == [92, 365, 0, 0]
    (due,) = settings.points[TESTS_POINT].alarms
    assert (due.name, due.event_class, due.latching) == ("due", EventClass.DUTY, False)


def test_a_site_sets_its_own(tmp_path: Path) -> None:
    text = point(1, "panic_button", "test_every_days = 30") + point(2, "tamper", "test_every_days = 180")
    points = site(tmp_path, text).points
    assert [points[name].test_every_days for name in ("p1", "p2")] == [30, 180]


def test_a_site_without_tests_has_no_duty(tmp_path: Path) -> None:
    settings = site(tmp_path, point(1, "panic_button", "test_every_days = 0"))
    assert TESTS_POINT not in settings.points


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (point(1, "contact", "test_every_days = 92"), "points[0].test_every_days: a contact has no alarm here that could be tested"),
        (point(1, "mains_fail", "test_every_days = 92"), "a mains_fail has no alarm here that could be tested"),
        (point(1, "door_held", "alarm = false\ntest_every_days = 92"), "has no alarm here that could be tested"),
        (point(1, "panic_button", "test_every_days = -1"), "points[0].test_every_days: "),
    ],
)
def test_refused(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        site(tmp_path, more)
    (problem,) = refused.value.problems
    assert words in str(problem)
