"""One gateway of a fleet: the real uplink with its outbox, a key and a name of its own, and a journal in memory.

The one file of this package that drives the product: a load, never a peer in a test of correctness. What is sealed here is sealed, chained,
queued, sent, sent again and settled by the gateway's own code. The journal is in memory because a fleet asks what the bus and the
uplink do: a thousand SQLite files with a sync for each event would ask what this disk does, and tests/proof asks that of one gateway.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.contract.envelope import GENESIS_HASH, Number, Origin, Sealed, rfc3339, seal
from gateway.contract.jws import Signer, TrustedKey
from gateway.contract.topics import Topics
from gateway.core.commands import Command
from gateway.core.delivery import Owed, Settlement
from gateway.core.ids import EventIds
from gateway.core.points import Draft, EventClass, Priority
from gateway.core.reading import Now
from gateway.uplink import link as uplink_link
from gateway.uplink.commands import CommandDesk
from gateway.uplink.lane import Entry
from gateway.uplink.link import Identity, Timing
from gateway.uplink.outbox import BROKER, Outbox
from gateway.uplink.session import Address, Session
from gateway.uplink.uplink import SUPERVISION, Outside, Uplink

PATH = "main"
POINT = "panic-gatehouse"
EPOCH = 1
WINDOW = 100  # as the site file's default
# The site file's defaults, except that there is no telemetry (QoS 0, which a cluster does not store)
RECEIPT_TIMEOUT_S, CENTRE_SILENCE_S, PUBACK_TIMEOUT_S, NEVER_S = 10.0, 100.0, 10.0, 86_400.0
HEARTBEAT_S, KEEPALIVE_S = SUPERVISION["sp5"]
TIMING = Timing(HEARTBEAT_S, KEEPALIVE_S, RECEIPT_TIMEOUT_S, CENTRE_SILENCE_S, PUBACK_TIMEOUT_S, NEVER_S)
# A gateway looks at its timers four times a second, which is nothing on a box of its own and most of the work of a thousand in one process.
uplink_link.TICK_S = 1.0
# What the demo school's gateway says when its button is pressed; with it an event has the size that it has there, about 1.2 kB
ALARM: dict[str, object] = {
    "alarm": "alarm",
    "alarm_class": "intrusion",
    "cause": [],
    "certainty": "Observed",
    "msgType": "Alert",
    "place": "gatehouse",
    "previous_state": "normal",
    "priority": "urgent",
    "quality": "good",
    "role": "panic_button",
    "severity": "Extreme",
    "state": "unacknowledged",
    "status": "Actual",
    "text": {"en": "One-key alarm: gatehouse", "zh": "一键报警：门卫室"},
    "unit": "",
    "urgency": "Immediate",
    "value": True,
}


class MemoryJournal:
    """The events of one gateway, numbered and chained. Satisfies core.delivery.History. A body goes with its last receipt."""

    def __init__(self, source: str, signer: Signer, recipient: str) -> None:
        self._signer = signer
        self._origin = Origin(source, str(uuid.uuid4()), time.monotonic())
        self._recipients = frozenset({recipient})
        self._owed: dict[int, Sealed] = {}
        self._known: dict[str, tuple[int, str]] = {}
        self._previous = GENESIS_HASH

    @property
    def boot_id(self) -> str:
        return self._origin.boot_id

    @property
    def newest(self) -> int:
        """Sequence of the newest event, 0 before the first."""
        return len(self._known)

    def add(self, draft: Draft) -> Sealed:
        """Seal one event; nobody has confirmed it yet."""
        row = self.newest + 1
        event = seal(draft, self._origin, Number(EPOCH, row, row, self._previous), self._signer, row)
        self._previous = event.sha256
        self._owed[row] = event
        self._known[event.id] = (row, event.sha256)
        return event

    def settle(self, settlements: list[Settlement]) -> None:
        """These were confirmed."""
        for settlement in settlements:
            self._owed.pop(settlement.row, None)

    async def debts(self, from_row: int) -> dict[tuple[str, str], tuple[int, tuple[int, int]]]:
        first = next((row for row in self._owed if row >= from_row), None)
        if first is None:
            return {}
        return {(name, self._owed[first].event_class): (first, (EPOCH, first)) for name in self._recipients}

    async def owed(self, after_row: int, limit: int, of: tuple[str, str] | None = None) -> list[Owed]:
        return [self._as_owed(event) for row, event in self._owed.items() if row > after_row][:limit]

    async def since(self, recipient: str, place: tuple[int, int], after_row: int, limit: int) -> list[Owed]:
        return await self.owed(max(after_row, place[1] - 1), limit)

    async def bodies(self, rows: list[int]) -> dict[int, tuple[str, bytes]]:
        return {row: (event.event_class, event.body) for row in rows if (event := self._owed.get(row)) is not None}

    async def known(self, ids: list[str]) -> dict[str, tuple[int, str]]:
        return {name: self._known[name] for name in ids if name in self._known}

    def _as_owed(self, event: Sealed) -> Owed:
        return Owed(event.row, EPOCH, event.row, event.event_class, event.id, event.priority, event.at_ms, event.sha256, self._recipients)


class ShortBoard:
    """What is true at a school with one button. Satisfies core.delivery.Board."""

    def __init__(self, source: str, journal: MemoryJournal, signer: Signer) -> None:
        self._source = source
        self._journal = journal
        self._signer = signer
        self._changed = True

    def change(self) -> None:
        """The button's state has changed."""
        self._changed = True

    def everything(self) -> None:
        self._changed = True

    def birth(self) -> dict[str, Any]:
        point = {"id": POINT, "role": ALARM["role"], "place": ALARM["place"], "name": ALARM["text"], "kind": "bool", "alarms": ["alarm"]}
        return {**self._head(), "contract": "1", "key": self._signer.public(), "supervision": "sp5", "points": [point]}

    def next_state(self) -> tuple[str, dict[str, Any]] | None:
        if not self._changed:
            return None
        self._changed = False
        names = ("role", "place", "value", "unit", "quality")
        state = {name: ALARM[name] for name in names} | {"reason": "", "alarms": {"alarm": ALARM["state"]}}
        return POINT, {**self._head(), "point": POINT, **state}

    def telemetry(self) -> dict[str, Any] | None:
        return None

    def heartbeat(self) -> dict[str, Any]:
        return {"epoch": f"{EPOCH:010d}", "newest_sequence": f"{self._journal.newest:020d}", "clockquality": "synchronised"}

    def _head(self) -> dict[str, Any]:
        return {"source": self._source, "bootid": self._journal.boot_id, "at": rfc3339(_at_ms())}


