"""One OSDP reader of a line: is it up, why not, when to begin anew, and the commands that wait for it.

A reader is up once it has answered a poll under its own key. What ends a conversation, and what is done:

    refused, or a restarted reader that says NAK  -> handshake again, at most every 1.5 s
    three misses in the middle of a conversation  -> "no answer", a new session with sequence 0
    nothing was ever heard                        -> libosdp repeats its first question each second

A loss that heals within a second is not told: a reader that refuses one command needs a new handshake too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from gateway.bus.osdp_frames import NAK_WORDS, Code, Cutter, Frame
from gateway.bus.osdp_session import DEFAULT_KEY, INPUTS_QUERY, STATE_QUERY, ReaderAddress, Session, command_of, why_refused
from gateway.core.said import about
from gateway.core.wire import Exchange, Failure, LineSink, Outcome

log = logging.getLogger(__name__)

MISSES = 3
STUCK_S = 1.1  # libosdp repeats an unanswered command after 0.8 s; who is silent for longer has given up
RETRY_S = 1.5
GRACE_S = 1.0
WAITING_MOST = 16
NO_ANSWER = "no answer"


@dataclass(slots=True, eq=False)
class _Asked:
    """One command: from outside with its future, or a question of the line's own without."""

    command: dict[str, Any]
    future: asyncio.Future[Outcome] | None
    begin_s: float

    def settle(self, failure: Failure | None, detail: str = "") -> None:
        if self.future is not None and not self.future.done():
            now_s = time.monotonic()
            self.future.set_result(Outcome(b"", failure, now_s, now_s - self.begin_s, detail=detail))


