"""The centre on the wire: one MQTT session, receipts out, everything kept before it is answered."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from simulators.centre.keys import CentreKey
from simulators.centre.ledger import Arrival, Ledger, Verdict
from simulators.centre.receipts import MAX_ITEMS, Answer, receipts
from simulators.centre.store import Store
from simulators.centre.verify import root

SUBSCRIPTIONS = ("birth", "status", "event/+", "state/+", "heartbeat", "telemetry", "report/+", "command/result")
LINGER_S = 0.02  # how long a receipt may wait for company
ANSWER_S = 5.0  # for CONNACK, SUBACK and PUBACK
KEEPALIVE_S = 20
BACKOFF_FIRST_S = 0.2
BACKOFF_CAP_S = 1.0  # one centre, many schools waiting for it
WATCH_EVERY_S = 0.5
SESSION_NEVER_EXPIRES = 0xFFFFFFFF  # MQTT 5, 3.1.2.11.2


class BadLink(Exception):
    """The broker's address or certificates cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Link:
    """How to reach the broker. tls: None only on loopback."""

    host: str
    port: int
    protocol: aiomqtt.ProtocolVersion
    tls: ssl.SSLContext | None


@dataclass(frozen=True, slots=True)
class Manners:
    """How receipts are given; anything but the defaults is for tests of a gateway."""

    send: bool = True
    delay_ms: int = 0
    unusable: bool = False


