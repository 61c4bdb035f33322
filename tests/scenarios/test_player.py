"""The player finds what is other than expected, and a wrong file is told with file, line and key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config.settings import ConfigRefused
from tests.scenarios import player

DOCS = Path(__file__).parents[2] / "docs" / "scenarios.md"

HEAD = """title = "门"
title_en = "door"
begin = 2026-09-05 20:00:00
"""
DOOR = """
[[step]]
at = 20:00:05
point = "store-held"
value = true
"""
TOLD = '{ event = "alarm.activated", of = "store-held" }'


def play(folder: Path, text: str) -> str:
    """What is wrong with this scenario, as one text."""
    file = folder / "story.toml"
    file.write_text(text, encoding="utf-8")
    return "\n".join(player.play(file).wrong)


def problems(folder: Path, text: str) -> str:
    """The error that tells that this file is wrong."""
    with pytest.raises(ConfigRefused) as refused:
        play(folder, text)
    return str(refused.value).replace(f"{folder}/", "")


def test_as_expected(tmp_path: Path) -> None:
    assert play(tmp_path, f'{HEAD}{DOOR}expect = [{TOLD}]\nstate = {{ "store-held/alarm" = "unacknowledged" }}') == ""


@pytest.mark.parametrize(
    ("further", "words"),
    [
        ("", 'step 1 (20:00:05, store-held: true):\n    not expected: { event = "alarm.activated", of = "store-held"'),
        (f"expect = [{TOLD}, {TOLD}]", "not said: alarm.activated of store-held"),
        ('expect = [{ event = "alarm.activated", of = "store-held", value = 1 }]', "not said: alarm.activated of store-held, value = 1"),
        (
            'expect = [{ event = "alarm.activated", of = "store-held", text = "门开" }]',
            'not said: alarm.activated of store-held, text = "门开"',
        ),
        ('expect = [{ event = "alarm.activated", of = "store-held", at = 20:00:09 }]', "said at 2026-09-05 20:00:05"),
        (f'expect = [{TOLD}]\nstate = {{ "store-held/alarm" = "normal" }}', "store-held/alarm is unacknowledged, expected normal"),
        (f'expect = [{TOLD}]\nstate = {{ "store-hold/alarm" = "normal" }}', 'did you mean "store-held/alarm"?'),
        (f'expect = [{TOLD}]\nswitch = [{{ output = "siren-gate", on = true }}]', "switched: nothing; expected:"),
    ],
)
def test_other_than_expected(tmp_path: Path, further: str, words: str) -> None:
    assert words in play(tmp_path, HEAD + DOOR + further)


def test_the_order_of_one_point_counts(tmp_path: Path) -> None:
    told = '{ event = "alarm.cleared", of = "store-held" }'
    press = f"{HEAD}{DOOR}expect = [{told}, {TOLD}]".replace("value = true", "press_ms = 500")
    assert "said later than" in play(tmp_path, press)


def test_the_order_of_different_points_does_not_count(tmp_path: Path) -> None:
    both = DOOR.replace('point = "store-held"\nvalue = true', "points = { store-held = true, fence-forced = true }")
    assert play(tmp_path, f'{HEAD}{both}expect = [{{ event = "alarm.activated", of = "fence-forced" }}, {TOLD}]') == ""


def test_an_output_that_nobody_expects(tmp_path: Path) -> None:
    command = 'command = { kind = "output", target = "siren-gate", value = "on", by = "王强", role = "guard" }'
    assert "switched: siren-gate on; expected: nothing" in play(tmp_path, f"{HEAD}[[step]]\nat = 20:00:05\n{command}\n")
    assert play(tmp_path, f'{HEAD}[[step]]\nat = 20:00:05\n{command}\nalso = "any"\n') == ""


def test_commands_that_end_otherwise(tmp_path: Path) -> None:
    shelve = '[[step]]\nat = 20:00:05\ncommand = { kind = "shelve", target = "store-held", by = "王强", role = "guard" }\n'
    assert "the command was refused: store-held/alarm: a guard may not shelve" in play(tmp_path, HEAD + shelve)
    assert "a guard may not shelve; expected: too late" in play(tmp_path, f'{HEAD}{shelve}refused = "too late"')


def test_what_is_not_watched_is_not_missed(tmp_path: Path) -> None:
    assert play(tmp_path, f'{HEAD}watch = ["fault"]\n{DOOR}') == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD, 'story.toml:1: step: "step" is missing'),
        (f'{HEAD}sight = "school"\n{DOOR}', 'story.toml:4: sight: unknown key "sight"; did you mean "site"?'),
        (
            HEAD + DOOR.replace("store-held", "store-hold"),
            'story.toml:7: step[0].point: "store-hold" is not a point of site school; did you mean',
        ),
        (f'{HEAD}{DOOR}device = "gate-module"\nsilent = true', "one thing happens in a step; this one has point and device"),
        (HEAD + DOOR.replace("value = true", ""), "a point comes with exactly one of value, bad and press_ms"),
        (HEAD + DOOR.replace("20:00:05", '"20:00:05"'), "expected a time of the school's clock without quotes"),
        (HEAD + DOOR.replace("20:00:05", "19:00:05"), "lies before the end of the one in front of it"),
        (
            f'{HEAD}[[step]]\nat = 20:00:05\ncommand = {{ kind = "reset", of = "x", by = "王强", role = "guard" }}',
            '"of" is not a key of a command',
        ),
        (f'{HEAD}site = "scool"\n{DOOR}', '"scool" is not a site; did you mean "school"?'),
        (
            f'{HEAD}changes = {{ "points.store-hold.latching" = true }}\n{DOOR}',
            '"store-hold" is not an id there; did you mean "store-held"?',
        ),
        (f'{HEAD}changes = {{ "points.store-held.latchin" = true }}\n{DOOR}', 'unknown key "latchin"; did you mean "latching"?'),
        ("title = ", "story.toml:1: not valid TOML"),
    ],
)
def test_wrong_files(tmp_path: Path, text: str, words: str) -> None:
    assert words in problems(tmp_path, text)


def test_the_example_of_the_page(tmp_path: Path) -> None:
    found = re.search(r"```toml\n(title = .*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert play(tmp_path, found[1]) == ""
