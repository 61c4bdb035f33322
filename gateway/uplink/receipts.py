"""Receipts as they arrive: believed or not, matched with what is owed, stored in small batches."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from gateway.contract.jws import TrustedKey
from gateway.contract.receipt import Newest, Receipt, read_receipt
from gateway.core.delivery import RECEIVED, UNUSABLE, History, Settlement
from gateway.core.errors import BadMessage, BadSignature, JournalUnreadable
from gateway.uplink.outbox import ALARM_CLASS, Outbox

log = logging.getLogger(__name__)

UNUSABLE_HOLD_S = 300.0  # how long the local fault stands after the last event that a centre could not use
BAD_RECEIPT_HOLD_S = 60.0  # how long the local fault stands after the last bad receipt
BATCH = 256

Fault = Callable[[str, bool, str], None]


class Receipts:
    """Takes receipts, and stores what they settle with settle(list).

    fault(point, active, reason) reports the gateway's own faults; delivered(recipient, seconds) tells how long an alarm took from its
    reading to its receipt. heard: recipients that have sent a receipt in this run. bad: receipts that were not believed;
    bad_until_s: monotonic end of the fault that they raise. unusable: recipient -> (monotonic end of its fault, why).
    """

    def __init__(
        self,
        source: str,
        keys: dict[str, TrustedKey],
        outbox: Outbox,
        history: History,
        settle: Callable[[list[Settlement]], None],
        fault: Fault,
        delivered: Callable[[str, float], None],
    ) -> None:
        self._source = source
        self._keys = keys
        self._outbox = outbox
        self._history = history
        self._settle = settle
        self._fault = fault
        self._delivered = delivered
        self._settlements: list[Settlement] = []
        self.newest: Callable[[Newest], object] = lambda newest: None  # what a centre says that it has
        self.heard: set[str] = set()
        self.bad = 0
        self.bad_until_s = 0.0
        self.unusable: dict[str, tuple[float, str]] = {}

    async def take(self, payload: bytes) -> None:
        """One message of the topic `receipt`. What is not believed changes nothing and raises a fault."""
        try:
            receipt = read_receipt(payload, self._keys, self._source)
        except (BadMessage, BadSignature) as error:
            self._refuse(str(error))
            return
        self.heard.add(receipt.recipient)
        self._outbox.heard_from(receipt.recipient, time.monotonic())
        if receipt.newest is not None:
            self.newest(receipt.newest)
        settled, wrong, unknown = self._outbox.receipt(receipt.recipient, receipt.items, unusable=receipt.unusable)
        state = UNUSABLE if receipt.unusable else RECEIVED
        for entry in settled:
            if entry.row > 0:
                self.store(entry.row, receipt.recipient, state)
            if entry.cause_s and entry.event_class == ALARM_CLASS and not receipt.unusable:
                self._delivered(receipt.recipient, time.monotonic() - entry.cause_s)
        unused = [entry.id for entry in settled]
        if unknown:
            try:
                strange, refused = await self._settle_unknown(receipt, unknown, state)
            except JournalUnreadable as error:
                log.warning("receipts of events that are not in memory are left out, the centre will be asked again: %s", error)
            else:
                wrong += strange
                unused += refused
        for event_id in wrong[:3]:
            self._refuse(f"is for event {event_id[:48]}, which is not ours or has another sha-256")
        if receipt.unusable and unused:
            reason = f"cannot use event {unused[0]}: {receipt.reason}"
            self.unusable[receipt.recipient] = (time.monotonic() + UNUSABLE_HOLD_S, reason)
            self._fault(f"gw-centre-{receipt.recipient}", True, reason)

    async def _settle_unknown(self, receipt: Receipt, unknown: list[str], state: int) -> tuple[list[str], list[str]]:
        """Those settled before, or not paged in yet: (ids that are not ours, the first owed one that cannot be used)."""
        found = await self._history.known(unknown)
        digests = dict(receipt.items)
        wrong: list[str] = []
        unused: list[str] = []
        for event_id in unknown:
            if event_id not in found or found[event_id][1] != digests[event_id]:
                wrong.append(event_id)
                continue
            row = found[event_id][0]
            if receipt.unusable and not unused and await self._owes(row, receipt.recipient):
                unused.append(event_id)
            self.store(row, receipt.recipient, state)
        return wrong, unused

    async def _owes(self, row: int, recipient: str) -> bool:
        """By the journal; what is not in memory."""
        page = await self._history.owed(row - 1, 1)
        return any(owed.row == row and recipient in owed.recipients for owed in page)

    def store(self, row: int, recipient: str, state: int) -> None:
        """One delivery is settled; it is written with the next batch."""
        self._settlements.append(Settlement(row, recipient, state, time.time_ns() // 1_000_000))
        if len(self._settlements) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Hand over what waits to be stored."""
        if self._settlements:
            self._settle(self._settlements)
            self._settlements = []

    def _refuse(self, reason: str) -> None:
        self.bad += 1
        if time.monotonic() > self.bad_until_s:
            log.warning("a receipt was not believed: %s", reason)
            self._fault("gw-receipt", True, reason)
        self.bad_until_s = time.monotonic() + BAD_RECEIPT_HOLD_S
