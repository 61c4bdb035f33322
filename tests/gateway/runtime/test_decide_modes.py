"""decide(): drills, walk tests and maintenance; what is an exercise, what is real, and what a restart leaves of them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.points import TESTS_POINT
from gateway.core.reading import Quality, Reading
from gateway.rules.modes import DAY_MS, UNSIGNED_MOST_S
from tests.gateway.runtime.drilled import FRIDAY_16H_MS, HOUR_S, School, last

# --- announcement -------------------------------------------------------------------------------


def test_a_drill_begins_at_its_time_once_it_is_signed_for() -> None:
    school = School()
    assert school.ask("start_drill", "fire", points=("panic",), value="60").ok
    assert school.words() == ["mode.drill_announced"]
    school.pass_time(59)
    assert school.words() == []
    assert school.press()[0].data["status"] == "Actual"
    school.settle("panic")
    school.words()
    school.pass_time(2)
    assert school.words() == ["mode.drill_started"]


def test_without_a_signature_it_is_called_off_and_says_why() -> None:
    school = School(signs=False)
    school.ask("start_drill", "fire", points=("panic",), value="60")
    announced = school.told[0].id
    school.pass_time(UNSIGNED_MOST_S - 1)
    assert school.words() == ["mode.drill_announced"]
    school.pass_time(2)
    assert school.words() == ["mode.drill_called_off"]
    assert "police" in str(last(school.everything, "mode.drill_called_off")["reason"])
    school.sign(announced)
    school.pass_time(HOUR_S)
    assert school.words() == []


def test_a_late_signature_begins_it_at_once() -> None:
    school = School(signs=False)
    school.ask("start_drill", "fire", points=("panic",), value="60")
    school.pass_time(300)
    school.sign(school.told[0].id)
    assert school.words() == ["mode.drill_announced", "mode.drill_started"]


def test_every_recipient_must_sign() -> None:
    school = School({"mode": frozenset({"police", "bureau"}), "alarm": frozenset({"police"})}, signs=False)
    school.ask("start_drill", "fire", points=("panic",), value="0")
    announced = school.told[0].id
    school.sign(announced, "police")
    school.sign(announced, "police")
    school.pass_time(60)
    assert school.words() == ["mode.drill_announced"]
    school.sign(announced, "bureau")
    assert school.words() == ["mode.drill_started"]


def test_without_recipients_the_brokers_word_counts() -> None:
    school = School({})
    school.ask("start_drill", "fire", points=("panic",), value="0")
    school.pass_time(1)
    assert school.words() == ["mode.drill_announced", "mode.drill_started"]


def test_an_announcement_that_a_centre_cannot_use_calls_it_off() -> None:
    school = School(signs=False)
    school.ask("start_drill", "fire", points=("panic",))
    school.sign(school.told[0].id, step="unusable")
    assert school.words() == ["mode.drill_announced", "mode.drill_called_off"]


@pytest.mark.parametrize("clock", ["synchronised", "unknown"])
def test_a_restart_within_the_announcement_does_not_begin_it_early(clock: str) -> None:
    school = School()
    school.ask("start_drill", "fire", points=("panic",), value="300")
    school.pass_time(100)
    school.words()
    school.restart(20, clock=clock)
    school.pass_time(170)
    assert school.words() == []
    assert school.press()[0].data["status"] == "Actual"
    school.settle("panic")
    school.words()
    school.pass_time(140)
    assert school.words() == ["mode.drill_started"]


# --- what is an exercise ------------------------------------------------------------------------


def test_the_first_press_is_an_exercise_to_its_end() -> None:
    school = School()
    school.drill()
    first = school.press()[0]
    school.settle("panic")
    told = [draft for draft in school.everything if draft.subject == "panic" and draft.type.startswith(("campus.alarm", "campus.incident"))]
    assert {str(draft.data["status"]) for draft in told} == {"Exercise"}
    assert {"campus.alarm.activated", "campus.alarm.acknowledged", "campus.alarm.reset", "campus.incident.opened"} <= {d.type for d in told}
    assert first.data["mode"] == {"kind": "drill", "id": school.house.modes.runs[0].id}


@pytest.mark.parametrize("point", ["panic", "hall"])
def test_a_further_press_is_a_new_real_alarm_even_while_the_exercise_stands(point: str) -> None:
    school = School()
    school.drill()
    first, second, third = school.press(point), school.press(point), school.press(point)
    assert [draft.type for draft in (*first, *second, *third)] == ["campus.alarm.activated"] * 2 + ["campus.alarm.repeated"]
    assert [draft.data["status"] for draft in (*first, *second, *third)] == ["Exercise", "Actual", "Actual"]
    assert second[0].data["incident"] != first[0].data["incident"]
    assert "mode" not in second[0].data
    assert second[0].data["during"] == {"kind": "drill", "id": school.house.modes.runs[0].id}
    school.settle(point)
    assert last(school.everything, "alarm.reset")["status"] == "Actual"
    assert school.press(point)[0].data["status"] == "Actual"


def test_what_is_not_on_the_list_is_real() -> None:
    school = School()
    school.drill("panic")
    assert school.press("fire")[0].data["status"] == "Actual"
    assert "during" not in last(school.everything, "alarm.activated")


def test_an_alarm_that_stood_already_stays_real() -> None:
    school = School()
    school.press()
    school.drill()
    told = school.press()[0]
    assert (told.type, told.data["status"]) == ("campus.alarm.repeated", "Actual")
    school.settle("panic")
    assert school.press()[0].data["status"] == "Actual", "it was pressed in this drill before"


def test_a_fault_or_a_cut_cable_is_never_an_exercise() -> None:
    school = School()
    school.drill("panic", "held")
    school.read("panic", None, Quality.BAD, "loop open")
    told = last(school.everything, "alarm.activated")
    assert (told["alarm"], told["status"]) == ("tamper", "Actual")
    school.read("held", None, Quality.BAD, "no answer at all")
    assert last(school.everything, "fault.activated")["status"] == "System"


def test_linkage_is_told_in_which_mode_an_alarm_moved() -> None:
    school = School()
    school.drill("panic")
    moves = [moved.mode for value in (True, False, True) for moved in school.take(Reading("panic", value, now_s=school.now_s)).moves]
    assert moves == ["drill", "drill", "normal"]


# --- the end ------------------------------------------------------------------------------------


def test_it_ends_by_itself_and_then_everything_is_real() -> None:
    school = School()
    school.drill("panic", for_s=600)
    school.pass_time(601)
    assert last(school.everything, "mode.drill_ended")["ended"] == "its time is over"
    assert school.press()[0].data["status"] == "Actual"
    assert not school.house.modes.runs


def test_what_an_exercise_left_behind_is_still_its_own_but_a_new_press_is_real() -> None:
    school = School()
    school.drill("panic")
    school.press()
    school.ask("end_drill", "fire")
    school.ask("acknowledge", "panic")
    assert last(school.everything, "alarm.acknowledged")["status"] == "Exercise"
    told = school.press()[0]
    assert (told.type, told.data["status"]) == ("campus.alarm.activated", "Actual")


def test_a_cause_that_is_still_there_at_the_end_is_told_as_real() -> None:
    school = School()
    school.drill("fire", "panic")
    school.read("fire", True)
    school.press("panic")
    school.words()
    assert school.ask("end_drill").ok
    assert school.words() == ["mode.drill_ended", "alarm.activated"]
    told = last(school.everything, "alarm.activated")
    assert (told["point"], told["status"], told["after"]["kind"]) == ("fire", "Actual", "drill")


def test_a_drill_may_be_called_off_before_it_begins() -> None:
    school = School()
    school.ask("start_drill", "fire", points=("panic",))
    assert school.ask("end_drill", role="duty_leader").ok
    assert school.words() == ["mode.drill_announced", "mode.drill_called_off"]
    assert "no such drill" in school.ask("end_drill").reply


def test_the_report_says_who_did_what_and_how_fast() -> None:
    school = School(signs=False)
    school.ask("start_drill", "violence", points=("panic", "hall"), value="0")
    school.sign(school.told[0].id)
    school.pass_time(20)
    pressed = school.press()[0].id
    school.pass_time(2)
    school.sign(pressed)
    school.pass_time(8)
    school.ask("acknowledge", "panic")
    school.pass_time(30)
    school.ask("reset", "panic")
    school.press()
    school.ask("end_drill")
    report = last(school.everything, "mode.drill_ended")
    (row,) = report["alarms"]
    assert (row["alarm"], row["after_s"], row["broker_s"], row["received_s"]) == ("panic/alarm", 20.0, 2.0, {"police": 2.0})
    assert (row["acknowledged_s"], row["acknowledged_by"], row["reset_s"]) == (10.0, "李强", 40.0)
    assert (report["drill"], report["not_pressed"], report["night"], report["lasted_s"]) == ("violence", ["hall"], False, 60.0)
    assert report["totals"]["real"] == 1
    school.restart(100)
    assert [kept["id"] for kept in school.house.modes.reports] == [report["id"]]


def test_times_of_the_report_go_on_over_a_restart() -> None:
    school = School()
    school.drill("panic")
    school.pass_time(60)
    school.press()
    school.restart(30)
    school.pass_time(30)
    school.ask("acknowledge", "panic")
    school.ask("end_drill")
    (row,) = last(school.everything, "mode.drill_ended")["alarms"]
    assert (row["after_s"], row["acknowledged_s"]) == (60.1, 60.0)


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "target", "more", "words"),
    [
        ("start_drill", "dance", {}, "no kind of drill; known: fire, violence"),
        ("start_drill", "fire", {"points": ()}, "names its points"),
        ("start_drill", "fire", {"points": ("nowhere",)}, "not a point of this site"),
        ("start_drill", "fire", {"points": ("heat",)}, "no alarm that could be tried"),
        ("start_drill", "fire", {"for_s": 4 * HOUR_S + 1}, "at most 240 min"),
        ("start_drill", "fire", {"for_s": 0}, "at most 240 min"),
        ("start_drill", "fire", {"value": "soon"}, "announced 0 to 3600 s"),
        ("start_drill", "fire", {"value": "3601"}, "announced 0 to 3600 s"),
        ("start_drill", "fire", {"role": "guard"}, "a guard may not"),
        ("start_test", "panic", {"for_s": 1801.0}, "at most 30 min"),
        ("start_test", TESTS_POINT, {}, "no alarm that could be tried"),
        ("start_maintenance", "panic", {"for_s": 8 * HOUR_S + 1}, "at most 480 min"),
        ("start_maintenance", "panic", {"why": " "}, "needs a reason"),
        ("start_maintenance", "panic", {"role": "duty_leader"}, "may not"),
        ("start_maintenance", TESTS_POINT, {}, "has no alarms"),
        ("end_test", "panic", {}, "no such walk test is open"),
        ("end_maintenance", "", {}, "no such maintenance is open"),
    ],
)
def test_refused(kind: str, target: str, more: dict[str, Any], words: str) -> None:
    school = School()
    answer = school.ask(kind, target, **({"points": ("panic",)} if target == "fire" else {}) | more)
    assert not answer.ok
    assert words in answer.reply
    assert school.words() == []


def test_a_point_is_in_one_mode_at_a_time_and_there_is_one_drill() -> None:
    school = School()
    school.ask("start_drill", "fire", points=("panic",))
    assert "is in drill already" in school.ask("start_test", "panic").reply
    assert "a drill is open already" in school.ask("start_drill", "quake", points=("hall",)).reply


def test_nobody_to_announce_it_to() -> None:
    school = School({"alarm": frozenset({"police"})})
    assert "signs for class mode" in school.ask("start_drill", "fire", points=("panic",)).reply


# --- walk test ----------------------------------------------------------------------------------


def test_a_test_is_passed_when_the_centre_has_it_and_over_when_it_is_reset() -> None:
    school = School()
    assert school.ask("start_test", "panic", for_s=0).ok
    assert school.press()[0].data["status"] == "Test"
    assert school.house.modes.tested["panic"].result == "passed"
    school.settle("panic")
    assert last(school.everything, "mode.test_ended")["result"] == "passed"
    assert school.press()[0].data["status"] == "Actual"
    school.restart(10)
    tested = school.house.modes.tested["panic"]
    assert (tested.result, tested.by, tested.passed_ms) == ("passed", "李强", FRIDAY_16H_MS)


def test_a_test_fails_when_the_centre_does_not_sign() -> None:
    school = School(signs=False)
    school.ask("start_test", points=("panic", "hall"), for_s=300)
    school.press()
    school.pass_time(301)
    results = [(draft.subject, draft.data["result"]) for draft in school.everything if draft.type == "campus.mode.test_ended"]
    assert results == [("panic", "failed"), ("hall", "failed")]
    assert school.house.modes.tested["panic"].passed_ms == 0


def test_a_second_press_in_a_test_is_real() -> None:
    school = School()
    school.ask("start_test", "panic")
    assert [school.press()[0].data["status"] for _ in range(2)] == ["Test", "Actual"]


def test_what_stands_is_reset_before_it_is_tested() -> None:
    school = School()
    school.press()
    assert "stands already: reset it first" in school.ask("start_test", "panic").reply


def test_tests_fall_due_and_the_duty_names_them() -> None:
    school = School()
    assert school.words() == []
    school.pass_time(92 * DAY_MS / 1000 - 1)
    assert school.words() == []
    school.pass_time(HOUR_S)
    told = last(school.everything, "duty.activated")
    assert (told["value"], told["points"]) == (2, ["panic", "hall"])
    school.words()
    school.ask("start_test", "panic")
    school.press()
    school.settle("panic")
    assert "duty.cleared" not in school.words()
    school.ask("start_test", "hall")
    school.press("hall")
    school.settle("hall")
    assert "duty.cleared" in school.words()


def test_a_restart_puts_no_test_off_and_tells_none_twice() -> None:
    school = School()
    school.pass_time(50 * DAY_MS / 1000)
    school.restart(43 * DAY_MS / 1000)
    assert school.words() == ["duty.activated"]
    school.restart(60)
    assert school.words() == []


def test_without_a_clock_no_test_is_due_and_no_date_is_kept() -> None:
    school = School()
    school.restart(100 * DAY_MS / 1000, clock="unknown")
    school.pass_time(7200)
    assert school.words() == []
    school.ask("start_test", "panic")
    school.press()
    assert school.house.modes.tested["panic"].passed_ms == 0


# --- maintenance --------------------------------------------------------------------------------


def test_work_on_a_point_is_visible_but_no_incident() -> None:
    school = School()
    assert school.ask("start_maintenance", "held", for_s=600).ok
    moves = school.take(Reading("held", True, now_s=school.now_s)).moves
    assert [moved.mode for moved in moves] == ["maintenance"]
    told = last(school.everything, "alarm.activated")
    assert (told["status"], told["mode"]["kind"], told["incident"]) == ("Test", "maintenance", None)
    school.read("held", None, Quality.BAD, "no answer at all")
    assert last(school.everything, "fault.activated")["status"] == "Test"
    assert not school.house.incidents


def test_a_highly_managed_alarm_stays_real_in_maintenance() -> None:
    school = School()
    school.ask("start_maintenance", "panic")
    moves = school.take(Reading("panic", True, now_s=school.now_s)).moves
    assert [moved.mode for moved in moves] == ["normal"]
    told = last(school.everything, "alarm.activated")
    assert (told["status"], told["mode"]["kind"]) == ("Actual", "maintenance")
    assert school.house.incidents


def test_what_is_still_there_after_the_work_is_real() -> None:
    school = School()
    school.ask("start_maintenance", "held", for_s=600)
    school.read("held", True)
    school.words()
    school.restart(601)
    assert school.words() == ["mode.maintenance_ended", "alarm.activated"]
    assert last(school.everything, "alarm.activated")["status"] == "Actual"


def test_without_a_clock_the_seconds_that_were_left_count() -> None:
    school = School()
    school.ask("start_maintenance", "held", for_s=600)
    school.pass_time(200)
    school.restart(9999, clock="unknown")
    school.pass_time(500)
    assert school.house.modes.runs
    school.pass_time(101)
    assert not school.house.modes.runs


def test_a_damaged_row_leaves_everything_real() -> None:
    school = School()
    school.drill("panic")
    school.stored[":modes"].state["runs"][0]["mode"] = "carnival"
    school.restart(1)
    assert school.press()[0].data["status"] == "Actual"
