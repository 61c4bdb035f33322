"""The alarm state machine of ISA-18.2 / IEC 62682 (designed against, not certified): one table, one function.

    A normal ──activate──> B unacknowledged ──acknowledge──> C acknowledged
    B ──clear──> D returned, unacknowledged      (latching: E latched, unacknowledged)
    C ──clear──> A normal                        (latching: F latched, acknowledged)
    D ──acknowledge──> A      E ──acknowledge──> F      F ──reset──> A
    D, E, F ──activate──> B   (D begins anew; E and F are repeated: the alarm still stood)
    A to F ──shelve──> G shelved          ──unshelve──> back
    A to F ──suppress──> H suppressed     ──unsuppress──> back
    A to F, G, H ──take out──> I out of service  ──bring back──> back

An acknowledge never resets. A reset while the condition is active is refused. A latching alarm never
resets itself (GB 50394-2007 5.2.3).

G, H and I lie over one of A to F, which goes on moving underneath (`live`): what happens is recorded and not announced.
On the way back a condition that is active is announced anew, a latched alarm still stands, one that does not latch and is
over is normal. Highly managed alarms are never shelved or suppressed; out of service they are announced all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """States as they stand in messages and in the journal."""

    NORMAL = "normal"
    UNACK = "unacknowledged"
    ACKED = "acknowledged"
    RTN_UNACK = "returned_unacknowledged"
    LATCHED_UNACK = "latched_unacknowledged"
    LATCHED_ACKED = "latched_acknowledged"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed_by_design"
    OUT_OF_SERVICE = "out_of_service"


class Stimulus(StrEnum):
    """What may happen to an alarm. From `shelve` on: what sets it aside and brings it back."""

    ACTIVATE = "activate"
    CLEAR = "clear"
    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    OUT_OF_SERVICE = "out_of_service"
    RETURN_TO_SERVICE = "return_to_service"


class Kind(StrEnum):
    """How much an alarm asks of people. A highly managed one latches."""

    PLAIN = "does not latch"
    LATCHING = "latches"
    MANAGED = "highly managed"


ACTIVE = frozenset({State.UNACK, State.ACKED})
ASIDE = frozenset({State.SHELVED, State.SUPPRESSED, State.OUT_OF_SERVICE})
LIVE = tuple(state for state in State if state not in ASIDE)
STANDING = frozenset(LIVE) - {State.NORMAL}
UNACKED = frozenset({State.UNACK, State.RTN_UNACK, State.LATCHED_UNACK})
RECORDED = "recorded"  # the word of what happened underneath and was not announced

_PEOPLE = frozenset(Stimulus) - {Stimulus.ACTIVATE, Stimulus.CLEAR, Stimulus.SUPPRESS, Stimulus.UNSUPPRESS}
_SHELF_REFUSED = "a highly managed alarm (panic, impact, gas high, fire) is never shelved"
_ASIDE_WORDS = {
    State.SHELVED: "the alarm is shelved: unshelve it first",
    State.SUPPRESSED: "the alarm is suppressed by design and was not announced",
    State.OUT_OF_SERVICE: "the alarm is out of service: return it to service first",
}
_NOT_ASIDE = {Stimulus.UNSHELVE: "the alarm is not shelved", Stimulus.RETURN_TO_SERVICE: "the alarm is in service"}
_BACK = {
    State.SHELVED: (Stimulus.UNSHELVE, "unshelved"),
    State.SUPPRESSED: (Stimulus.UNSUPPRESS, "unsuppressed"),
    State.OUT_OF_SERVICE: (Stimulus.RETURN_TO_SERVICE, "returned_to_service"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """Result of one stimulus. live: the state of A to F; the same as `state` unless the alarm is set aside.

    event: last word of the event type, or empty. then: a second event after it. refused: why nothing happened.
    """

    state: State
    live: State
    event: str = ""
    then: str = ""
    refused: str = ""


Row = tuple[State, State, Stimulus, Kind]


def _plain_rows(kind: Kind) -> dict[Row, Step]:
    """A to F, and what may happen to an alarm that nobody has set aside."""
    a, b, c, d, e, f = LIVE
    activate, clear, ack, reset = Stimulus.ACTIVATE, Stimulus.CLEAR, Stimulus.ACKNOWLEDGE, Stimulus.RESET
    nothing = "there is nothing to {}: the alarm is normal"
    still = "the cause is still there: a reset is refused while the condition is active"
    latching = kind is not Kind.PLAIN
    moves: dict[tuple[State, Stimulus], tuple[State, str, str]] = {
        (a, activate): (b, "activated", ""),
        (a, clear): (a, "", ""),
        (a, ack): (a, "", nothing.format("acknowledge")),
        (a, reset): (a, "", nothing.format("reset")),
        (b, activate): (b, "repeated", ""),
        (b, clear): (e if latching else d, "cleared", ""),
        (b, ack): (c, "acknowledged", ""),
        (b, reset): (b, "", still),
        (c, activate): (b, "repeated", ""),
        (c, clear): (f if latching else a, "cleared", ""),
        (c, ack): (c, "", "the alarm is acknowledged already"),
        (c, reset): (c, "", still),
        # D exists only without latching, E and F only with; a changed site file may leave either behind
        (d, activate): (b, "activated", ""),
        (d, clear): (d, "", ""),
        (d, ack): (a, "acknowledged", ""),
        (d, reset): (d, "", "this alarm does not latch: acknowledge it"),
        (e, activate): (b, "repeated", ""),
        (e, clear): (e, "", ""),
        (e, ack): (f, "acknowledged", ""),
        (e, reset): (e, "", "acknowledge the alarm before you reset it"),
        (f, activate): (b, "repeated", ""),
        (f, clear): (f, "", ""),
        (f, ack): (f, "", "the alarm is acknowledged already"),
        (f, reset): (a, "reset", ""),
    }
    rows = {(before, before, what, kind): Step(after, after, event, refused=no) for (before, what), (after, event, no) in moves.items()}
    for state in LIVE:
        managed = kind is Kind.MANAGED
        rows[state, state, Stimulus.SHELVE, kind] = (
            Step(state, state, refused=_SHELF_REFUSED) if managed else Step(State.SHELVED, state, "shelved")
        )
        rows[state, state, Stimulus.SUPPRESS, kind] = Step(state, state) if managed else Step(State.SUPPRESSED, state, "suppressed")
        rows[state, state, Stimulus.UNSUPPRESS, kind] = Step(state, state)
        rows[state, state, Stimulus.OUT_OF_SERVICE, kind] = Step(State.OUT_OF_SERVICE, state, "out_of_service")
        for what, words in _NOT_ASIDE.items():
            rows[state, state, what, kind] = Step(state, state, refused=words)
    return rows


def _aside_rows(aside: State, live: State, kind: Kind, plain: dict[Row, Step]) -> dict[Row, Step]:
    """One of G, H, I over one of A to F."""
    told = kind is Kind.MANAGED  # highly managed alarms are announced even out of service
    rows: dict[Row, Step] = {}
    for what in (Stimulus.ACTIVATE, Stimulus.CLEAR, Stimulus.ACKNOWLEDGE, Stimulus.RESET):
        under = plain[live, live, what, kind]
        if told:
            rows[aside, live, what, kind] = Step(aside, under.live, under.event, refused=under.refused)
        elif what in _PEOPLE:
            rows[aside, live, what, kind] = Step(aside, live, refused=_ASIDE_WORDS[aside])
        else:
            rows[aside, live, what, kind] = Step(aside, under.live, RECORDED if under.event else "")
    for back, (what, word) in _BACK.items():
        if back is aside:
            rows[aside, live, what, kind] = _back(live, kind, word)
        else:
            rows[aside, live, what, kind] = Step(aside, live, refused=_NOT_ASIDE.get(what, ""))
    rows[aside, live, Stimulus.SUPPRESS, kind] = Step(aside, live)
    rows[aside, live, Stimulus.SHELVE, kind] = (
        Step(aside, live, refused=_SHELF_REFUSED)
        if told
        else Step(State.SHELVED, live, "shelved")
        if aside is State.SUPPRESSED
        else Step(aside, live, refused=_ASIDE_WORDS[aside])
    )
    rows[aside, live, Stimulus.OUT_OF_SERVICE, kind] = (
        Step(aside, live, refused="the alarm is out of service already")
        if aside is State.OUT_OF_SERVICE
        else Step(State.OUT_OF_SERVICE, live, "out_of_service")
    )
    return rows


def _back(live: State, kind: Kind, word: str) -> Step:
    """Where an alarm stands that is no longer set aside. What was announced all the time is not announced again."""
    if kind is not Kind.MANAGED:
        if live in ACTIVE:
            return Step(State.UNACK, State.UNACK, word, "activated")
        if live is State.RTN_UNACK:
            return Step(State.NORMAL, State.NORMAL, word)
    return Step(live, live, word)


def _rows() -> dict[Row, Step]:
    rows: dict[Row, Step] = {}
    for kind in Kind:
        plain = _plain_rows(kind)
        rows |= plain
        for aside in State:
            if aside in ASIDE:
                for live in LIVE:
                    rows |= _aside_rows(aside, live, kind, plain)
    return rows


TABLE: dict[Row, Step] = _rows()  # (state, live, stimulus, kind)


def step(state: State, live: State, stimulus: Stimulus, kind: Kind) -> Step:
    """The next state and the event that says so. An unknown row is a KeyError, never a guess."""
    return TABLE[state, live, stimulus, kind]
