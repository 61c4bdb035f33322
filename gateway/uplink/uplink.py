"""All paths of one gateway: what they share, and the local faults of delivery."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.contract.jws import TrustedKey
from gateway.core.delivery import Board, Dialler, History, Settlement
from gateway.uplink.backlog import Backlog
from gateway.uplink.commands import CommandDesk
from gateway.uplink.link import Identity, Link, Shared, Timing
from gateway.uplink.outbox import BROKER, Outbox
from gateway.uplink.pictures import Pictures
from gateway.uplink.receipts import Fault, Receipts
from gateway.uplink.retained import Retained

WATCH_S = 1.0
# heartbeat_s, keepalive_s: a broker drops a silent client after 1.5 keep-alives, and some look only every 5 s
SUPERVISION = {"sp5": (30.0, 40), "dp4": (30.0, 40), "sp6": (5.0, 8)}


@dataclass(frozen=True, slots=True)
class Outside:
    """What the uplink calls. settle(list) stores receipts; fault(point, active, reason) reports the gateway's own faults;

    delivered(recipient, seconds) tells how long an alarm took from its reading to its receipt.
    """

    history: History
    board: Board
    settle: Callable[[list[Settlement]], None]
    fault: Fault
    delivered: Callable[[str, float], None]


class Faults:
    """Tells each change once. What a fault was before this run is not known here, so the first word always goes through."""

    def __init__(self, tell: Fault) -> None:
        self._tell = tell
        self._told: dict[str, bool] = {}

    def say(self, point: str, active: bool, reason: str) -> None:
        """The fault is there, or not."""
        if self._told.get(point) is not active:
            self._told[point] = active
            self._tell(point, active, reason if active else "")


class Uplink:
    """diallers: path -> how to open its sessions, the preferred path first. Run each link and `watch` as tasks of their own."""

    def __init__(
        self,
        identity: Identity,
        diallers: dict[str, Dialler],
        outbox: Outbox,
        keys: dict[str, TrustedKey],
        recipients: list[str],
        timing: Timing,
        outside: Outside,
        commands: CommandDesk | None = None,
    ) -> None:
        self._outbox = outbox
        self._recipients = recipients
        self._timing = timing
        self._faults = Faults(outside.fault)
        self._oldest: dict[str, tuple[int, float]] = {}  # recipient -> its oldest event without receipt, since when it is
        self.receipts = Receipts(identity.source, keys, outbox, outside.history, outside.settle, self._faults.say, outside.delivered)
        self._backlog = Backlog(outbox, outside.history, recipients, self.wake, self._faults.say)
        self.pictures = Pictures()
        self.reports = Retained()
        shared = Shared(
            identity=identity,
            outbox=outbox,
            backlog=self._backlog,
            history=outside.history,
            board=outside.board,
            receipts=self.receipts,
            timing=timing,
            recipients=recipients,
            commands=commands,
            holds_changed=self._tell_holds,
            lost=self._path_lost,
            pictures=self.pictures,
            reports=self.reports,
        )
        self.links = {path: Link(path, dialler, shared) for path, dialler in diallers.items()}

    def wake(self) -> None:
        """There may be something to send."""
        for link in self.links.values():
            link.wake()

    def replay(self, recipient: str, epoch: int, sequence: int) -> None:
        """Offer this recipient's events from there on again, settled or not; of two wishes the one that begins earlier counts."""
        self._backlog.replay(recipient, epoch, sequence)

    def send_picture(self, event_id: str, number: int, body: bytes) -> None:
        """A JPEG that the site allows to leave: `evidence/{event id}/{number}`, behind everything else."""
        self.pictures.offer(event_id, number, body)
        self.wake()

    def send_report(self, kind: str, body: bytes) -> None:
        """The newest of its kind: `report/{kind}`, retained, now and in each new session."""
        self.reports.offer(kind, body)
        self.wake()

    def carries(self, path: str) -> bool:
        """True for the path on which everything goes that does not go on both."""
        carrier = self._outbox.carrier(time.monotonic())
        return carrier is not None and carrier.name == path

    def _path_lost(self, path: str) -> None:
        for link in self.links.values():
            if link.path != path:
                link.affirm()
                link.wake()

    def _tell_holds(self) -> None:
        refused = [f"path {path}, event/{name}: {why}" for (path, name), why in self._outbox.holds.items()] + self._outbox.rejected()
        self._faults.say("gw-publish", bool(refused), "the broker refuses " + "; ".join(refused))

    async def watch(self) -> None:
        """Bring in what lies in the journal, and tell local faults, whether or not there is a session."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._backlog.run(), name="backlog")
            while True:
                await asyncio.sleep(WATCH_S)
                self._backlog.poke()
                self.look(time.monotonic())

    def look(self, now_s: float) -> None:
        """Tell what has changed. A silent centre is taken back only when there is a reason to."""
        self.receipts.flush()
        self._tell_holds()
        for link in self.links.values():
            works = link.counts.up and link.proven and not link.unread  # a session in which nothing is acknowledged is no path
            why = link.counts.reason or link.unread or "nothing is acknowledged yet"
            self._faults.say(f"gw-path-{link.path}", not works, why)
            self._faults.say(f"gw-client-{link.path}", bool(link.patience.rival), link.patience.rival)
        if now_s >= self.receipts.bad_until_s:
            self._faults.say("gw-receipt", False, "")
        for recipient in self._recipients:
            if recipient != BROKER:
                self._look_at_centre(recipient, now_s)

    def _look_at_centre(self, recipient: str, now_s: float) -> None:
        point = f"gw-centre-{recipient}"
        until_s, reason = self.receipts.unusable.get(recipient, (0.0, ""))
        silent, why = self._silence(recipient, now_s)
        if now_s < until_s:
            self._faults.say(point, True, reason)
        elif silent is not None:
            self._faults.say(point, silent, why)

    def _silence(self, recipient: str, now_s: float) -> tuple[bool | None, str]:
        """(silent, why): None while nothing can be said yet.

        What counts is for how long the same event has been the oldest without a receipt: a long backlog that flows is no silence, and a
        session that is renewed each minute does not end one.
        """
        oldest = self._outbox.oldest_owed(recipient)
        if oldest is None:
            self._oldest.pop(recipient, None)
            return (False, "") if self._outbox.shelves.all_known else (None, "")
        row, since_s = self._oldest.get(recipient, (0, 0.0))
        if row != oldest.row:
            self._oldest[recipient] = (oldest.row, since_s := max(now_s, oldest.sealed_s))
        if now_s - since_s > self._timing.centre_silence_s:
            return True, f"no receipt for {now_s - since_s:.0f} s"
        return (False, "") if recipient in self.receipts.heard else (None, "")
