"""The headline: SIGKILL at random moments, and every cause reaches the centre exactly once."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from simulators.broker import Broker, free_port
from tests.proof.rig import Pace, Rig, rig, wait_for

KILLS = int(os.environ.get("PROOF_KILLS", "50"))
CAUSES_PER_S = 20

COUNTERS = [f"count-{n}" for n in range(1, 7)]
LATCHED = [f"latch-{n}" for n in range(1, 5)]


def field_text() -> str:
    """Six press counters on one module, four inputs that hold until they are cleared on another."""
    lines = [
        f'[[buses]]\nid = "a"\ntransport = "tcp"\nhost = "127.0.0.1"\nport = {free_port()}',
        f'[[buses]]\nid = "b"\ntransport = "tcp"\nhost = "127.0.0.1"\nport = {free_port()}',
        '[[devices]]\nid = "counter-module"\nbus = "a"\nprofile = "advantech-adam-6060"',
        '[[devices]]\nid = "latch-module"\nbus = "b"\nprofile = "latch-module"',
    ]
    point = '[[points]]\nid = "{}"\nrole = "door_forced"\nplace = "gate"\ndevice = "{}"\nsignal = "{}"\nlatching = false'
    lines += [point.format(name, "counter-module", f"di{n}_count") for n, name in enumerate(COUNTERS, 1)]
    lines += [point.format(name, "latch-module", f"di{n}_latched") for n, name in enumerate(LATCHED, 1)]
    return "\n".join(lines)


class Causes:
    """Presses that fall on the field, counted here: what the centre must have in the end."""

    def __init__(self, here: Rig, chance: random.Random) -> None:
        self._here = here
        self._chance = chance
        self._read_bytes = 0
        self._over: dict[str, set[str]] = {point: set() for point in LATCHED}
        self.caused: Counter[str] = Counter()

    def one(self) -> None:
        """A press on a random point; a latched input is normal again when the centre was told that its alarm is over."""
        point = self._chance.choice(COUNTERS + LATCHED)
        if point in LATCHED and len(self._alarms_over(point)) < self.caused[point]:
            point = self._chance.choice(COUNTERS)
        self._here.post(f"/points/{point}", {"press_ms": 20})
        self.caused[point] += 1

    def _alarms_over(self, point: str) -> set[str]:
        """Ids of the `cleared` events of a latched input at the centre; reads on in the centre's output."""
        assert self._here.centre is not None
        with self._here.centre.log.open("rb") as log:
            log.seek(self._read_bytes)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read_bytes += len(line)
                if b'"campus.alarm.cleared"' in line:
                    event = json.loads(line)
                    if event["subject"] in self._over:
                        self._over[event["subject"]].add(event["id"])
        return self._over[point]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_cause_arrives_once_through_fifty_kills(tmp_path: Path) -> None:
    seed = int(time.time())
    print(f"seed {seed}")
    chance = random.Random(seed)
    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field_text()) as here:
        wait_for(lambda: here.events(), "the journal's first event at the centre")
        wait_for(lambda: here.journal("SELECT count(*) FROM latch")[0][0] >= len(COUNTERS), "the counters' first values are stored")
        causes = Causes(here, random.Random(seed + 1))
        pace = Pace(CAUSES_PER_S, causes.one)
        pace.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.1, 1.6))
            here.gateway.kill()
            here.gateway.start()
        pace.stop()
        expected = sum(causes.caused.values())
        try:
            wait_for(lambda: _told(here).total() >= expected, "all causes at the centre", 90)
        finally:
            told = _told(here)
            print(f"kills {KILLS}, caused {expected}, told {told.total()}")
        assert told == causes.caused
        wait_for(lambda: not here.report()["missing"], "no hole in the numbers", 30)
        report = here.report()
        assert report["chain"] == "whole"
        assert report["unverified"] == 0
        assert report["conflicts"] == 0
        wait_for(lambda: here.status().get("outbox", {}).get("depth") == 0, "nothing is owed any more", 30)
        assert here.gateway.stop() == 0


def _told(here: Rig) -> Counter[str]:
    """Causes by point, each event id once."""
    beginnings = {
        event["id"]: event["subject"]
        for event in here.events()
        if event["type"] in ("campus.alarm.activated", "campus.alarm.repeated") and event["subject"] in COUNTERS + LATCHED
    }
    return Counter(beginnings.values())
