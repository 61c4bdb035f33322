"""A small MQTT 3.1.1 subscriber that notes when each message came.

Its own few lines of protocol instead of a client library: at some thousand messages a second the library would
take a good part of a core from what is measured.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CONNECT, CONNACK, PUBLISH, SUBSCRIBE, SUBACK = 0x10, 0x20, 0x30, 0x82, 0x90
QOS_BITS = 0x06
PUBACK = b"\x40\x02"
ANSWER_S = 5.0
RECEIVE_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ns: time.monotonic_ns() when its last bytes were read."""

    ns: int
    topic: str
    payload: bytes


def packet(kind: int, body: bytes) -> bytes:
    """One MQTT control packet: first byte, remaining length in 7-bit groups, body."""
    length, rest = bytearray(), len(body)
    while True:
        rest, group = divmod(rest, 128)
        length.append(group | 0x80 if rest else group)
        if not rest:
            return bytes([kind]) + bytes(length) + body


def text(words: str) -> bytes:
    """An MQTT string."""
    return struct.pack(">H", len(words.encode())) + words.encode()


def take_packets(received: bytearray) -> Iterator[tuple[int, bytes]]:
    """(first byte, body) of each whole packet, which is removed from `received`."""
    while len(received) >= 2:
        length = shift = 0
        at = 1
        while True:
            if at >= len(received):
                return
            length |= (received[at] & 0x7F) << shift
            shift += 7
            at += 1
            if received[at - 1] < 0x80:
                break
        if len(received) < at + length:
            return
        found = received[0], bytes(received[at : at + length])
        del received[: at + length]
        yield found


class Listener:
    """Subscribed to one topic filter from its making until `close`. messages: in the order of arrival."""

    def __init__(self, port: int, topic: str) -> None:
        """Connect to a broker on loopback. OSError or TimeoutError when it does not answer as expected."""
        self.messages: list[Message] = []
        self._news = threading.Condition()
        self._received = bytearray()
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ask(packet(CONNECT, text("MQTT") + b"\x04\x02\x00\x00" + text("bench-listener")), CONNACK, b"\x00\x00")
        self._ask(packet(SUBSCRIBE, b"\x00\x01" + text(topic) + b"\x01"), SUBACK, b"\x00\x01\x01")
        self._socket.settimeout(None)
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)
        self._thread.start()

    def _ask(self, request: bytes, kind: int, wanted: bytes) -> None:
        self._socket.sendall(request)
        while True:
            for first, body in take_packets(self._received):
                if first == kind and body == wanted:
                    return
                raise OSError(f"the broker answered packet 0x{first:02x} {body.hex(' ')}, expected 0x{kind:02x} {wanted.hex(' ')}")
            self._receive()

    def _receive(self) -> None:
        data = self._socket.recv(RECEIVE_BYTES)
        if not data:
            raise OSError("the broker closed the connection")
        self._received += data

    def _listen(self) -> None:
        try:
            while True:
                self._receive()
                self._take(time.monotonic_ns())
        except OSError:
            return  # closed, by us or by the broker's end

    def _take(self, ns: int) -> None:
        acks = bytearray()
        found = []
        for first, body in take_packets(self._received):
            if first & 0xF0 != PUBLISH:
                continue
            topic_end = 2 + int.from_bytes(body[:2], "big")
            payload_at = topic_end
            if first & QOS_BITS:
                payload_at += 2
                acks += PUBACK + body[topic_end:payload_at]
            found.append(Message(ns, body[2:topic_end].decode(), body[payload_at:]))
        if acks:
            self._socket.sendall(acks)
        if found:
            with self._news:
                self.messages += found
                self._news.notify_all()

    def wait_for(self, holds: Callable[[], bool], within_s: float) -> bool:
        """Wait until the condition, looked at after each arrival, holds; False when it did not in time."""
        with self._news:
            return self._news.wait_for(holds, within_s)

    def close(self) -> None:
        """Unsubscribe by hanging up."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
