"""A serial line with Modbus RTU devices, in a thread of its own.

asyncio's timer has a grain of 1 ms and a busy loop adds to it, so the silences of Modbus are kept here: before
every request the line has been silent for t3.5 (counted from the last byte seen), after a timeout it is drained,
and the unit in question is left alone while its answer may still come (`late_s`).

A reply ends with its last expected byte, not with the silence after it. The thread sleeps until a reply to this
request was whole at the soonest so far, and then for as long as missing characters need on the wire, instead of
waking for each piece. The path is opened as given, so a symlink (/dev/serial/by-path/...) finds the port again after it
was unplugged, whatever number it has got.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import select
import termios
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import serial

from gateway.bus.counters import LineCounters
from gateway.bus.schedule import Errand, Link, Schedule, Turn, checked
from gateway.bus.wire_time import character_s, silence_s
from gateway.core.errors import PortLost
from gateway.core.said import about
from gateway.core.wire import Block, Exchange, Failure, Framing, LineSink, Outcome

log = logging.getLogger(__name__)

REOPEN_S = 1.0
PAUSE_S = 0.03  # silence inside a reply that ends it: a USB adapter hands over bytes every 16 ms
FRAME_BYTES_MOST = 256
IDLE_LOOK_S = 1.0
STOP_LOOK_S = 0.25  # a line that waits for a slow device still stops in this time
NEVER_SILENT_S = 0.5  # so long a line may babble before a request is given up
WAKE_EARLY_S = 0.0002
USUAL_SHARE = 0.1
PR_SET_TIMERSLACK = 29  # prctl(2): nanoseconds
DRAIN_READS = 16  # of 512 bytes: an endless babble never holds the thread


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """baud in bits a second, parity N, E or O, stop_bits 1 or 2, data_bits 7 or 8."""

    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1
    data_bits: int = 8


def open_port(path: str, settings: SerialSettings) -> serial.Serial:
    """The port, exclusively and without blocking reads. PortLost says what the port did not like.

    A parity that the port ignores is an error too: a pseudo-terminal takes the setting at the first opening and
    refuses it (EINVAL) only at the next one.
    """
    wanted = f"{settings.baud} baud {settings.data_bits}{settings.parity}{settings.stop_bits}"
    try:
        port = serial.Serial(path, settings.baud, settings.data_bits, settings.parity, settings.stop_bits, timeout=0, exclusive=True)
    except termios.error as error:
        raise PortLost(f"{path} does not accept {wanted}: {error.args[-1]} (a pseudo-terminal knows no parity)") from error
    except ValueError as error:
        raise PortLost(f"{path} does not accept {wanted}: {error}") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise PortLost(f"cannot open {path}: {reason}") from error
    if settings.parity != "N" and not termios.tcgetattr(port.fileno())[2] & termios.PARENB:
        port.close()
        raise PortLost(f"{path} does not accept {wanted}: it ignores the parity (a pseudo-terminal knows none)")
    return port


class SerialLine:
    """One serial port with all its units."""

    def __init__(self, bus_id: str, path: str, settings: SerialSettings, framing: Framing, blocks: Sequence[Block], sink: LineSink) -> None:
        """The sink is called in the line's own thread."""
        self.bus_id = bus_id
        self.counters = LineCounters()
        self.connected = asyncio.Event()
        self._path, self._settings = path, settings
        self._framing = framing
        self._sink = sink
        self._character_s = character_s(settings.baud)
        self._silence_s = silence_s(settings.baud)
        self._schedule = Schedule(blocks, 0.0)
        self._first = self._schedule.blocks[0] if blocks else None
        self._first_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: deque[Errand] = deque()
        self._stop = False
        self._bell_r = self._bell_w = -1
        self._quiet_s = 0.0  # when the last byte was seen or sent
        self._lost_s: float | None = None
        self._usual_s: dict[tuple[str, str], float] = {}  # (device, request) -> begin of the request to the end of its reply

    # --- in the event loop --------------------------------------------------------------

    async def run(self) -> None:
        """Own the port until cancelled; what the thread raises is raised here."""
        self._loop = asyncio.get_running_loop()
        self._stop = False
        self._bell_r, self._bell_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        pool = ThreadPoolExecutor(1, thread_name_prefix=f"line:{self.bus_id}")
        work = self._loop.run_in_executor(pool, self._serve)
        try:
            await asyncio.shield(work)
        finally:
            self._stop = True
            self._ring()
            again = await _ended(work)
            pool.shutdown()
            bell_r, bell_w, self._bell_r, self._bell_w = self._bell_r, self._bell_w, -1, -1
            os.close(bell_r)
            os.close(bell_w)
            if again is not None:
                raise again

    def submit(self, exchange: Exchange) -> asyncio.Future[Outcome]:
        """Send once; ends with PORT_LOST while the port is away, QUEUE_FULL when too many wait."""
        loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()

        def settle(outcome: Outcome) -> None:
            if not future.done():
                future.set_result(outcome)

        if self._bell_w < 0:
            settle(Outcome(b"", Failure.PORT_LOST, time.monotonic(), detail="the line is not running"))
            return future
        self._asked.append(Errand(exchange, time.monotonic(), lambda outcome: _post(loop, settle, outcome)))
        self._ring()
        return future

    def _ring(self) -> None:
        if self._bell_w >= 0:
            try:
                os.write(self._bell_w, b"\0")
            except BlockingIOError:
                pass  # it rings already

    # --- in the thread ------------------------------------------------------------------

    def _serve(self) -> None:
        _wake_sharply()
        try:
            while not self._stop:
                try:
                    with open_port(self._path, self._settings) as port:
                        self._opened()
                        self._converse(port.fileno())
                except PortLost as error:
                    self._lose(str(error))
                    self._wait_for_bell(REOPEN_S)
        finally:
            self._drop_errands("the line is stopped")

    def _opened(self) -> None:
        now_s = time.monotonic()
        if self._lost_s is not None:
            log.info("line %s: %s is back after %.1f s", self.bus_id, self._path, now_s - self._lost_s, extra=about(line=self.bus_id))
            self._lost_s = None
        self._quiet_s = now_s
        self._schedule.restored(now_s)
        self._flag(self.connected.set)

    def _lose(self, reason: str) -> None:
        """Say once that all points of this line are without a wire."""
        now_s = time.monotonic()
        outcome = Outcome(b"", Failure.PORT_LOST, now_s, detail=reason)
        self.counters.count(outcome)
        self._flag(self.connected.clear)
        self._drop_errands(reason)
        if self._lost_s is not None:
            return
        self._lost_s = now_s
        self.counters.port_losses += 1
        log.warning("line %s: %s; trying again each %g s", self.bus_id, reason, REOPEN_S, extra=about(line=self.bus_id))
        for block in self._schedule.blocks:
            self._sink.outcome(block, outcome)
        for link in self._schedule.lost(f"port lost: {reason}"):
            self._tell(link, now_s)

    def _flag(self, change: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(change)

    def _drop_errands(self, reason: str) -> None:
        for errand in (*self._schedule.take_errands(), *self._take_asked()):
            errand.answer(Outcome(b"", Failure.PORT_LOST, time.monotonic(), detail=reason))
        self.counters.queue_depth = 0

    def _take_asked(self) -> list[Errand]:
        taken = []
        while self._asked:
            taken.append(self._asked.popleft())
        return taken

    def _wait_for_bell(self, seconds: float) -> None:
        """Sleep, but wake for stop; errands that come meanwhile are refused at once."""
        end_s = time.monotonic() + seconds
        while not self._stop and (rest_s := end_s - time.monotonic()) > 0:
            if select.select([self._bell_r], [], [], rest_s)[0]:
                self._answer_bell()
                self._drop_errands("the port is lost")

    def _answer_bell(self) -> None:
        try:
            os.read(self._bell_r, 512)
        except BlockingIOError:
            pass

    def _converse(self, fd: int) -> None:
        """Turn after turn until stopped; PortLost when the port goes away."""
        while not self._stop:
            for errand in self._take_asked():
                if not self._schedule.add(errand):
                    errand.answer(Outcome(b"", Failure.QUEUE_FULL, time.monotonic()))
            self.counters.queue_depth = self._schedule.queue_depth
            now_s = time.monotonic()
            turn = self._schedule.turn(now_s)
            if turn is None:
                self._idle(fd, min(self._schedule.wake_s - now_s, IDLE_LOOK_S))
            else:
                self._take_turn(fd, turn, now_s)

    def _idle(self, fd: int, seconds: float) -> None:
        ready = select.select([fd, self._bell_r], [], [], max(0.0, seconds))[0]
        if self._bell_r in ready:
            self._answer_bell()
        if fd in ready and _read(fd):
            self._quiet_s = time.monotonic()  # noise, or an answer that came too late
        self.counters.last_attempt_s = time.monotonic()

    def _take_turn(self, fd: int, turn: Turn, now_s: float) -> None:
        if turn is self._first:
            self.counters.cycle_s, self._first_s = now_s - self._first_s, now_s
        self.counters.late_s = self._schedule.late_s
        errand, request = (turn, turn.exchange) if isinstance(turn, Errand) else (None, turn)
        try:
            outcome = checked(request, self._transact(fd, request))
        except PortLost as error:
            if errand:
                errand.answer(Outcome(b"", Failure.PORT_LOST, time.monotonic(), detail=str(error)))
            raise
        self.counters.count(outcome)
        verdict = self._schedule.done(turn, outcome)
        if errand:
            errand.answer(outcome)
        link = verdict.link
        for block in verdict.blocks:
            if new := self._sink.outcome(block, outcome):
                self._schedule.replace(new, outcome.now_s)
                link = None  # what was refused is no longer asked for
        if link is not None:
            self._tell(link, outcome.now_s)

    def worst_s(self) -> dict[tuple[str, str], float]:
        """(device, block) -> longest time from one sampling of its points to the end of the next reply."""
        return self._schedule.worst_s()

    def _transact(self, fd: int, request: Block | Exchange) -> Outcome:
        """One request and what came back."""
        frame = self._framing.encode(request.unit, request.request, request.reply_bytes)
        if not self._keep_silence(fd):
            return Outcome(b"", Failure.BAD_FRAME, time.monotonic(), detail="the line is never silent")
        begin_s = time.monotonic()
        _write(fd, frame, self._path)
        self._quiet_s = sent_s = begin_s + len(frame) * self._character_s
        if not request.reply_bytes:
            return Outcome(b"", None, sent_s, sent_s - begin_s)
        deadline_s = sent_s + request.timeout_s
        last_s = deadline_s + 2 * FRAME_BYTES_MOST * self._character_s + PAUSE_S  # a babbling line ends here
        reply = None
        begun = self._sleep_until_usual(request, begin_s, deadline_s)
        while reply is None:
            now_s = time.monotonic()
            wait_s = max(0.0, deadline_s - now_s)
            ready = now_s <= last_s and select.select([fd], [], [], min(wait_s, STOP_LOOK_S))[0]
            if not ready:
                if wait_s > STOP_LOOK_S and not self._stop:
                    continue
                reply = self._framing.give_up()
                self._drain(fd)
                break
            reply = self._framing.feed(_read(fd))
            self._quiet_s = time.monotonic()
            if reply is None:
                deadline_s = self._wait_for_rest(deadline_s, last_s, begun)
                begun = True
        now_s = time.monotonic()
        if reply.failure is None:
            self._learn_usual(request, now_s - begin_s)
        return Outcome(reply.pdu, reply.failure, now_s, now_s - begin_s, reply.exception, reply.detail)

    def _sleep_until_usual(self, request: Block | Exchange, begin_s: float, deadline_s: float) -> bool:
        """Sleep until this reply was whole at the soonest so far: one wake-up instead of one for each piece. True when it did."""
        usual_s = begin_s + self._usual_s.get((request.device, request.name), 0.0) - WAKE_EARLY_S
        rest_s = min(usual_s, deadline_s) - time.monotonic()
        if rest_s <= 0:
            return False
        time.sleep(min(rest_s, STOP_LOOK_S))
        return usual_s <= deadline_s

    def _learn_usual(self, request: Block | Exchange, took_s: float) -> None:
        """How long this one takes at the soonest: follows a quicker device at once, a slower one little by little."""
        key = request.device, request.name
        known_s = self._usual_s.get(key, took_s)
        self._usual_s[key] = took_s if took_s <= known_s else known_s + (took_s - known_s) * USUAL_SHARE

    def _wait_for_rest(self, deadline_s: float, last_s: float, begun: bool) -> float:
        """Sleep while the missing characters cannot have come; returns until when to wait for more.

        begun: it has slept for this reply already; the last pieces are waited for one by one.
        """
        missing = self._framing.missing_bytes
        rest_s = missing * self._character_s - WAKE_EARLY_S
        if rest_s > 0 and not begun:
            time.sleep(rest_s)
        end_s = time.monotonic() + PAUSE_S + self._silence_s
        return min(last_s, max(deadline_s, end_s) if missing else end_s)  # all came, but made no frame: wait for silence only

    def _keep_silence(self, fd: int) -> bool:
        """Wait until the line was silent for t3.5; False when it never is."""
        end_s = time.monotonic() + NEVER_SILENT_S
        while True:
            rest_s = self._quiet_s + self._silence_s - time.monotonic()
            if rest_s > 0:
                time.sleep(rest_s)
            if not self._drain(fd):
                return True
            if time.monotonic() > end_s:
                return False

    def _drain(self, fd: int) -> bool:
        """Throw away what has come; True when something had."""
        came = False
        for _ in range(DRAIN_READS):
            if not _poll(fd):
                break
            came = True
            self._quiet_s = time.monotonic()
        return came

    def _tell(self, link: Link, now_s: float) -> None:
        self._sink.device_link(link.device, link.up, link.reason, now_s)


async def _ended(work: asyncio.Future[None]) -> asyncio.CancelledError | None:
    """Wait for the thread's end, however often the waiting is cancelled; the last cancellation, for the caller to pass on."""
    again = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            again = error
    return again


def _post(loop: asyncio.AbstractEventLoop, settle: Callable[[Outcome], None], outcome: Outcome) -> None:
    """Hand an outcome to the event loop's thread; nobody waits any more when that loop is closed."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(settle, outcome)


def _wake_sharply() -> None:
    """Ask the kernel not to bundle this thread's wake-ups with others: by default a sleep may end 50 microseconds late."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    except (OSError, AttributeError):  # not Linux: sleeps are as sharp as they are
        log.debug("no timer slack to set here")


def _poll(fd: int) -> bytes:
    """What has come, at most 512 bytes; empty when nothing has, and when the port is gone without a word. PortLost when it says so."""
    try:
        return os.read(fd, 512)
    except BlockingIOError:
        return b""
    except OSError as error:
        raise PortLost(f"the port is gone: {error.strerror}") from error


def _read(fd: int) -> bytes:
    """What select() has announced, at most 512 bytes. PortLost when the port is gone."""
    data = _poll(fd)
    if not data:
        raise PortLost("the port is gone: end of file")
    return data


def _write(fd: int, frame: bytes, path: str) -> None:
    try:
        sent = os.write(fd, frame)
    except OSError as error:
        raise PortLost(f"{path} takes no bytes: {error.strerror}") from error
    if sent != len(frame):
        raise PortLost(f"{path} took {sent} of {len(frame)} bytes: nobody reads at the other end")
