"""Silence, pulled cables and dead peers: told at once, nobody else is disturbed, and all is well again afterwards."""

from __future__ import annotations

import pytest

from gateway.core.reading import Quality, Reading
from tests.conformance.ear import LinkSaid
from tests.conformance.held import held
from tests.conformance.roads import Road
from tests.gateway.bus.wires import until


async def test_a_silent_device_is_bad_then_down_then_back(road: Road) -> None:
    if not road.can_be_silent:
        pytest.skip("a contact that does not move is no silent device")
    await until(road.knows)
    road.silent = True
    await until(lambda: road.ear.links("one")[-1][0] is False)
    assert road.is_bad()
    road.heal()
    road.set_value()
    await until(road.knows)
    assert road.ear.links("one") == [(True, ""), (False, "no answer"), (True, "")]


async def test_the_first_miss_is_told_before_the_link_is_given_up(road: Road) -> None:
    if not road.polled:
        pytest.skip("a device that speaks unasked is missed when it is down")
    await until(road.knows)
    road.silent = True
    await until(lambda: not road.ear.is_up("one"))
    said = list(road.ear.said)
    first = next(
        n for n, each in enumerate(said) if isinstance(each, Reading) and each.quality is Quality.BAD and each.point.startswith("one")
    )
    down = next(n for n, each in enumerate(said) if isinstance(each, LinkSaid) and each.device == "one" and not each.up)
    assert first < down


async def test_a_silent_device_disturbs_nobody_on_its_wire(road: Road) -> None:
    if not road.shared:
        pytest.skip("one device has this wire to itself")
    await until(lambda: road.knows() and road.knows("two"))
    road.silent = True
    for _ in range(5):
        road.set_value("two")
        await until(lambda: road.knows("two"))
    await until(road.is_bad)
    assert road.ear.links("two") == [(True, "")]
    assert all(reading.quality is Quality.GOOD for point in road.points("two") for reading in road.ear.readings(point))


async def test_a_port_or_peer_that_goes_away_is_told_once_and_found_again(road: Road) -> None:
    await until(road.knows)
    for times in (1, 2, 3):
        road.pull()
        await until(road.is_bad)
        await until(lambda: not road.ear.is_up("one"))
        road.set_value()
        await road.plug()
        await until(road.knows)
        await until(lambda: road.ear.is_up("one"))
        assert [up for up, _ in road.ear.links("one")] == [True, *[False, True] * times]
    assert all(reason.startswith("port lost: ") for up, reason in road.ear.links("one") if not up)
    for point in road.points():
        assert all(reading.reason.startswith("port lost") for reading in road.ear.readings(point) if reading.quality is Quality.BAD)


async def test_a_port_or_peer_that_is_not_there_yet_is_waited_for(road: Road) -> None:
    await road.stop_line()
    road.pull()
    road.run_line()
    await until(lambda: [up for up, _ in road.ear.links("one")] == [False])
    road.set_value()
    await road.plug()
    await until(road.knows)


@pytest.mark.slow
async def test_many_losses_hold_nothing_back(road: Road) -> None:
    await until(road.knows)
    before = held()
    for _ in range(10):
        road.pull()
        await until(lambda: not road.ear.is_up("one"))
        await road.plug()
        await until(road.knows)
    await until(lambda: held() == before)
