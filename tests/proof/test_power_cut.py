"""Power cuts: what the centre was told stands in the journal, and what the broker acknowledged is still there."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from simulators.broker import Broker
from tests.proof.disk import cut, mounted, new_disk
from tests.proof.rig import Pace, rig, wait_for
from tests.proof.test_broker_trouble import field_text, press, pressed, ready, whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_what_the_centre_has_survives_in_the_journal(tmp_path: Path) -> None:
    """Publish starts from committed rows only: after a cut no event is at the centre that the journal does not know."""
    with new_disk(tmp_path) as (image, disk), Broker("nats", dir=tmp_path / "broker") as broker:
        (tmp_path / "state").symlink_to(disk)
        with rig(tmp_path, broker.url, field_text()) as here:
            ready(here)
            pace = Pace(8, lambda: press(here))
            pace.start()
            wait_for(lambda: len(pressed(here)) >= 15, "presses at the centre", 60)
            assert here.gateway.process is not None
            os.kill(here.gateway.process.pid, signal.SIGSTOP)
            copy = cut(image)
            pace.stop()
            wait_for(lambda: not _settles(here.events), "the centre has taken what was on its way")
            told = {event["sequence"]: event["id"] for event in here.events() if event["sequence"]}
            here.gateway.kill()
            with mounted(copy, tmp_path / "after") as after:
                with closing(sqlite3.connect(after / "journal.db")) as db:
                    kept = dict(db.execute("SELECT sequence, id FROM event"))
                assert {sequence: kept.get(sequence) for sequence in told} == told
                (tmp_path / "state").unlink()
                (tmp_path / "state").symlink_to(after)
                here.gateway.start()
                ready(here)
                press(here)
                wait_for(lambda: here.status()["outbox"]["depth"] == 0, "all is received", 40)
                whole(here)
                here.gateway.stop()


def _settles(events: object) -> bool:
    """True while more still arrives at the centre."""
    assert callable(events)
    before = len(events())
    time.sleep(0.5)
    return len(events()) != before


def test_the_broker_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """nats-server with `sync_interval: always`; with its default a cut loses every acknowledged message."""
    with new_disk(tmp_path) as (image, disk):
        broker = Broker("nats", dir=disk / "broker")
        broker.start()
        _subscriber(broker.port).disconnect()  # its session stays
        acked = _publish(broker.port, 300)
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        copy = cut(image)
        broker.kill()
        with mounted(copy, tmp_path / "after") as after:
            shutil.rmtree(after / "lost+found", ignore_errors=True)
            with Broker("nats", port=broker.port, dir=after / "broker") as again:
                received: set[bytes] = set()
                client = _subscriber(again.port, received)
                wait_for(lambda: acked <= received, f"all {len(acked)} acknowledged messages")
                client.disconnect()
                client.loop_stop()


def _client(port: int, name: str, *, clean: bool) -> mqtt.Client:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, name, clean_session=clean, protocol=mqtt.MQTTv311)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


def _subscriber(port: int, received: set[bytes] | None = None) -> mqtt.Client:
    """A persistent session that is subscribed."""
    granted: list[int] = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "keeps", clean_session=False, protocol=mqtt.MQTTv311)
    client.on_message = lambda _client, _data, message: received.add(message.payload) if received is not None else None
    client.on_subscribe = lambda *_: granted.append(1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe("alarm", qos=1)
    wait_for(lambda: granted, "the subscription")
    return client


def _publish(port: int, count: int) -> set[bytes]:
    """Payloads that the broker has acknowledged, one at a time."""
    client = _client(port, "sends", clean=True)
    acked = set()
    for number in range(count):
        payload = str(number).encode()
        client.publish("alarm", payload, qos=1).wait_for_publish(5)
        acked.add(payload)
    client.disconnect()
    client.loop_stop()
    return acked
