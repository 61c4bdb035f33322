"""What the proofs of the field buses share: the command line, events by what they are about, and all that is said on MQTT."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from simulators.broker import Broker
from tests.proof.rig import Rig


def campus(here: Rig, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `campus-gateway WORDS --config SITE`; not judged."""
    command = [sys.executable, "-m", "gateway", *words, "--config", str(here.site)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def events_of(here: Rig, subject: str, type_begins: str = "campus.") -> list[dict[str, Any]]:
    """What the centre was told of a point, door, device or output, each event once, in the order of the journal."""
    found = {event["id"]: event for event in here.events() if event["subject"] == subject and event["type"].startswith(type_begins)}
    return sorted(found.values(), key=lambda event: (event["epoch"], event["sequence"]))


def types_of(here: Rig, subject: str, type_begins: str = "campus.") -> list[str]:
    """The types of these events without `campus.`; those of its incident are left out."""
    types = [event["type"].removeprefix("campus.") for event in events_of(here, subject, type_begins)]
    return [kind for kind in types if not kind.startswith("incident.")]


def ends_of(here: Rig, by: str) -> list[tuple[str, str, str]]:
    """(output, result, reason) of every command of this person that is over, as the centre was told."""
    found = {event["id"]: event["data"] for event in here.events() if event["type"].startswith("campus.output.")}
    return [(data["output"], data["result"], data["reason"]) for data in found.values() if data["by"] == by]


def signal(here: Rig, device: str, name: str) -> Any:
    """What a simulated device has in this signal now."""
    return here.get("/devices")[device]["signals"][name]


def journal_events(here: Rig) -> list[dict[str, Any]]:
    """Every event that the journal holds."""
    return [json.loads(body) for (body,) in here.journal("SELECT body FROM event ORDER BY epoch, sequence")]


def traces_of(number: int, size: int) -> list[bytes]:
    """How a card's number could be found in lower-case text or bytes: decimal, hex of both byte orders with and without gaps, raw."""
    found = [str(number).encode()]
    for order in ("big", "little"):
        raw = number.to_bytes(size, "big") if order == "big" else number.to_bytes(size, "little")
        found += [raw.lower(), raw.hex().encode(), raw.hex(" ").encode(), raw.hex(":").encode(), str(raw)[2:-1].lower().encode()]
        found.append(base64.b64encode(raw).rstrip(b"=").lower())
    return found


@contextlib.contextmanager
def overheard(broker: Broker) -> Iterator[list[tuple[str, bytes]]]:
    """(topic, payload) of everything that crosses the broker from now on."""
    heard: list[tuple[str, bytes]] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="eavesdropper")
    client.on_message = lambda _client, _data, message: heard.append((message.topic, bytes(message.payload)))
    client.connect("127.0.0.1", broker.port)
    client.subscribe("#", qos=1)
    client.loop_start()
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()
