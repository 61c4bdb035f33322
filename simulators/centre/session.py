"""The centre at one broker: one MQTT session that lasts, its announcement there, and what arrives and goes out on it."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

SUBSCRIPTIONS = ("birth", "status", "event/+", "state/+", "heartbeat", "telemetry", "report/+", "command/result")
OPEN_S = 30.0  # for CONNACK and SUBACK: a city's bus that has just lost a node hands over thousands of retained messages first
ANSWER_S = 5.0  # for the PUBACK of a receipt
KEEPALIVE_S = 20
BACKOFF_FIRST_S = 0.2
BACKOFF_CAP_S = 1.0  # one centre, many schools waiting for it
PENDING_CALLS = 1000  # receipts that may wait for their PUBACK before the library complains
SESSION_NEVER_EXPIRES = 0xFFFFFFFF  # MQTT 5, 3.1.2.11.2


T = TypeVar("T")


class BadLink(Exception):
    """The broker's address or certificates cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Link:
    """How to reach one broker. tls: None only on loopback."""

    host: str
    port: int
    protocol: aiomqtt.ProtocolVersion
    tls: ssl.SSLContext | None

    @property
    def name(self) -> str:
        """HOST:PORT."""
        return f"{self.host}:{self.port}"


def link_from(url: str, protocol: str, ca: str, cert: str, key_file: str) -> Link:
    """Read `mqtt://host:port` or `mqtts://host:port`; BadLink for plaintext that would leave this machine."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if parts.scheme not in ("mqtt", "mqtts") or not host or parts.path not in ("", "/") or parts.username:
        raise BadLink(f"{url}: expected mqtt://HOST:PORT or mqtts://HOST:PORT")
    version = aiomqtt.ProtocolVersion.V5 if protocol == "5" else aiomqtt.ProtocolVersion.V311
    if parts.scheme == "mqtt":
        if not _is_loopback(host):
            raise BadLink(f"{url}: plaintext MQTT is allowed on loopback only; use mqtts:// with --ca, --cert and --key-file")
        return Link(host, port or 1883, version, None)
    return Link(host, port or 8883, version, _tls(ca, cert, key_file))


def _tls(ca: str, cert: str, key_file: str) -> ssl.SSLContext:
    tls = ssl.create_default_context()
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if ca:
            tls = ssl.create_default_context(cafile=ca)
            tls.minimum_version = ssl.TLSVersion.TLSv1_2
    except OSError as problem:  # ssl.SSLError is one
        raise BadLink(f"--ca {ca}: {_why(problem, 'no certificate in PEM')}") from None
    if key_file and not cert:
        raise BadLink(f"--key-file {key_file}: give the certificate that belongs to it too, --cert")
    for option, file in (("--cert", cert), ("--key-file", key_file)):
        try:
            if file:
                with open(file, "rb"):
                    pass
        except OSError as problem:
            raise BadLink(f"{option} {file}: {problem.strerror}") from None
    try:
        if cert:
            tls.load_cert_chain(cert, key_file or None, password=_no_password)
    except (OSError, ValueError) as problem:
        raise BadLink(f"--cert {cert} --key-file {key_file or cert}: {_why(problem, 'not a certificate and its key in PEM')}") from None
    return tls


def _no_password() -> str:
    raise ValueError("the key is protected by a password, which nobody could type here")


def _why(problem: Exception, otherwise: str) -> str:
    """OpenSSL's words without its codes."""
    if isinstance(problem, ssl.SSLError):
        return "key and certificate do not belong together" if problem.reason == "KEY_VALUES_MISMATCH" else otherwise
    return getattr(problem, "strerror", None) or str(problem)


