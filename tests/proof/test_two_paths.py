"""Two paths: one takes over when the other dies, alarms on both where that is wanted, and two that are really two."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from simulators.broker import Broker
from tests.proof.proxy import Proxy
from tests.proof.rig import Program, Rig, rig, wait_for
from tests.proof.test_broker_trouble import field_text, press, pressed, stored
from tests.real_parts import need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

HOMES = ("198.18.0.1", "198.18.0.2")  # RFC 2544: for measurements, never routed


@contextlib.contextmanager
def second_centre(here: Rig, url: str, *further: str) -> Iterator[Program]:
    """The same centre's program at the other broker, with a store of its own."""
    program = Program(
        here.folder / "centre2.log", "simulators.centre", "run", "--url", url, "--protocol", "3.1.1", "--json",
        "--key", str(here.folder / "centre.jwk"), "--trust", str(here.folder / "trust.json"), *further,
    ).start()  # fmt: skip
    try:
        yield program
    finally:
        if program.process is not None and program.process.poll() is None:
            program.kill()


def at(program: Program) -> set[str]:
    """Ids of the presses that this centre has."""
    lines = [json.loads(line) for line in program.log.read_bytes().splitlines(keepends=True) if line[:1] == b"{" and line[-1:] == b"\n"]
    return {line["id"] for line in lines if line.get("subject") == "button" and line.get("type") == "campus.alarm.activated"}


def second(url: str, further: str = "") -> str:
    return f'{{ id = "modem", url = "{url}", protocol = "3.1.1"{further} }}'


def carrier(here: Rig) -> str:
    return next((path["id"] for path in here.status().get("paths", []) if path["carries"]), "")


def both_up(here: Rig) -> None:
    stored(here)
    wait_for(lambda: [path["up"] for path in here.status()["paths"]] == [True, True], "both paths are up")


def nothing_owed(here: Rig) -> None:
    wait_for(lambda: here.status()["outbox"]["depth"] == 0, "everything has its receipt", 40)


def test_failover_and_back(tmp_path: Path) -> None:
    with (
        Broker("nats", dir=tmp_path / "one") as one,
        Broker("nats", dir=tmp_path / "two") as two,
        rig(tmp_path, one.url, field_text(), second=second(two.url)) as here,
        second_centre(here, two.url) as other,
    ):
        both_up(here)
        wait_for(lambda: carrier(here) == "main", "the first path carries")
        press(here)
        wait_for(lambda: len(pressed(here)) == 1, "the press at the first centre")
        one.kill()
        press(here, 3)
        wait_for(lambda: len(at(other)) == 3, "the presses take the other path")
        assert carrier(here) == "modem"
        wait_for(lambda: "gw-path-main/fault" in here.faults(), "a local fault for the first path", 40)
        assert here.metric("gw_link_up") == {'{path="main"}': 0.0, '{path="modem"}': 1.0}
        nothing_owed(here)
        one.start()
        wait_for(lambda: carrier(here) == "main", "the first path has been good for a while and carries again", 90)
        press(here)
        wait_for(lambda: len(pressed(here)) == 2, "and does so")
        nothing_owed(here)
        assert len(pressed(here) | at(other)) == 5


def test_dual_sends_alarms_on_both_under_one_id(tmp_path: Path) -> None:
    with (
        Broker("nats", dir=tmp_path / "one") as one,
        Broker("nats", dir=tmp_path / "two") as two,
        rig(tmp_path, one.url, field_text(), uplink='mode = "dual"', second=second(two.url)) as here,
        second_centre(here, two.url) as other,
    ):
        both_up(here)
        nothing_owed(here)
        press(here, 2)
        wait_for(lambda: len(pressed(here)) == 2 and at(other) == pressed(here), "both at both centres")
        here.post("/points/door", {"value": True})
        wait_for(lambda: any(e["class"] == "access" for e in here.events()), "what is no alarm takes one path")
        nothing_owed(here)
        assert b'"class": "access"' not in other.log.read_bytes()
        assert here.centre is not None
        here.centre.kill()
        press(here)
        wait_for(lambda: len(at(other)) == 3, "the press at the centre that is left")
        wait_for(
            lambda: (
                here.journal("SELECT count(*) FROM outbox o JOIN event e USING (row) WHERE o.state = 0 AND e.class = 'alarm'")[0][0] == 0
            ),
            "a receipt from either settles it",
        )


