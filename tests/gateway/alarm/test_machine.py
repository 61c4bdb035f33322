"""The alarm table: complete, and true to its laws on every path through it."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.alarm.machine import ACTIVE, ASIDE, LIVE, STANDING, TABLE, UNACKED, Kind, State, Step, Stimulus, step

# ISA-18.2 with latching, written down once more and by hand: what happens, not how.
N, U, A, R, LU, LA = State.NORMAL, State.UNACK, State.ACKED, State.RTN_UNACK, State.LATCHED_UNACK, State.LATCHED_ACKED
SH, SU, OO = State.SHELVED, State.SUPPRESSED, State.OUT_OF_SERVICE
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
FIRST_FOUR = (Stimulus.ACTIVATE, Stimulus.CLEAR, Stimulus.ACKNOWLEDGE, Stimulus.RESET)
BACK = {
    SH: (Stimulus.UNSHELVE, "unshelved"),
    SU: (Stimulus.UNSUPPRESS, "unsuppressed"),
    OO: (Stimulus.RETURN_TO_SERVICE, "returned_to_service"),
}
ASKED = frozenset(Stimulus) - {Stimulus.ACTIVATE, Stimulus.CLEAR, Stimulus.SUPPRESS, Stimulus.UNSUPPRESS}


@pytest.mark.parametrize(("state", "stimulus", "kind"), list(product(LIVE, FIRST_FOUR, Kind)))
def test_a_to_f(state: State, stimulus: Stimulus, kind: Kind) -> None:
    result = step(state, state, stimulus, kind)
    move = MOVES.get((state, str(stimulus)))
    assert result.live is result.state
    if move is not None:
        after = move[0] if kind is Kind.PLAIN else move[1]
        assert result == Step(after, after, move[2])
    else:
        assert (result.state, result.event) == (state, "")
        assert bool(result.refused) is (stimulus in ASKED), "a person is always told why; a condition never is"


def test_every_row_is_there_and_nothing_else() -> None:
    places = [(state, state) for state in LIVE] + list(product([SH, SU, OO], LIVE))
    assert set(TABLE) == {(*place, stimulus, kind) for place, stimulus, kind in product(places, Stimulus, Kind)}


def test_an_unknown_row_is_an_error() -> None:
    with pytest.raises(KeyError):
        step(State.SHELVED, State.SHELVED, Stimulus.CLEAR, Kind.PLAIN)


def test_every_row_keeps_the_laws() -> None:
    for row, result in TABLE.items():
        keeps_the_laws(*row, result)


def keeps_the_laws(state: State, live: State, stimulus: Stimulus, kind: Kind, result: Step) -> None:
    assert not (result.event and result.refused)
    assert not result.refused or stimulus in ASKED
    assert result.event or (result.state, result.live) == (state, live), "no silent move"
    assert result.live not in ASIDE
    assert (result.live is result.state) or result.state in ASIDE
    if kind is Kind.MANAGED:
        assert result.state not in (SH, SU) or state == result.state, "nobody shelves or suppresses a highly managed alarm"
    if stimulus is not Stimulus.RESET and kind is not Kind.PLAIN and live in (U, A, LU, LA):
        assert result.live is not N, "only a reset ends a latched alarm"
    if stimulus is Stimulus.ACTIVATE and (state in LIVE or kind is Kind.MANAGED):
        assert result.event in ("activated", "repeated"), "announced"
    if stimulus is Stimulus.ACTIVATE and state in ASIDE and kind is not Kind.MANAGED:
        assert (result.state, result.event) == (state, "recorded"), "recorded, not announced"


@pytest.mark.parametrize(("aside", "kind"), list(product(BACK, (Kind.PLAIN, Kind.LATCHING))))
def test_the_way_back_is_by_the_live_condition(aside: State, kind: Kind) -> None:
    stimulus, word = BACK[aside]
    ends = {live: step(aside, live, stimulus, kind) for live in LIVE}
    for live in (U, A):
        assert ends[live] == Step(U, U, word, "activated"), "a standing condition is announced"
    for live in (N, R):
        assert ends[live] == Step(N, N, word)
    for live in (LU, LA):
        assert ends[live] == Step(live, live, word), "setting aside is no way to reset"


@pytest.mark.parametrize("live", LIVE)
def test_a_highly_managed_alarm_out_of_service_is_told_and_taken_all_the_same(live: State) -> None:
    for stimulus in FIRST_FOUR:
        under, over = step(live, live, stimulus, Kind.MANAGED), step(OO, live, stimulus, Kind.MANAGED)
        assert (over.state, over.live, over.event, over.refused) == (OO, under.live, under.event, under.refused)
    assert step(OO, live, Stimulus.RETURN_TO_SERVICE, Kind.MANAGED) == Step(live, live, "returned_to_service")


def test_what_goes_over_what() -> None:
    assert step(SU, U, Stimulus.SHELVE, Kind.PLAIN) == Step(SH, U, "shelved")
    assert step(SH, U, Stimulus.SUPPRESS, Kind.PLAIN) == Step(SH, U), "logic waits until the shelf ends"
    assert step(SH, U, Stimulus.UNSUPPRESS, Kind.PLAIN) == Step(SH, U)
    assert "shelved" in step(SH, U, Stimulus.SHELVE, Kind.PLAIN).refused
    for aside in (SH, SU):
        assert step(aside, U, Stimulus.OUT_OF_SERVICE, Kind.LATCHING) == Step(OO, U, "out_of_service")
    assert "out of service" in step(OO, U, Stimulus.SHELVE, Kind.PLAIN).refused
    assert "already" in step(OO, U, Stimulus.OUT_OF_SERVICE, Kind.MANAGED).refused
    assert "never shelved" in step(U, U, Stimulus.SHELVE, Kind.MANAGED).refused
    assert "not shelved" in step(U, U, Stimulus.UNSHELVE, Kind.PLAIN).refused
    assert "in service" in step(SH, U, Stimulus.RETURN_TO_SERVICE, Kind.PLAIN).refused


def test_the_sets() -> None:
    assert {U, A} == ACTIVE
    assert {U, A, R, LU, LA} == STANDING
    assert {U, R, LU} == UNACKED
    assert {SH, SU, OO} == ASIDE
    assert (N, U, A, R, LU, LA) == LIVE


class AnyStory(RuleBasedStateMachine):
    """A condition that comes and goes, logic, and people who press what they like."""

    @initialize()
    def begin(self) -> None:
        self.at = dict.fromkeys(Kind, (State.NORMAL, State.NORMAL))
        self.active = False
        self.reset_since_activation = dict.fromkeys(Kind, True)

    def take(self, stimulus: Stimulus) -> dict[Kind, Step]:
        steps = {kind: step(*self.at[kind], stimulus, kind) for kind in Kind}
        self.at = {kind: (result.state, result.live) for kind, result in steps.items()}
        return steps

    @rule()
    def activate(self) -> None:
        self.active = True
        self.reset_since_activation = dict.fromkeys(Kind, False)
        for kind, result in self.take(Stimulus.ACTIVATE).items():
            told = "recorded" if self.at[kind][0] in ASIDE and kind is not Kind.MANAGED else ("activated", "repeated")
            assert result.event in told, "a rising edge is always told or recorded"

    @rule()
    def clear(self) -> None:
        self.active = False
        self.take(Stimulus.CLEAR)

    @rule(stimulus=st.sampled_from(sorted(frozenset(Stimulus) - {Stimulus.ACTIVATE, Stimulus.CLEAR, Stimulus.RESET})))
    def anything_else(self, stimulus: Stimulus) -> None:
        for result in self.take(stimulus).values():
            assert result.then in ("", "activated")
            assert self.active or not result.then, "only what is there is announced on the way back"

    @rule()
    def reset(self) -> None:
        for kind, result in self.take(Stimulus.RESET).items():
            assert not (self.active and result.event), "refused while the cause is there"
            if result.event == "reset":
                self.reset_since_activation[kind] = True

    @invariant()
    def the_laws_hold(self) -> None:
        for kind, (state, live) in self.at.items():
            assert (live in ACTIVE) == self.active, "the live state follows the condition, set aside or not"
            if kind is not Kind.PLAIN:
                assert live is not State.RTN_UNACK
                assert live is not State.NORMAL or self.reset_since_activation[kind], "a latching alarm never resets itself"
            else:
                assert live not in (State.LATCHED_UNACK, State.LATCHED_ACKED)
            if kind is Kind.MANAGED:
                assert state not in (State.SHELVED, State.SUPPRESSED)


TestAnyStory = AnyStory.TestCase
TestAnyStory.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