class Session:
    """One broker. take: a message; up, down: this centre hears there, and hears no more.

    identifier: of the client, the same at each start, so that the broker keeps what comes meanwhile.
    """

    def __init__(
        self,
        link: Link,
        prefix: str,
        by: str,
        identifier: str,
        take: Callable[[aiomqtt.Message], None],
        up: Callable[[], None],
        down: Callable[[], None],
    ) -> None:
        self.link = link
        self._prefix = prefix
        self._by = by
        self._identifier = identifier
        self._take = take
        self._up = up
        self._down = down
        self._client: aiomqtt.Client | None = None

    @property
    def is_up(self) -> bool:
        """It has subscribed, and nothing says that the link has ended."""
        return self._client is not None

    async def run(self) -> None:
        """Connection after connection, until cancelled. A lost and a found link are told once, another reason anew."""
        lost_since: float | None = None
        told = ""
        wait_s = BACKOFF_FIRST_S
        while True:
            try:
                async with self._connection() as client:
                    if lost_since is not None:
                        say(f"broker {self.link.name} is back after {time.monotonic() - lost_since:.1f} s")
                    lost_since, wait_s = None, BACKOFF_FIRST_S
                    async for message in client.messages:
                        self._take(message)
            except aiomqtt.MqttError as problem:
                if lost_since is None or str(problem) != told:
                    told = str(problem)
                    say(f"no broker at {self.link.name} ({told}); trying again")
                    lost_since = lost_since or time.monotonic()
            await asyncio.sleep(random.uniform(0, wait_s))
            wait_s = min(2 * wait_s, BACKOFF_CAP_S)

    async def publish(self, topic: str, body: str) -> bool:
        """False when this broker has not taken it."""
        client = self._client
        if client is None:
            return False
        try:
            await client.publish(topic, body, qos=1, timeout=ANSWER_S)
        except aiomqtt.MqttError:
            return False
        return True

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiomqtt.Client]:
        """One attempt: connected, subscribed, announced; and the announcement taken back at the end."""
        state = f"{self._prefix}/centre/{self._by}/state"
        v5 = self.link.protocol is aiomqtt.ProtocolVersion.V5
        properties = None
        if v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_NEVER_EXPIRES
        client = Client(
            self.link.host,
            self.link.port,
            identifier=self._identifier,
            protocol=self.link.protocol,
            clean_session=None if v5 else False,
            clean_start=False if v5 else MQTT_CLEAN_START_FIRST_ONLY,
            properties=properties,
            will=aiomqtt.Will(state, self._state(online=False), qos=1, retain=True),
            tls_context=self.link.tls,
            keepalive=KEEPALIVE_S,
            timeout=OPEN_S,
        )
        client.pending_calls_threshold = PENDING_CALLS
        try:
            async with client:
                await client.subscribe([(f"{self._prefix}/+/+/{tail}", 1) for tail in SUBSCRIPTIONS])
                await client.publish(state, self._state(online=True), qos=1, retain=True)
                self._client = client
                self._up()
                try:
                    yield client
                finally:
                    self._client = None
                    self._down()
                    if not client._disconnected.done():
                        with suppress(aiomqtt.MqttError):
                            await client.publish(state, self._state(online=False), qos=1, retain=True, timeout=1)
        finally:
            if client._disconnected.done() and not client._disconnected.cancelled():
                client._disconnected.exception()  # else asyncio complains that nobody asked

    def _state(self, *, online: bool) -> bytes:
        return json.dumps({"online": online, "by": self._by, "at": now_at()}).encode()


class Client(aiomqtt.Client):
    """aiomqtt's client, which would wait for its CONNACK until the timeout at a broker that has hung up already.

    Its `asyncio.wait_for` loses, before Python 3.12, a cancellation that comes in the same turn as the answer: it is not used.
    """

    async def _wait_for(self, fut: Awaitable[T], timeout: float | None) -> T:
        try:
            async with asyncio.timeout(self.timeout if timeout is None else timeout):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError("Operation timed out") from None

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
        if not self._connected.done():
            words = "it hung up before the session was open, as brokers do that want another certificate"
            self._connected.set_exception(aiomqtt.MqttError(words))
            self._connected.exception()  # else asyncio complains when nobody waits any more


def now_at() -> str:
    """Now, RFC 3339 UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def say(line: str) -> None:
    """One line for whoever runs the program."""
    print(line, file=sys.stderr, flush=True)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
