"""What cabling does to frames: it never becomes a value, and a device that is sound again is read again."""

from __future__ import annotations

import os

import pytest

from tests.conformance import spoils
from tests.conformance.roads import PolledRoad, Road
from tests.conformance.spoils import HARMFUL, HARMLESS, MUTATIONS, NO_ANSWERS, Spoil
from tests.gateway.bus.wires import until

SPOILT_FRAMES = 4
FRAMES = int(os.environ.get("FUZZ_FRAMES", "10000")) // 500  # each one passes a real wire


def named(spoil: Spoil) -> str:
    return spoil.__name__


def need(holds: bool, why_not: str) -> None:
    """Skip a case that this road cannot have."""
    if not holds:
        pytest.skip(why_not)


def need_for(road: Road, spoil: Spoil) -> None:
    need(road.frames, "contacts have no frames")
    if spoil is spoils.wrong_address:
        need(road.has_address, "its frames carry no address")
    if spoil is spoils.oversize_length:
        need(road.has_length, "its frames state no length")
    if spoil is spoils.said_twice_with_a_pause:
        need(road.has_transactions, "without transaction ids a copy is the answer to whatever is asked next")


async def test_values_arrive_and_the_link_is_told_once(road: Road) -> None:
    await until(road.knows)
    await road.tell_new_values(5)
    assert road.ear.links("one") == [(True, "")]


@pytest.mark.parametrize("spoil", HARMLESS, ids=named)
async def test_a_sound_frame_is_found_however_it_arrives(road: Road, spoil: Spoil) -> None:
    need_for(road, spoil)
    if spoil in (spoils.noise_before, spoils.noise_after):
        need(road.recovers_at_once, "a Modbus TCP stream has no marks to find a frame by: see the mutations")
    road.spoil = spoil
    await road.tell_new_values(3)


async def test_noise_between_the_frames_hides_none_of_them(road: Road) -> None:
    need(road.frames, "contacts have no frames")
    for _ in range(4):
        road.babble()
        await road.tell_new_values(1)


@pytest.mark.parametrize("spoil", HARMFUL, ids=named)
async def test_a_spoilt_frame_is_the_truth_or_nothing(road: Road, spoil: Spoil) -> None:
    need(road.frames, "contacts have no frames")
    await until(road.knows)
    road.spoil = spoil
    for _ in range(max(1, SPOILT_FRAMES // road.frame_cost)):
        await road.say(1)
        road.set_value()
    if road.polled:
        await until(road.knows_or_is_bad)
    road.heal()
    await road.tell_new_values(1)
    assert road.ear.is_up("one")


REASONS: dict[Spoil, set[str]] = {
    spoils.half_a_frame: {"bad frame", "no answer"},
    spoils.wrong_address: {"wrong unit", "no answer"},
    spoils.oversize_length: {"bad frame", "no answer"},
}


@pytest.mark.parametrize("spoil", NO_ANSWERS, ids=named)
async def test_what_is_no_answer_turns_the_points_bad_and_says_why(road: Road, spoil: Spoil) -> None:
    need_for(road, spoil)
    await until(road.knows)
    road.spoil = spoil
    road.set_value()
    if road.frame_cost == 1 or spoil is spoils.half_a_frame:
        await until(road.is_bad)
        for point in road.steady_points():
            last = road.ear.last(point)
            assert last is not None
            assert last.reason in REASONS[spoil]
    else:
        await road.say(1)
    road.heal()
    await road.tell_new_values(1)
    assert road.ear.is_up("one")


@pytest.mark.parametrize("alone", [False, True], ids=["shared", "alone"])
async def test_an_answer_that_comes_too_late_is_nobody_elses(road: Road, alone: bool) -> None:
    """On a wire of its own nobody else's turn takes the late answer out of the way."""
    need(isinstance(road, PolledRoad), "nobody waits for a device that speaks unasked")
    assert isinstance(road, PolledRoad)
    await road.stop_line()
    road.late_ms, road.alone = 300, alone
    road.run_line()
    await until(road.knows)
    road.spoil = spoils.too_late
    for _ in range(2):
        road.set_value()
        await road.say(1)
    await until(road.is_bad)
    road.heal()
    await road.tell_new_values(2)


@pytest.mark.slow
async def test_random_mutations_never_become_a_value(road: Road) -> None:
    need(road.frames, "contacts have no frames")
    await until(road.knows)
    for _ in range(FRAMES // road.frame_cost):
        road.spoil = road.dice.choice(MUTATIONS)
        await road.say(1)
        if road.dice.random() < 0.3:
            road.set_value()
        if road.dice.random() < 0.2:
            road.heal()
            await road.say(1)
    road.heal()
    await road.tell_new_values(2)
