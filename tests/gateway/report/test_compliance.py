"""四个100%: what each figure counts, out of a real journal; what is not known is never met."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.points import Text
from gateway.report.compliance import FIGURES, Facts, Gate, Place, PostWindow, Shown, WalkTests, build
from gateway.report.off import merged
from tests.gateway.report.kept import ZONE, Kept, utc_ms

BEGIN, END = utc_ms("2026-09-01 00:00"), utc_ms("2026-09-02 00:00")
NOW = utc_ms("2026-09-02 08:00")
BUTTON = Shown("panic", "panic_button", "gate", Text("南门按钮", "south button"), "good", "")
CAMERA = Shown("eye", "camera_link", "gate", Text("门口摄像机", "gate camera"), "good", "", "sees")
OPEN = Shown("gate-left-open", "closed_campus", "gate", Text("校门", "gate"), "good", "", False)
GATE = Gate("gate-left-open", Text("东门", "east gate"), "gate", ("gate-contact", "module"))
PLACE = Place("gate", Text("校门", "gate"), "gate")
PASSED = WalkTests(92, utc_ms("2026-08-20 10:00"), utc_ms("2026-11-20 10:00"), "passed")
WINDOW = PostWindow(
    "post",
    Text("东门岗", "east post"),
    utc_ms("2026-09-01 06:50"),
    utc_ms("2026-09-01 07:20"),
    utc_ms("2026-09-01 07:25"),
    utc_ms("2026-09-01 08:00"),
)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    found = Kept(tmp_path)
    yield found
    found.close()


def facts(*points: Shown, **more: Any) -> Facts:
    return Facts(NOW, ZONE, {point.id: point for point in points}, **more)


def figure(kept: Kept, name: str, known: Facts) -> tuple[float | None, list[tuple[bool, str]]]:
    """Its rate, and for each line of evidence whether it is met and why, in English."""
    rows = build(known, kept.past, BEGIN, END)
    assert [row["figure"] for row in rows] == list(FIGURES)
    (row,) = [row for row in rows if row["figure"] == name]
    assert row["of"] == len(row["evidence"])
    assert row["ok"] == sum(line["ok"] for line in row["evidence"])
    assert all(line["zh"] and line["en"] and line["why_zh"] and line["why_en"] for line in row["evidence"])
    return row["rate"], [(line["ok"], line["why_en"]) for line in row["evidence"]]


def test_of_nothing_nothing_is_said(kept: Kept) -> None:
    for name in FIGURES:
        assert figure(kept, name, facts()) == (None, [])


# --- one-key alarm -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "tests", "why"),
    [
        (BUTTON, PASSED, "online, walk test passed 2026-08-20"),
        (BUTTON, None, "online, no walk tests are asked for"),
        (replace(BUTTON, quality="bad", reason="no answer"), PASSED, "not online: no answer"),
        (Shown("panic", "panic_button", "gate", BUTTON.name), PASSED, "not online: not read yet"),
        (replace(BUTTON, quality="uncertain", reason="warm-up"), PASSED, "not online: warm-up"),
        (replace(BUTTON, out_of_service=True), PASSED, "out of service"),
        (BUTTON, WalkTests(92, 0, NOW + 1), "no walk test was ever passed"),
        (BUTTON, replace(PASSED, due_ms=NOW), "walk test overdue (was due 2026-09-02, last passed 2026-08-20)"),
        (BUTTON, replace(PASSED, result="failed"), "the last walk test failed"),
    ],
)
def test_a_button(kept: Kept, point: Shown, tests: WalkTests | None, why: str) -> None:
    rate, lines = figure(kept, "one_key_alarm", facts(point, CAMERA, tests={"panic": tests} if tests else {}))
    assert lines == [(why.startswith("online"), why)]
    assert rate == float(why.startswith("online"))


def test_a_third_of_the_buttons(kept: Kept) -> None:
    buttons = [replace(BUTTON, id=f"panic-{number}", quality="good" if number else "bad") for number in range(3)]
    assert figure(kept, "one_key_alarm", facts(*buttons))[0] == 0.6667


# --- video ---------------------------------------------------------------------------------------


def camera(kept: Kept, shown: Shown = CAMERA, **more: Any) -> list[tuple[bool, str]]:
    return figure(kept, "video", facts(shown, cameras=[shown.id], **more))[1]


def test_a_camera_that_saw_all_day(kept: Kept) -> None:
    assert camera(kept) == [(True, "sees, and saw 100.0% of the period")]


def test_the_share_of_the_period(kept: Kept) -> None:
    kept.say("2026-09-01 06:00", "fault.activated", "eye", alarm="fault", value="no_frames")
    kept.say("2026-09-01 07:00", "alarm.activated", "eye", alarm="tamper", value="covered")
    kept.say("2026-09-01 07:30", "fault.cleared", "eye", alarm="fault", value="covered")
    kept.say("2026-09-01 09:00", "alarm.cleared", "eye", alarm="tamper", value="sees")
    assert camera(kept) == [(False, "saw 87.5% of the period, less than 95%")], "3 h of 24, what lies over each other counted once"


def test_hardly_slow_is_no_blindness_and_a_short_one_is_allowed(kept: Kept) -> None:
    kept.say("2026-09-01 06:00", "fault.activated", "eye", alarm="fault", value="slow")
    kept.say("2026-09-01 20:00", "fault.cleared", "eye", alarm="fault", value="sees")
    kept.say("2026-09-01 21:00", "fault.activated", "eye", alarm="fault", value="no_frames")
    kept.say("2026-09-01 21:00:40", "fault.cleared", "eye", alarm="fault", value="sees")
    assert camera(kept) == [(True, "sees, and saw 99.9% of the period")], "never rounded up"


def test_while_the_gateway_was_off_nothing_was_seen(kept: Kept) -> None:
    kept.say("2026-09-01 05:00", "fault.activated", "eye", alarm="fault", value="no_frames")
    kept.say("2026-09-01 07:00", "fault.cleared", "eye", alarm="fault", value="sees")
    known = facts(
        BUTTON, CAMERA, OPEN, cameras=["eye"], gates=[GATE], places=[PLACE], windows=[WINDOW], tests={"panic": PASSED},
        off=[(utc_ms("2026-08-31 12:00"), utc_ms("2026-09-01 06:00")), (utc_ms("2026-09-01 07:30"), utc_ms("2026-09-01 07:40"))],
    )  # fmt: skip
    off = "the gateway was off for at least 6 h 10 min, and nothing was watched"
    assert figure(kept, "one_key_alarm", known) == (0.0, [(False, off)])
    assert figure(kept, "video", known) == (0.0, [(False, f"saw 70.1% of the period, less than 95%; {off}"), (False, off)])
    assert figure(kept, "closed_campus", known) == (0.0, [(False, f"its state was not known for 370 min; {off}")])
    assert figure(kept, "guard_posts", known) == (0.0, [(False, "the gateway was off, nothing is on record: not known")])


def test_a_short_restart_takes_nothing(kept: Kept) -> None:
    known = facts(BUTTON, CAMERA, OPEN, cameras=["eye"], gates=[GATE], places=[PLACE], off=[(BEGIN, utc_ms("2026-09-01 01:00"))])
    assert figure(kept, "video", known) == (1.0, [(True, "sees, and saw 95.8% of the period"), (True, "has a camera that sees")])
    assert figure(kept, "closed_campus", known)[0] == figure(kept, "one_key_alarm", known)[0] == 1.0


def test_blind_since_before_the_period(kept: Kept) -> None:
    kept.say("2026-08-30 06:00", "fault.activated", "eye", alarm="fault", value="no_frames")
    kept.say("2026-09-01 12:00", "fault.cleared", "eye", alarm="fault", value="sees")
    assert camera(kept) == [(False, "saw 50.0% of the period, less than 95%")]


def test_blind_before_and_still(kept: Kept) -> None:
    kept.say("2026-08-30 06:00", "fault.activated", "eye", alarm="fault", value="no_frames")
    shown = replace(CAMERA, value="no_frames", reason="no pictures", standing=frozenset({"fault"}))
    why = "does not see now: no pictures; saw 0.0% of the period, less than 95%"
    assert camera(kept, shown) == [(False, why)], "no event within the period tells of it"


def test_blind_only_since_the_period_is_over(kept: Kept) -> None:
    kept.say("2026-09-02 06:00", "fault.activated", "eye", alarm="fault", value="no_frames")
    shown = replace(CAMERA, value="no_frames", reason="no pictures", standing=frozenset({"fault"}))
    assert camera(kept, shown) == [(False, "does not see now: no pictures")]


def test_what_happened_under_a_shelf_counts(kept: Kept) -> None:
    kept.say("2026-09-01 06:00", "observation.recorded", "eye", alarm="fault", value="no_frames", recorded="activated")
    kept.say("2026-09-01 18:00", "observation.recorded", "eye", alarm="fault", value="sees", recorded="cleared")
    assert camera(kept) == [(False, "saw 50.0% of the period, less than 95%")]


def test_a_period_that_still_runs_is_measured_up_to_now(kept: Kept) -> None:
    kept.say("2026-09-01 06:00", "fault.activated", "eye", alarm="fault", value="no_frames")
    kept.say("2026-09-01 09:00", "fault.cleared", "eye", alarm="fault", value="sees")
    known = replace(facts(CAMERA, cameras=["eye"]), now_ms=utc_ms("2026-09-01 12:00"))
    assert figure(kept, "video", known)[1] == [(False, "saw 75.0% of the period, less than 95%")]


def test_each_gate_perimeter_and_assembly_area_has_a_camera_that_sees(kept: Kept) -> None:
    places = [PLACE, replace(PLACE, id="wall", type="perimeter"), replace(PLACE, id="kitchen", type="kitchen")]
    assert camera(kept, places=places)[1:] == [(True, "has a camera that sees"), (False, "no camera")]
    blind = replace(CAMERA, value="black", reason="picture black")
    assert camera(kept, blind, places=[PLACE])[1:] == [(False, "none of its cameras sees")]


# --- closed campus -------------------------------------------------------------------------------


def gate(kept: Kept, shown: Shown = OPEN) -> list[tuple[bool, str]]:
    return figure(kept, "closed_campus", facts(shown, gates=[GATE]))[1]


def test_a_gate_that_was_kept_shut(kept: Kept) -> None:
    assert gate(kept) == [(True, "never left open outside its times")]


def test_a_gate_that_was_left_open_twice(kept: Kept) -> None:
    for hour in ("09", "10"):
        kept.say(f"2026-09-01 {hour}:00", "alarm.activated", "gate-left-open", alarm="alarm", status="Actual")
        kept.say(f"2026-09-01 {hour}:04:30", "alarm.cleared", "gate-left-open", alarm="alarm", status="Actual")
    assert gate(kept) == [(False, "left open 2 times, 9 min altogether")]


def test_a_gate_that_was_open_in_a_drill(kept: Kept) -> None:
    kept.say("2026-09-01 09:00", "alarm.activated", "gate-left-open", alarm="alarm", status="Exercise")
    kept.say("2026-09-01 09:30", "alarm.cleared", "gate-left-open", alarm="alarm", status="Exercise")
    assert gate(kept) == [(True, "never left open outside its times")]


def test_a_gate_that_nobody_can_see(kept: Kept) -> None:
    kept.say("2026-09-01 09:00", "fault.activated", "module", alarm="fault")
    kept.say("2026-09-01 12:00", "fault.cleared", "module", alarm="fault")
    assert gate(kept) == [(False, "its state was not known for 180 min")]
    stuck = replace(OPEN, quality="bad", reason="gate-contact: no answer")
    assert gate(kept, stuck)[0][1].startswith("its state is not known now: gate-contact: no answer")


def test_a_gate_that_nothing_watches(kept: Kept) -> None:
    assert figure(kept, "closed_campus", facts(places=[PLACE])) == (0.0, [(False, "nothing tells whether it is open")])
    assert figure(kept, "closed_campus", facts(OPEN, places=[PLACE], gates=[GATE]))[0] == 1.0


# --- guard posts ---------------------------------------------------------------------------------


def post(kept: Kept) -> tuple[bool, str]:
    (line,) = figure(kept, "guard_posts", facts(windows=[WINDOW]))[1]
    return line


def test_on_post_in_time(kept: Kept) -> None:
    kept.say("2026-09-01 07:00", "duty.checked_in", "post", means="card", by="周建国")
    assert post(kept) == (True, "on post at 07:00 (周建国)")


def test_seen_by_the_camera(kept: Kept) -> None:
    kept.say("2026-09-01 07:25", "duty.on_post", "post", means="camera")
    assert post(kept) == (True, "on post at 07:25")


def test_late(kept: Kept) -> None:
    kept.say("2026-09-01 07:25", "duty.activated", "post", alarm="alarm")
    kept.say("2026-09-01 07:31", "duty.checked_in", "post", means="card", by="周建国")
    assert post(kept) == (False, "late, 11 min after the window began")


def test_left(kept: Kept) -> None:
    kept.say("2026-09-01 07:20", "duty.on_post", "post", means="camera")
    kept.say("2026-09-01 07:45", "duty.activated", "post", alarm="alarm")
    assert post(kept) == (False, "the post was left, told at 07:45")


def test_nobody(kept: Kept) -> None:
    kept.say("2026-09-01 07:25", "duty.activated", "post", alarm="alarm")
    kept.say("2026-09-01 08:00", "duty.checked_in", "post", means="card")
    assert post(kept) == (False, "nobody came"), "who comes when it is over was not there"


def test_no_word_of_it_is_not_known_and_not_met(kept: Kept) -> None:
    kept.say("2026-09-01 06:40", "duty.checked_in", "post", means="card")
    kept.say("2026-09-01 07:20", "duty.checked_in", "other-post", means="card")
    assert post(kept) == (False, "nothing is on record: not known")


# --- times ---------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=12))
def test_merged_times_are_the_same_times(given_: list[tuple[int, int]]) -> None:
    spans = [(begin, begin + length) for begin, length in given_]
    found = merged(spans)
    assert {t for begin, end in found for t in range(begin, end)} == {t for begin, end in spans for t in range(begin, end)}
    assert all(one[1] < other[0] for one, other in pairwise(found))
