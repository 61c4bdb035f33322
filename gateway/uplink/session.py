"""One MQTT session to one broker: aiomqtt (over paho-mqtt) with what alarm delivery needs on top.

aiomqtt 2.5 throws the PUBACK's reason code away and, when the link drops, lets a publish hang until its
timeout. Here a publish returns at once, and its callback gets the code; the link's end is one future.
A session object lives for one connection; who tries again, and when, is decided in `link.py`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.enums import LogLevel, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.core.errors import LinkLost, SubscriptionRefused, TakenOver, Unwelcome
from gateway.uplink.tls_words import tls_words

CONNECT_TIMEOUT_S = 10.0
SESSION_EXPIRY_S = 86_400  # the broker keeps receipts for us this long

OnAck = Callable[[int], None]

TAKEN_OVER = 0x8E
# CONNACK codes that stay until a person acts (MQTT 5, 3.2.2.2; the library gives those of 3.1.1 the same numbers)
REFUSALS = {
    0x85: "it does not take the client id",
    0x86: "user or password is wrong; see username and password_file of this path",
    0x87: "not authorised; see user, certificate and the rights at the broker",
    0x8A: "banned",
    0x8C: "it wants another way to log in",
}
DISCONNECTS = {
    0x89: "the broker is busy",
    0x8B: "the broker shuts down",
    0x8D: "the broker has heard nothing for too long (keep-alive)",
    0x93: "the broker says that too many messages are in flight; see window",
    0x96: "the broker says that messages come too fast",
    0x97: "the broker's quota is used up",
    0x98: "an administrator at the broker ended the session",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where and as whom to connect. keepalive_s: the broker drops us after 1.5 times that."""

    host: str
    port: int
    client_id: str
    v5: bool
    keepalive_s: int
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = None
    source_address: str = ""


class Session:
    """An open session; use as an async context manager. Raises LinkLost from every call once it has ended."""

    def __init__(self, address: Address, will_topic: str, will: bytes, window: int) -> None:
        self._address = address
        self._client = _Client(
            address.host,
            address.port,
            identifier=address.client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if address.v5 else aiomqtt.ProtocolVersion.V311,
            will=aiomqtt.Will(will_topic, will, qos=1, retain=True),
            keepalive=address.keepalive_s,
            tls_context=address.tls,
            username=address.username,
            password=address.password,
            bind_address=address.source_address,
            timeout=CONNECT_TIMEOUT_S,
            max_inflight_messages=window + 100,  # states and heartbeats go beside the events
            max_queued_incoming_messages=10_000,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # with Nagle an event waits 40 ms for the peer's ACK
            **_clean(address.v5),
        )
        self._client.pending_calls_threshold = 1_000_000

    async def __aenter__(self) -> Session:
        try:
            await self._client.__aenter__()
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            await self._client.forget()
            refused = isinstance(error, MqttConnectError) and _code(error) in REFUSALS
            raise (Unwelcome if refused else LinkLost)(self._explain(error)) from error
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        try:
            await self._client.__aexit__(None, None, None)
        except (aiomqtt.MqttError, OSError):
            pass  # it was lost already, which is what the caller was told
        await self._client.forget()

    def publish_event(self, topic: str, payload: bytes, on_ack: OnAck) -> None:
        """Hand an event to the connection at QoS 1. on_ack(reason code) is called with the broker's PUBACK."""
        self._send(topic, payload, 1, False, _EVENT, on_ack)

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool, on_ack: OnAck | None = None, expiry_s: int = 0) -> None:
        """Hand any other message to the connection. expiry_s: the broker may drop it after so long (MQTT 5)."""
        self._send(topic, payload, qos, retain, _properties("application/json", expiry_s) if expiry_s else _JSON, on_ack)

    def _send(self, topic: str, payload: bytes, qos: int, retain: bool, properties: Properties, on_ack: OnAck | None) -> None:
        try:
            self._client.send(topic, payload, qos, retain, properties if self._address.v5 else None, on_ack)
        except (aiomqtt.MqttError, ValueError) as error:
            raise self._ended("not sent", error) from error

    async def subscribe(self, topic: str, *, fresh_only: bool = False) -> None:
        """Subscribe at QoS 1. Raises LinkLost, SubscriptionRefused when the broker does not grant it.

        fresh_only: nothing retained is sent, and what is published with the retain flag keeps it (MQTT 5).
        """
        try:
            if fresh_only and self._address.v5:
                granted = await self._client.subscribe(topic, options=_fresh_only())
            else:
                granted = await self._client.subscribe(topic, qos=1)
        except aiomqtt.MqttError as error:
            raise self._ended(f"subscribing {topic}", error) from error
        for code in granted or ():
            value = code if isinstance(code, int) else code.value
            if value >= 0x80:
                raise SubscriptionRefused(f"the broker refuses the subscription to {topic}: reason code 0x{value:02x}")

    async def messages(self) -> AsyncIterator[tuple[str, bytes, bool]]:
        """(topic, payload, retained) of what arrives. Raises LinkLost when the link ends."""
        try:
            async for message in self._client.messages:
                payload = message.payload
                yield str(message.topic), payload if isinstance(payload, bytes) else str(payload or "").encode(), bool(message.retain)
        except aiomqtt.MqttError as error:
            raise self._ended("the link ended", error) from error
        raise LinkLost("the link ended")

    def _ended(self, doing: str, error: Exception) -> LinkLost:
        """Why there is no session any more, as far as the broker said."""
        code = _code(error) or self._client.last_code()
        if code == TAKEN_OVER:
            return TakenOver(f'another device connects with the client id "{self._address.client_id}" and takes the session over')
        words = DISCONNECTS.get(code, "")
        return LinkLost(f"{doing}: {words or error}")

    def _explain(self, error: BaseException) -> str:
        """What to do about a refused connection."""
        where = f"{self._address.host}:{self._address.port}"
        text = str(error)
        if self._address.tls is not None and (words := tls_words(text)):
            return f"{where}: {words} ({text})"
        if isinstance(error, MqttConnectError) and (advice := REFUSALS.get(_code(error))):
            return f"{where} refuses this gateway: {advice} ({text})"
        if "timed out" in text.lower() and self._address.tls is None:
            return f"{where} took the connection and has not answered for {CONNECT_TIMEOUT_S:.0f} s; is that an MQTT broker? ({text})"
        if "protocol version" in text.lower() and self._address.v5:
            return f'{where} does not speak MQTT 5; set protocol = "3.1.1" for this path ({text})'
        if "timed out" in text.lower() and self._address.tls is not None:
            return f"{where} closed the TLS session without a word; brokers do that when they want a client certificate ({text})"
        return f"{where}: {text}"


