"""Signed commands with the real daemon, broker and centre: what a key is good for is done once, everything else changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.publish import single

from simulators.broker import Broker, free_port
from simulators.centre.commands import order, sign
from simulators.centre.keys import make_key, read_key
from tests.proof.rig import Rig, rig, wait_for
from tests.real_parts import need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SOURCE = "/sites/proof-school/gateways/gate"
TOPIC = "campus/v1/proof-school/gate/command"
MAY = ', may = ["acknowledge", "replay", "output"]'


def field_text() -> str:
    return f"""
[[buses]]
id = "a"
transport = "rtu-tcp"
host = "127.0.0.1"
port = {free_port()}
[[devices]]
id = "module"
bus = "a"
profile = "waveshare-modbus-rtu-io-8ch"
[[points]]
id = "panic"
role = "panic_button"
place = "gate"
device = "module"
signal = "di1"
[[outputs]]
id = "siren-1"
kind = "siren"
place = "gate"
device = "module"
signal = "do1"
[[points]]
id = "strobe-seen"
role = "contact"
place = "gate"
device = "module"
signal = "di2"
[[outputs]]
id = "strobe-1"
kind = "strobe"
place = "gate"
device = "module"
signal = "do2"
confirm = {{ point = "strobe-seen", within_ms = 300 }}
"""


class Centre:
    """Somebody at the centre of this rig, and whoever else may write to the broker."""

    def __init__(self, here: Rig, broker: Broker, protocol: str) -> None:
        self.here = here
        self.port = broker.port
        self.protocol = protocol
        self.url = broker.url

    def says(self, *words: str) -> tuple[int, list[dict[str, Any]]]:
        """`campus-centre command ...`: its exit status and the answers."""
        done = subprocess.run(
            [sys.executable, "-m", "simulators.centre", "command", *words, "--gateway", SOURCE, "--url", self.url, "--json",
             "--protocol", self.protocol, "--key", self.here.folder / "centre.jwk", "--trust", self.here.folder / "trust.json"],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def token(
        self, kind: str = "acknowledge", target: str = "panic", *, age_s: float = 0.0, key: str = "centre.jwk", **changes: Any
    ) -> bytes:
        issued = datetime.now(UTC) - timedelta(seconds=age_s)
        return sign({**order("police", SOURCE, kind, target, issued, 60.0), **changes}, [read_key(self.here.folder / key)])

    def publish(self, token: bytes, *, retain: bool = False) -> None:
        version = mqtt.MQTTv5 if self.protocol == "5" else mqtt.MQTTv311
        single(TOPIC, token, qos=1, retain=retain, hostname="127.0.0.1", port=self.port, protocol=version)

    def refusals(self, reason: str) -> list[dict[str, Any]]:
        """Audit events that the centre has of commands refused for this reason."""
        found = {event["id"]: event["data"] for event in self.here.events() if event["type"] == "campus.audit.command"}
        return [data for data in found.values() if data["reason"].startswith(f"{reason}:")]

    def panic(self) -> str:
        return next(item["state"] for item in self.here.status()["alarms"] if item["alarm"] == "panic/alarm")

    def ready(self) -> None:
        wait_for(lambda: self.here.status().get("devices") == {"module": True}, "the module answers")
        wait_for(lambda: self.here.metric("gw_link_up")['{path="main"}'] == 1, "the path is up")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_commands_of_the_centre(tmp_path: Path, protocol: str) -> None:
    need("mosquitto", package="mosquitto")
    with (
        Broker("mosquitto", dir=tmp_path / "broker") as broker,
        rig(tmp_path, broker.url, field_text(), protocol=protocol, key=MAY) as here,
    ):
        centre = Centre(here, broker, protocol)
        centre.ready()
        here.post("/points/panic", {"press_ms": 300})
        wait_for(lambda: centre.panic() == "latched_unacknowledged", "the alarm")
        an_acknowledgement(centre)
        an_output(centre)
        here.post("/points/panic", {"press_ms": 300})
        wait_for(lambda: centre.panic() == "latched_unacknowledged", "the next press")
        repeated = what_changes_nothing(centre)
        after_a_restart(centre, repeated)
        events_again(centre)
        assert here.gateway.stop() == 0


def an_acknowledgement(centre: Centre) -> None:
    status, answers = centre.says("acknowledge", "panic", "--person", "王警官")
    assert [(a["command"], a["target"], a["result"], a["reason"]) for a in answers] == [
        ("acknowledge", "panic", "accepted", ""),
        ("acknowledge", "panic", "done", ""),
    ]
    assert (status, centre.panic()) == (0, "latched_acknowledged")
    told = wait_for(lambda: [e for e in centre.here.events() if e["type"] == "campus.audit.command"], "the audit event")
    data = told[0]["data"]
    assert (data["by"], data["role"], data["origin"], data["result"]) == ("police: 王警官", "centre", "mqtt", "accepted")
    assert data["command_id"] == answers[0]["id"]
    assert [e["data"]["by"] for e in centre.here.events() if e["type"] == "campus.alarm.acknowledged"] == ["police: 王警官"]


def an_output(centre: Centre) -> None:
    """Done once the device has taken it; refused where the table of alarms or outputs says no."""
    status, answers = centre.says("output", "siren-1", "--value", "on")
    assert (status, [answer["result"] for answer in answers]) == (0, ["accepted", "done"])
    assert centre.here.get("/devices")["module"]["signals"]["do1"]
    status, answers = centre.says("output", "strobe-1", "--value", "on")
    assert (status, [answer["result"] for answer in answers]) == (1, ["accepted", "failed"]), "its lamp was not seen"
    told = {answers[0]["id"]: "unconfirmed"}
    status, answers = centre.says("output", "no-such", "--value", "on")
    assert (status, [(answer["result"], answer["reason"]) for answer in answers]) == (1, [("refused", "rules")])
    told[answers[0]["id"]] = "refused"
    ended = wait_for(
        lambda: [e["data"] for e in centre.here.events() if e["type"] in ("campus.output.unconfirmed", "campus.output.refused")], "told"
    )
    assert {data.get("command_id"): data["result"] for data in ended} == told


def what_changes_nothing(centre: Centre) -> bytes:
    """A panic alarm waits for somebody all the while. Returns a command that was taken."""
    here = centre.here
    taken = centre.token()
    centre.publish(taken)
    wait_for(lambda: centre.panic() == "latched_acknowledged", "it is taken")
    here.post("/points/panic", {"press_ms": 300})
    wait_for(lambda: centre.panic() == "latched_unacknowledged", "one more press")
    make_key(here.folder / "stranger.jwk", "police")
    bad = {
        "repeated": taken,
        "stale": centre.token(age_s=600.0),
        "future": centre.token(age_s=-600.0),
        "gateway": centre.token(gateway="/sites/proof-school/gateways/other"),
        "by": centre.token(by="bureau"),
        "permission": centre.token("reset"),
        "signature": centre.token(key="stranger.jwk"),
        "message": centre.token(id=5),
    }
    for token in bad.values():
        centre.publish(token)
    for reason in bad:
        wait_for(lambda reason=reason: centre.refusals(reason), f"an audit event: {reason}")
    counted = here.metric("gw_remote_commands_total")
    assert {reason: counted[f'{{result="{reason}"}}'] for reason in bad} == dict.fromkeys(bad, 1.0)
    assert centre.panic() == "latched_unacknowledged"
    answered = {line["message"]["reason"] for line in here.centre_lines() if line["kind"] == "command/result"} - {"", "rules"}
    assert answered == set(bad) - {"signature", "message"}, "nobody signed the one, and the other has no id"
    return taken


def after_a_restart(centre: Centre, taken: bytes) -> None:
    """What was taken is known for good; what a broker has kept is no command.

    MQTT 5 keeps the retain flag on what is published now and sends nothing kept; with 3.1.1 it is the other way round.
    """
    here = centre.here
    if centre.protocol == "5":
        centre.publish(centre.token(), retain=True)
    else:
        before = len(centre.refusals("repeated"))
        centre.publish(taken, retain=True)
        wait_for(lambda: len(centre.refusals("repeated")) > before, "on record")
    assert here.gateway.stop() == 0
    here.gateway.start()
    centre.ready()
    wait_for(lambda: centre.refusals("retained"), "an audit event: retained")
    before = len(centre.refusals("repeated"))
    centre.publish(taken)
    wait_for(lambda: len(centre.refusals("repeated")) > before, "known after a restart")
    assert centre.panic() == "latched_unacknowledged"


def events_again(centre: Centre) -> None:
    """The centre has lost its store: it asks for everything from a place on."""

    def first_alarm() -> int:
        return len([line for line in centre.here.events() if line["type"] == "campus.alarm.activated" and line["subject"] == "panic"])

    for place in (("9", "1"), ("1", "999999"), ("1", "0"), ("0", "1")):
        status, answers = centre.says("replay", "--from-epoch", place[0], "--from-sequence", place[1])
        assert (status, [(answer["result"], answer["reason"]) for answer in answers]) == (1, [("refused", "rules")]), place
    before = first_alarm()
    status, answers = centre.says("replay", "--from-epoch", "1", "--from-sequence", "1")
    assert (status, [answer["result"] for answer in answers]) == (0, ["accepted", "done"])
    wait_for(lambda: first_alarm() == before + 1, "the alarm once more")
    wait_for(lambda: centre.here.status()["outbox"]["depth"] == 0, "and receipted once more")


NO_COMMANDS = """
authorization { users = [ { user: "x", password: "x", permissions: { subscribe: { deny: ["campus.v1.proof-school.gate.command"] } } } ] }
no_auth_user: x
"""


def test_a_broker_that_grants_no_commands_gets_the_alarms(tmp_path: Path) -> None:
    with Broker("nats", dir=tmp_path / "broker", extra=NO_COMMANDS) as broker, rig(tmp_path, broker.url, field_text()) as here:
        Centre(here, broker, "3.1.1").ready()
        wait_for(lambda: "no commands on path main" in here.gateway.log.read_text(), "it is said")
        here.post("/points/panic", {"press_ms": 300})
        wait_for(lambda: [e for e in here.events() if e["type"] == "campus.alarm.activated" and e["subject"] == "panic"], "the alarm")
        assert here.metric("gw_link_connects_total")['{path="main"}'] == 1
        assert here.gateway.stop() == 0
