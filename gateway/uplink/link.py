"""One uplink path: keeps a session up, pumps the outbox through it, and hands on what arrives.

`session.py` knows one connection, `outbox.py` what is owed and which path carries, `patience.py` when to try again,
`uplink.py` what all paths share.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

from gateway.contract.envelope import rfc3339
from gateway.contract.jws import Signer
from gateway.contract.topics import Topics
from gateway.core.delivery import RECEIVED, Board, Channel, Dialler, History
from gateway.core.errors import (
    GatewayError,
    JournalUnreadable,
    LinkLost,
    NoPuback,
    NotAllowed,
    PacketTooLarge,
    Redial,
    SubscriptionRefused,
    TakenOver,
)
from gateway.core.said import about
from gateway.uplink.backlog import AGAIN_S, Backlog
from gateway.uplink.commands import CommandDesk
from gateway.uplink.lane import Entry
from gateway.uplink.outbox import BROKER, NO_SUBSCRIBERS, SUSPECT_TIMES, Outbox
from gateway.uplink.patience import TROUBLES, Patience, kind_of
from gateway.uplink.pictures import Pictures
from gateway.uplink.receipts import Receipts
from gateway.uplink.retained import CLOSED_S, Retained
from gateway.uplink.suspicion import PACKET_BYTES, SUSPECT_S, Suspicion

log = logging.getLogger(__name__)

TICK_S = 0.25
ASK_EACH = 10  # a topic that was not granted is asked for in each tenth session
ASK_AGAIN_S = 300.0  # and so often in a session that lasts
OWN_IN_FLIGHT = 40  # room for the gateway's own messages beside the events, at most; half of it for states
UNLIMITED = 65_535  # Receive Maximum of a broker that sets no limit
BIRTH_TIMES = 2  # sessions that ended before the birth was acknowledged: then it is sent short, after as many more not at all
LONG_LISTS = ("points", "cameras", "places", "modes")  # of a birth, the longest first
REDIAL_WITHIN_S = 10.0  # a session that is to be replaced may wait so long for a moment with nothing in flight
BURST = 50  # events that go out, or are read from the journal, before anything else has its turn


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks. source: the gateway's full name; boot_id: new at each start."""

    topics: Topics
    source: str
    boot_id: str
    signer: Signer


@dataclass(frozen=True, slots=True)
class Timing:
    """The supervision profile. heartbeat_s, keepalive_s: EN 50136-1 SP5 needs 90 s, SP6 20 s, end to end."""

    heartbeat_s: float
    keepalive_s: int
    receipt_timeout_s: float
    centre_silence_s: float
    puback_timeout_s: float
    telemetry_s: float


@dataclass(slots=True)
class Counts:
    """What metrics tell of a path. ends: sessions and attempts that ended, by trouble."""

    connects: int = 0
    losses: int = 0
    up: bool = False
    last_ack_at_s: float = 0.0
    reason: str = ""
    ends: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(TROUBLES, 0)))


@dataclass(frozen=True, slots=True)
class Shared:
    """What all paths of a gateway have in common. commands: where signed commands go, None for a gateway that takes none.

    holds_changed(): a broker refuses a topic, or takes it again; lost(path): its session ended.
    """

    identity: Identity
    outbox: Outbox
    backlog: Backlog
    history: History
    board: Board
    receipts: Receipts
    timing: Timing
    recipients: list[str]
    commands: CommandDesk | None
    holds_changed: Callable[[], None]
    lost: Callable[[str], None]
    pictures: Pictures = field(default_factory=Pictures)
    reports: Retained = field(default_factory=Retained)


