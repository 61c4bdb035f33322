"""One `campus-centre` at the two brokers of a gateway's two paths: one account, whichever broker dies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.broker import Broker
from tests.proof.rig import Rig, rig, start_centre, wait_for
from tests.proof.test_broker_trouble import field_text, press, pressed
from tests.proof.test_two_paths import both_up, nothing_owed, second

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@contextlib.contextmanager
def one_centre(folder: Path, one: Broker, two: Broker, mode: str) -> Iterator[Rig]:
    """A gateway with a path to each broker, and a centre that listens at both."""
    with rig(folder, one.url, field_text(), uplink=f'mode = "{mode}"', second=second(two.url), centre=None) as here:
        here.centre = start_centre(here, one.url, "3.1.1", "--broker", two.url)
        wait_for(lambda: len([line for line in here.centre_lines() if line["kind"] == "online"]) == 2, "the centre hears at both")
        both_up(here)
        yield here


def whole(here: Rig, presses: int) -> dict[str, object]:
    """Everything has its receipt, each press is counted once, and nothing is missing in the chain."""
    nothing_owed(here)
    report = here.report()
    assert len(pressed(here)) == presses
    assert (report["chain"], report["gaps"], report["missing"], report["conflicts"]) == ("whole", [], [], 0)
    return report


def came_by(here: Rig, broker: Broker) -> set[str]:
    """Ids of the presses that came over this broker."""
    there = f"127.0.0.1:{broker.port}"
    events = [line for line in here.events() if line["subject"] == "button" and line["type"] == "campus.alarm.activated"]
    return {line["id"] for line in events if line["broker"] == there}


def test_dual_and_one_broker_killed(tmp_path: Path) -> None:
    with (
        Broker("nats", dir=tmp_path / "one") as one,
        Broker("nats", dir=tmp_path / "two") as two,
        one_centre(tmp_path, one, two, "dual") as here,
    ):
        press(here, 2)
        wait_for(lambda: len(came_by(here, one)) == len(came_by(here, two)) == 2, "each alarm comes by both")
        assert whole(here, 2)["resent"] != 0, "the second copy of each"
        one.kill()
        press(here, 2)
        wait_for(lambda: len(came_by(here, two)) == 4, "the other broker goes on")
        whole(here, 4)
        one.start()
        wait_for(lambda: here.metric("gw_link_up")['{path="main"}'] == 1.0, "the first path is back", 60)
        two.kill()
        press(here, 2)
        wait_for(lambda: len(came_by(here, one)) >= 4, "and is of use at once")
        whole(here, 6)


def test_failover_and_one_broker_killed(tmp_path: Path) -> None:
    with (
        Broker("nats", dir=tmp_path / "one") as one,
        Broker("nats", dir=tmp_path / "two") as two,
        one_centre(tmp_path, one, two, "failover") as here,
    ):
        press(here, 2)
        wait_for(lambda: len(pressed(here)) == 2, "two presses")
        one.kill()
        press(here, 3)
        wait_for(lambda: len(pressed(here)) == 5, "three more, by the other broker", 60)
        assert len(came_by(here, two)) >= 3
        whole(here, 5)
