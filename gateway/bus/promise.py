"""The worst delay of every point on a line, worked out before anything is installed. Pure.

Promised delay of a block = its period + its worst response time. The response time runs from the moment the block
is due to the end of its reply, on a line where `schedule` decides whose turn it is: non-preemptive, fixed priority between the
classes, earliest deadline first inside a class (George, Rivierre, Spuri 1996). It is the largest, over all phases, of

    what holds the line when the block falls due      one request of a lower class, or the probe of a dead unit,
                                                      each taken as answered in the last moment of its timeout
  + the block's own unit                              still inside the pause after another of its requests, or left
                                                      alone for `late_s` after another one went unanswered
  + everything of a higher class, and of its own class with an earlier deadline, that falls due before it begins
  + one other unit dying at that moment               up to three timeouts until it is only probed
  + its own request and reply

What it rests on: frames are free of noise; a healthy device begins its reply within `delay_s`; two units do not die
in the same instant (one may have been dead for long); one command or latch release a second at most; the block's own request
is answered, for otherwise its points are bad at once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.bus.schedule import ERRAND_PAUSE, MISSES_UNTIL_DOWN, RESCUE_GAP_S, RETRY_S, STARVED_S
from gateway.bus.wire_time import character_s, frame_bytes, silence_s
from gateway.core.wire import Block, Exchange, WireClass

HANDLING_S = 0.001  # what the gateway itself adds to a request and its reply: a thread that wakes up
LONGEST_S = 30.0  # a response time beyond this is "never"
ERRAND_EVERY_S = 1.0
WRITE_PDU_BYTES = 5  # an errand: function 5 or 6
_ANY_S = 1e9  # a deadline that everything meets


@dataclass(frozen=True, slots=True)
class Wire:
    """How fast a line is. baud None: TCP, where characters take no time. latency_s: what adapter or network add to a reply."""

    transport: str
    baud: int | None = None
    latency_s: float = 0.001
    late_answers: bool = True

    def bytes_s(self, pdu_bytes: int) -> float:
        """Time of a frame."""
        return frame_bytes(self.transport, pdu_bytes) * character_s(self.baud) if self.baud else 0.0

    @property
    def silences_s(self) -> float:
        """The silence before a request and the one before its reply."""
        return 2 * silence_s(self.baud) if self.baud else 0.0


@dataclass(frozen=True, slots=True)
class Held:
    """How long one request holds the line: answered by a healthy device, or in the last moment of its timeout; then how
    long its unit is left alone in either case."""

    healthy_s: float
    worst_s: float
    rest_s: float = 0.0
    worst_rest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Promise:
    """One block's promise. response_s: from its due time to the end of its reply; delay_s: period + response, or infinity.

    blocking_s, own_unit_s: the parts of the response that come from lower classes and from the block's own unit.
    """

    block: Block
    response_s: float
    blocking_s: float
    own_unit_s: float

    @property
    def delay_s(self) -> float:
        """From a change at the device to its reading, at worst."""
        return self.block.period_s + self.response_s


@dataclass(frozen=True, slots=True)
class LinePromise:
    """A line's promises. used_ratio: share of its time that healthy requests take at their pace."""

    used_ratio: float
    blocks: tuple[Promise, ...]


def frames_s(block: Block | Exchange, wire: Wire) -> float:
    """Time of a request and its reply without the device's delay: characters, silences, adapter, the gateway's handling."""
    return wire.silences_s + wire.bytes_s(len(block.request)) + wire.bytes_s(block.reply_bytes) + HANDLING_S + wire.latency_s


def held(block: Block, wire: Wire) -> Held:
    """How long this block holds the line."""
    without_s = frames_s(block, wire)
    late_s = block.late_s if wire.late_answers else 0.0
    return Held(without_s + min(block.delay_s, block.timeout_s), without_s + block.timeout_s, block.gap_s, max(late_s, block.gap_s))


def promise(blocks: Sequence[Block], wire: Wire, *, errands: bool = True) -> LinePromise:
    """The promises of all blocks of one line. errands: outputs or device latches are written on it too."""
    line = _Line(blocks, wire, errands)
    promises = [line.promise(block, rescue_s=0.0) for block in blocks]
    if any(each.response_s > each.block.deadline_s + STARVED_S for each in promises):
        promises = [line.promise(each.block, rescue_s=line.longest_s) for each in promises]
    return LinePromise(line.used_ratio, tuple(promises))


