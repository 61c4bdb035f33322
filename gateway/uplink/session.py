"""One MQTT session to one broker: aiomqtt (over paho-mqtt) with what alarm delivery needs on top.

aiomqtt 2.5 throws the PUBACK's reason code away and, when the link drops, lets a publish hang until its
timeout. Here a publish returns at once, and its callback gets the code; the link's end is one future.
A session object lives for one connection; who tries again, and when, is decided in `link.py`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.enums import LogLevel, MQTTErrorCode
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.core.errors import LinkLost, NotAllowed, PacketTooLarge, SubscriptionRefused, TakenOver, Unwelcome
from gateway.uplink.tls_words import tls_words

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
SESSION_EXPIRY_S = 86_400  # the broker keeps receipts for us this long
INCOMING_MOST_BYTES = 262_144  # a receipt of 1,000 events has about 100,000
WAITING_MOST_BYTES = 16_777_216  # of all messages that have come and are not looked at yet
HEAD_BYTES = 65_536 + 64  # of a message too long to be read: enough for the topic and the number that its PUBACK names
REFUSED_FROM = 0x80
UNLIMITED = 65_535  # Receive Maximum where the broker names none (MQTT 5, 3.2.2.3.3)

T = TypeVar("T")

OnAck = Callable[[int], None]

TAKEN_OVER, NOT_ALLOWED, TOO_LARGE = 0x8E, 0x87, 0x95
# CONNACK codes that stay until a person acts (MQTT 5, 3.2.2.2; the library gives those of 3.1.1 the same numbers)
REFUSALS = {
    0x85: "it does not take the client id",
    0x86: "user or password is wrong; see username and password_file of this path",
    0x87: "not authorised; see username, password_file and certificate of this path, and the rights at the broker",
    0x8A: "banned",
    0x8C: "it wants another way to log in",
    0x9D: "it has moved; see url of this path",
}
# Those that may pass by themselves
BUSY = {
    0x88: "it is not ready to serve",
    0x89: "it is busy",
    0x97: "a quota is used up",
    0x9C: "another server is to be used for the time being",
    0x9F: "connections come too fast",
}
DISCONNECTS = {
    0x87: "the broker does not allow a message that was just sent",
    0x89: "the broker is busy",
    0x8B: "the broker shuts down",
    0x8D: "the broker has heard nothing for too long (keep-alive)",
    0x93: "the broker says that too many messages are in flight; see window",
    0x95: "a message that was just sent is larger than the broker takes",
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

    @property
    def receive_maximum(self) -> int:
        """How many QoS 1 messages the broker takes before it has acknowledged the first; more wait in the library, in their order."""
        return self._client.receive_maximum

    @property
    def maximum_packet_bytes(self) -> int | None:
        """The largest packet that the broker takes, None where it does not say."""
        return self._client.maximum_packet_bytes

    def unacknowledged(self) -> list[tuple[str, int]]:
        """(topic, bytes of payload) of each QoS 1 message that waits for its PUBACK, in the order of sending; also after the end."""
        return [(topic, size) for _, topic, size in self._client.flying.values()]

    @property
    def taken(self) -> dict[str, int]:
        """topic -> bytes of the largest payload that the broker has acknowledged in this session without refusing it."""
        return self._client.taken

    def drop(self) -> None:
        """Close the connection at once, without a word: the broker publishes the will. For a line on which nothing gets through."""
        self._client.drop()

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

    def publish_picture(self, topic: str, payload: bytes, on_ack: OnAck) -> None:
        """Hand a JPEG to the connection at QoS 1, not retained."""
        self._send(topic, payload, 1, False, _properties("image/jpeg"), on_ack)

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
            if value >= REFUSED_FROM:
                raise SubscriptionRefused(f"the broker refuses the subscription to {topic}: reason code 0x{value:02x}")

    async def messages(self) -> AsyncIterator[tuple[str, bytes, bool]]:
        """(topic, payload, retained) of what arrives. Raises LinkLost when the link ends."""
        try:
            async for message in self._client.messages:
                payload = message.payload if isinstance(message.payload, bytes) else str(message.payload or "").encode()
                self._client.waiting_bytes -= len(payload)
                yield str(message.topic), payload, bool(message.retain)
        except aiomqtt.MqttError as error:
            raise self._ended("the link ended", error) from error
        raise LinkLost("the link ended")

    def _ended(self, doing: str, error: Exception) -> LinkLost:
        """Why there is no session any more, as far as the broker said."""
        code = _code(error) or self._client.last_code()
        if code == TAKEN_OVER:
            return TakenOver(f'another device connects with the client id "{self._address.client_id}" and takes the session over')
        kind = {NOT_ALLOWED: NotAllowed, TOO_LARGE: PacketTooLarge}.get(code, LinkLost)
        return kind(f"{doing}: {DISCONNECTS.get(code) or error}")

    def _explain(self, error: BaseException) -> str:
        """What to do about a refused connection."""
        where = f"{self._address.host}:{self._address.port}"
        text = str(error)
        if self._address.tls is not None and (words := tls_words(text)):
            return f"{where}: {words} ({text})"
        if isinstance(error, MqttConnectError) and (advice := (REFUSALS | BUSY).get(_code(error))):
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
    """aiomqtt's client with the PUBACK's reason code handed out, the limits that the broker announces, and limits of its own.

    flying: packet id -> (who waits for the PUBACK, topic, bytes). taken: see Session. waiting_bytes: of messages that have come and wait
    to be looked at.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.flying: dict[int, tuple[OnAck, str, int]] = {}
        self.taken: dict[str, int] = {}
        self.receive_maximum = UNLIMITED
        self.maximum_packet_bytes: int | None = None
        self.waiting_bytes = 0
        self._discarded = 0
        self._client._handle_pubackcomp = self._take_puback  # type: ignore[method-assign,assignment]
        self._read_packet = self._client._packet_read
        self._client._packet_read = self._packet_read  # type: ignore[method-assign]
        self._handle_end = self._client._loop_rc_handle
        self._client._loop_rc_handle = self._read_the_rest  # type: ignore[method-assign]
        self._thread = threading.get_ident()
        self._waits_for_room = False  # the socket took no more; the loop tells when it does
        self._said = ""  # the library's last error before the session was open: under TLS 1.3 a refusal comes after the handshake
        self._client.on_log = self._remember

    async def _wait_for(self, fut: Awaitable[T], timeout: float | None) -> T:
        """The library's `asyncio.wait_for` loses, before Python 3.12, a cancellation that comes in the same turn as the answer."""
        try:
            async with asyncio.timeout(self.timeout if timeout is None else timeout):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError("timed out") from None

    def _remember(self, client: Any, userdata: Any, level: int, words: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._said = words

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        self._client.on_log = None  # it costs time for each message
        self.receive_maximum = getattr(properties, "ReceiveMaximum", UNLIMITED)
        self.maximum_packet_bytes = getattr(properties, "MaximumPacketSize", None)
        self._client._max_inflight_messages = min(self._client._max_inflight_messages, self.receive_maximum)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError(f"closed before the session was open; {self._said}".rstrip("; ")))
            self._connected.exception()  # when nobody waits any more it would complain on stderr

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        """Write in the loop's next turn, without asking first whether the socket takes it: it does, unless the line is slower than we."""
        if threading.get_ident() != self._thread:
            self._waits_for_room = True
            super()._on_socket_register_write(client, userdata, sock)  # the library connects in a thread of its own
        else:
            self._loop.call_soon(self._write, client, sock)

    def _write(self, client: Any, sock: Any) -> None:
        try:
            client.loop_write()
        except Exception as error:  # noqa: BLE001 - whatever it is, the link has ended; the library's own callback does the same
            if not self._disconnected.done():
                self._disconnected.set_exception(error)
        if client.want_write() and sock.fileno() >= 0 and not self._waits_for_room:
            self._waits_for_room = True
            self._loop.add_writer(sock.fileno(), self._write, client, sock)

    def _on_socket_unregister_write(self, client: Any, userdata: Any, sock: Any) -> None:
        if self._waits_for_room:
            self._waits_for_room = False
            super()._on_socket_unregister_write(client, userdata, sock)

    def send(self, topic: str, payload: bytes, qos: int, retain: bool, properties: Properties | None, on_ack: OnAck | None) -> None:
        if self._disconnected.done():
            raise aiomqtt.MqttError("the link ended")
        info = self._client.publish(topic, payload, qos, retain, properties)
        if info.rc:
            raise aiomqtt.MqttCodeError(info.rc, "not sent")
        if on_ack is not None:
            self.flying[info.mid] = (on_ack, topic, len(payload))

    def _take_puback(self, command: str) -> MQTTErrorCode:
        """The library ends the session at a reason code that its table does not have for a PUBACK; mosquitto sends such a one (0x95)."""
        body = self._client._in_packet["packet"]
        if len(body) < 2:
            raise MalformedPacket(f"{command} of {len(body)} bytes")
        number, code = int.from_bytes(body[:2], "big"), body[2] if len(body) > 2 else 0
        with self._client._out_message_mutex:
            if number not in self._client._out_messages:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            return self._client._do_on_publish(number, code, None)  # type: ignore[arg-type]

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any = None) -> None:
        known = self.flying.pop(mid, None)
        if known is not None:
            on_ack, topic, size = known
            code = int(getattr(reason_code, "value", reason_code))
            if code < REFUSED_FROM and size > self.taken.get(topic, 0):
                self.taken[topic] = size
            on_ack(code)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _packet_read(self) -> MQTTErrorCode:
        """Of a message that is too long to be looked at keep only its head.

        No Maximum Packet Size is announced: mosquitto 2.0 sends nothing at all any more once it has left out as many messages for it as
        it may have in flight, and 3.1.1 has no word for it.
        """
        done = self._read_packet()
        packet = self._client._in_packet
        if packet["remaining_length"] > INCOMING_MOST_BYTES:
            del packet["packet"][HEAD_BYTES:]
        return done

    def _read_the_rest(self, rc: MQTTErrorCode) -> MQTTErrorCode:
        """A broker that leaves may have said why; a write that fails is no reason not to read it."""
        if rc == MQTTErrorCode.MQTT_ERR_CONN_LOST:
            with suppress(OSError):
                while self._client._sock is not None and self._packet_read() == MQTTErrorCode.MQTT_ERR_SUCCESS:
                    pass
        return self._handle_end(rc)

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        size = len(message.payload)
        too_long = self._client._in_packet["remaining_length"] > INCOMING_MOST_BYTES
        if too_long or self.waiting_bytes + size > WAITING_MOST_BYTES or self._queue.full():
            self._discarded += 1
            if self._discarded == 1:
                log.warning("a message on %s is not looked at: it is too long, or too many come at once", message.topic)
            return
        self.waiting_bytes += size
        super()._on_message(client, userdata, message)

    def drop(self) -> None:
        """Close the socket."""
        self._client._sock_close()
        if not self._disconnected.done():
            self._disconnected.set_exception(aiomqtt.MqttError("given up"))

    def last_code(self) -> int:
        """Reason code with which the broker ended the session, 0 when it gave none."""
        ended = self._disconnected
        done = isinstance(ended, asyncio.Future) and ended.done() and not ended.cancelled()
        return _code(ended.exception()) if done else 0

    async def forget(self) -> None:
        """Close what a failed attempt left open, and retrieve aiomqtt's own exceptions, which would otherwise complain on stderr."""
        self.flying.clear()
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


class _Packed:
    """Properties that are the same in thousands of messages, packed once."""

    def __init__(self, properties: Any) -> None:
        self._bytes: bytes = properties.pack()

    def pack(self) -> bytes:
        return self._bytes


_EVENT: Any = _Packed(_properties("application/cloudevents+json"))
_JSON: Any = _Packed(_properties("application/json"))
