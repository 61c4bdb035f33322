"""Dwell by capture time, off-delay, and what never counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vision.presence import Presence, Standing, step


def person(seen_s: float, score: float = 0.7, *, believed: bool = True, lost: bool = False) -> Standing:
    return Standing(seen_s, score, believed, lost)


@pytest.mark.parametrize("fps", [2.0, 5.0, 10.0, 25.0])
def test_dwell_is_seconds_whatever_the_frame_rate(fps: float) -> None:
    zone, first = Presence(), None
    for i in range(int(4 * fps)):
        zone = step(zone, {1: person(i / fps)}, i / fps, 2.0)
        if zone.occupied and first is None:
            first = i / fps
    assert first == pytest.approx(2.0, abs=1 / fps)
    assert (zone.count, zone.confidence) == (1, 0.7)


def test_passing_through_is_not_staying() -> None:
    zone = Presence()
    for at_s in (0.0, 0.4, 0.8):
        zone = step(zone, {1: person(at_s)}, at_s, 1.0)
    for at_s in (1.0, 1.4, 3.0):
        zone = step(zone, {}, at_s, 1.0)
        assert not zone.occupied
    assert zone.entered == {}


def test_off_delay_bridges_a_step_over_the_edge_and_the_dwell_is_kept() -> None:
    zone = Presence()
    for at_s in (0.0, 0.5, 1.0):
        zone = step(zone, {1: person(at_s)}, at_s, 1.0, 0.5)
    assert zone.occupied
    zone = step(zone, {}, 1.4, 1.0, 0.5)
    assert zone.occupied
    assert zone.count == 0
    zone = step(zone, {1: person(1.45)}, 1.45, 1.0, 0.5)
    assert zone.occupied
    assert zone.count == 1
    zone = step(zone, {}, 2.0, 1.0, 0.5)
    assert not zone.occupied


def test_a_single_find_never_fills_the_time_by_itself() -> None:
    """The track is held, but nobody has *seen* it again."""
    zone = Presence()
    for i in range(30):
        zone = step(zone, {1: person(0.0)}, i / 5, 1.0)
    assert not zone.occupied


def test_who_is_not_believed_does_not_count_but_its_time_runs() -> None:
    zone = Presence()
    for i in range(10):
        zone = step(zone, {1: person(i / 5, believed=False)}, i / 5, 1.0)
        assert not zone.occupied
    assert step(zone, {1: person(2.0)}, 2.0, 1.0).occupied


def test_who_is_lost_does_not_count_and_goes_on_when_it_is_found_again() -> None:
    zone = Presence()
    for i in range(10):
        zone = step(zone, {1: person(i / 5)}, i / 5, 1.0)
    zone = step(zone, {1: person(1.8, lost=True)}, 4.0, 1.0)
    assert (zone.occupied, zone.count) == (False, 0)
    zone = step(zone, {1: person(4.2)}, 4.2, 3.0)
    assert (zone.occupied, zone.count, zone.best) == (True, 1, 1)


def test_people_who_stay_are_counted_those_who_came_late_are_not_yet() -> None:
    zone = Presence()
    for i in range(11):
        at_s = i / 5
        people = {1: person(at_s), 2: person(at_s, 0.9)}
        if at_s >= 1.6:
            people[3] = person(at_s)
        zone = step(zone, people, at_s, 1.0)
    assert (zone.count, zone.confidence) == (2, 0.9)


def test_two_who_relieve_each_other_do_not_add_up() -> None:
    zone = Presence()
    for i in range(20):
        at_s = i / 5
        track = 1 + int(at_s / 0.8)
        zone = step(zone, {track: person(at_s)}, at_s, 1.0)
        assert not zone.occupied


@given(st.lists(st.tuples(st.integers(1, 128).map(lambda number: number / 64), st.booleans()), max_size=40), st.floats(0, 3))
def test_occupied_needs_dwell_and_ends_with_the_off_delay(steps: list[tuple[float, bool]], dwell_s: float) -> None:
    zone, at_s, inside_since, last = Presence(), 0.0, None, None
    for pause_s, there in steps:
        at_s += pause_s
        if there:
            inside_since = at_s if inside_since is None or last is None or at_s - last >= 0.5 + pause_s else inside_since
            last = at_s
        zone = step(zone, {1: person(at_s)} if there else {}, at_s, dwell_s)
        if zone.occupied:
            assert last is not None
            assert at_s - last < 0.5
        if there and inside_since is not None and at_s - inside_since < dwell_s:
            assert not zone.occupied
