"""Each trouble of a link: what the gateway does, the metric, the local fault; and nothing is lost."""

from __future__ import annotations

import threading
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from gateway.contract.jws import Signer
from gateway.runtime.keys import KEY_NAME, client_id
from simulators.broker import Broker, Kind
from tests.proof.proxy import Proxy
from tests.proof.rig import Rig, rig, start_centre, wait_for
from tests.proof.scripted_broker import ScriptedBroker
from tests.proof.test_broker_trouble import field_text, press, pressed, ready, stored, whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def ends(here: Rig, trouble: str) -> float:
    """Sessions and attempts of the path that ended so."""
    return here.metric("gw_link_ends_total")[f'{{path="main",trouble="{trouble}"}}']


def reason(here: Rig) -> str:
    return str(here.status()["paths"][0]["reason"])


def test_a_port_that_takes_connections_and_says_nothing(tmp_path: Path) -> None:
    with ScriptedBroker(connack=None) as mute, rig(tmp_path, mute.url, field_text(), protocol="5", centre=None) as here:
        stored(here)
        wait_for(lambda: "has not answered" in reason(here), "the reason names it", 40)
        wait_for(lambda: ends(here, "unreachable") >= 1, "it is counted")
        wait_for(lambda: "gw-path-main/fault" in here.faults(), "a local fault for the path", 40)
        mute.connack = 0
        wait_for(lambda: here.status()["paths"][0]["up"], "it talks at last", 40)


def test_wrong_password(tmp_path: Path) -> None:
    """Told in clear words, tried slowly, and over as soon as the broker is content."""
    with ScriptedBroker(connack=0x86) as strict, rig(tmp_path, strict.url, field_text(), protocol="5", centre=None) as here:
        stored(here)
        wait_for(lambda: "user or password is wrong" in reason(here), "the reason says what to look at")
        wait_for(lambda: "gw-path-main/fault" in here.faults(), "a local fault for the path", 40)
        tried = strict.connects
        assert ends(here, "refused") == tried
        strict.connack = 0
        wait_for(lambda: here.status()["paths"][0]["up"], "let in at last", 40)
        assert strict.connects <= tried + 2, "slowly"


def test_half_open_connection(tmp_path: Path) -> None:
    """The router dies without a word: given up after puback_timeout_s, tried again, delivered when it is back."""
    with (
        Broker("nats", dir=tmp_path / "broker") as broker,
        Proxy(broker.port) as proxy,
        rig(tmp_path, proxy.url, field_text(), uplink='supervision = "sp6"\npuback_timeout_s = 3.0', centre=None) as here,
    ):
        here.centre = start_centre(here, broker.url, "3.1.1")
        ready(here)
        press(here)
        wait_for(lambda: len(pressed(here)) == 1, "the press before")
        proxy.stall()
        press(here, 3)
        wait_for(lambda: ends(here, "unacknowledged") >= 1, "the silent session is given up")
        wait_for(lambda: "gw-path-main/fault" in here.faults(), "a local fault for the path", 40)
        proxy.resume()
        wait_for(lambda: len(pressed(here)) == 4, "all presses at the centre", 40)
        wait_for(lambda: "gw-path-main/fault" not in here.faults(), "the fault ends")
        whole(here)


def test_half_open_without_an_alarm_is_noticed_too(tmp_path: Path) -> None:
    """A heartbeat is waited for as an alarm is."""
    with (
        Broker("nats", dir=tmp_path / "broker") as broker,
        Proxy(broker.port) as proxy,
        rig(tmp_path, proxy.url, field_text(), uplink='supervision = "sp6"\npuback_timeout_s = 3.0') as here,
    ):
        wait_for(lambda: here.status().get("outbox", {}).get("depth") == 0, "nothing is owed")
        proxy.stall()
        wait_for(lambda: "gw-path-main/fault" in here.faults(), "a local fault for the path", 40)


def test_quota_exceeded(tmp_path: Path) -> None:
    """PUBACK 0x97 passes by itself: the class waits some seconds, and the session stays."""
    refusals = {"event/alarm": [0x97] * 5}
    with ScriptedBroker(answers=refusals) as full, rig(tmp_path, full.url, field_text(), protocol="5", centre=None) as here:
        ready(here)
        press(here)
        wait_for(lambda: "gw-publish/fault" in here.faults(), "a local fault that names the topic")
        wait_for(lambda: here.metric("gw_puback_total").get('{code="0x97"}') == 5, "tried again after seconds", 40)
        wait_for(lambda: full.publishes["event/alarm"] >= 6, "and taken at last", 30)
        wait_for(lambda: "gw-publish/fault" not in here.faults(), "the fault ends")
        assert full.connects == 1


