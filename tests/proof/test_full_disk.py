"""A disk that refuses: the alarm goes out from memory, marked, and is sealed under the same id when the disk is back."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from simulators.broker import Broker
from tests.proof.rig import Rig, rig, wait_for
from tests.proof.test_broker_trouble import field_text, press, ready, whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def let_files_grow_to(here: Rig, size: int) -> None:
    """RLIMIT_FSIZE of the running daemon: a write beyond it fails with EFBIG, as on a full disk."""
    assert here.gateway.process is not None
    hard = resource.prlimit(here.gateway.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(here.gateway.process.pid, resource.RLIMIT_FSIZE, (size, hard))


def test_alarm_leaves_while_the_journal_refuses(tmp_path: Path) -> None:
    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field_text()) as here:
        ready(here)
        press(here)
        wait_for(lambda: [e for e in here.events() if e["subject"] == "button"], "the press before")
        let_files_grow_to(here, 1)
        press(here, 2)
        early = wait_for(
            lambda: [e for e in here.events() if e["subject"] == "button" and e["sequence"] is None and "activated" in e["type"]],
            "early copies at the centre",
        )
        wait_for(lambda: "gw-journal/fault" in here.faults(), "a local fault: journal")
        assert here.metric("gw_journal_refusals_total")[""] > 0
        let_files_grow_to(here, resource.RLIM_INFINITY)
        wait_for(lambda: _sealed(here) >= {event["id"] for event in early}, "the same ids, sealed")
        wait_for(lambda: "gw-journal/fault" not in here.faults(), "the fault ends")
        assert len(_sealed(here)) == 3
        whole(here)
        wait_for(lambda: here.status()["outbox"]["depth"] == 0, "nothing is owed any more", 40)


def _sealed(here: Rig) -> set[str]:
    return {e["id"] for e in here.events() if e["subject"] == "button" and e["type"] == "campus.alarm.activated" and e["sequence"]}
