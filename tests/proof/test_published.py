"""The published contract against recorded real messages: daemon, broker and centre go through a long story, and every message is judged."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from simulators.broker import Broker, free_port
from simulators.centre.keys import make_key
from tests.gateway.contract.published import message_problems, problems, validator
from tests.proof.authority import run
from tests.proof.rig import Rig, rig, wait_for
from tests.proof.test_commands import Centre
from tests.real_parts import need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ROOT = "campus/v1/proof-school/gate/"
MAY = ("acknowledge", "reset", "shelve", "unshelve", "output", "silence", "replay", "take_snapshot")
MAY += ("start_drill", "end_drill", "start_test", "end_test", "whistle", "report_in", "end_whistle")


def field_text() -> str:
    def point(name: str, role: str, device: str, signal: str, further: str = "") -> str:
        return f'[[points]]\nid = "{name}"\nrole = "{role}"\nplace = "gate"\ndevice = "{device}"\nsignal = "{signal}"\n{further}\n'

    def bus(name: str, transport: str) -> str:
        return f'[[buses]]\nid = "{name}"\ntransport = "{transport}"\nhost = "127.0.0.1"\nport = {free_port()}\n'

    def device(name: str, bus: str, profile: str) -> str:
        return f'[[devices]]\nid = "{name}"\nbus = "{bus}"\nprofile = "{profile}"\n'

    def output(name: str, kind: str, signal: str, further: str = "") -> str:
        return f'[[outputs]]\nid = "{name}"\nkind = "{kind}"\nplace = "gate"\ndevice = "module"\nsignal = "{signal}"\n{further}\n'

    codes = 'external = { "gb28181.deviceId" = "11010500001340000001", alarmMethod = "2", alarmPriority = "1" }'
    return "".join(
        (
            "[telemetry]\nperiod_s = 0.2\n",
            bus("a", "rtu-tcp"),
            bus("b", "rtu-tcp"),
            device("module", "a", "waveshare-modbus-rtu-io-8ch"),
            device("meter", "b", "acrel-aim-r100"),
            point("panic", "panic_button", "module", "di1", codes),
            point("strobe-seen", "contact", "module", "di2"),
            point("side-contact", "door_contact", "module", "di3"),
            point("side-exit", "request_to_exit", "module", "di4"),
            point("leak", "measurement", "meter", "residual1"),
            output("siren-1", "siren", "do1"),
            output("strobe-1", "strobe", "do2", 'confirm = { point = "strobe-seen", within_ms = 300 }'),
            '[[doors]]\nid = "side"\nplace = "gate"\ncontact = "side-contact"\nrequest_to_exit = "side-exit"\n',
            '[[cameras]]\nid = "gate-camera"\nplace = "gate"\nurl = "rtsp://127.0.0.1:9/none"\n',
            '[[whistles]]\nid = "departments"\nname = "联合处置"\ndeadline_s = 600\n'
            'addressees = [{ recipient = "police" }, { name = "李所长" }]\n',
        )
    )


@dataclass
class Recorder:
    """Everything that goes over the broker: (topic, payload, was it sent to be kept)."""

    port: int
    messages: list[tuple[str, bytes, bool]] = field(default_factory=list)

    def __enter__(self) -> Recorder:
        here = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.on_message = lambda client, data, message: self.messages.append((message.topic, message.payload, message.retain))
        self._client.on_subscribe = lambda *_: here.set()
        self._client.connect("127.0.0.1", self.port)
        self._client.loop_start()
        options = mqtt.SubscribeOptions(qos=1, retainAsPublished=True)
        self._client.subscribe("#", options=options)
        assert here.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def below(self, root: str) -> list[tuple[str, bytes, bool]]:
        return [(topic.removeprefix(root), body, kept) for topic, body, kept in list(self.messages) if topic.startswith(root)]

    def types(self) -> set[str]:
        """Types of the events so far."""
        return {json.loads(body)["type"] for tail, body, _ in self.below(ROOT) if tail.startswith("event/")}

    def wait_for(self, *types: str, within_s: float = 20.0) -> None:
        wait_for(lambda: self.types().issuperset(f"campus.{name}" for name in types), f"{types}; so far {self.types()}", within_s)


def test_recorded_messages_fit_the_published_contract(tmp_path: Path) -> None:
    need("mosquitto", package="mosquitto")
    may = f", may = {json.dumps(MAY)}"
    with (
        Broker("mosquitto", dir=tmp_path / "broker") as broker,
        Recorder(broker.port) as record,
        rig(tmp_path, broker.url, field_text(), protocol="5", key=may) as here,
    ):
        centre = Centre(here, broker, "5")
        wait_for(lambda: set(here.status().get("devices", {}).values()) == {True}, "the devices answer")
        assert centre.says("take_snapshot", "gate-camera")[0] == 1, "nobody takes it: --no-vision"
        an_alarm(centre, record)
        a_door(here, centre, record)
        outputs(centre, record)
        modes(centre, record)
        departments(centre, record)
        faults(here, record)
        what_is_refused(centre, record)
        run(sys.executable, "-m", "gateway", "enroll", "--config", str(here.site), "--new-event-key")
        record.wait_for("key.announced")
        record.wait_for("evidence.failed")
        wait_for(lambda: any(tail == "telemetry" for tail, _, _ in record.below(ROOT)), "telemetry")
        wait_for(lambda: here.status()["outbox"]["depth"] == 0, "all is receipted")
        assert here.gateway.stop() == 0
        wait_for(lambda: any(tail == "status" and b'"online":false' in body for tail, body, _ in record.below(ROOT)), "its goodbye")
    judge(record)


def an_alarm(centre: Centre, record: Recorder) -> None:
    centre.here.post("/points/panic", {"press_ms": 300})
    wait_for(lambda: centre.panic() == "latched_unacknowledged", "the alarm")
    assert centre.says("acknowledge", "panic", "--person", "王警官")[0] == 0
    assert centre.says("reset", "panic")[0] == 0
    record.wait_for("alarm.activated", "alarm.cleared", "alarm.acknowledged", "alarm.reset", "incident.opened", "incident.resolved")


def a_door(here: Rig, centre: Centre, record: Recorder) -> None:
    """By the exit button, then by force, once shelved."""
    here.post("/points/side-exit", {"press_ms": 300})
    record.wait_for("access.granted")
    here.post("/points/side-contact", {"value": True})
    record.wait_for("access.changed")
    here.post("/points/side-contact", {"value": False})
    assert centre.says("shelve", "side-forced", "--person", "王警官", "--why", "施工", "--for-s", "600")[0] == 0
    record.wait_for("alarm.shelved")

    def forced() -> bool:
        here.post("/points/side-contact", {"value": True})
        time.sleep(0.5)  # the door must be seen shut and open again: this paces the hand that moves it
        here.post("/points/side-contact", {"value": False})
        time.sleep(0.5)
        return "campus.observation.recorded" in record.types()

    wait_for(forced, "the forced door is recorded", 40)
    assert centre.says("unshelve", "side-forced", "--person", "王警官")[0] == 0
    record.wait_for("alarm.unshelved")


def outputs(centre: Centre, record: Recorder) -> None:
    centre.says("output", "siren-1", "--value", "on")
    centre.says("output", "strobe-1", "--value", "on")
    centre.says("output", "no-such", "--value", "on")
    centre.says("silence")
    record.wait_for("output.done", "output.unconfirmed", "output.refused", "audit.command")


def modes(centre: Centre, record: Recorder) -> None:
    here = centre.here
    status, answers = centre.says("start_drill", "fire", "--points", "panic", "--value", "0", "--for-s", "60", "--person", "王警官")
    assert status == 0, answers
    record.wait_for("mode.drill_announced", "mode.drill_started")
    here.post("/points/panic", {"press_ms": 300})
    wait_for(lambda: centre.panic() == "latched_unacknowledged", "the exercise")
    assert centre.says("end_drill", "--person", "王警官")[0] == 0
    record.wait_for("mode.drill_ended")
    assert centre.says("acknowledge", "panic")[0] == 0
    assert centre.says("reset", "panic")[0] == 0
    assert centre.says("start_test", "panic", "--person", "王警官")[0] == 0
    assert centre.says("end_test", "panic", "--person", "王警官")[0] == 0
    record.wait_for("mode.test_started", "mode.test_ended")


def departments(centre: Centre, record: Recorder) -> None:
    assert centre.says("whistle", "departments", "--why", "校门口有人聚集")[0] == 0
    assert centre.says("report_in", "departments")[0] == 0
    assert centre.says("end_whistle", "departments", "--why", "已处置")[0] == 0
    record.wait_for("duty.whistle", "duty.whistle_reported", "duty.whistle_ended")


def faults(here: Rig, record: Recorder) -> None:
    here.post("/points/strobe-seen", {"value": True})
    record.wait_for("observation.changed")
    here.post("/buses/a/unplug", {})
    record.wait_for("fault.activated")
    here.post("/buses/a/plug", {})
    record.wait_for("fault.cleared")


def what_is_refused(centre: Centre, record: Recorder) -> None:
    make_key(centre.here.folder / "stranger.jwk", "police")
    centre.publish(centre.token(key="stranger.jwk"))
    centre.publish(centre.token(age_s=600.0))
    for reason in ("signature", "stale"):
        wait_for(lambda reason=reason: centre.refusals(reason), f"an audit event: {reason}")


def judge(record: Recorder) -> None:
    """Every message fits, strictly; every kind of topic has come; the retain flags are as published."""
    messages = record.below(ROOT)
    wrong = [problem for tail, body, _ in messages if tail not in ("receipt", "command") for problem in message_problems(tail, body)]
    assert not wrong, "\n".join(sorted(set(wrong)))
    for name in ("receipt", "command"):
        signed = [claims(body) for tail, body, _ in messages if tail == name]
        assert signed
        assert [problem for one in signed for problem in problems(name, one) if one["id" if name == "command" else "by"]] == []
    states = [json.loads(body) for topic, body, _ in record.messages if topic.startswith("campus/v1/centre/")]
    assert states
    assert all(validator("centre-state", strict=True).is_valid(state) for state in states)
    kinds = {tail.partition("/")[0] if tail != "command/result" else tail for tail, _, _ in messages}
    expected = {"birth", "status", "event", "state", "heartbeat", "telemetry", "command/result", "receipt", "command"}
    assert kinds == expected
    kept = {"birth", "status", "state"}
    assert all(was_kept is (tail.partition("/")[0] in kept) for tail, _, was_kept in messages)
    assert {"campus.journal.opened"} <= record.types()
    assert len(record.types()) >= 25


def claims(token: bytes) -> dict[str, Any]:
    """What a JWS says."""
    part = token.split(b".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))))
