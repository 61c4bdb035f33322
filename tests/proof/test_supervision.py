"""How soon the centre learns of a dead link, measured at the receiver: sp6 in 20 s; sp5 and dp4 in 90 s (LONG_PROOFS=1)."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from simulators.broker import Broker, Kind
from tests.proof.proxy import Proxy
from tests.proof.rig import rig, wait_for
from tests.proof.test_broker_trouble import field_text, ready
from tests.real_parts import need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

LONG = pytest.mark.skipif(os.environ.get("LONG_PROOFS") != "1", reason="two minutes; LONG_PROOFS=1 runs it")


class Receiver:
    """A subscriber at the centre: when the will came, and when each heartbeat did (monotonic seconds)."""

    def __init__(self, port: int) -> None:
        self.offline_s = 0.0
        self.heard_s: list[float] = []
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", port)
        self._client.subscribe([("campus/v1/proof-school/gate/status", 1), ("campus/v1/proof-school/gate/heartbeat", 1)])
        self._client.loop_start()

    def _take(self, client: object, userdata: object, message: mqtt.MQTTMessage) -> None:
        if message.topic.endswith("heartbeat"):
            self.heard_s.append(time.monotonic())
        elif not json.loads(message.payload)["online"]:
            self.offline_s = time.monotonic()

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.mark.parametrize("kind", ["nats", "mosquitto"])
@pytest.mark.parametrize(
    ("profile", "heartbeat_s", "deadline_s"), [("sp6", 5.0, 20.0), pytest.param("sp5", 30.0, 90.0, marks=LONG)], ids=["sp6", "sp5"]
)
def test_a_dead_link_is_known_in_time(tmp_path: Path, kind: Kind, profile: str, heartbeat_s: float, deadline_s: float) -> None:
    """EN 50136-1: the link dies without a word right after a heartbeat, the worst moment; the will comes within the profile's time."""
    if kind == "mosquitto":
        need("mosquitto", package="mosquitto")
    with (
        Broker(kind, dir=tmp_path / "broker") as broker,
        Proxy(broker.port) as proxy,
        rig(tmp_path, proxy.url, field_text(), uplink=f'supervision = "{profile}"', centre=None) as here,
    ):
        receiver = Receiver(broker.port)
        ready(here)
        count = len(receiver.heard_s)
        wait_for(lambda: len(receiver.heard_s) >= count + 2, "heartbeats", 3 * heartbeat_s)
        assert receiver.heard_s[-1] - receiver.heard_s[-2] < heartbeat_s + 2, "in the pace that the profile names"
        dead_s = time.monotonic()
        proxy.stall()
        wait_for(lambda: receiver.offline_s > dead_s, f"the will within {deadline_s:.0f} s", deadline_s)
        receiver.stop()
        here.gateway.kill()
        proxy.resume()


@pytest.mark.parametrize("mode", ["failover", "dual"])
def test_the_reserve_is_supervised_too(tmp_path: Path, mode: str) -> None:
    """Heartbeats on both paths, each with its path's name, and a local fault when the reserve dies."""
    with Broker("nats", dir=tmp_path / "one") as one, Broker("nats", dir=tmp_path / "two") as two, Proxy(two.port) as proxy:
        reserve = f'{{ id = "modem", url = "{proxy.url}", protocol = "3.1.1" }}'
        profile = f'supervision = "sp6"\nmode = "{mode}"\npuback_timeout_s = 3.0'
        with rig(tmp_path, one.url, field_text(), uplink=profile, second=reserve) as here:
            first, other = Receiver(one.port), Receiver(two.port)
            ready(here)
            wait_for(lambda: len(first.heard_s) > 1 and len(other.heard_s) > 1, "heartbeats on both")
            proxy.stall()
            wait_for(lambda: "gw-path-modem/fault" in here.faults(), "a local fault for the reserve", 30)
            wait_for(lambda: any(e["subject"] == "gw-path-modem" for e in here.events()), "and the centre hears of it on the first path")
            for receiver in (first, other):
                receiver.stop()
            here.gateway.kill()
            proxy.resume()
