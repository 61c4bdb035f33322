"""Guard posts, patrols, duty room and shifts of a site file: what they become."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from gateway.config.settings import ConfigRefused
from gateway.core.duties import DutyRoomSpec, GuardPostSpec, PatrolSpec, ShiftsSpec
from gateway.core.points import EventClass
from gateway.core.school_days import Window
from tests.gateway.config.test_load import site

GUARD, TEACHER = "a1b2c3d4e5f60718", "0f1e2d3c4b5a6978"
CARDS = f"card,name,schedule\n{GUARD},周建国,\n{TEACHER},王芳,\n"
READER = """
[[buses]]
id = "door-line"
transport = "osdp"
device = "/dev/ttyS1"
[[devices]]
id = "reader"
bus = "door-line"
profile = "osdp-reader"
[[points]]
id = "card"
role = "card_reader"
place = "gate"
device = "reader"
signal = "card"
[[points]]
id = "button"
role = "contact"
place = "gate"
device = "module"
signal = "di1"
"""
POST = '\n[[guard_posts]]\nid = "post"\nplace = "gate"\n'
PATROL = '\n[[patrols]]\nid = "patrol"\nplace = "gate"\ncheckpoints = [{ id = "boiler", point = "button" }]\n'


def rule(folder: Path, more: str) -> Any:
    """The only duty of this site."""
    (folder / "cards.csv").write_text(CARDS)
    settings = site(folder, READER + more)
    (found,) = [rule for rule in settings.rules if isinstance(rule, GuardPostSpec | PatrolSpec | DutyRoomSpec | ShiftsSpec)]
    point = settings.points[found.id]
    assert [(alarm.key, alarm.alarm_class, alarm.event_class) for alarm in point.alarms] == [(f"{found.id}/alarm", "duty", EventClass.DUTY)]
    for watched in found.signers.points if not isinstance(found, ShiftsSpec) else ():
        assert settings.points[watched].watched, "or its readings would never be looked at"
    assert pickle.loads(pickle.dumps(found)) == found
    return found


def test_a_post_with_nothing_but_its_name(tmp_path: Path) -> None:
    post = rule(tmp_path, POST)
    assert post == GuardPostSpec("post", "gate", post.name, post.signers)
    assert (post.name.zh, post.windows) == ("校门", {Window.ARRIVAL, Window.DISMISSAL})
    assert (post.grace_s, post.away_s, post.valid_s) == (300.0, 180.0, None)


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ('cards_file = "cards.csv"', {GUARD: "周建国", TEACHER: "王芳"}),
        ('cards_file = "cards.csv"\ncards = ["周建国"]', {GUARD: "周建国"}),
        (f'cards_file = "cards.csv"\ncards = ["{GUARD.upper()}"]', {GUARD: "周建国"}),
        (f'cards = ["{GUARD}"]', {GUARD: ""}),
    ],
)
def test_which_cards_count(tmp_path: Path, cards: str, expected: dict[str, str]) -> None:
    assert rule(tmp_path, POST + f'readers = ["card"]\n{cards}\n').signers.cards == expected


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ('cards_file = "cards.csv"\ncards = ["周建囯"]', 'cards[0]: "周建囯" is not a holder in cards.csv; did you mean "周建国"?'),
        ('cards_file = "card.csv"', 'cards_file: "card.csv" cannot be read: No such file or directory'),
    ],
)
def test_cards_that_are_not_there(tmp_path: Path, cards: str, words: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        rule(tmp_path, POST + f'readers = ["card"]\n{cards}\n')
    assert [str(problem).split("guard_posts[0].")[-1] for problem in refused.value.problems] == [words]


def test_a_cards_file_that_is_wrong_is_told_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused) as refused:
        site(tmp_path, READER + POST + 'readers = ["card"]\ncards_file = "site.toml"\n' + '[[doors]]\nid = "d"\nplace = "gate"\n'
             'reader = "card"\ncards_file = "site.toml"\n')  # fmt: skip
    assert [problem.text for problem in refused.value.problems] == ["the first line must be card,name,schedule"]


def test_the_day_is_divided_evenly_into_five_rounds(tmp_path: Path) -> None:
    assert rule(tmp_path, PATROL).rounds == ((0, 288), (288, 576), (576, 864), (864, 1152), (1152, 1440))


def test_rounds_in_the_order_of_the_day_and_across_midnight(tmp_path: Path) -> None:
    rounds = 'rounds = ["23:00-01:00", "07:00-08:30", "12:00-13:00", "16:00-17:00", "20:00-24:00"]\n'
    with pytest.raises(ConfigRefused):
        rule(tmp_path, PATROL + rounds)
    rounds = rounds.replace("20:00-24:00", "20:00-23:00")
    assert rule(tmp_path, PATROL + rounds).rounds == ((420, 510), (720, 780), (960, 1020), (1200, 1380), (1380, 1500))


def test_too_few_rounds_are_a_warning(tmp_path: Path) -> None:
    settings = site(tmp_path, READER + PATROL + "rounds_per_day = 4\n")
    assert [w.text for w in settings.warnings if w.key == "patrols[0]"] == ["4 rounds a day: GB/T 29315 asks for at least 5"]


def test_duty_room_and_shifts(tmp_path: Path) -> None:
    room = rule(tmp_path, '\n[rules.duty_room]\nplace = "gate"\nbuttons = ["button"]\nhours = ["18:00-24:00", "00:00-07:00"]\n')
    assert (room.id, room.min_interval_s, room.max_interval_s, room.within_s) == ("duty-room", 3600.0, 10_800.0, 300.0)
    assert (room.hours, room.seed) == (((0, 420), (1080, 1440)), "school/gate")
    shifts = rule(tmp_path, '\n[rules.shifts]\nplace = "gate"\ntimes = ["20:00", "08:00"]\n')
    assert (shifts.times, shifts.overdue_s, shifts.early_s) == ((480, 1200), 900.0, 1800.0)


def test_a_duty_that_is_switched_off_is_checked_and_not_there(tmp_path: Path) -> None:
    settings = site(tmp_path, READER + POST + "enabled = false\n")
    assert "post" not in settings.points
    with pytest.raises(ConfigRefused):
        site(tmp_path, READER + POST.replace('"gate"', '"gat"') + "enabled = false\n")
