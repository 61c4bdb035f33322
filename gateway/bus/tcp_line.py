"""A Modbus peer on TCP: one connection, one request at a time, in the event loop.

Written as callbacks, without a task or a future per poll: a gateway polls fifty of these every 20 to 50 ms.
A half-open connection (cable pulled, peer restarted) is noticed by three timeouts in a row over all units,
and replaced. A lost one is tried again with capped, fully jittered back-off.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence

from gateway.bus.counters import LineCounters
from gateway.bus.schedule import Errand, Link, Schedule, Turn, checked
from gateway.core.said import about
from gateway.core.wire import Block, Exchange, Failure, Framing, LineSink, Outcome, Reply

log = logging.getLogger(__name__)

BACKOFF_FIRST_S = 0.2
BACKOFF_MOST_S = 0.8  # a peer that has restarted is found again within 2 s
SILENT_UNTIL_RECONNECT = 3
IDLE_LOOK_S = 1.0  # a line with nothing to do still tells the watchdog that it lives
RECEIVE_BYTES = 2048


class _Peer(asyncio.BufferedProtocol):
    """One connection; ends with a reason."""

    def __init__(self, line: TcpLine, loop: asyncio.AbstractEventLoop) -> None:
        self._line = line
        self._buffer = bytearray(RECEIVE_BYTES)
        self._view = memoryview(self._buffer)
        self.ended: asyncio.Future[str] = loop.create_future()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._line.received(bytes(self._view[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None or isinstance(exc, OSError):
            self.end(f"connection lost: {exc.strerror or exc}" if exc else "connection closed by the peer")
        elif not self.ended.done():
            self.ended.set_exception(exc)

    def end(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)


class TcpLine:
    """One TCP peer with all its units."""

    def __init__(
        self,
        bus_id: str,
        host: str,
        port: int,
        framing: Framing,
        blocks: Sequence[Block],
        sink: LineSink,
        connect_timeout_s: float = 2.0,
        *,
        late_answers: bool = False,
    ) -> None:
        """late_answers: the framing has no transaction ids (RTU over TCP)."""
        self.bus_id = bus_id
        self.counters = LineCounters()
        self.connected = asyncio.Event()
        self._host, self._port, self._connect_timeout_s = host, port, connect_timeout_s
        self._framing = framing
        self._sink = sink
        self._schedule = Schedule(blocks, 0.0, late_answers=late_answers)
        self._first = self._schedule.blocks[0] if blocks else None
        self._first_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transport: asyncio.Transport | None = None
        self._peer: _Peer | None = None
        self._turn: Turn | None = None
        self._sent_s = self._deadline_s = 0.0
        self._due: asyncio.TimerHandle | None = None  # when the next turn comes
        self._guard: asyncio.TimerHandle | None = None  # looks for a timeout; re-armed only when it fires
        self._silent = 0  # timeouts in a row, over all units
        self._answered = False  # on this connection
        self._lost_s: float | None = None

    # --- the connection ---------------------------------------------------------------

    async def run(self) -> None:
        """Keep the connection and the polling going until cancelled."""
        self._loop = asyncio.get_running_loop()
        self._schedule.restored(self._loop.time())
        tries = 0
        try:
            while True:
                self._answered = False
                fault, refresh = await self._converse()
                tries = 0 if self._answered else tries + 1
                if not refresh:
                    self._lose(fault)
                if tries or not refresh:
                    await asyncio.sleep(random.uniform(0, min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2 ** min(tries, 10))))
        finally:
            self._stop_timers()
            self._turn = None
            self._drop_errands("the line is stopped")

    async def _converse(self) -> tuple[str, bool]:
        """One connection until it ends: (why, True when only to be replaced by a fresh one)."""
        assert self._loop is not None
        loop = self._loop
        peer = _Peer(self, loop)
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                transport, _ = await loop.create_connection(lambda: peer, self._host, self._port)
        except TimeoutError:
            return f"{self._host}:{self._port} does not answer within {self._connect_timeout_s:g} s", False
        except OSError as error:
            return f"cannot connect to {self._host}:{self._port}: {error.strerror or error}", False
        try:
            self._begin(peer, transport)
            fault = await peer.ended
        finally:
            self._stop_timers()
            transport.abort()
            self._transport = self._peer = None
            self.connected.clear()
        return fault, fault is _REFRESH

    def _begin(self, peer: _Peer, transport: asyncio.Transport) -> None:
        assert self._loop is not None
        self._peer, self._transport = peer, transport
        self.connected.set()
        self._turn, self._silent = None, 0
        self._framing.reset()
        if self._lost_s is not None:
            now_s = self._loop.time()
            log.info(
                "line %s: %s:%d is back after %.1f s",
                self.bus_id,
                self._host,
                self._port,
                now_s - self._lost_s,
                extra=about(line=self.bus_id),
            )
            self._lost_s = None
            self._schedule.restored(now_s)
        self._next()

    def _lose(self, reason: str) -> None:
        """Say once that all points of this line are without a wire."""
        assert self._loop is not None
        now_s = self._loop.time()
        outcome = Outcome(b"", Failure.PORT_LOST, now_s, detail=reason)
        self.counters.count(outcome)
        if isinstance(self._turn, Errand):
            self._turn.answer(outcome)
        self._turn = None
        self._drop_errands(reason)
        if self._lost_s is not None:
            return
        self._lost_s = now_s
        self.counters.port_losses += 1
        log.warning("line %s: %s; trying again", self.bus_id, reason, extra=about(line=self.bus_id))
        for block in self._schedule.blocks:
            self._sink.outcome(block, outcome)
        for link in self._schedule.lost(f"port lost: {reason}"):
            self._tell(link, now_s)

    def _drop_errands(self, reason: str) -> None:
        now_s = self._loop.time() if self._loop else 0.0
        for errand in self._schedule.take_errands():
            errand.answer(Outcome(b"", Failure.PORT_LOST, now_s, detail=reason))
        self.counters.queue_depth = 0

    def _stop_timers(self) -> None:
        for timer in (self._due, self._guard):
            if timer is not None:
                timer.cancel()
        self._due = self._guard = None

    # --- requests ---------------------------------------------------------------------

    def submit(self, exchange: Exchange) -> asyncio.Future[Outcome]:
        """Send once; ends with PORT_LOST when there is no connection, QUEUE_FULL when too many wait."""
        loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()

        def answer(outcome: Outcome) -> None:
            if not future.done():
                future.set_result(outcome)

        now_s = loop.time()
        if self._transport is None:
            answer(Outcome(b"", Failure.PORT_LOST, now_s, detail="not connected"))
        elif not self._schedule.add(Errand(exchange, now_s, answer)):
            answer(Outcome(b"", Failure.QUEUE_FULL, now_s))
        elif self._turn is None:
            self._next()
        self.counters.queue_depth = self._schedule.queue_depth
        return future

    def _next(self) -> None:
        """Send what is due, or wait until something is."""
        assert self._loop is not None
        if self._transport is None:
            return
        if self._due is not None:
            self._due.cancel()
            self._due = None
        now_s = self._loop.time()
        turn = self._schedule.turn(now_s)
        if turn is None:
            self._due = self._loop.call_at(min(self._schedule.wake_s, now_s + IDLE_LOOK_S), self._on_due)
            return
        if turn is self._first:
            self.counters.cycle_s, self._first_s = now_s - self._first_s, now_s
        self.counters.late_s = self._schedule.late_s
        request = turn.exchange if isinstance(turn, Errand) else turn
        self._turn, self._sent_s = turn, now_s
        self._transport.write(self._framing.encode(request.unit, request.request, request.reply_bytes))
        if not request.reply_bytes:
            self._finish(Outcome(b"", None, now_s))
            return
        self._deadline_s = now_s + request.timeout_s
        if self._guard is not None and self._guard.when() > self._deadline_s:
            self._guard.cancel()
            self._guard = None
        if self._guard is None:
            self._guard = self._loop.call_at(self._deadline_s, self._on_guard)

    def _on_due(self) -> None:
        assert self._loop is not None
        self._due = None
        self.counters.last_attempt_s = self._loop.time()
        self._protected(self._next)

    def _on_guard(self) -> None:
        assert self._loop is not None
        self._guard = None
        if self._turn is None:
            return
        if self._loop.time() < self._deadline_s:
            self._guard = self._loop.call_at(self._deadline_s, self._on_guard)
            return
        self._protected(self._time_out)

    def _protected(self, step: Callable[[], None]) -> None:
        """A step called by a timer: what it raises ends run(), as what a received byte raises does."""
        try:
            step()
        except BaseException as error:
            if self._peer is not None and not self._peer.ended.done():
                self._peer.ended.set_exception(error)
            raise

    def _time_out(self) -> None:
        self._silent += 1
        self._settle(self._framing.give_up())
        if self._silent >= SILENT_UNTIL_RECONNECT and self._peer is not None:
            self._peer.end(_REFRESH)

    # --- replies ----------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Bytes of the peer, in pieces of any size."""
        reply = self._framing.feed(data)
        if reply is None:
            return
        if self._turn is not None:
            self._silent = 0
            self._answered = self._answered or not reply.out_of_step
            self._settle(reply)
        elif reply.out_of_step and self._peer is not None:
            self._peer.end(_REFRESH)

    def _settle(self, reply: Reply) -> None:
        assert self._loop is not None
        now_s = self._loop.time()
        if reply.out_of_step and self._peer is not None:
            self._peer.end(_REFRESH)
        self._finish(Outcome(reply.pdu, reply.failure, now_s, now_s - self._sent_s, reply.exception, reply.detail))

    def _finish(self, outcome: Outcome) -> None:
        """The turn stays taken until all is told: an order that comes of it waits, or two requests would be in flight."""
        turn = self._turn
        assert turn is not None
        outcome = checked(turn.exchange if isinstance(turn, Errand) else turn, outcome)
        self.counters.count(outcome)
        verdict = self._schedule.done(turn, outcome)
        if isinstance(turn, Errand):
            turn.answer(outcome)
            self.counters.queue_depth = self._schedule.queue_depth
        link = verdict.link
        for block in verdict.blocks:
            if new := self._sink.outcome(block, outcome):
                self._schedule.replace(new, outcome.now_s)
                link = None  # what was refused is no longer asked for
        if link is not None:
            self._tell(link, outcome.now_s)
        self._turn = None
        if self._peer is not None and not self._peer.ended.done():
            self._next()

    def worst_s(self) -> dict[tuple[str, str], float]:
        """(device, block) -> longest time from one sampling of its points to the end of the next reply."""
        return self._schedule.worst_s()

    def _tell(self, link: Link, now_s: float) -> None:
        self._sink.device_link(link.device, link.up, link.reason, now_s)


_REFRESH = "no answer on this connection"
