"""The promised worst delays: by hand for small lines, and against the scheduler itself in virtual time.

The virtual line is adversarial: phases are set so that everything falls due at the worst moment, the slowest request of a
lower class has just begun and is answered at the end of its timeout, and another unit dies right then.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from gateway.bus.promise import HANDLING_S, Held, Promise, Wire, held, promise
from gateway.bus.schedule import Errand, Schedule, Turn
from gateway.bus.wire_time import character_s, silence_s
from gateway.core.wire import Block, Failure, Outcome, WireClass
from tests.gateway.bus.wires import block, write_coil

RTU_9600 = Wire("rtu", 9600, latency_s=0.0)
EPSILON_S = 1e-5


def meter(device: str, unit: int, period_s: float, timeout_s: float = 0.1, delay_s: float = 0.005, count: int = 10) -> Block:
    made = block(device, unit, period_s, WireClass.MEASUREMENT, deadline_s=max(period_s, 1.0))
    request = bytes([3, 0, 0, 0, count])
    return replace(made, request=request, reply_bytes=2 + 2 * count, timeout_s=timeout_s, delay_s=delay_s)


def button(device: str, unit: int, period_s: float = 0.05, timeout_s: float = 0.03, delay_s: float = 0.005) -> Block:
    made = block(device, unit, period_s, WireClass.PANIC, deadline_s=period_s)
    return replace(made, timeout_s=timeout_s, delay_s=delay_s, late_s=0.2)


# --- by hand ------------------------------------------------------------------------------


def test_a_button_alone_waits_its_period_and_one_transaction() -> None:
    found = promise([button("a", 1)], RTU_9600, errands=False)
    own_s = (8 + 6) * character_s(9600) + 2 * silence_s(9600) + 0.005 + HANDLING_S
    assert found.blocks[0].delay_s == pytest.approx(0.05 + own_s)
    assert found.used_ratio == pytest.approx(own_s / 0.05)


def test_a_meter_before_the_button_is_taken_as_answered_in_the_last_moment() -> None:
    found = promise([button("a", 1), meter("m", 2, 5.0)], RTU_9600, errands=False).blocks[0]
    meter_s = (8 + 25) * character_s(9600) + 2 * silence_s(9600) + 0.1 + HANDLING_S
    assert found.blocking_s == pytest.approx(meter_s)
    assert found.delay_s == pytest.approx(0.05 + meter_s + held(button("a", 1), RTU_9600).healthy_s)


def test_many_meters_cost_a_button_no_more_than_one() -> None:
    few = promise([button("a", 1, 0.1), meter("m", 2, 30.0)], RTU_9600).blocks[0]
    many = promise([button("a", 1, 0.1), *(meter(f"m{n}", 2 + n, 30.0) for n in range(31))], RTU_9600).blocks[0]
    assert many.delay_s == pytest.approx(few.delay_s)


def test_another_button_that_dies_costs_its_timeouts() -> None:
    """120 ms of timeouts, 200 ms left alone between two: the second try comes after this button was served."""
    two = [button("a", 1, 0.1, timeout_s=0.12), button("b", 2, 0.1, timeout_s=0.12)]
    found = promise(two, RTU_9600, errands=False).blocks[0]
    times = held(two[0], RTU_9600)
    assert found.response_s == pytest.approx(times.worst_s + times.healthy_s)


def test_the_pause_of_the_own_unit_counts() -> None:
    slow = replace(meter("a", 1, 5.0), gap_s=0.05, late_s=0.3)
    own = promise([button("a", 1), slow], RTU_9600, errands=False).blocks[0]
    assert own.own_unit_s == pytest.approx(held(slow, RTU_9600).worst_s + 0.3)
    on_tcp = promise([button("a", 1), slow], Wire("tcp", late_answers=False), errands=False).blocks[0]
    assert on_tcp.own_unit_s == pytest.approx(0.1 + HANDLING_S + 0.001 + 0.05)


def test_a_line_that_asks_for_more_than_it_can_carry_promises_nothing() -> None:
    found = promise([button(f"b{n}", n, 0.02) for n in range(5)], RTU_9600)
    assert found.used_ratio > 1
    assert all(each.delay_s == math.inf for each in found.blocks)


def test_held_is_the_arithmetic_of_the_wire() -> None:
    """FC03 with 10 registers at 9600, 5 ms: 50.8 ms (standards 4.1)."""
    assert held(meter("m", 1, 1.0), RTU_9600).healthy_s - HANDLING_S == pytest.approx(0.0508, abs=1e-4)
    assert held(meter("m", 1, 1.0), Wire("rtu", 115200, latency_s=0.0)).healthy_s - HANDLING_S == pytest.approx(0.0117, abs=1e-4)


# --- against the scheduler ------------------------------------------------------------------


@dataclass
class Line:
    """A schedule in virtual time. answer: (turn, when it begins) -> seconds until its reply begins, or None for silence."""

    schedule: Schedule
    wire: Wire
    answer: Callable[[Block, float], float | None]
    now_s: float = 0.0
    pace: dict[str, list[float]] = field(default_factory=dict)

    def run(self, end_s: float) -> None:
        while self.now_s < end_s:
            turn = self.schedule.turn(self.now_s)
            if turn is None:
                assert self.schedule.wake_s > self.now_s
                self.now_s = min(self.schedule.wake_s, end_s)
                continue
            self.now_s += self._take(turn)

    def _take(self, turn: Turn) -> float:
        if isinstance(turn, Errand):
            as_block = replace(block(turn.exchange.device, 1, 1.0), request=turn.exchange.request, reply_bytes=turn.exchange.reply_bytes)
            times = held(replace(as_block, timeout_s=turn.exchange.timeout_s, delay_s=0.0), self.wire)
            self.schedule.done(turn, Outcome(b"\x05", None, self.now_s + times.healthy_s, times.healthy_s))
            return times.healthy_s
        delay_s = self.answer(turn, self.now_s)
        if delay_s is None:
            took_s = self.wire.silences_s / 2 + self.wire.bytes_s(len(turn.request)) + turn.timeout_s + HANDLING_S
            outcome = Outcome(b"", Failure.NO_ANSWER, self.now_s + took_s, took_s)
        else:
            took_s = held(replace(turn, delay_s=delay_s, timeout_s=max(delay_s, turn.timeout_s)), self.wire).healthy_s
            outcome = Outcome(b"\x02", None, self.now_s + took_s, took_s)
        self.pace.setdefault(turn.device, []).append(self.now_s)
        self.schedule.done(turn, outcome)
        return took_s

    def due(self, wanted: Block, at_s: float) -> None:
        """Put one block's grid so that it falls due at this moment."""
        self.schedule._jobs[wanted.device][wanted.name].due_s = at_s


