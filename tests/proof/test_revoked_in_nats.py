"""A gateway that is lost, on nats-server: it reads no list of revoked certificates, so its user is taken out of the rights."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from pathlib import Path

import aiomqtt
import pytest

from tests.proof.authority import BROKER_FILES, LOOPBACK, Authority, nats, run
from tests.proof.rig import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

WITHIN_S = 40.0
LOST, OTHER, NEW = "school-1/gw1", "school-2/gw1", "school-1/gw2"


def client(port: int, authority: Authority, name: str, pair: tuple[Path, Path]) -> aiomqtt.Client:
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.load_cert_chain(*pair)
    protocol = aiomqtt.ProtocolVersion.V311
    return aiomqtt.Client(LOOPBACK, port, identifier=name.replace("/", "-"), protocol=protocol, tls_context=context, timeout=WITHIN_S)


def give_rights(folder: Path, names: list[str]) -> None:
    """As `systemctl reload` does it after the list was written anew."""
    (folder / "nats-users.conf").write_text(run(str(BROKER_FILES / "nats-users"), text="\n".join(names) + "\n"))
    log = folder / "nats.log"
    before = log.read_text().count("Reloaded server configuration")
    os.kill(int(log.read_text().partition("[")[2].partition("]")[0]), signal.SIGHUP)
    wait_for(lambda: log.read_text().count("Reloaded server configuration") > before, "the rights are read again")


async def test_a_user_that_is_taken_out_is_thrown_out_and_not_let_in_again(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    lost, other = authority.issue(LOST), authority.issue(OTHER)
    with nats(tmp_path, authority, authority.issue("broker", LOOPBACK), [LOST, OTHER]) as port:
        async with client(port, authority, OTHER, other) as stays:
            await stays.subscribe("campus/v1/school-2/gw1/receipt", qos=1)
            with pytest.raises(aiomqtt.MqttError):
                await thrown_out(client(port, authority, LOST, lost), tmp_path)
            await refused(port, authority, LOST, lost)
            await stays.publish("campus/v1/school-2/gw1/event/alarm", b"the others notice nothing", qos=1)
        async with client(port, authority, NEW, authority.issue(NEW)) as replaced:
            await replaced.publish("campus/v1/school-1/gw2/event/alarm", b"the next box has a name of its own", qos=1)


async def test_a_revoked_certificate_alone_is_still_let_in(tmp_path: Path) -> None:
    """The reason for the rule in deploy/centre: the list of revoked certificates is nothing to this broker."""
    authority = Authority(tmp_path)
    lost = authority.issue(LOST)
    authority.revoke(lost[0])
    with nats(tmp_path, authority, authority.issue("broker", LOOPBACK), [LOST]) as port:
        async with client(port, authority, LOST, lost) as session:
            await session.publish("campus/v1/school-1/gw1/event/alarm", b"rubbish, which the centre refuses", qos=1)


async def thrown_out(session: aiomqtt.Client, folder: Path) -> None:
    async with session, asyncio.timeout(WITHIN_S):
        await session.subscribe("campus/v1/school-1/gw1/receipt", qos=1)
        give_rights(folder, [OTHER, NEW])
        await anext(aiter(session.messages))


async def refused(port: int, authority: Authority, name: str, pair: tuple[Path, Path]) -> None:
    with pytest.raises(aiomqtt.MqttError):
        async with client(port, authority, name, pair):
            pass