class Reader:
    """One reader. The line calls `next_frame`, sends it, and calls `answered` with what came."""

    def __init__(self, where: ReaderAddress, install_mode: bool, sink: LineSink) -> None:
        self.where = where
        self._install_mode = install_mode
        self._sink = sink
        self._told: tuple[bool, str] | None = None
        self._session: Session | None = None
        self._waiting: deque[_Asked] = deque()
        self._in_work: _Asked | None = None
        self._mute: list[dict[str, Any]] = []  # questions that this reader refused once
        self._command: Frame | None = None
        self._reply: Frame | None = None
        self._misses = 0
        self._polled = False  # it has answered a poll since its handshake
        self._queried = False
        self._hurry = False  # libosdp left because of one refused command: nothing is wrong with the reader
        self._began_s = self._spoke_s = 0.0
        self._away_s: float | None = None
        self._reason = ""

    @property
    def up(self) -> bool:
        """As it was told last."""
        return self._told is not None and self._told[0]

    @property
    def waiting(self) -> int:
        """Commands that are not done."""
        return len(self._waiting) + (self._in_work is not None)

    # --- its turn ---------------------------------------------------------------------

    def next_frame(self, now_s: float) -> bytes:
        """What to send now; empty for nothing."""
        if self.where.key == DEFAULT_KEY and not self._install_mode:
            self._tell(False, "the default key is good in install mode only", now_s)
            return b""
        self._judge(self._session or self._begin(now_s), now_s)
        session = self._session or self._begin(now_s)
        self._submit_next(session)
        said = session.step()
        if said:
            self._spoke_s = now_s
            self._command = next(iter(Cutter().feed(said)), None)
        return said

    def answered(self, reply: Frame | None, now_s: float) -> None:
        """What the frame brought: an answer, or None for silence."""
        session = self._session
        if session is None:
            return
        if reply is None:
            self._misses += 1
            return
        self._misses = 0
        self._reply = reply
        session.hear(reply)
        if session.trusted and self._command and self._command.code == Code.POLL and reply.code != Code.NAK:
            self._polled = True
        self._end_commands(session)
        self._judge(session, now_s)  # "up" is told before what it says
        self._hand_on(session, now_s)

    def lose(self, reason: str, now_s: float) -> None:
        """The port is gone: nothing can be asked until the next turn."""
        self.stop(reason)
        self._tell(False, reason, now_s)

    def stop(self, reason: str) -> None:
        """The line ends: whoever waits is answered. That the gateway stops is no fault of the reader, so nothing is told."""
        self._end()
        self._give_back(Failure.PORT_LOST, reason)

    def submit(self, exchange: Exchange) -> asyncio.Future[Outcome]:
        """Queue one command. ValueError when its request is none."""
        asked = _Asked(command_of(exchange.request), asyncio.get_running_loop().create_future(), time.monotonic())
        assert asked.future is not None
        if not self.up:
            asked.settle(Failure.NO_ANSWER, self._told[1] if self._told else "not heard of yet")
        elif len(self._waiting) >= WAITING_MOST:
            asked.settle(Failure.QUEUE_FULL)
        else:
            self._waiting.append(asked)
        return asked.future

    # --- the conversation -------------------------------------------------------------

    def _begin(self, now_s: float) -> Session:
        """A new session, from sequence 0."""
        self._end()
        self._session = Session(self.where, self._install_mode)
        self._forget(now_s)
        return self._session

    def _again(self, session: Session, now_s: float) -> None:
        """The same session from its handshake on."""
        if session.again():
            session.completed.clear()
            self._end_work(Failure.NO_ANSWER)
            self._forget(now_s)
        else:
            self._begin(now_s)

    def _forget(self, now_s: float) -> None:
        self._command = self._reply = None
        self._misses = 0
        self._polled = self._queried = self._hurry = False
        self._began_s = self._spoke_s = now_s

    def _end(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
        self._end_work(Failure.NO_ANSWER)

    # --- is it up? --------------------------------------------------------------------

    def _judge(self, session: Session, now_s: float) -> None:
        """Tell a change, and begin anew what has ended."""
        trusted = session.trusted
        if self._misses >= MISSES:
            self._reason = NO_ANSWER
            self._tell(False, NO_ANSWER, now_s)
            if self._reply is not None:
                self._begin(now_s)
                return
        elif trusted and self._polled:
            self._away_s, self._reason = None, ""
            self._tell(True, "", now_s)
            if not self._queried:
                self._query(session, now_s)
            return
        if self._away_s is None:
            self._away_s = now_s
        ended = self._polled or session.online != trusted or now_s - self._spoke_s >= STUCK_S
        if ended and (self._hurry or now_s - self._began_s >= RETRY_S):
            self._reason = why_refused(self.where.key is not None, self._command, self._reply, session.online)
            log.debug("reader %s: %s; beginning anew", self.where.device, self._reason, extra=about(device=self.where.device))
            self._again(session, now_s)
        if self._reason and now_s - self._away_s >= GRACE_S:
            self._tell(False, self._reason, now_s)

    def _tell(self, up: bool, reason: str, now_s: float) -> None:
        if self._told == (up, reason):
            return
        self._told = (up, reason)
        if up:
            log.info("reader %s is up", self.where.device, extra=about(device=self.where.device))
        else:
            log.warning("reader %s is down: %s", self.where.device, reason, extra=about(device=self.where.device))
            self._give_back(Failure.NO_ANSWER, reason)
        self._sink.device_link(self.where.device, up, reason, now_s)

    # --- what is asked of it ----------------------------------------------------------

    def _query(self, session: Session, now_s: float) -> None:
        """Ask for what it says by itself only when it changes."""
        self._queried = True
        for question in (INPUTS_QUERY, STATE_QUERY) if session.has_inputs else (STATE_QUERY,):
            if question not in self._mute:
                self._waiting.appendleft(_Asked(question, None, now_s))

    def _submit_next(self, session: Session) -> None:
        if self._in_work is not None or not self._waiting or not self._polled:
            return
        asked = self._waiting.popleft()
        if session.submit(asked.command):
            self._in_work = asked
        else:
            asked.settle(Failure.REFUSED, "the reader does not have this output")

    def _end_commands(self, session: Session) -> None:
        for done in session.completed:
            self._end_work(None if done else self._failure())
        session.completed.clear()

    def _hand_on(self, session: Session, now_s: float) -> None:
        """What the reader reported; a key's owner is not believed without it."""
        if self._session is not session:
            return
        messages, session.messages = session.messages, []
        if session.trusted:
            for message in messages:
                self._sink.heard(self.where.device, message, now_s)

    def _failure(self) -> Failure:
        return Failure.REFUSED if self._reply is not None and self._reply.code == Code.NAK else Failure.NO_ANSWER

    def _end_work(self, failure: Failure | None) -> None:
        asked, self._in_work = self._in_work, None
        if asked is None:
            return
        if failure is Failure.REFUSED:
            self._hurry = True
            if asked.future is None:
                self._mute.append(asked.command)
            asked.settle(failure, NAK_WORDS.get(self._reply.nak_code if self._reply else 0, "the reader says no"))
        else:
            asked.settle(failure)

    def _give_back(self, failure: Failure, reason: str) -> None:
        if self._in_work is not None:
            self._in_work.settle(failure, reason)
            self._in_work = None
        while self._waiting:
            self._waiting.popleft().settle(failure, reason)