def link_from(url: str, protocol: str, ca: str, cert: str, key_file: str) -> Link:
    """Read `mqtt://host:port` or `mqtts://host:port`; BadLink for plaintext that would leave this machine."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if parts.scheme not in ("mqtt", "mqtts") or not host or parts.path or parts.username:
        raise BadLink(f"{url}: expected mqtt://HOST:PORT or mqtts://HOST:PORT")
    version = aiomqtt.ProtocolVersion.V5 if protocol == "5" else aiomqtt.ProtocolVersion.V311
    if parts.scheme == "mqtt":
        if not _is_loopback(host):
            raise BadLink(f"{url}: plaintext MQTT is allowed on loopback only; use mqtts:// with --ca, --cert and --key-file")
        return Link(host, port or 1883, version, None)
    try:
        tls = ssl.create_default_context(cafile=ca or None)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        if cert:
            tls.load_cert_chain(cert, key_file or None)
    except OSError as problem:
        raise BadLink(f"certificates: {problem}") from None
    return Link(host, port or 8883, version, tls)


class Station:
    """Reads, judges, keeps, tells, answers. tell is called for each verdict once it is kept, receipted with (result, how many)."""

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        key: CentreKey,
        link: Link,
        prefix: str,
        manners: Manners,
        tell: Callable[[Verdict], None],
        receipted: Callable[[str, int], None] = lambda result, count: None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._key = key
        self._link = link
        self._prefix = prefix
        self._manners = manners
        self._tell = tell
        self._receipted = receipted
        self._inbox: asyncio.Queue[Verdict] = asyncio.Queue()
        self._client: aiomqtt.Client | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then what has arrived is still kept and told. sqlite3.Error ends it at once."""
        async with asyncio.TaskGroup() as group:
            keep = group.create_task(self._keep(group), name="keep")
            listen = group.create_task(self._listen(), name="listen")
            watch = group.create_task(self._watch(), name="watch")
            await stop.wait()
            watch.cancel()
            listen.cancel()
            await asyncio.wait({listen, watch})
            await self._inbox.join()
            keep.cancel()

    async def _listen(self) -> None:
        """Connection after connection; each lost and found link is told once."""
        lost_since: float | None = None
        wait_s = BACKOFF_FIRST_S
        while True:
            try:
                async with self._connection() as client:
                    if lost_since is not None:
                        _say(f"broker is back after {time.monotonic() - lost_since:.1f} s")
                    lost_since, wait_s = None, BACKOFF_FIRST_S
                    async for message in client.messages:
                        self._take(message)
            except aiomqtt.MqttError as problem:
                if lost_since is None:
                    _say(f"no broker at {self._link.host}:{self._link.port} ({problem}); trying again")
                    lost_since = time.monotonic()
            await asyncio.sleep(random.uniform(0, wait_s))
            wait_s = min(2 * wait_s, BACKOFF_CAP_S)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiomqtt.Client]:
        """One attempt: connected, subscribed, announced; and the announcement taken back at the end."""
        state = f"{self._prefix}/centre/{self._key.by}/state"
        v5 = self._link.protocol is aiomqtt.ProtocolVersion.V5
        properties = None
        if v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_NEVER_EXPIRES
        client = aiomqtt.Client(
            self._link.host,
            self._link.port,
            identifier=f"campus-centre-{self._key.by}",
            protocol=self._link.protocol,
            clean_session=None if v5 else False,
            clean_start=False if v5 else MQTT_CLEAN_START_FIRST_ONLY,
            properties=properties,
            will=aiomqtt.Will(state, self._state(online=False), qos=1, retain=True),
            tls_context=self._link.tls,
            keepalive=KEEPALIVE_S,
            timeout=ANSWER_S,
        )
        client.pending_calls_threshold = 10 * MAX_ITEMS
        try:
            async with client:
                await client.subscribe([(f"{self._prefix}/+/+/{tail}", 1) for tail in SUBSCRIPTIONS])
                await client.publish(state, self._state(online=True), qos=1, retain=True)
                self._client = client
                self._ledger.listening(time.monotonic_ns())
                self._inbox.put_nowait(Verdict("online", "", Arrival(now_at(), time.monotonic_ns())))
                try:
                    yield client
                finally:
                    self._client = None
                    if not client._disconnected.done():
                        with suppress(aiomqtt.MqttError):
                            await client.publish(state, self._state(online=False), qos=1, retain=True, timeout=1)
        finally:
            if client._disconnected.done() and not client._disconnected.cancelled():
                client._disconnected.exception()  # else asyncio complains that nobody asked

    def _state(self, *, online: bool) -> bytes:
        return json.dumps({"online": online, "by": self._key.by, "at": now_at()}).encode()

    def _take(self, message: aiomqtt.Message) -> None:
        body = message.payload if isinstance(message.payload, bytes) else b""
        topic = str(message.topic)
        if message.retain and "/event/" in topic:
            _say(f"retained message on {topic}: events are never retained")
        for verdict in self._ledger.ingest(body, topic, Arrival(now_at(), time.monotonic_ns()), retained=bool(message.retain)):
            self._inbox.put_nowait(verdict)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            if self._client is None:
                continue  # it is this centre that hears nothing
            for verdict in self._ledger.overdue(time.monotonic_ns(), now_at()):
                self._inbox.put_nowait(verdict)

    async def _keep(self, group: asyncio.TaskGroup) -> None:
        """Batch by batch: commit, then tell, then answer."""
        while True:
            batch = await self._gather()
            await asyncio.to_thread(self._store.add, batch)
            for verdict in batch:
                self._tell(verdict)
                self._inbox.task_done()
            answers = [answer for verdict in batch if (answer := verdict.answer) is not None]
            if answers and self._manners.send:
                group.create_task(self._answer(answers))

    async def _gather(self) -> list[Verdict]:
        """What arrives within LINGER_S, at most one receipt full; an alarm goes at once."""
        batch = [await self._inbox.get()]
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while len(batch) < MAX_ITEMS and batch[-1].event_class != "alarm":
                    batch.append(await self._inbox.get())
        while len(batch) < MAX_ITEMS and not self._inbox.empty():
            batch.append(self._inbox.get_nowait())
        return batch

    async def _answer(self, answers: list[Answer]) -> None:
        """Send receipts. One that cannot be sent is not kept: the gateway asks again by sending its event again."""
        if self._manners.unusable:
            answers = [Answer(a.gateway, a.id, a.sha256, "unusable", "refused on request") for a in answers]
        if self._manners.delay_ms:
            await asyncio.sleep(self._manners.delay_ms / 1000)
        for gateway, receipt in receipts(answers, self._key, now_at()):
            if self._client is not None:
                with suppress(aiomqtt.MqttError):
                    await self._client.publish(f"{root(gateway, self._prefix)}/receipt", receipt, qos=1)
        for answer in answers:
            self._receipted(answer.result, 1)


def now_at() -> str:
    """Now, RFC 3339 UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
