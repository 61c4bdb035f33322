"""The road from readings to committed events: decide, hand to the journal, and only then to the uplink.

Everything here runs in the event loop's thread. Lines on threads of their own call `push_from_thread`.
What one wake-up of the loop decides goes to the journal as one batch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from gateway.contract.envelope import Origin, Sealed, seal
from gateway.contract.jws import Signer
from gateway.core.commands import Delivered, Tick
from gateway.core.outputs import OutputOrder
from gateway.core.points import Draft, EventClass, Latch
from gateway.core.reading import Reading
from gateway.journal.store import Batch
from gateway.journal.writer import Writer
from gateway.runtime.board import Board
from gateway.runtime.clock import Clock
from gateway.runtime.decide import Decision, House, Ids, Stimuli, decide
from gateway.runtime.houses import first_looks
from gateway.uplink.lane import Entry
from gateway.uplink.outbox import BROKER, Outbox

log = logging.getLogger(__name__)

EARLY_S = 0.5  # law 1: if the journal refuses for so long, an alarm goes out from memory
FAREWELL_MOST_S = 5.0  # a gateway that stops for its battery waits so long for the receipts of what it still owes
FAREWELL_LOOK_S = 0.1


@dataclass(slots=True)
class Counts:
    """What metrics tell of the conveyor."""

    readings: int = 0
    decisions: int = 0
    drafts: int = 0
    early: int = 0


class Conveyor:
    """Owner of the house's state. release(point): clear that point's device latch; wake(): the uplink has work."""

    def __init__(
        self,
        house: House,
        ids: Ids,
        clock: Clock,
        board: Board,
        outbox: Outbox,
        signer: Signer,
        origin: Origin,
        recipients: dict[str, frozenset[str]],
    ) -> None:
        self._house = house
        self._ids = ids
        self._clock = clock
        self._board = board
        self._outbox = outbox
        self._signer = signer
        self._origin = origin
        self._recipients = {str(name): frozenset(r for r, classes in recipients.items() if name in classes) for name in EventClass}
        self._loop = asyncio.get_running_loop()
        # Cards are no telemetry: the whole hash of one stays here, decide() keeps the few characters that people may see.
        self._quiet = frozenset(point.id for point in house.points.values() if point.quiet and point.kind != "card")
        self._drafts: list[Draft] = []
        self._latches: dict[str, Latch] = {}
        self._release: list[tuple[str, int]] = []
        self._after: list[Callable[[], object]] = []
        self._stop_for = ""  # why the gateway must stop once this is on the disk
        self._flushing = False
        self._wakes: dict[str, float] = {}
        self._wake_at: asyncio.TimerHandle | None = None
        self._writer: Writer | None = None
        self._early_row = 0
        self.transitions: dict[tuple[str, str], int] = {}
        self.counts = Counts()
        self.wake_uplink: Callable[[], None] = lambda: None
        self.release_latch: Callable[[str, int], None] = lambda point, press: None
        self.order: Callable[[OutputOrder], None] = lambda order: None
        outbox.heard = self._heard
        self.shut_down: Callable[[str], object] = lambda reason: None
        self.told: Callable[[list[Draft]], None] = lambda drafts: None
        self.shown: Callable[[], None] = lambda: None  # something that people look at has changed
        self.heard: Callable[[str, str, str], None] = lambda event_id, step, by: None

    def start(self, writer: Writer) -> None:
        """The journal is ready: decisions may flow."""
        self._writer = writer
        for name in first_looks(self._house):
            self.stimulate(Tick(name))

    def push_from_thread(self, readings: list[Reading]) -> None:
        """Hand over readings from a line's own thread."""
        self._loop.call_soon_threadsafe(self.push, readings)

    def push(self, readings: Iterable[Reading]) -> None:
        """Take readings; those of points without alarms only feed telemetry."""
        now = self._clock.now()
        for reading in readings:
            self.counts.readings += 1
            if reading.point in self._quiet:
                self._board.quiet(reading)
                continue
            self._take(decide(self._house, reading, now, self._ids))
            self._board.value(reading)

    def stimulate(self, stimulus: Stimuli) -> Decision:
        """Take one stimulus of any kind; the decision is returned for its reply."""
        decision = decide(self._house, stimulus, self._clock.now(), self._ids)
        self._take(decision)
        return decision

    def _take(self, decision: Decision) -> None:
        self._house.apply(decision)
        self.counts.decisions += 1
        for order in decision.outputs:
            self.order(order)  # never waits for the disk
        for reading in decision.derived:
            self._board.value(reading)
        if decision.changed:
            self._board.changed(decision.changed)
            self.wake_uplink()
        for due_s, point in decision.wake:
            self._wake_later(due_s, point)
        if decision.changed or decision.drafts:
            self.shown()
        if decision.drafts or decision.lasting or decision.release:
            self._drafts += decision.drafts
            for latch in decision.latches():
                self._latches[latch.key] = latch
            self._release += decision.release
            self._stop_for = decision.shutdown or self._stop_for
            self.told(decision.drafts)
            if not self._flushing:
                self._flushing = True
                self._loop.call_soon(self._flush)

    def after_commit(self, call: Callable[[], object]) -> None:
        """Call this once what was decided in this wake-up of the loop is on the disk."""
        self._after.append(call)

    def _flush(self) -> None:
        """One batch for each wake-up of the loop."""
        self._flushing = False
        drafts, latches, release = self._drafts, list(self._latches.values()), self._release
        self._drafts, self._latches, self._release = [], {}, []
        assert self._writer is not None, "decisions before the journal is open"
        self.counts.drafts += len(drafts)
        after: list[Callable[[], object]] = [partial(self.release_latch, point, press) for point, press in release]
        after += self._after
        self._after = []
        if self._stop_for:
            after.append(partial(self._leave, self._stop_for, self._loop.time() + FAREWELL_MOST_S))
            self._stop_for = ""
        alarms = [draft for draft in drafts if draft.event_class is EventClass.ALARM]
        if alarms:
            after.append(self._loop.call_later(EARLY_S, self._send_early, alarms).cancel)
        self._writer.submit(Batch(drafts, latches, tuple(after)))

    def committed(self, done: list[tuple[Batch, list[Sealed]]]) -> None:
        """These batches are on the disk: deliver their events, then clear the latches of the devices."""
        for batch, events in done:
            for event in events:
                self.offer(event)
            for after in batch.after:
                after()
        self.wake_uplink()

    def _heard(self, event_id: str, step: str, by: str) -> None:
        """The news of an alarm has got further; told once the uplink has done its part."""
        self.heard(event_id, step, by)
        self._loop.call_soon(self.stimulate, Delivered(event_id, step, by))

    def _leave(self, reason: str, by_s: float) -> None:
        """Stop when nothing is owed any more: where the power ends, nobody can say later why the gateway is silent."""
        if len(self._outbox) and self._loop.time() < by_s:
            self._loop.call_later(FAREWELL_LOOK_S, self._leave, reason, by_s)
        else:
            self.shut_down(reason)

    def offer(self, event: Sealed) -> None:
        """Give one sealed event to the outbox."""
        assert event.number is not None
        number = event.number
        self._board.newest = (number.epoch, number.sequence)
        if self._early_row:
            self._outbox.drop_early(event.id)
        name = event.type.removeprefix("campus.")
        self.transitions[event.event_class, name] = self.transitions.get((event.event_class, name), 0) + 1
        self._outbox.offer(
            Entry(
                row=event.row,
                id=event.id,
                event_class=event.event_class,
                priority=event.priority,
                sha256=event.sha256,
                epoch=number.epoch,
                sequence=number.sequence,
                owed=set(self._recipients[event.event_class]),
                sealed_s=self._loop.time(),
                cause_s=event.now_s,
                body=event.body,
            )
        )

    def _send_early(self, drafts: list[Draft]) -> None:
        """The journal has not taken these alarms yet: send them from memory, marked, under the same ids."""
        log.error("the journal refuses; %d alarms go out from memory", len(drafts))
        for draft in drafts:
            event = seal(draft, self._origin, None, self._signer)
            self._early_row -= 1
            self.counts.early += 1
            self._outbox.offer(
                Entry(
                    row=self._early_row,
                    id=event.id,
                    event_class=event.event_class,
                    priority=event.priority,
                    sha256=event.sha256,
                    epoch=0,
                    sequence=0,
                    owed=set(self._recipients[event.event_class]) or {BROKER},
                    sealed_s=self._loop.time(),
                    cause_s=event.now_s,
                    body=event.body,
                )
            )
        self.wake_uplink()

    def _wake_later(self, due_s: float, point: str) -> None:
        """Look at this point again; only the earliest time asked for counts, each look asks anew."""
        if self._wakes.get(point, due_s + 1) <= due_s:
            return
        self._wakes[point] = due_s
        if self._wake_at is None or due_s < self._wake_at.when():
            self._set_timer()

    def _set_timer(self) -> None:
        if self._wake_at is not None:
            self._wake_at.cancel()
        self._wake_at = self._loop.call_at(min(self._wakes.values()), self._tick) if self._wakes else None

    def _tick(self) -> None:
        self._wake_at = None
        now_s = self._loop.time()
        for point in [point for point, due_s in self._wakes.items() if due_s <= now_s]:
            del self._wakes[point]
            self.stimulate(Tick(point))
        self._set_timer()
