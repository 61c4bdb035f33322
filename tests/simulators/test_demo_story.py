"""The story's plan, the matching of events to causes, and the arithmetic of the summary."""

import itertools
from typing import Any

import pytest

from simulators.demo_story import BROKER_OUTAGE_S, CAUSES, Cause, Tally, objections, percentile, plan

SOURCE = "/sites/s/gateways/g"
MS = 1_000_000


def line(cause: Cause, event_id: str, arrived_ms: float, *, resend: bool = False, **other: Any) -> dict[str, Any]:
    expected = cause.expected
    event = {"id": event_id, "subject": expected.subject, "type": expected.type, "alarm": expected.alarm, "resend": resend}
    return {**event, "arrived_monotonic_ns": int(arrived_ms * MS), **other}


@pytest.mark.parametrize("story_s", [10.0, 30.0, 60.0, 300.0])
def test_plan(story_s: float) -> None:
    steps = plan(CAUSES, story_s)
    causes = [step for step in steps if step.action == "cause"]
    assert len(causes) == len(CAUSES) >= 8
    assert [step.at_s for step in steps] == sorted(step.at_s for step in steps)
    gaps_s = {round(later.at_s - earlier.at_s, 6) for earlier, later in itertools.pairwise(causes)}
    assert gaps_s == {round(story_s / len(CAUSES), 6)}, "evenly spaced"
    assert causes[-1].at_s < story_s
    kill = next(step.at_s for step in steps if step.action == "kill broker")
    restart = next(step.at_s for step in steps if step.action == "restart broker")
    during = [step.cause.id for step in causes if step.cause and step.cause.broker_down and kill <= step.at_s < restart]
    assert during == ["panic-outage"]
    assert restart - kill == BROKER_OUTAGE_S


def test_every_cause_has_its_own_event_and_id() -> None:
    assert len({cause.expected for cause in CAUSES}) == len({cause.id for cause in CAUSES}) == len(CAUSES)


def test_all_received() -> None:
    tally = Tally(CAUSES)
    for number, cause in enumerate(CAUSES):
        tally.caused(cause, 1000 * MS)
        told = tally.event(line(cause, f"e{number}", 1000 + 10 * (number + 1)))
        assert (told.cause, told.delay_ms) == (cause, 10 * (number + 1))
    assert tally.waiting() == []
    assert tally.summary() == {
        "caused": 10,
        "received": 10,
        "lost": 0,
        "duplicated": 0,
        "resent": 0,
        "delay_ms": {"p50": 50.0, "p99": 100.0, "max": 100.0},
    }


def test_a_resend_is_no_duplicate() -> None:
    tally = Tally(CAUSES[:1])
    tally.caused(CAUSES[0], 0)
    tally.event(line(CAUSES[0], "e1", 5))
    assert tally.event(line(CAUSES[0], "e1", 9, resend=True)).delay_ms == 9
    found = tally.summary()
    assert (found["received"], found["duplicated"], found["resent"]) == (1, 0, 1)
    assert found["delay_ms"]["max"] == 5.0, "the first arrival counts"


def test_two_ids_for_one_cause() -> None:
    tally = Tally(CAUSES[:1])
    tally.caused(CAUSES[0], 0)
    tally.event(line(CAUSES[0], "e1", 5))
    tally.event(line(CAUSES[0], "e2", 6))
    assert (tally.summary()["received"], tally.summary()["duplicated"]) == (1, 1)


def test_an_event_before_its_cause_is_not_its_answer() -> None:
    tally = Tally(CAUSES[:1])
    early = tally.event(line(CAUSES[0], "e0", 5))
    assert early.delay_ms is None
    tally.caused(CAUSES[0], 10 * MS)
    assert tally.waiting() == [CAUSES[0]]
    assert tally.summary()["lost"] == 1
    tally.event(line(CAUSES[0], "e1", 15))
    found = tally.summary()
    assert (found["lost"], found["duplicated"], found["delay_ms"]["max"]) == (0, 1, 5.0)


def test_other_events_are_nobodys() -> None:
    tally = Tally(CAUSES[:1])
    tally.caused(CAUSES[0], 0)
    for other in ({"alarm": "level9"}, {"type": "campus.alarm.cleared"}, {"subject": "elsewhere"}):
        assert tally.event({**line(CAUSES[0], "x", 5), **other}).cause is None
    assert (tally.others, tally.summary()["lost"]) == (3, 1)


def test_nothing_caused() -> None:
    assert Tally(CAUSES).summary()["delay_ms"] == {"p50": None, "p99": None, "max": None}
    assert Tally(CAUSES).summary()["caused"] == 0


def test_percentiles_are_nearest_rank() -> None:
    hundred = [float(n) for n in range(1, 101)]
    assert [percentile(hundred, p) for p in (50, 99, 100)] == [50.0, 99.0, 100.0]
    assert percentile([7.0], 50) == 7.0
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0


GOOD = {
    "chain": "whole",
    "missing": [],
    "class_missing": [],
    "gaps": [],
    "early": 0,
    "conflicts": 0,
    "unusable": 0,
    "unverified": 0,
}
FINE = {"lost": 0, "duplicated": 0}


def test_nothing_to_object() -> None:
    assert objections(FINE, {"gateways": {SOURCE: GOOD}}, SOURCE) == []


@pytest.mark.parametrize(
    ("summary", "gateway"),
    [
        ({"lost": 1}, {}),
        ({"duplicated": 1}, {}),
        ({}, {"chain": "broken at 0000000001/2"}),
        ({}, {"missing": [{"epoch": "0000000001", "first": 2, "last": 2}]}),
        ({}, {"class_missing": [1]}),
        ({}, {"gaps": [1]}),
        ({}, {"early": 1}),
        ({}, {"conflicts": 1}),
        ({}, {"unusable": 1}),
        ({}, {"unverified": 1}),
    ],
)
def test_each_objection(summary: dict[str, Any], gateway: dict[str, Any]) -> None:
    assert len(objections({**FINE, **summary}, {"gateways": {SOURCE: {**GOOD, **gateway}}}, SOURCE)) == 1


def test_unknown_gateway() -> None:
    assert objections(FINE, {"gateways": {}}, SOURCE) == [f"the centre's report does not know {SOURCE}"]
