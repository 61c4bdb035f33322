"""[[inspections]] of a site file: what they become, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from gateway.config.settings import ConfigRefused
from gateway.core.inspections import InspectionSpec, Item
from gateway.core.points import EventClass, Text
from tests.gateway.config.test_load import site

INSPECTION = '\n[[inspections]]\nid = "look"\nname = "日排查"\nevery = "day"\n'
TERMS = '\n[calendar]\nterms = [{ name = "秋", first = 2026-09-01, last = 2027-01-22 }]\n'


def spec(folder: Path, more: str = "", every: str = "day") -> InspectionSpec:
    settings = site(folder, INSPECTION.replace('"day"', f'"{every}"') + more)
    (found,) = [rule for rule in settings.rules if isinstance(rule, InspectionSpec)]
    (alarm,) = settings.points[found.id].alarms
    assert (alarm.key, alarm.alarm_class, alarm.event_class) == ("look/alarm", "duty", EventClass.DUTY)
    assert pickle.loads(pickle.dumps(found)) == found
    return found


def test_with_nothing_but_its_name(tmp_path: Path) -> None:
    assert spec(tmp_path) == InspectionSpec("look", "gate", Text("日排查", "日排查"), "day", whole_school=True, school_days_only=True)


def test_with_everything(tmp_path: Path) -> None:
    found = spec(
        tmp_path,
        'name_en = "weekly look"\nplace = "gate"\nby = "16:30"\nweekday = "thu"\ndays = "all"\nresponsible = "周建国"\n'
        'items = [{ id = "exits", name = "出口", name_en = "exits" }, { id = "posters", name = "标识" }]\n',
        "week",
    )
    items = (Item("exits", Text("出口", "exits")), Item("posters", Text("标识", "标识")))
    assert found == InspectionSpec("look", "gate", Text("日排查", "weekly look"), "week", items, "周建国", by_min=990, weekday=3)


def test_a_table_top_exercise_each_term(tmp_path: Path) -> None:
    found = spec(tmp_path, 'term_days = 60\ndrill = "tabletop"\n' + TERMS, "term")
    assert (found.term_days, found.drill) == (60, "tabletop")


def test_one_that_is_switched_off(tmp_path: Path) -> None:
    settings = site(tmp_path, INSPECTION + "enabled = false\n")
    assert "look" not in settings.points
    assert not [rule for rule in settings.rules if isinstance(rule, InspectionSpec)]


@pytest.mark.parametrize(
    ("more", "every", "words"),
    [
        ('place = "gaet"\n', "day", '"gaet" is not a place of this file; did you mean "gate"?'),
        ('by = "25:00"\n', "day", '"25:00" is not a time of the day; expected HH:MM'),
        ('weekday = "fri"\n', "day", '`weekday` is for every = "week"; this one is due each day'),
        ("day_of_month = 3\n", "week", '`day_of_month` is for every = "month"'),
        ("", "term", "needs terms: see [calendar], `terms`"),
        ('items = [{ id = "a", name = "甲" }, { id = "a", name = "乙" }]\n', "day", '"a" is another item of this inspection already'),
        (INSPECTION, "day", '"look" is used already'),
    ],
)
def test_what_is_refused(tmp_path: Path, more: str, every: str, words: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        spec(tmp_path, more, every)
    assert any(words in str(problem) for problem in refused.value.problems), refused.value
