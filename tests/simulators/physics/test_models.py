"""The models by what physics promises of them."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.physics.doors import OPEN_S, Door, Machine
from simulators.physics.electric import NOISE_MA, RISE_K, WET_FACTOR, Arcs, Cable, Leak, ambient_cel
from simulators.physics.gas import AIR_PER_H, LEL_RATIO, GasRoom
from simulators.physics.posts import RATED_KMH, RISE_S, At, Post, ram
from simulators.physics.rounds import SLACK_RATIO, Arrivals, Round, Wave

steps = st.lists(st.floats(0.01, 30), min_size=1, max_size=60)


@given(steps, st.floats(0, 500), st.floats(0, 1))
def test_gas_is_never_more_than_came_out(dts: list[float], rate_l_min: float, valve: float) -> None:
    room = GasRoom(2, seed=1)
    room.rate_l_min, room.valve_open_ratio = rate_l_min, valve
    came_m3 = 0.0
    for dt_s in dts:
        came_m3 += room.flow_m3_s * dt_s
        room.step(dt_s)
        assert 0 <= room.gas_m3 <= min(came_m3 * (1 + 1e-9) + 1e-12, room.layer_m3)


@given(steps, st.booleans())
def test_without_a_tap_gas_only_becomes_less(dts: list[float], fan: bool) -> None:
    room = GasRoom(1, seed=1)
    room.gas_m3, room.fan = 0.5, fan
    for dt_s in dts:
        before_m3 = room.gas_m3
        room.step(dt_s)
        assert 0 < room.gas_m3 < before_m3


def test_gas_tends_to_what_comes_in_by_what_goes_out_however_it_is_stepped() -> None:
    fine, coarse = GasRoom(1, seed=3), GasRoom(1, seed=3)
    fine.rate_l_min = coarse.rate_l_min = 20
    for _ in range(3000):
        fine.step(1.0)
    coarse.step(3000.0)
    assert fine.gas_m3 == pytest.approx(coarse.gas_m3)
    fine.step(1e6)
    assert fine.ratio == pytest.approx(20 / 1000 * 60 / AIR_PER_H / fine.layer_m3)


def test_the_nearer_detector_sees_it_first_and_both_end_alike() -> None:
    room = GasRoom(2, seed=5)
    room.rate_l_min = 100
    near, far = room.detectors
    room.step(0.5)
    for _ in range(20):
        room.step(0.5)
        assert near.lel > far.lel
    room.rate_l_min = 0
    for _ in range(1000):
        room.step(10)
    assert max(near.lel, far.lel) < 0.01


def test_a_hundred_litres_a_minute_reach_the_first_level_in_about_a_minute() -> None:
    room = GasRoom(1, seed=1)
    room.rate_l_min = 100
    for _ in range(75):
        room.step(1.0)
    assert 20 < room.detectors[0].lel < 35
    assert room.ratio / LEL_RATIO * 100 > room.detectors[0].lel


@given(st.floats(0, 3), st.booleans(), st.floats(-10, 45), steps)
def test_a_cable_tends_to_its_equilibrium_and_never_passes_it(load: float, loose: bool, ambient: float, dts: list[float]) -> None:
    cable = Cable(ambient, seed=1)
    cable.load_ratio, cable.loose = load, loose
    for dt_s in dts:
        before = cable.cel
        cable.step(dt_s)
        assert before - 1e-9 <= cable.cel <= cable.equilibrium_cel + 1e-9
    cable.step(1e6)
    assert cable.cel == pytest.approx(cable.equilibrium_cel)


def test_a_cable_at_its_rated_current_is_as_warm_as_its_sheet_says() -> None:
    cable = Cable(30.0, seed=1)
    cable.load_ratio = 1.0
    cable.step(1e6)
    assert cable.cel == pytest.approx(30 + RISE_K)
    assert ambient_cel(15) > ambient_cel(9) > ambient_cel(3)


def test_leaks_keep_their_base_and_rain_doubles_it() -> None:
    leak = Leak(seed=2)
    leak.noisy = True
    seen = []
    for _ in range(20_000):
        leak.step(5.0)
        seen.append(leak.ma)
    middle = sum(seen) / len(seen)
    assert abs(middle - leak.base_ma) < 3
    assert NOISE_MA < math.sqrt(sum((each - middle) ** 2 for each in seen) / len(seen)) < 12
    dry = Leak(seed=2)
    dry.step(1)
    dry_ma = dry.ma
    dry.wet = True
    dry.step(1e5)
    assert dry.ma == pytest.approx(dry_ma * WET_FACTOR)
    dry.leak_ma = 400
    dry.step(10)
    assert dry.ma == pytest.approx(dry_ma * WET_FACTOR + 400)


@given(st.integers(0, 40), steps)
def test_no_arc_is_lost_or_made_up(count: int, dts: list[float]) -> None:
    arcs = Arcs(waiting=count)
    came = sum(arcs.step(dt_s) for dt_s in dts)
    assert came == arcs.seen == count - arcs.waiting
    assert came <= len(dts)


@given(st.lists(st.tuples(st.sampled_from(["up", "down", "stop", "car", "no car", "hit", "repair", ""]), st.floats(0, 3)), max_size=60))
def test_a_post_is_never_at_both_ends_and_never_jumps(acts: list[tuple[str, float]]) -> None:
    post = Post()
    for act, dt_s in acts:
        before = post.height_ratio
        match act:
            case "up" | "down":
                post.move(act == "up")
            case "stop":
                post.stop()
            case "car" | "no car":
                post.obstacle = act == "car"
            case "hit":
                post.struck(60)
            case "repair":
                post.repair()
                before = 1.0
        was_blocked = post.obstacle
        post.step(dt_s)
        assert 0 <= post.height_ratio <= 1
        assert abs(post.height_ratio - before) <= dt_s / 3.0 + 1e-9
        if was_blocked:
            assert post.height_ratio <= before
        if post.lost:
            assert post.at is At.BETWEEN


def test_contacts_leave_one_end_before_they_reach_the_other() -> None:
    post = Post(height_ratio=0.0)
    post.move(up=True)
    seen = [post.at]
    for _ in range(round(RISE_S / 0.1) + 1):
        post.step(0.1)
        if post.at is not seen[-1]:
            seen.append(post.at)
    assert seen == [At.DOWN, At.BETWEEN, At.UP]


def test_a_vehicle_is_stopped_by_the_first_post_or_by_the_second() -> None:
    one, two, three = Post(), Post(height_ratio=0.0), Post()
    drive = ram([("one", one), ("two", two), ("three", three)], 60.0)
    assert drive.hit == ["one", "three"]  # over the second, which is sunk
    assert drive.kmh == 0.0
    assert (one.lost, two.hits, three.lost) == (True, 0, True)
    assert ram([("a", Post()), ("b", Post())], RATED_KMH).hit == ["a"]
    bump = Post()
    ram([("bump", bump)], 10.0)
    assert (bump.hits, bump.lost) == (1, False)


def test_a_locked_door_opens_for_nobody_and_a_released_one_for_one() -> None:
    door = Door(has_lock=True)
    door.try_it()
    for _ in range(100):
        door.step(0.1)
        assert not door.open
    door.try_it()
    door.unlocked = True
    opened = 0
    for _ in range(round((OPEN_S + 5) / 0.1)):
        before = door.open
        door.step(0.1)
        opened += door.open and not before
    assert (opened, door.open) == (1, False)
    door.unlocked = False
    door.force()
    door.step(60)
    assert (door.open, door.forced, door.open_s) == (True, True, 60)
    door.close()
    assert not door.open


def test_a_machine_takes_its_time_and_a_stuck_one_for_ever() -> None:
    valve = Machine(travel_s=3.0, on=True)
    seen = []
    for dt_s in (1.5, 1.6):
        valve.step(dt_s)
        seen.append(valve.arrived)
    valve.on, valve.stuck = False, True
    valve.step(100)
    assert [*seen, valve.arrived] == [None, True, True]


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.integers(), st.sets(st.sampled_from("abcdef")))
def test_a_guard_comes_once_to_each_stop_in_order(stops: list[str], seed: int, skip: set[str]) -> None:
    guard, reached, at_s = Round(stops, 10.0, seed, frozenset(skip)), [], 0.0
    while not guard.done:
        at_s += 0.5
        stop = guard.step(0.5)
        reached += [stop] if stop else []
    assert reached == [stop for stop in stops if stop not in skip]
    assert at_s <= len(reached) * 10 * (1 + SLACK_RATIO) + 0.5


def test_pupils_come_in_a_swell_as_many_as_expected() -> None:
    counts = []
    for seed in range(20):
        pupils = Arrivals(Wave(per_minute=60, minutes=10), seed)
        thirds = [0, 0, 0]
        while not pupils.done:
            thirds[min(2, int(pupils.at_s // 200))] += pupils.step(0.5)
        assert thirds[1] > thirds[0] + thirds[2]
        counts.append(pupils.came)
    assert sum(counts) / 20 == pytest.approx(300, rel=0.05)


def test_the_same_seed_is_the_same_run() -> None:
    def run(seed: int) -> list[float]:
        room, leak, cable, pupils = GasRoom(3, seed), Leak(seed), Cable(20, seed), Arrivals(Wave(60, 1), seed)
        room.noisy = leak.noisy = cable.noisy = True
        room.rate_l_min = 40
        out: list[float] = []
        for _ in range(200):
            for model in (room, leak, cable):
                model.step(0.1)
            out += [detector.lel for detector in room.detectors] + [leak.ma, cable.cel, pupils.step(0.1)]
        return out

    assert run(7) == run(7) != run(Random(7).randrange(1000))