class Link:
    """One path. proven: the broker has acknowledged something in this session. unread: why no receipts can be read on it, or empty."""

    def __init__(self, path: str, dialler: Dialler, shared: Shared) -> None:
        self.path = path
        self._dialler = dialler
        self._shared = shared
        self._outbox = shared.outbox
        self._topics = shared.identity.topics
        self._timing = shared.timing
        self.lane = shared.outbox.lanes[path]
        self.patience = Patience()
        self._suspicion = Suspicion(self._topics, self._outbox, self.lane)
        self._in_vain: Counter[str] = Counter()  # topic -> sessions in a row in which the broker did not grant it
        self._births_in_vain = 0
        self._sessions = 0
        self._wake = asyncio.Event()
        self.connected_s = time.monotonic()
        self._lost_s: float | None = None
        self._affirm_until_s = 0.0
        self._unacked: dict[int, float] = {}  # messages other than events: number -> when sent
        self._messages = 0
        self._states_in_flight = 0
        self._states_most = OWN_IN_FLIGHT // 2
        self._cold: list[int] = []  # rows whose bodies are being read
        self._asked = asyncio.Event()
        self._carried = False
        self.proven = False
        self.unread = ""
        self.counts = Counts()

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def affirm(self) -> None:
        """Another path's will may say `offline` at the same broker: say again, until that broker must have noticed, that we are here."""
        self._affirm_until_s = time.monotonic() + 2 * self._timing.keepalive_s

    async def run(self) -> None:
        """Keep the path up until cancelled."""
        try:
            while True:
                await self._one_session()
        finally:
            self._forget_session(on_purpose=False)

    async def _one_session(self) -> None:
        offline = self._shared.identity.signer.seal(self._status(online=False))
        try:
            async with self._dialler.dial(self._topics.status, offline) as session:
                lasted_s, ended = await self._until_it_ends(session, offline)
        except LinkLost as error:
            lasted_s, ended = self._note_loss(error, None), error
        if not isinstance(ended, Redial):
            self.counts.ends[kind_of(ended, lasted_s)] += 1
            await self._pause(ended, lasted_s)

    async def _until_it_ends(self, session: Channel, offline: bytes) -> tuple[float, GatewayError]:
        """(seconds that the session lasted, why it ended). Closing it can take a while: by then nothing waits for this path any more."""
        try:
            await self._serve(session)
        except asyncio.CancelledError:
            self._say_goodbye(session, offline)
            raise
        except (LinkLost, NoPuback) as error:
            lasted_s = self._note_loss(error, session)
            if not isinstance(error, Redial):
                session.drop()
            return lasted_s, error

    async def _pause(self, ended: GatewayError, lasted_s: float) -> None:
        """Wait before the next attempt; less from the moment that an alarm is owed."""
        owed = self._outbox.owes_alarms()
        now_s = time.monotonic()
        until_s = now_s + random.uniform(*self.patience.ended(ended, lasted_s, owes_alarms=owed))
        while not owed and now_s < until_s:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(until_s - now_s):
                    await self._wake.wait()
                    await asyncio.sleep(TICK_S)  # states wake it too, many times in a second
            owed, now_s = self._outbox.owes_alarms(), time.monotonic()
            if owed:
                until_s = min(until_s, now_s + random.uniform(*self.patience.wait(owes_alarms=True)))
        await asyncio.sleep(until_s - now_s)

    def _say_goodbye(self, session: Channel, offline: bytes) -> None:
        try:
            session.publish(self._topics.status, offline, qos=1, retain=True)
        except LinkLost:
            pass  # the will says it
        self._shared.receipts.flush()

    async def _serve(self, session: Channel) -> NoReturn:
        self._sessions += 1
        self._set_limits(session)
        await self._ask_for_receipts(session)
        self.proven = False
        self._send(session, self._topics.status, self._status(online=True), retain=True)
        self._send_birth(session)
        await self._send_heartbeat(session)
        self._note_connected()
        ended: list[GatewayError] = []
        asked = _asked_to_end()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(session), name=f"path:{self.path}:receive")
                tasks.create_task(self._pump(session), name=f"path:{self.path}:pump")
                tasks.create_task(self._read_bodies(), name=f"path:{self.path}:bodies")
                tasks.create_task(self._clockwork(session), name=f"path:{self.path}:clockwork")
                tasks.create_task(self._open_commands(session), name=f"path:{self.path}:commands")
                tasks.create_task(self._ask_again(session), name=f"path:{self.path}:receipts")
        except* (LinkLost, NoPuback) as group:
            ended += [error for error in group.exceptions if isinstance(error, GatewayError)]
        _settle(asked)
        telling = [error for error in ended if isinstance(error, TakenOver | Redial | NotAllowed | PacketTooLarge)] + ended
        raise type(telling[0])(str(telling[0]))

    async def _open_commands(self, session: Channel) -> None:
        """A broker that lets this gateway read no commands, or ends the session when asked, is no reason to deliver no alarms."""
        if self._shared.commands is None:
            return
        self._shared.commands.open(self.path, partial(self._send_result, session))
        if refused := await self._ask(session, self._topics.command, fresh_only=True):
            log.warning("no commands on path %s: %s", self.path, refused, extra=about(path=self.path))

    async def _ask(self, session: Channel, topic: str, *, fresh_only: bool = False) -> str:
        """Subscribe; why the broker does not grant it, or empty. Where sessions end at it, it is left out, but for each tenth session."""
        if self._in_vain[topic] >= SUSPECT_TIMES and self._sessions % ASK_EACH:
            return f"it was not granted {self._in_vain[topic]} times"
        self._in_vain[topic] += 1
        try:
            await session.subscribe(topic, fresh_only=fresh_only)
        except SubscriptionRefused as refused:
            return str(refused)
        self._in_vain[topic] = 0
        return ""

    async def _ask_for_receipts(self, session: Channel) -> None:
        """Without receipts nothing is ever settled, but an alarm that reaches the centre is worth more than none."""
        self.unread = await self._ask(session, self._topics.receipt, fresh_only=True)
        if self.unread:
            log.warning("no receipts on path %s: %s", self.path, self.unread, extra=about(path=self.path))

    async def _ask_again(self, session: Channel) -> None:
        while self.unread:
            await asyncio.sleep(ASK_AGAIN_S)
            await self._ask_for_receipts(session)

    def _send_result(self, session: Channel, message: dict[str, Any]) -> None:
        self._send(session, self._topics.command_result, {**message, "bootid": self._shared.identity.boot_id}, retain=False)

    def _set_limits(self, session: Channel) -> None:
        """What the broker has announced: how much it takes at once, and how large. The gateway's own messages need some of the room."""
        most = session.receive_maximum
        own = min(OWN_IN_FLIGHT, most // 5)  # where the broker takes fewer than five, they wait their turn in the library
        self._states_most = max(1, own // 2)
        self.lane.window = None if most >= UNLIMITED else max(1, most - own)
        limits = [session.maximum_packet_bytes, self._suspicion.limit(time.monotonic())]
        self.lane.max_bytes = min((limit for limit in limits if limit is not None), default=None)

    def _note_connected(self) -> None:
        now_s = time.monotonic()
        self.connected_s = now_s
        self.counts.connects += 1
        self.counts.up = True
        self.counts.reason = ""
        if self._lost_s is not None:
            log.info("path %s is back after %.1f s", self.path, now_s - self._lost_s, extra=about(path=self.path))
        else:
            log.info("path %s connected to %s", self.path, self._dialler.where, extra=about(path=self.path))
        self._lost_s = None
        self._outbox.link_up(self.lane, now_s)
        self._wake.set()

    def _note_loss(self, error: GatewayError, session: Channel | None) -> float:
        """The session has ended, or was not opened (None). Returns how long it lasted, 0 when there was none."""
        now_s = time.monotonic()
        lasted_s = now_s - self.connected_s if self.counts.up else 0.0
        if self.counts.up or self._lost_s is None:
            log.warning("path %s lost: %s", self.path, error, extra=about(path=self.path))
            self._lost_s = now_s
            self.counts.losses += 1
        if session is not None:
            self._find_culprit(session, error, now_s)
        self.counts.reason = str(error)
        self._forget_session(on_purpose=isinstance(error, Redial))
        return lasted_s

    def _forget_session(self, *, on_purpose: bool) -> None:
        was_up, self.counts.up = self.counts.up, False
        self.proven = self._carried = False
        self._outbox.link_lost(self.lane, on_purpose=on_purpose)
        self._cold = []
        self._states_in_flight = 0
        self._unacked.clear()
        self._suspicion.session_over()
        self._lose_picture()
        self._lose_report()
        if was_up:
            self._shared.lost(self.path)

    def _find_culprit(self, session: Channel, error: GatewayError, now_s: float) -> None:
        """Did the broker end the session because of a message?"""
        self._suspicion.taken(session.taken)
        told = isinstance(error, NotAllowed | PacketTooLarge)
        if not told and type(error) is not LinkLost:
            return
        flying = session.unacknowledged()
        if flying and max(flying, key=lambda sent: sent[1])[0] == self._topics.birth:
            self._births_in_vain += 1  # the PUBACKs of what came before or behind it may have got lost with the session
        elif not self.counts.up or (self._dialler.can_refuse and not told):
            return
        elif self._suspicion.ended(flying, now_s, told=told, too_large=isinstance(error, PacketTooLarge)):
            self._shared.holds_changed()

    # --- sending ---------------------------------------------------------------------------

    async def _pump(self, session: Channel) -> None:
        while True:
            self._wake.clear()
            self._shared.backlog.poke()
            now_s = time.monotonic()
            self._outbox.wake_due(now_s)
            most = 1 if self._outbox.waits(self.lane, self._suspicion.classes, now_s) else BURST
            sent, cold = self._send_events(session, most, now_s)
            if cold:
                self._cold += cold
                self._asked.set()
            if sent and sent[0] in self._suspicion.classes:
                await self._acquit(sent[0])
            elif len(sent) < most:  # nothing more may go out now
                self._send_states(session)
                self._send_report(session)
                self._send_picture(session)
                await self._wake.wait()
            else:
                await asyncio.sleep(0)

    def _send_events(self, session: Channel, most: int, now_s: float) -> tuple[list[str], list[int]]:
        """(classes of what was sent, in order; rows whose bodies are to be read first). While some are read, no others are asked for."""
        at_hand = bool(self._cold)
        sent: list[str] = []
        cold: list[int] = []
        while len(sent) + len(cold) < most and (entry := self._outbox.next(self.lane, now_s, at_hand=at_hand)) is not None:
            if entry.body is None:
                self._outbox.fetch(self.lane, entry)
                cold.append(entry.row)
                continue
            topic = self._topics.event(entry.event_class)
            if why := self._too_large(topic, entry.body):
                self._outbox.reject(self.lane, entry, why, now_s)
                self._shared.holds_changed()
                continue
            self._outbox.sent(self.lane, entry, now_s)
            self._suspicion.sent(entry.event_class, now_s)
            session.publish_event(topic, entry.body, partial(self._acked, entry))
            sent.append(entry.event_class)
        return sent, cold

    def _too_large(self, topic: str, body: bytes) -> str:
        size = len(body) + len(topic) + PACKET_BYTES
        if self.lane.max_bytes is None or size <= self.lane.max_bytes:
            return ""
        return f"{size} bytes; this broker takes {self.lane.max_bytes}"

    async def _read_bodies(self) -> None:
        """From the journal, for what waits for this path: a disk that stalls holds up nothing whose body is in memory."""
        failed = False
        while True:
            await self._asked.wait()
            self._asked.clear()
            rows = list(self._cold)
            try:
                bodies = await self._shared.history.bodies(rows)
                failed = False
            except JournalUnreadable as error:  # this path goes on, and asks again
                if not failed:
                    log.warning("the journal cannot be read, and is asked each second: %s", error)
                await asyncio.sleep(AGAIN_S)
                bodies, failed = None, True
            for row in rows:
                if bodies is not None and row not in bodies:
                    self._outbox.forget([row])  # removed from the journal meanwhile, or not yet brought over from a damaged file
                else:
                    self._outbox.fetched(self.lane, row, None if bodies is None else bodies[row][1])
            self._cold = [row for row in self._cold if row not in rows]
            self._wake.set()

    async def _acquit(self, event_class: str) -> None:
        """This class was sent alone: if the session outlives it, it is not the one that the broker forbids."""
        await asyncio.sleep(SUSPECT_S)
        if self._suspicion.acquit(event_class):
            self._shared.holds_changed()

    def _acked(self, entry: Entry, code: int) -> None:
        now_s = time.monotonic()
        self.proven = True
        self.counts.last_ack_at_s = time.time()
        held = entry.event_class in self.lane.holds
        if not self._outbox.puback(self.lane, entry.row, code, now_s):
            topic = self._topics.event(entry.event_class)
            log.warning(
                "the broker of path %s refuses %s: reason code 0x%02x; set aside and probed",
                self.path,
                topic,
                code,
                extra=about(path=self.path),
            )
            self._shared.holds_changed()
        else:
            if BROKER in entry.owed and code != NO_SUBSCRIBERS:
                self._outbox.settle(entry, BROKER)
                self._shared.receipts.store(entry.row, BROKER, RECEIVED)
            if held:
                self._shared.holds_changed()
        self._wake.set()

    def _send_states(self, session: Channel) -> None:
        """Present states go out on the path that carries; another broker has old ones, so all of them when that changes."""
        carries = self._outbox.carrier(time.monotonic()) is self.lane
        if carries and not self._carried:
            self._shared.board.everything()
        self._carried = carries
        while carries and self._states_in_flight < self._states_most and (state := self._shared.board.next_state()) is not None:
            self._states_in_flight += 1
            self._send(session, self._topics.state(state[0]), state[1], retain=True, acked=self._state_acked)

    def _state_acked(self) -> None:
        self._states_in_flight -= 1
        self._wake.set()

    def _send_report(self, session: Channel) -> None:
        """One, once nothing else of ours is on its way on the path that carries."""
        reports = self._shared.reports
        if self.lane.in_flight or self._cold or self._outbox.carrier(time.monotonic()) is not self.lane:
            return
        report = reports.next(self.path, time.monotonic())
        if report is None:
            return
        topic = self._topics.report(report.kind)
        if why := self._too_large(topic, report.body):
            log.warning("%s is not sent on path %s: %s", topic, self.path, why, extra=about(path=self.path))
            reports.give_up(self.path, report)
            self._wake.set()
            return

        def answered(code: int) -> None:
            if why := reports.answered(self.path, report, code):
                log.warning("%s is not sent on path %s: %s", topic, self.path, why, extra=about(path=self.path))
            self._wake.set()

        self._publish(session, topic, report.body, retain=True, answered=answered)

    def _lose_report(self) -> None:
        if why := self._shared.reports.session_lost(self.path, time.monotonic()):
            log.error("no reports are sent on path %s for %.0f h: %s", self.path, CLOSED_S / 3600, why, extra=about(path=self.path))

    def _send_picture(self, session: Channel) -> None:
        """One, once nothing else of ours is on its way on the path that carries."""
        pictures = self._shared.pictures
        if self.lane.in_flight or self._cold or self._outbox.carrier(time.monotonic()) is not self.lane:
            return
        picture = pictures.next(self.path)
        if picture is None:
            return
        topic = self._topics.evidence(picture.event_id, picture.number)
        if why := self._too_large(topic, picture.body):
            log.warning("a picture is not sent on path %s: %s", self.path, why, extra=about(path=self.path))
            pictures.give_up(picture)
            return

        def answered(code: int) -> None:
            if why := pictures.answered(picture, code):
                log.warning("%s is not sent on path %s: %s", topic, self.path, why, extra=about(path=self.path))
            self._wake.set()

        session.publish_picture(topic, picture.body, answered)

    def _lose_picture(self) -> None:
        pictures = self._shared.pictures
        before = pictures.closed
        pictures.session_lost(self.path)
        if pictures.closed and not before:
            log.error("no more pictures are sent in this run: %s", pictures.closed)

    def _send(
        self, session: Channel, topic: str, message: dict[str, Any], *, retain: bool, acked: Callable[[], None] = lambda: None
    ) -> None:
        """One of the gateway's own messages, signed. Its PUBACK is waited for as an event's is, whatever the broker says in it."""
        payload = self._shared.identity.signer.seal(message)
        if why := self._too_large(topic, payload):
            log.warning("%s is left out on path %s: %s", topic, self.path, why, extra=about(path=self.path))
            acked()
            return
        self._publish(session, topic, payload, retain=retain, answered=lambda code: acked())

    def _publish(self, session: Channel, topic: str, payload: bytes, *, retain: bool, answered: Callable[[int], None]) -> None:
        self._messages += 1
        number = self._messages
        self._unacked[number] = time.monotonic()

        def on_ack(code: int) -> None:
            if self._unacked.pop(number, None) is not None:  # else it belongs to a session that is given up
                self.proven = True
                answered(code)

        session.publish(topic, payload, qos=1, retain=retain, on_ack=on_ack)

    def _send_birth(self, session: Channel) -> None:
        """A broker that does not take it whole gets it without its long lists, or not at all: alarms matter more."""
        shortened = 0 if self._sessions % ASK_EACH == 0 else self._births_in_vain // BIRTH_TIMES
        if shortened > 1:
            return
        birth = self._shared.board.birth()
        for name in [name for name in LONG_LISTS if birth.get(name)]:
            if shortened or self._too_large(self._topics.birth, self._shared.identity.signer.seal(birth)):
                birth |= {name: type(birth[name])(), "short": True}
        self._send(session, self._topics.birth, birth, retain=True, acked=partial(self._birth_acked, shortened))

    def _birth_acked(self, shortened: int) -> None:
        self._births_in_vain = shortened * BIRTH_TIMES

    def _status(self, *, online: bool) -> dict[str, Any]:
        return {**self._head(), "online": online}

    def _head(self) -> dict[str, Any]:
        identity = self._shared.identity
        return {"source": identity.source, "bootid": identity.boot_id, "path": self.path, "at": rfc3339(time.time_ns() // 1_000_000)}

    async def _send_heartbeat(self, session: Channel) -> None:
        outbox, recipients = self._outbox, self._shared.recipients
        places = self._shared.backlog.lowest()
        oldest_s = min((e.sealed_s for r in recipients if (e := outbox.oldest_owed(r)) is not None), default=None)
        lowest = {name: {"epoch": f"{e:010d}", "sequence": f"{s:020d}"} for name, (e, s) in places.items()}
        message = {
            **self._head(),
            "heartbeat_s": self._timing.heartbeat_s,
            "lowest_owed": {name: lowest.get(name) for name in recipients},
            "outbox_depth": len(outbox),
            "outbox_oldest_s": 0 if oldest_s is None else round(time.monotonic() - oldest_s, 1),
            **self._shared.board.heartbeat(),
        }
        self._send(session, self._topics.heartbeat, message, retain=False)

    async def _clockwork(self, session: Channel) -> None:
        """Heartbeats, telemetry, resends that fall due, and the broker that never acknowledges."""
        heartbeat_s = telemetry_s = time.monotonic()
        affirmed_s = 0.0
        stale, stale_s = "", 0.0
        while True:
            await asyncio.sleep(TICK_S)
            now_s = time.monotonic()
            if not stale:
                stale, stale_s = self._dialler.stale(), now_s
            if stale and (not self.lane.in_flight or now_s > stale_s + REDIAL_WITHIN_S):
                raise Redial(stale)
            self.patience.steady(now_s - self.connected_s)
            if self._suspicion.over(now_s):
                self._set_limits(session)
            self._check_silence(now_s)
            if now_s - heartbeat_s >= self._timing.heartbeat_s:
                heartbeat_s += self._timing.heartbeat_s
                await self._send_heartbeat(session)
            if affirmed_s <= now_s < self._affirm_until_s:
                affirmed_s = now_s + self._timing.heartbeat_s
                self._send(session, self._topics.status, self._status(online=True), retain=True)
            if now_s - telemetry_s >= self._timing.telemetry_s:
                telemetry_s += self._timing.telemetry_s
                self._send_telemetry(session, now_s)
            due_s = self._outbox.next_due_s()
            if due_s is not None and due_s <= now_s:
                self._wake.set()
            if not self.lane.in_flight:
                self._wake.set()  # states that changed without an event, and what another path left

    def _check_silence(self, now_s: float) -> None:
        """A broker that acknowledges nothing, or a line that is dead without a word. Raises NoPuback."""
        oldest = [sent_s for sent_s in (self.lane.oldest_in_flight_s(), next(iter(self._unacked.values()), None)) if sent_s is not None]
        if oldest and now_s - min(oldest) > self._timing.puback_timeout_s:
            raise NoPuback(f"the broker has not acknowledged a message for {now_s - min(oldest):.0f} s")

    def _send_telemetry(self, session: Channel, now_s: float) -> None:
        if self._outbox.carrier(now_s) is not self.lane:
            return
        values = self._shared.board.telemetry()
        if values is not None:
            expiry_s = max(1, round(3 * self._timing.telemetry_s))
            session.publish(self._topics.telemetry, _compact(values), qos=0, retain=False, expiry_s=expiry_s)

    # --- receiving -------------------------------------------------------------------------

    async def _receive(self, session: Channel) -> None:
        async for topic, payload, retained in session.messages():
            if topic == self._topics.receipt and not retained:
                await self._shared.receipts.take(payload)
                self._wake.set()  # there may be room for more at the centre
            elif topic == self._topics.command and self._shared.commands is not None:
                self._shared.commands.take(payload, retained=retained, path=self.path)


def _compact(message: dict[str, Any]) -> bytes:
    """Telemetry carries no signature, so it need not be canonical, only short."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _asked_to_end() -> int:
    """How often somebody has cancelled this task and still waits for its end."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


def _settle(before: int) -> None:
    """Take back the one cancellation that a TaskGroup ended by a child's error leaves counted, before Python 3.13.

    asyncio.timeout() of Python 3.11.2, which Debian 12 has, would take its own next timeout for that one, and the path would end for good.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling() > before:
        task.uncancel()
