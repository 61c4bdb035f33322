"""The shipped brokers' files and the client's id: whose session may be taken over by whom."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiomqtt
import pytest

from tests.proof.authority import LOOPBACK, Authority, mosquitto, nats

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

WITHIN_S = 40.0
US, THEM, CENTRE, DESK = "school-1/gw1", "school-2/gw1", "centre/police", "centre/police-desk"
Pair = tuple[Path, Path]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pairs(authority: Authority) -> dict[str, Pair]:
    return {name: authority.issue(name) for name in (US, THEM, CENTRE, DESK)} | {"broker": authority.issue("broker", LOOPBACK)}


def client(port: int, authority: Authority, pair: Pair, client_id: str | None = None, *, v5: bool = True) -> aiomqtt.Client:
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.load_cert_chain(*pair)
    version = aiomqtt.ProtocolVersion.V5 if v5 else aiomqtt.ProtocolVersion.V311
    return aiomqtt.Client(LOOPBACK, port, identifier=client_id, protocol=version, tls_context=context, timeout=WITHIN_S)


async def said_to(session: aiomqtt.Client, wanted: bytes) -> None:
    """Wait for this message; MqttError when the session ends before."""
    async with asyncio.timeout(WITHIN_S):
        async for message in session.messages:
            if message.payload == wanted:
                return


@pytest.mark.parametrize("v5", [True, False], ids=["5", "3.1.1"])
async def test_mosquitto_lets_no_school_take_the_session_of_another(
    authority: Authority, pairs: dict[str, Pair], tmp_path: Path, v5: bool
) -> None:
    """Under our id, and under the name in our certificate: the thief gets a session of his own, ours stays and hears its receipts."""
    with mosquitto(tmp_path, authority, pairs["broker"]) as port:
        async with client(port, authority, pairs[US], "school-1-gw1-main", v5=v5) as ours, client(port, authority, pairs[CENTRE]) as centre:
            await ours.subscribe(f"campus/v1/{US}/receipt", qos=1)
            for client_id in ("school-1-gw1-main", US):
                async with client(port, authority, pairs[THEM], client_id, v5=v5) as thief:
                    await thief.publish(f"campus/v1/{THEM}/birth", b"I am somebody else", qos=1)
                    await centre.publish(f"campus/v1/{US}/receipt", client_id.encode(), qos=1)
                    await said_to(ours, client_id.encode())


async def taken_over(ours: aiomqtt.Client, thief: aiomqtt.Client, topic: str) -> None:
    """The thief gets his session, and ours ends."""
    async with ours:
        await ours.subscribe(f"campus/v1/{US}/receipt", qos=1)
        async with thief:
            await thief.publish(topic, b"I am here", qos=1)
            with pytest.raises(aiomqtt.MqttError):
                await said_to(ours, b"nothing")


async def test_one_certificate_has_one_session_at_mosquitto(authority: Authority, pairs: dict[str, Pair], tmp_path: Path) -> None:
    """What the same rule costs: two paths of one gateway at one broker throw each other out, two programs of a centre need two names."""
    with mosquitto(tmp_path, authority, pairs["broker"]) as port:
        lan, modem = (client(port, authority, pairs[US], name) for name in ("school-1-gw1-lan", "school-1-gw1-modem"))
        await taken_over(lan, modem, f"campus/v1/{US}/birth")
        async with client(port, authority, pairs[CENTRE]) as centre, client(port, authority, pairs[DESK]) as desk:
            await centre.subscribe("campus/v1/#", qos=1)
            await desk.subscribe(f"campus/v1/{US}/command/result", qos=1)
            await desk.publish(f"campus/v1/{US}/command", b"a command", qos=1)
            await said_to(centre, b"a command")
            async with client(port, authority, pairs[US]) as ours:
                await ours.publish(f"campus/v1/{US}/command/result", b"its answer", qos=1)
                await said_to(desk, b"its answer")


async def test_nats_lets_whoever_knows_an_id_take_the_session(authority: Authority, pairs: dict[str, Pair], tmp_path: Path) -> None:
    """The limit that docs/enrolment.md tells: this server binds rights to a user, not the client id. Hence one that nobody guesses."""
    with nats(tmp_path, authority, pairs["broker"], [US, THEM, CENTRE]) as port:
        ours, thief = (client(port, authority, pairs[name], "known", v5=False) for name in (US, THEM))
        await taken_over(ours, thief, f"campus/v1/{THEM}/birth")


@pytest.mark.parametrize("kind", ["mosquitto", "nats"])
async def test_a_centre_subscribes_to_all_with_one_filter(authority: Authority, pairs: dict[str, Pair], tmp_path: Path, kind: str) -> None:
    """The broker grants it, and what a school says arrives."""
    there = (
        mosquitto(tmp_path, authority, pairs["broker"]) if kind == "mosquitto" else nats(tmp_path, authority, pairs["broker"], [US, CENTRE])
    )
    with there as port:
        async with client(port, authority, pairs[CENTRE], v5=False) as centre, client(port, authority, pairs[US], v5=False) as ours:
            granted = await centre.subscribe("campus/v1/#", qos=1)
            assert [getattr(code, "value", code) for code in granted] == [1]
            await ours.publish(f"campus/v1/{US}/event/alarm", b"an alarm", qos=1)
            await said_to(centre, b"an alarm")
