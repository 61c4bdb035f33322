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
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gateway.contract.envelope import rfc3339
from gateway.contract.jws import Signer
from gateway.contract.topics import Topics
from gateway.core.delivery import RECEIVED, Board, Channel, Dialler, History
from gateway.core.errors import GatewayError, LinkLost, NoPuback, Redial, SubscriptionRefused, TakenOver
from gateway.uplink.backlog import Backlog
from gateway.uplink.commands import CommandDesk
from gateway.uplink.lane import Entry
from gateway.uplink.outbox import BROKER, NO_SUBSCRIBERS, SUSPECTED, Outbox
from gateway.uplink.patience import TROUBLES, Patience, kind_of
from gateway.uplink.receipts import Receipts

log = logging.getLogger(__name__)

TICK_S = 0.25
SUSPECT_S = 0.3  # MQTT 3.1.1 cannot say no: a link that ends this soon after a publish casts suspicion on its topic
SUSPECT_TIMES = 3
ASK_EACH = 10  # a topic that was not granted is asked for in each tenth session
STATES_IN_FLIGHT = 20


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


class Link:
    """One path. proven: the broker has acknowledged something in this session."""

    def __init__(self, path: str, dialler: Dialler, shared: Shared) -> None:
        self.path = path
        self._dialler = dialler
        self._shared = shared
        self._outbox = shared.outbox
        self._topics = shared.identity.topics
        self._timing = shared.timing
        self.lane = shared.outbox.lanes[path]
        self.patience = Patience()
        self._in_vain = 0  # sessions in a row in which the broker did not grant the topic of commands
        self._wake = asyncio.Event()
        self.connected_s = time.monotonic()
        self._lost_s: float | None = None
        self._affirm_until_s = 0.0
        self._suspects: dict[str, int] = {}
        self._last_publish: dict[str, float] = {}
        self._unacked: dict[int, float] = {}  # messages other than events: number -> when sent
        self._messages = 0
        self._states_in_flight = 0
        self._carried = False
        self.proven = False
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
                try:
                    await self._serve(session)
                except asyncio.CancelledError:
                    self._say_goodbye(session, offline)
                    raise
        except Redial as error:
            self._last_publish.clear()  # no topic is to blame
            self._note_loss(error)
        except (LinkLost, NoPuback) as error:
            lasted_s = time.monotonic() - self.connected_s if self.counts.up else 0.0
            self.counts.ends[kind_of(error, lasted_s)] += 1
            self._note_loss(error)
            least_s, most_s = self.patience.ended(error, lasted_s, owes_alarms=self._outbox.owes_alarms())
            await asyncio.sleep(random.uniform(least_s, most_s))

    def _say_goodbye(self, session: Channel, offline: bytes) -> None:
        try:
            session.publish(self._topics.status, offline, qos=1, retain=True)
        except LinkLost:
            pass  # the will says it
        self._shared.receipts.flush()

    async def _serve(self, session: Channel) -> None:
        await session.subscribe(self._topics.receipt)
        self.proven = False
        self._send(session, self._topics.status, self._status(online=True), retain=True)
        self._send(session, self._topics.birth, self._shared.board.birth(), retain=True)
        await self._send_heartbeat(session)
        self._note_connected()
        ended: list[GatewayError] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(session), name=f"path:{self.path}:receive")
                tasks.create_task(self._pump(session), name=f"path:{self.path}:pump")
                tasks.create_task(self._clockwork(session), name=f"path:{self.path}:clockwork")
                tasks.create_task(self._open_commands(session), name=f"path:{self.path}:commands")
        except* (LinkLost, NoPuback) as group:
            ended += [error for error in group.exceptions if isinstance(error, GatewayError)]
        telling = [error for error in ended if isinstance(error, TakenOver | Redial)] + ended
        raise type(telling[0])(str(telling[0]))

    async def _open_commands(self, session: Channel) -> None:
        """A broker that lets this gateway read no commands, or ends the session when asked, is no reason to deliver no alarms."""
        if self._shared.commands is None:
            return
        self._shared.commands.open(self.path, partial(self._send_result, session))
        if self._in_vain >= SUSPECT_TIMES and self.counts.connects % ASK_EACH:
            return
        self._in_vain += 1
        try:
            await session.subscribe(self._topics.command, fresh_only=True)
            self._in_vain = 0
        except SubscriptionRefused as refused:
            log.warning("no commands on path %s: %s", self.path, refused)

    def _send_result(self, session: Channel, message: dict[str, Any]) -> None:
        self._send(session, self._topics.command_result, {**message, "bootid": self._shared.identity.boot_id}, retain=False)

    def _note_connected(self) -> None:
        now_s = time.monotonic()
        self.connected_s = now_s
        self.counts.connects += 1
        self.counts.up = True
        self.counts.reason = ""
        if self._lost_s is not None:
            log.info("path %s is back after %.1f s", self.path, now_s - self._lost_s)
        else:
            log.info("path %s connected to %s", self.path, self._dialler.where)
        self._lost_s = None
        self._outbox.link_up(self.lane, now_s)
        self._wake.set()

    def _note_loss(self, error: GatewayError) -> None:
        now_s = time.monotonic()
        if self.counts.up or self._lost_s is None:
            log.warning("path %s lost: %s", self.path, error)
            self._lost_s = now_s
            self.counts.losses += 1
        self._suspect(now_s)
        self.counts.reason = str(error)
        self._forget_session(on_purpose=isinstance(error, Redial))

    def _forget_session(self, *, on_purpose: bool) -> None:
        was_up, self.counts.up = self.counts.up, False
        self.proven = self._carried = False
        self._outbox.link_lost(self.lane, on_purpose=on_purpose)
        self._states_in_flight = 0
        self._unacked.clear()
        self._last_publish.clear()
        if was_up:
            self._shared.lost(self.path)

    def _suspect(self, now_s: float) -> None:
        """A 3.1.1 broker that forbids a topic may acknowledge and then close the socket.

        Every topic of the last moment is suspected; while something of a suspect waits, `_pump` sends one message at a time, which
        clears the innocent; a topic that ends the session three times is set aside.
        """
        if self._dialler.can_refuse or not self.counts.up:
            return
        recent = [name for name, at_s in self._last_publish.items() if now_s - at_s < SUSPECT_S]
        for name in recent:
            self._suspects[name] = self._suspects.get(name, 0) + 1
            if self._suspects[name] >= SUSPECT_TIMES:
                self._outbox.hold(self.lane, name, SUSPECTED, now_s)
                self._shared.holds_changed()

    # --- sending ---------------------------------------------------------------------------

    async def _pump(self, session: Channel) -> None:
        while True:
            self._wake.clear()
            await self._shared.backlog.page_in()
            entries: list[Entry] = []
            now_s = time.monotonic()
            most = 1 if self._outbox.waits(self.lane, self._suspects, now_s) else 50
            while len(entries) < most and (entry := self._outbox.next(self.lane, now_s)) is not None:
                self._outbox.sent(self.lane, entry, now_s)
                entries.append(entry)
            missing = [entry.row for entry in entries if entry.body is None]
            bodies = await self._shared.history.bodies(missing) if missing else {}
            for entry in entries:
                if entry.body is None and entry.row not in bodies:
                    self._outbox.forget([entry.row])  # removed from the journal meanwhile, or not yet brought over from a damaged file
                    continue
                body = entry.body if entry.body is not None else bodies[entry.row][1]
                self._last_publish[entry.event_class] = now_s
                session.publish_event(self._topics.event(entry.event_class), body, partial(self._acked, entry))
            if not entries:
                self._send_states(session)
                await self._wake.wait()
            elif entries[0].event_class in self._suspects:
                await self._acquit(entries[0].event_class)
            else:
                await asyncio.sleep(0)

    async def _acquit(self, event_class: str) -> None:
        """This class was sent alone: if the session outlives it, it is not the one that the broker forbids."""
        await asyncio.sleep(SUSPECT_S)
        if self._suspects.pop(event_class, 0) >= SUSPECT_TIMES:
            self._outbox.release(self.lane, event_class)
            self._shared.holds_changed()

    def _acked(self, entry: Entry, code: int) -> None:
        now_s = time.monotonic()
        self.proven = True
        self.counts.last_ack_at_s = time.time()
        held = entry.event_class in self.lane.holds
        if not self._outbox.puback(self.lane, entry.row, code, now_s):
            topic = self._topics.event(entry.event_class)
            log.warning("the broker of path %s refuses %s: reason code 0x%02x; set aside and probed", self.path, topic, code)
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
        while carries and self._states_in_flight < STATES_IN_FLIGHT and (state := self._shared.board.next_state()) is not None:
            self._states_in_flight += 1
            self._send(session, self._topics.state(state[0]), state[1], retain=True, acked=self._state_acked)

    def _state_acked(self) -> None:
        self._states_in_flight -= 1
        self._wake.set()

    def _send(
        self, session: Channel, topic: str, message: dict[str, Any], *, retain: bool, acked: Callable[[], None] = lambda: None
    ) -> None:
        """One of the gateway's own messages, signed. Its PUBACK is waited for as an event's is, whatever the broker says in it."""
        self._messages += 1
        number = self._messages
        self._unacked[number] = time.monotonic()

        def answered(code: int) -> None:
            self.proven = True
            self._unacked.pop(number, None)
            acked()

        session.publish(topic, self._shared.identity.signer.seal(message), qos=1, retain=retain, on_ack=answered)

    def _status(self, *, online: bool) -> dict[str, Any]:
        return {**self._head(), "online": online}

    def _head(self) -> dict[str, Any]:
        identity = self._shared.identity
        return {"source": identity.source, "bootid": identity.boot_id, "path": self.path, "at": rfc3339(time.time_ns() // 1_000_000)}

    async def _send_heartbeat(self, session: Channel) -> None:
        outbox, recipients = self._outbox, self._shared.recipients
        places = await self._shared.backlog.lowest()
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
        while True:
            await asyncio.sleep(TICK_S)
            if not self.lane.in_flight and (reason := self._dialler.stale()):
                raise Redial(reason)
            now_s = time.monotonic()
            self.patience.steady(now_s - self.connected_s)
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
            elif topic == self._topics.command and self._shared.commands is not None:
                self._shared.commands.take(payload, retained=retained, path=self.path)


def _compact(message: dict[str, Any]) -> bytes:
    """Telemetry carries no signature, so it need not be canonical, only short."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