def random_site(rng: random.Random) -> tuple[list[Block], Wire]:
    """A line that `check` would accept: used at 0.9 at most."""
    while True:
        wire = Wire("rtu", rng.choice([4800, 9600, 19200, 38400, 115200]), latency_s=rng.choice([0.0, 0.002]))
        timeout_s = rng.choice([0.03, 0.06, 0.1, 0.3])
        blocks: list[Block] = []
        for unit in range(rng.randint(1, 24)):
            device = f"d{unit}"
            for number in range(rng.choice([1, 1, 1, 2])):
                wire_class = rng.choice([WireClass.PANIC, WireClass.LIFE_SAFETY, WireClass.STATE, *[WireClass.MEASUREMENT] * 4])
                panic = wire_class is WireClass.PANIC
                period_s = rng.choice([0.05, 0.1, 0.2]) if panic else rng.choice([0.25, 0.5, 1.0, 2.0, 5.0, 10.0])
                made = block(device, unit, period_s, wire_class, start=16 * number, deadline_s=period_s if panic else max(period_s, 1.0))
                count = rng.choice([8, 16, 64])
                blocks.append(
                    replace(
                        made,
                        reply_bytes=2 + count // 8 if rng.random() < 0.5 else 2 + count,
                        timeout_s=timeout_s,
                        delay_s=rng.choice([0.0, 0.005, 0.02]),
                        gap_s=rng.choice([0.0, 0.0, 0.0, 0.02]),
                        late_s=rng.choice([0.05, 0.2]),
                    )
                )
        found = promise(blocks, wire, errands=False)
        if found.used_ratio <= 0.9 and all(each.response_s < math.inf for each in found.blocks):
            return blocks, wire


def worst_case(blocks: list[Block], wire: Wire, wanted: Promise) -> float:
    """The longest delay of one block that the adversary can bring about."""
    return max(_scene(blocks, wire, wanted, shift_s, dying) for shift_s in _shifts(blocks, wanted) for dying in _dying(blocks, wanted))


def _shifts(blocks: list[Block], wanted: Promise) -> list[float]:
    """How long after the others the wanted block falls due, so that their deadlines come first."""
    same = {each.deadline_s - wanted.block.deadline_s for each in blocks if each.wire_class == wanted.block.wire_class}
    return [0.0, *sorted(shift_s for shift_s in same if 0 < shift_s <= wanted.response_s)][:6]


def _dying(blocks: list[Block], wanted: Promise) -> list[str | None]:
    """Who may die in that moment: the units of the longest timeouts among those that go before it."""
    before = [each for each in blocks if each.wire_class <= wanted.block.wire_class and each.device != wanted.block.device]
    ranked = sorted(before, key=lambda each: (each.timeout_s, -each.period_s, len(each.request)), reverse=True)
    return [None, *dict.fromkeys(each.device for each in ranked[:3])]


