"""The scenarios take every row of the alarm table that can happen, and show every rule by its name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from gateway.alarm.machine import ASIDE, LIVE, TABLE, Kind, Row, State, Stimulus
from tests.scenarios.grammar import files, read
from tests.scenarios.player import played

NORMAL, _, _, RETURNED, LATCHED, LATCHED_ACKED = LIVE
PLAIN, LATCHING, MANAGED = Kind
CORE = (Stimulus.ACTIVATE, Stimulus.CLEAR, Stimulus.ACKNOWLEDGE, Stimulus.RESET)

# Rows that decide() never takes, by the reason.
EXCUSED: dict[str, set[Row]] = {
    "only a condition that was active clears, and then the alarm is unacknowledged or acknowledged": {
        (state, state, Stimulus.CLEAR, kind) for state in (NORMAL, RETURNED, LATCHED, LATCHED_ACKED) for kind in Kind
    },
    "a highly managed alarm latches whatever the site file says, so it is never left returned without being latched": {
        (RETURNED, RETURNED, what, MANAGED) for what in CORE
    },
}
EXCUSED_ASIDE = {
    (State.SHELVED, MANAGED): "authorise() refuses it before the table is asked",
    (State.SUPPRESSED, MANAGED): "the site file may not ask for it",
}
EXCUSED_WORDS = {"a highly managed alarm (panic, impact, gas high, fire) is never shelved": "said by authorise()"}

# What these rules ask of their points is done by the alarms of the points' roles, so a site has it without the rule;
# modes are there at every site.
BY_ROLE = frozenset({"one-key", "anti-ram", "gas", "electrical-fire", "doors", "drill", "walk-test", "maintenance"})


@cache
def taken() -> frozenset[Row]:
    """All rows of the alarm table that the scenarios take."""
    return frozenset(row for file in files() for row in played(file).rows)


@pytest.mark.parametrize("kind", Kind)
def test_every_row_of_an_alarm_that_is_not_set_aside(kind: Kind) -> None:
    excused = set().union(*EXCUSED.values())
    wanted = {row for row in TABLE if row[0] is row[1] and row[2] in CORE and row[3] is kind}
    assert sorted(wanted - excused - taken()) == []
    assert sorted(excused & taken()) == [], "no longer to be excused"


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("aside", sorted(ASIDE))
def test_every_way_into_and_out_of_what_sets_an_alarm_aside(aside: State, kind: Kind) -> None:
    into = [row for row in taken() if row[3] is kind and row[0] is not aside and TABLE[row].state is aside]
    out = [row for row in taken() if row[3] is kind and row[0] is aside and TABLE[row].state is not aside]
    assert (bool(into), bool(out)) == (((aside, kind) not in EXCUSED_ASIDE),) * 2


def test_one_thing_that_sets_aside_follows_another() -> None:
    wanted = {(row[0], step.state) for row, step in TABLE.items() if row[0] in ASIDE and step.state in ASIDE - {row[0]}}
    assert wanted == {(row[0], TABLE[row].state) for row in taken()} & wanted


def test_every_reason_for_a_refusal_is_heard() -> None:
    reasons = {step.refused for step in TABLE.values()} - {""}
    heard = {TABLE[row].refused for row in taken()} - {""}
    assert reasons - heard == set(EXCUSED_WORDS)


def test_every_rule_of_a_site_is_shown() -> None:
    there = {rule for file in files() for rule in played(file).rules}
    assert sorted((there | BY_ROLE) - {rule for file in files() for rule in read(file).rule}) == []


@pytest.mark.parametrize("file", files(), ids=lambda file: file.stem)
def test_a_scenario_shows_only_rules_that_its_site_has(file: Path) -> None:
    assert sorted(set(read(file).rule) - played(file).rules - BY_ROLE) == []


def test_titles_differ() -> None:
    titles = [read(file).title for file in files()]
    assert len(titles) == len(set(titles)) >= 50
