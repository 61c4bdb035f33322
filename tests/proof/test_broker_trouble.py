"""Brokers and centres that misbehave: nothing is lost, and each trouble shows in a metric and as a local fault."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from pathlib import Path

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from simulators.broker import Broker, free_port
from tests.proof.rig import Rig, rig, start_centre, wait_for
from tests.real_parts import need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

POINTS = ("button", "door")


def field_text(extra: str = "") -> str:
    """A panic button and a contact that is only observed."""
    return f"""
[[buses]]
id = "io"
transport = "tcp"
host = "127.0.0.1"
port = {free_port()}
[[devices]]
id = "module"
bus = "io"
profile = "advantech-adam-6060"
[[points]]
id = "button"
role = "door_forced"
latching = false
place = "gate"
device = "module"
signal = "di1_count"
[[points]]
id = "door"
role = "door_contact"
place = "gate"
device = "module"
signal = "di2"
{extra}
"""


def press(here: Rig, times: int = 1) -> None:
    for _ in range(times):
        here.post("/points/button", {"press_ms": 20})
        time.sleep(0.05)  # a hand lets go before it presses again


def pressed(here: Rig) -> set[str]:
    """Ids of the presses that the centre has."""
    return {event["id"] for event in here.events() if event["subject"] == "button" and event["type"] == "campus.alarm.activated"}


def stored(here: Rig) -> None:
    wait_for(here.status, "the daemon answers")
    wait_for(lambda: here.journal("SELECT count(*) FROM latch")[0][0] >= len(POINTS), "first values are stored")


def ready(here: Rig) -> None:
    wait_for(lambda: here.status().get("paths", [{}])[0].get("up"), "the path is up")
    stored(here)


def whole(here: Rig) -> None:
    """The centre has every event once, in an unbroken chain."""
    wait_for(lambda: not here.report()["missing"], "no hole in the numbers", 40)
    report = here.report()
    assert report["chain"] == "whole"
    assert (report["unverified"], report["conflicts"]) == (0, 0)


def test_broker_killed_for_twenty_seconds(tmp_path: Path) -> None:
    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field_text()) as here:
        ready(here)
        press(here)
        wait_for(lambda: len(pressed(here)) == 1, "the press before")
        broker.kill()
        ended_s = time.monotonic() + 20
        press(here, 5)
        wait_for(lambda: "gw-path-main/fault" in here.faults(), "a local fault for the path")
        assert here.metric("gw_link_up") == {'{path="main"}': 0.0}
        more = 0
        while time.monotonic() < ended_s or more < 20:
            press(here)
            more += 1
            time.sleep(0.9)
        sent = int(here.metric("gw_alarm_transitions_total")['{class="alarm",to="alarm.activated"}'])
        broker.start()
        wait_for(lambda: len(pressed(here)) == sent, f"all {sent} presses at the centre", 40)
        assert sent > 20
        wait_for(lambda: "gw-path-main/fault" not in here.faults(), "the path's fault ends")
        whole(here)


def forbid(tmp_path: Path) -> Broker:
    """mosquitto where the gateway may publish everything but event/access (a deny needs a user of its own)."""
    need("mosquitto", package="mosquitto")
    acl = tmp_path / "acl"
    acl.write_text(
        "topic readwrite #\n\nuser school\n"
        + "".join(f"topic write campus/v1/proof-school/gate/{name}\n" for name in ("birth", "status", "heartbeat", "telemetry", "state/#"))
        + "".join(f"topic write campus/v1/proof-school/gate/event/{name}\n" for name in ("alarm", "fault", "audit"))
        + "topic read campus/v1/proof-school/gate/receipt\n"
    )
    acl.chmod(0o644)
    return Broker("mosquitto", dir=tmp_path / "broker", extra=f"acl_file {acl}")


def test_forbidden_topic_over_mqtt_5(tmp_path: Path) -> None:
    """PUBACK 0x87: the topic is set aside and probed, the link stays up, everything else goes on."""
    school = ', username = "school"'
    with forbid(tmp_path) as broker, rig(tmp_path, broker.url, field_text(), protocol="5", path=school) as here:
        ready(here)
        here.post("/points/door", {"value": True})
        wait_for(lambda: "gw-publish/fault" in here.faults(), "a local fault that names the topic", 60)
        assert here.metric("gw_puback_total")['{code="0x87"}'] >= 1
        assert here.metric("gw_outbox_held_topics") == {"": 1.0}
        _alarms_go_on_beside(here)


def test_forbidden_topic_over_mqtt_311(tmp_path: Path) -> None:
    """3.1.1 cannot say no: a plain PUBACK, and the message is gone. The missing receipt is the one sign."""
    school, fast = ', username = "school"', "receipt_timeout_s = 1.0\ncentre_silence_s = 5.0"
    with forbid(tmp_path) as broker, rig(tmp_path, broker.url, field_text(), path=school, uplink=fast) as here:
        ready(here)
        here.post("/points/door", {"value": True})
        wait_for(lambda: "gw-centre-police/fault" in here.faults(), "a local fault: no receipt", 60)
        _alarms_go_on_beside(here)


def test_broker_that_closes_the_socket_on_a_topic(tmp_path: Path) -> None:
    """A 3.1.1 broker that acknowledges a forbidden topic and then drops the session: found by repetition, set aside."""
    harsh = MuteBroker(acknowledges=True, drops=b"/event/access")
    url = f"mqtt://127.0.0.1:{harsh.port}"
    with rig(tmp_path, url, field_text(), uplink="receipt_timeout_s = 1.0", centre=None) as here:
        stored(here)
        here.post("/points/door", {"value": True})
        wait_for(lambda: "gw-publish/fault" in here.faults(), "a local fault that names the topic", 60)
        assert here.metric("gw_outbox_held_topics") == {"": 1.0}
        wait_for(lambda: here.status()["paths"][0]["up"], "the path is up again")
        before = harsh.connects
        press(here, 2)
        wait_for(lambda: here.metric("gw_link_up")['{path="main"}'] and harsh.publishes > 0, "it goes on")
        time.sleep(8)  # a flapping link would have opened some ten sessions by now
        assert harsh.connects - before <= 1
        harsh.stop()


def _alarms_go_on_beside(here: Rig) -> None:
    ready(here)
    losses = here.metric("gw_link_losses_total")['{path="main"}']
    press(here, 3)
    wait_for(lambda: len(pressed(here)) == 3, "alarms go on beside it")
    time.sleep(8)  # long enough for a flapping link to show: each retry would cost one loss
    assert here.metric("gw_link_losses_total")['{path="main"}'] - losses <= 1
    assert here.metric("gw_link_up") == {'{path="main"}': 1.0}
    assert here.journal("SELECT count(*) FROM outbox o JOIN event e USING (row) WHERE o.state = 0 AND e.class = 'access'")[0][0] == 1


class MuteBroker:
    """Accepts MQTT 3.1.1 sessions, grants subscriptions, answers pings, and never acknowledges a publish.

    acknowledges: it does after all. drops: it ends the session after a publish whose topic ends so.
    """

    def __init__(self, *, acknowledges: bool = False, drops: bytes = b"") -> None:
        self._acknowledges = acknowledges
        self._drops = drops
        self.port = free_port()
        self.publishes = 0
        self.connects = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._serve())
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every session."""
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        for writer in self._writers:
            writer.close()
        if sessions := asyncio.all_tasks(self._loop):
            self._loop.run_until_complete(asyncio.wait(sessions))
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._session, "127.0.0.1", self.port)
        try:
            await asyncio.Event().wait()
        finally:
            server.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                kind = (await reader.readexactly(1))[0] >> 4
                body = await reader.readexactly(await _remaining_length(reader))
                if kind == 1:
                    self.connects += 1
                    writer.write(b"\x20\x02\x00\x00")
                elif kind == 8:
                    writer.write(b"\x90\x03" + body[:2] + b"\x01")
                elif kind == 12:
                    writer.write(b"\xd0\x00")
                elif kind == 3:
                    self.publishes += 1
                    topic_bytes = int.from_bytes(body[:2], "big")
                    topic, packet_id = body[2 : 2 + topic_bytes], body[2 + topic_bytes : 4 + topic_bytes]
                    if self._acknowledges:
                        writer.write(b"\x40\x02" + packet_id)
                    if self._drops and topic.endswith(self._drops):
                        return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _remaining_length(reader: asyncio.StreamReader) -> int:
    length, shift = 0, 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return length