class FleetSession(Session):
    """granted: how many subscriptions the broker has granted so far."""

    granted = 0

    async def subscribe(self, topic: str, *, fresh_only: bool = False) -> None:
        await super().subscribe(topic, fresh_only=fresh_only)
        self.granted += 1


class Rounds:
    """Several addresses of one bus, each attempt at the next: what a host name with several addresses does for a gateway.

    Satisfies core.delivery.Dialler.
    """

    can_refuse = False  # MQTT 3.1.1

    def __init__(self, addresses: list[Address], first: int) -> None:
        self._addresses = addresses
        self._at = first - 1
        self._session: FleetSession | None = None

    @property
    def granted(self) -> int:
        """Subscriptions of the newest session."""
        return 0 if self._session is None else self._session.granted

    @property
    def where(self) -> str:
        address = self._addresses[self._at % len(self._addresses)]
        return f"{address.host}:{address.port}"

    def stale(self) -> str:
        return ""

    def dial(self, will_topic: str, will: bytes) -> Session:
        self._at += 1
        self._session = FleetSession(self._addresses[self._at % len(self._addresses)], will_topic, will, WINDOW)
        return self._session


class FleetGateway:
    """Gateway number `number` of the fleet. `trust` must be called before `run`. prefix: of all topics; urls: of the nodes of the bus.

    recipient: who must confirm; empty: the broker's PUBACK ends delivery.
    """

    def __init__(self, number: int, prefix: str, urls: list[str], recipient: str) -> None:
        site = f"fleet-{number:06d}"
        self.source = f"/sites/{site}/gateways/gate"
        self._signer = Signer(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self._ids = EventIds()
        self._recipient = recipient or BROKER
        self._journal = MemoryJournal(self.source, self._signer, self._recipient)
        self._board = ShortBoard(self.source, self._journal, self._signer)
        self._topics = Topics(f"{prefix}/{site}/gate")
        nodes = [urlsplit(url) for url in urls]
        client_id = f"{site}-gate-{PATH}"
        addresses = [Address(node.hostname or "", node.port or 1883, client_id, v5=False, keepalive_s=KEEPALIVE_S) for node in nodes]
        self._dialler = Rounds(addresses, number % len(nodes))
        self._subscriptions = 2 if recipient else 1  # receipt, and command where somebody may send any
        self.outbox = Outbox(WINDOW, RECEIPT_TIMEOUT_S, paths=(PATH,))
        self.receipt_s: list[float] = []
        self._uplink: Uplink | None = None

    @property
    def enrolled(self) -> dict[str, str]:
        """What a centre must be told of this gateway."""
        return {"source": self.source, **self._signer.public()}

    @property
    def up(self) -> bool:
        """It has a session in which something was acknowledged, and all its subscriptions."""
        link = None if self._uplink is None else self._uplink.links[PATH]
        return link is not None and link.counts.up and link.proven and self._dialler.granted == self._subscriptions

    @property
    def losses(self) -> int:
        """Sessions and attempts that ended."""
        return 0 if self._uplink is None else self._uplink.links[PATH].counts.losses

    def trust(self, key: dict[str, str] | None) -> None:
        """The centre's public key, {kid, x}; None where nobody sends receipts."""
        keys = {} if key is None else {key["kid"]: TrustedKey(key["kid"], key["x"], self._recipient)}
        identity = Identity(self._topics, self.source, self._journal.boot_id, self._signer)
        outside = Outside(self._journal, self._board, self._journal.settle, _unheard, self._delivered)
        desk = CommandDesk(self.source, keys, _now, _refuse, lambda name: False, frozenset()) if keys else None
        self._uplink = Uplink(identity, {PATH: self._dialler}, self.outbox, keys, [self._recipient], TIMING, outside, desk)

    async def run(self) -> None:
        """Keep the session up until cancelled."""
        assert self._uplink is not None
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._uplink.links[PATH].run(), name=f"{self.source}:path")
            tasks.create_task(self._uplink.watch(), name=f"{self.source}:watch")

    def press(self) -> tuple[str, int]:
        """The button is pressed: (id of the event, CLOCK_MONOTONIC in ns)."""
        now_ns = time.monotonic_ns()
        now_s, at_ms = now_ns / 1e9, _at_ms()
        draft = Draft(
            self._ids(at_ms), EventClass.ALARM, "campus.alarm.activated", POINT, Priority.URGENT, at_ms, now_s, "synchronised", dict(ALARM)
        )
        event = self._journal.add(draft)
        self.outbox.offer(
            Entry(
                event.row, event.id, event.event_class, event.priority, event.sha256, EPOCH, event.row, {self._recipient},
                now_s, now_s, event.body,
            )
        )  # fmt: skip
        self._board.change()
        if self._uplink is not None:
            self._uplink.wake()
        return event.id, now_ns

    def _delivered(self, recipient: str, seconds: float) -> None:
        self.receipt_s.append(seconds)


def _unheard(point: str, active: bool, reason: str) -> None:
    """The faults of a simulated gateway sound nowhere; what they tell is counted by the fleet."""


def _now() -> Now:
    return Now(time.monotonic(), _at_ms())


def _refuse(command: Command, finished: Callable[[bool, str], None]) -> tuple[bool, str]:
    return False, "a fleet carries no command out"


def _at_ms() -> int:
    return time.time_ns() // 1_000_000
