"""The figures of a school day that the whole gateway has lived through, out of a real journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.duties import GuardPostSpec, Signers
from gateway.core.points import Text
from gateway.core.reading import Now, Quality
from gateway.core.school_days import Window
from gateway.report import compliance
from gateway.runtime.facts import WINDOWS_MOST_MS, facts_of, post_windows, school_year_of, windows_of
from gateway.runtime.houses import calendar_of, house_of
from tests.gateway.report.kept import Kept
from tests.gateway.rules.duty_day import Day, calendar, utc_ms
from tests.scenarios.site_files import settings_of

POST = GuardPostSpec("post", "east-gate", Text("岗", "post"), Signers())


def figures(day: Day, folder: Path, begin: str, end: str) -> dict[str, Any]:
    kept = Kept(folder)
    try:
        kept.take([one.draft for one in day.gateway.said])
        known = facts_of(day.settings, day.gateway.house, day.gateway.now())
        windows = windows_of(day.settings, day.gateway.house.timetable, utc_ms(begin), utc_ms(end))
        return {row["figure"]: row for row in compliance.build(replace(known, windows=windows), kept.past, utc_ms(begin), utc_ms(end))}
    finally:
        kept.close()


def test_a_day_at_the_gate(tmp_path: Path) -> None:
    day = Day("2026-09-01 06:30")
    day.read("gate-camera", "sees")
    for moment in ("07:18", "13:35"):  # the second is late
        day.at(moment)
        day.command("check_in", "east-post")
    day.at("16:00")
    day.read("gate-camera", "no_frames", reason="no pictures")
    day.at("23:59:59")
    found = figures(day, tmp_path, "2026-09-01 00:00", "2026-09-02 00:00")
    posts = found["guard_posts"]
    assert [(line["ok"], line["why_en"]) for line in posts["evidence"] if line["what"] == "east-post"] == [
        (True, "on post at 07:18 (周建国)"),
        (False, "nobody came"),
        (False, "late, 15 min after the window began"),
        (False, "nobody came"),
    ]
    camera = found["video"]["evidence"][0]
    assert (camera["what"], camera["ok"]) == ("gate-camera", False)
    assert camera["why_en"] == "does not see now: no pictures; saw 66.6% of the period, less than 95%"
    assert found["one_key_alarm"]["rate"] is None
    assert [line["why_en"] for line in found["closed_campus"]["evidence"]] == ["nothing tells whether it is open"]


def test_a_boarding_school_is_known_by_its_calendar() -> None:
    day = Day("2026-09-01 06:30")
    known = school_year_of(day.settings, day.gateway.house)
    assert (known.boarding, known.terms) == (False, day.settings.school_days.terms)


def test_a_point_that_was_never_read_is_not_known() -> None:
    day = Day("2026-09-01 06:30")
    known = facts_of(day.settings, day.gateway.house, day.gateway.now())
    button = known.points["boiler-button"]
    assert (button.quality, button.reason) == ("bad", "not read yet")
    day.read("boiler-button", None, Quality.BAD, "no answer")
    button = facts_of(day.settings, day.gateway.house, day.gateway.now()).points["boiler-button"]
    assert (button.quality, button.reason) == ("bad", "no answer")


def test_the_windows_of_a_post_belong_to_the_period_in_which_they_begin() -> None:
    found = list(post_windows(POST, calendar(), utc_ms("2026-09-01 07:30"), utc_ms("2026-09-02 07:30")))
    assert [window.begin_ms for window in found] == [
        utc_ms(f"2026-09-{moment}") for moment in ("01 11:50", "01 13:20", "01 17:00", "02 07:20")
    ]
    assert (found[-1].end_ms, found[-1].by_ms) == (utc_ms("2026-09-02 08:00"), utc_ms("2026-09-02 07:25"))


def test_of_a_period_that_no_clock_can_have_meant_the_last_400_days_count() -> None:
    day = Day("2026-09-01 06:30")
    end = utc_ms("2026-09-02 00:00")
    of = [windows_of(day.settings, day.gateway.house.timetable, begin, end) for begin in (0, end - WINDOWS_MOST_MS)]
    assert of[0] == of[1] != []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 14 * 1440), st.integers(0, 3 * 1440), st.integers(0, 3 * 1440))
def test_periods_that_follow_each_other_share_out_the_windows(begin: int, one: int, other: int) -> None:
    a, b, c = (utc_ms("2026-09-01 00:00") + minutes * 60_000 for minutes in (begin, begin + one, begin + one + other))
    school, spec = calendar(), GuardPostSpec("post", "gate", Text("", ""), Signers(), windows=frozenset({Window.ARRIVAL, Window.LESSON}))
    assert [*post_windows(spec, school, a, b), *post_windows(spec, school, b, c)] == list(post_windows(spec, school, a, c))


def test_a_gate_is_seen_by_its_contact_and_by_the_device_of_that() -> None:
    settings_ = settings_of("gates", {}, {})
    house = house_of(settings_, calendar_of(settings_))
    known = facts_of(settings_, house, Now(0.0, 1_790_000_000_000))
    assert {gate.point: (gate.place, gate.sensors) for gate in known.gates} == {
        "barrier-left-open": ("gate", ("barrier", "barrier-control")),
        "pupils-left-open": ("gate", ("pupil-contact", "door-module")),
        "fence-door-left-open": ("fence", ("fence-door", "door-module")),
    }
    assert {place.type for place in known.places} == {"gate", "perimeter", "exit", "other"}