def test_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    """The first broker acknowledges, and no centre is there: the other path delivers, and the next alarm does not wait."""
    with Broker("nats", dir=tmp_path / "one") as one, Broker("nats", dir=tmp_path / "two") as two:
        fast = "receipt_timeout_s = 2.0"
        with (
            rig(tmp_path, one.url, field_text(), uplink=fast, second=second(two.url), centre=None) as here,
            second_centre(here, two.url) as other,
        ):
            both_up(here)
            press(here)
            wait_for(lambda: len(at(other)) == 1, "again on the other path")
            assert here.metric("gw_link_deaf")['{path="main"}'] == 1.0
            press(here)
            wait_for(lambda: len(at(other)) == 2, "the next one too")
            nothing_owed(here)


def test_one_broker_by_two_ways_is_not_called_offline(tmp_path: Path) -> None:
    """The will of the way that died says `offline` on the topic of both; the other way says that we are here."""
    with (
        Broker("nats", dir=tmp_path / "broker") as broker,
        Proxy(broker.port) as way,
        rig(tmp_path, way.url, field_text(), uplink='supervision = "sp6"', second=second(broker.url), centre=None) as here,
    ):
        told: list[tuple[bool, str]] = []
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        client.on_message = lambda *message: told.append(_state(message[2].payload))
        client.connect("127.0.0.1", broker.port)
        client.subscribe("campus/v1/proof-school/gate/status", 1)
        client.loop_start()
        both_up(here)
        way.stall()
        wait_for(lambda: (False, "main") in told, "the will of the dead way", 40)
        last = len(told)
        wait_for(lambda: (True, "modem") in told[told.index((False, "main")) :], "the other way says that we are here")
        assert told[-1][0], f"the last word is kept by the broker: {told[last:]}"
        client.disconnect()
        client.loop_stop()


def _state(payload: bytes) -> tuple[bool, str]:
    message = json.loads(payload)
    return message["online"], message["path"]


@contextlib.contextmanager
def homes() -> Iterator[None]:
    """Two addresses of this machine that can be taken away."""
    ip = need("ip", package="iproute2")
    if os.geteuid():
        pytest.skip("adding an address needs root")
    for home in HOMES:
        subprocess.run([ip, "address", "replace", f"{home}/32", "dev", "lo"], check=True)
    try:
        yield
    finally:
        for home in HOMES:
            subprocess.run([ip, "address", "delete", f"{home}/32", "dev", "lo"], check=False, capture_output=True)


def test_each_path_speaks_from_its_own_address(tmp_path: Path) -> None:
    """As with a LAN and a 4G modem: when one address is gone its path is down, and the other delivers."""
    with (
        homes(),
        Broker("nats", dir=tmp_path / "one") as one,
        Broker("nats", dir=tmp_path / "two") as two,
        Proxy(one.port) as lan,
        Proxy(two.port) as modem,
    ):
        quick = 'supervision = "sp6"\npuback_timeout_s = 3.0'
        with (
            rig(
                tmp_path,
                lan.url,
                field_text(),
                uplink=quick,
                path=f', source_address = "{HOMES[0]}"',
                second=second(modem.url, f', source_address = "{HOMES[1]}"'),
                centre=None,
            ) as here,
            second_centre(here, two.url) as other,
        ):
            both_up(here)
            assert set(lan.peers) == {HOMES[0]}
            assert set(modem.peers) == {HOMES[1]}
            subprocess.run(["ip", "address", "delete", f"{HOMES[0]}/32", "dev", "lo"], check=True)
            press(here, 2)
            wait_for(lambda: len(at(other)) == 2, "the other path delivers", 40)
            wait_for(lambda: "assign requested address" in here.status()["paths"][0]["reason"], "the reason names the address", 40)
            assert carrier(here) == "modem"
            subprocess.run(["ip", "address", "replace", f"{HOMES[0]}/32", "dev", "lo"], check=True)
            wait_for(lambda: here.status()["paths"][0]["up"], "the address is back, and so is the path", 60)
            assert set(lan.peers) == {HOMES[0]}, "from no other address, ever"
