"""A centre lets a door be opened: two persons sign. And however many messages are refused, the record tells of all of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from simulators.broker import Broker, free_port
from simulators.centre.keys import make_key
from tests.proof.rig import Rig, rig, wait_for
from tests.real_parts import need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SOURCE = "/sites/proof-school/gateways/gate"
TOPIC = "campus/v1/proof-school/gate/command"
MAY = 'may = ["output", "acknowledge"], person = '


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
id = "lock-1"
kind = "lock"
place = "gate"
device = "module"
signal = "do1"
[[outputs]]
id = "siren-1"
kind = "siren"
place = "gate"
device = "module"
signal = "do2"
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    need("mosquitto", package="mosquitto")
    with Broker("mosquitto", dir=tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Rig]:
    """Two persons of the police have a key each."""
    folder = tmp_path_factory.mktemp("rig")
    make_key(folder / "li.jwk", "police")
    li = json.loads((folder / "li.jwk").read_text())
    keys = f', {MAY}"王警官" }}, {{ kid = "{li["kid"]}", x = "{li["x"]}", {MAY}"李警官"'
    with rig(folder, broker.url, field_text(), protocol="5", key=keys) as running:
        wait_for(lambda: running.status().get("devices") == {"module": True}, "the module answers")
        wait_for(lambda: running.metric("gw_link_up")['{path="main"}'] == 1, "the path is up")
        yield running


def says(here: Rig, broker: Broker, output: str, value: str, *keys: str) -> list[tuple[str, str]]:
    """`campus-centre command output ...`: (result, reason) of each answer."""
    done = subprocess.run(
        [sys.executable, "-m", "simulators.centre", "command", "output", output, "--value", value, "--gateway", SOURCE, "--url", broker.url,
         "--json", "--protocol", "5", *(word for key in keys for word in ("--key", str(here.folder / key))),
         "--trust", here.folder / "trust.json"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return [(answer["result"], answer["reason"]) for answer in map(json.loads, done.stdout.splitlines())]


def is_open(here: Rig) -> bool:
    return bool(here.get("/devices")["module"]["signals"]["do1"])


def told(here: Rig, kind: str) -> list[dict[str, Any]]:
    """Data of the events of this type that the centre has, each once."""
    return list({event["id"]: event["data"] for event in here.events() if event["type"] == kind}.values())


def test_two_persons_open_a_door(here: Rig, broker: Broker) -> None:
    for keys in (["centre.jwk"], ["li.jwk"]):
        assert says(here, broker, "lock-1", "on", *keys) == [("refused", "second")]
    assert says(here, broker, "lock-1", "on", "centre.jwk", "centre.jwk") == [("refused", "signature")]
    refused = wait_for(lambda: found if len(found := told(here, "campus.audit.command")) == 3 else [], "on record")
    assert [(data["by"], data["target"], data["result"], data["reason"].split(":")[0]) for data in refused] == [
        ("police: 王警官", "lock-1", "refused", "second"),
        ("police: 李警官", "lock-1", "refused", "second"),
        ("police: 王警官", "lock-1", "refused", "signature"),
    ]
    assert not is_open(here)
    assert says(here, broker, "lock-1", "on", "centre.jwk", "li.jwk") == [("accepted", ""), ("done", "")]
    assert is_open(here)
    done = wait_for(lambda: [data for data in told(here, "campus.output.done") if data["origin"] == "mqtt"], "on record")
    assert [(data["by"], data["second"], data["output"]) for data in done] == [("police: 王警官", "police: 李警官", "lock-1")]
    assert says(here, broker, "lock-1", "off", "li.jwk") == [("accepted", ""), ("done", "")], "one person locks it"
    assert says(here, broker, "siren-1", "on", "li.jwk") == [("accepted", ""), ("done", "")], "and sounds a siren"
    assert not is_open(here)


def test_every_refused_message_is_told(here: Rig, broker: Broker) -> None:
    """Most of a storm is not even looked at; the last part of a minute is told when the gateway stops."""
    storm = 400
    before = here.journal("SELECT max(row) FROM event")[0][0]
    metric_before = sum(here.metric("gw_remote_commands_total").values())
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(storm)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    for last in [client.publish(TOPIC, b"junk %d" % number, qos=1) for number in range(storm)]:
        last.wait_for_publish(10)
    client.disconnect()
    client.loop_stop()
    wait_for(lambda: sum(here.metric("gw_remote_commands_total").values()) == metric_before + storm, "all have come")
    assert here.metric("gw_remote_commands_total")['{result="dropped"}'] > 0
    assert here.gateway.stop() == 0
    bodies = here.journal(f"SELECT body FROM event WHERE row > {before}")
    reasons = [data["reason"] for (body,) in bodies if "reason" in (data := json.loads(body)["data"]) and data.get("command") == ""]
    floods = [found for reason in reasons if (found := re.match(r"flood: (\d+) more messages were refused \(dropped (\d+)", reason))]
    assert floods, reasons
    assert len(reasons) - len(floods) + sum(int(found[1]) for found in floods) == storm