def test_takeover_is_told_by_mqtt_5(tmp_path: Path) -> None:
    """DISCONNECT 0x8E: another device has our client id. The fault says so; we wait, and the longer the more often it happens."""
    with ScriptedBroker(ends=0x8E) as broker, rig(tmp_path, broker.url, field_text(), protocol="5", centre=None) as here:
        stored(here)
        wait_for(lambda: "gw-client-main/fault" in here.faults(), "a local fault: cloned client id")
        assert ends(here, "taken_over") >= 1
        assert "proof-school-gate-main" in next(f["reason"] for f in here.status()["faults"] if f["alarm"] == "gw-client-main/fault")
        broker.ends = None
        wait_for(lambda: here.status()["paths"][0]["up"], "the session is ours again", 60)
        assert here.metric("gw_link_rival") == {'{path="main"}': 1.0}, "one calm minute is no proof"


class Clone(threading.Thread):
    """Another device with the same client id, which comes back each time it is thrown out."""

    def __init__(self, port: int, name: str, protocol: str) -> None:
        super().__init__(daemon=True)
        version = mqtt.MQTTv5 if protocol == "5" else mqtt.MQTTv311
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=version)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)

    def run(self) -> None:
        self._client.loop_forever()

    def stop(self) -> None:
        self._client.disconnect()
        self.join(10)


@pytest.mark.parametrize(("kind", "protocol"), [("nats", "3.1.1"), ("mosquitto", "5")])
def test_cloned_client_id_at_a_broker_that_only_closes(tmp_path: Path, kind: Kind, protocol: str) -> None:
    """MQTT 3.1.1 (and mosquitto 2.0 under 5) has no word for it: sessions that end again and again. Alarms get through between."""
    with Broker(kind, dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field_text(), protocol=protocol) as here:
        ready(here)
        key = Signer((here.folder / "state" / KEY_NAME).read_bytes())  # a copy of the whole box
        clone = Clone(broker.port, client_id("proof-school", "gate", "main", key), protocol)
        clone.start()
        wait_for(lambda: "gw-client-main/fault" in here.faults(), "a local fault: cloned client id", 90)
        before = here.metric("gw_link_connects_total")['{path="main"}']
        press(here, 3)
        wait_for(lambda: len(pressed(here)) == 3, "the presses get through all the same", 60)
        assert here.metric("gw_link_connects_total")['{path="main"}'] - before < 20, "not a fight without end"
        clone.stop()
        wait_for(lambda: here.status()["outbox"]["depth"] == 0, "all is delivered", 60)
        whole(here)


def test_unusable_ends_the_repeats_and_is_told(tmp_path: Path) -> None:
    with (
        Broker("nats", dir=tmp_path / "broker") as broker,
        rig(tmp_path, broker.url, field_text(), uplink="receipt_timeout_s = 1.0", centre=("--result", "unusable")) as here,
    ):
        ready(here)
        press(here)
        wait_for(lambda: len(pressed(here)) == 1, "the press")
        wait_for(lambda: "gw-centre-police/fault" in here.faults(), "a local fault with the centre's reason")
        assert "refused on request" in next(f["reason"] for f in here.status()["faults"] if f["alarm"] == "gw-centre-police/fault")
        wait_for(lambda: here.status()["outbox"]["depth"] == 0, "nothing is repeated")
        assert here.metric("gw_receipts_total")['{result="unusable"}'] >= 1
        assert here.metric("gw_resent_total")[""] == 0


def test_a_replayed_receipt_changes_nothing(tmp_path: Path) -> None:
    topic = "campus/v1/proof-school/gate/receipt"
    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field_text()) as here:
        taken: list[bytes] = []
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        client.on_message = lambda *told: taken.append(told[2].payload)
        client.connect("127.0.0.1", broker.port)
        client.subscribe(topic, 1)
        client.loop_start()
        ready(here)
        wait_for(lambda: taken and here.status()["outbox"]["depth"] == 0, "receipts")
        settled = here.metric("gw_receipts_total")['{result="received"}']
        here.centre.kill()  # type: ignore[union-attr]
        press(here)
        wait_for(lambda: here.status()["outbox"]["depth"], "the press is owed")
        genuine = tuple(taken)
        for payload in genuine:
            client.publish(topic, payload, qos=1).wait_for_publish(5)
        wait_for(lambda: len(taken) >= 2 * len(genuine), "they came back")
        assert here.metric("gw_receipts_total")['{result="received"}'] == settled
        assert here.status()["outbox"]["depth"] >= 1, "the press is owed still"
        client.disconnect()
        client.loop_stop()