def _scene(blocks: list[Block], wire: Wire, wanted: Promise, shift_s: float, dying: str | None) -> float:
    target = wanted.block
    start_s = 20.0
    lower = [each for each in blocks if each.wire_class > target.wire_class and each.device not in (target.device, dying)]
    own = [each for each in blocks if each.device == target.device and each is not target]
    first = max(lower, key=lambda each: held(each, wire).worst_s, default=None)
    resting = max(own, key=lambda each: _left_alone_s(held(each, wire)), default=None)

    def answer(turn: Block, now_s: float) -> float | None:
        if now_s >= start_s - 1.0:
            if turn is resting:
                return None
            if turn.device == dying and now_s >= start_s - 0.5:
                return None
            if turn is first:
                return turn.timeout_s - EPSILON_S
        return turn.delay_s

    line = Line(Schedule(blocks, 0.0), wire, answer)
    line.run(4.0)  # everyone has answered
    for each in blocks:
        line.due(each, math.inf)
    line.due(target, start_s + shift_s - target.period_s)
    release_s = start_s + shift_s
    if resting is not None:
        times = held(resting, wire)
        line.due(resting, release_s - EPSILON_S)
        start_s = release_s + _left_alone_s(times) - 2 * EPSILON_S  # when it may be asked again
    for each in blocks:
        if each in (target, resting):
            continue
        line.due(each, start_s if each.wire_class <= target.wire_class else math.inf)
    if first is not None:
        line.due(first, start_s - EPSILON_S)
    line.now_s = release_s - target.period_s
    job = line.schedule._jobs[target.device][target.name]
    job.worst_s, job.sent_s = 0.0, -math.inf
    line.run(release_s + wanted.response_s + 0.1)
    return line.schedule.worst_s()[target.device, target.name]


def _left_alone_s(times: Held) -> float:
    return times.worst_s + times.worst_rest_s


@pytest.mark.slow
def test_forty_random_sites_keep_their_promises_and_come_close_to_them() -> None:
    rng = random.Random(20250901)
    closest = []
    for _ in range(40):
        blocks, wire = random_site(rng)
        promises = promise(blocks, wire, errands=False).blocks
        ratios = [worst_case(blocks, wire, each) / each.delay_s for each in promises]
        assert max(ratios) <= 1.0 + 1e-9
        closest.append(max(ratios))
    assert min(closest) >= 0.7, sorted(closest)[:5]


@pytest.mark.slow
def test_no_mixture_of_phases_and_faults_breaks_a_promise() -> None:
    rng = random.Random(7)
    for _ in range(12):
        blocks, wire = random_site(rng)
        promises = promise(blocks, wire).blocks
        lowest = max(each.wire_class for each in blocks)
        slow = {each.device for each in blocks if rng.random() < 0.3 and each.wire_class is lowest}
        dead = rng.choice(blocks).device
        dying = rng.choice(blocks).device

        def answer(
            turn: Block, now_s: float, lowest: WireClass = lowest, slow: set[str] = slow, gone: tuple[str, str] = (dead, dying)
        ) -> float | None:
            if turn.device == gone[0] or (turn.device == gone[1] and now_s % 40.0 > 30.0):
                return None
            return turn.timeout_s - EPSILON_S if turn.device in slow and turn.wire_class is lowest else turn.delay_s

        line = Line(Schedule(blocks, 0.0), wire, answer)
        for each in blocks:
            line.due(each, rng.uniform(0.0, each.period_s))
        for n in range(85):
            line.schedule.add(Errand(replace(write_coil(blocks[0].device, 0, 1), timeout_s=0.03), line.now_s, lambda outcome: None))
            line.run(n + 1.0)
        for each in promises:
            if slow and each.block.wire_class is lowest:
                continue  # several slow devices of its own class: more than was declared
            measured_s = line.schedule.worst_s()[each.block.device, each.block.name]
            assert measured_s <= each.delay_s + 1e-9, each


@pytest.mark.slow
def test_a_dead_unit_leaves_the_others_their_pace() -> None:
    rng = random.Random(3)
    for _ in range(10):
        blocks, wire = random_site(rng)
        dead = rng.choice(blocks).device
        paces = []
        for silent in ("", dead):
            line = Line(Schedule(blocks, 0.0), wire, lambda turn, now_s, silent=silent: None if turn.device == silent else turn.delay_s)
            line.run(30.0)
            line.pace.clear()
            line.run(150.0)
            paces.append({device: len(turns) for device, turns in line.pace.items() if device != dead})
        for device, turns in paces[0].items():
            assert paces[1][device] >= 0.95 * turns - 1
