"""The example of docs/contract in another language, as the only centre of a real gateway: everything is receipted, nothing forged is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.publish import single

from simulators.broker import Broker
from tests.proof.rig import Rig, rig, wait_for
from tests.proof.test_commands import field_text
from tests.proof.test_published import Recorder
from tests.real_parts import need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SCRIPT = Path(__file__).resolve().parents[2] / "docs/contract/receive.mjs"
ROOT = "campus/v1/proof-school/gate"


@contextmanager
def receiver(here: Rig, port: int) -> Iterator[Path]:
    """The example as a process; the file of its lines."""
    node = need("node", package="nodejs")
    for program in ("mosquitto_sub", "mosquitto_pub"):
        need(program, package="mosquitto-clients")
    out = here.folder / "receiver.log"
    command = [node, str(SCRIPT), "--port", str(port), "--key", str(here.folder / "centre.jwk"), "--trust", str(here.folder / "trust.json")]
    with out.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True) as process:
        try:
            yield out
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines() if line.startswith("{") and line.endswith("}")]


def test_the_example_receives(tmp_path: Path) -> None:
    need("mosquitto", package="mosquitto")
    with (
        Broker("mosquitto", dir=tmp_path / "broker") as broker,
        Recorder(broker.port) as record,
        rig(tmp_path, broker.url, field_text(), protocol="5", centre=None) as here,
        receiver(here, broker.port) as out,
    ):
        wait_for(lambda: here.status().get("devices") == {"module": True}, "the module answers")
        here.post("/points/panic", {"press_ms": 300})
        wait_for(lambda: any(line.get("type") == "campus.alarm.cleared" for line in lines(out)), "the alarm")
        wait_for(lambda: here.status()["outbox"]["depth"] == 0, "everything is receipted", 60)
        assert len({line["id"] for line in lines(out)}) == here.status()["journal"]["sequence"]
        assert all(line["known"] and line["lacking"] == [] for line in lines(out))
        what_is_forged(broker.port, out, record)
        assert {item["alarm"] for item in here.status()["faults"]} <= {"gw-clock/fault"}, "no receipt was wrong"
        assert here.gateway.stop() == 0


def what_is_forged(port: int, out: Path, record: Recorder) -> None:
    genuine = next(body for topic, body, _ in record.messages if topic == f"{ROOT}/event/alarm").decode()
    forged = {
        "the signature does not hold": genuine.replace('"value":true', '"value":false'),
        "the payload is not its canonical form": genuine.replace(",", ", ", 1),
        "source does not fit the topic": genuine.replace("/sites/proof-school", "/sites/other"),
    }
    for text in forged.values():
        assert text != genuine
        single(f"{ROOT}/event/alarm", text, qos=1, hostname="127.0.0.1", port=port)
    wait_for(lambda: {line.get("refused") for line in lines(out)} >= set(forged), f"refusals: {lines(out)[-3:]}")
