"""Whose turn it is on one line. Pure: time is handed in.

Order: more urgent class first, earliest deadline first inside a class, then who waited longest; a request that
has begun is never interrupted. Periods do not drift: a block stays on the grid of its first due time, and turns
that were missed are left out. An errand goes behind the panic blocks, and one at most begins in `ERRAND_GAP_S`.
What this order means for the worst delay of each point is worked out in `promise`; both must change together.

A line can be slower than its files say, and then urgent blocks may fill it. So that they starve nobody, a block
that is `STARVED_S` past its deadline takes the next turn whatever its class, but one such turn in `RESCUE_GAP_S`.

A unit that fails is retried after `RETRY_S`; at the third failure in a row its device is down, all its points
are bad, and it is only probed: with one block, backing off to 10 s, and at most one failed probe in `PROBE_GAP_S`
(and never for more than a twentieth of the line's time) while others on the line are alive.

Exceptions (standards: Modbus 7): 1-3 configuration fault, tried again each `CONFIG_RETRY_S`; 5 and 6 later, told
only when they last; 0x0A and 0x0B mean that a converter hears nothing from the unit; others are device faults.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.core.wire import Block, Exchange, Failure, Outcome, WireClass

MISSES_UNTIL_DOWN = 3
RETRY_S = 1.0
PROBE_FIRST_S = 0.5
PROBE_MOST_S = 10.0
PROBE_GAP_S = 1.0
PROBE_SHARE = 19  # a failed probe is followed by so many times its length without one
ERRAND_GAP_S = 0.1
ERRAND_PAUSE = 9  # an unanswered errand is followed by so many times its length without one
ERRAND_STARVED_S = 1.0
STARVED_S = 2.0
RESCUE_GAP_S = 1.0
CONFIG_RETRY_S = 30.0
BUSY_RETRY_S = 0.2
BUSY_ALLOWED = 2  # busy answers in a row before the points turn bad
CONFIGURATION = frozenset({1, 2, 3})
BUSY = frozenset({5, 6})
UPSTREAM = frozenset({0x0A, 0x0B})
QUEUE_MOST = 64
_NEVER_S = math.inf


@dataclass(slots=True, eq=False)
class Errand:
    """An exchange that waits for its one turn. answer: called once with how it ended."""

    exchange: Exchange
    asked_s: float
    answer: Callable[[Outcome], None]


Turn = Block | Errand


@dataclass(frozen=True, slots=True)
class Link:
    """A device's link as it is now."""

    device: str
    up: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one outcome means: the blocks to report it for, and a link that changed."""

    blocks: tuple[Block, ...]
    link: Link | None = None


@dataclass(slots=True, eq=False)
class _Job:
    block: Block
    unit: _Unit
    due_s: float
    good: Verdict
    rank: int
    deadline_s: float  # after it is due
    served_s: float = -_NEVER_S
    sent_s: float = -_NEVER_S  # when the last answered request began; none since the last failure: minus infinity
    worst_s: float = 0.0  # longest time from the begin of one answered request to the end of the next
    odd: Block | None = None  # what every second turn sends instead
    second: bool = False
    busy: int = 0
    faulty: str = ""  # this block alone fails: configuration or device fault
    failures: int = 0


@dataclass(slots=True, eq=False)
class _Unit:
    device: str
    jobs: list[_Job]
    quiet_until_s: float = 0.0
    misses: int = 0
    probing: bool = False
    probe_s: float = PROBE_FIRST_S
    probe_due_s: float = 0.0
    up: bool | None = None
    reason: str = ""


def checked(request: Block | Exchange, outcome: Outcome) -> Outcome:
    """The outcome, refused where the reply is not the one that was to come."""
    if outcome.failure is not None or not request.expect or outcome.pdu == request.expect:
        return outcome
    words = f"answered {outcome.pdu[:16].hex(' ')}, expected {request.expect[:16].hex(' ')}"
    return replace(outcome, pdu=b"", failure=Failure.REFUSED, detail=words)


class Schedule:
    """The turns of one line. Not thread-safe: it belongs to its line."""

    def __init__(self, blocks: Sequence[Block], now_s: float, *, late_answers: bool = True) -> None:
        """All blocks are due at once, so that the first values come as early as the wire allows.

        late_answers: an answer that comes too late can be taken for another one (there are no transaction ids), so a
        unit is left alone for its `late_s` after a timeout.
        """
        self._units: dict[str, _Unit] = {}
        self._jobs: dict[str, dict[str, _Job]] = {}
        self._late_answers = late_answers
        for block in sorted(blocks, key=lambda block: (block.wire_class, block.period_s)):
            self._add(block, now_s)
        self._jobs_in_order: list[_Job] = []
        self._order_jobs()
        self._errands: list[Errand] = []
        self._errand_free_s = -_NEVER_S
        self._probe_free_s = 0.0
        self._rescue_free_s = -_NEVER_S
        self.wake_s = now_s  # when turn() said None: when to ask again; infinity when nothing is planned
        self.late_s = 0.0  # how late the last turn was

    def _add(self, block: Block, due_s: float) -> None:
        unit = self._units.setdefault(block.device, _Unit(block.device, []))
        job = _Job(block, unit, due_s, Verdict((block,)), int(block.wire_class), block.deadline_s)
        if block.alternate:
            job.odd = replace(block, request=block.alternate, expect=block.alternate if block.expect == block.request else block.expect)
        unit.jobs.append(job)
        if self._jobs.setdefault(block.device, {}).setdefault(block.name, job) is not job:
            raise ValueError(f'device {block.device} has two blocks named "{block.name}"')

    def _order_jobs(self) -> None:
        """All jobs in one list, most urgent first: it is gone through at every turn."""
        self._jobs_in_order = sorted((job for unit in self._units.values() for job in unit.jobs), key=lambda job: job.rank)

    def replace(self, blocks: Sequence[Block], now_s: float) -> None:
        """A device's blocks anew; those that it had already keep their place in time."""
        device = blocks[0].device
        unit, before = self._units[device], self._jobs[device]
        unit.jobs, self._jobs[device] = [], {}
        unit.up, unit.reason = None, ""  # told again with the next answer
        for block in sorted(blocks, key=lambda block: (block.wire_class, block.period_s)):
            kept = before.get(block.name)
            if kept is not None and kept.block == block:
                unit.jobs.append(kept)
                self._jobs[device][block.name] = kept
            else:
                self._add(block, now_s)
        self._order_jobs()

    def worst_s(self) -> dict[tuple[str, str], float]:
        """(device, block) -> longest time so far from one sampling of its points to the end of the next reply."""
        return {(device, name): job.worst_s for device, jobs in list(self._jobs.items()) for name, job in list(jobs.items())}

    @property
    def blocks(self) -> list[Block]:
        """All blocks of the line."""
        return [job.block for unit in self._units.values() for job in unit.jobs]

    @property
    def queue_depth(self) -> int:
        """Errands that wait."""
        return len(self._errands)

    def add(self, errand: Errand) -> bool:
        """Queue an errand; False when the queue is full."""
        if len(self._errands) >= QUEUE_MOST:
            return False
        self._errands.append(errand)
        return True

    def take_errands(self) -> list[Errand]:
        """Take all waiting errands out, because the port is gone."""
        waiting, self._errands = self._errands, []
        return waiting

    # --- whose turn -------------------------------------------------------------------

    def turn(self, now_s: float) -> Turn | None:
        """What to send now. None: nothing is due before `wake_s`."""
        if self._errands and (errand := self._next_errand(now_s)) is not None:
            return errand
        wake_s = _NEVER_S
        starved_s = now_s - STARVED_S
        best_job = starved_job = None
        best_deadline_s = _NEVER_S
        for job in self._jobs_in_order:
            due_s = job.due_s
            if due_s > now_s:
                if due_s < wake_s and not job.unit.probing:
                    wake_s = due_s
                continue
            unit = job.unit
            if unit.probing:
                continue
            if unit.quiet_until_s > now_s:
                wake_s = min(wake_s, unit.quiet_until_s)
                continue
            deadline_s = due_s + job.deadline_s
            # the list is in the order of ranks: no later one is more urgent
            if best_job is None or (job.rank == best_job.rank and (deadline_s, job.served_s) < (best_deadline_s, best_job.served_s)):
                best_deadline_s, best_job = deadline_s, job
            if deadline_s < starved_s:
                starved_s, starved_job = deadline_s, job
        if best_job is None:
            best_job, wake_s = self._probe(now_s, wake_s)
        if best_job is None:
            self.wake_s = min((self._free_s(errand) for errand in self._errands), default=_NEVER_S)
            self.wake_s = min(self.wake_s, wake_s)
            return None
        if starved_job not in (None, best_job) and now_s >= self._rescue_free_s:
            self._rescue_free_s = now_s + RESCUE_GAP_S
            best_job = starved_job
        assert best_job is not None
        return self._take(best_job, now_s)

    def _probe(self, now_s: float, wake_s: float) -> tuple[_Job | None, float]:
        """The dead unit that has waited longest, when it is time to look for one; else when to ask again."""
        found = None
        for unit in self._units.values():
            if not unit.probing:
                continue
            due_s = max(unit.probe_due_s, self._probe_free_s, unit.quiet_until_s)
            if due_s > now_s:
                wake_s = min(wake_s, due_s)
            elif found is None or (unit.probe_due_s, unit.jobs[0].served_s) < (found.unit.probe_due_s, found.served_s):
                found = unit.jobs[0]
        return found, wake_s

    def _take(self, job: _Job, now_s: float) -> Block:
        self.late_s = max(0.0, now_s - job.due_s)
        job.served_s = now_s
        period_s = job.block.period_s
        job.due_s += period_s * (math.floor((now_s - job.due_s) / period_s) + 1)
        if job.odd is None:
            return job.block
        job.second = not job.second
        return job.block if job.second else job.odd

    def _free_s(self, errand: Errand) -> float:
        """When this errand may go at the earliest."""
        unit = self._units.get(errand.exchange.device)
        return max(self._errand_free_s, unit.quiet_until_s if unit else self._errand_free_s)

    def _next_errand(self, now_s: float) -> Errand | None:
        """The most urgent errand, behind blocks of a more urgent class and behind all panic blocks."""
        ready = [errand for errand in self._errands if self._free_s(errand) <= now_s]
        if not ready:
            return None
        errand = min(ready, key=lambda errand: (errand.exchange.wire_class, errand.asked_s))
        if self._more_urgent_due(max(errand.exchange.wire_class, WireClass.LIFE_SAFETY), now_s):
            if errand.exchange.wire_class is WireClass.DIAGNOSTICS:
                return None  # a visitor waits for as long as it takes
            if now_s < errand.asked_s + ERRAND_STARVED_S or now_s < self._rescue_free_s:
                return None
            self._rescue_free_s = now_s + RESCUE_GAP_S
        self._errands.remove(errand)
        return errand

    def _more_urgent_due(self, wire_class: WireClass, now_s: float) -> bool:
        return any(
            job.block.wire_class < wire_class and job.due_s <= now_s
            for unit in self._units.values()
            if not unit.probing and unit.quiet_until_s <= now_s
            for job in unit.jobs
        )

    # --- what it meant ----------------------------------------------------------------

    def done(self, turn: Turn, outcome: Outcome) -> Verdict:
        """Take in how a turn ended."""
        request = turn.exchange if isinstance(turn, Errand) else turn
        silent = outcome.failure in (Failure.NO_ANSWER, Failure.BAD_FRAME, Failure.WRONG_UNIT)
        unit = self._units.get(request.device)
        if unit is None:
            return Verdict(())
        pause_s = request.gap_s
        if silent:
            pause_s = request.late_s if self._late_answers else 0.0
        if pause_s:
            unit.quiet_until_s = outcome.now_s + pause_s
        if isinstance(turn, Errand):
            if self._units:
                pause = ERRAND_PAUSE if silent and turn.exchange.wire_class is not WireClass.DIAGNOSTICS else 0
                self._errand_free_s = outcome.now_s + max(ERRAND_GAP_S, pause * outcome.took_s)
            return Verdict(())
        job = self._jobs[turn.device].get(turn.name)
        if job is None:
            return Verdict(())  # planned away meanwhile
        if outcome.failure is None:
            began_s = outcome.now_s - outcome.took_s
            if job.sent_s >= 0:
                job.worst_s = max(job.worst_s, outcome.now_s - job.sent_s)
            job.sent_s = began_s
            return self._good(unit, job, outcome.now_s)
        job.sent_s = -_NEVER_S
        if outcome.failure in (Failure.EXCEPTION, Failure.REFUSED) and outcome.exception not in UPSTREAM:
            return self._excepted(unit, job, outcome)
        return self._missed(unit, job, outcome)

    def _good(self, unit: _Unit, job: _Job, now_s: float) -> Verdict:
        if unit.up and not unit.misses and not job.failures and not job.busy:
            return job.good
        job.faulty, job.failures, job.busy = "", 0, 0
        self._alive(unit, now_s)
        link = self._link(unit, True, "")
        return Verdict((job.block,), link)

    def _alive(self, unit: _Unit, now_s: float) -> None:
        """This unit answers; whoever is still probed on the line may be back too."""
        unit.misses = 0
        if not unit.probing:
            return
        unit.probing = False
        unit.probe_s = PROBE_FIRST_S
        for job in unit.jobs:
            if not job.faulty and job.served_s < unit.probe_due_s:
                job.due_s = min(job.due_s, now_s)
        for other in self._units.values():
            if other.probing:
                other.probe_due_s = min(other.probe_due_s, now_s)

    def _excepted(self, unit: _Unit, job: _Job, outcome: Outcome) -> Verdict:
        """The unit is there, but refuses this block."""
        now_s = outcome.now_s
        self._alive(unit, now_s)
        if outcome.exception in BUSY:
            job.busy += 1
            job.due_s = now_s + BUSY_RETRY_S
            if job.busy <= BUSY_ALLOWED:
                return Verdict(())
        elif outcome.exception in CONFIGURATION:
            job.due_s = now_s + CONFIG_RETRY_S
            job.faulty = f"configuration: {outcome.reason} to {job.block.name}"
        else:
            job.due_s = now_s + max(job.block.period_s, RETRY_S)
            if job.failures + 1 >= MISSES_UNTIL_DOWN:
                job.faulty = f"device fault: {outcome.reason} to {job.block.name}"
        job.failures += 1
        return Verdict((job.block,), self._link(unit, True, "") if job.faulty else None)

    def _missed(self, unit: _Unit, job: _Job, outcome: Outcome) -> Verdict:
        now_s = outcome.now_s
        unit.misses += 1
        job.failures += 1
        if unit.misses < MISSES_UNTIL_DOWN:
            job.due_s = min(job.due_s, now_s + max(RETRY_S, job.block.late_s))
            return Verdict((job.block,))
        newly = not unit.probing
        unit.probe_s = PROBE_FIRST_S if newly else min(unit.probe_s * 2, PROBE_MOST_S)
        unit.probing = True
        for each in unit.jobs:
            each.sent_s = -_NEVER_S
        unit.probe_due_s = now_s + unit.probe_s
        if any(not other.probing for other in self._units.values()):
            self._probe_free_s = now_s + max(PROBE_GAP_S, PROBE_SHARE * outcome.took_s)
        blocks = tuple(each.block for each in unit.jobs) if newly else (job.block,)
        return Verdict(blocks, self._link(unit, False, outcome.reason))

    def _link(self, unit: _Unit, answers: bool, reason: str) -> Link | None:
        """The device's link if it changed: up only while it answers and no block of it is at fault."""
        fault = next((job.faulty for job in unit.jobs if job.faulty), "") if answers else reason
        up = answers and not fault
        if (up, fault) == (unit.up, unit.reason):
            return None
        unit.up, unit.reason = up, fault
        return Link(unit.device, up, fault)

    # --- the port ---------------------------------------------------------------------

    def lost(self, reason: str) -> list[Link]:
        """The port or peer is gone: every device of the line is down."""
        links = (self._link(unit, False, reason) for unit in self._units.values())
        return [link for link in links if link is not None]

    def restored(self, now_s: float) -> None:
        """The port is back: ask everyone at once; links come up with their first answers."""
        self._probe_free_s = 0.0
        for unit in self._units.values():
            unit.misses, unit.probing, unit.probe_s, unit.quiet_until_s = 0, False, PROBE_FIRST_S, 0.0
            for job in unit.jobs:
                job.due_s, job.busy, job.failures, job.faulty, job.sent_s = now_s, 0, 0, "", -_NEVER_S
