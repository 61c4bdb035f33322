"""Whose turn it is: pure, with a clock that the test hands in."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.bus.schedule import CONFIG_RETRY_S, ERRAND_STARVED_S, QUEUE_MOST, STARVED_S, Errand, Link, Schedule, Turn
from gateway.core.wire import Block, Failure, Outcome, WireClass
from tests.gateway.bus.wires import block, write_coil

OK = Outcome(b"\x02\x01\x00", None, 0.0)
SILENT = Outcome(b"", Failure.NO_ANSWER, 0.0)


def exception(code: int) -> Outcome:
    return Outcome(b"", Failure.EXCEPTION, 0.0, exception=code, detail=f"exception {code}")


def errand(asked_s: float, device: str = "a", wire_class: WireClass = WireClass.LIFE_SAFETY) -> Errand:
    return Errand(replace(write_coil(device, 1, 0), wire_class=wire_class), asked_s, lambda outcome: None)


class Wire:
    """Runs a schedule over simulated time: every turn costs `cost_s`, and ends as `outcome_of` says."""

    def __init__(self, blocks: list[Block], cost_s: float = 0.01) -> None:
        self.schedule = Schedule(blocks, 0.0)
        self.now_s = 0.0
        self.cost_s = cost_s
        self.silent: set[str] = set()
        self.turns: list[tuple[float, Turn]] = []
        self.links: list[tuple[float, Link]] = []
        self.reported: list[str] = []

    def run(self, end_s: float) -> None:
        while self.now_s < end_s:
            turn = self.schedule.turn(self.now_s)
            if turn is None:
                assert self.schedule.wake_s > self.now_s, "an idle line must not spin"
                self.now_s = min(self.schedule.wake_s, end_s)
                continue
            self.turns.append((self.now_s, turn))
            device = turn.exchange.device if isinstance(turn, Errand) else turn.device
            dead = device in self.silent
            cost_s = 0.1 if dead else self.cost_s
            self.now_s += cost_s
            verdict = self.schedule.done(turn, replace(SILENT if dead else OK, now_s=self.now_s, took_s=cost_s))
            self.reported += [each.device for each in verdict.blocks]
            if verdict.link:
                self.links.append((self.now_s, verdict.link))

    def starts(self, device: str) -> list[float]:
        return [at for at, turn in self.turns if isinstance(turn, Block) and turn.device == device]


def test_everything_is_due_at_once_and_the_most_urgent_class_goes_first() -> None:
    classes = [WireClass.DIAGNOSTICS, WireClass.MEASUREMENT, WireClass.STATE, WireClass.LIFE_SAFETY, WireClass.PANIC]
    wire = Wire([block(wire_class.name, n, 10.0, wire_class) for n, wire_class in enumerate(classes)])
    wire.run(0.1)
    assert [turn.device for _, turn in wire.turns if isinstance(turn, Block)] == [each.name for each in reversed(classes)]


def test_inside_a_class_the_earliest_deadline_goes_first() -> None:
    wire = Wire([block("slow", 1, 10.0, deadline_s=5.0), block("quick", 2, 10.0, deadline_s=0.5)])
    wire.run(0.1)
    assert [turn.device for _, turn in wire.turns if isinstance(turn, Block)] == ["quick", "slow"]


def test_periods_do_not_drift() -> None:
    wire = Wire([block("a", 1, 0.05)], cost_s=0.013)
    wire.run(100.0)
    assert len(wire.starts("a")) == pytest.approx(2000, abs=1)
    assert all(abs(at - round(at / 0.05) * 0.05) < 1e-6 for at in wire.starts("a"))


def test_missed_turns_are_left_out_and_not_made_up_for() -> None:
    wire = Wire([block("a", 1, 0.05)])
    wire.run(0.2)
    wire.now_s = 10.02
    before = len(wire.turns)
    wire.run(10.2)
    assert [round(at, 3) for at, _ in wire.turns[before:]] == [10.02, 10.05, 10.1, 10.15]


def test_a_line_full_of_panic_blocks_starves_nobody() -> None:
    panics = [block(f"panic{n}", n, 0.05, WireClass.PANIC, deadline_s=0.05) for n in range(3)]
    wire = Wire([*panics, block("gas", 9, 1.0, WireClass.LIFE_SAFETY, deadline_s=1.0)], cost_s=0.03)
    wire.run(60.0)
    gas = wire.starts("gas")
    assert len(gas) >= 14
    assert max(b - a for a, b in itertools.pairwise(gas)) <= 1.0 + 1.0 + STARVED_S + 0.1
    panic = wire.starts("panic0")
    assert max(b - a for a, b in itertools.pairwise(panic)) <= 0.05 + 4 * 0.03 + 1e-6, "its period, and one round of the line"
    assert len(panic) >= 60.0 / (3 * 0.03) * 0.9


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(list(WireClass)), st.sampled_from([0.05, 0.1, 0.5, 1.0, 5.0])), min_size=1, max_size=12),
    st.sampled_from([0.005, 0.02, 0.06]),
)
def test_every_block_gets_turns_whatever_the_load(wanted: list[tuple[WireClass, float]], cost_s: float) -> None:
    blocks = [block(f"d{n}", n, period_s, wire_class, deadline_s=max(period_s, 0.05)) for n, (wire_class, period_s) in enumerate(wanted)]
    wire = Wire(blocks, cost_s)
    wire.run(60.0)
    turns = Counter(turn.device for _, turn in wire.turns if isinstance(turn, Block))
    assert all(turns[each.device] >= 2 for each in blocks)


def test_a_silent_unit_is_bad_at_once_down_at_the_third_miss_and_probed_with_back_off() -> None:
    wire = Wire([block("dead", 1, 0.1), block("alive", 2, 0.1)])
    wire.silent = {"dead"}
    wire.run(0.1)
    assert wire.reported.count("dead") == 1
    wire.run(3.0)
    assert [link for _, link in wire.links] == [Link("alive", True, ""), Link("dead", False, "no answer")]
    down_s = wire.links[-1][0]
    wire.run(120.0)
    probes = [at for at in wire.starts("dead") if at > down_s]
    gaps = [b - a for a, b in itertools.pairwise(probes)]
    assert gaps[0] <= 2.0 + 1e-9
    assert all(10.0 <= gap <= 10.3 for gap in gaps[5:])
    assert len(wire.links) == 2


def test_silent_units_leave_the_others_their_pace() -> None:
    dead = [block(f"dead{n}", n, 0.1) for n in range(30)]
    wire = Wire([*dead, block("alive", 99, 0.1, WireClass.PANIC)], cost_s=0.01)
    wire.silent = {each.device for each in dead}
    wire.run(20.0)
    before = len(wire.starts("alive"))
    wire.run(120.0)
    assert len(wire.starts("alive")) - before >= 0.95 * 1000
    probes = [at for at, turn in wire.turns if at > 20.0 and isinstance(turn, Block) and turn.device in wire.silent]
    assert min(b - a for a, b in itertools.pairwise(probes)) >= 1.0
    assert len({turn.device for at, turn in wire.turns if at > 20.0 and isinstance(turn, Block)}) == 31, "each one is probed"
    starts = wire.starts("alive")
    assert max(b - a for a, b in itertools.pairwise(starts)) <= 0.1 + 0.1 + 0.021


def test_a_unit_that_answers_again_is_up_and_all_its_blocks_are_read_at_once() -> None:
    wire = Wire([block("a", 1, 0.1), block("a", 1, 30.0, start=64), block("b", 2, 0.1)])
    wire.silent = {"a"}
    wire.run(20.0)
    wire.silent = set()
    wire.run(40.0)
    up_s = next(at for at, link in wire.links if link == Link("a", True, ""))
    again = [at for at, turn in wire.turns if isinstance(turn, Block) and turn.name.startswith("2:64") and at >= up_s - 0.02]
    assert again[0] - up_s < 0.05


def test_when_the_power_comes_back_all_units_are_found_soon() -> None:
    blocks = [block(f"d{n}", n, 0.5) for n in range(16)]
    wire = Wire(blocks)
    wire.silent = {each.device for each in blocks}
    wire.run(60.0)
    wire.silent = set()
    wire.run(75.0)
    ups = [at for at, link in wire.links if link.up and at > 60.0]
    assert len(ups) == 16
    assert max(ups) - min(ups) < 1.0


def test_all_points_of_a_unit_turn_bad_when_it_goes_down() -> None:
    schedule = Schedule([block("a", 1, 0.1), block("a", 1, 60.0, start=64)], 0.0)
    first, _ = schedule.blocks
    verdicts = [schedule.done(first, replace(SILENT, now_s=float(n))) for n in range(3)]
    assert [len(verdict.blocks) for verdict in verdicts] == [1, 1, 2]


@pytest.mark.parametrize("code", [1, 2, 3])
def test_a_refused_block_is_a_configuration_fault_and_tried_rarely(code: int) -> None:
    good, bad = block("a", 1, 0.1), block("a", 1, 0.1, start=64)
    schedule = Schedule([good, bad], 0.0)
    assert schedule.done(good, OK).link == Link("a", True, "")
    verdict = schedule.done(bad, exception(code))
    assert verdict.blocks == (bad,)
    assert verdict.link is not None
    assert not verdict.link.up
    assert verdict.link.reason.startswith(f"configuration: exception {code}")
    assert schedule.done(good, OK).link is None, "the other block's answers do not hide the fault"
    seen = []
    for step in range(1, int(CONFIG_RETRY_S * 10) + 5):
        turn = schedule.turn(step / 10)
        if isinstance(turn, Block):
            seen.append((step / 10, turn.name))
            schedule.done(turn, replace(OK, now_s=step / 10))
    assert next(at for at, name in seen if name == bad.name) == pytest.approx(CONFIG_RETRY_S, abs=0.11)


@pytest.mark.parametrize("code", [5, 6])
def test_a_busy_device_is_asked_again_before_anyone_is_told(code: int) -> None:
    only = block("a", 1, 1.0)
    schedule = Schedule([only], 0.0)
    schedule.done(only, OK)
    told = [len(schedule.done(only, replace(exception(code), now_s=float(n))).blocks) for n in range(4)]
    assert told == [0, 0, 1, 1]


def test_a_device_fault_is_told_at_once_and_takes_the_link_down_when_it_lasts() -> None:
    only = block("a", 1, 0.1)
    schedule = Schedule([only], 0.0)
    schedule.done(only, OK)
    verdicts = [schedule.done(only, exception(4)) for _ in range(3)]
    assert [len(verdict.blocks) for verdict in verdicts] == [1, 1, 1]
    assert [verdict.link for verdict in verdicts[:2]] == [None, None]
    assert verdicts[2].link is not None
    assert verdicts[2].link.reason.startswith("device fault: exception 4")


@pytest.mark.parametrize("code", [0x0A, 0x0B])
def test_a_converter_that_hears_nothing_counts_as_silence(code: int) -> None:
    only = block("a", 1, 0.1)
    schedule = Schedule([only], 0.0)
    verdicts = [schedule.done(only, exception(code)) for _ in range(3)]
    assert verdicts[2].link == Link("a", False, f"exception {code}")


def test_after_a_timeout_the_unit_is_left_alone_while_its_answer_may_come() -> None:
    only = block("a", 1, 0.01, late_s=0.3)
    schedule = Schedule([only], 0.0)
    assert schedule.turn(0.0) is only
    schedule.done(only, replace(SILENT, now_s=0.1))
    schedule.add(errand(0.1))
    assert schedule.turn(0.39) is None
    assert schedule.wake_s == pytest.approx(0.4)
    assert isinstance(schedule.turn(0.41), Errand)


def test_a_device_gets_the_pause_that_it_needs_between_requests() -> None:
    wire = Wire([block("beacon", 1, 0.01, gap_s=0.05), block("other", 2, 0.01)], cost_s=0.004)
    wire.run(2.0)
    starts = wire.starts("beacon")
    assert min(b - a for a, b in itertools.pairwise(starts)) >= 0.05 + 0.004 - 1e-9
    assert len(wire.starts("other")) > 100


def test_an_errand_goes_before_slower_classes_and_only_once() -> None:
    schedule = Schedule([block("a", 1, 10.0), block("b", 2, 10.0, WireClass.PANIC)], 0.0)
    wanted = errand(0.0)
    schedule.add(wanted)
    turns = [schedule.turn(0.001 * n) for n in range(4)]
    assert [turn.device if isinstance(turn, Block) else turn for turn in turns] == [wanted, "b", "a", None] or [
        turn.device if isinstance(turn, Block) else turn for turn in turns
    ] == ["b", wanted, "a", None]
    assert turns.index(wanted) <= 1


def test_an_errand_gets_its_turn_on_a_line_full_of_panic_blocks() -> None:
    wire = Wire([block(f"panic{n}", n, 0.01, WireClass.PANIC, deadline_s=0.01) for n in range(3)], cost_s=0.02)
    wire.run(1.0)
    wire.schedule.add(errand(wire.now_s, "panic1"))
    asked_s = wire.now_s
    wire.run(3.0)
    sent_s = next(at for at, turn in wire.turns if isinstance(turn, Errand))
    assert sent_s - asked_s <= ERRAND_STARVED_S + 0.021


def test_the_queue_of_errands_is_bounded() -> None:
    schedule = Schedule([], 0.0)
    assert all(schedule.add(errand(0.0)) for _ in range(QUEUE_MOST))
    assert not schedule.add(errand(0.0))
    assert schedule.queue_depth == QUEUE_MOST
    assert len(schedule.take_errands()) == QUEUE_MOST
    assert schedule.queue_depth == 0


def test_a_lost_port_takes_every_device_down_and_its_return_asks_all_at_once() -> None:
    schedule = Schedule([block("a", 1, 60.0), block("b", 2, 60.0)], 0.0)
    for each in schedule.blocks:
        schedule.turn(0.0)
        schedule.done(each, OK)
    assert schedule.lost("unplugged") == [Link("a", False, "unplugged"), Link("b", False, "unplugged")]
    assert schedule.lost("unplugged") == []
    schedule.restored(5.0)
    turns = [schedule.turn(5.0), schedule.turn(5.0)]
    assert {turn.device for turn in turns if isinstance(turn, Block)} == {"a", "b"}
    assert schedule.done(schedule.blocks[0], OK).link == Link("a", True, "")


def test_two_blocks_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two blocks named"):
        Schedule([block("a"), block("a")], 0.0)
