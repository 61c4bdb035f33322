"""Which drills are required, and what counts as one; out of a real journal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.points import Text
from gateway.core.school_days import Term
from gateway.report.drills import SchoolYear, build, term_of
from tests.gateway.report.kept import ZONE, Kept, utc_ms

AUTUMN = Term(date(2026, 9, 1), date(2027, 1, 22), Text("秋", "autumn"))
SPRING = Term(date(2027, 2, 22), date(2027, 7, 2), Text("春", "spring"))
DAY_SCHOOL, BOARDING = SchoolYear(ZONE, (AUTUMN, SPRING)), SchoolYear(ZONE, (AUTUMN, SPRING), boarding=True)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    found = Kept(tmp_path)
    yield found
    found.close()


def drill(kept: Kept, local: str, kind: str = "fire", pressed: int = 1, **more: Any) -> None:
    kept.say(local, "mode.drill_ended", f"drill-{kind}", drill=kind, totals={"pressed": pressed, "listed": 3}, **more)


def counts(kept: Kept, local: str, school: SchoolYear = DAY_SCHOOL) -> dict[str, tuple[int, int, bool]]:
    """rule -> (done, needed, ok)."""
    rows = build(school, kept.past, utc_ms(local))
    assert all(row["ok"] is (row["done"] >= row["needed"]) and row["zh"] and row["en"] for row in rows)
    return {row["rule"]: (row["done"], row["needed"], row["ok"]) for row in rows}


def row(kept: Kept, local: str, rule: str, school: SchoolYear = DAY_SCHOOL) -> dict[str, Any]:
    (found,) = [row for row in build(school, kept.past, utc_ms(local)) if row["rule"] == rule]
    return found


def test_nothing_was_held(kept: Kept) -> None:
    assert counts(kept, "2026-10-01 12:00", BOARDING) == {
        "fire_each_term": (0, 1, False),
        "night_fire_each_year": (0, 2, False),
        "each_school_year": (0, 2, False),
        "tabletop_each_term": (0, 1, False),
    }
    assert "night_fire_each_year" not in counts(kept, "2026-10-01 12:00"), "a day school"


def test_a_fire_drill_counts_for_its_term_and_half_for_the_year(kept: Kept) -> None:
    drill(kept, "2026-10-12 10:00")
    assert counts(kept, "2026-12-01 12:00") | {"tabletop_each_term": ()} == {
        "fire_each_term": (1, 1, True),
        "each_school_year": (1, 2, False),
        "tabletop_each_term": (),
    }
    assert counts(kept, "2027-03-01 12:00")["fire_each_term"] == (0, 1, False)
    assert counts(kept, "2027-03-01 12:00")["each_school_year"] == (1, 2, False)
    assert counts(kept, "2027-02-01 12:00")["fire_each_term"] == (1, 1, True), "in the holidays the term before is told"


def test_special_drills_of_any_sort_or_one_comprehensive_one(kept: Kept) -> None:
    drill(kept, "2026-10-12 10:00", "quake")
    drill(kept, "2026-11-12 10:00", "other")
    assert counts(kept, "2026-12-01 12:00")["each_school_year"] == (1, 2, False)
    drill(kept, "2027-03-12 10:00", "ram")
    assert counts(kept, "2027-03-13 12:00")["each_school_year"] == (2, 2, True)
    drill(kept, "2027-09-12 10:00", "comprehensive")
    assert counts(kept, "2027-09-13 12:00")["each_school_year"] == (2, 2, True)


def test_at_night_within_the_calendar_year(kept: Kept) -> None:
    drill(kept, "2026-03-12 22:30", night=True)
    drill(kept, "2026-10-12 10:00", night=False)
    drill(kept, "2026-10-13 22:30", "quake", night=True)
    assert counts(kept, "2026-12-01 12:00", BOARDING)["night_fire_each_year"] == (1, 2, False)
    drill(kept, "2026-12-02 22:30", night=True)
    assert counts(kept, "2026-12-31 23:30", BOARDING)["night_fire_each_year"] == (2, 2, True)
    assert counts(kept, "2027-01-01 00:30", BOARDING)["night_fire_each_year"] == (0, 2, False)


def test_a_drill_in_which_nobody_pressed_anything_is_none(kept: Kept) -> None:
    drill(kept, "2026-10-12 10:00", pressed=0)
    assert counts(kept, "2026-12-01 12:00")["fire_each_term"] == (0, 1, False)


def test_a_table_top_exercise_is_noted_by_an_inspection(kept: Kept) -> None:
    kept.say("2026-10-12 10:00", "inspection.done", "daily", result="ok")
    assert counts(kept, "2026-12-01 12:00")["tabletop_each_term"] == (0, 1, False)
    kept.say("2026-10-13 10:00", "inspection.done", "plan", result="ok", drill="tabletop")
    assert counts(kept, "2026-12-01 12:00")["tabletop_each_term"] == (1, 1, True)


def test_what_is_lacking_is_told_a_month_before(kept: Kept) -> None:
    assert [row(kept, f"{day} 12:00", "fire_each_term")["due_soon"] for day in ("2026-12-22", "2026-12-23", "2027-02-01")] == [
        False,
        True,
        True,
    ]
    assert row(kept, "2026-12-23 12:00", "fire_each_term")["until"] == "2027-01-22"
    drill(kept, "2026-12-24 10:00")
    assert not row(kept, "2026-12-25 12:00", "fire_each_term")["due_soon"]


def test_before_the_first_known_term_no_term_is_asked_about(kept: Kept) -> None:
    assert set(counts(kept, "2026-08-15 12:00")) == {"each_school_year"}


@settings(max_examples=200, deadline=None)
@given(st.dates(date(2020, 1, 1), date(2040, 12, 31)))
def test_without_terms_the_halves_of_the_school_year_cover_every_day(day: date) -> None:
    term = term_of((), day)
    assert term is not None
    assert term.first <= day <= term.last
    assert (term.first.month, term.first.day) in {(9, 1), (2, 1)}