def test_broker_that_never_acknowledges(tmp_path: Path) -> None:
    """Its sessions are given up and opened again; when a real broker stands in its place, everything arrives."""
    mute = MuteBroker()
    url = f"mqtt://127.0.0.1:{mute.port}"
    with rig(tmp_path, url, field_text(), uplink="puback_timeout_s = 2.0", centre=None) as here:
        wait_for(lambda: mute.publishes, "the gateway publishes")
        stored(here)
        press(here, 3)
        wait_for(lambda: mute.connects >= 3, "sessions without acknowledgement are given up", 40)
        wait_for(lambda: "gw-path-main/fault" in here.faults(), "a local fault for the path")
        assert here.metric("gw_link_losses_total")['{path="main"}'] >= 2
        assert here.journal("SELECT count(*) FROM outbox WHERE state = 0")[0][0] >= 3
        mute.stop()
        with Broker("nats", port=mute.port, dir=tmp_path / "broker") as broker:
            here.centre = start_centre(here, broker.url, "3.1.1")
            wait_for(lambda: len(pressed(here)) == 3, "all presses at the centre", 60)
            whole(here)


def test_centre_that_never_receipts(tmp_path: Path) -> None:
    """Repeats under the same id, then the local fault "centre silent"; receipts at last end delivery."""
    with (
        Broker("nats", dir=tmp_path / "broker") as broker,
        rig(
            tmp_path,
            broker.url,
            field_text(),
            uplink="receipt_timeout_s = 1.0\ncentre_silence_s = 4.0",
            centre=("--no-receipts",),
        ) as here,
    ):
        ready(here)
        press(here, 2)
        wait_for(lambda: len(pressed(here)) == 2, "the presses arrive")
        wait_for(lambda: "gw-centre-police/fault" in here.faults(), "the local fault: centre silent", 30)
        wait_for(lambda: here.metric("gw_resent_total")[""] >= 4, "repeats")
        assert len(pressed(here)) == 2, "a repeat has the same id"
        assert here.metric("gw_receipts_total")['{result="received"}'] == 0
        assert here.centre is not None
        here.centre.stop()
        here.centre = start_centre(here, broker.url, "3.1.1")
        wait_for(lambda: here.status()["outbox"]["depth"] == 0, "receipts end delivery", 40)
        wait_for(lambda: "gw-centre-police/fault" not in here.faults(), "the fault ends")
        whole(here)


