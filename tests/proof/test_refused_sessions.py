"""Brokers that do not let the gateway in: real ones for what they can say, a scripted one for the other codes of MQTT 5."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.errors import LinkLost, Unwelcome
from gateway.uplink.session import Address, MqttDialler
from simulators.broker import find, free_port
from simulators.errors import SimError
from simulators.leash import Leashed
from tests.proof.authority import LOOPBACK, run, running_mosquitto
from tests.proof.rig import wait_for
from tests.proof.scripted_broker import ScriptedBroker
from tests.real_parts import missing, need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

PASSWORD = "open-sesame-77"


async def dial(port: int, *, v5: bool = True, username: str | None = None, password: str | None = None) -> None:
    """The product's own way in, and out again."""
    address = Address(LOOPBACK, port, "proof", v5, 10, username=username, password=password)
    async with MqttDialler(address, 10).dial("campus/v1/proof-school/gate/status", b"{}"):
        pass


@pytest.mark.parametrize(
    ("code", "words", "stays"),
    [
        (0x85, "client id", True),
        (0x86, "user or password is wrong", True),
        (0x87, "not authorised", True),
        (0x8A, "banned", True),
        (0x8C, "another way to log in", True),
        (0x9D, "has moved", True),
        (0x88, "not ready to serve", False),
        (0x89, "is busy", False),
        (0x97, "quota", False),
        (0x9C, "another server", False),
        (0x9F, "too fast", False),
        (0x80, "Unspecified error", False),
    ],
)
async def test_codes(code: int, words: str, stays: bool) -> None:
    """What stays until a person acts is tried slowly; what may pass by itself, soon again."""
    with ScriptedBroker(connack=code) as broker, pytest.raises(LinkLost, match=words) as refused:
        await dial(broker.port)
    assert isinstance(refused.value, Unwelcome) is stays
    assert f"127.0.0.1:{broker.port}" in str(refused.value)


@contextlib.contextmanager
def closed(kind: str, folder: Path) -> Iterator[int]:
    """A real broker that lets one user in, by password."""
    port = free_port()
    if kind == "mosquitto":
        users = folder / "users"
        users.touch(0o600)
        run(need("mosquitto_passwd", package="mosquitto"), "-b", str(users), "school", PASSWORD)
        lines = f"listener {port} {LOOPBACK}\nallow_anonymous false\npassword_file {users}\n"
        with running_mosquitto(folder, lines, port):
            yield port
        return
    try:
        program = find("nats")
    except SimError as error:
        missing(str(error))
    conf, log = folder / "nats.conf", folder / "nats.log"
    conf.write_text(
        f'server_name: x\nlisten: "{LOOPBACK}:-1"\njetstream {{ store_dir: "{folder}/nats" }}\n'
        f'mqtt {{ listen: "{LOOPBACK}:{port}" }}\nauthorization {{ users = [ {{ user: "school", password: "{PASSWORD}" }} ] }}\n'
    )
    server = Leashed([program, "-c", str(conf)], log)
    try:
        wait_for(lambda: "Listening for MQTT clients" in log.read_text(), "NATS listens")
        yield port
    finally:
        server.stop()


@pytest.mark.parametrize(("kind", "v5"), [("mosquitto", True), ("mosquitto", False), ("nats", False)])
async def test_real_brokers(tmp_path: Path, kind: str, v5: bool) -> None:
    with closed(kind, tmp_path) as port:
        for username, password in (("school", "wrong"), ("stranger", PASSWORD), (None, None)):
            with pytest.raises(Unwelcome, match="username, password_file") as refused:
                await dial(port, v5=v5, username=username, password=password)
            assert PASSWORD not in str(refused.value)
        await dial(port, v5=v5, username="school", password=PASSWORD)


async def test_a_broker_without_mqtt_5(tmp_path: Path) -> None:
    """NATS speaks 3.1.1 only; the reason says which key of the site file to change."""
    with closed("nats", tmp_path) as port, pytest.raises(LinkLost, match=r'protocol = "3\.1\.1"'):
        await dial(port, v5=True, username="school", password=PASSWORD)
