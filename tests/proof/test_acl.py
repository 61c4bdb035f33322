"""The shipped access lists, on the real brokers: every topic of the contract, allowed and denied, for a school and for a centre."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from tests.proof.authority import LOOPBACK, Authority, mosquitto, nats

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PREFIX = "campus/v1"
US, THEM = f"{PREFIX}/school-1/gw1", f"{PREFIX}/school-2/gw1"
UP = (
    "birth", "status", "heartbeat", "telemetry", "event/alarm", "event/audit", "state/button", "report/daily",
    "evidence/0190-aa/1", "command/result",
)  # fmt: skip
DOWN = ("receipt", "command")
WITHIN_S = 40.0
OTHER_STATE = f"{PREFIX}/centre/bureau/state"
STATE = f"{PREFIX}/centre/police/state"
NOWHERE = f"{PREFIX}/centre/police/receipt"  # no site is called centre, so that nobody listens there
BELOW = {root: {f"{root}/{name}" for name in (*UP, *DOWN)} for root in (US, THEM)}
NAMES = ["school-1/gw1", "school-2/gw1", "centre/police"]
AUDITOR = "centre/auditor"  # reads and writes all, so that it is seen what came through; no part of the shipped lists
TRIED = [
    *sorted(BELOW[US] | BELOW[THEM]), STATE, OTHER_STATE,
    f"{US}/event", f"{US}/event/alarm/more", f"{US}/other", US, f"{PREFIX}/school-1/gw2/birth", f"{PREFIX}/school-1", f"{PREFIX}/more",
    NOWHERE, "campus/v2/school-1/gw1/birth", "other",
]  # fmt: skip
# Names of the brokers' own, under which NATS keeps the messages of all.
INNER = [
    f"$MQTT/msgs/{THEM}/event/alarm", f"$MQTT/msgs/{US}/receipt", f"$MQTT/rmsgs/{THEM}/birth", "$MQTT/sess/x", "$MQTT/sub/x",
    "$MQTT/JSA/x", "$JS/API/STREAM/LIST", "$SYS/broker/x",
]  # fmt: skip
WILD = [
    "#", f"{PREFIX}/#", f"{PREFIX}/+/+/event/+", f"{US}/#", f"{THEM}/#", "+/+/+/+/+/+",
    "$MQTT/#", "$MQTT/msgs/#", "$MQTT/rmsgs/#", "$JS/#", "$SYS/#",
]  # fmt: skip
MAY_WRITE = {
    "school-1/gw1": {f"{US}/{name}" for name in UP},
    "centre/police": {f"{root}/{name}" for root in (US, THEM) for name in DOWN} | {STATE, NOWHERE},
}
MAY_READ = {
    "school-1/gw1": {f"{US}/{name}" for name in DOWN} | {STATE, OTHER_STATE},
    "centre/police": {topic for topic in TRIED if topic.startswith(f"{PREFIX}/")},
}
Pairs = dict[str, tuple[Path, Path]]


class Bus:
    """A broker with the shipped list, and certificates for those who come to it."""

    def __init__(self, kind: str, port: int, authority: Authority, pairs: Pairs) -> None:
        self.kind = kind
        self._port = port
        self._authority = authority
        self._pairs = pairs
        self._clients = 0

    def client(self, name: str) -> aiomqtt.Client:
        """A new session as `name`."""
        context = ssl.create_default_context(cafile=str(self._authority.ca))
        context.load_cert_chain(*self._pairs[name])
        self._clients += 1
        version = aiomqtt.ProtocolVersion.V5 if self.kind == "mosquitto" else aiomqtt.ProtocolVersion.V311
        return aiomqtt.Client(
            LOOPBACK, self._port, identifier=f"{name.replace('/', '-')}-{self._clients}", tls_context=context,
            timeout=WITHIN_S, protocol=version,
        )  # fmt: skip

    async def fill(self, *, retain: bool = False) -> None:
        """The auditor says something on every topic."""
        async with self.client(AUDITOR) as client:
            for topic in TRIED:
                await client.publish(topic, topic, qos=1, retain=retain)

    async def say(self, name: str, topics: list[str]) -> None:
        """Publish on each topic its own name, each in a session of its own: brokers end a session for what they deny."""
        for topic in topics:
            with contextlib.suppress(aiomqtt.MqttError):  # how the broker puts it; what counts is what arrives
                async with self.client(name) as client:
                    await client.publish(topic, topic, qos=1)

    async def ask(self, client: aiomqtt.Client, topic: str) -> None:
        """Subscribe, whatever the broker says to that."""
        with contextlib.suppress(aiomqtt.MqttError):
            await client.subscribe(topic, qos=1)


async def heard(client: aiomqtt.Client, last: bytes) -> set[str]:
    """Topics of all messages up to the one that says `last`, and what they say where it is another topic."""
    found: set[str] = set()
    async with asyncio.timeout(WITHIN_S):
        async for message in client.messages:
            if message.payload == last:
                break
            found |= {message.topic.value, bytes(message.payload or b"").decode()}  # type: ignore[arg-type]
    return found


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, tuple[Path, Path], Pairs]:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    return authority, authority.issue("broker", LOOPBACK), {name: authority.issue(name) for name in (*NAMES, AUDITOR)}


@pytest.fixture(params=["mosquitto", "nats"])
def bus(request: pytest.FixtureRequest, tmp_path: Path, certificates: tuple[Authority, tuple[Path, Path], Pairs]) -> Iterator[Bus]:
    authority, broker, pairs = certificates
    if request.param == "mosquitto":
        running = mosquitto(tmp_path, authority, broker, acl=f"\nuser {AUDITOR}\ntopic readwrite #\n")
    else:
        user = '{ user: "campus:/centres/auditor", permissions: { publish: ">", subscribe: ">" } }'
        running = nats(tmp_path, authority, broker, NAMES, user=user)
    with running as port:
        yield Bus(request.param, port, authority, pairs)


@pytest.mark.parametrize("name", MAY_WRITE)
async def test_writes_only_its_own(bus: Bus, name: str) -> None:
    async with bus.client(AUDITOR) as auditor:
        await auditor.subscribe("#", qos=1)
        await bus.say(name, TRIED + INNER)
        await auditor.publish("mark", "mark", qos=1)
        assert await heard(auditor, b"mark") == MAY_WRITE[name]


@pytest.mark.parametrize("name", MAY_READ)
async def test_reads_only_its_own(bus: Bus, name: str) -> None:
    """What is retained, and what comes later; asked for by name and by every wildcard."""
    mark = sorted(MAY_READ[name])[0]
    await bus.fill(retain=True)
    for wishes in (TRIED + INNER, *([wild] for wild in WILD)):
        async with bus.client(name) as client:
            for topic in wishes:
                await bus.ask(client, topic)
            await bus.ask(client, mark)
            await bus.fill()
            async with bus.client(AUDITOR) as auditor:
                await auditor.publish(mark, b"mark", qos=1)
            found = await heard(client, b"mark")
        assert found <= MAY_READ[name], wishes
        if wishes[0] == TRIED[0]:
            assert found == MAY_READ[name]
