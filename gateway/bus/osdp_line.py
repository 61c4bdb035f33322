"""A serial line with OSDP readers (IEC 60839-11-5), served from the event loop.

Each reader gets its turn: libosdp says what to send next, the line sends it and waits for the one answer that comes
from that address with a sound check. So a silent reader costs the others 0.2 s a second at most. Every 20 ms without
work the readers are looked at again; libosdp itself polls each one every 50 ms. Answers of other readers that come
late, an echo of the request and noise never reach libosdp.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence

from gateway.bus.counters import LineCounters
from gateway.bus.osdp_frames import FRAME_BYTES_MOST, Cutter, Frame
from gateway.bus.osdp_reader import Reader
from gateway.bus.osdp_session import ReaderAddress
from gateway.bus.serial_line import SerialSettings, open_port
from gateway.bus.wire_time import character_s
from gateway.core.errors import PortLost
from gateway.core.said import about
from gateway.core.wire import Exchange, Failure, LineSink, Outcome

__all__ = ["OsdpLine", "ReaderAddress"]

log = logging.getLogger(__name__)

REOPEN_S = 0.5
REFRESH_S = 0.02
REPLY_S = 0.2  # longest time until a reader's answer begins; libosdp waits as long
PAUSE_S = 0.03  # silence inside an answer that ends it: a USB adapter hands over bytes every 16 ms


class OsdpLine:
    """One serial port with all its readers."""

    def __init__(
        self, bus_id: str, path: str, settings: SerialSettings, readers: Sequence[ReaderAddress], sink: LineSink, install_mode: bool = False
    ) -> None:
        """install_mode: readers on the default key are given their own. ValueError when two have the same address."""
        self.bus_id = bus_id
        self.counters = LineCounters()
        self._path, self._settings = path, settings
        self._readers = {where.device: Reader(where, install_mode, sink) for where in readers}
        if len({where.address for where in readers}) < len(readers):
            raise ValueError(f"line {bus_id}: two readers have the same address")
        self._wire: _Wire | None = None
        self._lost_s: float | None = None

    async def run(self) -> None:
        """Own the port until cancelled."""
        try:
            while True:
                try:
                    with open_port(self._path, self._settings) as port:
                        await self._converse(_Wire(port.fileno(), self._path, character_s(self._settings.baud)))
                except PortLost as error:
                    self._lose(str(error))
                await asyncio.sleep(REOPEN_S)
        finally:
            for reader in self._readers.values():
                reader.stop("the line is stopped")

    def worst_s(self) -> dict[tuple[str, str], float]:
        """Empty: nothing here is sampled by blocks."""
        return {}

    def submit(self, exchange: Exchange) -> asyncio.Future[Outcome]:
        """Send one command (`osdp_session.command_of`). Ends when the reader confirmed it.

        REFUSED on its NAK, or when the request is no command of a reader; NO_ANSWER when it is or goes away.
        """
        if self._wire is None:
            return _settled(Failure.PORT_LOST, "the port is not open")
        try:
            return self._readers[exchange.device].submit(exchange)
        except (KeyError, ValueError) as error:
            return _settled(Failure.REFUSED, f"{exchange.name}: {error}")

    async def _converse(self, wire: _Wire) -> None:
        """Turn after turn until cancelled; PortLost when the port goes away."""
        if self._lost_s is not None:
            log.info(
                "line %s: %s is back after %.1f s", self.bus_id, self._path, time.monotonic() - self._lost_s, extra=about(line=self.bus_id)
            )
            self._lost_s = None
        self._wire = wire
        wire.open()
        try:
            while True:
                begin_s = time.monotonic()
                worked = [await self._take_turn(wire, reader) for reader in self._readers.values()]
                self.counters.cycle_s = time.monotonic() - begin_s
                self.counters.last_attempt_s = time.monotonic()
                self.counters.queue_depth = sum(reader.waiting for reader in self._readers.values())
                await asyncio.sleep(0 if any(worked) else REFRESH_S)
        finally:
            self._wire = None
            wire.close()

    async def _take_turn(self, wire: _Wire, reader: Reader) -> bool:
        """One command and its answer; False when there was nothing to say."""
        wire.check()
        begin_s = time.monotonic()
        said = reader.next_frame(begin_s)
        if not said:
            return False
        reply = await wire.ask(said, reader.where.address)
        now_s = time.monotonic()
        self.counters.count(Outcome(b"", None if reply else Failure.NO_ANSWER, now_s, now_s - begin_s))
        reader.answered(reply, now_s)
        return True

    def _lose(self, reason: str) -> None:
        """Say once that all readers of this line are without a wire."""
        now_s = time.monotonic()
        self.counters.count(Outcome(b"", Failure.PORT_LOST, now_s))
        if self._lost_s is not None:
            return
        self._lost_s = now_s
        self.counters.port_losses += 1
        log.warning("line %s: %s; trying again each %g s", self.bus_id, reason, REOPEN_S, extra=about(line=self.bus_id))
        for reader in self._readers.values():
            reader.lose(f"port lost: {reason}", now_s)


class _Wire:
    """An open port: one question, one answer."""

    def __init__(self, fd: int, path: str, character_s: float) -> None:
        self._fd, self._path, self._character_s = fd, path, character_s
        self._cutter = Cutter()
        self._frames: list[Frame] = []
        self._came = asyncio.Event()
        self._error: PortLost | None = None

    def open(self) -> None:
        asyncio.get_running_loop().add_reader(self._fd, self._readable)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)

    def check(self) -> None:
        """PortLost when the port was found gone."""
        if self._error is not None:
            raise self._error

    async def ask(self, request: bytes, address: int) -> Frame | None:
        """Send and wait; None when no sound answer came from that address. PortLost when the port is gone."""
        self._frames.clear()
        self._cutter.reset()
        self._write(request)
        deadline_s = time.monotonic() + len(request) * self._character_s + REPLY_S
        last_s = deadline_s + FRAME_BYTES_MOST * self._character_s + PAUSE_S  # a babbling line ends here
        while True:
            for frame in self._frames:
                if frame.is_reply and frame.address == address:
                    return frame
            self._frames.clear()
            self.check()
            self._came.clear()
            try:
                async with asyncio.timeout(deadline_s - time.monotonic()):
                    await self._came.wait()
            except TimeoutError:
                return None
            if missing := self._cutter.missing_bytes:
                deadline_s = min(last_s, max(deadline_s, time.monotonic() + missing * self._character_s + PAUSE_S))

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, 512)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(f"the port is gone: {error.strerror}")
            return
        if not data:
            self._fail("the port is gone: end of file")
            return
        self._frames += self._cutter.feed(data)
        self._came.set()

    def _fail(self, reason: str) -> None:
        """The loop would call again and again for a port that is gone."""
        self.close()
        self._error = PortLost(reason)
        self._came.set()

    def _write(self, frame: bytes) -> None:
        try:
            sent = os.write(self._fd, frame)
        except OSError as error:
            raise PortLost(f"{self._path} takes no bytes: {error.strerror}") from error
        if sent != len(frame):
            raise PortLost(f"{self._path} took {sent} of {len(frame)} bytes: nobody reads at the other end")


def _settled(failure: Failure, detail: str) -> asyncio.Future[Outcome]:
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    future.set_result(Outcome(b"", failure, time.monotonic(), detail=detail))
    return future