class Wallet(Protocol):
    """Where the TLS context of the next session comes from."""

    def context(self) -> ssl.SSLContext:
        """For one new session. Raises LinkLost when its files cannot be used."""
        ...

    def stale(self) -> str:
        """Why the open session should be replaced; empty while it should not."""
        ...


class MqttDialler:
    """Opens sessions at one address. window: events in flight without PUBACK. Satisfies core.delivery.Dialler.

    wallet: the TLS side, asked anew for each session; password: likewise, raises LinkLost when it cannot be had.
    """

    def __init__(self, address: Address, window: int, wallet: Wallet | None = None, password: Callable[[], str] | None = None) -> None:
        self._address = address
        self._window = window
        self._wallet = wallet
        self._password = password

    @property
    def where(self) -> str:
        return f"{self._address.host}:{self._address.port}"

    @property
    def can_refuse(self) -> bool:
        return self._address.v5

    def dial(self, will_topic: str, will: bytes) -> Session:
        """One new session; nothing is sent before it is entered. Raises LinkLost when certificates or password cannot be used."""
        address = self._address
        if self._wallet is not None:
            address = replace(address, tls=self._wallet.context())
        if self._password is not None:
            address = replace(address, password=self._password())
        return Session(address, will_topic, will, self._window)

    def stale(self) -> str:
        return "" if self._wallet is None else self._wallet.stale()


class _Client(aiomqtt.Client):
    """aiomqtt's client with the PUBACK's reason code handed out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._on_acks: dict[int, OnAck] = {}
        self._said = ""  # the library's last error before the session was open: under TLS 1.3 a refusal comes after the handshake
        self._client.on_log = self._remember

    def _remember(self, client: Any, userdata: Any, level: int, words: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._said = words

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        self._client.on_log = None  # it costs time for each message
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError(f"closed before the session was open; {self._said}".rstrip("; ")))
            self._connected.exception()  # when nobody waits any more it would complain on stderr

    def send(self, topic: str, payload: bytes, qos: int, retain: bool, properties: Properties | None, on_ack: OnAck | None) -> None:
        if self._disconnected.done():
            raise aiomqtt.MqttError("the link ended")
        info = self._client.publish(topic, payload, qos, retain, properties)
        if info.rc:
            raise aiomqtt.MqttCodeError(info.rc, "not sent")
        if on_ack is not None:
            self._on_acks[info.mid] = on_ack

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any = None) -> None:
        on_ack = self._on_acks.pop(mid, None)
        if on_ack is not None:
            on_ack(int(reason_code.value))
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def last_code(self) -> int:
        """Reason code with which the broker ended the session, 0 when it gave none."""
        ended = self._disconnected
        done = isinstance(ended, asyncio.Future) and ended.done() and not ended.cancelled()
        return _code(ended.exception()) if done else 0

    async def forget(self) -> None:
        """Close what a failed attempt left open, and retrieve aiomqtt's own exceptions, which would otherwise complain on stderr."""
        self._on_acks.clear()
        self._client._sock_close()
        for future in (self._connected, self._disconnected):
            if isinstance(future, asyncio.Future) and future.done() and not future.cancelled():
                future.exception()


def _code(error: BaseException | None) -> int:
    """MQTT reason code of the library's error, 0 when it has none."""
    code = getattr(error, "rc", None)
    value = getattr(code, "value", 0)
    return value if isinstance(value, int) and not isinstance(code, MQTTErrorCode) else 0


def _clean(v5: bool) -> dict[str, Any]:
    if not v5:
        return {"clean_session": False}
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    return {"clean_start": False, "properties": properties}


def _fresh_only() -> Any:
    never = SubscribeOptions.RETAIN_DO_NOT_SEND
    return SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=never)


def _properties(content_type: str, expiry_s: int = 0) -> Any:
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = content_type
    if expiry_s:
        properties.MessageExpiryInterval = expiry_s
    return properties


_EVENT = _properties("application/cloudevents+json")
_JSON = _properties("application/json")