@dataclass(frozen=True, slots=True)
class _Task:
    """What matters of a block here; blocks of like devices are equal."""

    wire_class: WireClass
    period_s: float
    deadline_s: float
    held: Held


_Unit = tuple[_Task, ...]  # a device: its blocks, most urgent first


@dataclass(frozen=True, slots=True)
class _Rival:
    """What can come before the block in question. deadline_s None: whatever its deadline (a higher class).

    worst_s 0: it never fails, or its failing is counted elsewhere. retry_s: how soon it comes again after a failure.
    unit: the kind of device that it belongs to; many: how many such devices there are.
    """

    unit: _Unit
    many: int
    period_s: float
    healthy_s: float
    worst_s: float
    retry_s: float
    deadline_s: float | None

    def times(self, start_s: float, latest_s: float, every_s: float) -> int:
        """How often it falls due until `start_s` with a deadline no later than `latest_s`."""
        count = math.floor(start_s / every_s) + 1
        if self.deadline_s is not None:
            count = min(count, math.floor((latest_s - self.deadline_s) / every_s + 1e-9) + 1)
        return max(0, count)


class _Line:
    def __init__(self, blocks: Sequence[Block], wire: Wire, errands: bool) -> None:
        self._tasks = {
            id(block): _Task(block.wire_class, block.period_s, block.deadline_s, held(block, wire))
            for block in sorted(blocks, key=lambda block: (block.wire_class, block.period_s))
        }
        by_device: dict[str, list[_Task]] = {}
        for block in sorted(blocks, key=lambda block: (block.wire_class, block.period_s)):
            by_device.setdefault(block.device, []).append(self._tasks[id(block)])
        self._unit_of = {device: tuple(tasks) for device, tasks in by_device.items()}
        self._units = Counter(self._unit_of.values())
        self._known: dict[tuple[_Unit, _Task, float], tuple[float, float, float]] = {}
        self.longest_s = max((task.held.worst_s for task in self._tasks.values()), default=0.0)
        self.used_ratio = sum(task.held.healthy_s / task.period_s for task in self._tasks.values())
        self._errand = Held(0.0, 0.0)
        if errands and blocks:
            frames_s = 2 * wire.bytes_s(WRITE_PDU_BYTES) + wire.silences_s + HANDLING_S + wire.latency_s
            delay_s = max(min(block.delay_s, block.timeout_s) for block in blocks)
            self._errand = Held(frames_s + delay_s, frames_s + max(block.timeout_s for block in blocks))

    def promise(self, block: Block, rescue_s: float) -> Promise:
        """rescue_s: longest request of a starved block that may come first, once in RESCUE_GAP_S."""
        unit, task = self._unit_of[block.device], self._tasks[id(block)]
        key = unit, task, rescue_s
        if key not in self._known:
            self._known[key] = self._worst(unit, task, rescue_s)
        return Promise(block, *self._known[key])

    def _worst(self, unit: _Unit, task: _Task, rescue_s: float) -> tuple[float, float, float]:
        """(response, blocking by lower classes, waiting for the own unit)."""
        own_s = _own_unit_s(unit, task)
        low = [other.held.worst_s for other in self._tasks.values() if other.wire_class > task.wire_class]
        if task.wire_class < WireClass.LIFE_SAFETY:
            low.append(self._errand.worst_s)
        lower_s = max(low, default=0.0)
        worst, blocking_s = self._response_s(unit, task, lower_s + own_s, None, rescue_s), lower_s
        for other, many in self._units.items():  # a dead unit is probed with its first block, behind all classes
            probe_s = other[0].held.worst_s
            if other[0].wire_class <= task.wire_class and probe_s > lower_s and many > (other == unit):
                found = self._response_s(unit, task, probe_s + own_s, other, rescue_s)
                if found > worst:
                    worst, blocking_s = found, probe_s
        return worst, blocking_s, own_s

    def _rivals(self, unit: _Unit, task: _Task, without: _Unit | None, rescue_s: float) -> list[_Rival]:
        """without: one unit of this kind is dead already and only probed."""
        own = list(unit)
        own.remove(task)
        found = [_rival(unit, 1, other, task, fails=False) for other in own if other.wire_class <= task.wire_class]
        for kind, count in self._units.items():
            many = count - (kind == unit) - (kind == without)
            if many > 0:
                found += [_rival(kind, many, other, task, fails=True) for other in kind if other.wire_class <= task.wire_class]
        if self._errand.worst_s and task.wire_class >= WireClass.LIFE_SAFETY:
            pause_s = ERRAND_PAUSE * self._errand.worst_s
            found.append(_Rival((), 1, ERRAND_EVERY_S, self._errand.healthy_s, self._errand.worst_s, pause_s, None))
        if rescue_s:
            found.append(_Rival((), 1, RESCUE_GAP_S, rescue_s, 0.0, RESCUE_GAP_S, None))
        return found

    def _response_s(self, unit: _Unit, task: _Task, before_s: float, without: _Unit | None, rescue_s: float) -> float:
        """Largest time from due to answered, over all moments at which the block can fall due in a busy line."""
        rivals = self._rivals(unit, task, without, rescue_s)
        own_s = task.held.healthy_s
        if own_s / task.period_s + sum(rival.many * rival.healthy_s / rival.period_s for rival in rivals) >= 1:
            return math.inf
        busy_s = _busy_s(task, before_s, rivals)
        if busy_s > LONGEST_S:
            return math.inf
        moments = _moments(task, rivals, busy_s)
        return max(_start_s(task, before_s, rivals, due_s) + own_s - due_s for due_s in moments)


