"""The alarm table: complete, and true to its laws on every path through it."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.alarm.machine import ACTIVE, STANDING, TABLE, UNACKED, State, Step, Stimulus, step

# ISA-18.2 with latching, written down once more and by hand: what happens, not how.
N, U, A, R, LU, LA = State.NORMAL, State.UNACK, State.ACKED, State.RTN_UNACK, State.LATCHED_UNACK, State.LATCHED_ACKED
MOVES: dict[tuple[State, str], tuple[State, State, str]] = {  # -> without latching, with latching, event
    (N, "activate"): (U, U, "activated"),
    (U, "activate"): (U, U, "repeated"),
    (A, "activate"): (U, U, "repeated"),
    (R, "activate"): (U, U, "activated"),
    (LU, "activate"): (U, U, "repeated"),
    (LA, "activate"): (U, U, "repeated"),
    (U, "clear"): (R, LU, "cleared"),
    (A, "clear"): (N, LA, "cleared"),
    (U, "acknowledge"): (A, A, "acknowledged"),
    (R, "acknowledge"): (N, N, "acknowledged"),
    (LU, "acknowledge"): (LA, LA, "acknowledged"),
    (LA, "reset"): (N, N, "reset"),
}


@pytest.mark.parametrize(("state", "stimulus", "latching"), list(product(State, Stimulus, (False, True))))
def test_every_pair_is_in_the_table(state: State, stimulus: Stimulus, latching: bool) -> None:
    result = step(state, stimulus, latching=latching)
    move = MOVES.get((state, str(stimulus)))
    if move is not None:
        assert result == Step(move[1] if latching else move[0], move[2])
    else:
        assert result.state is state
        assert result.event == ""
        asked = stimulus in (Stimulus.ACKNOWLEDGE, Stimulus.RESET)
        assert bool(result.refused) is asked, "a person is always told why; a condition never is"


def test_there_is_nothing_else_in_the_table() -> None:
    assert set(TABLE) == set(product(State, Stimulus, (False, True)))


def test_an_unknown_pair_is_an_error() -> None:
    with pytest.raises(KeyError):
        step("shelved", Stimulus.CLEAR, latching=False)  # type: ignore[arg-type]


def test_the_sets() -> None:
    assert {U, A} == ACTIVE
    assert {U, A, R, LU, LA} == STANDING
    assert {U, R, LU} == UNACKED


class AnyStory(RuleBasedStateMachine):
    """A condition that comes and goes, and people who press what they like."""

    @initialize()
    def begin(self) -> None:
        self.states = {False: State.NORMAL, True: State.NORMAL}
        self.active = False
        self.reset_since_activation = True
        self.acknowledged_since_activation = True

    def take(self, stimulus: Stimulus) -> dict[bool, Step]:
        steps = {latching: step(self.states[latching], stimulus, latching=latching) for latching in (False, True)}
        before, self.states = self.states, {latching: result.state for latching, result in steps.items()}
        for latching, result in steps.items():
            assert not (result.event and result.refused)
            assert (result.state == before[latching]) or result.event, "no silent move"
        return steps

    @rule()
    def activate(self) -> None:
        self.active = True
        self.reset_since_activation = self.acknowledged_since_activation = False
        for result in self.take(Stimulus.ACTIVATE).values():
            assert result.event in ("activated", "repeated"), "a rising edge is always told"

    @rule()
    def clear(self) -> None:
        self.active = False
        self.take(Stimulus.CLEAR)

    @rule()
    def acknowledge(self) -> None:
        before = dict(self.states)
        self.take(Stimulus.ACKNOWLEDGE)
        self.acknowledged_since_activation = True
        if before[True] != State.NORMAL:
            assert self.states[True] != State.NORMAL, "an acknowledge never resets"

    @rule()
    def reset(self) -> None:
        before = dict(self.states)
        for latching, result in self.take(Stimulus.RESET).items():
            if self.active and before[latching] in ACTIVE:
                assert result.refused
                assert result.state is before[latching]
        if self.states[True] is State.NORMAL:
            self.reset_since_activation = True

    @invariant()
    def the_laws_hold(self) -> None:
        for state in self.states.values():
            assert (state in ACTIVE) == self.active
            assert self.acknowledged_since_activation or state in UNACKED
        if self.states[True] is State.NORMAL:
            assert self.reset_since_activation, "a latching alarm never resets itself"
        assert self.states[False] not in (State.LATCHED_UNACK, State.LATCHED_ACKED)
        assert self.states[True] is not State.RTN_UNACK


TestAnyStory = AnyStory.TestCase
TestAnyStory.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
