"""Whatever is thrown at decide(), nothing is raised (an exception there is a lost alarm), and a press that follows is told."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.commands import Command
from gateway.core.points import Contact, Latch, Priority
from gateway.core.reading import Quality, Reading
from gateway.core.school_days import Window
from gateway.runtime.decide_house import INCIDENTS
from gateway.runtime.duties import duties
from gateway.runtime.mode_book import REPORTS, RUNS, TESTS
from tests.gateway.runtime.anything import DAY_MS, NAMES, Anything, damaged
from tests.gateway.runtime.drilled import School
from tests.scenarios.gateway import Gateway
from tests.scenarios.site_files import settings_of

CHANCE = st.integers(0, 2**32).map(Random)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
NAN, ENDLESS = float("nan"), float("inf")


def buttons(gateway: Anything) -> list[str]:
    """Points whose highly managed alarm is a plain contact."""
    points = gateway.gateway.house.points.values()
    return [p.id for p in points if p.kind == "contact" and any(a.managed and isinstance(a.condition, Contact) for a in p.alarms)]


@pytest.mark.parametrize("site", NAMES)
@given(chance=CHANCE)
@settings(max_examples=12, deadline=None, suppress_health_check=SLOW)
def test_after_anything_a_press_is_told(site: str, chance: Random) -> None:
    anything = Anything(site, chance)
    anything.happen(50)
    gateway = anything.gateway
    for button in buttons(anything):
        gateway.take(Reading(button, False, now_s=gateway.now().now_s))
        gateway.advance(gateway.t_s + 60.0)  # nothing chatters any more
        run = next((run for run in gateway.house.modes.runs if button in run.points and run.runs(gateway.now().now_s)), None)
        before = gateway.house.alarms[f"{button}/alarm"]
        may_be_exercise = run is not None and run.mode != "maintenance" and f"{button}/alarm" not in run.tried and before.live == "normal"
        told = gateway.take(Reading(button, True, now_s=gateway.now().now_s)).drafts
        (begins,) = [
            draft for draft in told if draft.type in ("campus.alarm.activated", "campus.alarm.repeated") and draft.subject == button
        ]
        assert begins.priority is Priority.URGENT
        assert (begins.data["status"] != "Actual") is may_be_exercise


@given(chance=CHANCE)
@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
def test_a_journal_of_another_version_or_site_is_no_reason_to_stop(chance: Random) -> None:
    anything = Anything(chance.choice(NAMES), chance)
    anything.happen(40)
    stored = anything.stored
    for key in chance.sample(sorted(stored), min(4, len(stored))):
        stored[key] = Latch(key, damaged(chance, stored[key].state))
    if chance.random() < 0.3:
        anything.settings = Anything(chance.choice(NAMES), chance).settings
    anything.restart()
    anything.happen(20)
    anything.gateway.advance(anything.gateway.t_s + 700.0)


@pytest.mark.parametrize("row", [None, 5, "x", [], [1], {"a": 5}, {"runs": 5}, {"runs": [{"mode": "drill"}]}, {"reports": 5}])
@pytest.mark.parametrize("key", ["panic/alarm", "panic", ":commands", ":pictures", INCIDENTS, RUNS, TESTS, REPORTS])
def test_a_row_that_nobody_can_read_is_left_out(key: str, row: object) -> None:
    school = School()
    school.stored[key] = Latch(key, row)  # type: ignore[arg-type]
    school.restart()
    assert len(school.press("panic")) == 1


def test_a_drill_of_a_kind_that_is_not_known_is_left_out() -> None:
    school = School()
    school.drill("panic")
    row = school.stored[RUNS].state
    row["runs"][0]["kind"] = "flood"
    school.restart()
    assert [draft.data["status"] for draft in school.press("panic")] == ["Actual"]


def test_a_passed_test_of_a_point_that_the_site_file_has_lost() -> None:
    """The site file was changed while the tested alarm still stood: every later alarm raised KeyError."""
    school = School()
    assert school.ask("start_test", "panic").ok
    school.press("panic")
    (run,) = school.house.modes.runs
    assert run.passed
    school.stored[RUNS] = Latch(RUNS, {"runs": [{**school.stored[RUNS].state["runs"][0], "points": ["gone"]}]})
    school.restart()
    assert len(school.press("hall")) == 1
    assert not school.house.modes.runs, "nothing of it stands any more"


@pytest.mark.parametrize("value", [NAN, ENDLESS, -ENDLESS])
def test_what_is_no_number_is_not_believed(value: float) -> None:
    """A value that cannot be compared said `not above the limit` and took an alarm back."""
    anything = Anything("links", Random(1))
    gateway = anything.gateway
    gateway.take(Reading("gas-kitchen", 60.0, now_s=gateway.now().now_s))
    assert gateway.house.alarms["gas-kitchen/level2"].live == "unacknowledged"
    gateway.take(Reading("gas-kitchen", value, now_s=gateway.now().now_s))
    assert gateway.house.alarms["gas-kitchen/level2"].live == "unacknowledged"
    reading = gateway.house.readings["gas-kitchen"]
    assert (reading.value, reading.quality, reading.reason) == (None, Quality.BAD, "not a number")


def test_a_counter_that_tells_a_word_counts_nothing_and_says_so() -> None:
    school = School()
    assert school.read("hall", "up") == []
    assert school.house.readings["hall"].quality is Quality.BAD
    assert len(school.press("hall")) == 1


def test_a_time_that_is_no_number_is_refused_and_on_record() -> None:
    school = School()
    decision = school.ask("shelve", "held", for_s=NAN)
    assert not decision.ok
    assert "for_s" not in decision.drafts[-1].data


def test_a_button_that_counts_since_yesterday_can_be_reset() -> None:
    """The site file made a counter of a contact that was active: nothing could ever clear the alarm."""
    school = School()
    row = {"state": "acknowledged", "active": True, "event_id": "e", "since_ms": 1, "by": "王强"}
    school.stored["hall/alarm"] = Latch("hall/alarm", row)
    school.restart()
    assert not school.ask("reset", "hall").ok
    school.read("hall", 0)
    assert school.ask("reset", "hall").ok


def test_who_may_not_switch_an_output_may_not_by_a_longer_name() -> None:
    anything = Anything("links", Random(1))
    gateway = anything.gateway
    long = "x" * 48
    fittings = gateway.house.fittings
    fittings.outputs = {**fittings.outputs, long: fittings.outputs["siren-hall"]}
    for target in (long, f"{long}x"):
        decision = gateway.take(Command("output", target, "学生", "viewer", "page", value="on"))
        assert (decision.ok, decision.outputs) == (False, [])


@pytest.mark.parametrize("second", ["王强", " 王 强", "王强\u200b", "王\u00ad强", "\u200b", "王强\u3000"])
def test_one_person_does_not_sign_twice(second: str) -> None:
    school = School()
    asked = Command("out_of_service", "panic/alarm", "王强", "technician", "door", why="修", for_s=60.0, second=second)
    decision = school.take(asked)
    assert not decision.ok
    assert "two different persons" in decision.reply


@pytest.mark.parametrize("by", ["", "  ", "\u200b", "\u3000\u00ad"])
def test_a_name_that_nobody_can_read_is_none(by: str) -> None:
    school = School()
    school.press("panic")
    decision = school.take(Command("acknowledge", "panic", by, "guard", "page"))
    assert not decision.ok
    assert school.house.alarms["panic/alarm"].live == "latched_unacknowledged"


def test_the_same_reading_again_writes_nothing() -> None:
    """An SD card is not worn by what does not change."""
    for site in ("school", "duties", "gates"):
        anything = Anything(site, Random(3))
        anything.happen(30)
        gateway = anything.gateway
        gateway.set_clock("synchronised")
        gateway.advance(gateway.t_s + 700.0)
        for point in list(gateway.house.readings):
            reading = gateway.house.readings[point]
            if gateway.house.points[point].kind == "card":
                continue
            gateway.take(reading)
            assert not gateway.take(reading).lasting, f"{site}: {reading}"


def test_a_shift_that_was_opened_by_a_clock_far_ahead_does_not_last_for_ever() -> None:
    """No handover was ever overdue again, and the list of duties raised ValueError."""
    site = settings_of("duties", {}, {"rules": {"shifts": {"place": "duty-room", "times": ["08:00", "20:00"]}}})
    anything = Anything("duties", Random(1), site)
    gateway = anything.gateway
    gateway.begin_ms += 400 * DAY_MS
    assert gateway.take(Command("open_shift", "", "王强", "guard", "page")).ok
    gateway.begin_ms -= 400 * DAY_MS
    assert [row["state"] for row in duties(gateway.house, gateway.now()) if row["duty"] == "shifts"] == ["on duty"]
    gateway.advance(gateway.t_s + 86_400.0)
    assert gateway.house.alarms["shifts/alarm"].live == "unacknowledged"


def test_a_window_that_began_by_a_clock_a_day_ahead_keeps_nobody_from_being_missed() -> None:
    anything = Anything("duties", Random(1))
    gateway = anything.gateway
    (post,) = [rule.id for rule in gateway.house.school.rules.values() if rule.name == "guard-post"]
    arrival = next(at_ms for at_ms in range(gateway.begin_ms, gateway.begin_ms + DAY_MS, 60_000) if _is_arrival(gateway, at_ms))
    gateway.begin_ms = arrival - round(gateway.t_s * 1000) + DAY_MS
    gateway.advance(gateway.t_s + 61.0)
    gateway.begin_ms -= DAY_MS
    gateway.advance(gateway.t_s + 600.0)
    assert gateway.house.alarms[f"{post}/alarm"].live == "unacknowledged"


def _is_arrival(gateway: Gateway, at_ms: int) -> bool:
    return gateway.house.timetable.window(at_ms) is Window.ARRIVAL
