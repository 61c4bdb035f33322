"""Sight from the camera to the centre, with real parts: RTSP, decoder child, vision process, daemon, broker, centre."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simulators.broker import Broker
from simulators.camera import CameraServer
from tests.bench.vision_rig import decoders
from tests.proof.field_rig import events_of, overheard
from tests.proof.rig import Program, Rig, rig, wait_for
from tests.real_parts import need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

POINT = "person-gate"
STATE = f"campus/v1/proof-school/gate/state/{POINT}"
ALARMS = "campus/v1/proof-school/gate/event/alarm"
ZONE = ((0.05, 0.3), (0.95, 0.3), (0.95, 1.0), (0.05, 1.0))
OFF_S = 15  # a person who is found anew after an outage is believed within it, however busy the machine
LONG_S = 60.0  # the machine may be busy with anything


@dataclass
class Chain:
    """All parts at work. heard: (topic, payload) of everything that a subscriber at the broker got."""

    here: Rig
    camera: CameraServer
    vision: Program
    heard: list[tuple[str, bytes]]

    def states(self, since: int = 0) -> list[dict[str, Any]]:
        """What was said of the point's state, in order, from message number `since` on."""
        return [json.loads(payload) for topic, payload in self.heard[since:] if topic == STATE]

    def await_state(self, holds: Callable[[dict[str, Any]], bool], what: str, since: int = 0) -> dict[str, Any]:
        """The first state since then that is so."""
        found: list[dict[str, Any]] = wait_for(lambda: [state for state in self.states(since) if holds(state)], what, LONG_S)
        return found[0]

    def decoder(self) -> int:
        """Process id of the camera's only decoder."""
        assert self.vision.process is not None
        found: list[int] = wait_for(lambda: decoders(self.vision.process.pid), "a decoder", LONG_S)  # type: ignore[union-attr]
        (pid,) = found
        return pid


def field_text(url: str, of_point: str) -> str:
    return f"""
[[cameras]]
id = "gate-camera"
url = "{url}"
place = "gate"
zones = [{{ id = "apron", polygon = {[list(corner) for corner in ZONE]}, dwell_s = 1.0 }}]
[[points]]
id = "{POINT}"
role = "person_in_zone"
place = "gate"
camera = "gate-camera"
zone = "apron"
{of_point}
"""


@contextlib.contextmanager
def chain(folder: Path, of_point: str = "") -> Iterator[Chain]:
    """A gate without people, seen by the whole chain. of_point: further keys of the point."""
    need("mosquitto", package="mosquitto")
    camera = CameraServer("127.0.0.1", 0, "/gate")
    camera.start()
    try:
        with (
            Broker("mosquitto", dir=folder / "broker") as broker,
            overheard(broker) as heard,
            rig(folder, broker.url, field_text(camera.url, of_point), school=False) as here,
        ):
            wait_for(lambda: here.status().get("version"), "the daemon answers", LONG_S)
            door = folder / "state" / "door.sock"
            vision = Program(folder / "vision.log", "gateway", "vision", "--config", str(here.site), "--door", str(door)).start()
            try:
                seen = Chain(here, camera, vision, heard)
                seen.await_state(lambda state: state["quality"] == "good", "the camera sees")
                yield seen
            finally:
                vision.kill()
            assert here.gateway.stop() == 0
    finally:
        camera.stop()


def bad(state: dict[str, Any]) -> bool:
    return state["quality"] == "bad"


def nobody(state: dict[str, Any]) -> bool:
    return state["quality"] == "good" and state["value"] is False


def test_somebody_who_walks_in_is_an_alarm_that_says_how_sure_it_is_and_what_was_seen(tmp_path: Path) -> None:
    with chain(tmp_path) as seen:
        assert nobody(seen.states()[-1])
        seen.camera.set(person=True)
        wait_for(lambda: events_of(seen.here, POINT, "campus.alarm."), "the alarm at the centre", LONG_S)
        (alarm,) = events_of(seen.here, POINT, "campus.alarm.")
        assert alarm["type"] == "campus.alarm.activated"
        assert alarm["data"]["certainty"] == "Likely"
        told = [json.loads(payload) for topic, payload in seen.heard if topic == ALARMS]
        (mine,) = {event["id"]: event for event in told if event["subject"] == POINT and event["type"].startswith("campus.alarm.")}.values()
        assert mine["id"] == alarm["id"], "any subscriber has the same event"
        assert 0.5 <= mine["data"]["detail"]["confidence"] <= 1.0
        assert mine["data"]["detail"]["count"] == 1
        frames_lead_to_it(mine["data"]["evidence_frames"], mine["time"])
        seen.camera.set(person=False)
        gone = len(seen.heard)
        seen.await_state(nobody, "nobody is there any more", gone)
        wait_for(lambda: len(events_of(seen.here, POINT, "campus.alarm.")) == 2, "the alarm is over", LONG_S)


def frames_lead_to_it(frames: list[dict[str, Any]], alarm_at: str) -> None:
    """Several pictures from before the alarm, in order, each with a person; in the last one its feet are in the zone."""
    assert 2 <= len(frames) <= 5
    moments = [frame["at"] for frame in frames]
    assert moments == sorted(set(moments))
    assert moments[-1] <= alarm_at
    for frame in frames:
        left, top, right, bottom = frame["box"]
        assert 0.3 <= frame["score"] <= 1.0
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
    left, _, right, bottom = frames[-1]["box"]
    assert ZONE[0][0] <= (left + right) / 2 <= ZONE[1][0]
    assert bottom >= ZONE[0][1]


def test_whatever_ends_the_sight_is_said_with_its_reason_and_never_nobody_there(tmp_path: Path) -> None:
    with chain(tmp_path, f"off_delay_s = {OFF_S}") as seen:
        seen.camera.set(person=True)
        wait_for(lambda: alarms(seen), "somebody is there", LONG_S)

        killed = seen.decoder()
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: seen.decoder() != killed, "another decoder", LONG_S)

        since = len(seen.heard)
        os.kill(seen.decoder(), signal.SIGSTOP)
        blind_and_back(seen, since)

        since = len(seen.heard)
        seen.camera.stop()
        seen.await_state(bad, "no sight without the camera", since)
        seen.camera.start()
        blind_and_back(seen, since)

        assert len(alarms(seen)) == 1, "through all of it somebody was there"
        seen.camera.set(person=False)
        wait_for(lambda: len(alarms(seen)) == 2, "that the person has left is seen as well", LONG_S)


def alarms(seen: Chain) -> list[dict[str, Any]]:
    """What the centre was told of the point's alarm."""
    return events_of(seen.here, POINT, "campus.alarm.")


def blind_and_back(seen: Chain, since: int) -> None:
    """Since then the point was bad, for a reason that is said, and was good again; in between nobody said that nobody is there."""
    first = seen.await_state(bad, "the point is bad", since)
    assert first["value"] is None
    assert "no picture" in first["reason"]

    def again() -> bool:
        said = [state["quality"] for state in seen.states(since)]
        return "good" in said[said.index("bad") :]

    wait_for(again, "the point is good again", LONG_S)
    said = seen.states(since)
    blind = said[said.index(first) :]
    blind = blind[: next(i for i, state in enumerate(blind) if not bad(state))]
    assert all(state["reason"] and state["value"] is None for state in blind)
    assert not any(nobody(state) for state in said[: said.index(first)])
    assert len(alarms(seen)) == 1
