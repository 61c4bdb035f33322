"""Outputs and the power supply, with the daemon, an IO module on a paced line and the centre: what is switched, refused and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simulators.broker import Broker
from tests.proof.field_rig import campus, ends_of, events_of, journal_events, signal, types_of
from tests.proof.rig import Rig, rig, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

WIRE = """
[[buses]]
id = "io"
transport = "rtu"
device = "io.tty"
baud = 38400
[[devices]]
id = "module"
bus = "io"
profile = "waveshare-modbus-rtu-io-8ch"
[[points]]
id = "strobe-seen"
role = "contact"
place = "gate"
device = "module"
signal = "di1"
[[points]]
id = "loop"
role = "loop_clear"
place = "gate"
device = "module"
signal = "di2"
"""
OUTPUTS = """
[[outputs]]
id = "siren-1"
kind = "siren"
place = "gate"
device = "module"
signal = "do1"
[[outputs]]
id = "strobe-1"
kind = "strobe"
place = "gate"
device = "module"
signal = "do2"
confirm = { point = "strobe-seen", within_ms = 600 }
[[outputs]]
id = "gate-open"
kind = "relay"
place = "gate"
device = "module"
signal = "do3"
interlock = ["gate-close"]
[[outputs]]
id = "gate-close"
kind = "relay"
place = "gate"
device = "module"
signal = "do4"
[[outputs]]
id = "bollard-1"
kind = "bollard"
place = "gate"
device = "module"
signal = "do5"
pulse_ms = 600
loop_clear = "loop"
enabled = true
[[outputs]]
id = "bollard-2"
kind = "bollard"
place = "gate"
device = "module"
signal = "do6"
pulse_ms = 600
"""
POWER = """
[[points]]
id = "battery"
role = "battery_low"
place = "gate"
device = "module"
signal = "di3"
[[points]]
id = "mains"
role = "mains_fail"
place = "gate"
device = "module"
signal = "di4"
[power]
battery_low = "battery"
mains = "mains"
shutdown_after_s = 1
poweroff = false
"""
SAFE = ("siren-1", "strobe-1", "gate-open", "gate-close")
OWN = "safe value"


@contextmanager
def school(folder: Path, field: str) -> Iterator[tuple[Rig, Broker]]:
    """A gateway whose outputs have taken their safe values, and the centre knows."""
    with Broker("mosquitto", dir=folder / "broker") as broker, rig(folder, broker.url, field, protocol="5") as here:
        wait_for(lambda: {output for output, _, _ in ends_of(here, OWN)} == set(SAFE), "the safe values at start at the centre")
        yield here, broker


def switch(here: Rig, output: str, value: str, by: str) -> str:
    """One command by a person of whom there is one only; how the command line answered."""
    done = campus(here, "output", output, value, "--by", by)
    assert done.returncode == (1 if "refused" in done.stderr else 0), done.stderr
    return done.stdout + done.stderr


def ended(here: Rig, by: str) -> tuple[str, str, str]:
    """How the one command of this person ended."""
    ends: list[tuple[str, str, str]] = wait_for(lambda: ends_of(here, by), f"an end of the command of {by}")
    return ends[0]


def once_each(here: Rig, persons: int) -> None:
    """Each person's command has one end in the journal, and none of them two; the journal's chain is whole."""
    wait_for(lambda: here.status()["outbox"]["depth"] == 0, "all is received")
    assert here.gateway.stop() == 0
    ends = Counter(event["data"]["by"] for event in journal_events(here) if event["type"].startswith("campus.output."))
    commands = {by: count for by, count in ends.items() if by.startswith("guard-")}
    assert len(commands) == persons
    assert set(commands.values()) == {1}
    assert here.report()["chain"] == "whole"


def test_commands_are_carried_out_confirmed_or_refused(tmp_path: Path) -> None:
    with school(tmp_path, WIRE + OUTPUTS) as (here, _):
        assert "sent" in switch(here, "siren-1", "on", "guard-1")
        assert ended(here, "guard-1") == ("siren-1", "done", "")
        assert signal(here, "module", "do1")
        switch(here, "siren-1", "off", "guard-2")
        assert ended(here, "guard-2") == ("siren-1", "done", "")
        assert not signal(here, "module", "do1")

        switch(here, "strobe-1", "on", "guard-3")
        assert ended(here, "guard-3") == ("strobe-1", "unconfirmed", "not confirmed within 0.6 s: strobe-seen shows false")
        assert signal(here, "module", "do2")
        here.post("/points/strobe-seen", {"value": True})
        wait_for(lambda: types_of(here, "strobe-seen"), "the strobe is seen")
        switch(here, "strobe-1", "on", "guard-4")
        assert ended(here, "guard-4") == ("strobe-1", "done", "")

        switch(here, "gate-open", "on", "guard-5")
        assert ended(here, "guard-5") == ("gate-open", "done", "")
        assert "interlock: gate-open is on" in switch(here, "gate-close", "on", "guard-6")
        assert ended(here, "guard-6") == ("gate-close", "refused", "interlock: gate-open is on")
        assert not signal(here, "module", "do4")
        switch(here, "gate-open", "off", "guard-7")
        assert ended(here, "guard-7")[1] == "done"
        switch(here, "gate-close", "on", "guard-8")
        assert ended(here, "guard-8")[1] == "done"
        assert (signal(here, "module", "do3"), signal(here, "module", "do4")) == (False, True)

        assert "not enabled" in switch(here, "bollard-2", "on", "guard-9")
        assert ended(here, "guard-9")[:2] == ("bollard-2", "refused")
        assert "not known to be clear" in switch(here, "bollard-1", "on", "guard-10")
        assert ended(here, "guard-10") == ("bollard-1", "refused", "the loop is not known to be clear: loop shows false")
        here.post("/points/loop", {"value": True})
        wait_for(lambda: types_of(here, "loop"), "the loop is clear")
        switch(here, "bollard-1", "on", "guard-11")
        assert ended(here, "guard-11") == ("bollard-1", "done", "")
        wait_for(lambda: not signal(here, "module", "do5"), "the module has ended the pulse")
        assert here.get("/stats")["devices"]["module"]["by_function"].get("5", 0) > 0

        assert "is not an output of this site" in switch(here, "siren-9", "on", "guard-12")
        assert ended(here, "guard-12")[:2] == ("siren-9", "refused")
        once_each(here, 12)


def test_a_device_that_comes_back_and_a_daemon_that_begins_anew_bring_the_safe_values(tmp_path: Path) -> None:
    with school(tmp_path, WIRE + OUTPUTS) as (here, _):
        switch(here, "siren-1", "on", "guard-1")
        assert ended(here, "guard-1")[1] == "done"
        before = len(ends_of(here, OWN))
        here.post("/devices/module/fault", {"kind": "silent"})
        switch(here, "strobe-1", "on", "guard-2")
        assert ended(here, "guard-2")[:2] == ("strobe-1", "unconfirmed")
        wait_for(lambda: types_of(here, "module") == ["fault.activated"], "the silent module is a fault")
        switch(here, "siren-1", "off", "guard-3")
        assert ended(here, "guard-3") == ("siren-1", "refused", "device module does not answer")
        assert {"point": "siren-1", "reason": "bad: no answer"} in here.status()["not_good"]
        here.post("/buses/io/unplug", {})
        here.post("/devices/module/fault", {"kind": "late", "ms": 1})
        here.post("/buses/io/plug", {})
        wait_for(lambda: len(ends_of(here, OWN)) == before + len(SAFE), "the safe values are told again")
        assert {result for _, result, _ in ends_of(here, OWN)} == {"done"}
        assert not signal(here, "module", "do1")
        assert "siren-1" not in {item["point"] for item in here.status()["not_good"]}
        wait_for(lambda: types_of(here, "module")[-1] == "fault.cleared", "the module answers again")

        here.post("/buses/io/unplug", {})
        switch(here, "siren-1", "on", "guard-4")
        assert ended(here, "guard-4")[1] in ("refused", "unconfirmed")
        here.post("/buses/io/plug", {})
        wait_for(lambda: len(ends_of(here, OWN)) == before + 2 * len(SAFE), "the safe values after the port came back")
        a_killed_daemon_leaves_the_siren_on(here)
        once_each(here, 5)


def a_killed_daemon_leaves_the_siren_on(here: Rig) -> None:
    """The next one switches it off."""
    switch(here, "siren-1", "on", "guard-5")
    assert ended(here, "guard-5")[1] == "done"
    before = len(ends_of(here, OWN))
    here.gateway.kill()
    assert signal(here, "module", "do1")
    here.gateway.start()
    wait_for(lambda: not signal(here, "module", "do1"), "the siren is off")
    wait_for(lambda: len(ends_of(here, OWN)) == before + len(SAFE), "the safe values of the new start are told")


def test_a_low_battery_ends_the_daemon_in_good_order(tmp_path: Path) -> None:
    with school(tmp_path, WIRE + OUTPUTS + POWER) as (here, broker):
        here.post("/points/battery", {"value": True})
        wait_for(lambda: types_of(here, "battery")[-1:] == ["fault.activated"], "the low battery is a fault")
        assert here.gateway.process is not None
        assert here.gateway.process.poll() is None, "mains power is there: no reason to stop"
        here.post("/points/mains", {"value": True})
        wait_for(lambda: here.gateway.process is not None and here.gateway.process.poll() is not None, "the daemon ends by itself")
        assert here.gateway.process.returncode == 0, here.gateway.tail()
        assert not (tmp_path / "state" / "journal.db-wal").exists(), "the journal is closed"
        assert "Traceback" not in here.gateway.log.read_text()
        wait_for(lambda: types_of(here, "battery")[-1:] == ["gateway.stopping"], "the centre was told why")
        last = events_of(here, "battery")[-1]
        assert last["data"]["poweroff"] is False
        assert [event["id"] for event in journal_events(here)][-1:] == [last["id"]]
        assert here.journal("SELECT row FROM outbox WHERE state = 0") == [], "nothing is owed to the centre"
        assert not here.status(), "nobody answers at the door any more"
        with_nobody_to_tell(here, broker)


def with_nobody_to_tell(here: Rig, broker: Broker) -> None:
    """The broker is out of power, too: started anew on the same low battery, the daemon does not wait for receipts for ever."""
    broker.stop()
    here.gateway.start()
    process = here.gateway.process
    assert process is not None
    wait_for(lambda: process.poll() is not None, "the daemon ends by itself again")
    assert process.returncode == 0, here.gateway.tail()
    assert not (here.folder / "state" / "journal.db-wal").exists(), "the journal is closed"
    assert [event["type"] for event in journal_events(here)].count("campus.gateway.stopping") == 2