def _forgeries(here: Rig) -> list[bytes]:
    """Receipts that must change nothing: other key with our kid, foreign kid, wrong gateway, altered, unsigned."""
    event = here.events()[0]
    body = {
        "by": "police",
        "at": "2026-01-01T00:00:00.000Z",
        "gateway": event["source"],
        "items": [{"id": event["id"], "sha256": event["sha256"]}],
        "result": "received",
        "reason": "",
    }
    real_kid = json.loads((here.folder / "centre.jwk").read_text())["kid"]
    stranger = OKPKey.generate_key("Ed25519")
    registry = jws.JWSRegistry(algorithms=["EdDSA"])

    def signed(content: dict[str, object], kid: str, typ: str = "campus-receipt") -> bytes:
        header = {"alg": "EdDSA", "kid": kid, "typ": typ}
        return jws.serialize_compact(header, json.dumps(content).encode(), stranger, registry=registry).encode()

    own = OKPKey.import_key(json.loads((here.folder / "centre.jwk").read_text()))

    def genuine(content: dict[str, object], typ: str = "campus-receipt") -> bytes:
        header = {"alg": "EdDSA", "kid": real_kid, "typ": typ}
        return jws.serialize_compact(header, json.dumps(content).encode(), own, registry=registry).encode()

    return [
        signed(body, real_kid),
        signed(body, "stranger"),
        genuine({**body, "gateway": "/sites/other/gateways/gate"}),
        genuine({**body, "by": "education"}),
        genuine({**body, "items": [{"id": event["id"], "sha256": "0" * 64}]}),
        genuine(body, typ="campus-command"),
        json.dumps(body).encode(),
        b"\x00\xff not a receipt",
    ]


def test_forged_receipts_change_nothing(tmp_path: Path) -> None:
    import paho.mqtt.client as mqtt

    with (
        Broker("nats", dir=tmp_path / "broker") as broker,
        rig(tmp_path, broker.url, field_text(), uplink="receipt_timeout_s = 60.0", centre=("--no-receipts",)) as here,
    ):
        ready(here)
        wait_for(lambda: here.events(), "an event at the centre")
        owed = here.journal("SELECT count(*) FROM outbox WHERE state = 0")[0][0]
        assert owed >= 1
        forged = _forgeries(here)
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        for token in forged:
            client.publish("campus/v1/proof-school/gate/receipt", token, qos=1).wait_for_publish(5)
        wait_for(lambda: here.metric("gw_bad_receipts_total")[""] == len(forged), "each is counted")
        client.disconnect()
        client.loop_stop()
        assert "gw-receipt/fault" in here.faults()
        assert here.journal("SELECT count(*) FROM outbox WHERE state <> 0")[0][0] == 0
        assert here.metric("gw_receipts_total")['{result="received"}'] == 0
