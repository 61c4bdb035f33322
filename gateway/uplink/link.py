"""One uplink path: keeps a session up, pumps the outbox through it, takes receipts, and watches the silence.

The retry policy lives here; `session.py` knows one connection, `outbox.py` knows what is owed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.contract.envelope import rfc3339
from gateway.contract.jws import Signer, TrustedKey
from gateway.contract.receipt import read_receipt
from gateway.contract.topics import Topics
from gateway.core.delivery import RECEIVED, UNUSABLE, Board, Channel, Dialler, History, Owed, Settlement
from gateway.core.errors import BadMessage, BadSignature, LinkLost
from gateway.uplink.outbox import ALARM_CLASS, BROKER, NO_SUBSCRIBERS, SUSPECTED, Entry, Outbox

log = logging.getLogger(__name__)

TICK_S = 0.25
WATCH_S = 1.0
BACK_OFF_FIRST_S = 0.5
BACK_OFF_CAP_S = 30.0  # brokers; house rule
BACK_OFF_OWED_CAP_S = 3.0  # while somebody waits for an alarm
STEADY_S = 10.0  # a session that lasted this long starts the back-off anew
BAD_RECEIPT_HOLD_S = 60.0  # how long the local fault stands after the last bad receipt
SUSPECT_S = 0.3  # MQTT 3.1.1 cannot say no: a link that ends this soon after a publish casts suspicion on its topic
SUSPECT_TIMES = 3
PAGE = 500
STATES_IN_FLIGHT = 20

Fault = Callable[[str, bool, str], None]


@dataclass(frozen=True, slots=True)
class Timing:
    """The supervision profile. heartbeat_s, keepalive_s: EN 50136-1 SP5 needs 90 s, SP6 20 s, end to end."""

    heartbeat_s: float
    keepalive_s: int
    receipt_timeout_s: float
    centre_silence_s: float
    puback_timeout_s: float
    telemetry_s: float


SUPERVISION = {"sp5": (30.0, 40), "sp6": (5.0, 10)}  # heartbeat_s, keepalive_s


@dataclass(slots=True)
class Counts:
    """What metrics tell of a path."""

    connects: int = 0
    losses: int = 0
    up: bool = False
    last_ack_at_s: float = 0.0
    bad_receipts: int = 0
    reason: str = ""


class Link:
    """One path.

    fault(point, active, reason) reports the gateway's own faults; settle(list) stores receipts;
    delivered(recipient, seconds) tells how long an alarm took from its reading to its receipt.
    """

    def __init__(
        self,
        path: str,
        dialler: Dialler,
        topics: Topics,
        source: str,
        boot_id: str,
        signer: Signer,
        outbox: Outbox,
        keys: dict[str, TrustedKey],
        recipients: list[str],
        timing: Timing,
        history: History,
        board: Board,
        settle: Callable[[list[Settlement]], None],
        fault: Fault,
        delivered: Callable[[str, float], None],
    ) -> None:
        self._path = path
        self._dialler = dialler
        self._topics = topics
        self._source = source
        self._boot_id = boot_id
        self._signer = signer
        self._outbox = outbox
        self._keys = keys
        self._recipients = recipients
        self._timing = timing
        self._history = history
        self._board = board
        self._settle = settle
        self._fault = fault
        self._delivered = delivered
        self._wake = asyncio.Event()
        self._settlements: list[Settlement] = []
        self._connected_s = time.monotonic()
        self._lost_s: float | None = None
        self._bad_until_s = 0.0
        self._suspects: dict[str, int] = {}
        self._last_publish: dict[str, float] = {}
        self._states_in_flight = 0
        self._proven = False  # the broker has acknowledged something in this session
        self._heard: set[str] = set()  # recipients that have sent a receipt in this run
        self.counts = Counts()

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    async def run(self) -> None:
        """Keep the path up until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_connected(), name=f"path:{self._path}:session")
            tasks.create_task(self._watch(), name=f"path:{self._path}:watch")

    async def _keep_connected(self) -> None:
        failures = 0
        while True:
            began_s = time.monotonic()
            try:
                offline = self._signer.seal(self._status(online=False))
                async with self._dialler.dial(self._topics.status, offline) as session:
                    try:
                        await self._serve(session)
                    except asyncio.CancelledError:
                        self._say_goodbye(session, offline)
                        raise
            except LinkLost as error:
                self._note_loss(str(error))
            failures = 0 if time.monotonic() - began_s > STEADY_S else failures + 1
            most_s = BACK_OFF_OWED_CAP_S if self._outbox.owes_alarms() else BACK_OFF_CAP_S
            cap_s = min(most_s, BACK_OFF_FIRST_S * 2 ** min(failures, 10))
            await asyncio.sleep(0.05 + random.uniform(0, cap_s))

    def _say_goodbye(self, session: Channel, offline: bytes) -> None:
        try:
            session.publish(self._topics.status, offline, qos=1, retain=True)
        except LinkLost:
            pass  # the will says it
        self._flush_settlements()

    async def _serve(self, session: Channel) -> None:
        await session.subscribe(self._topics.receipt)
        self._send(session, self._topics.status, self._status(online=True), retain=True)
        self._proven = False
        self._send(session, self._topics.birth, self._board.birth(), retain=True, on_ack=self._prove)
        await self._send_heartbeat(session)
        self._note_connected()
        reason = ""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(session), name=f"path:{self._path}:receive")
                tasks.create_task(self._pump(session), name=f"path:{self._path}:pump")
                tasks.create_task(self._clockwork(session), name=f"path:{self._path}:clockwork")
        except* LinkLost as group:
            reason = str(group.exceptions[0])
        raise LinkLost(reason)

    def _prove(self, code: int) -> None:
        self._proven = True

    def _note_connected(self) -> None:
        now_s = time.monotonic()
        self._connected_s = now_s
        self.counts.connects += 1
        self.counts.up = True
        self.counts.reason = ""
        if self._lost_s is not None:
            log.info("path %s is back after %.1f s", self._path, now_s - self._lost_s)
        else:
            log.info("path %s connected to %s", self._path, self._dialler.where)
        self._lost_s = None
        self._wake.set()

    def _note_loss(self, reason: str) -> None:
        now_s = time.monotonic()
        if self.counts.up or self._lost_s is None:
            log.warning("path %s lost: %s", self._path, reason)
            self._lost_s = now_s
            self.counts.losses += 1
        self._suspect(now_s)
        self.counts.up = False
        self.counts.reason = reason
        self._outbox.link_lost()
        self._states_in_flight = 0
        self._last_publish.clear()

    def _suspect(self, now_s: float) -> None:
        """A 3.1.1 broker that forbids a topic may acknowledge and then close the socket.

        Every topic of the last moment is suspected; while there are suspects, `_pump` sends one message at a time, which
        clears the innocent; a topic that ends the session three times is set aside.
        """
        if self._dialler.can_refuse or not self.counts.up:
            return
        recent = [name for name, at_s in self._last_publish.items() if now_s - at_s < SUSPECT_S]
        for name in recent:
            self._suspects[name] = self._suspects.get(name, 0) + 1
            if self._suspects[name] >= SUSPECT_TIMES:
                self._outbox.hold(name, SUSPECTED, now_s)
                self._fault("gw-publish", True, f"the broker ends the session after each message on {self._topics.event(name)}")

    # --- sending ---------------------------------------------------------------------------

    async def _pump(self, session: Channel) -> None:
        while True:
            self._wake.clear()
            await self._page_in()
            entries: list[Entry] = []
            now_s = time.monotonic()
            most = 1 if self._suspects else 50
            while len(entries) < most and (entry := self._outbox.next(now_s)) is not None:
                self._outbox.sent(entry, now_s)
                entries.append(entry)
            missing = [entry.row for entry in entries if entry.body is None]
            bodies = await self._history.bodies(missing) if missing else {}
            for entry in entries:
                body = entry.body if entry.body is not None else bodies[entry.row][1]
                self._last_publish[entry.event_class] = now_s
                session.publish_event(self._topics.event(entry.event_class), body, partial(self._acked, entry))
            if not entries:
                self._send_states(session)
                await self._wake.wait()
            elif self._suspects:
                await self._acquit(entries[0].event_class)
            else:
                await asyncio.sleep(0)

    async def _acquit(self, event_class: str) -> None:
        """This class was sent alone: if the session outlives it, it is not the one that the broker forbids."""
        await asyncio.sleep(SUSPECT_S)
        if self._suspects.pop(event_class, 0) >= SUSPECT_TIMES:
            self._outbox.release(event_class)
            if not self._outbox.holds:
                self._fault("gw-publish", False, "")

    async def _page_in(self) -> None:
        """Bring owed events that only the journal holds into the outbox, a page at a time."""
        outbox = self._outbox
        if outbox.overflow_row is None or not outbox.has_room():
            return
        page = await self._history.owed(outbox.overflow_row - 1, PAGE)
        outbox.overflow_row = None if len(page) < PAGE else page[-1].row + 1
        now_s = time.monotonic()
        for owed in page:
            outbox.offer(entry_of(owed, self._recipients, now_s))
        self._wake.set()

    def _acked(self, entry: Entry, code: int) -> None:
        now_s = time.monotonic()
        self.counts.last_ack_at_s = time.time()
        held = entry.event_class in self._outbox.holds
        if not self._outbox.puback(entry.row, code, now_s):
            topic = self._topics.event(entry.event_class)
            self._fault("gw-publish", True, f"the broker refuses {topic}: reason code 0x{code:02x}")
            log.warning("the broker refuses %s: reason code 0x%02x; set aside and probed", topic, code)
        else:
            if BROKER in entry.owed and code != NO_SUBSCRIBERS:
                self._outbox.settle(entry, BROKER)
                self._store(entry.row, BROKER, RECEIVED)
            if held and not self._outbox.holds:
                self._fault("gw-publish", False, "")
        self._wake.set()

    def _send_states(self, session: Channel) -> None:
        while self._states_in_flight < STATES_IN_FLIGHT and (state := self._board.next_state()) is not None:
            self._states_in_flight += 1
            self._send(session, self._topics.state(state[0]), state[1], retain=True, on_ack=self._state_acked)

    def _state_acked(self, code: int) -> None:
        self._states_in_flight -= 1
        self._wake.set()

    def _send(
        self, session: Channel, topic: str, message: dict[str, Any], *, retain: bool, on_ack: Callable[[int], None] | None = None
    ) -> None:
        session.publish(topic, self._signer.seal(message), qos=1, retain=retain, on_ack=on_ack)

    def _status(self, *, online: bool) -> dict[str, Any]:
        return {"source": self._source, "bootid": self._boot_id, "online": online, "at": rfc3339(time.time_ns() // 1_000_000)}

    async def _send_heartbeat(self, session: Channel) -> None:
        places = self._outbox.lowest_owed()
        if self._outbox.overflow_row is not None:  # more is owed than memory holds: nobody's lowest is above the journal's
            for owed in await self._history.owed(0, 1):
                for name in owed.recipients:
                    places[name] = min(places.get(name, (owed.epoch, owed.sequence)), (owed.epoch, owed.sequence))
        oldest_s = min((e.sealed_s for r in self._recipients if (e := self._outbox.oldest_owed(r)) is not None), default=None)
        lowest = {name: {"epoch": f"{e:010d}", "sequence": f"{s:020d}"} for name, (e, s) in places.items()}
        message = {
            "source": self._source,
            "bootid": self._boot_id,
            "at": rfc3339(time.time_ns() // 1_000_000),
            "heartbeat_s": self._timing.heartbeat_s,
            "lowest_owed": {name: lowest.get(name) for name in self._recipients},
            "outbox_depth": len(self._outbox),
            "outbox_oldest_s": 0 if oldest_s is None else round(time.monotonic() - oldest_s, 1),
            **self._board.heartbeat(),
        }
        self._send(session, self._topics.heartbeat, message, retain=False)

    async def _clockwork(self, session: Channel) -> None:
        """Heartbeats, telemetry, resends that fall due, and the broker that never acknowledges."""
        heartbeat_s = telemetry_s = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now_s = time.monotonic()
            oldest_s = self._outbox.oldest_in_flight_s()
            if oldest_s is not None and now_s - oldest_s > self._timing.puback_timeout_s:
                raise LinkLost(f"the broker has not acknowledged a message for {now_s - oldest_s:.0f} s")
            if now_s - heartbeat_s >= self._timing.heartbeat_s:
                heartbeat_s += self._timing.heartbeat_s
                await self._send_heartbeat(session)
            if now_s - telemetry_s >= self._timing.telemetry_s:
                telemetry_s += self._timing.telemetry_s
                values = self._board.telemetry()
                if values is not None:
                    expiry_s = max(1, round(3 * self._timing.telemetry_s))
                    session.publish(self._topics.telemetry, _compact(values), qos=0, retain=False, expiry_s=expiry_s)
            due_s = self._outbox.next_due_s()
            if due_s is not None and due_s <= now_s:
                self._wake.set()
            if not self._outbox.in_flight:
                self._wake.set()  # states that changed without an event

    # --- receiving -------------------------------------------------------------------------

    async def _receive(self, session: Channel) -> None:
        async for topic, payload, retained in session.messages():
            if topic == self._topics.receipt and not retained:
                await self._take_receipt(payload)

    async def _take_receipt(self, payload: bytes) -> None:
        try:
            receipt = read_receipt(payload, self._keys, self._source)
        except (BadMessage, BadSignature) as error:
            self._bad_receipt(str(error))
            return
        self._heard.add(receipt.recipient)
        settled, wrong, unknown = self._outbox.receipt(receipt.recipient, receipt.items, unusable=receipt.unusable)
        state = UNUSABLE if receipt.unusable else RECEIVED
        for entry in settled:
            if entry.row > 0:
                self._store(entry.row, receipt.recipient, state)
            if entry.cause_s and entry.event_class == ALARM_CLASS and not receipt.unusable:
                self._delivered(receipt.recipient, time.monotonic() - entry.cause_s)
        if unknown:
            found = await self._history.known(unknown)
            digests = dict(receipt.items)
            for event_id in unknown:
                if event_id in found and found[event_id][1] == digests[event_id]:
                    self._store(found[event_id][0], receipt.recipient, state)  # settled before, or not paged in yet
                else:
                    wrong.append(event_id)
        for event_id in wrong[:3]:
            self._bad_receipt(f"is for event {event_id[:48]}, which is not ours or has another sha-256")
        if receipt.unusable and settled:
            self._fault(f"gw-centre-{receipt.recipient}", True, f"cannot use event {settled[0].id}: {receipt.reason}")

    def _bad_receipt(self, reason: str) -> None:
        self.counts.bad_receipts += 1
        if time.monotonic() > self._bad_until_s:
            log.warning("a receipt was not believed: %s", reason)
            self._fault("gw-receipt", True, reason)
        self._bad_until_s = time.monotonic() + BAD_RECEIPT_HOLD_S

    def _store(self, row: int, recipient: str, state: int) -> None:
        self._settlements.append(Settlement(row, recipient, state, time.time_ns() // 1_000_000))
        if len(self._settlements) >= 256:
            self._flush_settlements()

    def _flush_settlements(self) -> None:
        if self._settlements:
            self._settle(self._settlements)
            self._settlements = []

    # --- watching --------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Local faults that hold whether or not there is a session.

        What a fault was before this run is not known here (it may have been restored as active), so the first look
        always tells; a silent centre is taken back only when there is a reason to.
        """
        down: bool | None = None
        bad: bool | None = None
        silent: dict[str, bool | None] = {name: None for name in self._recipients if name != BROKER}
        self._fault("gw-publish", False, "")
        while True:
            await asyncio.sleep(WATCH_S)
            now_s = time.monotonic()
            self._flush_settlements()
            works = self.counts.up and self._proven  # a session in which nothing is acknowledged is no path
            if down is works or down is None:
                down = not works
                self._fault(f"gw-path-{self._path}", down, self.counts.reason)
            if bad is not (now_s < self._bad_until_s):
                bad = now_s < self._bad_until_s
                if not bad:
                    self._fault("gw-receipt", False, "")
            for recipient in silent:
                is_silent, reason = self._silence(recipient, now_s)
                if is_silent is not None and is_silent is not silent[recipient]:
                    silent[recipient] = is_silent
                    self._fault(f"gw-centre-{recipient}", is_silent, reason)

    def _silence(self, recipient: str, now_s: float) -> tuple[bool | None, str]:
        """(silent, why): None while nothing can be said yet."""
        oldest = self._outbox.oldest_owed(recipient)
        if oldest is None:
            return (False, "") if self._outbox.overflow_row is None else (None, "")
        waiting_s = now_s - max(oldest.sealed_s, self._connected_s)
        if waiting_s > self._timing.centre_silence_s:
            return True, f"no receipt for {waiting_s:.0f} s"
        return (False, "") if recipient in self._heard else (None, "")


def _compact(message: dict[str, Any]) -> bytes:
    """Telemetry carries no signature, so it need not be canonical, only short."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def entry_of(owed: Owed, recipients: list[str], now_s: float) -> Entry:
    """An outbox entry for an event that is in the journal only. recipients: those that the site file still names."""
    return Entry(
        row=owed.row,
        id=owed.id,
        event_class=owed.event_class,
        priority=owed.priority,
        sha256=owed.sha256,
        epoch=owed.epoch,
        sequence=owed.sequence,
        owed=set(owed.recipients).intersection(recipients),
        sealed_s=now_s,
    )
