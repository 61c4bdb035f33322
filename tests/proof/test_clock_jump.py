"""A wall clock that jumps an hour back and a year on while the daemon runs: alarms go out, numbers and ids stay in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.broker import Broker
from tests.proof.rig import Rig, rig, wait_for
from tests.proof.test_broker_trouble import field_text, press, pressed, ready, whole
from tests.real_parts import missing, need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def faketime_library() -> str:
    """libfaketime for LD_PRELOAD. The monotonic clock must be left alone, or asyncio's own clock goes back too."""
    need("faketime", package="faketime")
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        missing("libfaketime is not installed: apt-get install faketime")
    return str(found[0])


def test_alarms_through_clock_jumps(tmp_path: Path) -> None:
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    environment = {
        "LD_PRELOAD": faketime_library(),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field_text(), environment=environment) as here:
        ready(here)
        for number, jump in enumerate(("+0", "-3600", "+31536000", "-31536000"), 1):
            offset.write_text(f"{jump}\n")
            press(here)
            wait_for(lambda n=number: len(pressed(here)) == n, f"the press after a jump of {jump} s")
        whole(here)
        times = _presses(here, "time")
        assert times != sorted(times), "the wall clock did jump"
        assert _presses(here, "id") == sorted(_presses(here, "id"))
        monotonic = [int(event["monotonicms"]) for event in _bodies(here)]
        assert monotonic == sorted(monotonic)


def _bodies(here: Rig) -> list[dict[str, str]]:
    import json

    return [json.loads(body) for (body,) in here.journal("SELECT body FROM event WHERE type = 'campus.alarm.activated' ORDER BY row")]


def _presses(here: Rig, key: str) -> list[str]:
    return [event[key] for event in _bodies(here)]
