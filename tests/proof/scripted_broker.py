"""A broker that follows a script: what no real broker does on request. MQTT 5, one session at a time, enough for a gateway."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter, deque
from types import TracebackType

from simulators.broker import free_port

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ = 1, 3, 8, 12


class ScriptedBroker:
    """connack: reason code, None for none at all. answers: topic end -> PUBACK codes to give first, afterwards 0.

    ends: reason code of a DISCONNECT that ends each session after its first heartbeat, while it is set. most: as Receive Maximum, largest:
    of a packet, in bytes; announced (the former only) and enforced as the standard says. PUBACKs come delay_s late. closed: topic ends that
    nobody may subscribe to. breaches: sessions ended because of `most`.
    """

    def __init__(
        self,
        *,
        connack: int | None = 0,
        ends: int | None = None,
        answers: dict[str, list[int]] | None = None,
        most: int | None = None,
        largest: int | None = None,
        delay_s: float = 0.0,
        closed: tuple[str, ...] = (),
    ) -> None:
        self.port = free_port()
        self.connack = connack
        self.ends = ends
        self.closed = closed
        self.connects = 0
        self.breaches = 0
        self._most = most
        self._largest = largest
        self._delay_s = delay_s
        self.publishes: Counter[str] = Counter()
        self._answers = {end: deque(codes) for end, codes in (answers or {}).items()}
        self._loop = asyncio.new_event_loop()
        self._writers: list[asyncio.StreamWriter] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def __enter__(self) -> ScriptedBroker:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)

    def _run(self) -> None:
        self._task = self._loop.create_task(self._serve())
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        rest = asyncio.all_tasks(self._loop)
        for task in rest:
            task.cancel()
        if rest:
            self._loop.run_until_complete(asyncio.wait(rest))
        for writer in self._writers:
            writer.transport.abort()
        if self._writers:
            self._loop.run_until_complete(asyncio.sleep(0.05))  # transports close in the rounds after
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._session, "127.0.0.1", self.port)
        self._ready.set()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flying: set[bytes] = set()
        self._writers.append(writer)

        def acknowledge(answer: bytes) -> None:
            flying.discard(answer[2:4])
            if not writer.is_closing():
                writer.write(answer)

        try:
            while True:
                kind = (await reader.readexactly(1))[0] >> 4
                body = await reader.readexactly(await _remaining_length(reader))
                answer = self._answer(kind, body)
                if answer[:1] == b"\x40":
                    flying.add(answer[2:4])
                    if self._most is not None and len(flying) > self._most:
                        self.breaches += 1
                        answer = b"\xe0\x02\x93\x00"
                    elif self._delay_s:
                        self._loop.call_later(self._delay_s, acknowledge, answer)
                        continue
                acknowledge(answer)
                await writer.drain()
                if answer[:1] == b"\xe0":
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass  # the gateway left
        finally:
            writer.close()

    def _answer(self, kind: int, body: bytes) -> bytes:
        if kind == CONNECT:
            self.connects += 1
            limits = b"" if self._most is None else b"\x21" + self._most.to_bytes(2, "big")
            return b"" if self.connack is None else bytes((0x20, 3 + len(limits), 0, self.connack, len(limits))) + limits
        if kind == SUBSCRIBE:
            code = 0x87 if body[:-1].endswith(tuple(end.encode() for end in self.closed)) else 0x01
            return b"\x90\x04" + body[:2] + bytes((0, code))
        if kind == PINGREQ:
            return b"\xd0\x00"
        return self._publish(body) if kind == PUBLISH else b""

    def _publish(self, body: bytes) -> bytes:
        topic_bytes = int.from_bytes(body[:2], "big")
        topic = body[2 : 2 + topic_bytes].decode()
        packet_id = body[2 + topic_bytes : 4 + topic_bytes]
        name = topic.split("/", 4)[4]
        self.publishes[name] += 1
        if self._largest is not None and len(body) > self._largest:
            return b"\xe0\x02\x95\x00"
        if self.ends is not None and name == "heartbeat":
            return bytes((0xE0, 2, self.ends, 0))
        codes = self._answers.get(name)
        code = codes.popleft() if codes else 0
        return b"\x40\x04" + packet_id + bytes((code, 0))


async def _remaining_length(reader: asyncio.StreamReader) -> int:
    length, shift = 0, 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return length
