"""States at gates, doors and exits that must not last: windows, times, what is not known, what is allowed, restarts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.gates import GateSpec, Shows
from gateway.core.points import Text
from gateway.core.reading import Quality, Reading
from gateway.core.school_days import Window
from tests.gateway.rules.gate_site import GateSite

NAME, WHAT = Text("南门", "South gate"), Text("南门开着", "South gate is open")
OPEN = frozenset({True})


def closed_campus(begin: str = "10:00:00", **changes: object) -> GateSite:
    settings: dict[str, object] = {
        "groups": ((Shows("door", OPEN),),),
        "lasts_s": {Window.LESSON: 120.0, Window.NONE: 60.0},
        "allowed_by": (Shows("exit", OPEN),),
        "allowed_s": 30.0,
    }
    spec = GateSpec("open", "closed-campus", NAME, WHAT, **(settings | changes))  # type: ignore[arg-type]
    site = GateSite((spec,), {"open": "closed_campus"}, begin)
    site.read("door", False)
    return site


def lanes(begin: str = "07:30:00") -> GateSite:
    groups = ((Shows("barrier", OPEN),), (Shows("left", OPEN), Shows("right", OPEN)))
    spec = GateSpec("lane", "lane-interlock", NAME, WHAT, groups, {Window.ARRIVAL: 10.0, Window.DISMISSAL: 10.0})
    return GateSite((spec,), {"lane": "lane_interlock"}, begin)


def test_it_is_an_alarm_when_it_has_lasted_too_long_and_over_when_it_is_over() -> None:
    site = closed_campus()
    site.read("door", True)
    site.pass_time(119.0)
    assert site.events() == []
    site.pass_time(1.0)
    assert site.events() == ["open alarm.activated"]
    site.pass_time(600.0)
    assert site.events() == [], "told once"
    site.read("door", False)
    assert site.events() == ["open alarm.cleared"]


def test_the_time_begins_with_the_window_where_it_is_allowed_before() -> None:
    site = closed_campus("07:59:00")
    site.read("door", True)
    site.until("08:01:59")
    assert site.events() == []
    site.until("08:02:00")
    assert site.events() == ["open alarm.activated"]


def test_each_window_has_its_own_time() -> None:
    site = closed_campus("22:00:00")
    site.read("door", True)
    site.until("22:01:00")
    assert site.events() == ["open alarm.activated"]


def test_when_the_window_ends_the_alarm_is_over() -> None:
    site = closed_campus("11:40:00")
    site.read("door", True)
    site.until("11:45:00")
    assert site.events() == ["open alarm.activated"]
    site.until("11:50:01")
    assert site.events() == ["open alarm.cleared"]


def test_a_short_opening_is_nothing() -> None:
    site = closed_campus()
    for _ in range(5):
        site.read("door", True)
        site.pass_time(100.0)
        site.read("door", False)
        site.pass_time(30.0)
    assert site.events() == []


def test_who_is_let_in_has_the_allowed_time_on_top() -> None:
    site = closed_campus()
    site.read("exit", True)
    site.read("exit", False)
    site.read("door", True)
    site.pass_time(149.0)
    assert site.events() == []
    site.pass_time(1.0)
    assert site.events() == ["open alarm.activated"]


def test_a_grant_does_not_end_an_alarm_that_stands() -> None:
    site = closed_campus()
    site.read("door", True)
    site.pass_time(121.0)
    assert site.events() == ["open alarm.activated"]
    site.read("exit", True)
    site.pass_time(60.0)
    assert site.events() == []


def test_in_the_delivery_time_it_does_not_count() -> None:
    site = closed_campus("10:00:00", delivery=((600, 630),))
    site.read("door", True)
    site.until("10:30:30")
    assert site.events() == []
    site.until("10:34:00")
    assert site.events() == ["open alarm.activated"]


def test_what_is_not_known_is_not_closed_and_does_not_end_an_alarm() -> None:
    site = closed_campus()
    site.lose("door")
    assert site.shows("open") == "bad"
    assert site.house.readings["open"].reason == "wiring fault"
    site.read("door", True)
    site.pass_time(121.0)
    assert site.events() == ["open alarm.activated"]
    site.lose("door")
    site.pass_time(600.0)
    assert (site.shows("open"), site.events()) == ("bad", [])
    site.read("door", False)
    assert site.events() == ["open alarm.cleared"]


def test_what_was_open_before_it_was_lost_from_sight_has_been_open_all_the_time() -> None:
    site = closed_campus()
    site.read("door", True)
    site.pass_time(100.0)
    site.lose("door")
    site.pass_time(30.0)
    site.read("door", True)
    assert site.events() == ["open alarm.activated"]


def test_an_own_fault_names_the_sensor() -> None:
    site = closed_campus(own_fault=True)
    site.lose("door", "no answer")
    assert site.house.readings["open"].reason == "door: no answer"


def test_before_the_first_look_nothing_is_known_and_nothing_is_a_fault() -> None:
    site = lanes()
    reading = site.house.readings["lane"]
    assert (reading.value, reading.quality, reading.reason) == (None, Quality.UNCERTAIN, "not read yet")
    assert site.events() == []


@pytest.mark.parametrize(
    ("barrier", "left", "right", "shown"),
    [
        (True, True, False, True),
        (True, False, True, True),
        (True, False, False, False),
        (False, True, True, False),
        (False, None, None, False),
        (None, False, False, False),
        (True, None, False, "bad"),
        (True, None, True, True),
        (None, True, False, "bad"),
    ],
)
def test_both_lanes(barrier: bool | None, left: bool | None, right: bool | None, shown: object) -> None:
    site = lanes()
    for point, value in (("barrier", barrier), ("left", left), ("right", right)):
        site.lose(point) if value is None else site.read(point, value)
    site.pass_time(10.0)
    assert site.shows("lane") == shown


def test_lanes_together_in_lessons_are_nothing() -> None:
    site = lanes("10:00:00")
    for point in ("barrier", "left", "right"):
        site.read(point, True)
    site.pass_time(600.0)
    assert site.events() == []


def test_while_the_clock_is_unknown_windows_pause_and_what_counts_always_goes_on() -> None:
    site = closed_campus()
    site.clock = "unknown"
    site.read("door", True)
    site.pass_time(1000.0)
    assert site.events() == []
    always = closed_campus(lasts_s=dict.fromkeys(Window, 60.0))
    always.clock = "unknown"
    always.read("door", True)
    always.pass_time(60.0)
    assert always.events() == ["open alarm.activated"]


def test_an_alarm_stands_over_a_restart_and_is_not_told_twice() -> None:
    site = closed_campus()
    site.read("door", True)
    site.pass_time(121.0)
    site.events()
    site.restart()
    site.read("door", True)
    site.pass_time(600.0)
    assert site.events() == []
    site.restart()
    site.read("door", False)
    assert site.events() == ["open alarm.cleared"], "closed while the gateway was off"


def test_nothing_is_written_while_it_only_opens_and_closes() -> None:
    site = closed_campus()
    site.stored.clear()
    for _ in range(10):
        site.read("door", True)
        site.pass_time(20.0)
        site.read("door", False)
        site.pass_time(20.0)
    assert "rule:open" not in site.stored


def test_explain_says_what_would_happen_and_what_stands_in_its_way() -> None:
    site = closed_campus()
    (why,) = site.why("door")
    assert (why.acts, why.text.en) == (True, "South gate is open for 120 s -> alarm")
    site.read("door", True)
    site.pass_time(20.0)
    (why,) = site.why("open")
    assert (why.acts, why.text.en) == (True, "South gate is open: alarm in 100 s")
    site.read("door", False)
    site.read("exit", True)
    (why,) = site.why("door")
    assert (why.acts, why.text.en) == (False, "South gate is open: no alarm now, somebody was let in a moment ago")
    site.lose("door")
    (why,) = site.why("door")
    assert (why.acts, why.text.en) == (False, "South gate is open: no alarm now, door is not known")
    (why,) = closed_campus("07:30:00").why("door")
    assert (why.acts, why.text.zh) == (False, "南门开着：现在不报警，现为上学时段，只在上课时段、非在校时段报警")
    assert site.why("somewhere-else") == []


@given(st.lists(st.tuples(st.sampled_from(["open", "shut", "lost"]), st.integers(1, 200)), max_size=30))
def test_the_alarm_stands_exactly_after_so_long(steps: list[tuple[str, int]]) -> None:
    """Whatever the contact does: what it tells is the plain sum of how long it was seen or left open."""
    site = closed_campus(allowed_by=())
    since_s: float | None = None
    over = False
    for what, seconds in steps:
        if what == "lost":
            site.lose("door")
        else:
            site.read("door", what == "open")
            since_s = None if what == "shut" else site.now_s if since_s is None else since_s
            over = since_s is not None and (over or site.now_s >= since_s + 120)
        site.pass_time(seconds)
        if what == "open":
            over = over or (since_s is not None and site.now_s >= since_s + 120)
            assert site.shows("open") is over
        elif what == "shut":
            assert site.shows("open") is False
        else:
            assert site.shows("open") == "bad"


@given(st.sets(st.sampled_from([True, False, "up", 3, 2.5])), st.sampled_from([True, False, "up", "down", 3]), st.booleans())
def test_a_point_shows_it_or_does_not(values: set[object], value: bool | str | int, other: bool) -> None:
    shows = Shows("p", frozenset(values), other)  # type: ignore[arg-type]
    assert shows.holds(Reading("p", value)) is ((value in values) is not other)
    assert shows.holds(None) is None
    assert shows.holds(Reading("p", value, Quality.UNCERTAIN, "warm-up")) is None