def _own_unit_s(unit: _Unit, task: _Task) -> float:
    """The unit cannot be asked: another of its requests has just gone out, and a pause follows it."""
    own = list(unit)
    own.remove(task)
    waits = [other.held.healthy_s + other.held.rest_s for other in own if other.held.rest_s]
    waits += [other.held.worst_s + other.held.worst_rest_s for other in own if other.held.worst_rest_s]
    return max(waits, default=0.0)


def _rival(unit: _Unit, many: int, other: _Task, task: _Task, *, fails: bool) -> _Rival:
    times = other.held
    retry_s = max(min(other.period_s, RETRY_S), times.worst_s + times.worst_rest_s)
    deadline_s = other.deadline_s if other.wire_class == task.wire_class else None
    return _Rival(unit, many, other.period_s, times.healthy_s, times.worst_s if fails else 0.0, retry_s, deadline_s)


def _start_s(task: _Task, before_s: float, rivals: Sequence[_Rival], due_s: float) -> float:
    """When the block that falls due at `due_s` begins, at the latest; 0 is the begin of the busy time."""
    earlier_s = before_s + math.floor(due_s / task.period_s) * task.held.healthy_s
    latest_s = due_s + task.deadline_s
    start_s = earlier_s
    while start_s <= LONGEST_S:
        wanted_s = earlier_s + _rivals_s(rivals, start_s, latest_s)
        if wanted_s <= start_s:
            return max(start_s, due_s)
        start_s = wanted_s
    return math.inf


def _busy_s(task: _Task, before_s: float, rivals: Sequence[_Rival]) -> float:
    """How long the line can be busy without a pause with what goes before the block, and with itself."""
    own_s = task.held.healthy_s
    busy_s = before_s + own_s
    while busy_s <= LONGEST_S:
        wanted_s = before_s + math.ceil(busy_s / task.period_s) * own_s + _rivals_s(rivals, busy_s, _ANY_S)
        if wanted_s <= busy_s:
            break
        busy_s = wanted_s
    return busy_s


def _moments(task: _Task, rivals: Iterable[_Rival], busy_s: float) -> set[float]:
    """Due times at which another deadline just comes in: the response is largest at one of them."""
    moments = {0.0}
    for first_s, period_s in {(r.deadline_s - task.deadline_s, r.period_s) for r in rivals if r.deadline_s is not None}:
        k = max(0, math.ceil(-first_s / period_s))
        while first_s + k * period_s <= busy_s:
            moments.add(max(0.0, first_s + k * period_s))
            k += 1
    return moments


def _rivals_s(rivals: Sequence[_Rival], start_s: float, latest_s: float) -> float:
    """What all rivals take until `start_s`; with the one unit whose death costs most: its timeouts until it is only probed."""
    sum_s = 0.0
    dying: dict[_Unit, list[float]] = {}
    for rival in rivals:
        n = rival.times(start_s, latest_s, rival.period_s)
        sum_s += n * rival.healthy_s * rival.many
        if rival.worst_s:
            tries = min(MISSES_UNTIL_DOWN, rival.times(start_s, latest_s, rival.retry_s))
            costs = [rival.worst_s] * max(0, tries - n) + [rival.worst_s - rival.healthy_s] * min(n, tries)
            dying.setdefault(rival.unit, []).extend(costs)
    return sum_s + max((sum(sorted(costs, reverse=True)[:MISSES_UNTIL_DOWN]) for costs in dying.values()), default=0.0)
